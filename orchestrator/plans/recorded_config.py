"""Whether a record was made with the config that the plan means.

An id leaves out fields at their defaults, so that a new field leaves old ids alone. A default that was *changed* since
would find the old records under the same id, and show numbers of another config: whoever reads a record compares the
whole of it. What an old record lacks was added since, and counts as unchanged.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from tablewright.orchestrator.store.accepted_change import AcceptedChange
from tablewright.orchestrator.store.training_records import Measurement, TrainingRecord
from tablewright.trainables.contract.method import TrainingConfig
from tablewright.trainables.contract.view import EvaluationView

CODE = "(code)"
"""Stands where the path of a field stands, for a change of the code of a method of one's own."""


@dataclass(frozen=True)
class ConfigChange:
    """A field whose recorded value is not the planned one.

    Attributes:
        method: whose config it is.
        version: of the method, of the record and of the plan alike.
        path: dotted.
        recorded: as JSON; empty where the record has no such field's part.
        planned: as JSON; empty where the config has the field no more.
        measured_in: of a field of a view the measurement's file; empty for a field of the config.
    """

    method: str
    version: int | str
    path: str
    recorded: str
    planned: str
    measured_in: str = ""

    def __str__(self) -> str:
        """Say what changed, and the two ways to go on."""
        now = f"is planned with {self.planned}" if self.planned else "has no such field any more"
        again = f"Raise the method's VERSION ({self.version}) to train again"
        if isinstance(
            self.version, str
        ):  # that of a method of one's own is its code's, and nobody's to raise
            again = "To train again, name the new value in the table's base or rows, and leave the default as it was"
        if self.measured_in:
            again = f"Move {self.measured_in} away, in the store, to measure again"
        return (
            f"method {self.method!r} was recorded with {self.path} = {self.recorded} and {now} under the same id: a "
            f"default was changed. {again}; or, if the change moves "
            "no number, accept it in writing: --accept 'REASON'"
        )

    def is_accepted_by(self, accepted: AcceptedChange) -> bool:
        """Say whether a person has accepted this very change."""
        return (self.method, self.version, self.path, self.recorded, self.planned) == (
            accepted.method,
            accepted.version,
            accepted.path,
            accepted.recorded,
            accepted.planned,
        )


def accepted_in_words(change: AcceptedChange) -> str:
    """Say what was accepted, in half a sentence."""
    if change.path == CODE:
        return f"what {change.method} trained by its code {change.recorded[:8]} is shown under {change.planned[:8]}"
    return f"{change.path} {change.recorded} is shown under {change.planned}"


class ChangedDefault(ValueError):
    """Something was recorded under another default than is planned, and nobody has accepted the change.

    Attributes:
        changes: what differs.
    """

    def __init__(self, changes: Sequence[ConfigChange]) -> None:
        """Say each."""
        super().__init__("\n".join(map(str, changes)))
        self.changes = tuple(changes)


def config_changes(record: TrainingRecord, config: TrainingConfig) -> list[ConfigChange]:
    """List the fields in which a record's config differs from the planned one; empty as a rule."""
    planned = json.loads(config.model_dump_json())
    changes = [
        ConfigChange(record.method, record.method_version, path, before, after)
        for path, before, after in differences(record.config, planned)
        if before  # what the record lacks was added since
    ]
    if record.method_version != config.VERSION:  # it was found because that change was accepted
        versions = str(record.method_version), str(config.VERSION)
        changes.append(ConfigChange(record.method, config.VERSION, CODE, *versions))
    return changes


def view_changes(
    record: TrainingRecord, measurement: Measurement, view: EvaluationView
) -> list[ConfigChange]:
    """List the fields in which a view that was measured differs from the planned one; empty as a rule."""
    recorded, planned = (json.loads(some.model_dump_json()) for some in (measurement.view, view))
    where = f"trainings/{record.training_id}/measurements/{measurement.view_id}.json"
    return [
        ConfigChange(record.method, record.method_version, path, before, after, where)
        for path, before, after in differences(recorded, planned, "view")
        if before
    ]


def differences(first: Any, second: Any, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Give dotted path, first and second value, as JSON, of what differs; "" where one of them has no such field."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        before, after = cast(Mapping[str, Any], first), cast(Mapping[str, Any], second)
        for name in dict.fromkeys([*before, *after]):
            of_name = f"{path}.{name}" if path else name
            if name in before and name in after:
                yield from differences(before[name], after[name], of_name)
            else:
                one, other = (_text(some[name]) if name in some else "" for some in (before, after))
                yield of_name, one, other
    elif _is_as_long(first, second):
        for place, (one, other) in enumerate(zip(first, second, strict=True)):
            yield from differences(one, other, f"{path}.{place}")
    elif first != second:
        yield path, _text(first), _text(second)


def differing_definitions(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """Give the definitions that differ, by their names, with what became of each: changed, new or removed."""
    return {
        name: "new" if name not in before else "removed" if name not in after else "changed"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    }


def _is_as_long(recorded: Any, planned: Any) -> bool:
    are_lists = isinstance(recorded, list) and isinstance(planned, list)
    return are_lists and len(cast(list[Any], recorded)) == len(cast(list[Any], planned))


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def versions_alike(
    method: str, version: int | str, accepted: Iterable[AcceptedChange]
) -> dict[str, tuple[AcceptedChange, ...]]:
    """Give the versions of a method's own code that move no number beside this one, each with what was accepted for it.

    One that was accepted for another is as good as that one, and the other as good as it: code may be changed back.
    """
    of_code = [change for change in accepted if (change.method, change.path) == (method, CODE)]
    found: dict[str, tuple[AcceptedChange, ...]] = {str(version): ()}
    for known in (waiting := [str(version)]):
        for change in of_code:
            for one, other in ((change.planned, change.recorded), (change.recorded, change.planned)):
                if one == known and other not in found:
                    found[other] = (*found[known], change)
                    waiting.append(other)
    del found[str(version)]
    return found


def accepted_changes(
    changes: Iterable[ConfigChange], accepted: Iterable[AcceptedChange]
) -> tuple[list[ConfigChange], list[AcceptedChange]]:
    """Part changes into those that nobody has accepted, and what was accepted of the others."""
    known = list(accepted)
    refused: list[ConfigChange] = []
    found: list[AcceptedChange] = []
    for change in changes:
        if change.path == CODE:
            matches = versions_alike(change.method, change.planned, known).get(change.recorded, ())
        else:
            matches = tuple(entry for entry in known if change.is_accepted_by(entry))[:1]
        found += [entry for entry in matches if entry not in found]
        if not matches:
            refused.append(change)
    return refused, found
