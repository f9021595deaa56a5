"""What a step of each paper launches on a GPU, counted without one: no more than it did, and nothing waits."""

import pytest
from torch import nn

from benchmarks.counted_steps import count_step
from benchmarks.papers_at_full_size import PAPERS
from tablewright.trainables.training.fake_step import FakeStep
from tablewright.trainables.training.optimisation import Optimisation
from tablewright.trainables.value.frozen_model import FrozenModel

CHECK_OF_A_CPU = "losses/curriculum_triplet.py"
"""It looks at its labels where that costs nothing; `test_curriculum_triplet.py` counts its waits on a GPU."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kernels", "casts", "layout_copies", "channels_first"),
    [
        ("mdpr", {"forward": 1498, "backward": 2106, "optimizer": 25}, 48, 164, 2),
        ("mgn", {"forward": 474, "backward": 568, "optimizer": 14}, 1, 1, 0),
        ("hacnn", {"forward": 688, "backward": 828, "optimizer": 14}, 1, 28, 3),
        ("mancs", {"forward": 267, "backward": 267, "optimizer": 21}, 3, 4, 0),
        ("tasn", {"forward": 572, "backward": 278, "optimizer": 14}, 9, 2, 0),
    ],
)
def test_a_papers_step_launches_no_more_than_it_did(name, kernels, casts, layout_copies, channels_first):
    """Kernels of each phase, those that only change precision or layout, convolutions in the slower layout; no wait."""
    paper = PAPERS[name]
    step = count_step(paper.fake_step())
    assert [] == [wait for wait in step.waits if CHECK_OF_A_CPU not in wait]
    found = {phase: step.kernels[phase] for phase in kernels}
    assert all(found[phase] <= number for phase, number in kernels.items()), found
    assert step.casts <= casts, step.casts
    assert step.layout_copies <= layout_copies, step.layout_copies
    assert step.channels_first <= channels_first, step.channels_first


class ToyConfig(FrozenModel):
    seed: int = 0
    optimisation: Optimisation = Optimisation(optimizer="sgd", precision="bf16")


class Toy:
    """Two convolutions of maps whose channels lie first, and a loss that looks at its labels."""

    def build_network(self, config, num_classes, weights):
        return nn.ModuleList([nn.Conv2d(3, 4, 3, bias=False), nn.Conv2d(4, 5, 3, bias=False)])

    def loss_terms(self, config, network, images_per_rank, labels_per_rank, epoch):
        for images_BCHW, labels_B in zip(images_per_rank, labels_per_rank, strict=True):
            map_BCHW = network[0](images_BCHW).contiguous()
            loss = network[1](map_BCHW).float().mean()
            yield {"toy": loss * float(labels_B.sum())}


@pytest.mark.slow
def test_a_step_is_counted_by_what_it_does():
    """A cast, a change of layout and a look at a value are each found, the last one with its line."""
    step = count_step(FakeStep(Toy(), ToyConfig(), 2, (4, 3, 16, 16)))
    assert 2 == step.channels_first
    assert 2 == step.by_operation["convolution"] == step.by_operation["convolution_backward"]
    assert 1 == len(step.waits)
    assert "test_counted_steps.py" in step.waits[0]
    assert step.casts >= 2
    assert step.layout_copies >= 1
