"""Counting parameters and multiply-adds."""

import pytest
import torch
from torch import nn

from tablewright.trainables.layers.complexity import count_multiply_adds, count_parameters


@pytest.mark.slow
def test_a_small_network_by_hand():
    """Convolutions, grouped ones and linear layers are counted once a call; norms and biases are not."""
    with torch.device("meta"):
        network = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),  # 8 x 6 x 4 outputs of 27 products
            nn.BatchNorm2d(8),
            nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8),  # 8 x 3 x 2 outputs of 9
            nn.Flatten(),
            nn.Linear(48, 5),  # 5 outputs of 48
        )
        images_BCHW = torch.empty(1, 3, 6, 4)
    expected = 8 * 6 * 4 * 27 + 8 * 3 * 2 * 9 + 5 * 48
    assert expected == count_multiply_adds(network, lambda: network(images_BCHW))
    assert expected == count_multiply_adds(network, lambda: network(images_BCHW))  # no hook is left behind
    assert (8 * 27 + 8) + 16 + (72 + 8) + (240 + 5) == count_parameters(network)
