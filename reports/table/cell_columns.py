"""The columns of what is exported of cells: one row a cell and seed, the same in every file of every table.

A cell is one row of a table, on one data set, by one metric. `docs/results.md` has this list for who reads the files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

Cells = Any
"""A `pyarrow.Table` with these columns; pyarrow has no types."""

TEXT, NUMBER, COUNT, TRUTH = pa.string(), pa.float64(), pa.int64(), pa.bool_()


@dataclass(frozen=True)
class CellColumn:
    """One column.

    Attributes:
        name: of the column.
        type: of its values; any may be null.
        meaning: of its values with their unit, one sentence without the final stop.
    """

    name: str
    type: Any
    meaning: str


OF_SEED = (
    CellColumn("study", TEXT, "name of the study"),
    CellColumn("table", TEXT, "name of the table in it"),
    CellColumn("group", TEXT, "head that the row stands under; empty for none"),
    CellColumn("row", TEXT, "label of the row; of an `effect` what it is"),
    CellColumn("dataset", TEXT, "label of the data set"),
    CellColumn("seed", COUNT, "of the training; null where no single run is meant"),
    CellColumn("training_id", TEXT, "of the training, 64 hexadecimal digits; its folder in `trainings/`"),
    CellColumn("partner_ids", TEXT, "of an ensemble its other trainings, parted by blanks"),
    CellColumn("view_id", TEXT, "of the way in which it was measured"),
    CellColumn("metric", TEXT, "name of the metric"),
    CellColumn(
        "value", NUMBER, "what was measured: a fraction where `is_fraction`, else in the metric's unit"
    ),
    CellColumn(
        "state",
        TEXT,
        "`done`, `missing`, `failed` or `refused`; without a seed `printed` (the paper's row alone), `done` (what is "
        "counted), `effect` (of several rows), or "
        "`imported` (trained elsewhere, with its seed where that is known)",
    ),
    CellColumn("message", TEXT, "why it failed or is refused"),
    CellColumn("failed_ids", TEXT, "the trainings that failed or are refused, parted by blanks"),
    CellColumn("git_commits", TEXT, "of the code that trained, parted by blanks"),
    CellColumn("own_methods", TEXT, "the methods whose code is somebody's own, parted by line breaks"),
    CellColumn("versions", TEXT, "of packages, parted by line breaks"),
    CellColumn("items", TEXT, "what the value is a mean over, in the plural"),
    CellColumn("num_measured", COUNT, "how many of them"),
    CellColumn("left_out", TEXT, "how many others are not in the mean, and why"),
    CellColumn(
        "items_sha256", TEXT, "of the names of those measured; equal where two values are over the same"
    ),
    CellColumn("warnings", TEXT, "what training and measuring had to say, parted by line breaks"),
    CellColumn("accepted", TEXT, "changed defaults that were accepted, parted by line breaks"),
)
"""What a record says, as `frame.read_cells` reads it."""

OF_CELL = (
    CellColumn("metric_label", TEXT, "the metric as it is printed"),
    CellColumn("is_fraction", TRUTH, "whether its values are fractions, which tables print in percent"),
    CellColumn("higher_is_better", TRUTH, "whether a higher value is a better one"),
    CellColumn("published", NUMBER, "the paper's value, in the unit of `value`"),
    CellColumn("reference", TEXT, "the row that this one is compared with, its group in front"),
    CellColumn("difference", NUMBER, "row − reference over the seeds that both have, in the unit of `value`"),
    CellColumn("difference_low", NUMBER, "lower end of its 95 % interval"),
    CellColumn("difference_high", NUMBER, "upper end of it"),
    CellColumn("p_value", NUMBER, "of that difference, where it was tested"),
    CellColumn("corrected_p_value", NUMBER, "Holm-corrected over all comparisons of the table"),
    CellColumn("is_marked", TRUTH, "whether the table marks it as a difference"),
    CellColumn("items_difference", NUMBER, "the same difference over the items that both were measured on"),
    CellColumn("items_difference_low", NUMBER, "lower end of its 95 % interval"),
    CellColumn("items_difference_high", NUMBER, "upper end of it"),
    CellColumn("items_p_value", NUMBER, "of that difference"),
    CellColumn("num_clusters", COUNT, "identities or classes that its items fall into"),
    CellColumn(
        "source", TEXT, "of an imported row the file, how its SHA-256 begins, and what was said of it"
    ),
)
"""What is known of a cell over all its seeds, the same in each of its rows."""

CELL_COLUMNS = (*OF_SEED, *OF_CELL)


def _schema(columns: tuple[CellColumn, ...]) -> Any:
    return pa.schema([(column.name, column.type) for column in columns])


SEED_SCHEMA, OF_CELL_SCHEMA, SCHEMA = _schema(OF_SEED), _schema(OF_CELL), _schema(CELL_COLUMNS)
