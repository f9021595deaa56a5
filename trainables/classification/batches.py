"""The images of a classification training, batch by batch: cropped out of the cache, moved, augmented.

Legend: N images of a split, B of a batch, C colours, H W height and width in pixels.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.data.fine_grained import FineGrainedData, FineGrainedDataset
from tablewright.trainables.data.fine_grained_augment import FineGrainedAugmenter
from tablewright.trainables.data.resized_images import CENTRE, open_resized
from tablewright.trainables.training.determinism import derive_seed
from tablewright.trainables.training.reading_ahead import copied_ahead


class ClassificationImages:
    """What a training sees; implements `trainables.training.fitting.TrainingBatches` with one rank.

    An epoch shows every image at most once; those that do not fill a last batch wait for another epoch's order.
    Where an image is cropped is drawn together with the order, by an epoch's own generator, since only the crop is
    read from disk: a batch that was fetched ahead and never used leaves no trace.

    Attributes:
        num_classes: of the data set.
        fingerprint: of the training images.
        images_per_step: a batch.
        steps_per_epoch: images // a batch.

    Raises:
        ValueError: the images do not fill one batch.
    """

    def __init__(
        self,
        dataset: FineGrainedDataset,
        data: FineGrainedData,
        seed: int,
        runtime: Runtime,
        device: torch.device,
    ) -> None:
        records = dataset.splits["train"]
        if len(records) < data.batch_size:
            raise ValueError(
                f"{dataset.name} has {len(records)} images to train on, fewer than a batch of {data.batch_size}; "
                "set data.batch_size to that or less"
            )
        self._images = open_resized(
            dataset, "train", data.shorter_side_px, runtime.cache_dir, image_cache=runtime.image_cache
        )
        self._labels_N = np.array(records.labels_N)
        self.num_classes = len(dataset.class_names)
        self.fingerprint = dataset.split_fingerprints["train"]
        self.images_per_step = data.batch_size
        self.steps_per_epoch = len(records) // data.batch_size
        self._crop_px, self._crops_anywhere = data.crop_px, data.augmentation.random_crop
        self._order_seed = derive_seed(seed, "sampler")
        self._augment = FineGrainedAugmenter(data.augmentation)
        self._generator = torch.Generator().manual_seed(derive_seed(seed, "augmentation"))
        self._device = device

    def batches(self, first_step: int) -> Generator[tuple[Tensor, Tensor]]:
        """Give images (1, B, C, H, W) uint8 and labels (1, B), on the device, without end.

        Args:
            first_step: steps that are done, over all epochs.
        """
        return copied_ahead(self._gather, self._draws(first_step), self._device)

    def augment(self, images_RBCHW: Tensor) -> Sequence[Tensor]:
        """Give the images as the network sees them, once (B, C, H, W) float 0..255."""
        return [self._augment(images_BCHW, self._generator) for images_BCHW in images_RBCHW]

    def state_dict(self) -> dict[str, Any]:
        """Give what `augment` depends on besides its argument."""
        return {"generator": self._generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        self._generator.set_state(state["generator"])

    def _draws(self, first_step: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the indices (B,) and the places of the crops (B, 2) of each step."""
        num_images = self.steps_per_epoch * self.images_per_step
        epoch, first_step = divmod(first_step, self.steps_per_epoch)
        while True:
            rng = np.random.default_rng([self._order_seed, epoch])
            order = rng.permutation(len(self._labels_N))[:num_images]
            places = rng.random((num_images, 2)) if self._crops_anywhere else np.full((num_images, 2), CENTRE)
            for step in range(first_step, self.steps_per_epoch):
                batch = slice(step * self.images_per_step, (step + 1) * self.images_per_step)
                yield order[batch], places[batch]
            epoch, first_step = epoch + 1, 0

    def _gather(self, draw: tuple[np.ndarray, np.ndarray]) -> tuple[Tensor, Tensor]:
        indices_B, places_B2 = draw
        crops_BHWC = self._images.crops(indices_B, places_B2, self._crop_px)
        images_1BCHW = torch.from_numpy(crops_BHWC).movedim(-1, 1)[None]
        return images_1BCHW, torch.from_numpy(self._labels_N[indices_B])[None]
