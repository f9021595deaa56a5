"""The images of a split as a network has embedded them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tablewright.trainables.contract.run import Device
from tablewright.trainables.contract.view import Split


@dataclass(frozen=True)
class ImageSet:
    """The images of one side of a retrieval: N of them.

    Attributes:
        names: relative paths, (N,).
        pids: -1 is junk, 0 a distractor, (N,) int64.
        camids: (N,) int64.
        embeddings: by name, float32 (N, D), as the network gives them; see `RetrievalView.embeddings`.
        flipped_embeddings: the same for mirror images; empty where no view asked for them.
    """

    names: tuple[str, ...]
    pids: np.ndarray
    camids: np.ndarray
    embeddings: Mapping[str, np.ndarray]
    flipped_embeddings: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Extraction:
    """What a trained network says of one split; every view of that split is measured from it.

    Attributes:
        split: of the data set.
        query: one image a query.
        gallery: what is searched.
        multiple_query: the images that a multiple query is the mean of, where the data set names some.
        device: where it is measured.
    """

    split: Split
    query: ImageSet
    gallery: ImageSet
    multiple_query: ImageSet | None = None
    device: Device = "cpu"
