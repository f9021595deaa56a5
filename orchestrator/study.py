"""What a file in `search_spaces/` declares: tables to fill and searches to make, checked when built.

A `Study` holds `Ablation`s (printed tables) and `Search`es. A row of an ablation is a difference from the
ablation's base config, dotted path -> value, or another view on a config that is trained anyway.
Every fault of a declaration is found when it is built, and all of them are told at once.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from tablewright.orchestrator.changes import Changes, apply_changes, try_changes, value_at
from tablewright.orchestrator.design import AsPrinted, Comparing, Contrast, Design, Row, full_label
from tablewright.orchestrator.ranges import FloatRange, Range, When, range_of
from tablewright.trainables.contract.method import SEED_LIMIT, CountsSize, Seed, TrainingConfig
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.recorded_view import fault_of_view
from tablewright.trainables.contract.size import SIZE_METRICS
from tablewright.trainables.contract.view import METHODS_VIEW, EvaluationView
from tablewright.trainables.value.declaration import Declaration
from tablewright.trainables.value.freezing import EMPTY, freeze
from tablewright.trainables.value.refusal import Fault, Refusal, guess, shown
from tablewright.trainables.value.secret import secrets_in
from tablewright.trainables.value.text import Label, Text, as_seen

SEED = "seed"
"""The field of a config that tables and searches set themselves."""

MAX_NAME_LENGTH = 100
"""Characters of a name, which becomes a file name and a part of longer ones."""

WINDOWS_NAMES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
)

"""No file may be named so on Windows, whatever its ending."""


class Profile(StrEnum):
    """Which scale a study is declared at; `Profile("demo")` gives the member itself."""

    DEMO = "demo"
    PAPER = "paper"

    @classmethod
    def _missing_(cls, value: object) -> Profile:
        profiles = [profile.value for profile in cls]
        hint = guess(value, profiles) if isinstance(value, str) else "."
        raise ValueError(f"a profile is one of {', '.join(map(repr, profiles))}; got {shown(value)}{hint}")

    @property
    def is_demo(self) -> bool:
        """Whether what is declared is for the demo data."""
        return self is Profile.DEMO


# -- names ---------------------------------------------------------------------------------------


def is_file_name(name: str) -> str | None:
    """Say what keeps a name from being that of a file on every system."""
    if re.fullmatch(r"[a-z][a-z0-9_]*", name) is None:
        return f"it becomes a file name: small letters, digits and underscores, a letter first; got {shown(name)}"
    if len(name) > MAX_NAME_LENGTH:
        return (
            f"it becomes a file name, of at most {MAX_NAME_LENGTH} characters; got {len(name)}, {shown(name)}"
        )
    if name in WINDOWS_NAMES:
        return f"{name!r} is reserved by Windows and could not be copied there; take another"
    return None


def is_not_ours(name: str) -> str | None:
    """Say that a table would stand in the place of what is written beside the tables."""
    taken = name in ("index", "figures")
    return f"{name!r} is the name of what is written beside the tables; take another" if taken else None


def is_not_reserved(name: str) -> str | None:
    """Say that a study could not be asked for by its name, or its tables would lie where others do."""
    if name == "all":
        return "'all' stands for every study on the command line; take another"
    if name == "init":
        return "'init' begins a project on the command line; take another"
    return (
        f"{name!r} is a profile, whose tables lie in a folder of that name; take another"
        if name in set(Profile)
        else None
    )


TableName = Annotated[str, is_file_name, is_not_ours]
StudyName = Annotated[str, is_file_name, is_not_reserved]


# -- tables --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Dataset(Declaration):
    """A data set as a column head of a table.

    Attributes:
        label: as it is printed, such as `Market-1501`.
        changes: what turns the ablation's base into a config for it.
    """

    label: Label
    changes: Changes = EMPTY

    def find_faults(self) -> Iterator[Fault]:
        """Find a seed, which is not the data set's to set."""
        if SEED in self.changes:
            yield Fault(
                "changes", f"it sets seed to {self.changes[SEED]!r}, but seeds are the study's (seeds=…)"
            )


def _own_view(base: TrainingConfig, view: EvaluationView, metrics: Sequence[Metric]) -> Mapping[str, Any]:
    own = base.default_view() if view == METHODS_VIEW else None
    return {} if own is None else {"view": own, "metrics": tuple(metrics) or own.metrics}


@dataclass(frozen=True)
class Ablation(Declaration):
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
            the highest value, and underlines the second, as some venues ask for.
        deviation: metric name -> standard deviation over seeds that is expected, to say what the table can find
            before any row has been trained.
        shows_difference: whether the differences stand in a column of their own in every format.
        tests_items: whether the compared rows are also tested over the queries or images they were measured on.
        priority: its rows are trained before those of a lower one; None is that of the study. Where several rows need
            one training, the highest counts.
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
    emphasis: Literal["evidence", "highest"] = "evidence"
    deviation: Mapping[str, float] = EMPTY
    shows_difference: bool = False
    tests_items: bool = False
    priority: int | None = None

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
            members = tuple(frozenset(self.members(row, dataset)) for dataset in self.datasets)
            alike.setdefault((members, row.view or self.view), []).append(row)
        found: dict[str, str] = {}
        for rows in alike.values():
            first = (_without_mark(rows) or rows)[0]
            found |= {full_label(row): full_label(first) for row in rows if row is not first}
        return found

    @property
    def tested_metrics(self) -> tuple[Metric, ...]:
        """The metrics whose comparisons are tested."""
        return tuple(self.tested or self.metrics[:1])

    def members(self, row: Row, dataset: Dataset, seed: int | None = None) -> tuple[TrainingConfig, ...]:
        """Give the configs behind one cell: one, or those of an ensemble."""
        of_seed = {} if seed is None else {SEED: seed}
        return tuple(
            apply_changes(self.base, {**dataset.changes, **row.changes, **changes, **of_seed})
            for changes in row.ensemble or (EMPTY,)
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
        return replace(self, datasets=datasets, rows=rows)

    def _cut_row(self, row: Row, datasets: Sequence[Dataset]) -> Row:
        """Give a row without what it says of data sets that are left out."""
        if row.printed_in is None:
            labels = {dataset.label for dataset in datasets}
            row = replace(
                row, published={label: row.published[label] for label in row.published if label in labels}
            )
        if row.repeats:
            (other,) = (other for other in self.printed_rows if full_label(other) == row.repeats)
            if not any(self._are_one(row, other, dataset) for dataset in datasets):
                row = replace(row, repeats="")
        return row

    # -- faults

    def follows(self) -> Mapping[str, Any]:
        """Take the method's own view, and all that it measures, where none are named."""
        return _own_view(self.base, self.view, self.metrics)

    def find_faults(self) -> Iterator[Fault]:
        """Find what is wrong between base, rows and columns."""
        if self.view == METHODS_VIEW:
            yield Fault(
                "view", f"{self.base.METHOD} has several ways to measure; name one: Ablation(…, view=…)"
            )
            return
        yield from _twice("data set label", [dataset.label for dataset in self.datasets])
        yield from _twice("metric", [metric.name for metric in self.metrics])
        yield from _twice("metric label", [metric.label for metric in self.metrics])
        yield from self._dataset_faults()
        yield from _absent("data set", self.datasets)
        yield from _absent("metric", self.metrics)
        try:
            rows = self.printed_rows
        except Refusal as refusal:
            yield from refusal.faults
            return
        yield from _twice("row label", map(full_label, rows))
        yield from _absent("trained row", [row for row in rows if row.is_trained])
        yield from self._protocol_faults(rows)
        yield from self._comparison_faults(rows)
        labels_of: dict[str, list[str]] = {}
        for row in rows:
            for text in dict.fromkeys(self._row_faults(row)):
                labels_of.setdefault(text, []).append(repr(full_label(row)))
        for text, labels in labels_of.items():
            yield Fault(f"row{'s' if len(labels) > 1 else ''} {', '.join(labels)}", text)
        if not labels_of:
            yield from self._repeat_faults()

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
        yield from _twice("tested metric", [metric.name for metric in self.tested])
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
        if fault := fault_of_view(view):
            yield fault
        measured = {metric.name for metric in view.metrics}
        for metric in self.metrics:
            if metric.name not in measured:
                yield f"the view gives no metric {metric.name!r}; it gives {', '.join(sorted(measured))}"
        yield from self._published_faults(row)
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
        return has_one_view and set(self.members(row, dataset)) == set(self.members(other, dataset))

    def _repeat_faults(self) -> Iterator[Fault]:
        """Find rows that are the same and do not say so, and rows that say so and are not."""
        repeats: set[tuple[str, str]] = set()
        told: set[tuple[str, str]] = set()
        for dataset in self.datasets:
            alike: dict[Any, list[Row]] = {}
            for row in self.trained_rows:
                key = frozenset(self.members(row, dataset)), row.view or self.view
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


def _without_own_seed(config: TrainingConfig) -> TrainingConfig:
    """Give a config as it is where its writer names no seed."""
    return config.model_copy(update={SEED: type(config).model_fields[SEED].default})


def _twice(what: str, labels: Iterable[str]) -> Iterator[Fault]:
    alike: dict[str, list[str]] = {}
    for label in labels:
        alike.setdefault(as_seen(label), []).append(label)
    for same in alike.values():
        if len(set(same)) > 1:
            yield Fault("", f"{what}s {', '.join(map(ascii, same))} look the same in print; name them apart")
        elif len(same) > 1:
            yield Fault("", f"{what} {same[0]!r} is given twice")


def _absent(what: str, given: Sequence[Any]) -> Iterator[Fault]:
    if not given:
        yield Fault("", f"a table needs at least one {what}")


# -- sizes ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SizeRow(Declaration):
    """A network to count, or another method's that is only printed.

    Attributes:
        label: as it is printed.
        config: whose network is counted; None for another method.
        published: name of a metric of size -> value, in the metric's unit.
        printed_in: table id and row label in `published.yaml`, of values that come from there.
    """

    label: Label
    config: TrainingConfig | None
    published: Mapping[str, float] = EMPTY
    printed_in: tuple[str, str] | None = None

    def find_faults(self) -> Iterator[Fault]:
        """Find a value of what is no size."""
        known = [metric.name for metric in SIZE_METRICS]
        for name in self.published:
            if name not in known:
                yield Fault("published", f"{name!r} is no metric of size; there are {', '.join(known)}")
        for name, value in self.published.items():
            if value < 0:
                yield Fault(f"published[{name!r}]", f"a size is 0 or above; got {value}")


@dataclass(frozen=True)
class SizeTable(Declaration):
    """A printed table of parameters and compute, counted from configs; it needs no training.

    Attributes:
        name: file name of the table.
        caption: what it shows, one sentence without the final stop.
        rows: in printing order.
        source: table of the paper that it reproduces.
    """

    name: TableName
    caption: Text
    rows: Sequence[SizeRow]
    source: Text = ""

    def find_faults(self) -> Iterator[Fault]:
        """Find rows that are none, or named alike."""
        yield from _twice("row label", [row.label for row in self.rows])
        yield from _absent("row", self.rows)
        for row in self.rows:
            if row.config is not None:
                found = secrets_in(row.config.model_dump(mode="json"))
                yield from (Fault(f"row {row.label!r}", f"{path}: {why}") for path, why in found)
            if row.config is not None and not isinstance(row.config.make_trainable(), CountsSize):
                yield Fault(
                    f"row {row.label!r}",
                    f"the method {row.config.METHOD} cannot count its network; give it a method size(config), or leave "
                    "the row out",
                )


# -- searches ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Objective(Declaration):
    """What a search makes better: one metric of one view on the `val` split."""

    metric: Metric
    view: EvaluationView

    def find_faults(self) -> Iterator[Fault]:
        """Refuse to look at `test`, and a metric that the view does not give."""
        if fault := fault_of_view(self.view):
            yield Fault("view", fault)
        if self.view.split != "val":
            yield Fault(
                "view",
                f"it uses split={self.view.split!r}; a search may only see 'val'. Give it split='val'.",
            )
        measured = [metric.name for metric in self.view.metrics]
        if self.metric.name not in measured:
            yield Fault(
                "metric", f"the view gives no metric {self.metric.name!r}; it gives {', '.join(measured)}"
            )


@dataclass(frozen=True)
class Search(Declaration):
    """Ranges on the paths of a config instead of rows, and the table of what was found.

    Attributes:
        name: letters, digits and underscores.
        caption: of the table that sets the found config beside the declared one on `test`.
        base: the config that the search varies; it is the first trial, and every trial has its seed. The table has
            the study's seeds.
        dataset: the data set it searches on.
        space: dotted path -> range, or `When` for a conditional range.
        objective: what is made better.
        num_trials: trainings to make; suggestions answered from the store do not count.
        view: how the table measures, on `test`.
        metrics: columns of the table.
        search_changes: apply while searching only, such as holding identities out of training.
        sampler: Optuna's sampler.
        pruner: stops hopeless trials early; None lets every trial end.
        sampler_seed: of the sampler.
        priority: its trials, and its table, are trained before what has a lower one, and after the rows of the same;
            None is that of the study.
    """

    name: TableName
    caption: Text
    base: TrainingConfig
    dataset: Dataset
    space: Mapping[str, Range | When]
    objective: Objective
    num_trials: Annotated[int, Field(ge=1)]
    view: EvaluationView = METHODS_VIEW
    metrics: Sequence[Metric] = ()
    search_changes: Changes = EMPTY
    sampler: Literal["tpe", "random", "gp"] = "tpe"
    pruner: Literal["median", "hyperband"] | None = None
    sampler_seed: Seed = 0
    priority: int | None = None

    def declared_params(self) -> dict[str, Any]:
        """Give the declared config's own values on the searched paths: the first trial."""
        declared = self.trial_config({})
        params: dict[str, Any] = {}
        for path, searched in self.space_in_order():
            if is_searched(searched, params):
                params[path] = value_at(declared, path)
        return params

    def space_in_order(self) -> list[tuple[str, Range | When]]:
        """Give the paths and ranges, each `When` after the path it depends on."""
        ordered: dict[str, Range | When] = {}
        while len(ordered) < len(self.space):
            ready = {
                path: declared
                for path, declared in self.space.items()
                if path not in ordered and (not isinstance(declared, When) or declared.path in ordered)
            }
            if not ready:
                raise ValueError(
                    f"{', '.join(path for path in self.space if path not in ordered)} depend on each other in a circle"
                )
            ordered |= ready
        return list(ordered.items())

    def trial_config(self, params: Changes) -> TrainingConfig:
        """Give the config of one trial of the search."""
        return apply_changes(self.base, {**self.dataset.changes, **self.search_changes, **params})

    def table(self, best: Changes | None, num_complete: int, waits_for: str) -> Ablation:
        """Give the table of the search.

        Args:
            best: parameters of the best trial; None while there is none.
            num_complete: trials that it is the best of.
            waits_for: why there is no best yet.
        """
        declared = Row("declared")
        if best is None:
            found = Row("best of the search", waits_for=waits_for)
        else:
            config, changed = (
                apply_changes(self.base, {**self.dataset.changes, **more}) for more in (EMPTY, best)
            )
            repeats = declared.label if config == changed else ""
            found = Row(f"best of {num_complete} trials", best, repeats=repeats)
        return Ablation(
            self.name,
            self.caption,
            _without_own_seed(self.base),  # which is that of the trials
            [self.dataset],
            [declared, found],
            self.view,
            self.metrics,
            stub_head="config",
            priority=self.priority,
        )

    # -- faults

    def follows(self) -> Mapping[str, Any]:
        """Take the method's own view, and all that it measures, where none are named."""
        return _own_view(self.base, self.view, self.metrics)

    def find_faults(self) -> Iterator[Fault]:
        """Find every fault, and build the config at both ends of each range."""
        faults = [*self._seed_faults(), *self._overlap_faults(), *self._condition_faults()]
        if not self.space:
            faults.append(Fault("space", "it is empty; name at least one path and its range"))
        if not faults:
            faults += self._value_faults()
        if not faults:
            faults += self._declared_faults()
        try:
            self.table(None, 0, "it has not begun")
        except Refusal as refusal:
            faults += [Fault("its table", str(fault)) for fault in refusal.faults]
        yield from faults

    def _seed_faults(self) -> Iterator[Fault]:
        for name, paths in (("space", self.space), ("search_changes", self.search_changes)):
            for path in paths:
                if path.rpartition(".")[2] == SEED:
                    yield Fault(
                        name,
                        f"{path} would make luck a part of what is found; take it out, every trial has the base's seed",
                    )

    def _overlap_faults(self) -> Iterator[Fault]:
        for path in self.search_changes:
            if path in self.space:
                text = (
                    f"it sets {path}, which is searched, and would be overwritten; name it in one of the two"
                )
                yield Fault("search_changes", text)
        if self.view.split != "test":
            yield Fault(
                "view",
                f"it uses split={self.view.split!r}, on which the best was chosen; the table measures on 'test'",
            )

    def _condition_faults(self) -> Iterator[Fault]:
        """Find conditions that never hold."""
        for path, declared in self.space.items():
            if not isinstance(declared, When):
                continue
            if declared.path not in self.space:
                hint = guess(declared.path, self.space)
                yield Fault("space", f"{path} depends on {declared.path}, which is not in the space{hint}")
                continue
            met = range_of(self.space[declared.path])
            for value in declared.values:
                if not met.can_be_met(value):
                    why = (
                        "a real number is never met again"
                        if isinstance(met, FloatRange)
                        else f"{met} has no such value"
                    )
                    yield Fault(
                        "space",
                        f"{path} is searched when {declared.path} is {value!r}, which never is: {why}",
                    )
        try:
            self.space_in_order()
        except ValueError as error:
            yield from [Fault("space", str(error))] if self._has_known_conditions() else []

    def _has_known_conditions(self) -> bool:
        return all(
            declared.path in self.space for declared in self.space.values() if isinstance(declared, When)
        )

    def _value_faults(self) -> Iterator[Fault]:
        """Find ranges whose values the config, or its views, refuse; what is said of several is told once."""
        for path, declared in self.space.items():
            told: dict[str, Fault] = {}
            for condition in self._conditions(declared):
                for value in range_of(declared).samples():
                    for fault in self._trial_faults({**condition, path: value}):
                        text = fault.text if fault.path == path else str(fault)
                        if isinstance(range_of(declared), FloatRange) and self._is_whole_at(path):
                            text += "; a FloatRange gives real numbers, an IntRange whole ones"
                        told.setdefault(text.partition("; got")[0], Fault(f"{path} = {shown(value)}", text))
            yield from told.values()

    def _is_whole_at(self, path: str) -> bool:
        """Say whether the declared config has a whole number at a path, which may be misspelt."""
        value: Any = self.base
        for name in path.split("."):
            value = getattr(value, name, None)
        return type(value) is int

    def _conditions(self, declared: Range | When) -> Iterator[dict[str, Any]]:
        """Give what must be set for a range to be searched, once for each value of its own condition."""
        if not isinstance(declared, When):
            yield {}
            return
        outer = next(self._conditions(self.space[declared.path]))
        for value in declared.values:
            yield {**outer, declared.path: value}

    def _trial_faults(self, params: Changes) -> list[Fault]:
        config, faults = try_changes(self.base, {**self.dataset.changes, **self.search_changes, **params})
        if faults:
            return faults
        try:
            for view in (self.objective.view, self.view):
                config.check_view(view)
        except ValueError as error:
            return [Fault("", str(error))]
        return [Fault(path, why) for path, why in secrets_in(config.model_dump(mode="json"))]

    def _declared_faults(self) -> Iterator[Fault]:
        for path, value in self.declared_params().items():
            searched = range_of(self.space[path])
            if not searched.contains(value):
                yield Fault(path, f"the declared {value!r} is the first trial, and lies outside {searched}")


def is_searched(declared: Range | When, params: Changes) -> bool:
    """Say whether a range is searched, given the values of what it may depend on."""
    if not isinstance(declared, When):
        return True
    return declared.path in params and params[declared.path] in declared.values


# -- studies -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class UntilDecided(Declaration):
    """Seeds that are added to rows as long as what they are compared by is open.

    Attributes:
        first: seeds that every row gets; with fewer than three nothing can be compared.
        most: seeds that a row gets at most.
        begin: the first seed; the others follow it.
    """

    first: Annotated[int, Field(ge=3)] = 3
    most: Annotated[int, Field(ge=3, le=1000)] = 10
    begin: Seed = 0

    def find_faults(self) -> Iterator[Fault]:
        """Find that nothing could be added."""
        if self.most <= self.first:
            yield Fault(
                "most", f"it is above first, or no seed is ever added; got {self.first} and {self.most}"
            )
        if self.begin + self.most > SEED_LIMIT:
            yield Fault(
                "begin", f"seeds are below {SEED_LIMIT}; got {self.begin} and {self.most} seeds from it on"
            )

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """Every seed that a row may get."""
        return tuple(range(self.begin, self.begin + self.most))


@dataclass(frozen=True)
class Study(Declaration):
    """What one file in `search_spaces/` declares.

    Attributes:
        name: that of its file.
        title: one line for lists and captions.
        source: the paper.
        seeds: every cell is the mean over them; or how many there are follows from the results.
        ablations: tables to fill.
        searches: searches to make, each with its table.
        sizes: tables of sizes, which are counted.
        is_on_request: left out of `all`, such as for data that must be made first.
        left_out: names of tables that have no column of the data sets that were asked for.
        profile: that it was declared for; None where it has no profiles. Set by who loads it.
        priority: of its tables and searches that have none of their own, among what else a sweep runs.
    """

    name: StudyName
    title: Text
    source: Text
    seeds: Sequence[Seed] | UntilDecided
    ablations: Sequence[Ablation] = ()
    searches: Sequence[Search] = ()
    sizes: Sequence[SizeTable] = ()
    is_on_request: bool = False
    left_out: Sequence[str] = ()
    profile: Profile | None = None
    priority: int = 0

    def find_faults(self) -> Iterator[Fault]:
        """Find every fault."""
        yield from _twice(
            "table name", [part.name for part in (*self.ablations, *self.searches, *self.sizes)]
        )
        yield from _twice("seed", map(str, self.all_seeds))
        for ablation in self.ablations:
            if self._replaces_seed_of(ablation):
                yield Fault(
                    f"ablation {ablation.name!r}",
                    f"its base sets seed to {ablation.base.seed}, but every row is trained with the study's seeds, "
                    "which have no such one; leave it out of the base, or name it in seeds=…",
                )
        if not self.all_seeds:
            yield Fault("seeds", "a study needs at least one seed")
        if not self.table_names:
            yield Fault("", "a study needs a table")

    def _replaces_seed_of(self, ablation: Ablation) -> bool:
        """Say whether a base names a seed that no row would have."""
        return ablation.base.seed not in self.all_seeds and ablation.base != _without_own_seed(ablation.base)

    def with_seeds(self, seeds: Sequence[int]) -> Study:
        """Give the same study over other seeds, that of a base among those that are replaced."""
        ablations = [
            ablation
            if ablation.base.seed in seeds or ablation.base == _without_own_seed(ablation.base)
            else replace(ablation, base=_without_own_seed(ablation.base))
            for ablation in self.ablations
        ]
        return replace(self, seeds=tuple(seeds), ablations=ablations)

    def priority_of(self, part: Ablation | Search, row: Row | None = None) -> int:
        """Say which comes first: a row's own priority counts, or else that of its table, or else the study's."""
        own = (None if row is None else row.priority, part.priority, self.priority)
        return next(priority for priority in own if priority is not None)

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """The seeds that a row may get, in the order in which it gets them."""
        return self.seeds.all_seeds if isinstance(self.seeds, UntilDecided) else tuple(self.seeds)

    @property
    def num_first_seeds(self) -> int:
        """Count the seeds that every row gets."""
        return self.seeds.first if isinstance(self.seeds, UntilDecided) else len(self.seeds)

    @property
    def table_names(self) -> tuple[str, ...]:
        """Every table it declares, those of searches and of sizes among them."""
        return tuple(part.name for part in (*self.ablations, *self.searches, *self.sizes))

    def with_tables(self, names: Collection[str]) -> Study:
        """Give the same study with some of its tables only.

        Raises:
            ValueError: one is no table of it, or none that is trained is left.
        """
        known = self.table_names
        if unknown := [name for name in names if name not in known]:
            raise ValueError(
                f"{self.name} has no table {', '.join(map(repr, unknown))}{guess(unknown[0], known)} It has "
                f"{', '.join(known)}; write {self.name}/TABLE"
            )
        return replace(
            self,
            ablations=[ablation for ablation in self.ablations if ablation.name in names],
            searches=[search for search in self.searches if search.name in names],
            sizes=[table for table in self.sizes if table.name in names],
            left_out=[*self.left_out, *(name for name in known if name not in names)],
        )

    @property
    def dataset_labels(self) -> tuple[str, ...]:
        """The data sets that head its tables' columns, each once."""
        tables = [dataset.label for ablation in self.ablations for dataset in ablation.datasets]
        return tuple(dict.fromkeys([*tables, *(search.dataset.label for search in self.searches)]))

    def with_datasets(self, labels: Collection[str]) -> Study | None:
        """Give the same study with the columns of some data sets only; None where no table is left."""
        kept = [table for ablation in self.ablations if (table := ablation.with_datasets(labels)) is not None]
        searches = [search for search in self.searches if search.dataset.label in labels]
        if not kept and not searches:
            return None
        left = {table.name for table in (*kept, *searches)}
        lost = [table.name for table in (*self.ablations, *self.searches) if table.name not in left]
        return replace(self, ablations=kept, searches=searches, left_out=[*self.left_out, *lost])
