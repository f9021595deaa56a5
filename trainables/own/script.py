"""A script as a method: a command line that trains and leaves its results in a folder. Nothing in it is changed.

    @script(
        "python train.py {flags} --seed {seed} --out {out}",
        metrics=[Metric("accuracy", "Acc.")],
        data=Data("Mine", files=["data.csv"]),
    )
    class TrainPy(Config):
        lr: float = 0.1

What stands for what is in `script_command.py`, what is read of the folder in `script_results.py`.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.run import (
    FINAL_CHECKPOINT,
    CheckpointFolder,
    FitHooks,
    Runtime,
    TrainingStopped,
)
from tablewright.trainables.contract.view import ViewResult
from tablewright.trainables.own.declaration import (
    Config,
    Data,
    Measured,
    OwnMethod,
    Returned,
    declare,
    faults_of,
    faults_of_name,
    faults_of_words,
)
from tablewright.trainables.own.script_command import (
    OUT,
    OVERRIDES,
    Command,
    field_of,
    paths_of,
    paths_of_whole_numbers,
)
from tablewright.trainables.own.script_files import ScriptFiles, listed_sources
from tablewright.trainables.own.script_folder import OutFolder, opened_out
from tablewright.trainables.own.script_process import ScriptProcess
from tablewright.trainables.own.script_results import ScriptResults, read_results
from tablewright.trainables.own.script_run import Running, ScriptRun
from tablewright.trainables.own.source import Source, project_of, source_of_program
from tablewright.trainables.own.trainable import OwnTrainable
from tablewright.trainables.value.name_list import some
from tablewright.trainables.value.refusal import Fault, Refusal, guess, shown

ConfigT = TypeVar("ConfigT", bound=Config)

SILENT_LIMIT_S = 3600.0
CHECK_LIMIT_S, HELP_LIMIT_S = 120.0, 60.0
"""How long a trial of the command, and its answer to `--help`, may take in `--check`."""
_FLAG = re.compile(r"(?<![\w-])--[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class _Script(OwnMethod):
    """What was declared of a script.

    Attributes:
        running: how it is run.
        named: where the files that it is made of are named.
        files: these files, as they were found when it was declared.
        num_epochs: path of the field of the config that says how many there are; None where none does.
        check: words with which it only tries itself; None tries what the command allows.
    """

    running: Running
    named: ScriptFiles
    files: tuple[Path, ...]
    metrics_file: str
    items_file: str | None
    num_epochs: str | None
    check: tuple[str, ...] | None

    def make_trainable(self) -> ScriptTrainable:
        return ScriptTrainable(self)

    def known_epochs(self, config: Any) -> int | None:
        return None if self.num_epochs is None else field_of(config, self.num_epochs)

    def why_unwatched(self) -> str:
        if self.running.progress_file is not None:
            return ""
        return "the script tells of no epoch; name the file in which it does, @script(progress_file=…)"

    def why_unpaused(self) -> str:
        if self.running.resume is not None:
            return ""
        return "the script begins again wherever it is interrupted; say how it goes on, @script(resume=…)"


def script(
    command: str | Sequence[str],
    *,
    metrics: Sequence[Metric] = (),
    data: Data | Callable[[Any], Data] | None = None,
    sources: Sequence[str] = (),
    metrics_file: str = "metrics.json",
    items_file: str | None = None,
    progress_file: str | None = None,
    num_epochs: str | None = None,
    resume: str | Sequence[str] | None = None,
    check: str | Sequence[str] | None = None,
    silent_limit_s: float = SILENT_LIMIT_S,
    name: str = "",
    says: str = "",
) -> Callable[[type[ConfigT]], type[ConfigT]]:
    """Make a script a method, by which configs of a class are trained.

    It runs in the folder of the project, which holds `search_spaces/`. What is named here is relative to that.

    Args:
        command: a line or a list of words with `{seed}`, `{out}` (the folder for its results, which survives a kill
            and is kept), and the config: `{flags}` (`--lr 0.1`), `{dashed_flags}` (`--weight-decay`), `{overrides}`
            (Hydra's `lr=0.1`), `{config_json}` or `{config_yaml}` (the path of a file), or single fields as `{lr}`.
        metrics: what it writes, the first being the primary one.
        data: what it trains on; or a function of the config, where that decides it.
        sources: files and folders that it is made of, beside the files that the command names; what of the project
            Python files among these import, and shell scripts among them name, is found by itself.
        metrics_file: JSON in `{out}`. Metric `m` of a split is `{"val": {"m": 0.5}}`, `val_m` or `val/m`; of `test`
            also plain `m`.
        items_file: CSV or JSON lines in `{out}`, one row an item of the test split.
        progress_file: JSON lines in `{out}`, one an epoch, which are followed while it runs.
        num_epochs: the field of the config that says how many epochs there are.
        resume: words to be added where an interrupted training goes on and the file that they name is there, such
            as `--resume {out}/last.pt`; `""` where the script looks into `{out}` by itself; None begins again.
        check: words to be added with which it only tries itself, for `--check`.
        silent_limit_s: it is ended when it has neither printed nor changed a file in `{out}` for so long.
        name: of the method in records; the class's name where it is left out.
        says: how it measures, in words for the caption.

    Raises:
        Refusal: names every fault of it.
    """

    def declare_script(config: type[ConfigT]) -> type[ConfigT]:
        faults = faults_of(config, metrics, data)
        words: dict[str, tuple[str, ...] | None] = {}
        for argument, given in (("command", command), ("resume", resume), ("check", check)):
            try:
                words[argument] = None if given is None else Command.of(given).words
            except ValueError as error:
                faults.append(Fault(argument, str(error)))
        if faults or data is None:
            raise Refusal(f"The script of {getattr(config, '__name__', config)!r}", faults)
        line = Command(words["command"] or ())
        faults += line.find_faults(config)
        for argument in ("resume", "check"):
            told = line.find_faults_of_further(words[argument] or ())
            faults += [Fault(argument, text) for text in told]
        if words["check"] == ():
            text = "it is empty, and the script would train; give a word such as --dry-run, or leave it out"
            faults.append(Fault("check", text))
        whole = paths_of_whole_numbers(config)
        if num_epochs is not None and num_epochs not in whole:
            close = guess(num_epochs, whole) if isinstance(num_epochs, str) else "."  # pyright: ignore
            text = f"{config.__name__} has no whole number {num_epochs!r}{close}"
            faults.append(Fault("num_epochs", f"{text} It has {some(whole) or 'none'}"))
        faults += _faults_of_limit(silent_limit_s)
        faults += _faults_of_file_name("metrics_file", metrics_file)
        for argument, given in (("items_file", items_file), ("progress_file", progress_file)):
            faults += [] if given is None else _faults_of_file_name(argument, given)
        faults += faults_of_words(name, says)
        faults += faults_of_name(name or config.__name__, config)
        file = Path(inspect.getfile(config)).resolve()
        named, source = ScriptFiles(line, (), project_of(file)), None
        files: tuple[Path, ...] = ()
        try:
            named = ScriptFiles(line, listed_sources(sources), project_of(file))
            absent = [*named.find_faults()]
            faults += absent
            files = () if absent else tuple(dict.fromkeys(named.find()))
            source = _source_of(file, config, line, files) if files else None
        except ValueError as error:
            faults.append(Fault("sources", str(error)))
        if not files and not faults:
            text = 'the files that the script is made of are needed, such as ["train.py", "src"]'
            faults.append(Fault("sources", text))
        if source is None or faults:
            raise Refusal(f"The script of {config.__name__!r}", faults)
        running = Running(line, project_of(file), progress_file, words["resume"], silent_limit_s)
        method = _Script(
            config,
            tuple(metrics),
            data,
            says,
            source,
            file,
            running=running,
            named=named,
            files=files,
            metrics_file=metrics_file,
            items_file=items_file,
            num_epochs=num_epochs,
            check=words["check"],
        )
        declare(name or config.__name__, method)
        return config

    return declare_script


def _faults_of_limit(given: Any) -> Iterator[Fault]:
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    if not is_number or not given > 0:
        yield Fault("silent_limit_s", f"seconds above 0 are needed; got {shown(given)}")


def _faults_of_file_name(argument: str, given: Any) -> Iterator[Fault]:
    is_inside = isinstance(given, str) and not re.search(r"[{}\0]", given) and given.strip("./ ") != ""
    if not is_inside or Path(given).is_absolute() or ".." in Path(given).parts:
        yield Fault(
            argument,
            f'the path of a file inside {{out}} is needed, such as "metrics.json"; got {shown(given)}',
        )


# -- what a script is made of ---------------------------------------------------------------------


def _source_of(file: Path, config: type[Config], command: Command, files: Sequence[Path]) -> Source:
    """Read the code of a script, of which the words of its command and the names of the fields in it are a part.

    A field that is new has a default, and without it the script took one of its own.

    Raises:
        ValueError: a file cannot be read.
    """
    project = project_of(file)
    try:
        found = source_of_program(files, project)
    except OSError as error:  # of the script, not of this machine
        raise ValueError(f"{error.filename} cannot be read ({error.strerror}); mend it") from error
    place = file.relative_to(project).as_posix()
    said = json.dumps([command.words, sorted(paths_of(config))])
    digest = hashlib.sha256(said.encode()).hexdigest()
    return Source({**found.definitions, f"{place}: command of {config.__name__}": digest}, found.imports)


# -- running it -----------------------------------------------------------------------------------


class ScriptTrainable(OwnTrainable[_Script]):
    """Implements `trainables.contract.method.Trainable` for a script, whose command is part of its code."""

    def definitions_now(self) -> Mapping[str, str]:
        """Give the same as it stands in the files now, which every training runs anew."""
        method = self._method
        files = tuple(dict.fromkeys([*method.files, *method.named.find_declared()]))
        return _source_of(method.file, method.config, method.running.command, files).definitions

    def fit(
        self, config: Config, runtime: Runtime, checkpoints: CheckpointFolder, hooks: FitHooks
    ) -> ScriptResults:
        """Run it to its end, and read what it left.

        Raises:
            ScriptFailed: it ended otherwise; the message has its last words.
            ValueError: what it left cannot be used.
        """
        with opened_out(checkpoints, runtime, hooks.should_stop) as out:
            kept_now = checkpoints.beside / "checkpoint"  # what was known of it may be older than the wait
            if kept_now.exists(FINAL_CHECKPOINT):  # of another attempt, which this one has waited for
                return self.load(config, runtime, checkpoints)
            method = self._method
            run = ScriptRun(method.running, config.planned_epochs(), runtime, checkpoints, hooks, out)
            try:
                run.to_its_end(config)
            except TrainingStopped:
                self._refuse_edited(out)
                raise
            self._refuse_edited(out)
            results = read_results(out.path, method.metrics_file, method.items_file)
            self._refuse_unusable(config, results)
            kept = {"values": results.values, "per_item": results.per_item, "place": results.place}
            with checkpoints.open_to_write(FINAL_CHECKPOINT) as file:
                file.write(json.dumps(kept).encode())
            out.remove_lock()
            return results

    def _refuse_edited(self, out: OutFolder) -> None:
        """Refuse what was trained while the code changed, and keep nothing from which another attempt could go on.

        Raises:
            ValueError: names what was edited.
        """
        planned, now = self.definitions(), self.definitions_now()
        edited = [name for name in {**planned, **now} if planned.get(name) != now.get(name)]
        if edited:
            out.clear()
            out.keep()
            raise ValueError(
                f"the code of {self._method.config.METHOD} was edited while it ran ({some(edited)}), so that nobody "
                "could say what trained it, and nothing of it is kept; run the same command again, which plans with "
                "the code as it is. A file that the script itself writes belongs into {out}"
            )

    def _refuse_unusable(self, config: Config, results: ScriptResults) -> None:
        """Refuse results that no table could hold, so that the next run trains again and does not find them kept.

        Raises:
            ValueError: a metric of the test split is not there or no number, or one of val that is there is none.
        """
        method = self._method
        results.refuse_absent(method.metrics)
        self.measure([(config, results)], method.view("test"))

    def load(self, config: Config, runtime: Runtime, checkpoints: CheckpointFolder) -> ScriptResults:
        """Read what it left."""
        with checkpoints.open_to_read(FINAL_CHECKPOINT) as file:
            return ScriptResults(**json.loads(file.read()))

    def measure(self, members: Sequence[tuple[Config, ScriptResults]], view: Returned) -> ViewResult:
        """Give what it wrote of a split."""
        _, results = self._only(members, view)
        values = {metric.name: results.value(metric, view.split) for metric in self._method.metrics}
        per_item = results.per_item if view.split == "test" else {}
        return self._method.result_of(Measured(values, per_item), results.place)

    def value_told(self, told: ScriptResults, view: Returned, metric: Metric) -> float | None:
        """Give what a line of progress says of a metric; None where it says nothing that is a number."""
        return told.value_or_none(metric, view.split)

    def check(self, config: Config, runtime: Runtime) -> None:
        """Try the command in a second or two, as far as it can be tried without training.

        Raises:
            ValueError: a flag that the script does not know.
            ScriptFailed: it cannot be run, or refuses what it is given.
        """
        running, words = self._method.running, self._method.check
        with tempfile.TemporaryDirectory(prefix="tablewright-script-") as scratch:
            out = Path(scratch) / "out"
            out.mkdir()
            asked = running.command.fill(config, out=out, scratch=Path(scratch))
            if words is not None:
                _try((*asked, *running.command.fill_further(words, out)), running.folder)
            elif running.command.list_place == OVERRIDES:
                _try((*asked, "--cfg", "job"), running.folder)
            elif running.command.list_place is not None or self._literal_flags():
                self._refuse_unknown_flags()
            elif shutil.which(asked[0]) is None and not (running.folder / asked[0]).is_file():
                raise ValueError(
                    f"{asked[0]} is not there, the program that the command begins with; correct it"
                )

    def _literal_flags(self) -> list[str]:
        """Name the flags of the script that stand in the command, or in `resume`, as they are."""
        running = self._method.running
        own = running.command.words[running.command.num_words_of_program :]
        return [flag[0] for word in [*own, *(running.resume or ())] if (flag := _FLAG.match(word))]

    def _refuse_unknown_flags(self) -> None:
        """Compare the flags with those that the script's --help names.

        Raises:
            ValueError: names each that it does not, or says that the script does not answer.
        """
        method, command = self._method, self._method.running.command
        known = dict.fromkeys(_FLAG.findall(_help_of(command, method.config, method.running.folder)))
        unknown = [flag for flag in command.flags(method.config) if flag not in known]
        literal = [flag for flag in self._literal_flags() if not _is_known(flag, known)]
        if (
            literal and command.list_place is not None
        ):  # they may be of the program whose command `train` is asked
            above = _help_of(command, method.config, method.running.folder, is_first=True)
            known |= dict.fromkeys(_FLAG.findall(above))
            literal = [flag for flag in literal if not _is_known(flag, known)]
        if unknown := list(dict.fromkeys([*unknown, *literal])):
            faults = "; ".join(f"{flag}{guess(flag, known)}".rstrip(".") for flag in unknown)
            ends = "" if faults.endswith("?") else "."
            raise ValueError(
                f"the script's --help names no {faults}{ends} It names {some(list(known), 20)}; call the fields of "
                f"{method.config.__name__}, and the flags in the command, as the script does"
            )


def _is_known(flag: str, known: Iterable[str]) -> bool:
    """Say whether a flag is one of these, or the beginning of one, as argparse allows."""
    return any(one.startswith(flag) for one in known)


@functools.cache
def _help_of(command: Command, config: type[Config], folder: Path, *, is_first: bool = False) -> str:
    """Ask a script for its flags, once for all configs of a study.

    Args:
        command: of it.
        config: by which it would train.
        folder: in which it runs.
        is_first: whether to ask the program before its other words, and not in the place of the fields.

    Raises:
        ValueError: it does not answer, as one that trains whatever it is asked.
    """
    is_in_place = command.list_place is not None and not is_first
    with tempfile.TemporaryDirectory(prefix="tablewright-script-") as scratch:
        out = Path(scratch) / OUT
        out.mkdir()
        words = command.fill(
            config(), out=out, scratch=Path(scratch), in_place_of_list=["--help"] if is_in_place else []
        )
        if not is_in_place:
            words.insert(command.num_words_of_program, "--help")
        with ScriptProcess(words, folder=folder, environment={}) as process:
            if not process.wait(HELP_LIMIT_S):
                what = f"had not ended after {HELP_LIMIT_S:g} s"
            else:
                process.refuse_bad_end()
                said = process.output.content().decode(errors="replace")
                if not out.is_dir() or any(out.iterdir()):
                    what = "wrote into {out}"
                elif _FLAG.search(said):
                    return said
                else:
                    what = "named no flag"
        raise ValueError(
            f"the script did not answer --help: it {what}, as one that trains whatever it is asked; give check='…', "
            "words with which it only tries itself, such as check='--dry-run'"
        )


def _try(words: Sequence[str], folder: Path) -> None:
    """Run a command that does not train.

    Raises:
        ScriptFailed: it did not end, or not well.
    """
    with ScriptProcess(words, folder=folder, environment={}) as process:
        if not process.wait(CHECK_LIMIT_S):
            raise process.failure(f"did not end within {CHECK_LIMIT_S:g} s, which a check may take")
        process.refuse_bad_end()
