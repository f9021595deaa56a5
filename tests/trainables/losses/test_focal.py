"""Focal losses by hand."""

import math

import pytest
import torch
from torch.nn import functional

from tablewright.trainables.losses.focal import (
    sigmoid_focal_loss,
    softmax_focal_loss,
    true_class_sigmoid_focal_loss,
)

# Softmax of the first image is 1/2, 1/4, 1/4; of the second 1/6, 4/6, 1/6.
LOGITS_BI = torch.tensor([[math.log(2), 0.0, 0.0], [0.0, math.log(4), 0.0]], dtype=torch.float64)
LABELS_B = torch.tensor([0, 1])
LOSSES = [softmax_focal_loss, sigmoid_focal_loss, true_class_sigmoid_focal_loss]


def focal(probability, gamma):
    return -((1 - probability) ** gamma) * math.log(probability)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_softmax_by_hand(gamma):
    """p is the softmax probability of the true class: 1/2 and 2/3."""
    expected = (focal(1 / 2, gamma) + focal(2 / 3, gamma)) / 2
    assert expected == pytest.approx(softmax_focal_loss(LOGITS_BI, LABELS_B, gamma=gamma).item())


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_true_class_sigmoid_by_hand(gamma):
    """p is the sigmoid of the true class: 2/3 and 4/5."""
    expected = (focal(2 / 3, gamma) + focal(4 / 5, gamma)) / 2
    loss = true_class_sigmoid_focal_loss(LOGITS_BI, LABELS_B, gamma=gamma)
    assert expected == pytest.approx(loss.item())


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_sigmoid_of_every_class_by_hand(gamma):
    """To the true class's term come those of two classes at 1/2, which ought to be at 0."""
    others = 2 * focal(1 / 2, gamma)
    expected = (focal(2 / 3, gamma) + others + focal(4 / 5, gamma) + others) / 2
    assert expected == pytest.approx(sigmoid_focal_loss(LOGITS_BI, LABELS_B, gamma=gamma).item())


def test_without_focus_the_losses_are_cross_entropies():
    """γ = 0 gives exactly torch's cross-entropy, and its binary one summed over classes."""
    assert torch.equal(
        functional.cross_entropy(LOGITS_BI, LABELS_B), softmax_focal_loss(LOGITS_BI, LABELS_B, gamma=0.0)
    )
    target_BI = functional.one_hot(LABELS_B, 3).double()
    expected = functional.binary_cross_entropy_with_logits(LOGITS_BI, target_BI, reduction="sum") / 2
    assert expected.item() == pytest.approx(sigmoid_focal_loss(LOGITS_BI, LABELS_B, gamma=0.0).item())


def test_only_the_literal_reading_leaves_other_classes_alone():
    """Logits of other classes have no gradient there, and one that pushes them down in both others."""
    for loss, pushes in zip(LOSSES, (True, True, False), strict=True):
        logits_BI = LOGITS_BI.clone().requires_grad_(True)
        loss(logits_BI, LABELS_B, gamma=2.0).backward()
        of_others_B = logits_BI.grad[~functional.one_hot(LABELS_B, 3).bool()]
        assert (of_others_B > 0).all() if pushes else (of_others_B == 0).all()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("scale", [1.0, 1e4, -1e4])
def test_extreme_logits_have_a_finite_gradient(loss, gamma, scale):
    """Probabilities that round to 0 or 1 break nothing."""
    logits_BI = (scale * LOGITS_BI.float()).requires_grad_(True)
    value = loss(logits_BI, LABELS_B, gamma=gamma)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(logits_BI.grad).all()
