"""The five papers in their published recipes: what a measurement of their steps needs of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from tablewright.trainables import hacnn, mancs, mdpr, mgn, tasn
from tablewright.trainables.data.fine_grained_augment import FineGrainedAugmenter
from tablewright.trainables.data.reid_augment import TrainAugmenter
from tablewright.trainables.training.method import Method


@dataclass(frozen=True)
class Paper:
    """One of them.

    Attributes:
        method: its network and losses.
        config: the recipe.
        num_classes: that the data set has to train on.
    """

    method: Method
    config: Any
    num_classes: int

    @property
    def trainable(self) -> Any:
        """The method as the orchestrator runs it."""
        return self.config.make_trainable()

    @property
    def is_reidentification(self) -> bool:
        """Whether images show people."""
        return hasattr(self.config.data, "num_instances")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of a batch, (B, C, H, W)."""
        data = self.config.data
        if self.is_reidentification:
            return data.num_identities * data.num_instances, 3, data.height_px, data.width_px
        return data.batch_size, 3, data.crop_px, data.crop_px

    @property
    def num_alike(self) -> int:
        """Images of a batch that show one class."""
        return self.config.data.num_instances if self.is_reidentification else 1

    def make_augmenter(self) -> Callable[[Tensor, Any], Tensor]:
        """Make what augments its batches."""
        make: Any = TrainAugmenter if self.is_reidentification else FineGrainedAugmenter
        return make(self.config.data.augmentation)

    def build_network(self) -> nn.Module:
        """Build the network at random, in training mode."""
        return self.method.build_network(self.config, self.num_classes, {}).train()


PAPERS: Mapping[str, Paper] = {
    "mdpr": Paper(mdpr.Mdpr(), mdpr.paper_config("market1501"), 751),
    "mgn": Paper(mgn.Mgn(), mgn.paper_config("market1501"), 751),
    "hacnn": Paper(hacnn.Hacnn(), hacnn.paper_config("market1501"), 751),
    "mancs": Paper(mancs.Mancs(), mancs.paper_config("market1501"), 751),
    "tasn": Paper(tasn.Tasn(), tasn.paper_config("cub200"), 200),
}
