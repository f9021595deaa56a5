"""What an examiner would ask of a study's tables: what they lack, why that matters, and what to write.

Pure: everything follows from the declarations and the finished tables. What is meant to be as it is, a declaration
says with its reason (`accepts=`), which then stands in the place of the finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.changes import apply_changes
from tablewright.orchestrator.declared.design import AsPrinted, Design, Sweep, full_label
from tablewright.orchestrator.declared.gap import Gap
from tablewright.orchestrator.declared.published import published_tables
from tablewright.orchestrator.declared.study import Study, UntilDecided
from tablewright.orchestrator.plans.plan import Plan
from tablewright.reports.notes.swept_range import ends_of_search, ends_of_sweep, swept_factors
from tablewright.reports.notes.untold_factors import better_reference, joint_removals, untold_factors
from tablewright.reports.statistics.comparison import MIN_SEEDS_TO_COMPARE
from tablewright.reports.table.number import value_text
from tablewright.reports.table.row_configs import RowConfigs
from tablewright.reports.table.table import DEMO_NOTICE, Column, Table
from tablewright.trainables.value.counted import counted

NUM_SHOWN = 6
"""Rows, or numbers, that a finding names one by one."""

WHY: Mapping[Gap, str] = {
    "no_reference": "numbers beside each other show no effect; a test needs to know what is compared with what",
    "never_removed_alone": "what a component is worth in the full method is seen only where it alone is taken out",
    "several_factors": "which of the changes made the difference cannot be told from it",
    "one_dataset": "a value that is best on one data set may be chosen to fit it",
    "few_seeds": "with fewer than three seeds chance and difference cannot be told apart, and nothing is tested",
    "fewer_seeds": "a mean of fewer seeds is less sure than its neighbours, and a row that lacks them looks chosen",
    "best_at_end": "a better value may lie beyond the end, so that the best one is not known",
    "no_power": "no mark means here that nothing could be found, not that there is no difference",
    "not_reproduced": "a reader of the paper looks for the number, and finds no word on it",
}
"""Why each kind of gap matters, half a sentence."""


@dataclass(frozen=True)
class Finding:
    """One thing that a table, or a study, lacks.

    Attributes:
        gap: the kind.
        study: name.
        table: name; empty for a finding on the whole study.
        texts: what was found and where, each without the final stop.
        remedy: what to write, without the final stop.
        accepted: why it is meant so; empty where nobody has said.
    """

    gap: Gap
    study: str
    table: str
    texts: tuple[str, ...]
    remedy: str
    accepted: str = ""

    @property
    def why(self) -> str:
        """Say why it matters, half a sentence."""
        return WHY[self.gap]


def audit(plan: Plan, study: Study, tables: Sequence[Table]) -> tuple[Finding, ...]:
    """Find what the tables of a study lack.

    Args:
        plan: of the study.
        study: whose tables they are.
        tables: as the records fill them; those of sizes are passed over.

    Returns:
        Findings on the whole study first, then in the order of tables; accepted ones among them.
    """
    mine = [table for table in tables if table.study == study.name and _ablation(plan, table) is not None]
    found = [*_accepted(_of_study(plan, study, mine), study.accepts)]
    removals = joint_removals(plan, study)
    for table in mine:
        ablation = plan.tables[study.name, table.name]
        accepts: dict[Gap, str] = {**study.accepts, **ablation.accepts}
        found += _accepted(_of_table(plan, study, ablation, table, removals.get(table.name, ())), accepts)
    return tuple(_folded(found))


def _folded(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Tell once, of the whole study, what is said of several of its tables in the same words."""
    tables_of: dict[Finding, list[str]] = {}
    for one in findings:
        tables_of.setdefault(replace(one, table=""), []).append(one.table)
    for one, tables in tables_of.items():
        if len(tables) == 1:
            yield replace(one, table=tables[0])
        else:
            yield replace(one, texts=tuple(f"{text} ({_some(tables)})" for text in one.texts))


def _ablation(plan: Plan, table: Table) -> Ablation | None:
    return plan.tables.get((table.study, table.name))


def _accepted(findings: Iterable[Finding], reasons: Mapping[Gap, str]) -> Iterator[Finding]:
    for one in findings:
        yield replace(one, accepted=reasons.get(one.gap, ""))


# -- of a study ----------------------------------------------------------------------------------


def _of_study(plan: Plan, study: Study, tables: Sequence[Table]) -> Iterator[Finding]:
    def found(gap: Gap, texts: Iterable[str], remedy: str) -> Iterator[Finding]:
        yield from _found(gap, study.name, "", texts, remedy)

    if tables and study.num_first_seeds < MIN_SEEDS_TO_COMPARE:
        seeds = ", ".join(map(str, study.all_seeds))
        yield from found(
            "few_seeds",
            [f"every row has {counted(study.num_first_seeds, 'seed')} ({seeds})"],
            f"seeds={tuple(range(MIN_SEEDS_TO_COMPARE))} or more, or UntilDecided(first=3, most=10)",
        )
    untouched = [table.name for table in tables if not _is_begun(table)]
    if untouched:
        yield from found("fewer_seeds", [f"nothing is measured yet of {_some(untouched)}"], "run the study")
    is_demo = all(DEMO_NOTICE in table.caption for table in tables)
    if len(study.dataset_labels) > 1:
        texts = list(_factors_of_one_dataset(study))
        yield from found("one_dataset", texts, "the other data sets in datasets=[…] of that table")
    elif study.ablations and not is_demo:
        yield from found(
            "one_dataset",
            [f"every table is of {next(iter(study.dataset_labels))} alone"],
            "a second Dataset in datasets=[…] of the tables that carry the claim",
        )
    if not is_demo:
        yield from found(
            "not_reproduced",
            _numbers_without_a_row(study),
            "a Row that carries it (.as_printed), or why_not in published.yaml",
        )


def _found(gap: Gap, study: str, table: str, texts: Iterable[str], remedy: str) -> Iterator[Finding]:
    if texts := tuple(texts):
        yield Finding(gap, study, table, texts, remedy)


def _factors_of_one_dataset(study: Study) -> Iterator[str]:
    """Find paths that are swept on one of several data sets; two columns of one data set are no two."""
    label_of: dict[str, str] = {}
    names_of: dict[str, dict[str, None]] = {}
    tables_of: dict[str, dict[str, None]] = {}
    for ablation in study.ablations:
        names: list[str] = []
        for dataset in ablation.datasets:
            names.append(apply_changes(ablation.base, dataset.changes).dataset_name())
            label_of.setdefault(names[-1], dataset.label)
        for swept in swept_factors(ablation):
            names_of.setdefault(swept.path, {}).update(dict.fromkeys(names))
            tables_of.setdefault(swept.path, {})[ablation.name] = None
    for path, of_path in names_of.items():
        others = [label for name, label in label_of.items() if name not in of_path]
        if len(of_path) == 1 and others:
            (name,) = of_path
            yield f"{path} is swept on {label_of[name]} alone ({', '.join(tables_of[path])}), not on {_some(others)}"


def _design_itself(design: Design) -> Design:
    return design.design if isinstance(design, AsPrinted) else design


def _numbers_without_a_row(study: Study) -> Iterator[str]:
    """Find printed rows of those tables of a paper that the study reproduces in part, without a word on the rest."""
    carried = {
        row.printed_in
        for ablation in study.ablations
        for row in ablation.printed_rows
        if row.printed_in is not None
    }
    if study.left_out:  # what is not asked for is not missing
        return
    for table_id in dict.fromkeys(table_id for table_id, _ in sorted(carried)):
        table = published_tables()[table_id]
        lacking = [
            row.row
            for row in table.rows
            if row.is_own
            and (table_id, row.row) not in carried
            and not (row.why_not or table.why_not)
            and any(value is not None for value in row.values)
        ]
        if lacking:
            yield f"{table.number} of {table.paper} prints {_some(lacking)}, which no table of the study gives"


# -- of a table ----------------------------------------------------------------------------------


def _of_table(
    plan: Plan, study: Study, ablation: Ablation, table: Table, removals: Sequence[str]
) -> Iterator[Finding]:
    def found(gap: Gap, texts: Iterable[str], remedy: str) -> Iterator[Finding]:
        yield from _found(gap, study.name, table.name, texts, remedy)

    again = "run the study again, and look at --status where trainings fail"
    yield from found("fewer_seeds", _few_values(study, table), again)
    search = next((search for search in study.searches if search.name == table.name), None)
    if search is not None:
        best = plan.searches[study.name, search.name].best or {}
        yield from found("best_at_end", ends_of_search(search, best), "a wider range in space={…}")
        return
    yield from found(
        "never_removed_alone",
        removals,
        "LeaveOneOut({component: changes}), or one Row that takes out this component alone",
    )
    yield from found(
        "no_reference",
        _compared_with_nothing(ablation),
        "reference='…' with the label of the row that is the yardstick",
    )
    configs = RowConfigs(plan, study, ablation)
    if factors := list(untold_factors(configs)):
        yield from found("several_factors", factors, better_reference(configs))
    for swept in swept_factors(ablation):
        ends = ends_of_sweep(swept, configs, table)
        yield from found("best_at_end", ends, f"further values of {swept.path} beyond that end")
    yield from found(
        "no_power",
        _without_power(table),
        "more seeds (--plan says how many find what), or UntilDecided(first=3, most=10)",
    )


def _is_begun(table: Table) -> bool:
    return any(cell.n for row in table.rows for cell in row.cells)


def _few_values(study: Study, table: Table) -> Iterator[str]:
    """Find rows that lack seeds which they should have, or which others have."""
    if not _is_begun(table):
        return  # told of the whole study
    counts: dict[str, dict[str, tuple[int, int]]] = {}
    for label, row in table.labelled_rows():
        for column, cell in zip(table.columns, row.cells, strict=True):
            if cell.state != "printed" and not column.is_cost:
                of_dataset = counts.setdefault(column.dataset, {})
                n, expected = of_dataset.get(label, (cell.n, cell.n_expected))
                of_dataset[label] = min(n, cell.n), max(expected, cell.n_expected)
    adds_by_need = isinstance(study.seeds, UntilDecided)  # there a row has more seeds than others by design
    for dataset, of_rows in counts.items():
        most = 0 if adds_by_need else max(max(expected, n) for n, expected in of_rows.values())
        short = {
            label: (n, max(most, expected))
            for label, (n, expected) in of_rows.items()
            if n < max(most, expected)
        }
        if len(short) == len(of_rows) > 1 and len(set(short.values())) == 1:
            n, expected = next(iter(short.values()))
            yield f"{dataset}: every row has {n} of {expected} seeds"
        elif short:
            rows = [f"“{label}” {n} of {expected}" for label, (n, expected) in short.items()]
            yield f"{dataset}: fewer seeds than planned, or than other rows have: {_some(rows)}"


def _compared_with_nothing(ablation: Ablation) -> Iterator[str]:
    """Find rows that take part in no comparison, where there is something to compare."""
    compared = {label for contrast in ablation.contrasts for label in contrast.weights}
    rows = [full_label(row) for row in ablation.trained_rows if full_label(row) not in ablation.repeated_rows]
    alone = [label for label in rows if label not in compared]
    if len(rows) < 2 or not alone:
        return
    if not compared:
        sweeps = [design.path for design in map(_design_itself, ablation.rows) if isinstance(design, Sweep)]
        declared = f"; the declared value of {sweeps[0]} is not among those swept" if sweeps else ""
        yield f"none of its {len(rows)} rows is compared with another: no row is the base itself{declared}"
    else:
        yield f"compared with nothing: {_some([f'“{label}”' for label in alone])}"


def _without_power(table: Table) -> Iterator[str]:
    """Find columns without a mark in which the largest difference seen is below what the seeds find."""
    for smallest in table.smallest:
        if smallest.is_declared:
            continue
        column = next(
            column
            for column in table.columns
            if (column.dataset, column.metric.name) == (smallest.column.dataset, smallest.column.metric.name)
        )
        place = table.columns.index(column)
        compared = [row.cells[place].compared for row in table.rows]
        compared += [
            of for effect in table.effects for where, of in effect.compared if _is_same(where, column)
        ]
        tested = [one for one in compared if one is not None and one.is_tested]
        if not tested or any(one.is_marked or one.is_open for one in tested):
            continue
        largest = max(abs(one.comparison.estimate) for one in tested)
        if largest < smallest.lowest:
            metric = column.metric
            yield (
                f"{column.dataset}: {counted(smallest.num_seeds, 'seed')} find a difference in {metric.label} of "
                f"{value_text(smallest.lowest, metric)} or more in four tables of five, and the largest that is seen "
                f"is {value_text(largest, metric)}"
            )


def _is_same(one: Column, other: Column) -> bool:
    return (one.dataset, one.metric.name) == (other.dataset, other.metric.name)


def _some(texts: Sequence[str]) -> str:
    left = len(texts) - NUM_SHOWN
    return ", ".join(texts[:NUM_SHOWN]) + (f" and {left} more" if left > 0 else "")
