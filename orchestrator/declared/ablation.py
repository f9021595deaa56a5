"""One printed table: rows as differences from a base, columns of data sets and metrics, and what is compared."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from tablewright.orchestrator.declared.changes import apply_changes, try_changes
from tablewright.orchestrator.declared.composition import Composing, Composition
from tablewright.orchestrator.declared.cost_columns import CostColumn, cost_metric, counted_cost
from tablewright.orchestrator.declared.dataset import SEED, Dataset
from tablewright.orchestrator.declared.declared_names import TableName, absent, twice
from tablewright.orchestrator.declared.design import AsPrinted, Comparing, Contrast, Design, Row, full_label
from tablewright.orchestrator.declared.gap import AcceptedGaps
from tablewright.orchestrator.declared.imported_runs import Imported
from tablewright.orchestrator.declared.row_search import (
    RowSearch,
    left_to_row,
    overlap_faults,
    pattern_faults,
    row_search,
)
from tablewright.orchestrator.declared.search import Search
from tablewright.orchestrator.declared.table_columns import column_faults, no_view_fault, own_view
from tablewright.orchestrator.declared.teacher import Teacher
from tablewright.trainables.contract.method import TrainingConfig
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.view import METHODS_VIEW, EvaluationView
from tablewright.trainables.value.declaration import Declaration
from tablewright.trainables.value.freezing import EMPTY, freeze
from tablewright.trainables.value.refusal import Fault, Refusal, guess, shown
from tablewright.trainables.value.secret import secrets_in
from tablewright.trainables.value.text import Text

Arrangement = Literal["design", "plain", "components", "transposed"]
Emphasis = Literal["evidence", "highest", "none"]


@dataclass(frozen=True)
class Ablation(Teacher):
    """One printed table: rows of configs, columns of data sets and metrics.

    Attributes:
        name: file name of the table; letters, digits and underscores.
        caption: what the table shows, one sentence without the final stop.
        base: the config that rows differ from.
        datasets: column groups.
        rows: rows and designs, in printing order.
        view: how each row is measured unless it says otherwise; left out, the method's own, where it has one.
        metrics: columns within each data set; left out together with the view, all that it gives.
        stub_head: head of the column of row labels.
        source: table or figure of the paper that it reproduces.
        reference: label of the row, its group in front, that every other row is compared with; without a group in
            front, of the row that each group has. Left out, what is compared follows from the designs: see
            `contrasts`.
        tested: metrics whose comparisons are tested; all of them are one family, so that each makes the others
            harder to find. None named is the first of `metrics`.
        emphasis: `evidence` sets the best row bold with every row that the seeds cannot tell from it; `highest` only
            the highest value, and underlines the second, as some venues ask for; `none` nothing.
        deviation: metric name -> standard deviation over seeds that is expected, to say what the table can find
            before any row has been trained.
        shows_difference: whether the differences stand in a column of their own in every format.
        arrangement: of the printed table; it is in no id. `design` follows from the rows: components of `LeaveOneOut`,
            `Cumulative` and `Factorial` as check marks, the values of a `Sweep` side by side where that is narrower.
            `plain` has a line for each row with its label; `components` and `transposed` are asked for as they are.
        tests_items: whether the compared rows are also tested over the queries or images they were measured on.
        priority: its rows are trained before those of a lower one; None is that of the study. Where several rows need
            one training, the highest counts.
        tuned: searched in every trained row under every data set, with the same budget, before the row's seeds are
            trained with what was found. Its base is the table's, its data set one of the table's; its name, caption,
            view and metrics are not used. None tunes no row.
        costs: columns behind the metrics of each data set, of what a row takes: `parameters`, `inference_parameters`
            and `flops` are counted, `train_s`, `gpu_s` and `peak_memory_bytes` are as recorded. They are never tested
            and never bold.
        accepts: gaps that an audit of the table would name and that are meant, each with the reason (`gap.py`).
    """

    name: TableName
    caption: Text
    base: TrainingConfig
    datasets: Sequence[Dataset]
    rows: Sequence[Row | Design]
    view: EvaluationView = METHODS_VIEW
    metrics: Sequence[Metric] = ()
    stub_head: Text = ""
    source: Text = ""
    reference: Text = ""
    tested: Sequence[Metric] = ()
    emphasis: Emphasis = "evidence"
    deviation: Mapping[str, float] = EMPTY
    shows_difference: bool = False
    arrangement: Arrangement = "design"
    tests_items: bool = False
    priority: int | None = None
    tuned: Search | None = None
    costs: Sequence[CostColumn] = ()
    accepts: AcceptedGaps = EMPTY

    @functools.cached_property
    def rows_by_design(self) -> tuple[tuple[Row, ...], ...]:
        """The rows that each design makes, asked once: a design of one's own may change its mind."""
        given: list[Any] = [freeze(design.rows()) for design in self.rows]
        if absent := [rows for rows in given if not isinstance(rows, tuple)]:
            text = "the rows() of a design gives Rows, one by one or in a list"
            raise Refusal(self.subject, [Fault("rows", f"{text}; got {shown(rows)}") for rows in absent])
        made: list[tuple[Any, ...]] = [*given]
        strange = [row for rows in made for row in rows if not isinstance(row, Row)]
        if strange:
            raise Refusal(
                self.subject, [Fault("rows", f"a design makes Rows; got {shown(row)}") for row in strange]
            )
        return tuple(made)

    @property
    def printed_rows(self) -> tuple[Row, ...]:
        """The rows with every design spelt out, in printing order."""
        return tuple(row for rows in self.rows_by_design for row in rows)

    @property
    def trained_rows(self) -> tuple[Row, ...]:
        """The printed rows that are trained, without those that wait."""
        return tuple(row for row in self.printed_rows if row.is_trained and not row.waits_for)

    @functools.cached_property
    def compositions(self) -> tuple[tuple[tuple[Row, ...], Composition], ...]:
        """What the rows of each design are made of, where it knows, beside these rows."""
        made = (
            (rows, design.composition() if isinstance(design, Composing) else None)
            for design, rows in zip(self.rows, self.rows_by_design, strict=True)
        )
        return tuple((rows, composition) for rows, composition in made if composition is not None)

    # -- what is compared

    @functools.cached_property
    def reference_row(self) -> Row | None:
        """The row that rows without a design of their own are compared with: the named one, or the base itself."""
        if self.reference:
            named = (row for row in self.trained_rows if self.reference in (full_label(row), row.label))
            return next(named, None)
        return next(filter(self._is_declared, self.trained_rows), None)

    def _is_declared(self, row: Row) -> bool:
        """Say whether a row is the base itself."""
        if not row.is_trained or row.waits_for or (row.view or self.view) != self.view:
            return False
        return all(
            self.members(row, dataset) == (apply_changes(self.base, dataset.changes),)
            for dataset in self.datasets
        )

    @functools.cached_property
    def contrasts(self) -> tuple[Contrast, ...]:
        """What is compared, in printing order.

        With `reference` every row meets that one. Otherwise it follows from the design: without a component meets the
        full method, a cumulative step the row above it, a swept value the declared one, a factorial has main effects
        and interactions, and single rows meet the row that is the base itself. Rows that wait take no part.
        """
        found: list[Contrast] = []
        of_group = {row.group: row for row in self.trained_rows if row.label == self.reference}
        for design, rows in zip(self.rows, self.rows_by_design, strict=True):
            own: list[Contrast] = []
            if isinstance(design, Comparing) and not self.reference:
                own = list(design.contrasts(rows, self._is_declared))
            if not own:
                references = [of_group.get(row.group, self.reference_row) for row in rows]
                own = [
                    Contrast.between(row, reference)
                    for row, reference in zip(rows, references, strict=True)
                    if reference is not None and row is not reference
                ]
            found += own
        known = {full_label(row) for row in self.trained_rows}
        return tuple(contrast for contrast in found if contrast.weights.keys() <= known)

    @functools.cached_property
    def repeated_rows(self) -> Mapping[str, str]:
        """Rows that are another row once more under every data set: label, its group in front -> that of the other."""
        alike: dict[Any, list[Row]] = {}
        for row in self.trained_rows if any(row.repeats for row in self.trained_rows) else ():
            trained = tuple(self._trained_as(row, dataset) for dataset in self.datasets)
            alike.setdefault((trained, row.view or self.view), []).append(row)
        found: dict[str, str] = {}
        for rows in alike.values():
            first = (_without_mark(rows) or rows)[0]
            found |= {full_label(row): full_label(first) for row in rows if row is not first}
        return found

    @property
    def column_metrics(self) -> tuple[Metric, ...]:
        """The columns within each data set: what is measured, then what it costs."""
        return (*self.metrics, *map(cost_metric, self.costs))

    @property
    def tested_metrics(self) -> tuple[Metric, ...]:
        """The metrics whose comparisons are tested."""
        return tuple(self.tested or self.metrics[:1])

    def members(self, row: Row, dataset: Dataset, seed: int | None = None) -> tuple[TrainingConfig, ...]:
        """Give the configs behind one cell, as they are declared: one, or those of an ensemble."""
        of_seed = {} if seed is None else {SEED: seed}
        return tuple(
            apply_changes(self.base, {**dataset.changes, **row.changes, **changes, **of_seed})
            for changes in row.ensemble or (EMPTY,)
        )

    # -- what is tuned

    @functools.cached_property
    def row_searches(self) -> tuple[RowSearch, ...]:
        """The searches of its rows, by row and data set; rows of one config have one together."""
        found: list[RowSearch] = []
        for row, dataset in itertools.product(self.trained_rows if self.tuned else (), self.datasets):
            search = self._row_search(row, dataset)
            place = next((place for place, other in enumerate(found) if search.is_same(other)), None)
            if place is None:
                found.append(search)
            else:
                found[place] = replace(found[place], rows=[*found[place].rows, *search.rows])
        return tuple(found)

    def _row_search(self, row: Row, dataset: Dataset) -> RowSearch:
        assert self.tuned is not None, "an untuned table has no searches"
        (config,) = self.members(row, dataset)
        return row_search(
            self.tuned,
            config,
            left_to_row(self.tuned, row, config),
            row=row,
            row_number=self.printed_rows.index(row) + 1,
            table=self.name,
            dataset=dataset,
            view=row.view or self.view,
            metrics=self.metrics,
            priority=self.priority,
        )

    def with_datasets(self, labels: Collection[str]) -> Ablation | None:
        """Give the same table with the columns of some data sets only; None where none is left."""
        datasets = [dataset for dataset in self.datasets if dataset.label in labels]
        if not datasets:
            return None
        rows: list[Design] = []
        for design, whole in zip(self.rows, self.rows_by_design, strict=True):
            cut = tuple(self._cut_row(row, datasets) for row in whole)
            # Cut rows are still compared as their design says, and one of a person's own is not asked again.
            is_kept = cut == whole and isinstance(design, Declaration)
            rows += (
                [design] if is_kept else [AsPrinted(design, cut)] if isinstance(design, Comparing) else cut
            )
        tuned = self.tuned and replace(
            self.tuned, dataset=datasets[0]
        )  # rows are searched on each in any case
        return replace(self, datasets=datasets, rows=rows, tuned=tuned)

    def _cut_row(self, row: Row, datasets: Sequence[Dataset]) -> Row:
        """Give a row without what it says of data sets that are left out."""
        if row.printed_in is None:
            labels = {dataset.label for dataset in datasets}
            row = replace(
                row, published={label: row.published[label] for label in row.published if label in labels}
            )
        if row.imported is not None:
            row = replace(row, imported=row.imported.with_datasets([dataset.label for dataset in datasets]))
        if row.repeats:
            (other,) = (other for other in self.printed_rows if full_label(other) == row.repeats)
            if not any(self._are_one(row, other, dataset) for dataset in datasets):
                row = replace(row, repeats="")
        return row

    # -- faults

    def follows(self) -> Mapping[str, Any]:
        """Take the method's own view, and all that it measures, where none are named."""
        return own_view(self.base, self.view, self.metrics)

    def find_faults(self) -> Iterator[Fault]:
        """Find what is wrong between base, rows and columns."""
        if fault := no_view_fault(self.base, self.view, "Ablation"):
            yield fault
            return
        yield from twice("data set label", [dataset.label for dataset in self.datasets])
        yield from twice("metric", [metric.name for metric in self.column_metrics])
        yield from twice("metric label", [metric.label for metric in self.metrics])
        yield from self._cost_faults()
        yield from self._dataset_faults()
        yield from absent("data set", self.datasets)
        yield from absent("metric", self.metrics)
        try:
            rows = self.printed_rows
        except Refusal as refusal:
            yield from refusal.faults
            return
        yield from twice("row label", map(full_label, rows))
        yield from absent("trained row", [row for row in rows if row.is_trained])
        if self.tuned is not None and (faults := [*pattern_faults(self.tuned, self.base, self.datasets)]):
            yield from faults
            return
        yield from self._protocol_faults(rows)
        yield from self._comparison_faults(rows)
        yield from self.arrangement_faults(self.arrangement)
        labels_of: dict[str, list[str]] = {}
        for row in rows:
            for text in dict.fromkeys(self._row_faults(row)):
                labels_of.setdefault(text, []).append(repr(full_label(row)))
        for text, labels in labels_of.items():
            yield Fault(f"row{'s' if len(labels) > 1 else ''} {', '.join(labels)}", text)
        if not labels_of:
            yield from self._repeat_faults()
            yield from self._tuning_faults()

    def _tuning_faults(self) -> Iterator[Fault]:
        """Find rows that would stand untuned among tuned ones, and rows whose search cannot be made."""
        if self.tuned is None:
            return
        labels_of: dict[str, list[str]] = {}
        for row in self.trained_rows:
            for text in dict.fromkeys(self._untuned_faults(self.tuned, row)):
                labels_of.setdefault(text, []).append(repr(full_label(row)))
        for text, labels in labels_of.items():
            yield Fault(f"row{'s' if len(labels) > 1 else ''} {', '.join(labels)}", text)

    def _untuned_faults(self, pattern: Search, row: Row) -> Iterator[str]:
        if row.ensemble:
            yield (
                "it is an ensemble, of which tuned=… cannot say whether its members are tuned one by one or together; "
                "put it into a table without tuned=…"
            )
            return
        if faults := [*overlap_faults(pattern, row)]:
            yield from faults
            return
        for dataset in self.datasets:
            (config,) = self.members(row, dataset)
            left = left_to_row(pattern, row, config)
            if not left.space:
                why = "sets every searched path itself" if left.kept else "has none of the searched paths"
                yield (
                    f"it {why} ({', '.join((*left.kept, *left.absent))}), so that it would stand untuned among tuned "
                    "rows; search for a path that it leaves open, or give it a table without tuned=…"
                )
                continue
            try:
                self._row_search(row, dataset)
            except Refusal as refusal:
                yield from (f"its search on {dataset.label!r}: {fault}" for fault in refusal.faults)

    def _dataset_faults(self) -> Iterator[Fault]:
        """Find columns under two heads that come to the same numbers, as where one lacks its changes."""
        label_of: dict[TrainingConfig, str] = {}
        for dataset in self.datasets:
            config, faults = try_changes(self.base, dataset.changes)
            other = dataset.label if faults else label_of.setdefault(config, dataset.label)
            if other != dataset.label:
                yield Fault(
                    "datasets",
                    f"{other!r} and {dataset.label!r} come to the same config, so the numbers of one would stand under "
                    f"the name of the other; say what differs: Dataset({dataset.label!r}, {{path: value}})",
                )

    def _comparison_faults(self, rows: Sequence[Row]) -> Iterator[Fault]:
        compared = [row for row in rows if row.is_trained and not row.waits_for]
        labels = [full_label(row) for row in compared]
        if self.reference and self.reference not in [*labels, *(row.label for row in compared)]:
            text = f"{self.reference!r} is no trained row{guess(self.reference, labels)} There are "
            yield Fault("reference", text + ", ".join(map(repr, labels)))
        shown_names = [metric.name for metric in self.metrics]
        yield from twice("tested metric", [metric.name for metric in self.tested])
        for metric in self.tested:
            if metric.name not in shown_names:
                yield Fault("tested", f"{metric.name!r} is no column; there are {', '.join(shown_names)}")
        for name, value in self.deviation.items():
            if name not in shown_names:
                yield Fault("deviation", f"{name!r} is no column; there are {', '.join(shown_names)}")
            elif value <= 0:
                yield Fault(
                    f"deviation[{name!r}]", f"a deviation is above 0, in the metric's unit; got {value}"
                )
            elif value >= 1 and next(metric for metric in self.metrics if metric.name == name).is_fraction:
                yield Fault(
                    f"deviation[{name!r}]",
                    f"that of a fraction is below 1; got {value}; write 0.012 for 1.2 percentage points",
                )

    def _cost_faults(self) -> Iterator[Fault]:
        for name in self.costs:
            counted = counted_cost(name)
            if counted is not None:
                yield from (Fault("costs", fault.text) for fault in counted.faults_for(self.base))

    def arrangement_faults(self, asked: Arrangement) -> Iterator[Fault]:
        """Find that its rows cannot be arranged so."""
        if asked == "components" and not self.compositions:
            yield Fault(
                "arrangement",
                "'components' are those of a LeaveOneOut, a Cumulative or a Factorial, and there is none; take 'plain'",
            )
        if asked == "transposed" and any(not contrast.row for contrast in self.contrasts):
            yield Fault(
                "arrangement",
                "a table with main effects below its rows cannot be 'transposed'; take 'components' or 'plain'",
            )

    def _protocol_faults(self, rows: Sequence[Row]) -> Iterator[Fault]:
        rows_of: dict[str, list[str]] = {}
        for row in rows:
            if row.is_trained:
                rows_of.setdefault((row.view or self.view).protocol, []).append(repr(full_label(row)))
        if len(rows_of) > 1:
            found = "; ".join(f"{protocol}: {', '.join(labels)}" for protocol, labels in rows_of.items())
            yield Fault(
                "",
                "rows measured under different protocols cannot stand in one column; only the outputs of the "
                f"model that they read may differ, so give each protocol an Ablation of its own ({found})",
            )

    def _row_faults(self, row: Row) -> Iterator[str]:
        view = row.view or self.view
        yield from column_faults(view, self.metrics)
        yield from self._published_faults(row)
        if row.imported is not None:
            yield from self._imported_faults(row, row.imported)
        if not row.is_trained:
            if row.changes or row.ensemble or row.view is not None or row.repeats:
                yield "a row that is not trained has no changes, no ensemble and no view, and repeats none"
            return
        seeds = [changes[SEED] for changes in (row.changes, *row.ensemble) if SEED in changes]
        if seeds:
            yield (
                f"it sets seed to {seeds[0]!r}, but every row is trained with the study's seeds; "
                "set them there (seeds=…) or with --seeds"
            )
            return
        for dataset in self.datasets:
            yield from self._member_faults(row, dataset, view)

    def _published_faults(self, row: Row) -> Iterator[str]:
        labels = [dataset.label for dataset in self.datasets]
        metrics = {metric.name: metric for metric in self.metrics}
        for label, values in row.published.items():
            # A row of published.yaml may have more data sets and metrics than the table shows.
            if label not in labels and row.printed_in is None:
                yield f"published values for {label!r}; this table has the data sets {', '.join(labels)}"
                continue
            for name, value in values.items():
                if name not in metrics and row.printed_in is None:
                    yield f"published value for {name!r}, which is no metric of this table"
                elif name in metrics and metrics[name].is_fraction and not 0 <= value <= 1:
                    yield f"published {name} {value} is not a fraction; write 0.942 for 94.2 %"

    def _imported_faults(self, row: Row, imported: Imported) -> Iterator[str]:
        if row.is_trained:
            yield "a row that was imported is not trained here; write is_trained=False"
        metrics = {metric.name: metric for metric in self.metrics}
        yield from imported.faults_in([dataset.label for dataset in self.datasets], metrics)

    def _member_faults(self, row: Row, dataset: Dataset, view: EvaluationView) -> Iterator[str]:
        members: list[TrainingConfig] = []
        for number, changes in enumerate(row.ensemble or (EMPTY,), start=1):
            config, faults = try_changes(self.base, {**dataset.changes, **row.changes, **changes})
            if not faults:
                try:
                    config.check_view(view)
                except ValueError as error:
                    faults = [Fault("", str(error))]
                # Its id would be made of it, and every record of it has it in clear.
                faults += [Fault(path, why) for path, why in secrets_in(config.model_dump(mode="json"))]
            where = f"member {number}: " if row.ensemble else ""
            yield from (f"{where}{fault}" for fault in faults)
            members += [] if faults else [config]
        if len(set(members)) < len(members):
            yield "two members of the ensemble are the same training; give them different changes"

    def _are_one(self, row: Row, other: Row, dataset: Dataset) -> bool:
        """Say whether two rows come to the same training, or the same members, in the same view."""
        has_one_view = (row.view or self.view) == (other.view or self.view)
        return has_one_view and self._trained_as(row, dataset) == self._trained_as(other, dataset)

    def _trained_as(self, row: Row, dataset: Dataset) -> tuple[frozenset[TrainingConfig], tuple[str, ...]]:
        """Give what a row is trained from: two that keep different paths are tuned to different configs."""
        members = self.members(row, dataset)
        if self.tuned is None or row.ensemble:
            return frozenset(members), ()
        return frozenset(members), tuple(left_to_row(self.tuned, row, members[0]).space)

    def _repeat_faults(self) -> Iterator[Fault]:
        """Find rows that are the same and do not say so, and rows that say so and are not."""
        repeats: set[tuple[str, str]] = set()
        told: set[tuple[str, str]] = set()
        for dataset in self.datasets:
            alike: dict[Any, list[Row]] = {}
            for row in self.trained_rows:
                key = self._trained_as(row, dataset), row.view or self.view
                alike.setdefault(key, []).append(row)
            for rows in alike.values():
                repeats |= {
                    (full_label(row), full_label(other)) for row in rows for other in rows if row is not other
                }
                first, *unmarked = _without_mark(rows) or rows[:1]
                for row in unmarked:
                    pair = full_label(first), full_label(row)
                    if pair not in told:
                        told.add(pair)
                        yield Fault(
                            f"rows {pair[0]!r}, {pair[1]!r}",
                            f"they are the same training in the same view under {dataset.label!r}; leave one out, or "
                            f"say that it is meant: Row({row.label!r}, …, repeats={pair[0]!r})",
                        )
        known = [full_label(row) for row in self.printed_rows]
        for row in self.printed_rows:
            is_repeated = row.repeats in known if row.waits_for else (full_label(row), row.repeats) in repeats
            if row.repeats and not is_repeated:
                yield Fault(f"row {full_label(row)!r}", _why_no_repeat(row, known))


def _without_mark(rows: Sequence[Row]) -> list[Row]:
    """Give those of some equal rows that do not say which other of them they repeat."""
    labels = {full_label(row) for row in rows}
    return [row for row in rows if row.repeats not in labels - {full_label(row)}]


def _why_no_repeat(row: Row, known: Sequence[str]) -> str:
    if row.repeats == full_label(row):
        return f"it says that it repeats {row.repeats!r}, which is itself; name another row"
    if row.repeats in known:
        return (
            f"it says that it repeats {row.repeats!r}, but that is another training or another view on every data "
            "set; take repeats=… away"
        )
    there = f"There are {', '.join(map(repr, known))}"
    return f"it says that it repeats {row.repeats!r}, which is no row{guess(row.repeats, known)} {there}"
