"""What the thread that writes to MLflow takes of the driver, a training: processor time, and statements or requests.

NUMBER trainings of the toy method are made first. Then a tracker is told of them as a driver tells it, and what waits
is written as its thread writes it, but in this thread, so that the processor time is that of writing alone. *at once*:
each training has begun and ended by the time that its run is written, as short ones have. *in three*: it is written
when it has begun, again after its epochs, and again when it has ended, as trainings are that take longer than the pause
between two looks. *again*: a sweep that finds all of them written. With `--server` the way is over HTTP, and the
server's own processor time is not counted.

    python benchmarks/bench_mlflow.py [NUMBER] [--epochs 1] [--server]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import psutil
import requests
import sqlalchemy
import sqlalchemy.event
from mlflow import MlflowClient

sys.path.insert(0, str(Path(__file__).parent.parent))

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Sweep
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.inline_backend import InlineBackend
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.projections.tracking import Tracker
from tablewright.orchestrator.run import run_sweep
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.work import Outcome, Progress, Work
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.retrieval.view import MAP, RetrievalView
from tests.toy_method import ToyConfig

Told = tuple[Work, list[Progress], Outcome]


class Recorder:
    """A listener that keeps what a sweep tells, to be told again."""

    def __init__(self) -> None:
        self.progress: dict[str, list[Progress]] = {}
        self.told: list[Told] = []

    def on_start(self, work: Work) -> None:
        """It has reported nothing yet."""
        self.progress[work.training_id] = []

    def on_progress(self, work: Work, progress: Progress) -> None:
        """Keep an epoch."""
        self.progress[work.training_id].append(progress)

    def on_end(self, work: Work, outcome: Outcome) -> None:
        """Keep the whole."""
        self.told.append((work, self.progress.pop(work.training_id), outcome))


class Written(Tracker):
    """A tracker whose thread is this one."""

    def _start_thread(self) -> None:
        """All is written by `write`."""

    def write(self) -> None:
        """Write what waits, whatever it takes."""
        if self._projection is None:
            self._connect()
        while self._deliver():
            pass

    def close(self) -> None:
        """End the sweep's run."""
        self._is_complete = True
        self._close()


class Count:
    """Counts what is asked of databases and of servers."""

    def __init__(self) -> None:
        self.statements = self.commits = self.requests = 0
        sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", self._on_statement)
        sqlalchemy.event.listen(sqlalchemy.Engine, "commit", self._on_commit)
        send: Callable[..., requests.Response] = requests.Session.send

        def counted(*what: Any, **more: Any) -> requests.Response:
            self.requests += 1
            return send(*what, **more)

        setattr(requests.Session, "send", counted)  # noqa: B010

    def _on_statement(self, *_: object) -> None:
        self.statements += 1

    def _on_commit(self, *_: object) -> None:
        self.commits += 1

    def so_far(self) -> tuple[float, ...]:
        """Give CPU time in ms, statements, commits and requests up to now."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        cpu_ms = 1000 * (used.ru_utime + used.ru_stime)
        return cpu_ms, self.statements, self.commits, self.requests


@contextlib.contextmanager
def server_in(folder: str) -> Generator[str]:
    """Start MLflow's server, and give its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    uri = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
            *("--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/server.db"),
            *("--artifacts-destination", f"{folder}/artifacts"),
        ],
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{uri}/health", timeout=10):
                break
            time.sleep(0.5)
        yield uri
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def made(folder: str, name: str, number: int, epochs: int) -> tuple[Store, Plan, list[Told]]:
    """Make so many trainings in a store, and give what was told of them."""
    table = Ablation(
        "t",
        "T",
        ToyConfig(epochs=epochs),
        [Dataset("Toy")],
        [Sweep("learning_rate", [0.1 + index / 100_000 for index in range(number)])],
        RetrievalView(),
        [MAP],
    )
    store, recorder = Store(f"{folder}/{name}"), Recorder()
    result = run_sweep(
        [Study("bench", "Bench", "none", (0,), [table])],
        store=store,
        runtime=Runtime(None, f"{folder}/cache"),
        backend=InlineBackend(),
        search_storage=f"sqlite:///{folder}/{name}.optuna.db",
        listeners=lambda plan, statuses: [recorder],
    )
    ended = {(outcome.state, outcome.message) for _, _, outcome in recorder.told}
    assert result.is_complete, ended
    return store, result.plan, recorder.told


def main() -> None:
    """Write the trainings in each way, and print what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("number", type=int, nargs="?", default=100)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--server", action="store_true")
    asked = parser.parse_args()
    count = Count()
    print(f"{asked.number} trainings of {asked.epochs} epochs{', by a server' * asked.server}")

    def of_each(name: str, write: Callable[[], None]) -> None:
        before, memory_bytes = count.so_far(), psutil.Process().memory_info().rss
        write()
        each = [(now - then) / asked.number for then, now in zip(before, count.so_far(), strict=True)]
        grown = (psutil.Process().memory_info().rss - memory_bytes) / asked.number
        texts = ("ms of CPU", "statements", "commits", "requests")
        named = ", ".join(f"{value:.1f} {text}" for value, text in zip(each, texts, strict=True))
        print(f"{name:9} {named}, {grown / 1e3:.1f} kB more memory", flush=True)

    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        server = stack.enter_context(server_in(folder)) if asked.server else ""

        def opened(name: str, store: Store, plan: Plan) -> Written:
            if not server:  # MLflow takes seconds to make its tables
                shutil.copy(empty, f"{folder}/{name}/mlflow.db")
            tracker = Written(server or f"sqlite:///{folder}/{name}/mlflow.db", store)
            tracker.begin(name, {})
            tracker.show(plan)
            tracker.write()  # nothing waits yet: it is opened
            return tracker

        empty = Path(folder) / "empty.db"
        if not server:
            MlflowClient(f"sqlite:///{empty}", f"sqlite:///{empty}").search_experiments()
        store, plan, told = made(folder, "warm", 3, asked.epochs)
        tracker = opened("warm", store, plan)
        tell(tracker, told)
        tracker.write()

        store, plan, told = made(folder, "at once", asked.number, asked.epochs)
        tracker = opened("at once", store, plan)
        tell(tracker, told)
        of_each("at once", tracker.write)
        tracker.close()
        again = Written(server or f"sqlite:///{folder}/at once/mlflow.db", store)

        def write_again() -> None:
            again.begin("at once", {})
            again.show(plan)
            again.reconcile([work.training_id for work, _, _ in told])
            again.write()

        of_each("again", write_again)

        store, plan, told = made(folder, "in three", asked.number, asked.epochs)
        tracker = opened("in three", store, plan)

        def write_in_three() -> None:
            for work, _, _ in told:
                tracker.on_start(work)
            tracker.write()
            for work, progress, _ in told:
                for report in progress:
                    tracker.on_progress(work, report)
            tracker.write()
            for work, _, outcome in told:
                tracker.on_end(work, outcome)
            tracker.write()

        of_each("in three", write_in_three)


def tell(tracker: Tracker, told: list[Told]) -> None:
    """Tell of trainings from their beginning to their end."""
    for work, progress, outcome in told:
        tracker.on_start(work)
        for report in progress:
            tracker.on_progress(work, report)
        tracker.on_end(work, outcome)


if __name__ == "__main__":
    main()
