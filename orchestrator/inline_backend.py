"""Runs work one after the other in this process: for tests, and for debugging a method with a debugger."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from tablewright.orchestrator.listeners import Listeners
from tablewright.orchestrator.records import Store
from tablewright.orchestrator.training_output import kept_output
from tablewright.orchestrator.trial import (
    Listener,
    MachineFault,
    Outcome,
    Progress,
    Pruned,
    TrialHooks,
    Work,
    end_as_failed,
    run_trial,
)
from tablewright.orchestrator.work_queue import WorkQueue
from tablewright.trainables.contract.run import Device, Runtime


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
        everyone = Listeners(listeners)
        while (work := queue.next_work()) is not None:
            everyone.on_start(work)

            def on_progress(progress: Progress, work: Work = work) -> None:
                everyone.on_progress(work, progress)
                if queue.on_progress(work, progress):
                    raise Pruned

            outcome = _attempt(work, store, runtime, TrialHooks(on_progress, lambda: queue.is_stopping))
            queue.on_end(work, outcome)
            everyone.on_end(work, outcome)


def _attempt(work: Work, store: Store, runtime: Runtime, hooks: TrialHooks) -> Outcome:
    training = store.training(work.training_id)
    while True:
        try:
            with kept_output(training, runtime.cache_dir, training.num_attempts()) as output:
                return run_trial(work, store, runtime, replace(hooks, printed=output.write))
        except MachineFault as fault:
            if fault.failure.kind == "stall":  # the second one is an outcome
                continue
            return end_as_failed(work, store, fault.failure)  # there is no other machine
