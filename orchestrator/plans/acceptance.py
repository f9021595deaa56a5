"""Accepts in writing that a changed default moves no number, so that records made under the old one are shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tablewright.orchestrator.code.user import user_name
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.plans.recorded_config import (
    CODE,
    ConfigChange,
    accepted_changes,
    config_changes,
    view_changes,
)
from tablewright.orchestrator.plans.source_changes import find_source_changes
from tablewright.orchestrator.store.accepted_change import AcceptedChange
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.record import now
from tablewright.orchestrator.store.store import Store


def accept_changed_defaults(plan: Plan, store: Store, reason: str) -> list[AcceptedChange]:
    """Accept every changed default, and all changed code, between the plan and its records, and keep the reason.

    Raises:
        ValueError: no reason is given, or nothing is there to be accepted.
    """
    if not " ".join(reason.split()):
        raise ValueError(
            "--accept wants the reason why the changed default moves no number, such as 'only the number of loader "
            "threads'; it is printed below every table that needs it"
        )
    known = store.accepted_changes()
    found: dict[str, AcceptedChange] = {}
    for change in [*_refused_changes(plan, store, known), *_changed_code(plan, store)]:
        found[f"{change.method} {change.path} {change.recorded} {change.planned}"] = AcceptedChange(
            method=change.method,
            version=change.version,
            path=change.path,
            recorded=change.recorded,
            planned=change.planned,
            reason=" ".join(reason.split()),
            accepted_by=user_name(),
            accepted_at=now(),
        )
    if not found:
        raise ValueError(
            "--accept: no record of these studies was made under another default or other code; leave it out"
        )
    for change in found.values():
        store.write_accepted_change(change)
    return list(found.values())


def _refused_changes(plan: Plan, store: Store, known: Sequence[AcceptedChange]) -> Iterator[ConfigChange]:
    """Give what differs in the records of rows, in their measured views, and in what searches have suggested."""
    for planned in plan.trainings.values():
        folder = store.training(planned.training_id)
        try:
            record = folder.record()
        except DamagedFile:
            continue
        if record is None:
            continue
        changes = config_changes(record, planned.config)
        for view_id, asked in planned.views.items():
            try:
                measurement = folder.measurement(view_id)
            except DamagedFile:
                continue
            changes += [] if measurement is None else view_changes(record, measurement, asked.view)
        yield from accepted_changes(changes, known)[0]
    for state in plan.searches.values():
        yield from accepted_changes(state.changes, known)[0]


def _changed_code(plan: Plan, store: Store) -> Iterator[ConfigChange]:
    for change in find_source_changes(plan, store):
        yield ConfigChange(change.method, change.planned, CODE, change.recorded, change.planned)
