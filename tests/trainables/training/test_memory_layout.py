"""The order in memory that a GPU's steps want: of weights, maps, counters and an optimizer's states."""

import copy

import pytest
import torch
from torch import nn

from tablewright.trainables.training.memory_layout import as_weights_lie, lay_out_as_weights, lay_out_for_gpu
from tablewright.trainables.training.optimisation import Optimisation, make_optimizer

LAST = torch.channels_last


def make_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 5, 3))


def step(network, optimizer):
    network(torch.rand(2, 3, 9, 9)).square().mean().backward()
    optimizer.step()
    optimizer.zero_grad()


def test_values_stay_and_channels_lie_last():
    """Weights are the same numbers, buffers too, and a batch is counted as before."""
    network = make_network()
    before = copy.deepcopy(network.state_dict())
    lay_out_for_gpu(network)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert network[0].weight.is_contiguous(memory_format=LAST)
    network(torch.rand(2, 3, 9, 9))
    assert 1 == network[1].num_batches_tracked


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_state_of_the_other_order_goes_on_alike(optimizer):
    """A checkpoint of a training whose weights lay otherwise gives the next step that it would have made."""
    optimisation = Optimisation(optimizer=optimizer, precision="fp32")
    networks = [make_network(), make_network()]
    lay_out_for_gpu(networks[1])
    optimizers = [make_optimizer(optimisation, network.parameters()) for network in networks]
    torch.manual_seed(1)
    step(networks[0], optimizers[0])
    networks[1].load_state_dict(networks[0].state_dict())
    optimizers[1].load_state_dict(copy.deepcopy(optimizers[0].state_dict()))
    lay_out_as_weights(optimizers[1])
    states = [state for states in optimizers[1].state.values() for state in states.values()]
    assert any(state.dim() == 4 and state.is_contiguous(memory_format=LAST) for state in states)
    for network, one in zip(networks, optimizers, strict=True):
        torch.manual_seed(2)
        step(network, one)
    for one, other in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_a_map_follows_the_weights_that_see_it():
    """It is left alone where they lie as they are built."""
    network, map_BCHW = make_network(), torch.rand(2, 9, 3, 9).transpose(1, 2)
    assert as_weights_lie(map_BCHW, network) is map_BCHW
    lay_out_for_gpu(network)
    laid_out_BCHW = as_weights_lie(map_BCHW, network)
    assert laid_out_BCHW.is_contiguous(memory_format=LAST)
    assert torch.equal(map_BCHW, laid_out_BCHW)
