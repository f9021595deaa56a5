"""Sizes of small networks whose counts are made by hand."""

import torch
from torch import nn

from tablewright.trainables.contract.size import NetworkSize
from tablewright.trainables.layers.network_size import measure_size


class Branched(nn.Module):
    """Two branches behind a stem, one of them longer, and a classifier that inference does not read."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.long = nn.Sequential(nn.Conv2d(4, 4, 1, bias=False), nn.ReLU(), nn.Conv2d(4, 4, 1, bias=False))
        self.short = nn.Conv2d(4, 4, 1, bias=False)
        self.embed = nn.Linear(4, 5)
        self.classify = nn.Linear(5, 7)

    def forward(self, images_BCHW):
        map_BCHW = self.stem(images_BCHW)
        pooled_BC = (self.long(map_BCHW) + self.short(map_BCHW)).mean(dim=(2, 3))
        # A product of two results of the network is no layer.
        return {"whole": self.embed(pooled_BC) * (pooled_BC @ pooled_BC.T)}


def test_a_network_is_counted():
    """Parameters, those read, multiply-adds and the longest chain are those on paper."""
    stem, reduce, embed, classify = 3 * 4 * 9 + 4, 4 * 4, 4 * 5 + 5, 5 * 7 + 7
    read = stem + 3 * reduce + embed
    multiply_adds = 6 * 2 * (3 * 4 * 9 + 3 * reduce) + 4 * 5
    assert NetworkSize(read + classify, read, multiply_adds, depth=4) == measure_size(
        Branched, lambda network, images_BCHW: network(images_BCHW), (1, 3, 6, 2)
    )


def test_frozen_layers_are_counted():
    """A layer that is not trained is still read at inference, and as deep."""

    def build():
        network = Branched()
        network.stem.requires_grad_(False)
        return network

    def infer(network, images_BCHW):
        return network(images_BCHW)

    assert measure_size(Branched, infer, (1, 3, 6, 2)) == measure_size(build, infer, (1, 3, 6, 2))


class Guided(nn.Module):
    """A guide of two layers, blocked from the gradient, says where two more layers look; a head is read by none."""

    def __init__(self):
        super().__init__()
        self.guide = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(4, 1, 1))
        self.guide_head = nn.Linear(1, 7)
        self.stem = nn.Conv2d(3, 5, 1, bias=False)
        self.classify = nn.Linear(5, 7)

    def forward(self, images_BCHW):
        with torch.no_grad():
            where_B1HW = self.guide(images_BCHW).sigmoid()
        canvas_BCHW = torch.zeros_like(images_BCHW)
        canvas_BCHW[:, :, 1:] = (images_BCHW * where_B1HW.detach())[:, :, 1:]
        return {
            "answer": self.classify(self.stem(canvas_BCHW).mean(dim=(2, 3))),
            "guide": self.guide_head(where_B1HW.mean(dim=(2, 3))),
        }


def test_layers_behind_a_blocked_gradient_are_counted():
    """What an output's values are made of is read and as deep, though no gradient flows; other heads are not read."""
    guide, guide_head, stem, classify = (3 * 4 * 9 + 4) + (4 + 1), 7 + 7, 3 * 5, 5 * 7 + 7
    multiply_adds = 6 * 2 * (3 * 4 * 9 + 4 + stem) + 5 * 7
    read = guide + stem + classify
    assert NetworkSize(read + guide_head, read, multiply_adds, depth=4) == measure_size(
        Guided, lambda network, images_BCHW: {"answer": network(images_BCHW)["answer"]}, (1, 3, 6, 2)
    )


def test_no_random_number_is_drawn():
    """Counting leaves the generator of the training as it was."""
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    measure_size(Branched, lambda network, images_BCHW: network(images_BCHW), (1, 3, 6, 2))
    assert torch.equal(expected, torch.rand(3))
