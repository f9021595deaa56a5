"""A table as a paper prints it: rows and columns of a study's tables, chosen, ordered, named and joined.

It trains nothing and tests nothing: statistics and marks are those of the tables that it is made of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from tablewright.orchestrator.declared.ablation import Ablation, Arrangement, Emphasis
from tablewright.orchestrator.declared.declared_names import TableName, absent, twice
from tablewright.orchestrator.declared.design import AsPrinted, full_label
from tablewright.orchestrator.declared.venue import AskedVenue
from tablewright.trainables.value.declaration import Declaration
from tablewright.trainables.value.freezing import EMPTY
from tablewright.trainables.value.refusal import Fault, guess
from tablewright.trainables.value.text import Label, Text

DeviationPlace = Literal["beside", "subscript", "none"]
"""Of the deviation over seeds: behind the mean, as its subscript, or not in print."""


class PickedRow(NamedTuple):
    """A row of one of the tables, by its label with the group in front."""

    table: str
    label: str

    def __str__(self) -> str:
        """Name it among the rows of joined tables."""
        return f"{self.table}: {self.label}"


class PickedColumn(NamedTuple):
    """A column: its table, empty where all of the joined tables have it, the data set's label and the metric's name."""

    table: str
    dataset: str
    metric: str

    def __str__(self) -> str:
        """Name it as it may be asked for."""
        place = f"{self.dataset} / {self.metric}"
        return f"{self.table}: {place}" if self.table else place


class Picked(NamedTuple):
    """What a paper's table shows, in printing order. Of tables side by side, rows are those of the first."""

    rows: tuple[PickedRow, ...]
    columns: tuple[PickedColumn, ...]


@dataclass(frozen=True)
class PaperTable(Declaration):
    """A table as a paper prints it, made of tables of the same study.

    Rows are named by their labels, with the group in front where that is needed (`group / label`) and, of joined
    tables, with the table (`table: label`); a group's or a table's name stands for all of its rows. Columns are named
    by a metric, a data set, or both (`Market-1501 / mAP`).

    Attributes:
        name: file name of the table.
        of: names of the study's ablations that it is made of.
        caption: what it shows; left out, that of the one table.
        rows: in printing order; left out, all.
        columns: likewise.
        labels: row, group, data set, metric, component, level or table -> what is printed in its place.
        stub_head: head of the column of row labels; left out, that of the first table.
        joined: how several tables are joined: below each other, each under its own head, where they have the same
            columns; or side by side, where they have the same rows.
        venue: where it is printed, as of a study; left out, where the study is.
        notes: whether the sentences below the tables are printed.
        emphasis: what is set bold; left out, as in the tables. `highest` looks at the rows that are shown.
        arrangement: as of an ablation; left out, that of the tables, or by design where they differ in it.
        deviation: where the deviations over seeds stand; a format without subscripts has them beside the means.
        shows_difference: whether differences stand in a column of their own.
        shows_published: whether what a paper printed stands beside ours, where the tables have it.
        shows_effects: whether effects of several rows stand below them, where all of these are shown.
        shows_arrows: whether each metric's head says which way is better.
    """

    name: TableName
    of: Sequence[Text]
    caption: Text = ""
    rows: Sequence[Text] = ()
    columns: Sequence[Text] = ()
    labels: Mapping[Text, Label] = EMPTY
    stub_head: Text = ""
    joined: Literal["below", "beside"] = "below"
    venue: AskedVenue | None = None
    notes: bool = True
    emphasis: Emphasis | None = None
    arrangement: Arrangement | None = None
    deviation: DeviationPlace = "beside"
    shows_difference: bool = False
    shows_published: bool = True
    shows_effects: bool = True
    shows_arrows: bool = True

    def find_faults(self) -> Iterator[Fault]:
        """Find what is wrong whatever the tables are."""
        yield from twice("table to be joined", self.of)
        yield from absent("table to be made of", self.of)
        if len(self.of) > 1 and not self.caption:
            yield Fault("caption", "several tables have no caption in common; say what they show together")

    @property
    def are_joined(self) -> bool:
        """Say whether it is made of several tables."""
        return len(self.of) > 1

    def printed(self, *names: str) -> str:
        """Give what is printed for a thing: by the first of its names that has a label, or else the last name."""
        return next((self.labels[name] for name in names if name in self.labels), names[-1])

    def wishes(self, source: Ablation) -> Ablation:
        """Give one of its tables with this one's wishes for what is bold, and whether printed values are shown."""
        emphasis = self.emphasis or source.emphasis
        if self.shows_published:
            return source if emphasis == source.emphasis else replace(source, emphasis=emphasis)
        designs = zip(source.rows, source.rows_by_design, strict=True)
        rows = [
            AsPrinted(design, [replace(row, published=EMPTY) for row in of_design])
            for design, of_design in designs
        ]
        return replace(source, emphasis=emphasis, rows=rows)

    def arrangement_of(self, sources: Sequence[Ablation]) -> Arrangement:
        """Say how it is arranged: as it asks, or as all of its tables do."""
        if self.arrangement is not None:
            return self.arrangement
        of_first = sources[0].arrangement
        return of_first if all(source.arrangement == of_first for source in sources) else "design"

    # -- of which tables

    def table_faults(self, tables: Mapping[str, Ablation], others: Collection[str]) -> Iterator[Fault]:
        """Find what does not fit the tables that it is made of.

        Args:
            tables: ablations of the study by name.
            others: names of the study's tables that are none.
        """
        for name in self.of:
            if name in others:
                text = f"{name!r} is the table of a search or of sizes; a paper's table is made of ablations"
                yield Fault("of", text)
            elif name not in tables:
                known = ", ".join(tables) or "none"
                yield Fault(
                    "of", f"{name!r} is no ablation of the study{guess(name, tables)} There are {known}"
                )
        if not all(name in tables for name in self.of):
            return
        faults: list[Fault] = []
        sources = [tables[name] for name in self.of]
        picked = self._pick(sources, faults)
        yield from faults
        yield from self._label_faults(sources)
        if not faults:
            yield from self._print_faults(sources, picked)
        asked = self.arrangement_of(sources)
        yield from (fault for source in sources for fault in source.arrangement_faults(asked))

    def pick(self, tables: Mapping[str, Ablation]) -> Picked:
        """Say what it shows of its tables, which are without fault."""
        return self._pick([tables[name] for name in self.of], [])

    def with_columns_of(
        self, before: Mapping[str, Ablation], after: Mapping[str, Ablation]
    ) -> PaperTable | None:
        """Give the table without columns that its tables have no more; None where none is left.

        Args:
            before: the ablations as it was declared for.
            after: as they are now; those that are left out are not among them.
        """
        if not all(name in after for name in self.of):
            return None
        if all(before[name].datasets == after[name].datasets for name in self.of):
            return self
        left = {(name, dataset.label) for name in self.of for dataset in after[name].datasets}
        columns = [
            column
            for column in self.pick(before).columns
            if all((table, column.dataset) in left for table in ([column.table] if column.table else self.of))
        ]
        if not columns:
            return None
        known = {name for table in self.of for name in _names_of(after[table])}
        labels = {name: label for name, label in self.labels.items() if name in known}
        return replace(self, columns=[*map(str, columns)], labels=labels)

    def _pick(self, sources: Sequence[Ablation], faults: list[Fault]) -> Picked:
        is_beside = self.are_joined and self.joined == "beside"
        rows = self._pick_rows(sources[:1] if is_beside else sources, faults)
        if is_beside:
            faults += self._beside_faults(sources, rows)
            columns = self._pick_columns([(source.name, source) for source in sources], faults)
        else:
            columns = self._pick_columns([("", sources[0])], faults)
            faults += self._below_faults(sources, columns)
        return Picked(tuple(rows), tuple(columns))

    def _pick_rows(self, sources: Sequence[Ablation], faults: list[Fault]) -> list[PickedRow]:
        every = [
            (PickedRow(source.name, full_label(row)), row.label, row.group)
            for source in sources
            for row in source.printed_rows
        ]
        if not self.rows:
            return [picked for picked, _, _ in every]
        one_by: dict[str, list[PickedRow]] = {}
        many_by: dict[str, list[PickedRow]] = {}
        for picked, label, group in every:
            for name in dict.fromkeys((picked.label, label)):
                one_by.setdefault(name, []).append(picked)
                one_by.setdefault(f"{picked.table}: {name}", []).append(picked)
            for name in (picked.table, *((group, f"{picked.table}: {group}") if group else ())):
                many_by.setdefault(name, []).append(picked)
        found: list[PickedRow] = []
        for name in self.rows:
            exact = [picked for picked in one_by.get(name, ()) if name in (picked.label, str(picked))]
            some = exact if len(exact) == 1 else one_by.get(name, [])
            if len(some) > 1:
                which = ", ".join(f"“{picked}”" for picked in some)
                faults.append(Fault("rows", f"{name!r} is the name of several rows; write one of {which}"))
            elif not some and name not in many_by:
                known = [picked.label for picked, _, _ in every]
                text = f"{name!r} is no row{guess(name, [*one_by, *many_by])} There are "
                faults.append(Fault("rows", text + ", ".join(map(repr, known))))
            found += some or many_by.get(name, [])
        faults += (Fault("rows", str(fault)) for fault in twice("row", map(str, found)))
        return found

    def _pick_columns(
        self, sources: Sequence[tuple[str, Ablation]], faults: list[Fault]
    ) -> list[PickedColumn]:
        every: list[PickedColumn] = []
        by: dict[str, list[PickedColumn]] = {}
        for table, source in sources:
            for dataset in source.datasets:
                for metric in source.column_metrics:
                    column = PickedColumn(table, dataset.label, metric.name)
                    every.append(column)
                    metrics = dict.fromkeys((metric.name, metric.label))
                    names = [dataset.label, *metrics, *(f"{dataset.label} / {name}" for name in metrics)]
                    for name in [*names, *(f"{source.name}: {name}" for name in names)]:
                        by.setdefault(name, []).append(column)
        if not self.columns:
            return every
        for name in self.columns:
            if name not in by:
                known = map(str, every)
                text = f"{name!r} is no column{guess(name, by)} There are "
                faults.append(Fault("columns", text + ", ".join(known)))
        found = [column for name in self.columns for column in by.get(name, ())]
        faults += (Fault("columns", str(fault)) for fault in twice("column", map(str, found)))
        return found

    # -- faults

    def _beside_faults(self, sources: Sequence[Ablation], rows: Sequence[PickedRow]) -> Iterator[Fault]:
        wanted = [row.label for row in rows]
        for source in sources[1:]:
            own = {full_label(row) for row in source.printed_rows}
            if lacking := [label for label in wanted if label not in own]:
                text = f"{source.name} has no row {', '.join(map(repr, lacking))}, so that it cannot stand beside "
                yield Fault(
                    "of", f"{text}{sources[0].name}; name the rows that both have, or join them below"
                )

    def _below_faults(self, sources: Sequence[Ablation], columns: Sequence[PickedColumn]) -> Iterator[Fault]:
        """Find tables that lack a column, or have another metric of that name."""
        first = sources[0]
        metrics = {metric.name: metric for metric in first.column_metrics}
        for source in sources[1:]:
            own = {dataset.label for dataset in source.datasets}
            own_metrics = {metric.name: metric for metric in source.column_metrics}
            lacking = [
                f"{column.dataset} / {column.metric}"
                for column in columns
                if column.dataset not in own or own_metrics.get(column.metric) != metrics[column.metric]
            ]
            if lacking:
                text = f"{source.name} has no column {', '.join(map(repr, lacking))} as {first.name} has it; name "
                yield Fault("of", f"{text}columns that all have, or join them beside each other")

    def _label_faults(self, sources: Sequence[Ablation]) -> Iterator[Fault]:
        known = [name for source in sources for name in _names_of(source)]
        for name in self.labels:
            if name not in known:
                yield Fault(
                    "labels",
                    f"{name!r} is no row, group, data set, metric, component, level or table{guess(name, known)} Write "
                    "it as it stands in the tables",
                )

    def _print_faults(self, sources: Sequence[Ablation], picked: Picked) -> Iterator[Fault]:
        """Find rows or columns that would look the same in print."""
        rows = {
            PickedRow(source.name, full_label(row)): row for source in sources for row in source.printed_rows
        }
        labels: list[str] = []
        for place in picked.rows:
            row = rows[place]
            label = self.printed(f"{place.table}: {place.label}", place.label, row.label)
            group = self.printed(row.group)
            labels.append(str(PickedRow(place.table, f"{group} / {label}" if group else label)))
        yield from (Fault("labels", str(fault)) for fault in twice("row label", labels))
        metrics = {metric.name: metric for source in sources for metric in source.column_metrics}
        heads = [
            str(
                PickedColumn(
                    place.table,
                    self.printed(place.dataset),
                    self.printed(place.metric, metrics[place.metric].label),
                )
            )
            for place in picked.columns
        ]
        yield from (Fault("labels", str(fault)) for fault in twice("column", heads))


def _names_of(source: Ablation) -> Iterator[str]:
    """Name everything of a table that may have another label."""
    yield source.name
    for row in source.printed_rows:
        yield from (row.label, full_label(row), f"{source.name}: {full_label(row)}")
        yield from filter(None, [row.group])
    yield from (dataset.label for dataset in source.datasets)
    for metric in source.column_metrics:
        yield from (metric.name, metric.label)
    for _, composition in source.compositions:
        for factor in composition.factors:
            yield factor.name
            yield from (level for level in factor.levels if isinstance(level, str))
