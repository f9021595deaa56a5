"""Labels as a mask over classes, made on the labels' device without looking at them."""

from __future__ import annotations

import torch
from torch import Tensor


def is_label(labels_B: Tensor, num_classes: int) -> Tensor:
    """Say of every image and class whether it is the image's, (B, I) bool.

    `torch.nn.functional.one_hot` says the same in numbers of eight bytes, and on some devices waits for the labels.

    Args:
        labels_B: int64 in [0, I).
        num_classes: I.
    """
    return labels_B[:, None] == torch.arange(num_classes, device=labels_B.device)
