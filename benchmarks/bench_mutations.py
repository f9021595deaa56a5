"""Damaged files of a store, of studies and of data sets: what a person sees of each, counted.

Each case damages one file by its own number, does what a person would do (`--verify`, `--status`, `--report`, a run; a
plan; one step of a training) in a process of its own, and compares with what the undamaged files give. Good is an error
that names the file, or a right result. A traceback, a hang, a process that dies, an error that does not name the file
and a number that is another without a word are faults.

    python benchmarks/bench_mutations.py OUT [--from 0] [--count 10000] [--processes 2] [--databases]

OUT is a folder for the results, one line of JSON a case. Cases that stand there are not done again.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import gc
import importlib
import json
import os
import random
import re
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import matplotlib as mpl  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import torch  # noqa: E402
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.backends.backend_pdf import FigureCanvasPdf  # noqa: E402
from mutated_data import DATA  # noqa: E402
from mutated_project import OTHER_DEFAULT, STUDIES, write_project  # noqa: E402
from mutations import mutate  # noqa: E402

import tablewright.command.plan  # noqa: E402
import tablewright.command.report  # noqa: E402
import tablewright.command.run  # noqa: E402
import tablewright.command.status  # noqa: E402
import tablewright.command.sweep_end  # noqa: E402
import tablewright.command.verify  # noqa: E402
import tablewright.reports.terminal  # noqa: E402, F401
from tablewright import sweep  # noqa: E402
from tablewright.command import asked  # noqa: E402
from tablewright.orchestrator.inline_backend import InlineBackend  # noqa: E402
from tablewright.orchestrator.project.project import Project  # noqa: E402
from tablewright.orchestrator.project.study_loading import import_studies  # noqa: E402
from tablewright.orchestrator.projections import optuna_mirror  # noqa: E402, F401
from tablewright.reports.figures import figures  # noqa: E402, F401
from tablewright.reports.statistics import seed_growth  # noqa: E402, F401
from tablewright.trainables.contract.run import Runtime  # noqa: E402
from tests.orchestrator.toy_sweep import StopAfter  # noqa: E402

LIMIT_S = 60.0
MORE_MEMORY_BYTES = 4 * 2**30
"""That a case may take beside what is mapped when it begins."""
VERBS = ("--verify",) * 6 + ("--report",) * 6 + ("--status",) * 4 + ("run",) * 2
"""What is done with a damaged store, as often as it is quick and can go wrong."""
DRAWN_ONE_IN = 20
"""Cases in which the curves are drawn as well; they take five times as long as the rest of the tables."""

DATABASE_DELAY_S = 10.0
"""By which a sweep whose database is damaged may end later than one whose is not."""

MAX_TEXT = 200_000

GUARDED = re.compile(r"trainings/ID/(epochs\.parquet|queries/.*|checkpoint/final\.pt|pictures/.*\.png)")
"""Files of finished trainings whose every byte `--verify` answers for."""

GOOD = ("named", "right", "told")
"""The file is named; the result is that of undamaged files; or, of a file that is gone, what lacks it is empty."""


@dataclass(frozen=True)
class Seen:
    """What a command did.

    Attributes:
        code: its exit code; None where it raised.
        text: what it printed, or its traceback.
        cells: values of all cells of all tables by their places; empty where it writes none.
    """

    code: int | None
    text: str
    cells: dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What became of a case."""

    outcome: str
    kind: str
    how: str
    file: str
    detail: str = ""


class Subjects:
    """Undamaged files, and what commands say of them, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = folder / "project"
        self.store = folder / "runs"
        self.reference: dict[str, Seen] = {}
        self._undamaged_s = 0.0
        self._of_part = [self._store_case, self._study_case, self._data_case]

    def build(self) -> None:
        """Write them, each step in a process of its own."""
        write_project(self.project)
        is_done = in_child(lambda: self._sweep(InlineBackend(), "drawn", "line", "coin"))
        is_half = in_child(lambda: self._sweep(StopAfter(2), "half"))
        study = self.project / "search_spaces/drawn.py"
        study.write_text(study.read_text(encoding="utf-8").replace(*OTHER_DEFAULT), encoding="utf-8")
        accepted = in_child(
            lambda: command(self.project, self.store, [*STUDIES, "--report", "--accept", "as loud"])
        )
        for name, tiny in DATA.items():
            tiny.write(self.data_root(name))
        if any(isinstance(one, str) or one.code is None for one in (is_done, is_half, accepted)):
            raise SystemExit(f"cannot begin: {is_done}\n{is_half}\n{accepted}")
        import_studies(Project(self.project))  # once, and not in the process of each case
        gc.collect()
        gc.freeze()

    def reference_of(self, verb: str) -> Seen:
        """Give what a command says of the undamaged store."""
        if verb not in self.reference:
            with self._copy() as store:
                found = in_child(lambda: command(self.project, store, words(verb)))
            if isinstance(found, str) or found.code is None:
                raise SystemExit(f"cannot begin: {found}")
            self.reference[verb] = found
        return self.reference[verb]

    def build_databases(self) -> None:
        """Mirror the store in databases, of which all cases are from here on."""
        with contextlib.suppress(ImportError):
            importlib.import_module(
                "mlflow.store.tracking.sqlalchemy_store"
            )  # not in the process of each case
        for _ in range(2):  # the second finds nothing to write
            begun_s = time.monotonic()
            found = in_child(lambda: command(self.project, self.store, words("run"), is_tracked=True))
            if isinstance(found, str) or found.code is None:
                raise SystemExit(f"cannot begin: {found}")
            self.reference["databases"], self._undamaged_s = found, time.monotonic() - begun_s
        self._of_part = [self._database_case]

    def _sweep(self, backend: InlineBackend, *studies: str) -> Seen:
        return command(self.project, self.store, list(studies), backend)

    def data_root(self, name: str) -> Path:
        """Where a data set lies."""
        return self.folder / "data" / name.replace(" ", "_")

    @contextlib.contextmanager
    def _copy(self) -> Generator[Path]:
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            store = Path(scratch) / "runs"
            shutil.copytree(self.store, store, copy_function=_link)
            yield store

    def case(self, number: int) -> Verdict:
        """Damage a file and look."""
        return self._of_part[number % len(self._of_part)](random.Random(number))

    def _store_case(self, rng: random.Random) -> Verdict:
        with self._copy() as store:
            files = sorted(
                path
                for path in store.rglob("*")
                if path.is_file() and ".db" not in path.name and "figures" not in path.parts
            )
            kinds = sorted({kind_of(path, store) for path in files})
            kind = rng.choice(kinds)
            path = rng.choice([path for path in files if kind_of(path, store) == kind])
            if not kind.startswith("tables"):
                shutil.rmtree(store / "tables")
            others = [other for other in files if kind_of(other, store) == kind and other.exists()]
            before = {other: other.read_bytes() for other in others}
            how = mutate(path, rng, others)
            changed = [str(other.relative_to(store)) for other in others if _now(other) != before[other]]
            name = str(path.relative_to(store))
            place = kind_of(path, store)
            verb = rng.choice(VERBS)
            is_drawn = rng.randrange(DRAWN_ONE_IN) == 0
            seen = in_child(lambda: command(self.project, store, words(verb), is_drawn=is_drawn))
            outcome, detail = self._judge(verb, seen, changed or [name], how)
            is_guarded = GUARDED.fullmatch(place) is not None and _is_recorded(path, store)
            if changed and verb == "--verify" and is_guarded and outcome in ("right", "told"):
                outcome, detail = "unnamed", f"{how} passes"
            is_good = outcome in GOOD
            return Verdict(outcome, f"store: {place}", how, name, "" if is_good else f"{verb}: {detail}")

    def _judge(self, verb: str, seen: Seen | str, names: list[str], how: str) -> tuple[str, str]:
        if isinstance(seen, str):
            return seen.split(":")[0], seen[-3000:]
        if seen.code is None:
            return "traceback", seen.text[-3000:]
        if "Traceback (most recent call last)" in seen.text:
            return "traceback", seen.text[-3000:]
        expected = self.reference_of(verb)
        wrong = [
            f"{place}: {value} instead of {expected.cells.get(place)}"
            for place, value in seen.cells.items()
            if value is not None and value != expected.cells.get(place)
        ]
        if wrong:
            return "false number", f"{wrong[:3]} {seen.text[-1500:]}"
        squeezed = re.sub(r"\s+", "", seen.text)
        if any(re.sub(r"\s+", "", name) in squeezed for name in names):
            return "named", ""
        holes = [
            place
            for place, value in expected.cells.items()
            if value is not None and seen.cells.get(place) is None
        ]
        is_same = not holes and (seen.code == expected.code or how == "delete")
        if is_same and (verb != "--status" or seen.text == expected.text):
            return "right", ""
        if how == "delete":
            return "told", ""
        return (
            "unnamed",
            f"exit {seen.code}, expected {expected.code}; holes {holes[:3]}; {seen.text[-1500:]}",
        )

    def _study_case(self, rng: random.Random) -> Verdict:
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            project = Path(scratch) / "project"
            shutil.copytree(self.project, project, ignore=shutil.ignore_patterns("__pycache__"))
            files = [*sorted(project.glob("search_spaces/*.py")), project / "coin.py", project / "points.csv"]
            path = rng.choice([*files[:4], *files])
            how = mutate(path, rng, [other for other in files if other.suffix == path.suffix])
            name = str(path.relative_to(project))
            studies = [path.stem] if path.parent.name == "search_spaces" else list(STUDIES)
            seen = in_child(lambda: command(project, Path(scratch) / "runs", [*studies, "--plan"]))
            kind = f"study: {name}"
            if isinstance(seen, str):
                return Verdict(seen.split(":")[0], kind, how, name, seen[-3000:])
            if seen.code is None or "Traceback (most recent call last)" in seen.text:
                return Verdict("traceback", kind, how, name, seen.text[-3000:])
            others = (
                [file.name for file in files]
                if how in ("swap", "copy_over")
                else [path.name, f"'{path.stem}'"]
            )
            if seen.code == 0:
                return Verdict("right", kind, how, name)
            is_named = any(other in seen.text for other in others)
            if path.suffix == ".py" and how not in ("swap", "copy_over"):
                is_named = is_named and _line_of_slip(path) in seen.text
            return Verdict(
                "named" if is_named else "unnamed", kind, how, name, "" if is_named else seen.text[-1500:]
            )

    def _database_case(self, rng: random.Random) -> Verdict:
        """Damage a database that mirrors the store, and run once more."""
        with self._copy() as store:
            path = store / rng.choice(["mlflow.db", "optuna.db"])
            how = mutate(path, rng)
            begun_s = time.monotonic()
            seen = in_child(lambda: command(self.project, store, words("run"), is_tracked=True))
            delay_s = time.monotonic() - begun_s - self._undamaged_s
            outcome, detail = self._judge("databases", seen, [path.name], how)
            if isinstance(seen, Seen):
                lines = {line for line in seen.text.splitlines() if path.name in line}
                if (
                    outcome == "named" and len(lines) > 1 and how != "sql"
                ):  # such a one is whole, and asked again
                    outcome, detail = "two lines", "\n".join(lines)
                elif outcome == "unnamed" and seen.code == self.reference["databases"].code:
                    outcome = "right"  # what is mirrored is no result
                if outcome in GOOD and delay_s > DATABASE_DELAY_S:
                    outcome, detail = "delayed", f"by {delay_s:.1f} s; {lines}"
            is_good = outcome in GOOD
            return Verdict(outcome, f"database: {path.name}", how, path.name, "" if is_good else detail)

    def _data_case(self, rng: random.Random) -> Verdict:
        name = rng.choice(sorted(DATA))
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            data_root = Path(scratch) / "data"
            shutil.copytree(self.data_root(name), data_root)
            files = sorted(path for path in data_root.rglob("*") if path.is_file())
            kinds = sorted({path.suffix for path in files})
            suffix = rng.choice(kinds)
            if name.startswith("weights"):
                files = [path for path in files if path.parent.name == "weights"]
                suffix = files[0].suffix
            path = rng.choice([file for file in files if file.suffix == suffix])
            others = [file for file in files if file.suffix == suffix]
            how = mutate(path, rng, others)
            place = str(path.relative_to(data_root))
            seen = in_child(lambda: train_on(name, data_root, Path(scratch) / "cache"))
            kind = f"data: {name}, {suffix or path.name}"
            if isinstance(seen, str):
                return Verdict(seen.split(":")[0], kind, how, place, seen[-3000:])
            if seen.code is None:
                return Verdict("traceback", kind, how, place, seen.text[-3000:])
            if seen.code == 0:
                return Verdict("right", kind, how, place)
            names = {
                path.name,
                path.stem,
                *([other.name for other in others] if how in ("swap", "copy_over") else []),
            }
            is_named = any(one in seen.text for one in names) or (
                path.parent != data_root
                and path.parent.name in seen.text
                and how in ("delete", *PLACES_ALONE)
            )
            return Verdict(
                "named" if is_named else "unnamed", kind, how, place, "" if is_named else seen.text[-1500:]
            )


PLACES_ALONE = ("folder",)


def _line_of_slip(path: Path) -> str:
    """Give the line at which Python cannot read a file, as it is named behind it; nothing where it can."""
    if not path.is_file():  # a device has no end
        return ""
    try:
        compile(path.read_bytes(), path, "exec")
    except SyntaxError as error:
        return f":{error.lineno}" if error.lineno else ""
    except (OSError, ValueError, RecursionError, MemoryError):
        pass
    return ""


def kind_of(path: Path, store: Path) -> str:
    """Name what a file of a store is, without ids."""
    parts = [re.sub(r"^[0-9a-f]{16,}(?=\.|$)", "ID", part) for part in path.relative_to(store).parts]
    return (
        re.sub(r"\d{4,}\.json", "N.json", "/".join(parts))
        if parts[0] != "tables"
        else f"tables/*{path.suffix}"
    )


def _is_recorded(path: Path, store: Path) -> bool:
    """Say whether a file is of a training that is finished."""
    folder = store / "trainings" / path.relative_to(store).parts[1]
    return (folder / "record.json").is_file()


def _now(path: Path) -> bytes | None:
    if path.is_symlink() or not path.is_file():
        return None
    return path.read_bytes()


def _link(source: str, target: str) -> None:
    if ".db" in source or "/out/" in source:
        shutil.copy(source, target)
    else:
        os.link(source, target)


def words(verb: str) -> list[str]:
    """Arguments that ask for it of all studies."""
    return [*STUDIES] if verb == "run" else [*STUDIES, verb]


def command(
    folder: Path,
    store: Path,
    arguments: list[str],
    backend: InlineBackend | None = None,
    *,
    is_drawn: bool = False,
    is_tracked: bool = False,
) -> Seen:
    """Be the command line in a folder, with the inline backend; the process is not to be used afterwards."""
    os.chdir(folder)
    os.environ["COLUMNS"] = "100000"
    without_ray: Any = ModuleType("ray_backend")  # importing Ray takes longer than a case
    without_ray.make_backend = lambda settings, watcher: backend or InlineBackend()
    sys.modules["tablewright.orchestrator.on_ray.ray_backend"] = without_ray
    # Without Ray nothing is lost, and a process less is to be limited.
    asked.supervise = lambda work, **_: work(None)
    if not is_drawn:
        FigureCanvasAgg.print_png = FigureCanvasPdf.print_pdf = lambda self, target, **_: target.write(
            b"not drawn"
        )
    ours = [
        *arguments,
        "--store",
        str(store),
        "--tracking-uri",
        f"sqlite:///{store}/mlflow.db" if is_tracked else "none",
        "--cache-dir",
        str(store.parent / "cache"),
    ]
    with tempfile.TemporaryFile("w+b") as printed:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(printed.fileno(), 1)
        os.dup2(printed.fileno(), 2)
        code: int | None = None
        raised = ""
        try:
            code = sweep.app(ours, standalone_mode=False)
        except SystemExit as error:
            code = int(error.code or 0)
        except BaseException:
            raised = traceback.format_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        printed.seek(0)
        text = printed.read().decode(errors="replace").replace(str(store), "STORE") + raised
    return Seen(
        code, text, cells_of(store) if "--report" in arguments or not arguments[-1].startswith("-") else {}
    )


def cells_of(store: Path) -> dict[str, Any]:
    """Read the values that tables show; None where a cell has none."""
    cells: dict[str, Any] = {}
    for path in sorted(store.glob("tables/**/*.parquet")):
        if not path.is_file() or path.is_symlink():
            continue
        try:
            rows = pq.read_table(path).to_pylist()
        except Exception:
            continue
        for row in rows:
            place = "/".join(
                str(row.get(name)) for name in ("study", "table", "group", "row", "dataset", "seed", "metric")
            )
            value = row.get("value")
            cells[place] = value if row.get("state") == "done" and value == value else None
    return cells


def train_on(name: str, data_root: Path, cache_dir: Path) -> Seen:
    """Find a data set, decode its images, and make one step on it."""
    from tablewright.orchestrator.attempts.measuring import prepare_data

    torch.set_num_threads(1)
    config = DATA[name].make_config(data_root)
    runtime = Runtime(str(data_root), str(cache_dir))
    try:
        found = config.make_trainable().describe_data(config, runtime)
        prepare_data(config, runtime)
        config.make_trainable().check(config, runtime)
    except (ValueError, OSError) as error:  # what the command line prints as `error: …`
        return Seen(2, str(error), {})
    except Exception:
        return Seen(None, traceback.format_exc(), {})
    return Seen(0, found.fingerprint, {})


def in_child(work: Callable[[], Seen]) -> Seen | str:
    """Do it in a process of its own, with limits of time and memory; gives how it was ended where it was."""
    reading, writing = os.pipe()
    with tempfile.TemporaryFile("w+b") as stacks:
        process = os.fork()
        if process == 0:
            os.setsid()
            os.close(reading)
            faulthandler.dump_traceback_later(LIMIT_S - 5, file=stacks)
            mapped = (
                int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0]) * resource.getpagesize()
            )
            limit = mapped + MORE_MEMORY_BYTES
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            try:
                seen = work()
            except BaseException:
                seen = Seen(None, traceback.format_exc(), {})
            with os.fdopen(writing, "w", encoding="utf-8") as pipe:
                json.dump([seen.code, seen.text[-MAX_TEXT:], seen.cells], pipe)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            answer = _read_until(pipe, LIMIT_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)  # it may have started others
        _, status = os.waitpid(process, 0)
        if answer is None:
            stacks.seek(0)
            return f"hang: longer than {LIMIT_S:.0f} s\n{stacks.read().decode(errors='replace')}"
    try:
        return Seen(*json.loads(answer))
    except ValueError:
        return f"died: status {status}"


def _read_until(pipe: Any, limit_s: float) -> bytes | None:
    until_s, content = time.monotonic() + limit_s, b""
    while (left_s := until_s - time.monotonic()) > 0:
        if select.select([pipe], [], [], left_s)[0]:
            more = os.read(pipe.fileno(), 2**20)
            if not more:
                return content
            content += more
    return None


def run_cases(numbers: Sequence[int], out: Path, *, are_of_databases: bool) -> None:
    """Do cases, one after the other, and write what became of each."""
    mpl.use("agg")
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as scratch:
        subjects = Subjects(Path(scratch))
        subjects.build()
        if are_of_databases:
            subjects.build_databases()
        with out.open("a", encoding="utf-8") as file:
            for number in numbers:
                begun_s = time.monotonic()
                verdict = subjects.case(number)
                line = {"number": number, **vars(verdict), "wall_s": round(time.monotonic() - begun_s, 3)}
                file.write(json.dumps(line) + "\n")
                file.flush()


def tell(out: Path) -> None:
    """Print the counts."""
    cases = [
        json.loads(line)
        for path in sorted(out.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    counts = Counter((case["kind"].partition(":")[0], case["outcome"]) for case in cases)
    for (subject, outcome), count in sorted(counts.items()):
        print(f"{subject:6} {outcome:14} {count}")
    faults = Counter((case["kind"], case["outcome"]) for case in cases if case["outcome"] not in GOOD)
    for (kind, outcome), count in faults.most_common():
        examples = [case["number"] for case in cases if (case["kind"], case["outcome"]) == (kind, outcome)][
            :5
        ]
        print(f"  {count:4} {outcome:12} {kind}: {examples}")
    print(
        f"{len(cases)} cases, {sum(faults.values())} faults, {sum(case['wall_s'] for case in cases):.0f} s in all"
    )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", type=int, nargs="*", help="numbers of single cases, shown in full")
    parser.add_argument("--databases", action="store_true", help="of MLflow and Optuna instead; another OUT")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.only is not None:
        run_cases(given.only, given.out / "only.txt", are_of_databases=given.databases)
        print((given.out / "only.txt").read_text(encoding="utf-8").replace("\\n", "\n"))
        return
    done = {
        json.loads(line)["number"]
        for path in given.out.glob("*.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
    }
    numbers = [number for number in range(given.first, given.first + given.count) if number not in done]
    processes: list[int] = []
    for share in range(given.processes):
        process = os.fork()
        if process == 0:
            out = given.out / f"{os.getpid()}-{share}.jsonl"
            run_cases(numbers[share :: given.processes], out, are_of_databases=given.databases)
            os._exit(0)
        processes.append(process)
    for process in processes:
        os.waitpid(process, 0)
    tell(given.out)


if __name__ == "__main__":
    main()
