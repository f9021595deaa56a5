"""Circle loss: cosines are pulled towards their optimum the harder the farther they are from it.

Source: Sun et al., Circle Loss: A Unified Perspective of Pair Similarity Optimization, CVPR 2020,
arXiv:2002.10857.

Legend: B images, D embedding, I identities.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from tablewright.trainables.losses.label_mask import is_label


def cosines_to_prototypes(embeddings_BD: Tensor, prototypes_ID: Tensor) -> Tensor:
    """Give the cosine of every embedding to every class prototype, (B, I)."""
    return functional.linear(
        functional.normalize(embeddings_BD, dim=1), functional.normalize(prototypes_ID, dim=1)
    )


def circle_logits(cosines_BI: Tensor, labels_B: Tensor, *, scale: float, margin: float) -> Tensor:
    """Turn cosines to class prototypes into logits whose cross-entropy is the class-level circle loss.

    With c a cosine, s the scale and m the margin: s · [1 + m - c]₊ · (c - (1 - m)) at the label and
    s · [c + m]₊ · (c - m) at every other class; the bracketed weights carry no gradient (Eq. 5 to 9).

    Args:
        cosines_BI: from `cosines_to_prototypes`.
        labels_B: int64 in [0, I).
        scale: s.
        margin: m, also the distance of both decision boundaries from the optima.
    """
    fixed_BI = cosines_BI.detach()
    at_label_BI = scale * (1.0 + margin - fixed_BI).clamp(min=0.0) * (cosines_BI - (1.0 - margin))
    elsewhere_BI = scale * (fixed_BI + margin).clamp(min=0.0) * (cosines_BI - margin)
    is_label_BI = is_label(labels_B, cosines_BI.shape[1])
    return torch.where(is_label_BI, at_label_BI, elsewhere_BI)


def pairwise_circle_loss(embeddings_BD: Tensor, labels_B: Tensor, *, scale: float, margin: float) -> Tensor:
    """Apply circle loss to the sample pairs of a batch, without class prototypes (Eq. 6).

    For each anchor, log(1 + Σ_n exp(s · [c_n + m]₊ · (c_n - m)) · Σ_p exp(-s · [1 + m - c_p]₊ ·
    (c_p - (1 - m)))) over its negatives n and its positives p, itself excluded; the weights carry no
    gradient. An anchor without a positive or without a negative counts 0.

    Args:
        embeddings_BD: any length; cosines are taken.
        labels_B: one identity a number.
        scale: s.
        margin: m.

    Returns:
        Mean over anchors, a scalar.
    """
    unit_BD = functional.normalize(embeddings_BD, dim=1)
    cosines_BB = unit_BD @ unit_BD.T
    fixed_BB = cosines_BB.detach()
    is_same_BB = labels_B[:, None] == labels_B[None, :]
    is_self_BB = torch.eye(len(labels_B), dtype=torch.bool, device=labels_B.device)
    negative_BB = scale * (fixed_BB + margin).clamp(min=0.0) * (cosines_BB - margin)
    positive_BB = -scale * (1.0 + margin - fixed_BB).clamp(min=0.0) * (cosines_BB - (1.0 - margin))
    nothing = torch.finfo(cosines_BB.dtype).min / 4  # finite, so that an empty sum has a gradient of 0
    negative_B = negative_BB.masked_fill(is_same_BB, nothing).logsumexp(dim=1)
    positive_B = positive_BB.masked_fill(~is_same_BB | is_self_BB, nothing).logsumexp(dim=1)
    return functional.softplus(negative_B + positive_B).mean()
