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
import itertools
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.run import (
    FINAL_CHECKPOINT,
    CheckpointFolder,
    Device,
    FitHooks,
    Runtime,
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
)
from tablewright.trainables.own.script_command import (
    OVERRIDES,
    Command,
    field_of,
    fill_out,
    paths_of,
    paths_of_whole_numbers,
)
from tablewright.trainables.own.script_folder import opened_out
from tablewright.trainables.own.script_process import ScriptProcess
from tablewright.trainables.own.script_results import ScriptResults, read_results
from tablewright.trainables.own.script_run import Running, ScriptRun
from tablewright.trainables.own.source import Source, project_of, source_of_program
from tablewright.trainables.value.name_list import some
from tablewright.trainables.value.refusal import Fault, Refusal, guess

ConfigT = TypeVar("ConfigT", bound=Config)

SILENT_LIMIT_S = 3600.0
CHECK_LIMIT_S = 120.0
"""How long a trial of the command may take in `--check`."""
_FLAG = re.compile(r"(?<![\w-])--[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class _Script(OwnMethod):
    """What was declared of a script.

    Attributes:
        running: how it is run.
        sources: files that it is made of.
        num_epochs: path of the field of the config that says how many there are; None where none does.
        check: words with which it only tries itself; None tries what the command allows.
    """

    running: Running
    sources: tuple[Path, ...]
    metrics_file: str
    items_file: str | None
    num_epochs: str | None
    check: tuple[str, ...] | None

    def make_trainable(self) -> ScriptTrainable:
        return ScriptTrainable(self)

    def planned_epochs(self, config: Any) -> int:
        return 1 if self.num_epochs is None else field_of(config, self.num_epochs)


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
        sources: files and folders that it is made of, beside the Python files that the command names; what these import
            of the project is found by itself.
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
            places = [place for place in Command(words[argument] or ()).places if place != "out"]
            faults += [Fault(argument, f"only {{out}} is filled in it, not {{{place}}}") for place in places]
        whole = paths_of_whole_numbers(config)
        if num_epochs is not None and num_epochs not in whole:
            text = f"{config.__name__} has no whole number {num_epochs!r}{guess(num_epochs, whole)}"
            faults.append(Fault("num_epochs", f"{text} It has {some(whole) or 'none'}"))
        if silent_limit_s <= 0:
            faults.append(Fault("silent_limit_s", f"seconds above 0 are needed; got {silent_limit_s!r}"))
        faults += faults_of_name(name or config.__name__, config)
        file = Path(inspect.getfile(config)).resolve()
        files = _named_files(line, sources, project_of(file), faults)
        source = _source_or_fault(file, config, line, files, faults)
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
            sources=files,
            metrics_file=metrics_file,
            items_file=items_file,
            num_epochs=num_epochs,
            check=words["check"],
        )
        declare(name or config.__name__, method)
        return config

    return declare_script


# -- what a script is made of ---------------------------------------------------------------------


def _named_files(
    command: Command, sources: Sequence[str], home: Path, faults: list[Fault]
) -> tuple[Path, ...]:
    """Find the files that a script is made of, and what is wrong with how they are named."""
    found: list[Path] = [path for word in command.words for path in _script_of(word, home)]
    found += [
        path
        for option, word in itertools.pairwise(command.words)
        if option == "-m"
        for path in _module(word, home)
    ]
    for given in [sources] if isinstance(sources, str) else sources:
        path = home / given
        if home.is_relative_to(path.resolve()):
            faults.append(
                Fault("sources", f"{given!r} is all of {home}, results too; name the files and folders in it")
            )
        elif path.is_dir():
            found += [
                file for file in sorted(path.rglob("*")) if file.is_file() and not _is_cache(file, path)
            ]
        elif path.exists():
            found.append(path)
        else:
            faults.append(Fault("sources", f"{path} is not there; correct it"))
    if not found and not faults:
        faults.append(
            Fault("sources", 'the files that the script is made of are needed, such as ["train.py", "src"]')
        )
    return tuple(dict.fromkeys(found))


def _script_of(word: str, home: Path) -> Iterator[Path]:
    if word.endswith((".py", ".sh")) and (home / word).is_file():
        yield home / word


def _module(word: str, home: Path) -> Iterator[Path]:
    place = home.joinpath(*word.split("."))
    yield from (file for file in (place.with_suffix(".py"), place / "__main__.py") if file.is_file())


def _is_cache(file: Path, folder: Path) -> bool:
    parts = file.relative_to(folder).parts
    return "__pycache__" in parts or any(part.startswith(".") for part in parts)


def _source_of(file: Path, config: type[Config], command: Command, files: Sequence[Path]) -> Source:
    """Read the code of a script, of which the words of its command and the names of the fields in it are a part.

    A field that is new has a default, and without it the script took one of its own.
    """
    project = project_of(file)
    found = source_of_program(files, project)
    place = file.relative_to(project).as_posix()
    said = json.dumps([command.words, sorted(paths_of(config))])
    digest = hashlib.sha256(said.encode()).hexdigest()
    return Source({**found.definitions, f"{place}: command of {config.__name__}": digest}, found.imports)


def _source_or_fault(
    file: Path, config: type[Config], command: Command, files: Sequence[Path], faults: list[Fault]
) -> Source | None:
    try:
        return _source_of(file, config, command, files)
    except ValueError as error:
        faults.append(Fault("sources", str(error)))
        return None


# -- running it -----------------------------------------------------------------------------------


class ScriptTrainable:
    """Implements `trainables.contract.method.Trainable` for a script."""

    def __init__(self, method: _Script) -> None:
        """Of a script that was declared."""
        self._method = method

    def describe_data(self, config: Config, runtime: Runtime) -> DatasetFacts:
        """Find what it trains on."""
        return self._method.facts_of(config)

    def definitions(self) -> Mapping[str, str]:
        """Give the code that it is made of, and its command."""
        return self._method.source.definitions

    def definitions_now(self) -> Mapping[str, str]:
        """Give the same as it stands in the files now, which every training runs anew."""
        method = self._method
        return _source_of(method.file, method.config, method.running.command, method.sources).definitions

    def imported_modules(self) -> Sequence[str]:
        """Name the packages that its code imports."""
        return self._method.source.imports

    def project_folder(self) -> str:
        """Give the topmost folder of the project that it is declared in."""
        return str(project_of(self._method.file))

    def fit(
        self, config: Config, runtime: Runtime, checkpoints: CheckpointFolder, hooks: FitHooks
    ) -> ScriptResults:
        """Run it to its end, and read what it left.

        Raises:
            ScriptFailed: it ended otherwise; the message has its last words.
            ValueError: what it left cannot be used.
        """
        with opened_out(checkpoints, runtime, hooks.should_stop) as out:
            if checkpoints.exists(FINAL_CHECKPOINT):  # of another attempt, which this one has waited for
                return self.load(config, runtime, checkpoints)
            method = self._method
            run = ScriptRun(method.running, method.planned_epochs(config), runtime, checkpoints, hooks, out)
            run.to_its_end(config)
            results = read_results(out.path, method.metrics_file, method.items_file)
            results.refuse_absent(method.metrics)
            kept = {"values": results.values, "per_item": results.per_item, "place": results.place}
            with checkpoints.open_to_write(FINAL_CHECKPOINT) as file:
                file.write(json.dumps(kept).encode())
            out.remove_lock()
            return results

    def load(self, config: Config, runtime: Runtime, checkpoints: CheckpointFolder) -> ScriptResults:
        """Read what it left."""
        with checkpoints.open_to_read(FINAL_CHECKPOINT) as file:
            return ScriptResults(**json.loads(file.read()))

    def measure(self, members: Sequence[tuple[Config, ScriptResults]], view: Returned) -> ViewResult:
        """Give what it wrote of a split."""
        if len(members) > 1:
            raise ValueError(
                f"{view.method} is measured one training at a time; an ensemble needs a method that joins its members"
            )
        ((_, results),) = members
        metrics = self._method.metrics
        if results.is_progress:  # one of them has to be there, and a search needs no other
            metrics = [metric for metric in metrics if results.has(metric, view.split)] or metrics[:1]
        values = {metric.name: results.value(metric, view.split) for metric in metrics}
        per_item = results.per_item if view.split == "test" else {}
        return self._method.result_of(Measured(values, per_item), results.place, metrics)

    def numeric_environment(self, device: Device) -> Mapping[str, str]:
        """Name the processor and the libraries."""
        from tablewright.trainables.training.numeric_environment import describe_numeric_environment

        return describe_numeric_environment(device)

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
                _printed_by((*asked, *fill_out(words, out)), running.folder)
            elif running.command.list_place == OVERRIDES:
                _printed_by((*asked, "--cfg", "job"), running.folder)
            elif running.command.list_place is not None:
                self._refuse_unknown_flags()
            elif shutil.which(asked[0]) is None and not (running.folder / asked[0]).is_file():
                raise ValueError(
                    f"{asked[0]} is not there, the program that the command begins with; correct it"
                )

    def _refuse_unknown_flags(self) -> None:
        method = self._method
        known = dict.fromkeys(
            _FLAG.findall(_help_of(method.running.command, method.config, method.running.folder))
        )
        unknown = [flag for flag in method.running.command.flags(method.config) if flag not in known]
        if unknown:
            faults = "; ".join(f"{flag}{guess(flag, known)}".rstrip(".") for flag in unknown)
            raise ValueError(
                f"the script's --help names no {faults}. It names {some(list(known), 20)}; call the fields of "
                f"{method.config.__name__} as the script does"
            )


@functools.cache
def _help_of(command: Command, config: type[Config], folder: Path) -> str:
    """Ask a script for its flags, once for all configs of a study."""
    nowhere = Path(tempfile.gettempdir())
    with tempfile.TemporaryDirectory(prefix="tablewright-script-") as scratch:
        words = command.fill(config(), out=nowhere, scratch=Path(scratch), in_place_of_list=["--help"])
        return _printed_by(words, folder)


def _printed_by(words: Sequence[str], folder: Path) -> str:
    """Run a command that does not train.

    Raises:
        ScriptFailed: it did not end, or not well.
    """
    with ScriptProcess(words, folder=folder, environment={}) as process:
        if not process.wait(CHECK_LIMIT_S):
            raise process.failure(f"did not end within {CHECK_LIMIT_S:g} s, which a check may take")
        process.refuse_bad_end()
        return process.output.content().decode(errors="replace")
