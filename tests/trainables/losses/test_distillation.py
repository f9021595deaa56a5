"""Mutual distillation."""

import pytest
import torch

from tablewright.trainables.losses.distillation import mutual_distillation_loss


def test_two_images_by_hand():
    """Both mean cosines are halved and negated."""
    prediction_of_second_BD = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    second_BD = torch.tensor([[2.0, 0.0], [0.0, 5.0]])  # cosines 1, 0
    prediction_of_first_BD = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    first_BD = torch.tensor([[0.0, -1.0], [3.0, 4.0]])  # cosines -1, 0.8
    loss = mutual_distillation_loss(prediction_of_second_BD, second_BD, prediction_of_first_BD, first_BD)
    assert -0.5 * (0.5 - 0.1) == pytest.approx(loss.item(), rel=1e-6)


def test_targets_get_no_gradient_and_predictions_do():
    """The gradient is stopped at the embedding that is predicted."""
    tensors = [torch.randn(4, 3, generator=torch.Generator().manual_seed(i)) for i in range(4)]
    for tensor in tensors:
        tensor.requires_grad_()
    mutual_distillation_loss(*tensors).backward()
    assert [tensor.grad is not None for tensor in tensors] == [True, False, True, False]
