"""What is said below a table of its seeds: what is bold, what was tested against what, and what it could have found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.design import Contrast, full_label
from tablewright.orchestrator.declared.study import Study, UntilDecided
from tablewright.reports.statistics.comparison import MIN_SEEDS_TO_COMPARE, SIGNIFICANCE_LEVEL
from tablewright.reports.statistics.seed_noise import NOTHING_VARIES, Floats
from tablewright.reports.statistics.table_statistics import Compared, SmallestDifference, TableStatistics
from tablewright.reports.statistics.table_values import TableValues
from tablewright.reports.table.cell import OPEN, SIGNIFICANT, TableCell
from tablewright.reports.table.number import value_text
from tablewright.trainables.contract.metric import Metric

MEAN_AND_DEVIATION = "Mean ± sample standard deviation"
MIN_SEEDS_IN_A_RANGE = 5  # fewer are read as quickly one by one


def statistics_notes(
    study: Study,
    ablation: Ablation,
    cells: Sequence[TableCell],
    values: TableValues,
    statistics: TableStatistics,
) -> Iterator[str]:
    """Give the sentences on the statistics of a table, in printing order.

    Args:
        study: that declares the table.
        ablation: the declaration.
        cells: of the whole table.
        values: what its seeds gave.
        statistics: what they say.
    """
    yield from _seed_notes(study, values)
    has_seeds = study.num_first_seeds >= MIN_SEEDS_TO_COMPARE
    yield from _emphasis_notes(ablation, cells, is_compared=has_seeds and len(values.contrasts) > 0)
    if len(values.rows) > 1 and has_seeds:
        yield from _repeat_notes(ablation)
        yield from _test_notes(study, ablation, cells, values, statistics)
    yield from _effect_notes(statistics)
    yield from _smallest_notes(statistics.smallest)


def rigour_text(study: Study, ablation: Ablation, values: TableValues, statistics: TableStatistics) -> str:
    """Say in a few sentences for a paper what the numbers are, how many seeds they have, and how they are compared.

    Args:
        study: that declares the table.
        ablation: the declaration.
        values: what its seeds gave.
        statistics: what they say.
    """
    sentences = [next(_seed_notes(study, values))]
    num_seeds_CR = (~np.isnan(values.values_CRN)).sum(2)
    if num_seeds_CR.min(initial=study.num_first_seeds) < study.num_first_seeds:
        sentences.append("Not every row has all of them yet.")
    tested = [item for item in statistics.compared.values() if item.is_tested and not item.is_repeated]
    metrics = " and ".join(metric.label for metric in ablation.tested_metrics)
    if tested:
        what = "; ".join(_what_meets_what(ablation, values.contrasts))
        how = _how_tested(study, values, len(tested))
        sentences.append(f"Compared in {metrics}: {what}; two-sided at p < {SIGNIFICANCE_LEVEL}, {how}.")
    elif values.contrasts:
        sentences.append(
            f"No compared rows have {MIN_SEEDS_TO_COMPARE} seeds in common, so that nothing is tested."
        )
    elif len(values.rows) > 1:
        sentences.append("Rows are not compared.")
    return " ".join([*sentences, *_smallest_notes(statistics.smallest)])


def _seed_notes(study: Study, values: TableValues) -> Iterator[str]:
    seeds = _seeds_text(values.seeds or study.all_seeds[: study.num_first_seeds])
    if isinstance(study.seeds, UntilDecided):
        yield (
            f"{MEAN_AND_DEVIATION}; every row has {study.seeds.first} seeds, and up to {study.seeds.most} "
            f"as long as its comparison is open ({seeds})."
        )
        yield from _seeds_by_row(study, values)
    elif study.num_first_seeds >= MIN_SEEDS_TO_COMPARE:
        yield f"{MEAN_AND_DEVIATION} over n = {study.num_first_seeds} seeds ({seeds})."
    elif study.num_first_seeds > 1:
        yield (
            f"{MEAN_AND_DEVIATION} over n = {study.num_first_seeds} seeds ({seeds}), which are too few to "
            "compare rows by."
        )
    else:
        yield f"One seed ({seeds}), n = 1: no deviation can be given, and single runs are not compared."
    for place, column in enumerate(values.columns):
        if _is_the_same_with_every_seed(values.values_CRN[place]):
            yield (
                f"{column.metric.label} ({column.dataset}) is the same with every seed in every row: differences there "
                "are exact, and say nothing of chance."
            )


def _seeds_text(seeds: Sequence[int]) -> str:
    """Print seeds one by one, or where many follow each other the first and the last."""
    if len(seeds) >= MIN_SEEDS_IN_A_RANGE and list(seeds) == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


def _is_the_same_with_every_seed(values_RN: Floats) -> bool:
    """Say whether no row moves, of those that have more than one seed."""
    known_RN = values_RN[(~np.isnan(values_RN)).sum(1) > 1]
    if not known_RN.size:
        return False
    largest = float(np.nanmax(np.abs(known_RN)))
    return bool((np.nanmax(known_RN, 1) - np.nanmin(known_RN, 1) <= NOTHING_VARIES * largest).all())


def _seeds_by_row(study: Study, values: TableValues) -> Iterator[str]:
    """Name the rows that were given more seeds than the others."""
    places = range(0, len(values.columns), max(1, len({column.metric.name for column in values.columns})))
    rows_of: dict[tuple[str, int], list[str]] = {}
    for place in places:
        counts = (values.values_CRN[place] == values.values_CRN[place]).sum(1).tolist()
        for row, count in zip(values.rows, counts, strict=True):
            if count > study.num_first_seeds:
                rows_of.setdefault((values.columns[place].dataset, count), []).append(f"“{row}”")
    for (dataset, count), rows in sorted(rows_of.items()):
        yield f"{dataset}, n = {count}: {', '.join(rows)}."


def _emphasis_notes(ablation: Ablation, cells: Sequence[TableCell], *, is_compared: bool) -> Iterator[str]:
    has_printed = any(cell.state == "printed" and cell.published is not None for cell in cells)
    of_ours = "; printed values take no part" if has_printed else ""
    if ablation.emphasis == "highest":
        if any(cell.rank for cell in cells):
            yield (
                f"As the study asks for it (emphasis “highest”) the best value of a column is bold and the second "
                f"underlined, whatever chance may have done{of_ours}."
            )
    elif any(cell.rank for cell in cells):
        yield (
            "Bold: the best row of a column and every row that the seeds cannot tell from it (multiple comparisons "
            f"with the best; in 95 % of tables the truly best rows are among them){of_ours}."
        )
    partial = sorted({(cell.n, cell.n_expected) for cell in cells if cell.state == "partial"})
    if partial:
        signs = ", ".join(f"({n}/{n_expected})" for n, n_expected in partial)
        shared = "; a comparison takes the seeds that its rows share" if is_compared else ""
        yield f"{signs}: so many of the planned seeds are measured{shared}."
    if any(cell.state == "missing" for cell in cells):
        yield "—: not measured yet."


def _repeat_notes(ablation: Ablation) -> Iterator[str]:
    for row, first in ablation.repeated_rows.items():
        yield f"“{row}” is “{first}” once more: the same trainings in the same view, compared once."


def _test_notes(
    study: Study,
    ablation: Ablation,
    cells: Sequence[TableCell],
    values: TableValues,
    statistics: TableStatistics,
) -> Iterator[str]:
    if not values.contrasts:
        if ablation.contrasts:  # all of rows with themselves
            return
        yield "Nothing was tested: no row is the base of the others; Ablation(reference=…) names one."
        return
    tested = [item for item in statistics.compared.values() if item.is_tested and not item.is_repeated]
    metrics = " and ".join(metric.label for metric in ablation.tested_metrics)
    yield f"Compared in {metrics}: {'; '.join(_what_meets_what(ablation, values.contrasts))}."
    if not tested:
        what = "no two compared rows have" if any(item.row for item in values.contrasts) else "no effect has"
        where = "in common" if any(item.row for item in values.contrasts) else "in all of its rows"
        yield f"Nothing was tested yet: {what} {MIN_SEEDS_TO_COMPARE} seeds {where}."
        return
    yield from _verdict_notes(cells, tested, _how_tested(study, values, len(tested)))
    num_left = len(values.contrasts) * len(ablation.datasets) * len(ablation.tested_metrics) - len(tested)
    if num_left:
        which = "1 further comparison has" if num_left == 1 else f"{num_left} further comparisons have"
        yield f"{which} fewer than {MIN_SEEDS_TO_COMPARE} seeds in common so far."
    if any(item.is_open for item in tested):
        yield f"{OPEN}: open; further seeds are to decide it."
    has_untested = any(not item.is_tested for item in statistics.compared.values())
    if has_untested and len(ablation.metrics) > len(ablation.tested_metrics):
        others = [metric.label for metric in ablation.metrics if metric not in ablation.tested_metrics]
        yield f"{' and '.join(others)}: not tested, so not marked."


def _how_tested(study: Study, values: TableValues, num_tests: int) -> str:
    is_view_K = [len(np.unique(values.source_R[weights_R != 0])) == 1 for weights_R in values.weights_KR]
    # Two trainings have one difference between them, and no other rows to learn its variance from.
    is_known_CR = (~np.isnan(values.values_CRN)).sum(2) > 1
    num_trainings = max(len(np.unique(values.training_R[is_known_R])) for is_known_R in is_known_CR)
    if num_trainings <= 2 or all(is_view_K):
        texts = ["paired t over the seeds"]
    else:
        views = ", and paired t between views of one training" if any(is_view_K) else ""
        texts = [f"moderated t over the seeds, after Smyth 2004{views}"]
    if num_tests > 1:
        texts.append(f"Holm-corrected over all {num_tests} comparisons of the table")
    if isinstance(study.seeds, UntilDecided):
        texts.append("looked at after each seed, with the alpha spending of Kim and DeMets 1987")
    return "; ".join(texts)


def _verdict_notes(cells: Sequence[TableCell], tested: Sequence[Compared], how: str) -> Iterator[str]:
    """Explain the sign where it stands, and say what was found where it does not."""
    hidden = [
        cell.compared for cell in cells if cell.compared and cell.compared.is_marked and not cell.is_marked
    ]
    num_hidden = sum(not item.is_repeated for item in hidden)
    num_marked = sum(item.is_marked for item in tested)
    if num_marked > num_hidden:
        yield f"{SIGNIFICANT}: differs with p < {SIGNIFICANCE_LEVEL} ({how})."
        how = ""
    if num_hidden:
        rows = "1 row differs" if num_hidden == 1 else f"{num_hidden} rows differ"
        such = f"with p < {SIGNIFICANCE_LEVEL} ({how})" if how else "so"
        yield f"{rows} {such} by less than is printed, and {'has' if num_hidden == 1 else 'have'} no sign."
    if not num_marked:
        yet = " yet" if any(item.is_open for item in tested) else ""
        which = (
            "The one comparison shows no"
            if len(tested) == 1
            else f"None of the {len(tested)} comparisons shows a"
        )
        yield f"{which} difference with p < {SIGNIFICANCE_LEVEL}{yet} ({how})."


def _what_meets_what(ablation: Ablation, contrasts: Sequence[Contrast]) -> Iterator[str]:
    """Say in words which rows are compared, each reference once."""
    rows_of: dict[str, list[str]] = {}
    repeated = ablation.repeated_rows
    labels = [label for row in ablation.trained_rows if (label := full_label(row)) not in repeated]
    steps = 0
    for contrast in contrasts:
        if not contrast.row:
            continue
        row, reference = (repeated.get(label, label) for label in (contrast.row, contrast.reference))
        steps += labels.index(reference) + 1 == labels.index(row)
        rows_of.setdefault(reference, []).append(row)
    are_steps = len(rows_of) > 1 and steps == sum(map(len, rows_of.values()))
    if are_steps:
        yield "each row with the one above it"
    else:
        for reference, rows in rows_of.items():
            others = set(labels) - {reference}
            is_all = set(rows) == others and len(others) > 1
            which = "every other row" if is_all else ", ".join(f"“{row}”" for row in rows)
            yield f"{which} with “{reference}”"
    effects = [contrast.label for contrast in contrasts if not contrast.row]
    if any(" × " in label for label in effects):
        yield "main effects and interactions of the factors"
    elif effects:
        yield "main effects of the factors" if len(effects) > 1 else f"the effect {effects[0]}"


def _smallest_notes(smallest: Sequence[SmallestDifference]) -> Iterator[str]:
    """Say what so many seeds find, in one sentence a metric."""
    of_metric: dict[tuple[int, str], list[SmallestDifference]] = {}
    for item in smallest:
        of_metric.setdefault((item.num_seeds, item.column.metric.label), []).append(item)
    for (num_seeds, label), items in of_metric.items():
        found = " and ".join(f"{smallest_text(item)} ({item.column.dataset})" for item in items)
        yield f"{num_seeds} seeds find a difference in {label} of {found} in four tables of five (80 % power)."


def smallest_text(smallest: SmallestDifference) -> str:
    """Print the difference that is found, from the comparison that finds most to the one that finds least."""
    metric = smallest.column.metric
    ends = [_end_text(end, metric) for end in (smallest.lowest, smallest.highest)]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def _end_text(difference: float, metric: Metric) -> str:
    if float(text := value_text(difference, metric)) == 0:  # below what is printed it has no digits left
        return f"less than {10.0**-metric.digits:.{metric.digits}f}"
    return "more than 100" if metric.is_fraction and difference > 1 else text


def _effect_notes(statistics: TableStatistics) -> Iterator[str]:
    """Say what stands below the rows."""
    effects = [item.contrast for item in statistics.compared.values() if not item.contrast.row]
    if any(effect.moved for effect in effects):
        yield (
            "Main effects: a level minus the factor's first one, averaged over the levels of the other factors. "
            "Interactions: by how much such a difference changes where the other factor leaves its first level."
        )
    if effects:
        yield "In brackets the 95 % interval of each effect alone."
