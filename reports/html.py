"""A table as one self-contained page, and all tables of a study on one page.

Nothing is loaded from elsewhere. Pointing at a cell shows its numbers in full and its trainings; the list
at the end of the page gives their whole ids, linked to their records in the store.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any, cast

import jinja2

from reports.cell import TableCell, marks_text, mean_text, published_text
from reports.number import difference_text, value_text
from reports.source_note import SHORT_ID_DIGITS
from reports.table import Table
from trainables.contract import Metric

DETAIL_DIGITS = 2  # more than the table prints


def to_html(table: Table) -> str:
    """Render the page of one table."""
    return _template("page.html.jinja").render(title=f"{table.study}/{table.name}", tables=[table], links=[])


def index_to_html(title: str, tables: Sequence[Table]) -> str:
    """Render the page of all tables of a study, with links to their files in other formats."""
    return _template("page.html.jinja").render(
        title=title, tables=tables, links=["tex", "md", "html", "parquet"]
    )


@functools.cache
def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("reports", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    cast(dict[str, Any], environment.globals).update(
        mean_text=mean_text, marks_text=marks_text, published_text=published_text, detail_text=detail_text
    )
    return environment.get_template(name)


def detail_text(cell: TableCell, metric: Metric) -> str:
    """Say everything known of a cell, one line a fact."""
    return "\n".join(_details(cell, metric))


def _details(cell: TableCell, metric: Metric) -> Iterator[str]:
    yield f"{cell.n} of {cell.n_expected} seeds"
    if cell.mean is not None:
        yield f"mean {_precise(cell.mean, metric)}"
    if cell.interval is not None:
        low, high = cell.interval
        yield f"95 % seed interval {_precise(low, metric)} to {_precise(high, metric)}"
    if cell.published is not None:
        yield f"paper {value_text(cell.published, metric)}"
    if cell.difference is not None:
        yield f"reproduced − paper {difference_text(cell.difference, metric)}"
    if cell.significance is not None:
        test = cell.significance
        yield f"against the reference row: p = {test.p_value:.3g} ({test.test} t-test, n = {test.n})"
    ids = ", ".join(training_id[:SHORT_ID_DIGITS] for training_id in cell.training_ids)
    yield f"trainings {ids}"


def _precise(value: float, metric: Metric) -> str:
    return f"{value * 100 if metric.is_fraction else value:.{metric.digits + DETAIL_DIGITS}f}"
