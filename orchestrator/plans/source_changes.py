"""Which trainings of a plan were recorded under other code of their method: told, accepted in writing, never mixed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tablewright.orchestrator.plans.plan import Plan, PlannedTraining
from tablewright.orchestrator.plans.recorded_config import differing_definitions
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.parallel_reading import read_all
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_records import TrainingRecord
from tablewright.trainables.contract.method import HasSource, TrainingConfig
from tablewright.trainables.value.counted import counted
from tablewright.trainables.value.name_list import some

MAX_NAMES = 6
RECORDED = "recorded training"


@dataclass(frozen=True)
class SourceChange:
    """A recorded training of a planned config, under other code.

    Attributes:
        training_id: of the record.
        method: whose code it is.
        recorded: VERSION of the record.
        planned: VERSION of the plan.
        definitions: that were changed, added or removed: file and name.
    """

    training_id: str
    method: str
    recorded: str
    planned: str
    definitions: tuple[str, ...]


def find_source_changes(plan: Plan, store: Store) -> list[SourceChange]:
    """Find the recorded trainings that would be the plan's, or its searches', if their method's code had not changed.

    Args:
        plan: whose trainings are looked for; those that are recorded under today's code are left out.
        store: of the records.
    """
    store = store.listed()
    wanted: dict[str, list[PlannedTraining]] = {}
    for training in plan.trainings.values():
        has_source = isinstance(training.config.make_trainable(), HasSource)
        if has_source and not store.training(training.training_id).is_done():
            wanted.setdefault(training.config.METHOD, []).append(training)
    records = read_all(lambda identity: _record(store, identity), store.training_ids() if wanted else ())
    found = [
        _change(record, training.config)
        for record in records
        if record is not None
        for training in wanted.get(record.method, ())
        if _is_of(record, training)
    ]
    for _, search, state in plan.searched():
        found += [_change(record, search.trial_config({})) for record in state.by_other_code]
    return list({change.training_id: change for change in found}.values())


def tell_changes_under_one_version(plan: Plan, store: Store) -> list[str]:
    """Say of methods whose VERSION is raised by hand which were changed without that since trainings were recorded.

    They are networks of somebody's own, outside this program.
    """
    changed: dict[str, tuple[int, dict[str, None]]] = {}
    for training in plan.trainings.values():
        own = training.config.own_definitions()
        has_source = isinstance(training.config.make_trainable(), HasSource)
        record = _record(store, training.training_id) if own and not has_source else None
        if record is None or not record.source or not (names := differing_definitions(record.source, own)):
            continue
        number, known = changed.get(record.method, (0, {}))
        changed[record.method] = number + 1, known | dict.fromkeys(names)
    return [
        f"{method}: its code was changed since {counted(number, RECORDED)} of these configs, and its VERSION was not: "
        f"{some(list(names), MAX_NAMES)}. They are shown as they are; raise VERSION to train them again"
        for method, (number, names) in sorted(changed.items())
    ]


def tell_source_changes(changes: Iterable[SourceChange]) -> list[str]:
    """Say of each method what changed since how many trainings, and the two ways on."""
    of_method: dict[str, list[SourceChange]] = {}
    for change in changes:
        of_method.setdefault(change.method, []).append(change)
    return [_told(method, some) for method, some in sorted(of_method.items())]


def _record(store: Store, identity: str) -> TrainingRecord | None:
    try:
        return store.training(identity).record()
    except DamagedFile:
        return None  # it is told where it is needed


def _is_of(record: TrainingRecord, training: PlannedTraining) -> bool:
    planned = json.loads(training.config.model_dump_json())
    is_its_config = {name: planned.get(name) for name in record.config} == record.config
    return is_its_config and record.data.fingerprint == training.data.fingerprint


def _change(record: TrainingRecord, config: TrainingConfig) -> SourceChange:
    trainable = config.make_trainable()
    now = trainable.definitions() if isinstance(trainable, HasSource) else {}
    definitions = tuple(
        name if what == "changed" else f"{name} ({what})"
        for name, what in differing_definitions(record.source, now).items()
    )
    versions = str(record.method_version), str(config.VERSION)
    return SourceChange(record.training_id, config.METHOD, *versions, definitions)


def _told(method: str, changes: Sequence[SourceChange]) -> str:
    names = list(dict.fromkeys(name for change in changes for name in change.definitions))
    number, shown = counted(len(changes), RECORDED), some(names, MAX_NAMES)
    return (
        f"{method}: its code was changed since {number} of these configs: {shown}. They stay in the store and in no "
        "table, and these configs are trained again by the code as it is now; or, if the change moves no number, "
        "accept it in writing: --accept 'REASON'"
    )
