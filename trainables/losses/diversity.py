"""Losses that keep attention maps apart and off the background.

Source: MDPR, Sec. III; the formulas are read from the authors' code, the paper's are not available.

Legend: B images, A attention maps, D embedding, H W height and width of a map.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def attention_diversity_loss(pooled_BAD: Tensor) -> Tensor:
    """Sum, over the pairs of attention maps, the mean cosine of what was pooled under them.

    A sum, not a mean over pairs: 1, 6 and 28 pairs for 2, 4 and 8 maps; 0 for a single map.
    """
    unit_BAD = functional.normalize(pooled_BAD, dim=2)
    cosines_BAA = unit_BAD @ unit_BAD.transpose(1, 2)
    return torch.triu(cosines_BAA, diagonal=1).sum(dim=(1, 2)).mean()


def foreground_mass(attention_BAHW: Tensor) -> Tensor:
    """Give the mean over images of the sum of all attention values, at most H · W; a scalar.

    Args:
        attention_BAHW: behind the softmax, without the background.
    """
    return attention_BAHW.sum(dim=(1, 2, 3)).mean()
