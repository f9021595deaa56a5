"""Runs work one after the other in this process: for tests, and for debugging a method with a debugger."""

from __future__ import annotations

import time
import uuid
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from tablewright.orchestrator.attempts.attempt_end import MachineFault, raise_verdict
from tablewright.orchestrator.attempts.failed_attempt import end_as_failed
from tablewright.orchestrator.attempts.ranks import beside
from tablewright.orchestrator.attempts.training_output import kept_output
from tablewright.orchestrator.attempts.trial import run_trial
from tablewright.orchestrator.attempts.trial_hooks import TrialHooks
from tablewright.orchestrator.listeners import Listeners
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.work import Listener, Outcome, Progress, Work
from tablewright.orchestrator.work_queue import WorkQueue
from tablewright.trainables.contract.memory import Card
from tablewright.trainables.contract.run import Device, Runtime

WAIT_S = 0.25
"""How often it is asked whether others have left or ended what they had."""


class InlineBackend:
    """The simplest backend: no second process, no retries."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._sweep = uuid.uuid4().hex

    @contextmanager
    def connect(self) -> Generator[Device]:
        """This process is there already."""
        yield "cpu"

    def max_slots(self) -> int:
        """One training at a time."""
        return 1

    def links(self) -> dict[str, str]:
        """Nothing shows more of it."""
        return {}

    def cards(self) -> list[Card]:
        """No GPU is used."""
        return []

    def run(self, queue: WorkQueue, listeners: Sequence[Listener], store: Store, runtime: Runtime) -> None:
        """Run until the queue is finished or told to stop."""
        everyone = Listeners(listeners)
        while not queue.is_finished():
            work = queue.next_work()
            for ended, outcome in queue.ended_elsewhere():
                everyone.on_end(ended, outcome)
            if work is not None:
                self._run(work, queue, everyone, store, runtime)
            elif not queue.is_finished():
                queue.tell_of_waiting()
                time.sleep(WAIT_S)

    def _run(self, work: Work, queue: WorkQueue, everyone: Listeners, store: Store, runtime: Runtime) -> None:
        def on_progress(progress: Progress) -> None:
            everyone.on_progress(work, progress)
            raise_verdict(queue.on_progress(work, progress))

        hooks = TrialHooks(
            on_progress,
            lambda: queue.is_stopping,
            lambda: everyone.on_start(work),
            sweep=self._sweep,
            processes=beside,
            on_told=lambda telling: everyone.on_told(work, telling),
        )
        outcome = _attempt(work, store, runtime, hooks)
        queue.on_end(work, outcome)
        if outcome.state != "claimed":
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
