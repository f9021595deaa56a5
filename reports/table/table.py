"""A table without a format: what stands in each cell, what is best, and what must be said below it.

Renderers print it and decide nothing. Values are fractions until `number` prints them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from tablewright.orchestrator.declared.composition import Level
from tablewright.orchestrator.declared.imported_runs import Imported
from tablewright.orchestrator.declared.paper_table import DeviationPlace
from tablewright.orchestrator.declared.venue import AskedVenue
from tablewright.reports.statistics.table_statistics import Compared, SmallestDifference
from tablewright.reports.table.arrangement import PrintedArrangement
from tablewright.reports.table.cell import TableCell
from tablewright.reports.table.text_table import TextTable
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.value.freezing import EMPTY

DEMO_NOTICE = "demo data, not comparable with the paper"
DIFFERENCE_HEAD = "Δ"
DIFFERENCE_NOTE = (
    f"{DIFFERENCE_HEAD}: the row minus the one that it is compared with, over the seeds that both have; in brackets "
    "the 95 % interval of this difference alone."
)

Part = Literal["value", "difference", "paper"]
"""Of a column: mean and deviation, difference from the row it is compared with, what the paper printed."""


@dataclass(frozen=True)
class Column:
    """One metric of one data set.

    Attributes:
        dataset: its label.
        metric: what is measured.
        has_published: whether the paper's column stands behind it, where that has any value.
        has_difference: whether a column stands behind it of how far each row is from what it is compared with.
        is_cost: whether it says what a row takes, not how good it is: such a column is neither tested nor bold.
    """

    dataset: str
    metric: Metric
    has_published: bool
    has_difference: bool = False
    is_cost: bool = False

    @property
    def parts(self) -> tuple[Part, ...]:
        """What stands beside each other in print."""
        difference: tuple[Part, ...] = ("difference",) if self.has_difference else ()
        return "value", *difference, *(("paper",) if self.has_published else ())

    @property
    def num_printed(self) -> int:
        """How many columns it takes in print."""
        return len(self.parts)


class PrintedColumn(NamedTuple):
    """One part of a column as it is printed.

    Attributes:
        place: of the column in the table.
        part: of it.
    """

    place: int
    part: Part


@dataclass(frozen=True)
class Spanner:
    """A data set over its columns, in printed columns counted from 0 behind the stub."""

    label: str
    start: int
    num_printed: int


@dataclass(frozen=True)
class TableRow:
    """A row label and its cells, one a column.

    Attributes:
        label: within its group.
        cells: one a column.
        levels: factor of the table -> level that the row has, true or false of a component; those not known are left
            out.
        is_spelt_out: whether the levels say all that the label says.
        imported: its runs, where it was trained elsewhere.
    """

    label: str
    cells: tuple[TableCell, ...]
    levels: Mapping[str, Level] = EMPTY
    is_spelt_out: bool = False
    imported: Imported | None = None


@dataclass(frozen=True)
class RowGroup:
    """Rows that stand together, under a head unless the label is empty.

    Attributes:
        label: the head.
        rows: in printing order.
        is_spelt_out: whether the levels of the rows say all that the label says.
    """

    label: str
    rows: tuple[TableRow, ...]
    is_spelt_out: bool = False


class RowTrainings(NamedTuple):
    """The trainings of one row on one data set, in the order of seeds, and the cells they fill.

    Attributes:
        row_number: counted from 0 over all groups.
        row: label with its group in front.
        dataset: label.
        training_ids: whole ids.
        cells: with what each measures.
    """

    row_number: int
    row: str
    dataset: str
    training_ids: tuple[str, ...]
    cells: tuple[tuple[Metric, TableCell], ...]


@dataclass(frozen=True)
class Effect:
    """A contrast of several rows, such as a main effect of a factorial design.

    Attributes:
        label: what it is.
        compared: in each column where it could be compared, in printing order.
    """

    label: str
    compared: tuple[tuple[Column, Compared], ...]


@dataclass(frozen=True)
class Table:
    """What one declared ablation came to.

    Attributes:
        study: name of the study.
        name: file name.
        caption: without the final stop.
        stub_head: head of the column of row labels.
        columns: in printing order; those of one data set stand together.
        groups: in printing order.
        source_notes: sentences below the table.
        effects: what is compared of several rows together.
        texts: small tables of words between the cells and the notes.
        factors: that rows differ in, in printing order; empty where none are known.
        arrangement: how it is laid out in print.
        deviation: where the deviations over seeds stand in print.
        shows_arrows: whether each metric's head says which way is better.
        venue: where it is printed; None where its study is.
        smallest: differences that its tested columns could have found.
        rigour: for a paper's text, what its numbers are and how they were compared.
    """

    study: str
    name: str
    caption: str
    stub_head: str
    columns: tuple[Column, ...]
    groups: tuple[RowGroup, ...]
    source_notes: tuple[str, ...]
    effects: tuple[Effect, ...] = ()
    texts: tuple[TextTable, ...] = ()
    factors: tuple[str, ...] = ()
    arrangement: PrintedArrangement = "plain"
    deviation: DeviationPlace = "beside"
    shows_arrows: bool = False
    venue: AskedVenue | None = None
    smallest: tuple[SmallestDifference, ...] = ()
    rigour: str = ""

    def with_differences(self) -> Table:
        """Give the table with a column of differences behind each that is compared, and what they are."""
        columns = tuple(
            replace(column, has_difference=any(row.cells[index].compared is not None for row in self.rows))
            for index, column in enumerate(self.columns)
        )
        if columns == self.columns:
            return self
        return replace(self, columns=columns, source_notes=(*self.source_notes, DIFFERENCE_NOTE))

    @property
    def printed_columns(self) -> tuple[PrintedColumn, ...]:
        """What stands behind the stub, from left to right."""
        return tuple(
            PrintedColumn(index, part) for index, column in enumerate(self.columns) for part in column.parts
        )

    @property
    def rows(self) -> tuple[TableRow, ...]:
        """Every row, in printing order."""
        return tuple(row for group in self.groups for row in group.rows)

    def labelled_rows(self) -> Iterator[tuple[str, TableRow]]:
        """Give each row with its label, its group in front."""
        for group in self.groups:
            for row in group.rows:
                yield f"{group.label} / {row.label}" if group.label else row.label, row

    @property
    def spanners(self) -> tuple[Spanner, ...]:
        """The data sets over the columns."""
        spanners: list[Spanner] = []
        start = 0
        for label, columns in itertools.groupby(self.columns, key=lambda column: column.dataset):
            num_printed = sum(column.num_printed for column in columns)
            spanners.append(Spanner(label, start, num_printed))
            start += num_printed
        return tuple(spanners)

    @property
    def num_printed(self) -> int:
        """Printed columns behind the stub."""
        return sum(column.num_printed for column in self.columns)

    @property
    def is_complete(self) -> bool:
        """Say whether every cell has every seed."""
        return all(cell.is_complete for row in self.rows for cell in row.cells)

    def trainings(self) -> Iterator[RowTrainings]:
        """Give what stands behind each row on each data set, whose metrics come from the same trainings."""
        number = 0
        for group in self.groups:
            for row in group.rows:
                label = f"{group.label} / {row.label}" if group.label else row.label
                cells: dict[str, list[tuple[Metric, TableCell]]] = {}
                for column, cell in zip(self.columns, row.cells, strict=True):
                    if cell.training_ids:
                        cells.setdefault(column.dataset, []).append((column.metric, cell))
                for dataset, some in cells.items():
                    yield RowTrainings(number, label, dataset, some[0][1].training_ids, tuple(some))
                number += 1
