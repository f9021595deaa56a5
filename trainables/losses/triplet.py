"""Batch-hard triplet loss, and the distances that every triplet loss starts from.

Source: Hermans et al., In Defense of the Triplet Loss for Person Re-Identification, arXiv:1703.07737,
Eq. 5.

Legend: B images, D embedding.
"""

from __future__ import annotations

from torch import Tensor

_SMALLEST_SQUARED_DISTANCE = 1e-12


def euclidean_distances(embeddings_BD: Tensor) -> Tensor:
    """Give the Euclidean distance of every two embeddings, (B, B), with squares kept above 1e-12."""
    squares_B = embeddings_BD.square().sum(dim=1)
    squared_BB = squares_B[:, None] + squares_B[None, :] - 2.0 * embeddings_BD @ embeddings_BD.T
    return squared_BB.clamp(min=_SMALLEST_SQUARED_DISTANCE).sqrt()


def batch_hard_triplet_loss(embeddings_BD: Tensor, labels_B: Tensor, *, margin: float) -> Tensor:
    """Penalise an anchor whose farthest positive is not nearer than its nearest negative by a margin.

    The anchor is among its own positives, at distance zero, which matters only where it has no other. An
    anchor without a negative counts 0.

    Args:
        embeddings_BD: not normalised; distances are Euclidean, with squares kept above 1e-12.
        labels_B: one identity a number.
        margin: in units of embedding distance, above 0.

    Returns:
        Mean over anchors of [farthest positive - nearest negative + margin]₊, a scalar.
    """
    distance_BB = euclidean_distances(embeddings_BD)
    is_same_BB = labels_B[:, None] == labels_B[None, :]
    farthest_positive_B = distance_BB.masked_fill(~is_same_BB, 0.0).amax(dim=1)
    nearest_negative_B = distance_BB.masked_fill(is_same_BB, float("inf")).amin(dim=1)
    return (farthest_positive_B - nearest_negative_B + margin).clamp(min=0.0).mean()
