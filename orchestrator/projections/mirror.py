"""MLflow and Optuna made whole from the store alone: `--mirror`, after a database was lost or was away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.plans.planning import describe_with
from tablewright.orchestrator.plans.resolution import StoreResolver
from tablewright.orchestrator.projections.mirrored_study import RecordedSearch
from tablewright.orchestrator.projections.optuna_mirror import OptunaMirror
from tablewright.orchestrator.projections.tracking import Tracker
from tablewright.orchestrator.run import distinct_searches, ended_ids, recorded_ids
from tablewright.orchestrator.searches.search_identity import find_search_id
from tablewright.orchestrator.status import read_status
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.store import Store
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.value.counted import counted
from tablewright.trainables.value.freezing import EMPTY


@dataclass(frozen=True)
class Mirrored:
    """What was written to one database.

    Attributes:
        text: which database, and what; for people.
        warnings: what could not be written, which was told already.
    """

    text: str
    warnings: tuple[str, ...] = ()


def mirror_to_mlflow(
    uri: str,
    store: Store,
    plan: Plan | None,
    table_files: Mapping[str, str],
    numbers: Mapping[tuple[str, ...], float] = EMPTY,
) -> Mirrored:
    """Log every recorded training, or those of a plan; a run that is whole is left as it is.

    Args:
        uri: of MLflow's server or database.
        store: of the records.
        plan: of studies that are named; without one, each study that any record names is a sweep.
        table_files: artifact path -> URL of the finished tables of the plan.
        numbers: of these tables, by study, table, row, data set, metric and statistic.

    Raises:
        ValueError: a package is absent without which the database cannot be reached.
    """
    warnings: list[str] = []
    sweeps = _recorded_by_study(store, warnings) if plan is None else _recorded_of(plan, store)
    num_changed = 0
    for name, training_ids in sweeps.items():
        tracker = Tracker(uri, store)
        tracker.begin(name, {})
        if plan is not None:
            tracker.show(plan, is_final=True)
        tracker.reconcile(training_ids)
        tracker.log_tables(table_files, numbers)
        tracker.end(succeeded=None)
        num_changed += tracker.num_changed
        warnings += tracker.warnings
    recorded = counted(sum(map(len, sweeps.values())), "recorded training")
    place = Tracker(uri, store).place
    return Mirrored(f"{place}: {recorded}, {num_changed or 'none'} of them written", tuple(warnings))


def _recorded_of(plan: Plan, store: Store) -> dict[str, list[str]]:
    name = "+".join(study.name for study in plan.studies)
    return {name: recorded_ids(plan, read_status(plan, store))}


def _recorded_by_study(store: Store, warnings: list[str]) -> dict[str, list[str]]:
    sweeps: dict[str, list[str]] = {}
    for identity in store.training_ids():
        try:
            record = store.training(identity).record()
        except DamagedFile as error:
            warnings.append(str(error))
            continue
        if record is not None:
            sweeps.setdefault(record.study, []).append(identity)
    return sweeps


def mirror_to_optuna(url: str, store: Store, plan: Plan, runtime: Runtime) -> Mirrored:
    """Make Optuna's studies of a plan anew: its rows, and every suggestion of its searches.

    Args:
        url: of Optuna's database.
        store: of the records.
        plan: of the studies that are named.
        runtime: settings of this machine.

    Raises:
        ValueError: a package is absent without which the database cannot be reached.
    """
    resolver = StoreResolver(store, describe_with(runtime))
    searches = [
        RecordedSearch(study.name, search, find_search_id(search, resolver, store))
        for study, search in distinct_searches(plan, resolver, store)
    ]
    mirror = OptunaMirror(url, store)
    mirror.begin(plan, searches, ended_ids(read_status(plan, store)), is_rebuilt=True)
    mirror.end()
    return Mirrored(f"{mirror.place}: {counted(mirror.num_added, 'trial')} written", tuple(mirror.warnings))
