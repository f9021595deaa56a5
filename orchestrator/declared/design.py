"""The rows of a table, one by one or by a design: what differs from the base, and what a paper printed for it."""

from __future__ import annotations

import itertools
import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Protocol, runtime_checkable

from tablewright.orchestrator.declared.changes import Changes
from tablewright.orchestrator.declared.composition import Composing, Composition, Factor, levels_named
from tablewright.orchestrator.declared.imported_runs import Imported
from tablewright.orchestrator.declared.published import Printed, Query, other_methods, printed
from tablewright.trainables.contract.view import EvaluationView
from tablewright.trainables.value.declaration import Declaration, repeated
from tablewright.trainables.value.freezing import EMPTY
from tablewright.trainables.value.refusal import Fault, Refusal, shown
from tablewright.trainables.value.text import Label, Text


@runtime_checkable
class Design(Protocol):
    """Anything that makes rows."""

    def rows(self) -> Iterator[Row]:
        """Give the rows in printing order."""
        ...


@runtime_checkable
class Comparing(Protocol):
    """A design that knows what its rows are compared with; the rows of another one meet the table's reference row."""

    def contrasts(self, rows: Sequence[Row], is_declared: Callable[[Row], bool]) -> Iterator[Contrast]:
        """Say what is compared.

        Args:
            rows: that the design has made, with what was printed for them.
            is_declared: whether a row is the table's base itself.
        """
        ...


@dataclass(frozen=True)
class Contrast(Declaration):
    """What is compared: a sum of rows, seed by seed, with weights that add up to 0.

    Attributes:
        label: what it is, such as `w/o CS − full` or `distillation × fusion`.
        weights: row's label, its group in front -> weight.
        row: the row whose difference from one other row this is; empty for an effect of several rows.
        reference: that other row; empty likewise.
        moved: of an effect, each factor that it moves -> what stands in its column: the levels that a main effect is
            the difference of, `×` in an interaction.
        within: label of the rows that it is of, where each group has such a row; empty for all.
    """

    label: Text
    weights: Mapping[str, float]
    row: Text = ""
    reference: Text = ""
    moved: Mapping[str, Text] = EMPTY
    within: Text = ""

    @staticmethod
    def between(row: Row, reference: Row) -> Contrast:
        """Compare a row with another."""
        ours, theirs = full_label(row), full_label(reference)
        return Contrast(f"{ours} − {theirs}", {ours: 1.0, theirs: -1.0}, ours, theirs)


@dataclass(frozen=True)
class Row(Declaration):
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
        imported: the runs of a row that was trained elsewhere; see `tw.imported`.
        repeats: label of another row of the table, its group in front (`group / label`), that this one repeats on
            purpose: the same training in the same view. Two such rows are refused where neither says so.
        priority: higher ones are trained first; None is that of its table. It is in no id.
    """

    label: Label
    changes: Changes = EMPTY
    view: EvaluationView | None = None
    group: Text = ""
    ensemble: Sequence[Changes] = ()
    published: Mapping[str, Mapping[str, float]] = EMPTY
    source: Text = ""
    printed_in: tuple[str, str] | None = None
    is_trained: bool = True
    waits_for: Text = ""
    repeats: Text = ""
    priority: int | None = None
    imported: Imported | None = None

    def rows(self) -> Iterator[Row]:
        """A row is the simplest design: itself."""
        yield self

    def as_printed(self, printed: Printed) -> Row:
        """Give the same row with what a paper printed for it; data sets that a table has not are left out."""
        _, label = printed.row_id
        source = printed.source if label == self.label else f"{printed.source}, row “{label}”"
        source += f", as quoted in {printed.quoted_in}" if printed.quoted_in else ""
        return replace(self, published=printed.values, source=source, printed_in=printed.row_id)


def full_label(row: Row) -> str:
    """Name a row within its table, its group in front."""
    return f"{row.group} / {row.label}" if row.group else row.label


# -- designs -------------------------------------------------------------------------------------


def is_label_format(label: str) -> str | None:
    """Say what keeps a format from naming a row by its value alone."""
    needed = (
        "only {value}, or {value:g} and the like, is filled in; write {{ and }} for braces that are printed"
    )
    try:
        fields = [(name, spec) for _, name, spec, _ in string.Formatter().parse(label) if name is not None]
    except ValueError:
        return f"{needed}; got {shown(label)}, whose braces do not match"
    if any(name != "value" or "{" in (spec or "") for name, spec in fields):
        return f"{needed}; got {shown(label)}"
    if any(re.search(r"\d{3}", spec or "") for _, spec in fields):
        return f"a value is set to fewer than 100 signs; got {shown(label)}"
    return None if fields else f"all rows would have one label; put {{value}} into {shown(label)}"


@dataclass(frozen=True)
class Sweep(Declaration):
    """A row for each value of one factor.

    Attributes:
        path: dotted path of the factor.
        values: in printing order.
        label: format of the row's label; `{value}` is filled in.
    """

    path: str
    values: Sequence[Any]
    label: Annotated[Label, is_label_format] = "{value}"

    @property
    def subject(self) -> str:
        """Name it by what it varies."""
        return f"Sweep of {shown(self.path)}"

    def find_faults(self) -> Iterator[Fault]:
        """Find values that are none, or the same, or that the label cannot show."""
        yield from _absent_faults("values", self.values, "value")
        for value in repeated(self.values):
            equal = ", ".join(repr(other) for other in self.values if other == value)
            yield Fault("values", f"each is given once; {equal} would be one training")
        if is_label_format(self.label) is None:
            for value in self.values:
                try:
                    Row(self.label.format(value=value))
                except Refusal as refusal:
                    yield from refusal.faults
                except (ValueError, TypeError):
                    yield Fault(
                        "label", f"{self.label!r} cannot show {value!r}; write {{value}} without the ending"
                    )

    def rows(self) -> Iterator[Row]:
        """One row a value."""
        for value in self.values:
            yield Row(self.label.format(value=value), {self.path: value})

    def contrasts(self, rows: Sequence[Row], is_declared: Callable[[Row], bool]) -> Iterator[Contrast]:
        """Each value against the declared one, where that is among them."""
        declared = next(filter(is_declared, rows), None)
        if declared is not None:
            yield from (Contrast.between(row, declared) for row in rows if row is not declared)


FULL = "full"


@dataclass(frozen=True)
class LeaveOneOut(Declaration):
    """The full method, then the method without each of its components.

    Attributes:
        without: component's printed name -> changes that remove it.
        full_label: label of the unchanged row.
    """

    without: Mapping[Label, Changes]
    full_label: Label = FULL

    def find_faults(self) -> Iterator[Fault]:
        """Find that nothing is left out."""
        yield from _absent_faults("without", self.without, "component")

    def rows(self) -> Iterator[Row]:
        """The full row first."""
        yield Row(self.full_label)
        for name, changes in self.without.items():
            yield Row(f"w/o {name}", changes)

    def contrasts(self, rows: Sequence[Row], is_declared: Callable[[Row], bool]) -> Iterator[Contrast]:
        """Each row against the full method."""
        full, *others = rows
        yield from (Contrast.between(row, full) for row in others)

    def composition(self) -> Composition:
        """Every component, but in each further row one."""
        factors = (
            Factor(name, tuple(name != left_out for left_out in (None, *self.without)), tuple(changes))
            for name, changes in self.without.items()
        )
        named = {self.full_label} - {FULL}
        return Composition(tuple(factors), frozenset({row.label for row in self.rows()} - named))


@dataclass(frozen=True)
class Cumulative(Declaration):
    """Components added one after the other, each row on top of the one before.

    Attributes:
        start: changes that remove every component.
        start_label: label of that first row.
        steps: component's printed name -> changes that add it.
    """

    start: Changes
    start_label: Label
    steps: Mapping[Label, Changes]

    def find_faults(self) -> Iterator[Fault]:
        """Find that nothing is added."""
        yield from _absent_faults("steps", self.steps, "component")

    def rows(self) -> Iterator[Row]:
        """The start, then one row a step."""
        changes = dict(self.start)
        yield Row(self.start_label, changes)
        for name, added in self.steps.items():
            changes |= added
            yield Row(f"+ {name}", changes)

    def contrasts(self, rows: Sequence[Row], is_declared: Callable[[Row], bool]) -> Iterator[Contrast]:
        """Each step against the row above it."""
        yield from (Contrast.between(row, above) for above, row in itertools.pairwise(rows))

    def composition(self) -> Composition:
        """From each row on one component more."""
        factors = (
            Factor(name, tuple(row >= number for row in range(len(self.steps) + 1)), tuple(added))
            for number, (name, added) in enumerate(self.steps.items(), start=1)
        )
        return Composition(tuple(factors), frozenset({row.label for row in self.rows()} - {self.start_label}))


@dataclass(frozen=True)
class Factorial(Declaration):
    """Every combination of the levels of several factors.

    Attributes:
        factors: factor's printed name -> level's printed name -> changes; no two factors set the same path.
        views: printed name -> view, read from each combination; empty for the ablation's own.
    """

    factors: Mapping[Label, Mapping[Label, Changes]]
    views: Mapping[Label, EvaluationView] = EMPTY

    def find_faults(self) -> Iterator[Fault]:
        """Find factors without levels, and two factors that would overwrite each other."""
        yield from _absent_faults("factors", self.factors, "factor")
        for factor, levels in self.factors.items():
            yield from _absent_faults(f"factors[{factor!r}]", levels, "level")
        paths = {
            factor: {path for changes in levels.values() for path in changes}
            for factor, levels in self.factors.items()
        }
        for one, other in itertools.combinations(self.factors, 2):
            for path in sorted(paths[one] & paths[other]):
                text = f"{one!r} and {other!r} both set {path}, and the second would overwrite the first"
                yield Fault("factors", f"{text}; give each path to one factor")

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

    def contrasts(self, rows: Sequence[Row], is_declared: Callable[[Row], bool]) -> Iterator[Contrast]:
        """Main effects, then interactions, in each view.

        A main effect is a level minus the factor's first one, averaged over the levels of the other factors. An
        interaction of two is by how much that difference changes where the other factor leaves its first level.
        """
        num_views = max(1, len(self.views))
        names = [list(levels) for levels in self.factors.values()]
        effects = [effect for effect in itertools.product(*(range(len(of)) for of in names)) if any(effect)]
        effects.sort(key=lambda effect: (sum(map(bool, effect)), [not level for level in effect], effect))
        for number in range(num_views):
            of_view = [full_label(row) for row in rows[number::num_views]]
            within = list(self.views)[number] if self.views else ""
            view = f" ({within})" if within else ""
            for effect in effects:
                weights = [1.0]
                for level, of in zip(effect, names, strict=True):
                    weights = [weight * own for weight in weights for own in _level_weights(level, len(of))]
                named = zip(self.factors, effect, names, strict=True)
                moved = [(factor, level, of) for factor, level, of in named if level]
                parts = [_effect_label(*factor, is_alone=len(moved) == 1) for factor in moved]
                used = {label: weight for label, weight in zip(of_view, weights, strict=True) if weight}
                columns = {factor[0]: _moved_text(*factor, is_alone=len(moved) == 1) for factor in moved}
                yield Contrast(" × ".join(parts) + view, used, moved=columns, within=within)

    def composition(self) -> Composition:
        """Give the levels of each combination; factors with the levels `on` and `off` are components."""
        named = {factor: levels_named([*levels]) for factor, levels in self.factors.items()}
        of_rows = [
            dict(zip(self.factors, levels, strict=True))
            for levels in itertools.product(*self.factors.values())
            for _ in self.views or ("",)
        ]
        factors = (
            Factor(
                factor,
                tuple(named[factor][of_row[factor]] for of_row in of_rows),
                tuple(dict.fromkeys(path for changes in levels.values() for path in changes)),
            )
            for factor, levels in self.factors.items()
        )
        return Composition(
            tuple(factors), frozenset(row.group if self.views else row.label for row in self.rows())
        )


def _level_weights(level: int, num_levels: int) -> list[float]:
    """Weigh the levels of a factor: one minus the first, or all alike where the effect averages over them."""
    if not level:
        return [1 / num_levels] * num_levels
    return [float(other == level) - float(other == 0) for other in range(num_levels)]


def _effect_label(factor: str, level: int, levels: Sequence[str], *, is_alone: bool) -> str:
    """Name a factor's effect: a main effect with both levels, for its sign is told by their order."""
    if is_alone:
        return f"{factor} ({levels[level]} − {levels[0]})"
    return factor if len(levels) == 2 else f"{factor} {levels[level]}"


def _moved_text(factor: str, level: int, levels: Sequence[str], *, is_alone: bool) -> str:
    """Say in the factor's own column what an effect moves, so that its name is left out."""
    label = _effect_label(factor, level, levels, is_alone=is_alone).removeprefix(factor)
    return label.strip(" ()") if is_alone else f"×{label}"


def _absent_faults(name: str, given: Sequence[Any] | Mapping[Any, Any], what: str) -> Iterator[Fault]:
    if not given:
        yield Fault(name, f"a design needs at least one {what}")


# -- what papers printed -------------------------------------------------------------------------


def other_method_rows(table_id: str, *, query: Query = "single") -> list[Row]:
    """Give the rows of the methods that a printed table compares with: printed, and never trained."""
    return [
        Row(label, is_trained=False).as_printed(printed(table_id, label, query=query))
        for label in other_methods(table_id)
    ]


@dataclass(frozen=True)
class AsPrinted(Declaration):
    """A design whose rows carry what a paper printed for them; it compares what the design compares.

    Attributes:
        design: that makes the rows.
        printed_rows: the same rows with the printed values.
    """

    design: Design
    printed_rows: Sequence[Row]

    @staticmethod
    def of(design: Design, table_id: str, labels: Mapping[str, str]) -> Design:
        """Give a design with the printed values of its rows; itself where none of them was printed."""
        rows = list(design.rows())
        carrying = [
            row.as_printed(printed(table_id, labels[full_label(row)])) if full_label(row) in labels else row
            for row in rows
        ]
        if carrying == rows:
            return design
        return carrying[0] if isinstance(design, Row) else AsPrinted(design, carrying)

    def rows(self) -> Iterator[Row]:
        """The rows with the printed values."""
        yield from self.printed_rows

    def contrasts(self, rows: Sequence[Row], is_declared: Callable[[Row], bool]) -> Iterator[Contrast]:
        """Those of the design."""
        if isinstance(self.design, Comparing):
            yield from self.design.contrasts(rows, is_declared)

    def composition(self) -> Composition | None:
        """That of the design."""
        return self.design.composition() if isinstance(self.design, Composing) else None


def rows_as_printed(designs: Sequence[Design], table_id: str, labels: Mapping[str, str]) -> list[Design]:
    """Give rows and designs with what a printed table holds for some of the rows.

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
    return [AsPrinted.of(design, table_id, labels) for design in designs]
