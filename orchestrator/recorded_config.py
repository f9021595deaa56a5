"""Whether a record was made with the config that the plan means.

An id leaves out fields at their defaults, so that a new field leaves old ids alone. A default that was *changed* since
would find the old records under the same id, and show numbers of another config: whoever reads a record compares the
whole of it. What an old record lacks was added since, and counts as unchanged.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from orchestrator.records import AcceptedChange, TrainingRecord
from trainables.contract import TrainingConfig


@dataclass(frozen=True)
class ConfigChange:
    """A field whose recorded value is not the planned one.

    Attributes:
        method: whose config it is.
        version: of the method, of the record and of the plan alike.
        path: dotted.
        recorded: as JSON; empty where the record has no such field's part.
        planned: as JSON; empty where the config has the field no more.
    """

    method: str
    version: int
    path: str
    recorded: str
    planned: str

    def __str__(self) -> str:
        """Say what changed, and the two ways to go on."""
        now = f"is planned with {self.planned}" if self.planned else "has no such field any more"
        return (
            f"method {self.method!r} was recorded with {self.path} = {self.recorded} and {now} under the same id: a "
            f"default was changed. Raise the method's VERSION ({self.version}) to train again; or, if the change moves "
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


def config_changes(record: TrainingRecord, config: TrainingConfig) -> list[ConfigChange]:
    """List the fields in which a record's config differs from the planned one; empty as a rule."""
    planned = cast(dict[str, Any], json.loads(config.model_dump_json()))
    return [
        ConfigChange(record.method, record.method_version, path, before, after)
        for path, before, after in _differences(record.config, planned, "")
    ]


def _differences(
    recorded: Mapping[str, Any], planned: Mapping[str, Any], front: str
) -> Iterator[tuple[str, str, str]]:
    for name, before in recorded.items():
        path = f"{front}{name}"
        if name not in planned:
            yield path, _text(before), ""
            continue
        after = planned[name]
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _differences(
                cast(Mapping[str, Any], before), cast(Mapping[str, Any], after), f"{path}."
            )
        elif before != after:
            yield path, _text(before), _text(after)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def accepted_changes(
    changes: Iterable[ConfigChange], accepted: Iterable[AcceptedChange]
) -> tuple[list[ConfigChange], list[AcceptedChange]]:
    """Part changes into those that nobody has accepted, and what was accepted of the others."""
    known = list(accepted)
    refused: list[ConfigChange] = []
    found: list[AcceptedChange] = []
    for change in changes:
        match = next((entry for entry in known if change.is_accepted_by(entry)), None)
        if match is None:
            refused.append(change)
        else:
            found.append(match)
    return refused, found
