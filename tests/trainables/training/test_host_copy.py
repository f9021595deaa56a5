"""Copies of a training's state in memory: what is written of them, and that they stay as they are."""

import io
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from tablewright.trainables.training.host_copy import HostCopy


class Anything:
    """An object of a person's own, which holds a tensor with a graph."""

    def __init__(self):
        self.running = torch.ones(3, requires_grad=True) * 2


def trained():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.rand(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    return {"network": network.state_dict(), "optimizer": optimizer.state_dict()}


def states():
    flat = torch.arange(24.0)
    row = [1, 2]
    return {
        "views of one storage": {"even": flat[::2], "back": flat.view(4, 6).T, "same": [flat, flat]},
        "numbers, texts and arrays": {"a": (1, 2.5, None, True, b"x"), "n": np.arange(3), "f": np.float64(2)},
        "one list twice": {"a": row, "b": row, "o": OrderedDict(x=row)},
        "nothing in it": {"empty": torch.empty(0, 3), "rng": torch.random.get_rng_state()},
        "gradients wanted": {"w": torch.ones(2, requires_grad=True)},
        "a parameter": {"w": nn.Parameter(torch.ones(2))},
        "a sparse tensor": {"w": torch.eye(3).to_sparse()},
        "an object": {"a": Anything(), "w": torch.ones(2)},
        "a set": {"seen": {1, 2}},
    }


def written(write):
    file = io.BytesIO()
    write(file)
    return file.getvalue()


@pytest.mark.parametrize("name", ["network and optimizer", *states()])
def test_a_copy_is_written_as_the_state_itself_would_be(name):
    """The bytes are those that torch writes of the state, whatever it holds, the second time too."""
    state, copy = trained() if name not in states() else states()[name], HostCopy()
    expected = written(lambda file: torch.save(state, file))
    for _ in range(2):
        copy.take(state)
        assert expected == written(copy.write_to)


def test_a_copy_stays_while_the_training_goes_on():
    """What is changed after the copy was taken is not in it: no step is half in a checkpoint."""
    state = {"w": torch.ones(3), "n": np.ones(2), "l": [1]}
    copy = HostCopy()
    copy.take(state)
    expected = written(copy.write_to)
    state["w"] += 1
    state["n"] += 1
    state["l"].append(2)
    assert expected == written(copy.write_to)


def test_memory_is_used_again():
    """Each further copy goes where the one before was: fresh memory costs more time than copying."""
    state, copy = {"w": torch.ones(1000)}, HostCopy()
    copy.take(state)
    place = copy._buffers[0].data_ptr()
    copy.take(state)
    assert [place] == [buffer.data_ptr() for buffer in copy._buffers]
