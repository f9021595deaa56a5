"""One way to measure a classifier: by the share of images that are given their class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from pydantic import field_validator

from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.precision import Precision, refuse_without_gpu
from tablewright.trainables.contract.run import Device
from tablewright.trainables.contract.view import EvaluationView, Split

TOP1 = Metric("top1", "Top-1")


class ClassificationView(EvaluationView):
    """One way to measure trained weights by the share of images that are given their class.

    Attributes:
        flip: average the probabilities of an image and of its mirror image.
        logits: names of the heads that are asked; the probabilities of several are averaged.
        precision: in which the network computes them.
    """

    KIND: ClassVar[str] = "classification"
    NAMED_FIELDS: ClassVar[tuple[str, ...]] = ("logits",)

    flip: bool = False
    logits: tuple[str, ...] = ("master",)
    precision: Precision = "fp32"

    @field_validator("logits")
    @classmethod
    def _name_at_least_one(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not names or len(set(names)) != len(names):
            raise ValueError(f"a view asks one or more different heads, got {list(names)}")
        return names

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What measuring this view gives."""
        return (TOP1,)

    @property
    def extracted_in(self) -> str:
        """The precision, in which the network is run over the split."""
        return self.precision

    def check_device(self, device: Device) -> None:
        """Refuse a precision that a device has not."""
        refuse_without_gpu(self.precision, device, "a view's precision", "another view")

    @property
    def cluster_column(self) -> str:
        """Images of one class, which a network takes for the same others."""
        return "label"

    def item_scores(self, metric: Metric, items: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Whether an image is given its class."""
        is_correct = items.get("is_correct") if metric.name == TOP1.name else None
        return None if is_correct is None else is_correct.astype(np.float64)

    @property
    def protocol(self) -> str:
        """Say in words how it measures, its heads left out."""
        crops = "image and mirror image" if self.flip else "single crop"
        digits = [] if self.precision == "fp32" else [f"in {self.precision}"]
        return ", ".join([crops, *digits, f"{self.split} split"])


@dataclass(frozen=True)
class ClassificationExtraction:
    """What a trained network says of the N images of one split.

    Attributes:
        names: relative paths, (N,).
        labels: true classes, (N,) int64.
        logits: float32 (N, classes) by head, of the heads that views ask.
        flipped_logits: the same for mirror images; empty where no view asked for them.
    """

    split: Split
    names: tuple[str, ...]
    labels: np.ndarray
    logits: Mapping[str, np.ndarray]
    flipped_logits: Mapping[str, np.ndarray] = field(default_factory=dict)
