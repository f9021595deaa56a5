"""A table as Parquet: the values of every seed, for whoever wants to compute something else."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from reports.frame import COLUMNS
from reports.table import Table

_TYPES = {
    "seed": pa.int64(),
    "value": pa.float64(),
    "num_measured": pa.int64(),
    "published": pa.float64(),
}
SCHEMA = pa.schema([(name, _TYPES.get(name, pa.string())) for name in (*COLUMNS, "published")])
"""Of every table's file, so that files of any tables can be read as one."""


def to_parquet(table: Table, frame: pd.DataFrame) -> bytes:
    """Write a table's rows of `read_cells`, one a seed and metric, with the paper's value beside them.

    Behind them stand the values of rows that are printed only, and of networks that are counted, without a seed.

    Args:
        table: gives the published values.
        frame: what `read_cells` gave; rows of other tables are left out.
    """
    mine = cast(pd.DataFrame, frame[(frame["study"] == table.study) & (frame["table"] == table.name)])
    published = {
        (group.label, row.label, column.dataset, column.metric.name): cell.published
        for group in table.groups
        for row in group.rows
        for column, cell in zip(table.columns, row.cells, strict=True)
    }
    keys = zip(mine["group"], mine["row"], mine["dataset"], mine["metric"], strict=True)
    tidy = mine.assign(published=np.array([published[key] for key in keys], dtype="float64"))
    seeds = pa.Table.from_pandas(tidy, SCHEMA, preserve_index=False).replace_schema_metadata()
    others = pa.Table.from_pylist(list(_rows_without_seeds(table)), SCHEMA)
    buffer = io.BytesIO()
    pq.write_table(pa.concat_tables([seeds, others]), buffer)
    return buffer.getvalue()


def _rows_without_seeds(table: Table) -> Iterator[dict[str, Any]]:
    for group in table.groups:
        for row in group.rows:
            for column, cell in zip(table.columns, row.cells, strict=True):
                if cell.training_ids or (cell.mean is None and cell.published is None):
                    continue
                yield {
                    "study": table.study,
                    "table": table.name,
                    "group": group.label,
                    "row": row.label,
                    "dataset": column.dataset,
                    "metric": column.metric.name,
                    "value": cell.mean,
                    "state": cell.state,
                    "published": cell.published,
                }
