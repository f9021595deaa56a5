"""Everything that is known of a cell, in words: what is shown to who points at it, opens it or reads the list below."""

from __future__ import annotations

from collections.abc import Iterator

from tablewright.orchestrator.identity import SHORT_ID_DIGITS
from tablewright.reports.statistics.comparison import SIGNIFICANCE_LEVEL
from tablewright.reports.statistics.item_comparisons import ItemComparison
from tablewright.reports.statistics.table_statistics import Compared
from tablewright.reports.table.cell import TableCell
from tablewright.reports.table.number import (
    difference_text,
    precise_difference_text,
    precise_text,
    printed_text,
)
from tablewright.trainables.contract.metric import Metric


def detail_text(cell: TableCell, metric: Metric) -> str:
    """Say everything known of a cell that is trained, one line a fact."""
    ids = ", ".join(training_id[:SHORT_ID_DIGITS] for training_id in cell.training_ids)
    return "\n".join([*cell_facts(cell, metric), f"trainings {ids}"])


def cell_facts(cell: TableCell, metric: Metric) -> Iterator[str]:
    """Say what was measured in a cell, how sure it is, and how it compares."""
    yield f"{cell.n} of {cell.n_expected} seeds"
    if cell.mean is not None:
        yield f"mean {precise_text(cell.mean, metric)}"
    if cell.interval is not None:
        low, high = _possible(cell.interval, metric)
        yield f"95 % confidence interval of the mean {precise_text(low, metric)} to {precise_text(high, metric)}"
    if cell.rerun_interval is not None:
        low, high = _possible(cell.rerun_interval, metric)
        yield f"95 % prediction interval of one more run {precise_text(low, metric)} to {precise_text(high, metric)}"
    if cell.published is not None:
        yield f"paper {printed_text(cell.published, metric)}"
    if cell.difference is not None:
        yield f"reproduced − paper {difference_text(cell.difference, metric)}"
    if cell.agrees_with_paper is not None:
        where = "inside" if cell.agrees_with_paper else "outside"
        yield f"the paper's value lies {where} the prediction interval, its rounding allowed for"
    if cell.compared is not None:
        yield f"minus “{cell.compared.contrast.reference}” {compared_fact(cell.compared, metric)}"
    if cell.items is not None:
        yield _items_fact(cell.items, metric)


def _possible(interval: tuple[float, float], metric: Metric) -> tuple[float, float]:
    """Cut off what no value can be: Student's t knows nothing of the ends of a scale."""
    low, high = interval
    return (max(low, 0.0), min(high, 1.0)) if metric.is_fraction else interval


def compared_fact(compared: Compared, metric: Metric) -> str:
    """Say how large a difference is, how sure, and what was tested."""
    comparison = compared.comparison
    low, high = (precise_difference_text(end, metric) for end in comparison.interval)
    text = f"{precise_difference_text(comparison.estimate, metric)}, 95 % confidence interval {low} to {high}"
    if not compared.is_tested:
        return f"{text} (not tested)"
    if comparison.standard_error == 0:
        return f"{text} (the same with each of {comparison.num_seeds} seeds)"
    p_values = (
        f"p = {comparison.p_value:.3g}, corrected for the whole table {comparison.corrected_p_value:.3g}"
    )
    return f"{text}, {p_values} (over {comparison.num_seeds} seeds)"


def _items_fact(compared: ItemComparison, metric: Metric) -> str:
    of_items = compared.of_items
    low, high = (precise_difference_text(end, metric) for end in of_items.interval)
    deed = "rank these queries" if compared.items == "queries" else f"do on these {compared.items}"
    if of_items.p_value >= SIGNIFICANCE_LEVEL:
        verdict = f"these weights {deed} neither better nor worse"
    else:
        verdict = f"these weights {deed} {'better' if (of_items.estimate > 0) == metric.higher_is_better else 'worse'}"
    of_clusters = f" of {of_items.num_identities} {compared.clusters}" if compared.clusters else ""
    return (
        f"over {of_items.num_queries} {compared.items}{of_clusters} "
        f"{precise_difference_text(of_items.estimate, metric)}, 95 % confidence interval {low} to {high}, p = "
        f"{of_items.p_value:.3g}: {verdict}, which says nothing of the method"
    )
