"""What the training loop asks of a method, of its config and of its images.

Legend: R ranks, B images of a rank, C channels, H W height and width in pixels.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

from torch import Tensor, nn

from tablewright.trainables.layers.pretrained import StartingFile
from tablewright.trainables.training.optimisation import Optimisation


class FitConfig(Protocol):
    """What the loop reads of a method's config."""

    METHOD: ClassVar[str]
    VERSION: ClassVar[int]

    @property
    def seed(self) -> int:
        """Of every stream of random numbers."""
        ...

    @property
    def optimisation(self) -> Optimisation:
        """Optimizer, schedule and precision."""
        ...


class TrainingBatches(Protocol):
    """The labelled images of a training, batch by batch, in an order that its seed alone decides."""

    @property
    def num_classes(self) -> int:
        """Count the labels: identities or classes."""
        ...

    @property
    def fingerprint(self) -> str:
        """Identify the images and their labels."""
        ...

    @property
    def steps_per_epoch(self) -> int:
        """Count the optimisation steps of an epoch."""
        ...

    @property
    def images_per_step(self) -> int:
        """Count the images of a step, over all ranks."""
        ...

    def batches(self, first_step: int) -> Generator[tuple[Tensor, Tensor]]:
        """Yield images (R, B, C, H, W) uint8 and labels (R, B), on the device, without end.

        Args:
            first_step: steps that are done, over all epochs.
        """
        ...

    def augment(self, images_RBCHW: Tensor) -> Sequence[Tensor]:
        """Give each rank's images as the network sees them, (B, C, H, W) float 0..255."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Give what `augment` depends on besides its argument."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        ...


class Method(Protocol):
    """A method as the loop sees it. Stateless."""

    def weights_files(self, config: Any, data_root: str | None) -> Mapping[str, StartingFile]:
        """Find the weights that parts of the network start from, by part; one that starts at random has none."""
        ...

    def build_network(self, config: Any, num_classes: int, weights: Mapping[str, StartingFile]) -> nn.Module:
        """Build the network; random weights follow from the seed of torch's generator of the CPU.

        Args:
            config: of the training.
            num_classes: of each classifier.
            weights: what `weights_files` gave, or {} to load nothing, as when a checkpoint follows or when a
                network on the meta device is only counted.
        """
        ...

    def loss_terms(
        self,
        config: Any,
        network: Any,
        images_per_rank: Sequence[Tensor],
        labels_per_rank: Sequence[Tensor],
        epoch: int,
    ) -> Iterator[dict[str, Tensor]]:
        """Yield scalar terms, already divided by the number of ranks given; their sum is differentiated.

        Whatever is yielded at once is differentiated at once, and its graph freed before the next. It runs
        under autocast in half precision, where convolutions have such weights and none may run outside of it;
        losses are for the method to make in float32, outside of it. Nothing is yielded inside an autocast block
        of the method's own: when the backward pass fails, leaving that block late would put back the loop's
        autocast for good.

        Args:
            config: of the training.
            network: from `build_network`, in training mode.
            images_per_rank: (B, C, H, W) float 0..255 each; those of this process.
            labels_per_rank: (B,) int64 in [0, num_classes) each.
            epoch: epochs completed, from 0 on; losses that follow a curriculum need it.
        """
        ...


@runtime_checkable
class DrawsAtRandom(Protocol):
    """A method whose network or losses draw from torch's generators, and which can be computed side by side."""

    def pass_over(self, config: Any, network: Any, labels_B: Tensor) -> None:
        """Draw what `loss_terms` draws for a rank, and nothing else, as another process computes it.

        Args:
            config: of the training.
            network: in training mode.
            labels_B: of that rank.
        """
        ...
