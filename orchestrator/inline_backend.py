"""Runs work one after the other in this process: for tests, and for debugging a method with a debugger."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager

from orchestrator.records import Store
from orchestrator.trial import Listener, Progress, Pruned, TrialHooks, Work, run_trial
from orchestrator.work_queue import WorkQueue
from trainables.contract import Device, Runtime


class InlineBackend:
    """The simplest backend: no second process, no retries."""

    @contextmanager
    def connect(self) -> Generator[Device]:
        """This process is there already."""
        yield "cpu"

    def num_slots(self) -> int:
        """One training at a time."""
        return 1

    def run(self, queue: WorkQueue, listeners: Sequence[Listener], store: Store, runtime: Runtime) -> None:
        """Run until the queue is finished or told to stop."""
        while (work := queue.next_work()) is not None:
            for listener in listeners:
                listener.on_start(work)

            def on_progress(progress: Progress, work: Work = work) -> None:
                for listener in listeners:
                    listener.on_progress(work, progress)
                if queue.on_progress(work, progress):
                    raise Pruned

            outcome = run_trial(work, store, runtime, TrialHooks(on_progress, lambda: queue.is_stopping))
            queue.on_end(work, outcome)
            for listener in listeners:
                listener.on_end(work, outcome)
