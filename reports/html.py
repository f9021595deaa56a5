"""A table as one page, all tables of a study on one page, with their figures, and a page that lists the studies.

Nothing is loaded from elsewhere but the figures, which lie beside the page. Pointing at a cell shows its
numbers in full and its trainings; the list below each table has the same in print and for who cannot point,
with whole ids, linked to their records in the store.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

import jinja2

from tablewright.reports.cell import TableCell, compared_text, marks_text, mean_text, published_text
from tablewright.reports.comparison import SIGNIFICANCE_LEVEL
from tablewright.reports.figures import TableFigures, figure_path
from tablewright.reports.item_comparisons import ItemComparison
from tablewright.reports.number import difference_text, precise_difference_text, precise_text, printed_text
from tablewright.reports.source_note import SHORT_ID_DIGITS
from tablewright.reports.table import DIFFERENCE_HEAD, Table
from tablewright.reports.table_statistics import Compared
from tablewright.trainables.contract.metric import Metric

NO_FIGURES = TableFigures()
NO_TABLES: Mapping[str, TableFigures] = MappingProxyType({})
TO_STORE = "../.."
"""Link from the folder of a study's tables to the root of the store, where a study has no profiles."""


def to_html(table: Table, beside: TableFigures = NO_FIGURES, to_store: str = TO_STORE) -> str:
    """Render the page of one table, and its figures; those of times stand on the page of all tables alone."""
    title = f"{table.study}/{table.name}"
    return _template("page.html.jinja").render(
        title=title,
        tables=[table.with_differences()],
        beside={table.name: beside.without_times()},
        others=[],
        links=[],
        to_store=to_store,
    )


def index_to_html(
    title: str,
    tables: Sequence[Table],
    beside: Mapping[str, TableFigures] = NO_TABLES,
    others: Sequence[str] = (),
    to_store: str = TO_STORE,
) -> str:
    """Render the page of all tables of a study, with links to their files in other formats.

    Args:
        title: of the page.
        tables: in printing order.
        beside: figures by name of the table.
        others: names of the study's tables whose pages are as they were written earlier.
        to_store: link from the page's folder to the root of the store.
    """
    shown = {table.name: beside.get(table.name, NO_FIGURES) for table in tables}
    return _template("page.html.jinja").render(
        title=title,
        tables=[table.with_differences() for table in tables],
        beside=shown,
        others=others,
        to_store=to_store,
        links=["tex", "md", "html", "parquet"],
    )


def studies_to_html(tables_of: Mapping[str, Sequence[str]]) -> str:
    """Render the page that leads to the page of each study, and to its tables: study -> names of tables."""
    return _template("studies.html.jinja").render(tables_of=tables_of)


@functools.cache
def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tablewright.reports", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    cast(dict[str, Any], environment.globals).update(
        mean_text=mean_text,
        marks_text=marks_text,
        compared_text=compared_text,
        published_text=published_text,
        DIFFERENCE_HEAD=DIFFERENCE_HEAD,
        cell_facts=cell_facts,
        compared_fact=compared_fact,
        detail_text=detail_text,
        figure_path=figure_path,
    )
    return environment.get_template(name)


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
