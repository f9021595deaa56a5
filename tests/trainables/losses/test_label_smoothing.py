"""Cross-entropy against smoothed targets."""

import pytest
import torch
from torch.nn import functional

from tablewright.trainables.losses.label_smoothing import smoothed_cross_entropy

LOGITS_BI = torch.tensor([[2.0, 0.5, -1.0], [0.0, 1.0, 3.0]])
LABELS_B = torch.tensor([0, 1])


def test_targets_are_one_minus_epsilon_and_epsilon_over_the_others():
    """The smoothing is spread over the other classes only."""
    targets_BI = torch.tensor([[0.9, 0.05, 0.05], [0.05, 0.9, 0.05]])
    expected = -(targets_BI * LOGITS_BI.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(smoothed_cross_entropy(LOGITS_BI, LABELS_B, smoothing=0.1), expected)


def test_it_is_not_torchs_label_smoothing():
    """Torch's own smoothing, which includes the label's class, gives another number."""
    ours = smoothed_cross_entropy(LOGITS_BI, LABELS_B, smoothing=0.1)
    theirs = functional.cross_entropy(LOGITS_BI, LABELS_B, label_smoothing=0.1)
    assert ours.item() != pytest.approx(theirs.item(), rel=1e-3)
    # With K classes, ours at ε equals torch's at ε K / (K - 1).
    same = functional.cross_entropy(LOGITS_BI, LABELS_B, label_smoothing=0.1 * 3 / 2)
    torch.testing.assert_close(ours, same)


def test_no_smoothing_is_plain_cross_entropy():
    """ε = 0 is the ordinary loss."""
    expected = functional.cross_entropy(LOGITS_BI, LABELS_B)
    torch.testing.assert_close(smoothed_cross_entropy(LOGITS_BI, LABELS_B, smoothing=0.0), expected)
