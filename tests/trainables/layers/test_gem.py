"""Generalised-mean pooling."""

import pytest
import torch

from tablewright.trainables.layers.gem import GeM

MAP_BCHW = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])


def test_cube_mean_by_hand():
    """With exponent 3 the cubes are averaged and the root taken."""
    assert ((1 + 8 + 27 + 64) / 4) ** (1 / 3) == pytest.approx(GeM()(MAP_BCHW).item(), rel=1e-6)


def test_exponent_one_is_the_average():
    """p = 1 is average pooling."""
    assert GeM(exponent=1.0)(MAP_BCHW).item() == pytest.approx(2.5)


def test_a_map_of_zeros_has_a_finite_gradient():
    """Activations are kept above 1e-6, so that no root is taken at zero."""
    map_BCHW = torch.zeros(1, 1, 2, 2, requires_grad=True)
    pool = GeM()
    pool(map_BCHW).sum().backward()
    assert pool(map_BCHW).item() == pytest.approx(1e-6, rel=1e-3)
    assert torch.isfinite(map_BCHW.grad).all()
    assert torch.isfinite(pool.exponent.grad).all()


def test_the_exponent_is_one_learnable_number_that_starts_at_three():
    """There is one exponent for all channels."""
    assert [parameter.tolist() for parameter in GeM().parameters()] == [[3.0]]
