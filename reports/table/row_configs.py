"""The configs behind a table's rows, as they are trained, and in what two of them differ."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.changes import try_changes, value_at
from tablewright.orchestrator.declared.dataset import SEED, Dataset, without_own_seed
from tablewright.orchestrator.declared.design import Row, full_label
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.plans.recorded_config import differences
from tablewright.trainables.contract.method import TrainingConfig


@dataclass(frozen=True, eq=False)
class RowConfigs:
    """The configs of one table, without their seeds.

    Attributes:
        plan: of the study, which knows what tuned rows are trained with.
        study: that declares the table.
        ablation: the table.
    """

    plan: Plan
    study: Study
    ablation: Ablation

    @functools.cached_property
    def rows(self) -> Mapping[str, Row]:
        """The rows that are trained, by label, the group in front."""
        return {full_label(row): row for row in self.ablation.trained_rows}

    def of(self, row: Row, dataset: Dataset) -> tuple[TrainingConfig, ...]:
        """Give what one cell is trained from; several of an ensemble, none of a row that waits for its search."""
        tuned = self.plan.tuned.get((self.study.name, self.ablation.name))
        members = self.ablation.members(row, dataset) if tuned is None else tuned.members(row, dataset)
        return tuple(map(without_own_seed, members))

    @functools.cached_property
    def searched(self) -> frozenset[str]:
        """Paths that every row of a tuned table has found a value for, which differ by design."""
        return frozenset(self.ablation.tuned.space if self.ablation.tuned else ())


def changed_paths(before: TrainingConfig, after: TrainingConfig) -> dict[str, tuple[str, str]]:
    """Give dotted path -> value before and after, as JSON; a component that is off is one path."""
    found: dict[str, tuple[str, str]] = {}
    one, other = (config.model_dump(mode="json") for config in (before, after))
    for path, first, second in differences(one, other):
        parts = path.split(".")
        while parts[-1].isdigit():  # a place in a list, which is one value
            parts.pop()
        name = ".".join(parts)
        if name == SEED or name in found:
            continue
        if name != path:
            first, second = (_json_at(config, name) for config in (one, other))
        found[name] = first, second
    return found


def independent_paths(before: TrainingConfig, after: TrainingConfig) -> dict[str, tuple[str, str]]:
    """Give of the changed paths those that could have been left as they were, the others changed alike.

    A change that the config's own rules force on it, such as a fusion of two branches that goes with one of them, is
    no factor of its own.
    """
    changed = changed_paths(before, after)
    if len(changed) < 2:
        return changed
    values: dict[str, Any] = {}
    for path in changed:
        try:
            values[path] = value_at(after, path)
        except AttributeError:  # a component of another kind, which has no such field
            return changed
    return {
        path: change
        for path, change in changed.items()
        if not try_changes(before, {name: value for name, value in values.items() if name != path})[1]
    }


def _json_at(dumped: Any, path: str) -> str:
    value = dumped
    for part in path.split("."):
        value = value[part]
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
