"""Images of chance in the number and size of a paper's recipe: no data set, all of the input behind the cache."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from benchmarks.papers_at_full_size import Paper


class SyntheticBatches:
    """Implements `trainables.training.method.TrainingBatches` with one rank.

    Args:
        paper: whose batches and augmentation.
        device: that they are copied to.
        steps_per_epoch: of a training.
    """

    fingerprint = "synthetic"

    def __init__(self, paper: Paper, device: torch.device, steps_per_epoch: int) -> None:
        self._paper, self._device = paper, device
        self.num_classes, self.steps_per_epoch = paper.num_classes, steps_per_epoch
        self.images_per_step = paper.shape[0]
        self._augment = paper.make_augmenter()
        self._generator = torch.Generator().manual_seed(0)

    def batches(self, first_step: int) -> Generator[tuple[Tensor, Tensor]]:
        """Yield images (1, B, C, H, W) uint8 and labels (1, B), on the device, without end."""
        generator = torch.Generator().manual_seed(first_step)
        images_1BCHW = torch.randint(256, (1, *self._paper.shape), dtype=torch.uint8, generator=generator)
        labels_1B = self._paper.labels_B()[None]
        if self._device.type == "cuda":
            images_1BCHW, labels_1B = images_1BCHW.pin_memory(), labels_1B.pin_memory()
        while True:
            yield (
                images_1BCHW.to(self._device, non_blocking=True),
                labels_1B.to(self._device, non_blocking=True),
            )

    def augment(self, images_RBCHW: Tensor) -> Sequence[Tensor]:
        """Give the images as the network sees them."""
        return [self._augment(images_BCHW, self._generator) for images_BCHW in images_RBCHW]

    def state_dict(self) -> dict[str, Any]:
        """Give what `augment` depends on."""
        return {"generator": self._generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        self._generator.set_state(state["generator"])
