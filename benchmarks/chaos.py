"""Kill parts of a sweep again and again, and compare what it comes to with an undisturbed run: `make chaos`.

One study with tables and a search is run undisturbed, and then disturbed by a seeded script: driver, worker, raylet,
head service, MLflow's server or all at once are killed, the disc is filled, the database of the search is stopped.
Whatever ends before every cell is filled is started again, as a person would. At the end

* the tables are byte-equal to the undisturbed ones,
* every training is one run in MLflow, and every row and suggestion one trial in Optuna,
* no process and no file is left over.

The epochs that were trained twice are counted by files which the training function leaves, one an epoch.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

MARK = "CHAOS_RUN"
"""Variable by which every process of a run is found, whoever its parent is now."""

FORK_SERVER = "from multiprocessing.forkserver import main"
"""In the command line of the process that an agent's workers are forked from, and in theirs."""

STUDY = '''"""Trainings that take a stated time, and leave a file for each epoch."""

import os
import time
import uuid
from pathlib import Path

import tablewright as tw

SCORE = tw.Metric("score", "Score")
EPOCHS, EPOCH_S = {epochs}, {epoch_s}


class Walk(tw.Config):
    rate: float = 0.1
    width: int = 1


def measure(config, state, split):
    return {{"score": state["value"] / 10}}


@tw.method(Walk, metrics=[SCORE], measure=measure, data=tw.Data("None", version="1"))
def fit(config, run):
    state, told = {{"value": 0.0}}, Path(os.environ["CHAOS_EPOCHS"])
    for epoch in run.epochs(EPOCHS, state=state):
        time.sleep(EPOCH_S)
        state["value"] += config.rate * config.width * (1 + 0.01 * run.seed) / epoch
        (told / f"{{config.rate}}-{{config.width}}-{{run.seed}}-{{epoch}}-{{uuid.uuid4().hex}}").touch()
        run.report(loss=1 / (1 + state["value"]))
    return state


def make_study():
    data = tw.Dataset("None")
    rows = [tw.Row("base"), *(tw.Row(f"width {{width}}", {{"width": width}}) for width in range(2, {rows} + 1))]
    table = tw.Ablation("widths", "Widths", Walk(), [data], rows)
    goal = tw.Objective(SCORE, Walk.view("val"))
    ranges = {{"rate": tw.FloatRange(0.01, 0.5, log=True)}}
    search = tw.Search("rate", "Rate", Walk(), data, ranges, goal, num_trials={trials})
    return tw.Study("chaos", "Chaos", "ours", tuple(range({seeds})), [table], [search])
'''

PATIENCE_S = 600.0
"""Longest wait for one command to end by itself."""


@dataclass(frozen=True)
class Size:
    """How large the study is, and how it is run.

    Attributes:
        commands: that run at the same time on the store, each with these options.
    """

    rows: int = 6
    seeds: int = 3
    trials: int = 8
    epochs: int = 20
    epoch_s: float = 0.1
    commands: tuple[tuple[str, ...], ...] = ((),)


@dataclass
class Outcome:
    """What came of a disturbed run.

    Attributes:
        not_done: disturbances that were still to come at its end; of the first one nothing may have been found.
    """

    kills: Counter[str] = field(default_factory=Counter[str])
    not_done: list[str] = field(default_factory=list[str])
    starts: int = 0
    wall_s: float = 0.0
    undisturbed_s: float = 0.0
    epochs: int = 0
    repeated_epochs: int = 0
    resumed: int = 0
    differences: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        """As the log ends."""
        kills = ", ".join(f"{name} {number}" for name, number in sorted(self.kills.items()))
        lines = [
            f"kills: {sum(self.kills.values())} ({kills}); commands started: {self.starts}",
            *(
                [f"not done, since all was filled before: {', '.join(self.not_done)}"]
                if self.not_done
                else []
            ),
            f"trainings resumed: {self.resumed}; epochs: {self.epochs}, of which repeated: {self.repeated_epochs} "
            f"({100 * self.repeated_epochs / max(self.epochs, 1):.1f} %)",
            f"time: {self.wall_s:.0f} s, undisturbed {self.undisturbed_s:.0f} s",
            f"differences: {len(self.differences)}",
            *self.differences,
        ]
        return "\n".join(lines)


class Run:
    """One store, and the commands that fill it."""

    def __init__(self, folder: Path, size: Size, options: tuple[str, ...] = ()) -> None:
        self.folder, self.size, self.options = folder, size, options
        self.project, self.store, self.told = folder / "project", folder / "runs", folder / "epochs"
        (self.project / "search_spaces").mkdir(parents=True)
        self.told.mkdir()
        self.mark = folder.name
        self.log = folder / "log.txt"
        text = STUDY.format(
            epochs=size.epochs, epoch_s=size.epoch_s, rows=size.rows, seeds=size.seeds, trials=size.trials
        )
        (self.project / "search_spaces" / "chaos.py").write_text(text, encoding="utf-8")

    def start(self, options: tuple[str, ...]) -> subprocess.Popen[bytes]:
        """Start the command, as a person does in a terminal of its own."""
        command = [
            sys.executable,
            "-m",
            "tablewright",
            "chaos",
            "--store",
            str(self.store),
            *self.options,
            *options,
        ]
        environment = {**os.environ, MARK: self.mark, "CHAOS_EPOCHS": str(self.told), "PYTHONUNBUFFERED": "1"}
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command, cwd=self.project, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def processes(self) -> list[psutil.Process]:
        """Every living process of the run, workers and those that lost their parent among them."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                is_alive = process.status() != psutil.STATUS_ZOMBIE
                if is_alive and process.environ().get(MARK) == self.mark:
                    found.append(process)
        return found

    def tables(self) -> dict[str, str]:
        """Digest of every written table, by its name."""
        files = [path for path in (self.store / "tables").rglob("*") if path.suffix in (".md", ".tex")]
        return {str(path.relative_to(self.store)): _without_times(path) for path in sorted(files)}

    def epochs(self) -> tuple[int, int]:
        """Epochs that were trained, and how many of those again."""
        names = Counter(path.name.rpartition("-")[0] for path in self.told.iterdir())
        return sum(names.values()), sum(names.values()) - len(names)

    def left_over(self) -> list[str]:
        """Files that only an unfinished training or a killed writer has."""
        odd = re.compile(r"(^|/)(\.[^/]+\.[0-9a-f]{12}|claims/.+|attempts/.+|resume[^/]*|failure\.\w+)$")
        names = (str(path.relative_to(self.store)) for path in self.store.rglob("*") if path.is_file())
        return sorted(name for name in names if odd.search(name))


def _without_times(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# -- what is done to a run -------------------------------------------------------------------------


def _kill(processes: list[psutil.Process]) -> bool:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
    return bool(processes)


def _named(run: Run, is_meant: Callable[[psutil.Process, str], bool]) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for process in run.processes():
        with contextlib.suppress(psutil.Error):
            if is_meant(process, " ".join(process.cmdline())):
                found.append(process)
    return found


def driver(run: Run, chance: random.Random) -> bool:
    """Kill one command: the process that a person has started."""
    found = _named(run, lambda _, line: "-m tablewright chaos" in line)
    leaders = [process for process in found if process.pid == os.getpgid(process.pid)]
    return _kill([chance.choice(leaders)]) if leaders else False


def _is_fork_of_server(process: psutil.Process, line: str) -> bool:
    """Say whether a process is forked from an agent's server of forks: it bears the command line of its parent."""
    parent = process.parent()
    return FORK_SERVER in line and parent is not None and FORK_SERVER in " ".join(parent.cmdline())


def worker(run: Run, chance: random.Random) -> bool:
    """Kill one process that trains: a worker of Ray, or an agent's, which is forked from its server of forks."""
    found = _named(run, lambda process, line: line.startswith("ray::") or _is_fork_of_server(process, line))
    return _kill([chance.choice(found)]) if found else False


def raylet(run: Run, chance: random.Random) -> bool:
    """Kill Ray's process of the machine."""
    return _kill(_named(run, lambda process, _: process.name() == "raylet")[:1])


def head_service(run: Run, chance: random.Random) -> bool:
    """Kill Ray's head service."""
    return _kill(_named(run, lambda process, _: process.name() == "gcs_server")[:1])


def everything(run: Run, chance: random.Random) -> bool:
    """Kill all at once, as where the power fails."""
    return _kill(run.processes())


Disturbance = Callable[[Run, random.Random], bool]


class Server:
    """MLflow's server, which is killed and comes back."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        database = f"sqlite:///{self._folder}/mlflow.db"
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self._folder / "mlflow.txt").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database),
                    *("--artifacts-destination", f"{self._folder}/artifacts", "--workers", "1"),
                    *("--host", "127.0.0.1", "--port", str(self.port)),
                ],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < until_s:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.2)
        raise TimeoutError("MLflow's server does not answer")

    def stop(self) -> None:
        """Kill it with all its processes."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def disturb(self, run: Run, chance: random.Random) -> bool:
        """Kill it, and start it again a moment later."""
        self.stop()
        time.sleep(chance.uniform(0.5, 3.0))
        self.start()
        return True


class Disc:
    """A small disc for a store, which is filled and freed; needs the right to mount."""

    def __init__(self, folder: Path, size_mb: int = 64) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(folder)], check=True)

    def disturb(self, run: Run, chance: random.Random) -> bool:
        """Fill it for a few seconds."""
        filler = self.folder / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(2**20))
        time.sleep(chance.uniform(1.0, 5.0))
        filler.unlink()
        return True

    def free(self) -> None:
        """Give it back."""
        subprocess.run(["umount", "-l", str(self.folder)], check=False)


class Database:
    """PostgreSQL for the search, which is stopped and started."""

    def __init__(self, folder: Path) -> None:
        import pgserver

        self._server = pgserver.get_server(folder)
        self._data = folder

    @property
    def url(self) -> str:
        """As the command takes it."""
        return self._server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)

    def _control(self, *words: str) -> None:
        import pgserver

        program = Path(pgserver.__file__).parent / "pginstall" / "bin" / "pg_ctl"
        user = {"user": self._server.system_user} if self._server.system_user else {}
        subprocess.run(
            [program, "-D", self._data, *words], check=True, capture_output=True, timeout=60, **user
        )

    def disturb(self, run: Run, chance: random.Random) -> bool:
        """Stop it at once, and start it a moment later."""
        self._control("stop", "-m", "immediate")
        time.sleep(chance.uniform(0.5, 3.0))
        self._control("start", "-l", str(self._data / "log"), "-o", f"-h '' -k {self._data}")
        return True

    def end(self) -> None:
        """Stop it for good."""
        self._server.cleanup()


# -- one run to its end ----------------------------------------------------------------------------


def fill(run: Run, disturb: Iterator[tuple[str, Disturbance, float]], chance: random.Random) -> Outcome:
    """Start the commands until all have ended with every cell filled; disturb them meanwhile."""
    outcome, begun_s = Outcome(), time.monotonic()
    running: dict[int, subprocess.Popen[bytes]] = {}
    following = next(disturb, None)
    due_s = begun_s + (following[2] if following else 0.0)
    while not running or any(process.poll() != 0 for process in running.values()):
        for number, options in enumerate(run.size.commands):
            if number not in running or running[number].poll() not in (None, 0):
                running[number] = run.start(options)
                outcome.starts += 1
        if following is not None and time.monotonic() >= due_s and following[1](run, chance):
            outcome.kills[following[0]] += 1
            print(f"{time.monotonic() - begun_s:6.1f} s  {following[0]}", flush=True)
            following = next(disturb, None)
            due_s = time.monotonic() + (following[2] if following else 0.0)
        if time.monotonic() - begun_s > 6 * PATIENCE_S:
            raise TimeoutError(f"the run does not come to an end; see {run.log}")
        time.sleep(0.1)
    outcome.wall_s = time.monotonic() - begun_s
    outcome.not_done = [following[0], *(name for name, *_ in disturb)] if following is not None else []
    outcome.epochs, outcome.repeated_epochs = run.epochs()
    for path in (run.store / "trainings").glob("*/record.json"):
        outcome.resumed += json.loads(path.read_text(encoding="utf-8"))["attempts"] > 1
    return outcome


def compare(run: Run, undisturbed: Run) -> list[str]:
    """Say in what a disturbed run differs from an undisturbed one."""
    expected, found = undisturbed.tables(), run.tables()
    faults = [f"the table {name} differs" for name in sorted(expected) if found.get(name) != expected[name]]
    faults += [f"left over: {name}" for name in run.left_over()]
    until_s = time.monotonic() + 60
    while (left := run.processes()) and time.monotonic() < until_s:
        time.sleep(0.5)
    faults += [f"still runs: {process}" for process in left]
    return faults


def doubled_in_mlflow(url: str, run: Run) -> list[str]:
    """Say which trainings MLflow has not once."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=url)
    experiment = client.get_experiment_by_name("tablewright")
    runs = client.search_runs([experiment.experiment_id], max_results=5000) if experiment else []
    counts = Counter(one.data.tags.get("tablewright.training_id", "") for one in runs)
    parents = counts.pop("", 0)
    recorded = {path.parent.name for path in (run.store / "trainings").glob("*/record.json")}
    faults = [] if parents == 1 else [f"MLflow has {parents} runs of the sweep"]
    faults += [f"MLflow has {number} runs of {name}" for name, number in counts.items() if number != 1]
    faults += [f"MLflow lacks {name}" for name in recorded - counts.keys()]
    unfinished = [one for one in runs if one.info.status != "FINISHED"]
    return faults + [f"MLflow shows {one.info.run_name} as {one.info.status}" for one in unfinished]


def doubled_in_optuna(url: str, run: Run) -> list[str]:
    """Say which rows and suggestions Optuna has not once."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = optuna.storages.RDBStorage(url)
    faults: list[str] = []
    for study in optuna.get_all_study_summaries(storage):
        trials = optuna.load_study(study_name=study.study_name, storage=storage).get_trials(deepcopy=False)
        key = "suggestion" if "/" in study.study_name else "training_id"
        counts = Counter(trial.user_attrs.get(key, trial.number) for trial in trials)
        faults += [
            f"Optuna has {number} of {name} in {study.study_name}"
            for name, number in counts.items()
            if number > 1
        ]
        if key == "suggestion":
            kept = len(list((run.store / "searches").glob("*/*.json")))
            faults += [] if len(trials) == kept else [f"Optuna has {len(trials)} of {kept} suggestions"]
    return faults


def disturbances(
    chance: random.Random, kinds: dict[str, Disturbance], number: int, pause_s: tuple[float, float]
) -> Iterator[tuple[str, Disturbance, float]]:
    """Give what is done next, and how long it is waited for: each kind as often as any other."""
    names = [
        name for _ in range(-(-number // len(kinds))) for name in chance.sample(sorted(kinds), len(kinds))
    ]
    for name in names[:number]:
        yield name, kinds[name], chance.uniform(*pause_s)


def main() -> int:
    """Run both, and say what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", type=int, default=35)
    parser.add_argument("--agents", type=int, default=0, help="so many agents instead of a sweep on Ray")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    commands = (("--agent",),) * arguments.agents or ((),)
    # Long enough for all that is done to it: each disturbance is followed by a start of Ray.
    size = Size(epochs=40, epoch_s=0.2, commands=commands)
    scratch = Path(tempfile.mkdtemp(prefix="chaos-"))
    quiet = Run(scratch / f"quiet{os.getpid()}", size, ("--tracking-uri", "none"))
    print(f"in {scratch}; undisturbed", flush=True)
    undisturbed_s = fill(quiet, iter(()), chance).wall_s
    server, database, disc = Server(scratch), Database(scratch / "pg"), None
    kinds: dict[str, Disturbance] = {"driver": driver, "worker": worker, "all": everything}
    if not arguments.agents:
        kinds |= {"raylet": raylet, "head service": head_service}
    kinds |= {"MLflow": server.disturb, "database": database.disturb}
    folder = scratch / f"wild{os.getpid()}"
    if os.geteuid() == 0 and shutil.which("mount"):
        try:
            disc = Disc(folder)
            kinds["disc full"] = disc.disturb
        except subprocess.CalledProcessError:
            print("this machine mounts no small disc: it is not filled", flush=True)
    try:
        server.start()
        wild = Run(folder, size, ("--tracking-uri", server.url, "--search-storage", database.url))
        outcome = fill(wild, disturbances(chance, kinds, arguments.kills, (3.0, 15.0)), chance)
        outcome.undisturbed_s = undisturbed_s
        last = wild.start(())
        last.wait(PATIENCE_S)  # what projections have missed
        outcome.differences += compare(wild, quiet)
        outcome.differences += doubled_in_mlflow(server.url, wild) + doubled_in_optuna(database.url, wild)
        print(outcome, flush=True)
    finally:
        server.stop()
        database.end()
        if disc is not None:
            shutil.copy(folder / "log.txt", scratch / "log.txt")
            disc.free()
    return bool(outcome.differences)


if __name__ == "__main__":
    raise SystemExit(main())
