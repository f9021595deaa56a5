"""A sweep from beginning to end: plan, subtract what is recorded, run the rest, write what searches found."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from orchestrator.plan import DescribeData, Plan, make_plan
from orchestrator.records import Store
from orchestrator.search import PlannedTrials, SearchSource, open_storage
from orchestrator.status import TrainingStatus, read_status
from orchestrator.study import Changes, Study
from orchestrator.trial import Listener, Work
from orchestrator.work_queue import WorkQueue, planned_work
from trainables.contract import DatasetFacts, Device, Runtime, TrainingConfig


class Backend(Protocol):
    """Where work runs. `num_slots` and `run` are asked while it is connected."""

    def connect(self) -> AbstractContextManager[Device]:
        """Reach the machines; gives what trainings run on there."""
        ...

    def num_slots(self) -> int:
        """Count the trainings that fit at a time, on the machines as they are now."""
        ...

    def run(self, queue: WorkQueue, listeners: Sequence[Listener], store: Store, runtime: Runtime) -> None:
        """Run until the queue is finished or told to stop."""
        ...


@dataclass(frozen=True)
class SweepResult:
    """How a sweep ended.

    Attributes:
        plan: with what the searches found.
        statuses: of every training of the plan.
        was_stopped: by Ctrl-C or a termination signal.
    """

    plan: Plan
    statuses: tuple[TrainingStatus, ...]
    was_stopped: bool

    @property
    def is_complete(self) -> bool:
        """Whether every planned cell is filled."""
        return all(status.state == "done" for status in self.statuses)


def describe_with(runtime: Runtime) -> DescribeData:
    """Find data sets as a machine with these settings would."""

    def describe(config: TrainingConfig) -> DatasetFacts:
        return config.make_trainable().describe_data(config, runtime)

    return describe


def plan_with_found(studies: Sequence[Study], store: Store, runtime: Runtime, search_storage: str) -> Plan:
    """Make the plan as it stands now, with the results of the searches that have ended."""
    describe = describe_with(runtime)
    if not any(study.searches for study in studies):
        return make_plan(studies, describe)
    sources = _open_searches(studies, describe, store, search_storage, max_open=lambda: 0)
    return make_plan(studies, describe, _found(sources))


def run_sweep(
    studies: Sequence[Study],
    *,
    store: Store,
    runtime: Runtime,
    backend: Backend,
    search_storage: str,
    listeners: Callable[[Plan, Sequence[TrainingStatus]], Iterable[Listener]],
) -> SweepResult:
    """Train and measure what the studies' tables need and the store has not.

    Args:
        studies: declared studies, with the seeds to run.
        store: where records are.
        runtime: settings of this machine.
        backend: where trainings run.
        search_storage: URL of Optuna's database.
        listeners: made once the plan is known, before anything trains.

    Raises:
        ValueError: every fault of the declarations and of the data, before anything trains.
    """
    describe = describe_with(runtime)
    plan = plan_with_found(studies, store, runtime, search_storage)
    statuses = read_status(plan, store)
    remaining = [planned_work(status.training) for status in statuses if status.state != "done"]
    storage = open_storage(search_storage)
    sources = _open_searches(studies, describe, store, search_storage, backend.num_slots)
    needed = [work.config for work in remaining]
    needed += [source.search.trial_config({}) for source in sources.values() if not source.is_finished()]

    def last_works() -> list[Work]:
        """Give what searches found, and views of ensembles that waited for all their trainings."""
        asked_before = {work.training_id for work in remaining}
        final = make_plan(studies, describe, _found(sources)) if sources else plan
        return [
            planned_work(status.training)
            for status in read_status(final, store)
            if status.state == "to measure"
            or (status.state != "done" and status.training.training_id not in asked_before)
        ]

    queue = WorkQueue(remaining, list(sources.values()), last_works)
    if not queue.is_finished():
        with backend.connect() as device:
            there = replace(runtime, device=device)
            _prepare(needed, there)
            followers = [PlannedTrials(plan, store, storage), *listeners(plan, statuses)]
            with _stopping_on_signals(queue):
                backend.run(queue, followers, store, there)
    final = make_plan(studies, describe, _found(sources)) if sources else plan
    return SweepResult(final, tuple(read_status(final, store)), queue.is_stopping)


def _open_searches(
    studies: Sequence[Study],
    describe: DescribeData,
    store: Store,
    search_storage: str,
    max_open: Callable[[], int],
) -> dict[tuple[str, str], SearchSource]:
    if not any(study.searches for study in studies):
        return {}
    storage = open_storage(search_storage)
    return {
        (study.name, search.name): SearchSource(
            study.name, search, describe, store, storage, max_open=max_open
        )
        for study in studies
        for search in study.searches
    }


def _found(sources: dict[tuple[str, str], SearchSource]) -> dict[tuple[str, str], Changes]:
    best = {key: source.best() for key, source in sources.items() if source.is_finished()}
    return {key: params for key, params in best.items() if params is not None}


def _prepare(configs: Iterable[TrainingConfig], runtime: Runtime) -> None:
    """Decode every image that is needed, so that an unreadable one is named before anything trains."""
    faults: list[str] = []
    for config in dict.fromkeys(config.model_copy(update={"seed": 0}) for config in configs):
        try:
            config.make_trainable().prepare_data(config, runtime)
        except ValueError as error:
            if str(error) not in faults:
                faults.append(str(error))
    if faults:
        raise ValueError("\n".join(faults))


@contextmanager
def _stopping_on_signals(queue: WorkQueue) -> Generator[None]:
    """Let a first Ctrl-C or termination signal end the sweep in good order; a second one ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, frame: Any) -> None:
        queue.stop()
        for known, handler in before.items():
            signal.signal(known, handler)

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
