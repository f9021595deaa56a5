"""k-reciprocal re-ranking (Zhong et al., CVPR 2017), for as many images as their sparse neighbourhoods allow.

Follows the authors' released code where the paper leaves room: distances are squared Euclidean and divided
by the largest of each row; sets are expanded by half the neighbours where two thirds of those agree; the
weights are averaged over the first k2 neighbours.

Deviation: the all-against-all distances are never held at once. Each row is computed when it is needed, so
memory grows with the images times their neighbours, not with their square.

Legend: N query and gallery images together, K neighbours, D embedding.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tablewright.trainables.retrieval.joining import JoinedEmbeddings
from tablewright.trainables.retrieval.nearness import Nearness
from tablewright.trainables.retrieval.view import Reranking

SHARED_SHARE = 2 / 3  # Eq. 6: a candidate's neighbourhood joins when so much of it is shared


@dataclass(frozen=True)
class _Neighbours:
    """The nearest images of each.

    Attributes:
        order_NK: nearest first, the image itself among them.
        scaled_NK: squared distances to them, over the largest of the row.
        largest_N: the largest squared distance of each row.
    """

    order_NK: np.ndarray
    scaled_NK: np.ndarray
    largest_N: np.ndarray


@dataclass(frozen=True)
class _SparseRows:
    """Rows of a sparse matrix.

    Attributes:
        columns: of each row, ascending.
        values: of each row.
    """

    columns: list[np.ndarray]
    values: list[np.ndarray]


def reranked_nearness_blocks(
    queries_QD: Tensor, gallery_GD: Tensor, reranking: Reranking
) -> Generator[tuple[int, Tensor]]:
    """Yield nearness after re-ranking, one query at a time: the negative final distance of Eq. 12.

    Args:
        queries_QD: float32; normalised for the cosine distance.
        gallery_GD: likewise.
        reranking: its constants.

    Yields:
        The index of the query, and float32 (1, G).
    """
    images_ND = torch.cat([queries_QD, gallery_GD])
    num_queries = len(queries_QD)
    neighbours = _find_neighbours(images_ND, reranking.k1)
    encoded = _expand_queries(_encode(images_ND, neighbours, reranking.k1), neighbours, reranking.k2)
    rows_of, values_of = _by_column(encoded, len(images_ND))
    weight = reranking.original_distance_weight
    for first, squared_BN in _squared_distance_blocks(images_ND, num_queries):
        for offset, squared_N in enumerate(squared_BN):
            query = first + offset
            shared_N = np.zeros(len(images_ND), dtype=np.float32)
            for column, value in zip(encoded.columns[query], encoded.values[query], strict=True):
                shared_N[rows_of[column]] += np.minimum(value, values_of[column])
            jaccard_N = 1 - shared_N / (2 - shared_N)
            original_N = squared_N / neighbours.largest_N[query]
            final_N = (1 - weight) * jaccard_N + weight * original_N
            yield query, torch.from_numpy(-final_N[None, num_queries:].astype(np.float32))


def _squared_distance_blocks(images_ND: Tensor, num_rows: int) -> Generator[tuple[int, np.ndarray]]:
    images = JoinedEmbeddings((images_ND,))
    squared_lengths_N = images.squared_lengths()
    for first, product_BN in Nearness(images, squared_lengths_N, "product").blocks(images_ND[:num_rows]):
        squared_BN = product_BN.mul_(-2).add_(squared_lengths_N)
        squared_BN += squared_lengths_N[first : first + len(squared_BN), None]
        squared_BN.clamp_min_(0)
        own = torch.arange(len(squared_BN))
        squared_BN[own, own + first] = 0  # rounding must not put another image before the image itself
        yield first, squared_BN.numpy()


def _find_neighbours(images_ND: Tensor, k1: int) -> _Neighbours:
    count = min(k1 + 1, len(images_ND))
    orders: list[np.ndarray] = []
    scaled: list[np.ndarray] = []
    largest: list[np.ndarray] = []
    for first, squared_BN in _squared_distance_blocks(images_ND, len(images_ND)):
        largest_B = np.maximum(squared_BN.max(1), np.finfo(np.float32).tiny)
        near_BK = np.argpartition(squared_BN, count - 1, axis=1)[:, :count]
        distance_BK = np.take_along_axis(squared_BN, near_BK, 1)
        own_BK = near_BK == (first + np.arange(len(squared_BN)))[:, None]
        by_distance_BK = np.lexsort((near_BK, ~own_BK, distance_BK), axis=1)
        orders.append(np.take_along_axis(near_BK, by_distance_BK, 1))
        scaled.append(np.take_along_axis(distance_BK, by_distance_BK, 1) / largest_B[:, None])
        largest.append(largest_B)
    return _Neighbours(np.concatenate(orders), np.concatenate(scaled), np.concatenate(largest))


def _reciprocal(order_NK: np.ndarray, image: int, count: int) -> np.ndarray:
    """Give R(image, count): near images that have it among their own near ones (Eq. 4)."""
    forward = order_NK[image, : count + 1]
    is_mutual = (order_NK[forward, : count + 1] == image).any(1)
    return forward[is_mutual]


def _encode(images_ND: Tensor, neighbours: _Neighbours, k1: int) -> _SparseRows:
    """Give each image's weights on its expanded reciprocal neighbours (Eq. 6, 9, 10)."""
    half = round(k1 / 2)
    columns: list[np.ndarray] = []
    values: list[np.ndarray] = []
    for image in range(len(images_ND)):
        own = _reciprocal(neighbours.order_NK, image, k1)
        expanded = [own]
        for candidate in own:
            theirs = _reciprocal(neighbours.order_NK, int(candidate), half)
            if len(np.intersect1d(theirs, own)) > SHARED_SHARE * len(theirs):
                expanded.append(theirs)
        members = np.unique(np.concatenate(expanded))
        squared = (images_ND[members] - images_ND[image]).square().sum(1).numpy()
        weights = np.exp(-squared / neighbours.largest_N[image])
        columns.append(members)
        values.append((weights / weights.sum()).astype(np.float32))
    return _SparseRows(columns, values)


def _expand_queries(encoded: _SparseRows, neighbours: _Neighbours, k2: int) -> _SparseRows:
    """Average the weights of each image's first k2 neighbours (Sec. 3.4, local query expansion)."""
    if k2 <= 1:
        return encoded
    columns: list[np.ndarray] = []
    values: list[np.ndarray] = []
    for near in neighbours.order_NK[:, :k2]:
        joined = np.concatenate([encoded.columns[member] for member in near])
        weights = np.concatenate([encoded.values[member] for member in near])
        members, place = np.unique(joined, return_inverse=True)
        columns.append(members)
        values.append((np.bincount(place, weights) / len(near)).astype(np.float32))
    return _SparseRows(columns, values)


def _by_column(rows: _SparseRows, num_columns: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Turn sparse rows into the rows and values of each column."""
    columns = np.concatenate(rows.columns)
    row_of = np.repeat(np.arange(len(rows.columns)), [len(members) for members in rows.columns])
    order = np.argsort(columns, kind="stable")
    ends = np.searchsorted(columns[order], np.arange(1, num_columns))
    return np.split(row_of[order], ends), np.split(np.concatenate(rows.values)[order], ends)
