"""A sweep from beginning to end: plan, subtract what is recorded, run the rest, write what searches found."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol

from tablewright.orchestrator.attempts.measuring import prepare_data
from tablewright.orchestrator.costs.cost import training_ids_of
from tablewright.orchestrator.declared.search import Search
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.needless_weights import NeedlessWeights
from tablewright.orchestrator.orders import Retries
from tablewright.orchestrator.other_hands import OtherHands
from tablewright.orchestrator.plans.cache_room import refuse_small_disc
from tablewright.orchestrator.plans.memory_need import refuse_small_cards
from tablewright.orchestrator.plans.plan import Plan, configs_of
from tablewright.orchestrator.plans.planning import (
    SeedRule,
    describe_with,
    first_seeds_alone,
    is_complete,
    make_plan_of,
)
from tablewright.orchestrator.plans.resolution import DataResolver, remember_data
from tablewright.orchestrator.projections.mirrored_study import RecordedSearch
from tablewright.orchestrator.projections.optuna_mirror import OptunaMirror
from tablewright.orchestrator.searches.search_identity import find_search_id
from tablewright.orchestrator.searches.search_source import SearchSource
from tablewright.orchestrator.searches.search_state import SearchState
from tablewright.orchestrator.signals import DEFAULT_GRACE_S, stopping_on_signals
from tablewright.orchestrator.spending_cap import SpendingCap
from tablewright.orchestrator.status import RECORDED, UNFINISHED, TrainingStatus, read_status
from tablewright.orchestrator.store.record import now
from tablewright.orchestrator.store.signs_of_life import SweepSign, announced
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.work import Listener, Work
from tablewright.orchestrator.work_queue import WorkQueue, planned_work
from tablewright.trainables.contract.memory import Card
from tablewright.trainables.contract.method import TrainingConfig, TrainsInProcesses
from tablewright.trainables.contract.run import Device, Runtime

logger = logging.getLogger(__name__)


class Backend(Protocol):
    """Where work runs. All but `connect` is asked while it is connected."""

    def connect(self) -> AbstractContextManager[Device]:
        """Reach the machines; gives what trainings run on there."""
        ...

    def max_slots(self) -> int:
        """Count the trainings that could run at a time, on the machines that are there or may be started."""
        ...

    def links(self) -> Mapping[str, str]:
        """Give URLs that show more of what runs, by name."""
        ...

    def cards(self) -> Sequence[Card]:
        """Give the GPUs that trainings may get there, as far as they are known."""
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
        reached_cap: what was spent of what may be, where nothing more was begun because of it; else empty.
    """

    plan: Plan
    statuses: tuple[TrainingStatus, ...]
    was_stopped: bool
    reached_cap: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether every cell is filled, those of searches among them."""
        return is_complete(self.plan, self.statuses)


def run_sweep(
    studies: Sequence[Study],
    *,
    store: Store,
    runtime: Runtime,
    backend: Backend,
    search_storage: str,
    listeners: Callable[[Plan, Sequence[TrainingStatus]], Iterable[Listener]],
    on_stop: Callable[[], None] = lambda: None,
    grace_s: float = DEFAULT_GRACE_S,
    seed_rule: SeedRule = first_seeds_alone,
    keeps_weights: bool = True,
    links: Callable[[], Mapping[str, str]] = dict[str, str],
    max_gpu_hours: float | None = None,
    max_cpu_hours: float | None = None,
) -> SweepResult:
    """Train and measure what the studies' tables need and the store has not.

    Args:
        studies: declared studies, with the seeds to run.
        store: where records are.
        runtime: settings of this machine.
        backend: where trainings run.
        search_storage: URL of Optuna's database; no training waits for it, and the next sweep writes what it missed.
        listeners: made once the plan is known, before anything trains.
        on_stop: called when a signal asks the sweep to end, to tell the person who sent it.
        grace_s: how long running trainings may take to save once it was asked; then they are ended hard.
        seed_rule: asked whenever all that was planned has ended; the plan grows by the seeds that it adds.
        keeps_weights: whether trained weights are kept once every view that the plan knows is measured on them.
        links: name -> URL of what shows more of the sweep while it runs; asked once it is connected.
        max_gpu_hours: that the studies' trainings may take in all, earlier runs included: then what runs goes on to
            its end and nothing more is begun; None is no limit.
        max_cpu_hours: the same of processors.

    Raises:
        ValueError: every fault of the declarations and of the data, every record that was made under other
            defaults, and an absent package of the database, before anything trains.
    """
    mirror = OptunaMirror(search_storage, store)
    store_id = store.shared_id()  # starts it: a folder that cannot be written to is refused at once
    resolver = DataResolver(describe_with(runtime), store)
    plan = make_plan_of(studies, resolver, store, seed_rule)
    statuses = read_status(plan, store)
    _refuse_changed_configs(statuses)
    _remember_data(plan, resolver, store)
    remaining = [planned_work(status.training) for status in statuses if status.state in UNFINISHED]
    others = OtherHands(store)
    sources = [
        SearchSource(
            study.name,
            search,
            resolver,
            store,
            max_open=backend.max_slots,
            others=others,
            priority=study.priority_of(search),
        )
        for study, search in distinct_searches(plan, resolver, store)
    ]
    needed = [work.config for work in remaining]
    unfinished = [source for source in sources if not source.is_finished()]
    needed += [config for source in unfinished for config in source.search.trial_configs({})]

    _refuse_processes(needed, runtime.process.num_processes)

    # A view of an ensemble is asked for with its training, and once more when the other trainings are done.
    asked: dict[str, int] = {work.training_id: 1 for work in remaining}

    def last_works() -> list[Work]:
        """Give what searches found, further seeds, and views of ensembles that waited for all their trainings."""
        grown = read_status(make_plan_of(studies, resolver, store, seed_rule), store)
        more = [
            planned_work(status.training)
            for status in grown
            if status.state in UNFINISHED
            and asked.get(status.training.training_id, 0) < (2 if status.state == "to measure" else 1)
        ]
        asked.update({work.training_id: asked.get(work.training_id, 0) + 1 for work in more})
        return more

    searches = [RecordedSearch(source.study_name, source.search, source.search_id) for source in sources]

    def counted_ids() -> list[str]:
        trials = [trial for source in sources for trial in store.search_trials(source.search_id)]
        return [*training_ids_of(plan), *(identity for trial in trials for identity in trial.training_ids)]

    retries = Retries(store)
    cap = SpendingCap(store, counted_ids, max_gpu_hours=max_gpu_hours, max_cpu_hours=max_cpu_hours)
    queue = WorkQueue(remaining, unfinished, last_works, others, retries, cap)
    if not queue.is_finished():
        store.check_writable()
        retries.carry_out(
            identity
            for identity in retries.ordered()
            if identity in plan.trainings or store.training(identity).is_done()
        )
        started_at = now()

        def sign() -> SweepSign:
            num_running, num_queued, num_aside = queue.counts()
            return SweepSign(
                studies=tuple(study.name for study in studies),
                started_by=runtime.owner,
                command_line=runtime.command_line,
                started_at=started_at,
                signed_at=now(),
                num_running=num_running,
                num_queued=num_queued,
                num_aside=num_aside,
                waits_for=queue.waits_for(),
                links=links(),
            )

        refuse_small_disc(needed, runtime)
        with backend.connect() as device, announced(store, sign):
            if device == "cpu" and max_gpu_hours is not None:
                logger.warning(
                    "no training takes a GPU here, so that --max-gpu-hours ends nothing; --max-cpu-hours does"
                )
            there = replace(runtime, device=device, data_were_seen=True)
            if device == "cuda":
                refuse_small_cards(needed, backend.cards(), there.cache_dir)
            _prepare(needed, there)
            mirror.begin(plan, searches, ended_ids(statuses))
            followers = [mirror, *listeners(plan, statuses)]
            followers += [] if keeps_weights else [NeedlessWeights(plan, store)]
            with stopping_on_signals(
                queue.stop, on_stop=on_stop, grace_s=grace_s, on_grace_over=queue.end_grace
            ):
                backend.run(queue, followers, store, there)
        store.refuse_removed(store_id)
    final = make_plan_of(studies, resolver, store, seed_rule)
    _remember_data(final, resolver, store)
    final_statuses = tuple(read_status(final, store))
    if mirror.has_begun:
        mirror.follow(final, ended_ids(final_statuses))
    else:  # there was nothing to train, but the storage may have lost something
        mirror.begin(final, searches, ended_ids(final_statuses))
    mirror.end()
    if not keeps_weights:
        NeedlessWeights(final, store).remove_rest(final_statuses)
    is_capped = queue.starts_no_more and not is_complete(final, final_statuses)
    return SweepResult(final, final_statuses, queue.is_stopping, str(cap) if is_capped else "")


def distinct_searches(plan: Plan, resolver: DataResolver, store: Store) -> list[tuple[Study, Search]]:
    """List the searches of a plan that can go on; of those that are one in the store the one that asks for most."""
    found: dict[str, list[tuple[Study, Search, SearchState]]] = {}
    for study, search, state in plan.searched():
        if not state.fault:
            found.setdefault(find_search_id(search, resolver, store), []).append((study, search, state))

    def asks_for(item: tuple[Study, Search, SearchState]) -> tuple[bool, int, bool]:
        _, search, state = item
        return not state.is_finished, search.num_trials, not search.counts_answered

    return [max(alike, key=asks_for)[:2] for alike in found.values()]


def recorded_ids(plan: Plan, statuses: Sequence[TrainingStatus]) -> list[str]:
    """Give all trainings of a plan that have a record, those of its searches among them."""
    planned = [item.training.training_id for item in statuses if item.state in RECORDED]
    searched = [identity for state in plan.searches.values() for identity in state.recorded_ids]
    return list(dict.fromkeys([*planned, *searched]))


def ended_ids(statuses: Sequence[TrainingStatus]) -> list[str]:
    """Give the trainings that Optuna's mirror shows: those with a record, and those that failed."""
    return [status.training.training_id for status in statuses if status.state in (*RECORDED, "failed")]


def _remember_data(plan: Plan, resolver: DataResolver, store: Store) -> None:
    """Keep what the data of all rows and suggestions are, so that tables are read without them."""
    for study in plan.studies:
        tables = [
            table for (owner, _), table in [*plan.tables.items(), *plan.tuned.items()] if owner == study.name
        ]
        searched = [config for search in study.all_searches for config in search.trial_configs({})]
        for search in study.all_searches:
            if not plan.searches[study.name, search.name].fault:
                trials = store.search_trials(find_search_id(search, resolver, store))
                of_trials = (search.trial_configs(trial.params) for trial in trials if trial.training_id)
                searched += [config for configs in of_trials for config in configs]
        remember_data(study.name, [*configs_of(tables), *searched], resolver, store)


def _refuse_changed_configs(statuses: Sequence[TrainingStatus]) -> None:
    """Refuse to go on where records were made under other defaults than the plan's.

    Raises:
        ValueError: every change, and the two ways to go on.
    """
    labels: dict[str, list[str]] = {}
    for status in statuses:
        if status.state == "changed":
            labels.setdefault(status.message, []).append(status.training.label)
    if labels:
        raise ValueError(
            "\n".join(
                f"{message} ({len(some)} recorded training{'s' if len(some) > 1 else ''}, such as {some[0]})"
                for message, some in labels.items()
            )
        )


def _refuse_processes(configs: Iterable[TrainingConfig], num_processes: int) -> None:
    """Refuse trainings that so many processes cannot make, all at once and before anything trains.

    Raises:
        ValueError: each reason, and the method it is of.
    """
    faults: dict[str, str] = {}
    for config in configs if num_processes > 1 else ():
        trainable = config.make_trainable()
        try:
            if not isinstance(trainable, TrainsInProcesses):
                raise ValueError(
                    "its trainings are made by one process; leave --processes-per-training out, and "
                    "--gpus-per-training at 1 or less"
                )
            trainable.check_processes(config, num_processes)
        except ValueError as error:
            faults.setdefault(f"{config.METHOD}: {error}", config.METHOD)
    if faults:
        raise ValueError("\n".join(faults))


def _prepare(configs: Iterable[TrainingConfig], runtime: Runtime) -> None:
    """Decode every image that is needed, so that an unreadable one is named before anything trains."""
    faults: list[str] = []
    for config in dict.fromkeys(config.model_copy(update={"seed": 0}) for config in configs):
        try:
            prepare_data(config, runtime)
        except ValueError as error:
            if str(error) not in faults:
                faults.append(str(error))
    if faults:
        raise ValueError("\n".join(faults))
