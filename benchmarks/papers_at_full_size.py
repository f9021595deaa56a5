"""The five papers in their published recipes: what a measurement of their steps needs of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from tablewright.trainables import hacnn, mancs, mdpr, mgn, tasn
from tablewright.trainables.contract.precision import Precision
from tablewright.trainables.data.fine_grained_augment import FineGrainedAugmenter
from tablewright.trainables.data.reid_augment import TrainAugmenter
from tablewright.trainables.training.fake_step import FakeStep
from tablewright.trainables.training.method import Method


@dataclass(frozen=True)
class Paper:
    """One of them.

    Attributes:
        method: its network and losses.
        config: the recipe.
        demo: the same method, scaled to a minute on a CPU.
        num_classes: that the data set has to train on.
        num_images: likewise; a pass over them is called an epoch here, also of a method that has another.
    """

    method: Method
    config: Any
    demo: Any
    num_classes: int
    num_images: int

    @property
    def trainable(self) -> Any:
        """The method as the orchestrator runs it."""
        return self.config.make_trainable()

    def fake_step(self) -> FakeStep:
        """Give a step of the recipe that takes no memory."""
        return FakeStep(self.method, self.config, self.num_classes, self.shape, num_alike=self.num_alike)

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

    def labels_B(self) -> Tensor:
        """Give a batch's labels, as many images of each class as the recipe has."""
        return torch.arange(self.shape[0]) // self.num_alike % self.num_classes

    def build_network(self) -> nn.Module:
        """Build the network at random, in training mode."""
        return self.method.build_network(self.config, self.num_classes, {}).train()

    def steps_per_epoch(self) -> int:
        """Count the steps of an epoch on the published number of images."""
        return max(1, self.num_images // self.shape[0])

    def with_precision(self, precision: Precision) -> Paper:
        """Give the same in another precision."""
        optimisation = self.config.optimisation.model_copy(update={"precision": precision})
        return replace(self, config=self.config.model_copy(update={"optimisation": optimisation}))

    def small(self) -> Paper:
        """Give the paper's demo on a batch of four images, for a CPU."""
        batch = {"num_identities": 2, "num_instances": 2} if self.num_alike > 1 else {"num_identities": 4}
        changed = self.demo.model_dump()
        changed["data"] |= batch if self.is_reidentification else {"batch_size": 4}
        small = replace(self, config=type(self.demo).model_validate(changed))
        return replace(small, num_images=2 * small.shape[0])


PAPERS: Mapping[str, Paper] = {
    "mdpr": Paper(mdpr.Mdpr(), mdpr.paper_config("market1501"), mdpr.demo_config(), 751, 12936),
    "mgn": Paper(mgn.Mgn(), mgn.paper_config("market1501"), mgn.demo_config(), 751, 12936),
    "hacnn": Paper(hacnn.Hacnn(), hacnn.paper_config("market1501"), hacnn.demo_config(), 751, 12936),
    "mancs": Paper(mancs.Mancs(), mancs.paper_config("market1501"), mancs.demo_config(), 751, 12936),
    "tasn": Paper(tasn.Tasn(), tasn.paper_config("cub200"), tasn.demo_config(), 200, 5994),
}
