"""Accepts in writing that a changed default moves no number, so that records made under the old one are shown."""

from __future__ import annotations

import getpass

from orchestrator.plan import Plan
from orchestrator.recorded_config import accepted_changes, config_changes, view_changes
from orchestrator.records import AcceptedChange, DamagedFile, Store, now


def accept_changed_defaults(plan: Plan, store: Store, reason: str) -> list[AcceptedChange]:
    """Accept every changed default that stands between the plan and its records, and keep the reason.

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
    for planned in plan.trainings.values():
        try:
            record = store.training(planned.training_id).record()
        except DamagedFile:
            continue
        if record is None:
            continue
        changes = config_changes(record, planned.config)
        for view_id, asked in planned.views.items():
            try:
                measurement = store.training(planned.training_id).measurement(view_id)
            except DamagedFile:
                continue
            changes += [] if measurement is None else view_changes(record, measurement, asked.view)
        refused, _ = accepted_changes(changes, known)
        for change in refused:
            found[f"{change.method} {change.path} {change.recorded} {change.planned}"] = AcceptedChange(
                method=change.method,
                version=change.version,
                path=change.path,
                recorded=change.recorded,
                planned=change.planned,
                reason=" ".join(reason.split()),
                accepted_by=_user(),
                accepted_at=now(),
            )
    if not found:
        raise ValueError("--accept: no record of these studies was made under another default; leave it out")
    for change in found.values():
        store.write_accepted_change(change)
    return list(found.values())


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container without a name for its user
        return "unknown"
