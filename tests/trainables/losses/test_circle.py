"""Circle loss on prototypes and on pairs.

Legend: B images, D embedding, I identities.
"""

import math

import pytest
import torch

from tablewright.trainables.losses.circle import circle_logits, cosines_to_prototypes, pairwise_circle_loss


def test_cosines_ignore_lengths():
    """A cosine to a prototype depends on directions only."""
    embeddings_BD = torch.tensor([[3.0, 4.0]])
    prototypes_ID = torch.tensor([[10.0, 0.0], [0.0, -0.5]])
    expected_BI = torch.tensor([[0.6, -0.8]])
    torch.testing.assert_close(cosines_to_prototypes(embeddings_BD, prototypes_ID), expected_BI)


def test_logits_follow_the_formula_by_hand():
    """The label's logit is s(1 + m - c)(c - (1 - m)), every other s[c + m](c - m)."""
    logits_BI = circle_logits(torch.tensor([[0.5, 0.2, -0.6]]), torch.tensor([0]), scale=64.0, margin=0.35)
    at_label = 64 * (1.35 - 0.5) * (0.5 - 0.65)
    elsewhere = 64 * (0.2 + 0.35) * (0.2 - 0.35)
    torch.testing.assert_close(logits_BI, torch.tensor([[at_label, elsewhere, 0.0]]))


def test_the_bracketed_weights_carry_no_gradient():
    """The slope of a logit is its weight alone."""
    cosines_BI = torch.tensor([[0.5, 0.2, -0.6]], requires_grad=True)
    circle_logits(cosines_BI, torch.tensor([0]), scale=64.0, margin=0.35).sum().backward()
    torch.testing.assert_close(cosines_BI.grad, torch.tensor([[64 * 0.85, 64 * 0.55, 0.0]]))


def test_pairwise_loss_of_three_points_by_hand():
    """Each anchor sums over its own negatives and positives, and the anchors are averaged."""
    angles_B = torch.tensor([0.0, 0.5, 1.2])
    embeddings_BD = torch.stack((angles_B.cos(), angles_B.sin()), dim=1) * torch.tensor([[1.0], [2.0], [5.0]])
    scale, margin = 8.0, 0.25

    def negative(cosine):
        return math.exp(scale * max(0.0, cosine + margin) * (cosine - margin))

    def positive(cosine):
        return math.exp(-scale * max(0.0, 1 + margin - cosine) * (cosine - (1 - margin)))

    same, far, near = math.cos(0.5), math.cos(1.2), math.cos(0.7)
    of_first = math.log(1 + negative(far) * positive(same))
    of_second = math.log(1 + negative(near) * positive(same))
    of_third = 0.0  # it has no positive
    loss = pairwise_circle_loss(embeddings_BD, torch.tensor([0, 0, 1]), scale=scale, margin=margin)
    assert (of_first + of_second + of_third) / 3 == pytest.approx(loss.item(), rel=1e-5)


def test_pairwise_loss_without_any_pair_is_zero_with_a_zero_gradient():
    """An anchor that lacks positives or negatives makes no NaN."""
    embeddings_BD = torch.tensor([[1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    for labels_B in (torch.tensor([0, 0]), torch.tensor([0, 1])):
        loss = pairwise_circle_loss(embeddings_BD, labels_B, scale=128.0, margin=0.25)
        (gradient_BD,) = torch.autograd.grad(loss, embeddings_BD)
        assert loss.item() == 0.0
        assert torch.equal(torch.zeros(2, 2), gradient_BD)
