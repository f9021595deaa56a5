"""Batch-hard triplet loss."""

import pytest
import torch

from tablewright.trainables.losses.triplet import batch_hard_triplet_loss

# On a line: identity 0 at 0 and 3, identity 1 at 4 and 10.
EMBEDDINGS_BD = torch.tensor([[0.0, 0.0], [3.0, 0.0], [4.0, 0.0], [10.0, 0.0]])
LABELS_B = torch.tensor([0, 0, 1, 1])


def test_four_points_by_hand():
    """Each anchor takes its farthest positive and its nearest negative."""
    hinges = (max(0.0, 3 - 4 + 0.05), 3 - 1 + 0.05, 6 - 1 + 0.05, max(0.0, 6 - 7 + 0.05))
    loss = batch_hard_triplet_loss(EMBEDDINGS_BD, LABELS_B, margin=0.05)
    assert sum(hinges) / 4 == pytest.approx(loss.item(), rel=1e-6)


def test_embeddings_are_not_normalised():
    """Stretching all embeddings stretches the loss."""
    loss = batch_hard_triplet_loss(EMBEDDINGS_BD, LABELS_B, margin=1e-9)
    stretched = batch_hard_triplet_loss(10 * EMBEDDINGS_BD, LABELS_B, margin=1e-9)
    assert 10 * loss.item() == pytest.approx(stretched.item(), rel=1e-6)


def test_equal_embeddings_have_a_finite_gradient():
    """The root is not differentiated at zero."""
    embeddings_BD = torch.ones(4, 2, requires_grad=True)
    loss = batch_hard_triplet_loss(embeddings_BD, LABELS_B, margin=0.05)
    loss.backward()
    assert loss.item() == pytest.approx(0.05, abs=1e-5)
    assert torch.isfinite(embeddings_BD.grad).all()


def test_an_anchor_without_a_negative_counts_zero():
    """A batch of one identity has nothing to push away."""
    loss = batch_hard_triplet_loss(EMBEDDINGS_BD, torch.zeros(4, dtype=torch.long), margin=0.05)
    assert loss.item() == 0.0
