"""Mutual distillation between two branches by predicting each other's embedding.

Source: MDPR, Sec. III; the form with predictors and stopped gradients follows Chen and He, Exploring
Simple Siamese Representation Learning, CVPR 2021, arXiv:2011.10566, Eq. 1 to 4.

Legend: B images, D embedding.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def mutual_distillation_loss(
    prediction_of_second_BD: Tensor,
    second_BD: Tensor,
    prediction_of_first_BD: Tensor,
    first_BD: Tensor,
) -> Tensor:
    """Reward each branch for predicting the other's embedding; the predicted one gets no gradient.

    Args:
        prediction_of_second_BD: made from the first branch's embedding.
        second_BD: what it should point along.
        prediction_of_first_BD: made from the second branch's embedding.
        first_BD: what that one should point along.

    Returns:
        Minus the mean of both mean cosines, a scalar in [-1, 1].
    """
    cosine_of_second_B = functional.cosine_similarity(prediction_of_second_BD, second_BD.detach(), dim=1)
    cosine_of_first_B = functional.cosine_similarity(prediction_of_first_BD, first_BD.detach(), dim=1)
    return -0.5 * (cosine_of_second_B.mean() + cosine_of_first_B.mean())
