"""A table as Parquet: the values of every seed, for whoever wants to compute something else."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from reports.table import Table


def to_parquet(table: Table, frame: pd.DataFrame) -> bytes:
    """Write a table's rows of `read_cells`, one a seed and metric, with the paper's value beside them.

    Behind them stand the values of rows that are printed only, without a seed.

    Args:
        table: gives the published values.
        frame: what `read_cells` gave; rows of other tables are left out.
    """
    if table.name not in set(frame.loc[frame["study"] == table.study, "table"]):
        return _counted(table)
    published = {
        (group.label, row.label, column.dataset, column.metric.name): cell.published
        for group in table.groups
        for row in group.rows
        for column, cell in zip(table.columns, row.cells, strict=True)
    }
    mine = frame[(frame["study"] == table.study) & (frame["table"] == table.name)]
    keys = zip(mine["group"], mine["row"], mine["dataset"], mine["metric"], strict=True)
    values = [published[key] for key in keys]
    tidy = mine.assign(published=np.array(values, dtype="float64"), seed=mine["seed"].astype("Int64"))
    tidy = pd.concat([tidy, _printed_rows(table, tidy)], ignore_index=True)
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(tidy, preserve_index=False).replace_schema_metadata(), buffer)
    return buffer.getvalue()


def _printed_rows(table: Table, like: pd.DataFrame) -> pd.DataFrame:
    rows = [
        {
            "study": table.study,
            "table": table.name,
            "group": group.label,
            "row": row.label,
            "dataset": column.dataset,
            "metric": column.metric.name,
            "state": cell.state,
            "published": cell.published,
        }
        for group in table.groups
        for row in group.rows
        for column, cell in zip(table.columns, row.cells, strict=True)
        if cell.state == "printed" and cell.published is not None
    ]
    return pd.DataFrame(rows, columns=like.columns).astype(like.dtypes)


def _counted(table: Table) -> bytes:
    """Write a table that is counted and has no seeds."""
    rows = [
        {"row": row.label, "metric": column.metric.name, "value": cell.mean, "published": cell.published}
        for row in table.rows
        for column, cell in zip(table.columns, row.cells, strict=True)
    ]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()
