"""A table as Parquet: the values of every seed, for whoever wants to compute something else."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any, cast

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tablewright.reports.notes.imported_note import origin_of
from tablewright.reports.statistics.table_statistics import Compared
from tablewright.reports.table.cell import TableCell
from tablewright.reports.table.cell_columns import OF_CELL_SCHEMA, SCHEMA, SEED_SCHEMA, Cells
from tablewright.reports.table.table import Column, RowGroup, Table, TableRow
from tablewright.trainables.contract.metric import Metric

WORDS = "tablewright.texts"
"""Key of the file's metadata under which its tables of words stand as JSON, such as what a search has found."""


def cells_of(table: Table, frame: pd.DataFrame) -> Cells:
    """Give a table's rows of `read_cells`, one a cell and seed, each with what is known of its cell.

    That is the paper's value, and how the row differs from the one it is compared with: fractions, as the values
    are, with 95 % intervals; p-values of what was tested. Behind them stand, without a seed, rows that are printed
    only, networks that are counted, and effects of several rows (`state` is `effect`); and rows that were imported.

    Args:
        table: gives what is known of each cell.
        frame: what `read_cells` gave; rows of other tables are left out.

    Returns:
        Columns as in `CELL_COLUMNS`, the same for any table.
    """
    mine = cast(pd.DataFrame, frame[(frame["study"] == table.study) & (frame["table"] == table.name)])
    known = {
        (group.label, row.label, column.dataset, column.metric.name): _facts(cell, column.metric)
        for group in table.groups
        for row in group.rows
        for column, cell in zip(table.columns, row.cells, strict=True)
    }
    keys = zip(mine["group"], mine["row"], mine["dataset"], mine["metric"], strict=True)
    by_seed = pa.Table.from_pandas(mine, SEED_SCHEMA, preserve_index=False)
    of_cell = pa.Table.from_pylist([known[key] for key in keys], OF_CELL_SCHEMA)
    seeds = pa.Table.from_arrays([*by_seed.columns, *of_cell.columns], schema=SCHEMA)
    others = pa.Table.from_pylist([*_rows_without_seeds(table), *_imported(table), *_effects(table)], SCHEMA)
    return pa.concat_tables([seeds, others])


def to_parquet(table: Table, cells: Cells) -> bytes:
    """Write what `cells_of` gave of a table; its words stand in the metadata."""
    if table.texts:
        words = {
            texts.name: [dict(zip(texts.heads, row, strict=True)) for row in texts.rows]
            for texts in table.texts
        }
        cells = cells.replace_schema_metadata({WORDS: json.dumps(words, ensure_ascii=False)})
    return parquet_file(cells)


def parquet_file(cells: Cells) -> bytes:
    """Write cells of any tables as a Parquet file."""
    buffer = io.BytesIO()
    pq.write_table(cells, buffer)
    return buffer.getvalue()


def _facts(cell: TableCell, metric: Metric) -> dict[str, Any]:
    facts: dict[str, Any] = {**_of_metric(metric), "published": cell.published}
    if cell.compared is not None:
        facts |= _differences(cell.compared) | {"is_marked": cell.is_marked}
    if cell.items is not None:
        of_items = cell.items.of_items
        low, high = of_items.interval
        facts |= {
            "items_difference": of_items.estimate,
            "items_difference_low": low,
            "items_difference_high": high,
            "items_p_value": of_items.p_value,
            "num_clusters": of_items.num_identities,
        }
    return facts


def _of_metric(metric: Metric) -> dict[str, Any]:
    return {
        "metric_label": metric.label,
        "is_fraction": metric.is_fraction,
        "higher_is_better": metric.higher_is_better,
    }


def _differences(compared: Compared) -> dict[str, Any]:
    comparison = compared.comparison
    low, high = comparison.interval
    return {
        "reference": compared.contrast.reference,
        "difference": comparison.estimate,
        "difference_low": low,
        "difference_high": high,
        "p_value": comparison.p_value if compared.is_tested else None,
        "corrected_p_value": comparison.corrected_p_value if compared.is_tested else None,
        "is_marked": compared.is_marked,
    }


def _effects(table: Table) -> Iterator[dict[str, Any]]:
    for effect in table.effects:
        for column, compared in effect.compared:
            yield {
                "study": table.study,
                "table": table.name,
                "group": "",
                "row": effect.label,
                "dataset": column.dataset,
                "metric": column.metric.name,
                "state": "effect",
                **_of_metric(column.metric),
                **_differences(compared),
            }


def _imported(table: Table) -> Iterator[dict[str, Any]]:
    for group in table.groups:
        for row in group.rows:
            for column in table.columns if row.imported is not None else ():
                assert row.imported is not None, "asked for above"
                for seed, value in row.imported.values_of(column.dataset, column.metric.name):
                    yield {
                        **_place(table, group, row, column),
                        "seed": seed,
                        "value": value,
                        "state": "imported",
                        "source": origin_of(row.imported),
                        **_of_metric(column.metric),
                    }


def _rows_without_seeds(table: Table) -> Iterator[dict[str, Any]]:
    for group in table.groups:
        for row in group.rows:
            for column, cell in zip(table.columns, row.cells, strict=True):
                if (
                    row.imported is not None
                    or cell.training_ids
                    or (cell.mean is None and cell.published is None)
                ):
                    continue
                yield {
                    **_place(table, group, row, column),
                    "value": cell.mean,
                    "state": cell.state,
                    **_facts(cell, column.metric),
                }


def _place(table: Table, group: RowGroup, row: TableRow, column: Column) -> dict[str, Any]:
    return {
        "study": table.study,
        "table": table.name,
        "group": group.label,
        "row": row.label,
        "dataset": column.dataset,
        "metric": column.metric.name,
    }
