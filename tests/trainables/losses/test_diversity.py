"""Diversity of attention maps, and their foreground mass."""

import pytest
import torch

from tablewright.trainables.losses.diversity import attention_diversity_loss, foreground_mass


def test_three_maps_of_two_images_by_hand():
    """The cosines of the three pairs are added, then averaged over images."""
    first_AD = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])  # cosines 0, √½, √½
    second_AD = torch.tensor([[1.0, 0.0], [5.0, 0.0], [2.0, 0.0]])  # cosines 1, 1, 1
    loss = attention_diversity_loss(torch.stack((first_AD, second_AD)))
    assert (2 * 0.5**0.5 + 3) / 2 == pytest.approx(loss.item(), rel=1e-6)


@pytest.mark.parametrize(("num_attentions", "num_pairs"), [(1, 0), (2, 1), (4, 6), (8, 28)])
def test_equal_maps_cost_one_a_pair(num_attentions, num_pairs):
    """The loss is a sum over pairs, not a mean."""
    loss = attention_diversity_loss(torch.ones(3, num_attentions, 5))
    assert num_pairs == pytest.approx(loss.item(), abs=1e-5)


def test_mass_is_summed_over_maps_and_space_and_averaged_over_images():
    """Full attention at 24 x 12 weighs 288, whatever the number of maps that share it."""
    assert foreground_mass(torch.full((3, 2, 24, 12), 0.5)).item() == 288.0
    assert foreground_mass(torch.stack((torch.zeros(2, 1, 3), torch.ones(2, 1, 3)))).item() == 3.0
