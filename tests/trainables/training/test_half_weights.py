"""Convolutions' weights in half precision, made at once: the numbers of autocast, which makes each by itself."""

import pytest
import torch
from torch import nn

from tablewright.trainables.training.half_weights import weights_in


class Shared(nn.Module):
    """Two convolutions of one weight, a frozen one, and a linear layer that is used in float32."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=2, dilation=2)
        self.second.weight = self.first.weight
        self.frozen = nn.Conv2d(3, 4, 1).requires_grad_(False)
        self.linear = nn.Linear(4, 2)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, images_BCHW):
        map_BCHW = self.norm(self.frozen(images_BCHW))
        map_BCHW = self.first(map_BCHW) + self.second(map_BCHW)
        with torch.autocast("cpu", enabled=False):
            return self.linear(map_BCHW.float().mean(dim=(2, 3)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_gradients_are_autocasts_to_the_last_bit(dtype):
    """Of weights that layers share, of biases, over two backward passes; a frozen weight has none."""
    torch.manual_seed(0)
    network, images_BCHW = Shared(), torch.rand(4, 3, 8, 8)
    gradients = []
    for halved in (None, dtype):
        network.zero_grad(set_to_none=True)
        with weights_in(halved, network):
            for _ in range(2):
                with torch.autocast("cpu", dtype=dtype):
                    loss = network(images_BCHW).square().sum()
                loss.backward()
        gradients.append([weight.grad for weight in network.parameters()])
    assert all(
        one is None if other is None else torch.equal(one, other)
        for one, other in zip(*gradients, strict=True)
    )
    assert network.frozen.weight.grad is None
    assert network.first.weight.grad.dtype is torch.float32


def test_a_network_has_its_own_weights_again_after_an_error():
    """Whatever happens in the step."""
    network = Shared()
    own = list(network.parameters())
    with pytest.raises(RuntimeError, match="channels"), weights_in(torch.bfloat16, network):
        network.first(torch.rand(1, 9, 8, 8, dtype=torch.bfloat16))
    assert all(one is other for one, other in zip(own, network.parameters(), strict=True))
