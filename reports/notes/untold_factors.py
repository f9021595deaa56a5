"""Rows that differ in more than they say: several changes at once, and components that are never taken out alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.changes import try_changes
from tablewright.orchestrator.declared.dataset import Dataset, without_own_seed
from tablewright.orchestrator.declared.design import (
    AsPrinted,
    Cumulative,
    Design,
    Factorial,
    Sweep,
    full_label,
)
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.plan import Plan
from tablewright.reports.table.row_configs import RowConfigs, changed_paths, independent_paths
from tablewright.trainables.contract.method import TrainingConfig

MAX_PATHS_SHOWN = 5
MIN_WORD_LENGTH = 2
MAX_ROWS_TRIED = 24
"""Each is held against each, which takes the square of their number."""


def untold_factors(configs: RowConfigs) -> Iterator[str]:
    """Find compared rows that differ in several independent fields, some of which neither label nor design names."""
    ablation = configs.ablation
    path_of = {
        full_label(row): design.path
        for design, rows in zip(map(_itself, ablation.rows), ablation.rows_by_design, strict=True)
        if isinstance(design, Sweep)
        for row in rows
    }
    found: dict[str, None] = {}
    for contrast in ablation.contrasts:
        if not contrast.row:
            continue  # an effect is of the factors that it names
        row, reference = configs.rows[contrast.row], configs.rows[contrast.reference]
        swept = {path for label in (contrast.row, contrast.reference) if (path := path_of.get(label))}
        views = row.view or ablation.view, reference.view or ablation.view
        for dataset in ablation.datasets:
            ours, theirs = configs.of(row, dataset), configs.of(reference, dataset)
            if len(ours) != 1 or len(theirs) != 1:
                continue
            paths = [
                path
                for path in independent_paths(theirs[0], ours[0])
                if not any(_is_within(path, searched) for searched in configs.searched)
            ]
            factors = [*paths, *(["the view"] if views[0] != views[1] and paths else [])]
            words = f"{contrast.row} {contrast.reference}"
            untold = [
                factor
                for factor in factors
                if not any(_is_within(factor, path) for path in swept) and not _names(words, factor)
            ]
            if len(factors) > 1 and untold:
                found[f"“{contrast.row}” and “{contrast.reference}” differ at once in {_listed(factors)}"] = (
                    None
                )
    yield from found
    for design in map(_itself, ablation.rows):
        if isinstance(design, Factorial):
            yield from _untold_in_levels(ablation, design)


def _untold_in_levels(ablation: Ablation, design: Factorial) -> Iterator[str]:
    """Find levels of a factor that differ from its first one in several fields, some of which no label names."""
    first = {
        path: value
        for levels in design.factors.values()
        for path, value in next(iter(levels.values())).items()
    }
    for factor, levels in design.factors.items():
        first_name, *others = levels
        for name in others:
            known = {**ablation.datasets[0].changes, **first}
            own = {path: value for path, value in known.items() if path not in levels[first_name]}
            before, one = try_changes(ablation.base, known)
            after, other = try_changes(ablation.base, {**own, **levels[name]})
            if one or other:
                continue
            paths = list(independent_paths(before, after))
            if len(paths) > 1 and not all(_names(f"{factor} {name} {first_name}", path) for path in paths):
                yield f"the levels “{name}” and “{first_name}” of “{factor}” differ at once in {_listed(paths)}"


def better_reference(configs: RowConfigs) -> str:
    """Say what to write: a reference from which rows differ in one factor each, if there is one, or else more rows."""
    ablation = configs.ablation
    remedy = "a row for each change, or a label that names all that is changed"
    rows = list(configs.rows.values())
    if len(rows) > MAX_ROWS_TRIED:
        return remedy
    alone = {
        full_label(row): members[0]
        for row in rows
        if len(members := configs.of(row, ablation.datasets[0])) == 1
    }
    near = {
        label: [
            other
            for other, config in alone.items()
            if other != label and len(independent_paths(reference, config)) == 1
        ]
        for label, reference in alone.items()
    }
    now = {contrast.reference for contrast in ablation.contrasts}
    best = max(near, key=lambda label: len(near[label]), default="")
    if best in now or len(near.get(best, ())) < 2:
        return remedy
    return f"reference={best!r}, from which {len(near[best])} rows differ in one field each; or {remedy}"


def joint_removals(plan: Plan, study: Study) -> dict[str, list[str]]:
    """Find components that are taken out together with others, or on top of each other, and alone in no table.

    Returns:
        Name of the table -> what is taken out together in it.
    """
    trained: set[TrainingConfig] = set()
    tables = [(ablation, RowConfigs(plan, study, ablation)) for ablation in study.ablations]
    for ablation, configs in tables:
        for row in ablation.trained_rows:
            for dataset in ablation.datasets:
                trained.update(configs.of(row, dataset))
    found: dict[str, list[str]] = {}
    for ablation, configs in tables:
        if ablation.tuned:
            continue  # what each row has found keeps configs apart that are otherwise alike
        dataset = ablation.datasets[0]
        found[ablation.name] = [
            text
            for design in map(_itself, ablation.rows)
            if isinstance(design, Cumulative)
            for text in _steps_never_removed(ablation, design, dataset, trained)
        ]
        found[ablation.name] += _fields_never_removed(configs, dataset, trained)
    return found


def _steps_never_removed(
    ablation: Ablation, design: Cumulative, dataset: Dataset, trained: set[TrainingConfig]
) -> Iterator[str]:
    """Find steps of a cumulative table that the full method is never trained without."""
    lacking: list[str] = []
    for name in [*design.steps][:-1]:  # without the last one is the row before
        changes: dict[str, Any] = {**dataset.changes, **design.start}
        for other, added in design.steps.items():
            changes |= added if other != name else {}
        config, faults = try_changes(ablation.base, changes)
        if not faults and without_own_seed(config) not in trained:
            lacking.append(f"“{name}”")
    if lacking:
        last = [*design.steps][-1]
        yield f"{', '.join(lacking)}, added one on top of the other, with “+ {last}” at the end"


def _fields_never_removed(
    configs: RowConfigs, dataset: Dataset, trained: set[TrainingConfig]
) -> Iterator[str]:
    """Find fields that single rows switch off together, of which one is never off alone."""
    ablation = configs.ablation
    whole, faults = try_changes(ablation.base, dataset.changes)
    if faults:
        return
    full = without_own_seed(whole)
    rows_of: dict[str, list[str]] = {}
    for design, rows in zip(map(_itself, ablation.rows), ablation.rows_by_design, strict=True):
        if isinstance(design, Cumulative):
            continue
        for row in rows:
            members = configs.of(row, dataset) if row.is_trained and not row.waits_for else ()
            if len(members) != 1:
                continue
            removed = [
                path
                for path, (before, after) in independent_paths(full, members[0]).items()
                if _is_removal(before, after)
            ]
            for path in removed if len(removed) > 1 else ():
                value = json.loads(changed_paths(full, members[0])[path][1])
                alone, refused = try_changes(full, {path: value})
                if not refused and without_own_seed(alone) not in trained:
                    rows_of.setdefault(path, []).append(f"“{full_label(row)}”")
    for path, labels in rows_of.items():
        yield f"{path}, taken out only together with others ({', '.join(dict.fromkeys(labels))})"


def _itself(design: Design) -> Design:
    return design.design if isinstance(design, AsPrinted) else design


def _is_within(path: str, other: str) -> bool:
    return path == other or path.startswith(f"{other}.") or other.startswith(f"{path}.")


def _is_removal(before: str, after: str) -> bool:
    """Say whether a value, as JSON, was taken out: none, off, zero, or a switch that was turned."""
    nothing = ("null", "false", "0", "0.0", '""', "[]", "{}")
    return (after in nothing and before not in nothing) or {before, after} == {"true", "false"}


def _names(label: str, path: str) -> bool:
    """Say whether a label has a word of a field's name, or the beginning of one, as `lr` or `embed` of `embedding`."""
    words = [word for word in re.findall(r"[^\W\d_]+", label.casefold()) if len(word) >= MIN_WORD_LENGTH]
    parts = re.findall(r"[^\W\d_]+", path.casefold())
    return any(
        part == word or (min(len(word), len(part)) >= 4 and (part.startswith(word) or word.startswith(part)))
        for word in words
        for part in parts
    )


def _listed(factors: list[str]) -> str:
    left = len(factors) - MAX_PATHS_SHOWN
    return ", ".join(factors[:MAX_PATHS_SHOWN]) + (f" and {left} more" if left > 0 else "")
