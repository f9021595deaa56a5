"""A printed table of parameters and compute, counted from configs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tablewright.orchestrator.declared.declared_names import TableName, absent, twice
from tablewright.trainables.contract.method import CountsSize, TrainingConfig
from tablewright.trainables.contract.size import SIZE_METRICS
from tablewright.trainables.value.declaration import Declaration
from tablewright.trainables.value.freezing import EMPTY
from tablewright.trainables.value.refusal import Fault
from tablewright.trainables.value.secret import secrets_in
from tablewright.trainables.value.text import Label, Text


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
        yield from twice("row label", [row.label for row in self.rows])
        yield from absent("row", self.rows)
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
