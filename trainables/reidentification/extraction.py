"""Embedding the images of a split with a trained network.

Legend: N images of a split, B of a batch, C channels, H W height and width in pixels, D embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from tablewright.trainables.contract.precision import Precision
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.data.read_ahead import on_its_way, read_ahead
from tablewright.trainables.data.reid import ReidDataset
from tablewright.trainables.data.reid_cache import GatheredImages, open_cache
from tablewright.trainables.retrieval.embedded import ImageSet
from tablewright.trainables.training.determinism import reproducible
from tablewright.trainables.training.precision import computing_in
from tablewright.trainables.value.long_work import told

# As many as keep the device busy; more would only take memory.
_BATCH_SIZE = {"cpu": 64, "cuda": 256}


class EmbeddingNetwork(Protocol):
    """A network that names its embeddings."""

    training: bool

    def train(self, mode: bool = True) -> object:
        """Switch between training and inference."""
        ...

    def embed(self, images_BCHW: Tensor) -> Mapping[str, Tensor]:
        """Embed images, float 0..255: (B, D) by name; normalised only where the method's own test does so."""
        ...


@dataclass(frozen=True)
class ImageSize:
    """Of the images a network takes."""

    height_px: int
    width_px: int


def embed_side(
    network: EmbeddingNetwork,
    dataset: ReidDataset,
    split: str,
    size: ImageSize,
    runtime: Runtime,
    *,
    flip: bool,
    precision: Precision = "fp32",
) -> ImageSet:
    """Embed one side of a retrieval, from this machine's cache.

    Args:
        network: put into inference mode meanwhile.
        dataset: whose images.
        split: one of the data set's, such as `val_query`.
        size: of the cached images.
        runtime: device and cache.
        flip: embed the mirror images too.
        precision: that the network computes in; embeddings are kept in float32.
    """
    records = dataset.splits[split]
    images_NHWC = open_cache(
        dataset, split, size.height_px, size.width_px, runtime.cache_dir, runtime.image_cache
    )
    what = f"embedding {dataset.label} ({split})"
    device = torch.device(runtime.device)
    embeddings, flipped = embed_images(
        network, images_NHWC, device, flip=flip, precision=precision, what=what
    )
    return ImageSet(
        names=tuple(records.names),
        pids=np.array(records.pids_N),
        camids=np.array(records.camids_N),
        embeddings=embeddings,
        flipped_embeddings=flipped,
    )


def embed_images(
    network: EmbeddingNetwork,
    images_NHWC: np.ndarray | GatheredImages,
    device: torch.device,
    *,
    flip: bool,
    precision: Precision = "fp32",
    what: str = "embedding",
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Embed uint8 images, (N, H, W, C), and if asked their mirror images, else nothing.

    A batch is read while the one before is embedded. How far it is is told under the name of `what`.

    Returns:
        Embeddings of the images and of the mirror images, by name, float32 (N, D).
    """
    upright, mirrored = _Rows(len(images_NHWC)), _Rows(len(images_NHWC))
    batch_size = _BATCH_SIZE[device.type]

    def read(start: int) -> Tensor:
        return on_its_way(torch.from_numpy(np.array(images_NHWC[start : start + batch_size])), device)

    starts = range(0, len(images_NHWC), batch_size)
    was_training = network.training
    network.train(False)
    try:
        with reproducible(device), torch.inference_mode(), computing_in(precision, device.type):
            batches = told(read_ahead(read, starts), what, len(images_NHWC), lambda _: batch_size)
            for start, images_BHWC in batches:
                images_BCHW = images_BHWC.to(device, non_blocking=True).movedim(-1, 1).float()
                upright.write(start, network.embed(images_BCHW))
                if flip:
                    mirrored.write(start, network.embed(images_BCHW.flip(-1)))
    finally:
        network.train(was_training)
    return upright.by_name, mirrored.by_name


class _Rows:
    """Arrays that are filled batch by batch: joined in the end, batches would be held twice.

    Attributes:
        by_name: float32 (N, D); none before the first batch.
    """

    def __init__(self, num_images: int) -> None:
        self.by_name: dict[str, np.ndarray] = {}
        self._num_images = num_images

    def write(self, start: int, embeddings: Mapping[str, Tensor]) -> None:
        """Put a batch where its first image stands."""
        for name, embedding_BD in embeddings.items():
            if name not in self.by_name:
                self.by_name[name] = np.empty((self._num_images, embedding_BD.shape[1]), np.float32)
            self.by_name[name][start : start + len(embedding_BD)] = embedding_BD.float().cpu().numpy()
