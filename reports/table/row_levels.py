"""Which level of each factor of a table each of its rows has, rows that stand beside a design among them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.changes import value_at
from tablewright.orchestrator.declared.composition import Level
from tablewright.orchestrator.declared.design import Row, full_label

RowLevels = Mapping[str, Mapping[str, Level]]
"""Row's label, its group in front -> factor -> level; a factor whose level is not known of a row is left out."""


def factors_of(ablation: Ablation) -> tuple[str, ...]:
    """Name the factors of a table's designs, each once, in printing order."""
    names = (factor.name for _, composition in ablation.compositions for factor in composition.factors)
    return tuple(dict.fromkeys(names))


def levels_of(ablation: Ablation) -> RowLevels:
    """Give the levels of every row.

    A design knows those of its own rows. A row beside it has the level of the design's rows whose configs have the
    same values as its own in all that the factor sets; where these agree with none, or with several, none is known.
    """
    found: dict[str, dict[str, Level]] = {full_label(row): {} for row in ablation.printed_rows}
    for rows, composition in ablation.compositions:
        for factor in composition.factors:
            for row, level in zip(rows, factor.levels, strict=True):
                found[full_label(row)][factor.name] = level
    for name in factors_of(ablation):
        level_by: dict[Any, set[Level]] = {}
        known = [row for row in ablation.trained_rows if name in found[full_label(row)]]
        unknown = [row for row in ablation.trained_rows if name not in found[full_label(row)]]
        paths = _paths_of(ablation, name)
        for row in known if unknown else ():
            level_by.setdefault(_values(ablation, row, paths), set()).add(found[full_label(row)][name])
        for row in unknown:
            levels = level_by.get(_values(ablation, row, paths), set())
            if len(levels) == 1:
                (found[full_label(row)][name],) = levels
    return found


def _paths_of(ablation: Ablation, name: str) -> tuple[str, ...]:
    factors = (factor for _, composition in ablation.compositions for factor in composition.factors)
    return tuple(dict.fromkeys(path for factor in factors if factor.name == name for path in factor.paths))


def _values(ablation: Ablation, row: Row, paths: tuple[str, ...]) -> frozenset[tuple[Any, ...]]:
    """Give what a row's config, or those of its members, have at some paths."""
    members = ablation.members(row, ablation.datasets[0])
    return frozenset(tuple(value_at(config, path) for path in paths) for config in members)
