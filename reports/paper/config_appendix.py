"""Every config of a study as an appendix: each base in full, and each row as a difference from it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.changes import apply_changes
from tablewright.orchestrator.declared.dataset import SEED, Dataset
from tablewright.orchestrator.declared.design import Row, full_label
from tablewright.orchestrator.declared.search import Search
from tablewright.orchestrator.declared.study import Study, UntilDecided
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.plans.recorded_config import differences
from tablewright.reports.documents.document import Block, Fields, Points, Section
from tablewright.reports.notes.parameter_text import range_text
from tablewright.reports.table.row_configs import RowConfigs, changed_paths
from tablewright.trainables.contract.method import TrainingConfig
from tablewright.trainables.contract.recorded_view import recorded_view
from tablewright.trainables.contract.view import EvaluationView
from tablewright.trainables.value.secret import masked
from tablewright.trainables.value.text import visible

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def config_appendix(plan: Plan, study: Study) -> Section:
    """Give the configs of a study's tables and searches, without seeds, which are the study's."""
    bases: dict[TrainingConfig, list[str]] = {}
    parts = [(table.name, table.base) for table in study.ablations]
    parts += [(search.name, search.base) for search in study.searches]
    for name, base in parts:
        bases.setdefault(base.model_copy(update={SEED: 0}), []).append(name)
    letters = dict(zip(bases, _letters(), strict=False))
    letter_of = {name: letters[base] for base, names in bases.items() for name in names}
    seeds = ", ".join(map(str, study.all_seeds))
    counted = (
        f"Every row is trained with the seeds {seeds}."
        if not isinstance(study.seeds, UntilDecided)
        else f"Every row is trained with the first {study.seeds.first} of the seeds {seeds}, and with more while its "
        "comparison is open."
    )
    return Section(
        f"Configurations of {study.name}",
        (f"{counted} A row has what its base has, but for what stands beside it.",),
        (
            *(_base_section(letters[base], base, names) for base, names in bases.items()),
            *(
                _table_section(plan, study, ablation, letter_of[ablation.name])
                for ablation in study.ablations
            ),
            *(_search_section(search, letter_of[search.name]) for search in study.searches),
        ),
    )


def _letters() -> Iterator[str]:
    """Give A to Z, then AA to ZZ and so on."""
    ends = [""]
    while True:
        ends = [end + letter for end in ends for letter in ALPHABET]
        yield from ends


def _base_section(letter: str, base: TrainingConfig, names: list[str]) -> Section:
    dumped = cast(Mapping[str, Any], base.model_dump(mode="json"))
    pairs = tuple((path, text) for path, text in _flat(dumped) if path != SEED)
    return Section(
        f"Base {letter}, of {', '.join(names)}",
        (f"Method {base.METHOD}, version {_clean(str(base.VERSION))}.", Fields(pairs)),
    )


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Give dotted path and value, as JSON but for texts, of each field; a list is one value."""
    if isinstance(value, Mapping) and value:
        for name, inner in cast(Mapping[str, Any], value).items():
            yield from _flat(inner, f"{path}.{name}" if path else name)
    else:
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
        yield path, _clean(text)


def _table_section(plan: Plan, study: Study, ablation: Ablation, letter: str) -> Section:
    configs = RowConfigs(plan, study, ablation)
    of_datasets = [
        (dataset.label, _changes(ablation.base, apply_changes(ablation.base, dataset.changes)))
        for dataset in ablation.datasets
    ]
    datasets = tuple(
        Section(f"Data set {label}", (Fields(changes),)) for label, changes in of_datasets if changes
    )
    rows = tuple(_row_section(configs, row) for row in ablation.printed_rows if row.is_trained)
    view = (
        f"Base {letter}. Measured with {ablation.view.protocol}, on the split {ablation.view.split}. Metrics: "
        f"{', '.join(metric.label for metric in ablation.metrics)}."
    )
    return Section(f"Table {ablation.name}: {ablation.caption}", (view,), (*datasets, *rows))


def _row_section(configs: RowConfigs, row: Row) -> Section:
    ablation, blocks = configs.ablation, list[Block]()
    title = f"Row {full_label(row)}"
    if row.waits_for:
        return Section(title, (f"It cannot be trained yet: {row.waits_for}.",))
    told: dict[tuple[Block, ...], list[str]] = {}
    for dataset in ablation.datasets:
        told.setdefault(tuple(_member_blocks(configs, row, dataset)), []).append(dataset.label)
    for some, labels in told.items():
        if len(told) > 1:
            blocks.append(f"On {', '.join(labels)}:")
        blocks += some
    if row.view is not None and row.view != ablation.view:
        pairs = tuple(_view_changes(ablation.view, row.view))
        blocks += ["It is measured in another way:", Fields(pairs)]
    return Section(title, tuple(blocks))


def _member_blocks(configs: RowConfigs, row: Row, dataset: Dataset) -> Iterator[Block]:
    base = apply_changes(configs.ablation.base, dataset.changes)
    members = configs.of(row, dataset)
    if not members:
        yield "Its search has not found anything yet."
    for number, member in enumerate(members, start=1):
        if len(members) > 1:
            yield f"Member {number} of the ensemble:"
        changes = _changes(base, member)
        yield Fields(changes) if changes else "It is the base itself."


def _changes(before: TrainingConfig, after: TrainingConfig) -> tuple[tuple[str, str], ...]:
    return tuple(
        (path, _change_text(one, other)) for path, (one, other) in changed_paths(before, after).items()
    )


def _change_text(before: str, after: str) -> str:
    """Say what became of a field; what a component was before stands in the base."""
    was = "{…}" if before.startswith("{") else _clean(before) or "(absent)"
    return f"{was} → {_clean(after) or '(absent)'}"


def _view_changes(before: EvaluationView, after: EvaluationView) -> Iterator[tuple[str, str]]:
    for path, one, other in differences(recorded_view(before), recorded_view(after)):
        yield path, _change_text(one, other)


def _search_section(search: Search, letter: str) -> Section:
    names = {path: path for path in search.space}
    ranges = tuple((path, _clean(range_text(searched, names))) for path, searched in search.space.items())
    return Section(
        f"Search {search.name}: {search.caption}",
        (
            f"Base {letter}.",
            Points(tuple(search_facts(search))),
            Fields((*ranges, *(("kept", _clean(str(one))) for one in search.constraints))),
            *_search_changes(search),
        ),
    )


def _search_changes(search: Search) -> Iterator[Block]:
    """Say what is otherwise while searching alone, such as what is held out of training."""
    if search.search_changes:
        yield "While it searches:"
        yield Fields(_changes(search.base, apply_changes(search.base, search.search_changes)))


def search_facts(search: Search) -> Iterator[str]:
    """Say how a search chooses: budget, sampler, pruner, and by what it selects."""
    metric = search.objective.metric
    datasets = ", ".join(dataset.label for dataset in search.datasets)
    direction = "highest" if metric.higher_is_better else "lowest"
    seeds = f", mean over the seeds {', '.join(map(str, search.seeds))}" if search.seeds else ""
    yield (
        f"Selected: the {direction} {metric.label} on the split {search.objective.view.split} of {datasets}{seeds}; "
        "the test split is for tables alone."
    )
    yield f"Budget: {search.num_trials} trials{_budget_text(search)}."
    yield f"Sampler: {_clean(str(search.sampler))}, seed {search.sampler_seed}."
    yield f"Pruner: {'none, every trial ends' if search.pruner is None else _clean(str(search.pruner))}."


def _budget_text(search: Search) -> str:
    budget = search.budget
    if budget is None:
        return ""
    limits = (("epochs", budget.epochs), ("hours", budget.hours), ("GPU-hours", budget.gpu_hours))
    return ", or " + " or ".join(f"{limit:g} {name}" for name, limit in limits if limit is not None)


def _clean(text: str) -> str:
    return visible(masked(text))
