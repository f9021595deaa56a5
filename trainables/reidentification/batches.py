"""The images of a training, batch by batch: gathered from the cache, moved to the device, augmented there.

Legend: R ranks, B images of a rank, C channels, H W height and width in pixels.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.data.reid import ReidData, ReidDataset
from tablewright.trainables.data.reid_augment import TrainAugmenter
from tablewright.trainables.data.reid_cache import open_cache
from tablewright.trainables.data.reid_sampler import IdentitiesOnceSampler, PKSampler, ShuffledSampler
from tablewright.trainables.training.determinism import derive_seed
from tablewright.trainables.training.reading_ahead import copied_ahead


class TrainingImages:
    """What a training sees, in an order that its seed alone decides.

    Reading needs no worker processes: a batch is a copy out of a memory-mapped file.

    Attributes:
        num_classes: identities.
        fingerprint: of the training images.
        images_per_step: over all ranks.
        steps_per_epoch: images // images of a step, and at least one; with `identities_once` as many as give every
            identity a turn.
    """

    def __init__(
        self, dataset: ReidDataset, data: ReidData, seed: int, runtime: Runtime, device: torch.device
    ) -> None:
        """Open the cache of the training split, which is built if need be.

        Raises:
            ValueError: the split has not the identities or the images of one batch.
        """
        self._images_NHWC = open_cache(
            dataset, "train", data.height_px, data.width_px, runtime.cache_dir, runtime.image_cache
        )
        pids = dataset.splits["train"].pids_N.tolist()
        self._labels_N = np.array([dataset.train_label_of[pid] for pid in pids], dtype=np.int64)
        self.num_classes = len(dataset.train_label_of)
        self.fingerprint = dataset.split_fingerprints["train"]
        self.images_per_step = data.num_ranks * data.num_identities * data.num_instances
        self._sampler = _make_sampler(data, pids, derive_seed(seed, "sampler"))
        steps_of_pass = len(self._sampler)
        self.steps_per_epoch = (
            steps_of_pass
            if isinstance(self._sampler, IdentitiesOnceSampler)
            else max(1, len(pids) // self.images_per_step)
        )
        self._augmenter = TrainAugmenter(data.augmentation)
        self._generator = torch.Generator().manual_seed(derive_seed(seed, "augmentation"))
        self._device = device

    def batches(self, first_step: int) -> Generator[tuple[Tensor, Tensor]]:
        """Give images (R, B, C, H, W) uint8 and labels (R, B), on the device, without end.

        No number is drawn here, so that a batch that was fetched ahead and never used leaves no trace.

        Args:
            first_step: steps that are done, over all epochs.
        """
        return copied_ahead(self._gather, self._indices(first_step), self._device)

    def _indices(self, first_step: int) -> Iterator[np.ndarray]:
        """Yield the image indices of each step, (R, B).

        A pass of `PKSampler` is no epoch: it ends when too few identities are left, sooner or later by
        chance, while an epoch has as many steps as the images fill. Passes follow each other across epochs,
        as in fast-reid.
        """
        for number in itertools.count():
            self._sampler.set_epoch(number)
            steps_of_pass = self._sampler.batches()
            yield from steps_of_pass[first_step:]
            first_step = max(0, first_step - len(steps_of_pass))

    def augment(self, images_RBCHW: Tensor) -> Sequence[Tensor]:
        """Give each rank's images as the network sees them, (B, C, H, W) float 0..255."""
        num_ranks, num_images = images_RBCHW.shape[:2]
        augmented = self._augmenter(images_RBCHW.flatten(0, 1), self._generator)
        return augmented.view(num_ranks, num_images, *augmented.shape[1:]).unbind()

    def state_dict(self) -> dict[str, Any]:
        """Give what `augment` depends on besides its argument."""
        return {"augmenter": self._augmenter.state_dict(), "generator": self._generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        self._augmenter.load_state_dict(state["augmenter"], self._device)
        self._generator.set_state(state["generator"])

    def _gather(self, indices_RB: np.ndarray) -> tuple[Tensor, Tensor]:
        images_RBCHW = torch.from_numpy(self._images_NHWC[indices_RB]).movedim(-1, -3)
        return images_RBCHW, torch.from_numpy(self._labels_N[indices_RB])


def _make_sampler(
    data: ReidData, pids: Sequence[int], seed: int
) -> PKSampler | IdentitiesOnceSampler | ShuffledSampler:
    if data.sampling == "images":
        return ShuffledSampler(
            len(pids), images_per_rank=data.num_identities, num_ranks=data.num_ranks, seed=seed
        )
    sampler = IdentitiesOnceSampler if data.sampling == "identities_once" else PKSampler
    return sampler(
        pids,
        num_identities=data.num_identities,
        num_instances=data.num_instances,
        num_ranks=data.num_ranks,
        seed=seed,
    )
