"""How a table is arranged in print.

Plain: a line for each row with its label, a column for each metric under its data set. With components: what a row is
made of stands in columns of its own, as check marks or levels, and the label where it says more. Transposed: rows side
by side, metrics below each other. Effects of several rows stand below the rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tablewright.orchestrator.declared.design import Contrast
from tablewright.reports.table.entry_text import entry_text
from tablewright.reports.table.grid import (
    Check,
    Difference,
    EffectOf,
    Entry,
    Grid,
    GridColumn,
    GridGroup,
    GridRow,
    Paper,
    Value,
    Words,
)
from tablewright.reports.table.table import (
    DIFFERENCE_HEAD,
    Effect,
    Part,
    PrintedColumn,
    RowGroup,
    Table,
    TableRow,
)
from tablewright.trainables.contract.metric import Metric

PAPER_HEAD = "paper"
HIGHER_IS_BETTER, LOWER_IS_BETTER = "↑", "↓"
NOT_KNOWN = "–"
"""Stands where a row is made of something else than the levels of a factor."""

MAIN_EFFECTS, INTERACTIONS, EFFECTS = "main effects", "interactions", "effects"
NOTHING = Words("")


def lay_out(table: Table) -> Grid:
    """Arrange a table as it asks for."""
    if table.arrangement == "transposed":
        return _transposed(table)
    in_rows = _in_rows(table, _stub_of(table))
    if table.arrangement == "narrower":
        return min(in_rows, _transposed(table), key=width_signs)
    return in_rows


def width_signs(grid: Grid) -> int:
    """Measure a grid in signs: what its columns need, and one between them, or a head over all of them."""
    widths = [
        max(map(len, [column.head, *map(entry_text, grid.entries_of(place))]))
        for place, column in enumerate(grid.columns)
    ]
    for spanner in grid.spanners:  # the last of the columns below a head that is wider than all is widened
        places = slice(spanner.start, spanner.start + spanner.num_columns)
        lacking = len(spanner.label) - sum(widths[places]) - spanner.num_columns + 1
        widths[places.stop - 1] += max(0, lacking)
    return max([sum(widths) + len(widths) - 1, *(len(group.label) for group in grid.groups)])


# -- rows below each other


@dataclass(frozen=True)
class _Stub:
    """What stands before the values of a row.

    Attributes:
        head: of the labels.
        factors: that have a column each; none where the label says all.
        has_labels: whether labels stand beside them.
        is_label_last: whether they stand behind the factors, as where each combination has several rows.
    """

    head: str
    factors: tuple[str, ...] = ()
    has_labels: bool = True
    is_label_last: bool = False

    @property
    def columns(self) -> tuple[GridColumn, ...]:
        """From left to right."""
        spanner = "" if self.has_labels else self.head
        components = tuple(GridColumn(factor, "component", spanner) for factor in self.factors)
        label = (GridColumn(self.head, "label"),) if self.has_labels else ()
        return (*components, *label) if self.is_label_last else (*label, *components)

    def entries(self, label: str, components: Iterable[Entry]) -> tuple[Entry, ...]:
        """Put a label and what stands in the columns of the factors in order."""
        labels = (Words(label),) if self.has_labels else ()
        return (*components, *labels) if self.is_label_last else (*labels, *components)


def _stub_of(table: Table) -> _Stub:
    if table.arrangement != "components":
        return _Stub(table.stub_head)
    return _Stub(
        table.stub_head,
        table.factors,
        has_labels=not all(row.is_spelt_out for row in table.rows),
        is_label_last=any(group.is_spelt_out for group in table.groups),
    )


def _in_rows(table: Table, stub: _Stub) -> Grid:
    number = itertools.count()
    groups = [
        GridGroup(
            "" if stub.factors and group.is_spelt_out else group.label,
            tuple(
                GridRow((*_stub_entries(stub, row), *_values(table, row, next(number)))) for row in group.rows
            ),
        )
        for group in table.groups
    ]
    return Grid((*stub.columns, *_columns(table)), (*groups, *_effect_groups(table, stub)))


def _stub_entries(stub: _Stub, row: TableRow) -> tuple[Entry, ...]:
    return stub.entries(row.label, (_level(row, factor) for factor in stub.factors))


def _level(row: TableRow, factor: str) -> Entry:
    level = row.levels.get(factor, NOT_KNOWN)
    return Words(level) if isinstance(level, str) else Check(level)


def _columns(table: Table) -> Iterator[GridColumn]:
    for index, part in table.printed_columns:
        column = table.columns[index]
        yield GridColumn(_head(table, column.metric, part), part, column.dataset, column.metric.label)


def _head(table: Table, metric: Metric, part: Part) -> str:
    if part != "value":
        return DIFFERENCE_HEAD if part == "difference" else PAPER_HEAD
    arrow = HIGHER_IS_BETTER if metric.higher_is_better else LOWER_IS_BETTER
    return f"{metric.label} {arrow}" if table.shows_arrows else metric.label


def _values(table: Table, row: TableRow, number: int) -> Iterator[Entry]:
    return (_entry(table, row, number, printed) for printed in table.printed_columns)


def _entry(table: Table, row: TableRow, number: int, printed: PrintedColumn) -> Entry:
    index, part = printed
    cell, metric = row.cells[index], table.columns[index].metric
    if part == "value":
        return Value(cell, metric, number, index, table.deviation)
    return Difference(cell, metric) if part == "difference" else Paper(cell, metric)


# -- effects of several rows


def _effect_groups(table: Table, stub: _Stub) -> Iterator[GridGroup]:
    """Put main effects below the rows, and interactions below these."""
    heads = (EFFECTS, MAIN_EFFECTS, INTERACTIONS)

    def order(effect: Effect) -> tuple[int, list[bool]]:
        moved = _contrast(effect).moved  # those of one factor stand together, whatever they are read from
        return heads.index(_head_of_effect(effect)), [factor not in moved for factor in table.factors]

    ordered = sorted(table.effects, key=order)
    for head, effects in itertools.groupby(ordered, key=_head_of_effect):
        rows = (
            GridRow((*_effect_stub(stub, effect, head), *_effect_entries(table, effect)))
            for effect in effects
        )
        yield GridGroup(head, tuple(rows))


def _contrast(effect: Effect) -> Contrast:
    return effect.compared[0][1].contrast


def _head_of_effect(effect: Effect) -> str:
    moved = _contrast(effect).moved
    return EFFECTS if not moved else MAIN_EFFECTS if len(moved) == 1 else INTERACTIONS


def _effect_stub(stub: _Stub, effect: Effect, head: str) -> tuple[Entry, ...]:
    contrast = _contrast(effect)
    if head == EFFECTS or not stub.factors:
        blanks = [NOTHING] * len(stub.factors)
        return stub.entries(effect.label, blanks) if stub.has_labels else (Words(effect.label), *blanks[1:])
    return stub.entries(contrast.within, (Words(contrast.moved.get(factor, "")) for factor in stub.factors))


def _effect_entries(table: Table, effect: Effect) -> Iterator[Entry]:
    """An effect is a difference, and stands where differences have a column of their own."""
    compared = {(column.dataset, column.metric.name): item for column, item in effect.compared}
    for index, part in table.printed_columns:
        column = table.columns[index]
        item = compared.get((column.dataset, column.metric.name))
        is_here = part == ("difference" if column.has_difference else "value")
        yield EffectOf(item, column.metric) if is_here and item is not None else NOTHING


# -- rows side by side


def _transposed(table: Table) -> Grid:
    """Put rows side by side: a line for each metric, and below it what stands behind its values."""
    rows = [(group, row) for group in table.groups for row in group.rows]
    columns = (GridColumn(row.label, "value", group.label or table.stub_head) for group, row in rows)
    groups = itertools.groupby(
        table.printed_columns, key=lambda printed: table.columns[printed.place].dataset
    )
    return Grid(
        (GridColumn("", "label"), *columns),
        tuple(
            GridGroup(dataset, tuple(_transposed_row(table, rows, printed) for printed in some))
            for dataset, some in groups
        ),
    )


def _transposed_row(
    table: Table, rows: Sequence[tuple[RowGroup, TableRow]], printed: PrintedColumn
) -> GridRow:
    head = Words(_head(table, table.columns[printed.place].metric, printed.part))
    return GridRow((head, *(_entry(table, row, number, printed) for number, (_, row) in enumerate(rows))))
