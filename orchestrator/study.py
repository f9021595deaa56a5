"""What a file in `search_spaces/` declares: tables to fill and searches to make, checked when built.

A `Study` holds `Ablation`s (printed tables) and `Search`es. A row of an ablation is a difference from the
ablation's base config, dotted path -> value, or another view on a config that is trained anyway.
Every fault of a declaration is found when it is built, and all of them are told at once.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
import itertools
import pkgutil
import re
import traceback
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, cast

from pydantic import BaseModel, ValidationError

from orchestrator.published import Printed, Query, other_methods, printed
from trainables.contract import AnyView, Metric, TrainingConfig

Changes = Mapping[str, Any]
"""Dotted path into a config -> new value; several are applied together, then validated."""

ConfigT = TypeVar("ConfigT", bound=BaseModel)


class Profile(StrEnum):
    """Which scale a study is declared at."""

    DEMO = "demo"
    PAPER = "paper"


# -- changes -------------------------------------------------------------------------------------


def apply_changes(config: ConfigT, changes: Changes) -> ConfigT:
    """Give a config that differs in the named fields, validated as a whole.

    Raises:
        ValueError: a path names no field (the nearest is suggested), leads through a component that
            is off, or the changed config is refused; all faults at once.
    """
    faults: list[str] = []
    changed = _apply(config, changes, prefix="", faults=faults)
    if faults:
        raise ValueError("; ".join(faults))
    return changed


def _apply(config: ConfigT, changes: Changes, *, prefix: str, faults: list[str]) -> ConfigT:
    nested: dict[str, dict[str, Any]] = {}
    values: dict[str, Any] = {}
    fields = type(config).model_fields
    for path, value in changes.items():
        head, _, rest = path.partition(".")
        if head not in fields:
            nearest = difflib.get_close_matches(head, fields, n=1)
            hint = f"; did you mean {prefix}{nearest[0]}?" if nearest else "."
            faults.append(
                f"{prefix}{path} names no field of {type(config).__name__}{hint} Fields: {', '.join(fields)}"
            )
        elif rest:
            nested.setdefault(head, {})[rest] = value
        elif isinstance(value, Mapping) and isinstance(getattr(config, head), BaseModel):
            names = ", ".join(f"{prefix}{head}.{name}" for name in cast(Mapping[str, Any], value))
            faults.append(
                f"{prefix}{head} is given as a dictionary, which would put every field that it does not name "
                f"back to its default; write dotted paths ({names}) or a whole {type(getattr(config, head)).__name__}"
            )
        else:
            values[head] = value
    for head, inner in nested.items():
        child = getattr(config, head)
        if head in values:
            faults.append(f"{prefix}{head} is set as a whole and in part; set it once")
        elif child is None:
            faults.append(
                f"{prefix}{head} is off (None) in the base, so {', '.join(inner)} cannot be set in it"
            )
        elif not isinstance(child, BaseModel):
            faults.append(f"{prefix}{head} is a plain value and has no field {', '.join(inner)}")
        else:
            values[head] = _apply(child, inner, prefix=f"{prefix}{head}.", faults=faults)
    if faults:
        return config
    try:
        return type(config).model_validate({name: getattr(config, name) for name in fields} | values)
    except ValidationError as error:
        for fault in error.errors():
            where = ".".join([prefix.rstrip("."), *map(str, fault["loc"])]).strip(".")
            message = fault["msg"].removeprefix("Value error, ")
            got = f"; got {fault['input']!r}" if fault["loc"] else ""
            faults.append(f"{where or type(config).__name__}: {message}{got}")
        return config


def value_at(config: BaseModel, path: str) -> Any:
    """Read the value at a dotted path; None where the path leads through a component that is off."""
    value: Any = config
    for name in path.split("."):
        if value is None:
            return None
        value = getattr(value, name)
    return value


# -- tables --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Dataset:
    """A data set as a column head of a table.

    Attributes:
        label: as it is printed, such as `Market-1501`.
        changes: what turns the ablation's base into a config for it.
    """

    label: str
    changes: Changes = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Row:
    """One printed row: a difference from the base, or another view of the same training, or both.

    Attributes:
        label: what stands in the stub of the table; unique within its group.
        changes: difference from the ablation's base.
        view: measured instead of the ablation's view.
        group: rows of one group are printed together under this head.
        ensemble: members, each a difference from the row's config; the row is not a training of its own but
            what they say together, measured in one view. Empty for a row of one training.
        published: printed values as fractions, data set label -> metric name -> value.
        source: where the published values stand, such as `Table VI, row 2`.
        printed_in: table id and row label in `published.yaml`, of values that come from there.
        is_trained: false for a row that is only printed, such as another method's.
        waits_for: what must be known before its config is; such a row is printed as a hole.
    """

    label: str
    changes: Changes = field(default_factory=dict[str, Any])
    view: AnyView | None = None
    group: str = ""
    ensemble: Sequence[Changes] = ()
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, Mapping[str, float]])
    source: str = ""
    printed_in: tuple[str, str] | None = None
    is_trained: bool = True
    waits_for: str = ""

    def rows(self) -> Iterator[Row]:
        """A row is the simplest design: itself."""
        yield self

    def as_printed(self, printed: Printed) -> Row:
        """Give the same row with what a paper printed for it; data sets that a table has not are left out."""
        _, label = printed.row_id
        source = printed.source if label == self.label else f"{printed.source}, row “{label}”"
        source += f", as quoted in {printed.quoted_in}" if printed.quoted_in else ""
        return replace(self, published=printed.values, source=source, printed_in=printed.row_id)


def other_method_rows(table_id: str, *, query: Query = "single") -> list[Row]:
    """Give the rows of the methods that a printed table compares with: printed, and never trained."""
    return [
        Row(label, is_trained=False).as_printed(printed(table_id, label, query=query))
        for label in other_methods(table_id)
    ]


class Design(Protocol):
    """Anything that makes rows."""

    def rows(self) -> Iterator[Row]:
        """Give the rows in printing order."""
        ...


def rows_as_printed(designs: Sequence[Design], table_id: str, labels: Mapping[str, str]) -> list[Row]:
    """Spell out rows and designs, with what a printed table holds for some of the rows.

    Args:
        designs: rows are designs too.
        table_id: of the printed table.
        labels: a row's label, its group in front -> the printed row's label.

    Raises:
        ValueError: a label names none of the rows, or none of the printed ones.
    """
    rows = [row for design in designs for row in design.rows()]
    absent = set(labels) - {full_label(row) for row in rows}
    if absent:
        raise ValueError(
            f"{table_id}: there is no row {', '.join(map(repr, sorted(absent)))}; "
            f"there are {', '.join(full_label(row) for row in rows)}"
        )
    return [
        row.as_printed(printed(table_id, labels[full_label(row)])) if full_label(row) in labels else row
        for row in rows
    ]


@dataclass(frozen=True)
class Sweep:
    """A row for each value of one factor.

    Attributes:
        path: dotted path of the factor.
        values: in printing order.
        label: format of the row's label; `{value}` is filled in.
    """

    path: str
    values: Sequence[Any]
    label: str = "{value}"

    def rows(self) -> Iterator[Row]:
        """One row a value."""
        for value in self.values:
            yield Row(self.label.format(value=value), {self.path: value})


@dataclass(frozen=True)
class LeaveOneOut:
    """The full method, then the method without each of its components.

    Attributes:
        without: component's printed name -> changes that remove it.
        full_label: label of the unchanged row.
    """

    without: Mapping[str, Changes]
    full_label: str = "full"

    def rows(self) -> Iterator[Row]:
        """The full row first."""
        yield Row(self.full_label)
        for name, changes in self.without.items():
            yield Row(f"w/o {name}", changes)


@dataclass(frozen=True)
class Cumulative:
    """Components added one after the other, each row on top of the one before.

    Attributes:
        start: changes that remove every component.
        start_label: label of that first row.
        steps: component's printed name -> changes that add it.
    """

    start: Changes
    start_label: str
    steps: Mapping[str, Changes]

    def rows(self) -> Iterator[Row]:
        """The start, then one row a step."""
        changes = dict(self.start)
        yield Row(self.start_label, dict(changes))
        for name, added in self.steps.items():
            changes |= added
            yield Row(f"+ {name}", dict(changes))


@dataclass(frozen=True)
class Factorial:
    """Every combination of the levels of several factors.

    Attributes:
        factors: factor's printed name -> level's printed name -> changes.
        views: printed name -> view, read from each combination; empty for the ablation's own.
    """

    factors: Mapping[str, Mapping[str, Changes]]
    views: Mapping[str, AnyView] = field(default_factory=dict[str, AnyView])

    def rows(self) -> Iterator[Row]:
        """Combinations with the last factor changing fastest; one row group each where there are views."""
        for levels in itertools.product(*(levels.items() for levels in self.factors.values())):
            named = zip(self.factors, levels, strict=True)
            label = ", ".join(f"{factor} {level}" for factor, (level, _) in named)
            changes = {path: value for _, changes in levels for path, value in changes.items()}
            if not self.views:
                yield Row(label, changes)
            for view_label, view in self.views.items():
                yield Row(view_label, changes, view=view, group=label)


@dataclass(frozen=True)
class Ablation:
    """One printed table: rows of configs, columns of data sets and metrics.

    Attributes:
        name: file name of the table; letters, digits and underscores.
        caption: what the table shows, one sentence without the final stop.
        base: the config that rows differ from.
        datasets: column groups.
        rows: rows and designs, in printing order.
        view: how each row is measured unless it says otherwise.
        metrics: columns within each data set.
        stub_head: head of the column of row labels.
        source: table or figure of the paper that it reproduces.
    """

    name: str
    caption: str
    base: TrainingConfig
    datasets: Sequence[Dataset]
    rows: Sequence[Design]
    view: AnyView
    metrics: Sequence[Metric]
    stub_head: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        """Find every fault."""
        rows = self.printed_rows
        faults = [*_name_faults(self.name), *_duplicates("row label", [full_label(row) for row in rows])]
        faults += _duplicates("data set label", [dataset.label for dataset in self.datasets])
        faults += [] if any(row.is_trained for row in rows) else ["a table needs at least one trained row"]
        faults += [] if self.datasets else ["a table needs at least one data set"]
        faults += [] if self.metrics else ["a table needs at least one metric"]
        faults += self._protocol_faults(rows)
        for row in rows:
            faults += [f"row {full_label(row)!r}: {fault}" for fault in self._row_faults(row)]
        _raise_all(f"Ablation {self.name!r}", faults)

    def _protocol_faults(self, rows: Sequence[Row]) -> Iterator[str]:
        rows_of: dict[str, list[str]] = {}
        for row in rows:
            if row.is_trained:
                rows_of.setdefault((row.view or self.view).protocol, []).append(repr(full_label(row)))
        if len(rows_of) > 1:
            found = "; ".join(f"{protocol}: {', '.join(labels)}" for protocol, labels in rows_of.items())
            yield (
                "rows measured under different protocols cannot stand in one column; only the embeddings may "
                f"differ, so give each protocol an Ablation of its own ({found})"
            )

    def with_datasets(self, labels: Collection[str]) -> Ablation | None:
        """Give the same table with the columns of some data sets only; None where none is left."""
        datasets = [dataset for dataset in self.datasets if dataset.label in labels]
        rows = [
            row
            if row.printed_in is not None
            else replace(
                row, published={label: row.published[label] for label in row.published if label in labels}
            )
            for row in self.printed_rows
        ]
        return replace(self, datasets=datasets, rows=rows) if datasets else None

    @property
    def printed_rows(self) -> tuple[Row, ...]:
        """The rows with every design spelt out, in printing order."""
        return tuple(row for design in self.rows for row in design.rows())

    @property
    def trained_rows(self) -> tuple[Row, ...]:
        """The printed rows that are trained, without those that wait."""
        return tuple(row for row in self.printed_rows if row.is_trained and not row.waits_for)

    def _row_faults(self, row: Row) -> Iterator[str]:
        view = row.view or self.view
        measured = {metric.name for metric in view.metrics}
        for metric in self.metrics:
            if metric.name not in measured:
                yield f"the view gives no metric {metric.name!r}; it gives {', '.join(sorted(measured))}"
        labels = [dataset.label for dataset in self.datasets]
        for label, values in row.published.items():
            if row.printed_in is not None:
                continue  # a printed row may have more data sets and metrics than the table shows
            if label not in labels:
                yield f"published values for {label!r}; this table has the data sets {', '.join(labels)}"
            for name, value in values.items():
                if name not in {metric.name for metric in self.metrics}:
                    yield f"published value for {name!r}, which is no metric of this table"
                elif not 0 <= value <= 1:
                    yield f"published {name} {value} is not a fraction; write 0.942 for 94.2 %"
        if not row.is_trained:
            if row.changes or row.ensemble or row.view is not None:
                yield "a row that is not trained has no changes, no ensemble and no view"
            return
        for changes in (row.changes, *row.ensemble):
            if "seed" in changes:
                yield (
                    f"it sets seed to {changes['seed']!r}, but every row is trained with the study's seeds; "
                    "set them there (seeds=…) or with --seeds"
                )
                return
        for dataset in self.datasets:
            try:
                members = self.members(row, dataset)
                for config in members:
                    config.check_view(view)
                if len(set(members)) < len(members):
                    yield "two members of the ensemble are the same training; give them different changes"
            except ValueError as error:
                yield str(error)
                return  # the same fault would come once a data set

    def members(self, row: Row, dataset: Dataset, seed: int | None = None) -> tuple[TrainingConfig, ...]:
        """Give the configs behind one cell: one, or those of an ensemble."""
        of_seed = {} if seed is None else {"seed": seed}
        return tuple(
            apply_changes(self.base, {**dataset.changes, **row.changes, **changes, **of_seed})
            for changes in row.ensemble or ({},)
        )


# -- sizes ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SizeRow:
    """A network to count, or another method's that is only printed.

    Attributes:
        label: as it is printed.
        config: whose network is counted; None for another method.
        published: name of a metric of size -> value, in the metric's unit.
        printed_in: table id and row label in `published.yaml`, of values that come from there.
    """

    label: str
    config: TrainingConfig | None
    published: Mapping[str, float] = field(default_factory=dict[str, float])
    printed_in: tuple[str, str] | None = None


@dataclass(frozen=True)
class SizeTable:
    """A printed table of parameters and compute, counted from configs; it needs no training.

    Attributes:
        name: file name of the table.
        caption: what it shows, one sentence without the final stop.
        rows: in printing order.
        source: table of the paper that it reproduces.
    """

    name: str
    caption: str
    rows: Sequence[SizeRow]
    source: str = ""

    def __post_init__(self) -> None:
        """Find every fault."""
        faults = [*_name_faults(self.name), *_duplicates("row label", [row.label for row in self.rows])]
        faults += [] if self.rows else ["a table needs at least one row"]
        _raise_all(f"SizeTable {self.name!r}", faults)


# -- searches ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FloatRange:
    """Real numbers in [low, high]; `log` searches their logarithm."""

    low: float
    high: float
    log: bool = False

    def contains(self, value: Any) -> bool:
        """Say whether a value can be suggested."""
        return self.low <= value <= self.high

    def samples(self) -> tuple[Any, ...]:
        """Values that a declaration is tried with."""
        return (self.low, self.high)


@dataclass(frozen=True)
class IntRange:
    """Whole numbers low, low + step, … up to high."""

    low: int
    high: int
    step: int = 1

    def contains(self, value: Any) -> bool:
        """Say whether a value can be suggested."""
        return self.low <= value <= self.high and (value - self.low) % self.step == 0

    def samples(self) -> tuple[Any, ...]:
        """Values that a declaration is tried with."""
        return (self.low, self.high)


@dataclass(frozen=True)
class Choice:
    """One of several values without an order."""

    values: tuple[str | int | float | bool | None, ...]

    def contains(self, value: Any) -> bool:
        """Say whether a value can be suggested."""
        return value in self.values

    def samples(self) -> tuple[Any, ...]:
        """Values that a declaration is tried with."""
        return self.values


Range = FloatRange | IntRange | Choice


@dataclass(frozen=True)
class When:
    """A range that is searched only where another parameter has one of certain values."""

    path: str
    values: tuple[Any, ...]
    range: Range


@dataclass(frozen=True)
class Objective:
    """What a search makes better: one metric of one view on the `val` split."""

    metric: Metric
    view: AnyView

    def __post_init__(self) -> None:
        """Refuse to look at `test`."""
        if self.view.split != "val":
            raise ValueError(
                f"Objective: the view uses split={self.view.split!r}; a search may only see 'val'. "
                "Give it split='val'."
            )


@dataclass(frozen=True)
class Search:
    """Ranges on the paths of a config instead of rows, and the table of what was found.

    Attributes:
        name: letters, digits and underscores.
        caption: of the table that sets the found config beside the declared one on `test`.
        base: the config that the search varies; it is the first trial.
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
    """

    name: str
    caption: str
    base: TrainingConfig
    dataset: Dataset
    space: Mapping[str, Range | When]
    objective: Objective
    num_trials: int
    view: AnyView
    metrics: Sequence[Metric]
    search_changes: Changes = field(default_factory=dict[str, Any])
    sampler: Literal["tpe", "random", "gp"] = "tpe"
    pruner: Literal["median", "hyperband"] | None = None
    sampler_seed: int = 0

    def __post_init__(self) -> None:
        """Find every fault, and build the config at both ends of each range."""
        faults = _name_faults(self.name)
        if self.num_trials < 1:
            faults.append(f"num_trials is {self.num_trials}; a search needs at least one trial")
        if not self.space:
            faults.append("the space is empty; name at least one path and its range")
        if not self.metrics:
            faults.append("its table needs at least one metric")
        for path, declared in self.space.items():
            faults += self._range_faults(path, declared)
        if not faults:
            try:
                self.space_in_order()
            except ValueError as error:
                faults.append(str(error))
            faults += self._declared_faults()
        _raise_all(f"Search {self.name!r}", faults)

    def declared_params(self) -> dict[str, Any]:
        """Give the declared config's own values on the searched paths: the first trial."""
        declared = self.trial_config({})
        values = {path: value_at(declared, path) for path in self.space}
        return {
            path: value
            for path, value in values.items()
            if not isinstance(when := self.space[path], When) or values.get(when.path) in when.values
        }

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
                raise ValueError(f"{', '.join(self.space.keys() - ordered)} depend on each other in a circle")
            ordered |= ready
        return list(ordered.items())

    def _declared_faults(self) -> Iterator[str]:
        for path, value in self.declared_params().items():
            declared = self.space[path]
            searched = declared.range if isinstance(declared, When) else declared
            if not searched.contains(value):
                yield f"{path}: the declared {value!r} is the first trial, and lies outside {searched}"

    def _range_faults(self, path: str, declared: Range | When) -> Iterator[str]:
        extra: dict[str, Any] = {}
        if isinstance(declared, When):
            if declared.path not in self.space:
                yield f"{path} depends on {declared.path}, which is not in the space"
                return
            extra = {declared.path: declared.values[0]}
            declared = declared.range
        if not isinstance(declared, Choice) and declared.low > declared.high:
            yield f"{path}: low {declared.low} is above high {declared.high}"
            return
        for value in declared.samples():
            try:
                config = self.trial_config({**extra, path: value})
                config.check_view(self.objective.view)
            except ValueError as error:
                yield f"{path} = {value!r}: {error}"

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
        rows = [Row("declared")]
        if best is None:
            rows.append(Row("best of the search", waits_for=waits_for))
        else:
            rows.append(Row(f"best of {num_complete} trials", best))
        return Ablation(
            self.name,
            self.caption,
            self.base,
            [self.dataset],
            rows,
            self.view,
            self.metrics,
            stub_head="config",
        )


@dataclass(frozen=True)
class Study:
    """What one file in `search_spaces/` declares.

    Attributes:
        name: that of its file.
        title: one line for lists and captions.
        source: the paper.
        seeds: every cell is the mean over them.
        ablations: tables to fill.
        searches: searches to make, each with its table.
        sizes: tables of sizes, which are counted.
        is_on_request: left out of `all`, such as for data that must be made first.
        left_out: names of tables that have no column of the data sets that were asked for.
    """

    name: str
    title: str
    source: str
    seeds: Sequence[int]
    ablations: Sequence[Ablation] = ()
    searches: Sequence[Search] = ()
    sizes: Sequence[SizeTable] = ()
    is_on_request: bool = False
    left_out: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Find every fault."""
        faults = _name_faults(self.name)
        faults += _duplicates(
            "table name", [part.name for part in (*self.ablations, *self.searches, *self.sizes)]
        )
        faults += _duplicates("seed", [str(seed) for seed in self.seeds])
        faults += [] if self.seeds else ["a study needs at least one seed"]
        faults += [] if self.ablations or self.searches or self.sizes else ["a study needs a table"]
        _raise_all(f"Study {self.name!r}", faults)

    def with_seeds(self, seeds: Sequence[int]) -> Study:
        """Give the same study over other seeds."""
        return replace(self, seeds=tuple(seeds))

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
                f"{self.name} has no table {', '.join(map(repr, unknown))}; it has {', '.join(known)}. "
                f"Write {self.name}/TABLE"
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


# -- finding studies -----------------------------------------------------------------------------


def study_names(package: str = "search_spaces") -> list[str]:
    """List the studies: the files of the package."""
    folder = importlib.import_module(package)
    return sorted(module.name for module in pkgutil.iter_modules(folder.__path__))


def study_titles(package: str = "search_spaces") -> list[tuple[str, str]]:
    """List the studies with the first lines of their files' docstrings."""
    return [(name, _title_of(f"{package}.{name}")) for name in study_names(package)]


def _title_of(module: str) -> str:
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    try:
        text = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
    except SyntaxError as error:
        return f"(cannot be read: line {error.lineno}: {error.msg})"
    return text.partition("\n")[0]


def load_study(name: str, profile: Profile, package: str = "search_spaces") -> Study:
    """Build the study that a file declares with its function `make_study(profile)`.

    Raises:
        ValueError: there is no such file (the nearest is suggested), it has a slip (file and line are
            named), or the declaration is refused.
    """
    names = study_names(package)
    if name not in names:
        raise ValueError(
            f"There is no study {name!r}. {_hint(name, names)}Studies: {', '.join(names) or 'none'}."
        )
    file = f"{package}/{name}.py"
    try:
        module = importlib.import_module(f"{package}.{name}")
        study = module.make_study(profile) if hasattr(module, "make_study") else None
    except Exception as error:  # whatever a slip in a person's file raises
        raise ValueError(f"{_place_of(error, package) or file}: {_text_of(error)}") from error
    if not hasattr(module, "make_study"):
        raise ValueError(f"{file} declares no study; define make_study(profile) -> Study in it.")
    if not isinstance(study, Study):
        raise ValueError(f"{file}: make_study must return a Study; it returned {type(study).__name__}")
    if study.name != name:
        raise ValueError(f"{file}: the study is named {study.name!r}; name it {name!r}, as its file")
    return study


def _hint(name: str, names: Sequence[str]) -> str:
    if name == "all":
        return "'all' means every study and stands alone. "
    if name.isdigit():
        return "Seeds are given with commas: --seeds 1,2. "
    begun = [known for known in names if known.startswith(name)]
    nearest = begun or difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    return f"Did you mean {' or '.join(map(repr, nearest))}? " if nearest else ""


def _place_of(error: Exception, package: str) -> str:
    """Name the line of a study's file that an exception comes from; empty where it is in none."""
    if isinstance(error, SyntaxError):
        return f"{package}/{Path(error.filename or '').name}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).parent.name == package.rpartition(".")[2]]
    return f"{package}/{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""


def _text_of(error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg}: {(error.text or '').strip()}"
    # A declaration's own refusal is complete; of anything else the kind is half of the message.
    return str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"


# -- faults --------------------------------------------------------------------------------------


def full_label(row: Row) -> str:
    """Name a row within its table, its group in front."""
    return f"{row.group} / {row.label}" if row.group else row.label


def _name_faults(name: str) -> list[str]:
    if re.fullmatch(r"[a-z][a-z0-9_]*", name):
        return []
    return [f"the name {name!r} becomes a file name: small letters, digits and underscores only"]


def _duplicates(what: str, labels: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return [f"{what} {label!r} is given twice" for label in labels if label in seen or seen.add(label)]


def _raise_all(subject: str, faults: Iterable[str]) -> None:
    faults = list(faults)
    if faults:
        raise ValueError(f"{subject} is refused:\n" + "\n".join(f"  - {fault}" for fault in faults))
