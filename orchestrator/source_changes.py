"""Which trainings of a plan were recorded under other code of their method: told, accepted in writing, never mixed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tablewright.orchestrator.parallel_reading import read_all
from tablewright.orchestrator.plan import Plan, PlannedTraining
from tablewright.orchestrator.records import DamagedFile, Store, TrainingRecord
from tablewright.trainables.contract.method import HasSource

MAX_NAMES = 6


@dataclass(frozen=True)
class SourceChange:
    """A recorded training of a planned config, under other code.

    Attributes:
        method: whose code it is.
        recorded: VERSION of the record.
        planned: VERSION of the plan.
        definitions: that were changed, added or removed: file and name.
    """

    method: str
    recorded: str
    planned: str
    definitions: tuple[str, ...]


def find_source_changes(plan: Plan, store: Store) -> list[SourceChange]:
    """Find the recorded trainings that would be the plan's if their method's code had not changed.

    Args:
        plan: whose trainings are looked for; those that are recorded under today's code are left out.
        store: of the records.
    """
    wanted = {
        training.training_id: training
        for training in plan.trainings.values()
        if isinstance(training.config.make_trainable(), HasSource)
        and not store.training(training.training_id).is_done()
    }
    if not wanted:
        return []
    by_method: dict[str, list[PlannedTraining]] = {}
    for training in wanted.values():
        by_method.setdefault(training.config.METHOD, []).append(training)
    records = read_all(lambda identity: _record(store, identity), store.training_ids())
    return [
        change
        for record in records
        if record is not None
        for training in by_method.get(record.method, ())
        if (change := _change(record, training)) is not None
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


def _change(record: TrainingRecord, training: PlannedTraining) -> SourceChange | None:
    config, trainable = training.config, training.config.make_trainable()
    planned = json.loads(config.model_dump_json())
    is_its_config = {name: planned.get(name) for name in record.config} == record.config
    is_its_data = record.data.fingerprint == training.data.fingerprint
    if not (is_its_config and is_its_data and isinstance(trainable, HasSource)):
        return None
    definitions = _differing(record.source, trainable.definitions())
    return SourceChange(config.METHOD, str(record.method_version), str(config.VERSION), definitions)


def _differing(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    words = {
        name: "" if name in before and name in after else " (new)" if name in after else " (removed)"
        for name in {*before, *after}
    }
    return tuple(f"{name}{words[name]}" for name in sorted(words) if before.get(name) != after.get(name))


def _told(method: str, changes: Sequence[SourceChange]) -> str:
    names = list(dict.fromkeys(name for change in changes for name in change.definitions))
    shown = ", ".join(names[:MAX_NAMES]) + (
        f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    )
    number = f"{len(changes)} recorded training{'' if len(changes) == 1 else 's'}"
    return (
        f"{method}: its code was changed since {number} of these configs: {shown}. They stay in the store and in no "
        "table, and these configs are trained again by the code as it is now; or, if the change moves no number, "
        "accept it in writing: --accept 'REASON'"
    )
