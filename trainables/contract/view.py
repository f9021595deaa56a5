"""One way to measure what was trained, and what measuring it gives."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel

from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.run import Device
from tablewright.trainables.value.frozen_model import FrozenModel

Split = Literal["val", "test"]


class EvaluationView(FrozenModel, abc.ABC):
    """One way to measure trained weights. A view never causes a training.

    A method of one's own has views of its own: a subclass is one more kind, known by its KIND, by which a record
    that holds one is read again.

    Attributes:
        split: `val` while searching, `test` for tables only.
    """

    KIND: ClassVar[str]
    NAMED_FIELDS: ClassVar[tuple[str, ...]] = ()
    """Fields that hold names of what the model gives, which stand in `short_name` as they are."""

    split: Split = "test"

    @property
    @abc.abstractmethod
    def metrics(self) -> tuple[Metric, ...]:
        """What measuring this view gives."""

    def in_todays_names(self, recorded: Mapping[str, float]) -> Mapping[str, float]:
        """Give what a record of this view holds under the names that `metrics` has; others stay as they are.

        Args:
            recorded: by name, as it was recorded, today or by an earlier version.
        """
        return recorded

    @property
    @abc.abstractmethod
    def protocol(self) -> str:
        """Say in words how it measures, what `NAMED_FIELDS` hold left out: what must agree down a column."""

    @property
    def short_name(self) -> str:
        """Name it by its split and what is not at its default, as metrics in MLflow do.

        `test` is the default view of a kind, `test.global-attended.flip` one that asks two outputs and has an
        option on, `test.all.euclidean.reranking-k1_10` one with two options.
        """
        changed = {
            name: getattr(self, name)
            for name, declared in type(self).model_fields.items()
            if name != "split" and getattr(self, name) != declared.get_default(call_default_factory=True)
        }
        options = [_option(name, value) for name, value in changed.items() if name not in self.NAMED_FIELDS]
        has_names = bool(options) or any(name in changed for name in self.NAMED_FIELDS)
        names = [word for name in self.NAMED_FIELDS for word in getattr(self, name)] if has_names else []
        return ".".join([self.split, *(["-".join(names)] if names else []), *options])

    def caption_of(self, picture: str) -> str | None:
        """Say how a picture shows what this view measures; empty where there is nothing to say of it.

        Args:
            picture: its name, as the method gives it.

        Returns:
            None where it shows something else.
        """
        return ""

    @property
    def extracted_in(self) -> str:
        """Say how the network is run over the split; views that say the same are measured from one run of it."""
        return ""

    def check_device(self, device: Device) -> None:
        """Refuse what a device cannot measure, before anything is trained for it.

        Raises:
            ValueError: why not, and what to set.
        """

    @property
    def reads(self) -> tuple[str, ...]:
        """Name the splits of the data set that it measures on, as `DatasetFacts.split_fingerprints` does."""
        return (self.split,)

    @property
    def cluster_column(self) -> str:
        """Column of the table of items whose equal values tell which items hang together; empty where none do."""
        return ""

    def item_scores(self, metric: Metric, items: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Give each item's part in a metric, which is their mean; None where the table of items does not tell.

        Args:
            metric: of `metrics`.
            items: columns of the table of items as `ViewResult.per_query` has them, without those left out.
        """
        return None

    def match_ranks(self, items: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Give the rank of each item's first right answer, 1 for the first, of which a CMC curve is made.

        Args:
            items: as `item_scores` has them.

        Returns:
            None where it ranks nothing, or the table of items does not tell.
        """
        return None


LEFT_OUT = "left_out"
"""Column of a per-item table: why an item was not measured; empty for one that was."""


class MethodsView(EvaluationView):
    """Stands where no view is named, until the method's own takes its place."""

    KIND: ClassVar[str] = "the method's"

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """None yet."""
        return ()

    @property
    def protocol(self) -> str:
        """None yet."""
        return ""


METHODS_VIEW = MethodsView()


def _option(name: str, value: object) -> str:
    if isinstance(value, BaseModel):
        changed = value.model_dump(exclude_defaults=True)
        return "-".join([name, *(f"{key}_{item}" for key, item in changed.items())])
    return value if isinstance(value, str) else name


@dataclass(frozen=True)
class ViewResult:
    """A view measured.

    Attributes:
        metrics: fractions, or in the units that their `Metric` says; means over the items measured.
        per_query: columns of the table of items, the ones that were left out among them, with the reason in the
            column `LEFT_OUT`. Without that column every item was measured.
        items: what one row of it is, in the plural, such as `queries` or `images`.
        left_out: further things that are not in any mean, reason -> how many, such as classes without an image.
    """

    metrics: Mapping[str, float]
    per_query: Mapping[str, np.ndarray]
    items: str = "items"
    left_out: Mapping[str, int] = field(default_factory=dict[str, int])
