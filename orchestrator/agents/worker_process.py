"""A process in which an agent's trainings run, as the agent sees it: it is started, told, heard, and may die.

It is forked from a server that has loaded what every training needs, once for all processes of a sweep, and that is
begun before anything else is: see `warm_up`.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping
from multiprocessing import forkserver

from tablewright.orchestrator.agents.agent_worker import serve
from tablewright.orchestrator.attempts.worker_death import how_ended
from tablewright.orchestrator.project.project import Project, ProjectOnWorker
from tablewright.orchestrator.signals import signals_held_back

PRELOADED = (
    "__main__",
    "tablewright.orchestrator.agents.agent_worker",
    "tablewright.names",
    "tablewright.trainables.own.function_run",
    "torch",
    "pandas",  # by pyarrow, whenever it makes an array
)
"""Loaded in the server, so that its forks have it; it takes no GPU and starts no thread."""
END_S = 5.0

_forks = multiprocessing.get_context("forkserver")


def warm_up() -> None:
    """Begin to load what processes need, beside what this one does."""
    _forks.set_forkserver_preload(list(PRELOADED))
    with signals_held_back():  # whoever asks all processes to end wants the trainings to save
        forkserver.ensure_running()


class ProcessDied(Exception):
    """The process has ended by itself; says how."""


class WorkerProcess:
    """One process, until it has died or was ended."""

    def __init__(self, project: Project | None, variables: Mapping[str, str]) -> None:
        """Start it.

        Args:
            project: whose modules the work is made of.
            variables: of its environment, beside those of this process.
        """
        self._connection, theirs = _forks.Pipe()
        place = None if project is None else ProjectOnWorker(str(project.folder))
        self._process = _forks.Process(
            target=serve,
            args=(theirs, place, {**os.environ, **variables}),
            name="tablewright agent",
            daemon=True,
        )
        self._process.start()
        theirs.close()

    def send(self, message: bytes) -> None:
        """Tell it something.

        Raises:
            ProcessDied: it has ended.
        """
        try:
            self._connection.send_bytes(message)
        except OSError:
            raise self._death() from None

    def received(self, limit_s: float) -> tuple[str, str]:
        """Take its next message: the kind and the text.

        Raises:
            TimeoutError: there is none in time.
            ProcessDied: it has ended.
        """
        try:
            if not self._connection.poll(limit_s):
                raise TimeoutError
            kind, _, text = self._connection.recv_bytes().decode().partition(" ")
            return kind, text
        except (EOFError, ConnectionResetError):
            raise self._death() from None

    def _death(self) -> ProcessDied:
        self._process.join()
        return ProcessDied(f"its process has died ({how_ended(self._process.exitcode)})")

    def kill(self) -> None:
        """End it where it stands."""
        self._process.kill()
        self._process.join()

    def end(self) -> None:
        """Let it end, hard where it does not."""
        self._connection.close()
        self._process.join(END_S)
        if self._process.is_alive():
            self.kill()
