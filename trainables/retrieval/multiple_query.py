"""Which images a multiple query is made of, and their mean.

Protocol (Zheng et al., ICCV 2015, Market-1501): for each query, the hand-drawn boxes of its person under its
camera are pooled into one vector. Market-1501 publishes them in `gt_bbox/`; the query images are among them.
Settled here, where the paper is silent, as the widely used evaluations do: the pooling is a mean, and under the
cosine distance every image counts with unit length.

A data set without such boxes, DukeMTMC-reID for one, has no published multiple query. There its images are the
queries of the person under the camera and the gallery's images of the same: these are never ranked for that query.

Legend: N images of a side, B some of them, D embedding, K different pairs of person and camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tablewright.trainables.retrieval.embedded import Extraction, ImageSet
from tablewright.trainables.retrieval.joining import join

_ROWS_AT_A_TIME = 2048


@dataclass(frozen=True)
class MultipleQueries:
    """One query for each pair of person and camera among the query images, in the order of the pairs.

    Attributes:
        embeddings_KD: means.
        pids: (K,) int64.
        camids: (K,) int64.
        names: of the pair's first query image, (K,).
    """

    embeddings_KD: Tensor
    pids: np.ndarray
    camids: np.ndarray
    names: np.ndarray


def pool_multiple_queries(
    extraction: Extraction, embedding_names: Sequence[str], *, flip: bool, unit_length: bool
) -> MultipleQueries:
    """Pool the images of each query's person under its camera.

    Args:
        extraction: of the view's split.
        embedding_names: in joining order.
        flip: average an image's and its mirror's embedding first.
        unit_length: whether every image counts with unit length.

    Raises:
        ValueError: an embedding is missing.
    """
    query = extraction.query
    keys_K2, first_K = np.unique(_keys(query), axis=0, return_index=True)
    boxes = extraction.multiple_query
    sides = [query, extraction.gallery] if boxes is None else [boxes]
    joined_sides = [join(side, embedding_names, flip=flip) for side in sides]
    place_of = {(pid, camid): place for place, (pid, camid) in enumerate(keys_K2.tolist())}
    width = sum(part.shape[1] for part in joined_sides[0].parts)
    sums_KD = torch.zeros(len(keys_K2), width, dtype=torch.float64)
    counts_K = torch.zeros(len(keys_K2), dtype=torch.float64)
    for side, joined in zip(sides, joined_sides, strict=True):
        places_N = torch.tensor(
            [place_of.get((pid, camid), -1) for pid, camid in _keys(side).tolist()], dtype=torch.int64
        )
        for first in range(0, len(joined), _ROWS_AT_A_TIME):
            places = places_N[first : first + _ROWS_AT_A_TIME]
            is_pooled = places >= 0
            embeddings_BD = joined.rows(first, first + _ROWS_AT_A_TIME)[is_pooled].double()
            if unit_length:
                embeddings_BD = torch.nn.functional.normalize(embeddings_BD)
            sums_KD.index_add_(0, places[is_pooled], embeddings_BD)
            counts_K += torch.bincount(places[is_pooled], minlength=len(keys_K2))
    assert counts_K.all(), "the images of a multiple query belong to its queries"
    return MultipleQueries(
        (sums_KD / counts_K[:, None]).float(), keys_K2[:, 0], keys_K2[:, 1], np.array(query.names)[first_K]
    )


def _keys(side: ImageSet) -> np.ndarray:
    return np.stack([side.pids, side.camids], axis=1)
