"""Focal losses: cross-entropy with easy images weighed down.

Sources:
    Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, Eq. 4, without its class weight α.
    Mancs (ECCV 2018), whose notes print a sigmoid of the true class's logit alone.

Legend: B images, I identities.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from tablewright.trainables.losses.label_mask import is_label


def softmax_focal_loss(logits_BI: Tensor, labels_B: Tensor, *, gamma: float) -> Tensor:
    """Take -(1 - p)^γ log p, where p is the softmax probability of the true class.

    Args:
        logits_BI: before the softmax.
        labels_B: int64 in [0, I).
        gamma: 0 is plain cross-entropy.

    Returns:
        Mean over the batch, a scalar.
    """
    log_probability_B = logits_BI.log_softmax(dim=1).gather(1, labels_B[:, None]).squeeze(1)
    return _focal(log_probability_B, gamma).mean()


def sigmoid_focal_loss(logits_BI: Tensor, labels_B: Tensor, *, gamma: float) -> Tensor:
    """Ask of every class whether it is the true one, and sum the focal terms of all answers.

    Args:
        logits_BI: before the sigmoid.
        labels_B: int64 in [0, I).
        gamma: 0 is plain binary cross-entropy.

    Returns:
        Sum over classes, mean over the batch, a scalar.
    """
    is_label_BI = is_label(labels_B, logits_BI.shape[1])
    log_probability_BI = functional.logsigmoid(logits_BI.where(is_label_BI, -logits_BI))
    return _focal(log_probability_BI, gamma).sum(dim=1).mean()


def true_class_sigmoid_focal_loss(logits_BI: Tensor, labels_B: Tensor, *, gamma: float) -> Tensor:
    """Take -(1 - p)^γ log p, where p is the sigmoid of the true class's logit: the notes taken literally.

    Nothing pushes the logits of other classes down.

    Args:
        logits_BI: before the sigmoid.
        labels_B: int64 in [0, I).
        gamma: 0 is plain cross-entropy of one answer.

    Returns:
        Mean over the batch, a scalar.
    """
    return _focal(functional.logsigmoid(logits_BI.gather(1, labels_B[:, None]).squeeze(1)), gamma).mean()


def _focal(log_probability: Tensor, gamma: float) -> Tensor:
    if gamma == 0:  # 0^0 has the right value and no finite gradient where p rounds to one
        return -log_probability
    missing = -log_probability.expm1()  # 1 - p, exact where p is almost one
    return -(missing.clamp(min=_SMALLEST_MISSING) ** gamma) * log_probability


_SMALLEST_MISSING = 1e-12  # keeps the gradient of powers below one finite
