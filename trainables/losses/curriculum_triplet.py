"""Triplet loss whose negatives grow harder as training goes on.

Source: Mancs (ECCV 2018), curriculum sampling; only second-hand notes of its formulas could be read.
Repaired here, because the notes print them damaged:
    the exponent of the deviation, which has no clamp there: t counts from t0 on, since a is called the
    *initial* deviation; the hinge, which lost D(a, p) - D(a, n).
Inferred:
    t is the number of epochs completed.
Deviations:
    the paper visits an anchor's positives in random order; as every one of them gets a negative of its own, drawn
    independently, the order changes nothing and is not drawn. The density is a softmax of its exponent, since
    the density itself underflows far from its mean.

How many negatives an anchor has is known to the device of the batch alone, so that nobody waits for it.

Legend: B images, N negatives of an anchor sorted from the nearest (hardest) on, R ranks, of which the first N are
    theirs.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tablewright.trainables.losses.triplet import euclidean_distances

SMALLEST_DEVIATION = 1e-3  # ranks are whole numbers: below it the nearest one is drawn anyway


def curriculum_mean(num_negatives: Tensor, epoch: float, *, t0: float) -> Tensor:
    """Give the rank around which negatives are drawn: the easiest at first, from t0 on the hardest.

    Args:
        num_negatives: N, a scalar, float64.
        epoch: t, epochs completed.
        t0: epochs until the mean arrives at the hardest negative, above 0.

    Returns:
        max(N - N t / t0, 0), a rank counted from the hardest negative, which is 0.
    """
    return (num_negatives - num_negatives * epoch / t0).clamp(min=0.0)


def curriculum_deviation(epoch: float, *, t0: float, t1: float, a: float, b: float) -> float:
    """Give the width of the draw in ranks: a until t0, then falling by the factor b every t1 - t0 epochs.

    Args:
        epoch: t, epochs completed.
        t0: epochs until the deviation begins to fall.
        t1: epochs until it has fallen to a b; above t0.
        a: initial deviation, in ranks.
        b: factor.

    Returns:
        a b^(max(t - t0, 0) / (t1 - t0)), at least 0.001.
    """
    return max(a * b ** (max(epoch - t0, 0.0) / (t1 - t0)), SMALLEST_DEVIATION)


def rank_probabilities(num_ranks: int, num_negatives: Tensor, *, mean: Tensor, deviation: float) -> Tensor:
    """Give the probability of drawing each rank, (R,) float64: a normal density over N ranks that sums to one.

    Args:
        num_ranks: R.
        num_negatives: N, a scalar; ranks from N on are never drawn.
        mean: of the density, a scalar, float64.
        deviation: of the density, in ranks.
    """
    rank_R = torch.arange(num_ranks, dtype=torch.float64, device=mean.device)
    exponent_R = -((rank_R - mean) ** 2) / (2.0 * deviation**2)
    return exponent_R.masked_fill(rank_R >= num_negatives, -math.inf).softmax(dim=0)


def draw_ranks(probability_R: Tensor, uniform: Tensor) -> Tensor:
    """Turn uniform numbers in [0, 1) into ranks of the given probabilities; a rank of probability 0 never comes.

    Args:
        probability_R: of the ranks 0 .. R - 1.
        uniform: any shape, float64.

    Returns:
        int64 in [0, R), of the shape of `uniform`.
    """
    cumulative_R = probability_R.cumsum(dim=0)
    # Rounding may leave the last sum below one, and a number above it would have no rank.
    return torch.searchsorted(cumulative_R / cumulative_R[-1], uniform, right=True)


def draw_uniform(labels_B: Tensor) -> Tensor:
    """Draw the numbers of a batch from torch's global generator of its device, (B, B) float64."""
    return torch.rand(len(labels_B), len(labels_B), dtype=torch.float64, device=labels_B.device)


def curriculum_triplet_loss(
    embeddings_BD: Tensor,
    labels_B: Tensor,
    epoch: float,
    *,
    t0: float,
    t1: float,
    a: float,
    b: float,
    margin: float,
) -> Tensor:
    """Set every anchor and each of its positives against one negative that is drawn for the two.

    Draws from torch's global generator of the embeddings' device; see `draw_uniform`.

    Args:
        embeddings_BD: not normalised; distances are Euclidean.
        labels_B: P identities with K images each, in any order.
        epoch: t, epochs completed.
        t0: epochs until negatives are drawn around the hardest.
        t1: epochs until the draw is narrow.
        a: initial deviation of the draw, in ranks.
        b: by which the deviation has fallen at t1.
        margin: m, in units of embedding distance.

    Returns:
        Mean over the P K (K - 1) triplets of [m + D(a, p) - D(a, n)]₊, a scalar.

    Raises:
        ValueError: the identities have not one and the same number of images; on a CPU, as a GPU would be waited for
            (`data.sampling` draws such batches alone where there are triplets).
    """
    is_same_BB = labels_B[:, None] == labels_B[None, :]
    num_same_B = is_same_BB.sum(dim=1)
    if labels_B.device.type == "cpu" and not bool((num_same_B == num_same_B[0]).all()):
        raise ValueError(
            "curriculum sampling needs batches of equally many images of each identity, got "
            f"{labels_B.unique(return_counts=True)[1].tolist()}; set data.sampling to 'identities'"
        )
    num_images, num_instances = len(labels_B), num_same_B[0]
    num_negatives = (num_images - num_instances).double()
    probability_R = rank_probabilities(
        num_images,
        num_negatives,
        mean=curriculum_mean(num_negatives, epoch, t0=t0),
        deviation=curriculum_deviation(epoch, t0=t0, t1=t1, a=a, b=b),
    )
    rank_BB = draw_ranks(probability_R, draw_uniform(labels_B))
    distance_BB = euclidean_distances(embeddings_BD)
    order_BB = distance_BB.detach().masked_fill(is_same_BB, float("inf")).argsort(dim=1, stable=True)
    to_negative_BB = distance_BB.gather(1, order_BB.gather(1, rank_BB))
    hinge_BB = (margin + distance_BB - to_negative_BB).clamp(min=0.0)
    is_positive_BB = is_same_BB & ~torch.eye(num_images, dtype=torch.bool, device=labels_B.device)
    return hinge_BB.masked_fill(~is_positive_BB, 0.0).sum() / (num_images * (num_instances - 1))
