"""A paper's own view of tables: their rows and columns as they were picked, named and joined.

Values, statistics and marks are those of the tables. Where rows are left out, a note says what was tested.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import pandas as pd

from tablewright.orchestrator.declared.ablation import Arrangement
from tablewright.orchestrator.declared.paper_table import PaperTable, Picked, PickedColumn, PickedRow
from tablewright.orchestrator.declared.study import Study
from tablewright.reports.notes.statistics_note import MEAN_AND_DEVIATION
from tablewright.reports.statistics.table_statistics import Compared
from tablewright.reports.table.arrangement import printed_arrangement
from tablewright.reports.table.cell import TableCell
from tablewright.reports.table.emphasis import rank
from tablewright.reports.table.table import (
    DEMO_NOTICE,
    DIFFERENCE_NOTE,
    Column,
    Effect,
    RowGroup,
    Table,
    TableRow,
)
from tablewright.trainables.value.counted import counted


@dataclass(frozen=True)
class PaperView:
    """A paper's table, and where each of its values stands in the tables that it is made of.

    Attributes:
        table: as it is printed.
        places: (table, group, row, data set, metric's name) there -> (group, row, data set) here.
    """

    table: Table
    places: Mapping[tuple[str, str, str, str, str], tuple[str, str, str]]

    def frame(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Give its part of what `read_cells` gave, under the labels that it prints."""
        keys = list(
            zip(*(frame[name] for name in ("table", "group", "row", "dataset", "metric")), strict=True)
        )
        is_mine = [
            study == self.table.study and key in self.places
            for study, key in zip(frame["study"], keys, strict=True)
        ]
        mine = cast(pd.DataFrame, frame[is_mine]).copy()
        printed = [self.places[key] for key, here in zip(keys, is_mine, strict=True) if here]
        mine["table"] = self.table.name
        for place, name in enumerate(("group", "row", "dataset")):
            mine[name] = [labels[place] for labels in printed]
        return mine


def build_paper_view(study: Study, declared: PaperTable, tables: Mapping[str, Table]) -> PaperView:
    """Make a paper's table of the study's tables, which have the emphasis that it asks for.

    Args:
        study: that declares it.
        declared: the declaration.
        tables: by name, those that it is made of.
    """
    sources = [tables[name] for name in declared.of]
    picked = declared.pick(study.ablations_by_name)
    return _Maker(study, declared, sources, picked).make()


@dataclass(frozen=True)
class _Maker:
    study: Study
    declared: PaperTable
    sources: Sequence[Table]
    picked: Picked

    def make(self) -> PaperView:
        first, declared = self.sources[0], self.declared
        columns = tuple(self._column(place) for place in self.picked.columns)
        placed = [(place, *self._rows[place]) for place in self.picked.rows if self._is_printed(place)]
        groups: list[RowGroup] = []
        places: dict[tuple[str, str, str, str, str], tuple[str, str, str]] = {}
        for (table, group_label), some in itertools.groupby(
            placed, key=lambda item: (item[0].table, item[1].label)
        ):
            members = list(some)
            label = self._group_label(table, group_label)
            rows = [self._row(place, row) for place, _, row in members]
            is_spelt_out = members[0][1].is_spelt_out and label == group_label
            groups.append(RowGroup(label, tuple(rows), is_spelt_out))
            for (place, _, row), printed in zip(members, rows, strict=True):
                for picked, column in zip(self.picked.columns, columns, strict=True):
                    source = picked.table or place.table
                    key = source, group_label, row.label, picked.dataset, picked.metric
                    places[key] = label, printed.label, column.dataset
        if declared.emphasis == "highest":
            groups = _ranked(groups, columns)
        factors = tuple(declared.printed(name) for name in self._factors())
        effects = tuple(self._effects(columns)) if declared.shows_effects else ()
        levels = [row.levels for group in groups for row in group.rows]
        is_swept = not declared.are_joined and first.arrangement == "narrower"
        table = Table(
            study=self.study.name,
            name=declared.name,
            caption=self._caption(),
            stub_head=declared.stub_head or self._stub_head(),
            columns=columns,
            groups=tuple(groups),
            source_notes=tuple(self._notes(placed)) if declared.notes else (),
            effects=effects,
            texts=tuple(text for source in self.sources for text in source.texts) if declared.notes else (),
            factors=factors,
            arrangement=printed_arrangement(self._asked, factors, levels, is_swept=is_swept),
            deviation=declared.deviation,
            shows_arrows=declared.shows_arrows,
            venue=declared.venue,
        )
        if declared.shows_difference:
            table = table.with_differences()
            if not declared.notes:
                table = replace(table, source_notes=())
        return PaperView(table, places)

    @functools.cached_property
    def _rows(self) -> Mapping[PickedRow, tuple[RowGroup, TableRow]]:
        """Every row of the tables, and the group that it is in."""
        return {
            PickedRow(source.name, f"{group.label} / {row.label}" if group.label else row.label): (group, row)
            for source in self.sources
            for group in source.groups
            for row in group.rows
        }

    @property
    def _asked(self) -> Arrangement:
        ablations = self.study.ablations_by_name
        return self.declared.arrangement_of([ablations[source.name] for source in self.sources])

    def _is_printed(self, place: PickedRow) -> bool:
        """Say whether every table that it is read from has it: other methods' rows are left out beside demo data."""
        tables = [source.name for source in self.sources] if self._is_beside else [place.table]
        return all(PickedRow(table, place.label) in self._rows for table in tables)

    # -- labels

    def _table(self, name: str) -> Table:
        return next(source for source in self.sources if source.name == name)

    @property
    def _is_beside(self) -> bool:
        return self.declared.are_joined and self.declared.joined == "beside"

    def _caption(self) -> str:
        """Give its own caption, with what must be said of the data."""
        own, of_first = self.declared.caption, self.sources[0].caption
        notice = f" ({DEMO_NOTICE})"
        is_demo = any(source.caption.endswith(notice) for source in self.sources)
        return (own + notice if is_demo else own) if own else of_first

    def _stub_head(self) -> str:
        """Give the head that the tables have in common; tables beside each other have the rows of the first."""
        heads = {source.stub_head for source in self.sources}
        return self.sources[0].stub_head if self._is_beside or len(heads) == 1 else ""

    def _head_of(self, table: str) -> str:
        """Name a table among those that it is joined with."""
        caption = self._table(table).caption.removesuffix(f" ({DEMO_NOTICE})")
        return self.declared.printed(table, caption)

    def _group_label(self, table: str, group: str) -> str:
        label = self.declared.printed(group) if group else ""
        if not self.declared.are_joined or self._is_beside:
            return label
        return f"{self._head_of(table)}: {label}" if label else self._head_of(table)

    def _row_label(self, place: PickedRow, label: str) -> str:
        return self.declared.printed(f"{place.table}: {place.label}", place.label, label)

    def _column(self, place: PickedColumn) -> Column:
        source = self._table(place.table) if place.table else self.sources[0]
        found = source.columns[_place_of(source, place)]
        _, comma, unit = found.metric.label.partition(", ") if found.is_cost else ("", "", "")
        label = self.declared.printed(place.metric, found.metric.label.removesuffix(comma + unit))
        metric = replace(found.metric, label=label + comma + unit)
        has_published = self.declared.shows_published and any(
            table.columns[_place_of(table, place)].has_published
            for table in ([source] if place.table else self.sources)
        )
        return Column(self._dataset_label(place), metric, has_published, is_cost=found.is_cost)

    def _dataset_label(self, place: PickedColumn) -> str:
        """Give the head over a column; two tables side by side are told apart by their names."""
        label = self.declared.printed(place.dataset)
        tables = {other.table for other in self.picked.columns if other.dataset == place.dataset}
        if len(tables) < 2:
            return label
        datasets = {other.dataset for other in self.picked.columns}
        return self._head_of(place.table) if len(datasets) == 1 else f"{self._head_of(place.table)}, {label}"

    def _factors(self) -> tuple[str, ...]:
        """Name what rows differ in; tables below each other must agree in it."""
        if self._is_beside or len({source.factors for source in self.sources}) == 1:
            return self.sources[0].factors
        factors = itertools.chain.from_iterable(source.factors for source in self.sources)
        return tuple(dict.fromkeys(factors)) if self._asked == "components" else ()

    # -- cells

    def _row(self, place: PickedRow, row: TableRow) -> TableRow:
        label = self._row_label(place, row.label)
        levels = {
            self.declared.printed(factor): self.declared.printed(level) if isinstance(level, str) else level
            for factor, level in row.levels.items()
        }
        cells = tuple(self._cell(place, column) for column in self.picked.columns)
        return TableRow(label, cells, levels, row.is_spelt_out and label == row.label)

    def _cell(self, place: PickedRow, column: PickedColumn) -> TableCell:
        source = self._table(column.table or place.table)
        _, row = self._rows[PickedRow(source.name, place.label)]
        cell = row.cells[_place_of(source, column)]
        if self.declared.emphasis == "none":
            cell = replace(cell, rank=None)
        if cell.compared is None:
            return cell
        reference = PickedRow(source.name, cell.compared.contrast.reference)
        label = self._row_label(reference, reference.label)
        return replace(cell, compared=_against(cell.compared, label))

    def _effects(self, columns: Sequence[Column]) -> Iterator[Effect]:
        """Give the effects of which every row is shown."""
        for source in self.sources:
            shown = {
                place.label for place in self.picked.rows if self._is_beside or place.table == source.name
            }
            for effect in source.effects:
                contrast = effect.compared[0][1].contrast
                if not shown.issuperset(contrast.weights):
                    continue
                moved = {self.declared.printed(name): text for name, text in contrast.moved.items()}
                within = self.declared.printed(contrast.within) if contrast.within else ""
                own = replace(contrast, moved=moved, within=within)
                known = {
                    (column.dataset, column.metric.name): compared for column, compared in effect.compared
                }
                found = [
                    (column, replace(compared, contrast=own))
                    for place, column in zip(self.picked.columns, columns, strict=True)
                    if place.table in ("", source.name)
                    and (compared := known.get((place.dataset, place.metric))) is not None
                ]
                if found:
                    yield Effect(effect.label, tuple(found))

    # -- notes

    def _notes(self, placed: Sequence[tuple[PickedRow, RowGroup, TableRow]]) -> Iterator[str]:
        """Give the notes of the tables, those of all once, and say what is otherwise here."""
        notes_of = {source.name: [*self._notes_of(source)] for source in self.sources}
        of_all = set.intersection(*(set(notes) for notes in notes_of.values()))
        yield from (note for note in notes_of[self.sources[0].name] if note in of_all)
        for name, notes in notes_of.items():
            if own := [note for note in notes if note not in of_all]:
                yield f"{self._head_of(name)}: {' '.join(own)}"
        for source in self.sources:
            yield from self._left_out_note(source, placed)
        if self.declared.are_joined and any(map(_num_tests, self.sources)):
            tests = "; ".join(
                f"{self._head_of(source.name)}, {counted(_num_tests(source), 'comparison')}"
                for source in self.sources
            )
            yield f"Each of the joined tables was tested on its own, as one family: {tests}."
        renamed = {
            printed: place.label
            for place, _, row in placed
            if (printed := self._row_label(place, row.label)) != row.label
        }
        if renamed:
            names = "; ".join(f"“{printed}” is “{label}”" for printed, label in renamed.items())
            yield f"Where these notes name rows, {names}."

    def _notes_of(self, source: Table) -> Iterator[str]:
        """Give a table's own notes, without those on columns that are not shown."""
        shown = {place.dataset for place in self.picked.columns if place.table in ("", source.name)}
        hidden = {column.dataset for column in source.columns} - shown
        heads = tuple(f"{dataset}{sign} " for dataset in hidden for sign in ":,")
        for note in source.source_notes:
            if note == DIFFERENCE_NOTE or note.startswith(heads):
                continue
            yield note.replace(MEAN_AND_DEVIATION, "Mean") if self.declared.deviation == "none" else note

    def _left_out_note(
        self, source: Table, placed: Sequence[tuple[PickedRow, RowGroup, TableRow]]
    ) -> Iterator[str]:
        num_shown = sum(self._is_beside or place.table == source.name for place, _, _ in placed)
        num_rows = len(source.rows)
        if num_shown == num_rows:
            return
        tested = counted(_num_tests(source), "comparison")
        yield (
            f"{num_rows - num_shown} of the {counted(num_rows, 'row')} of {source.study}/{source.name} "
            f"{'is' if num_rows - num_shown == 1 else 'are'} not shown; what is tested, marked and bold is so among "
            f"all of them ({tested})."
        )


def _place_of(table: Table, column: PickedColumn) -> int:
    wanted = column.dataset, column.metric
    return next(place for place, own in enumerate(table.columns) if (own.dataset, own.metric.name) == wanted)


def _against(compared: Compared, reference: str) -> Compared:
    return replace(compared, contrast=replace(compared.contrast, reference=reference))


def _num_tests(table: Table) -> int:
    cells = (cell.compared for row in table.rows for cell in row.cells)
    effects = (compared for effect in table.effects for _, compared in effect.compared)
    return sum(
        compared is not None and compared.is_tested and not compared.is_repeated
        for compared in itertools.chain(cells, effects)
    )


def _ranked(groups: Iterable[RowGroup], columns: Sequence[Column]) -> list[RowGroup]:
    """Set the highest of the shown rows bold, and underline the second."""
    groups = list(groups)
    numbered = [
        (str(number), row) for number, row in enumerate(row for group in groups for row in group.rows)
    ]
    rows = iter(rank(dict(numbered), columns).values())
    return [replace(group, rows=tuple(next(rows) for _ in group.rows)) for group in groups]
