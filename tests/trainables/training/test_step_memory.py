"""The memory of a step, counted without a GPU: of a network that can be reckoned by hand, and of the papers."""

import pytest
import torch
from torch import nn

from tablewright.orchestrator.declared.profile import Profile
from tablewright.search_spaces import (
    hacnn_ablation,
    mancs_ablation,
    mdpr_ablation,
    mgn_ablation,
    tasn_ablation,
)
from tablewright.trainables.contract.method import CountsMemory
from tablewright.trainables.training.fake_step import FakeStep
from tablewright.trainables.training.optimisation import Optimisation
from tablewright.trainables.training.step_memory import count_step_memory
from tablewright.trainables.value.frozen_model import FrozenModel

GB = 1e9
NUM_IMAGES, NUM_PIXELS, NUM_CLASSES = 256, 3 * 8 * 8, 100


class LinearConfig(FrozenModel):
    seed: int = 0
    optimisation: Optimisation = Optimisation(precision="fp32")


class Linear:
    """One linear layer on pixels, and a loss that looks at its labels."""

    def build_network(self, config, num_classes, weights):
        return nn.Sequential(nn.Flatten(), nn.Linear(NUM_PIXELS, num_classes, bias=False))

    def loss_terms(self, config, network, images_per_rank, labels_per_rank, epoch):
        for images_BCHW, labels_B in zip(images_per_rank, labels_per_rank, strict=True):
            assert 4 == int((labels_B == labels_B[0]).sum())
            yield {"class": nn.functional.cross_entropy(network(images_BCHW), labels_B)}


@pytest.mark.slow
@pytest.mark.parametrize(("optimizer", "num_states"), [("adam", 2), ("sgd", 1)])
def test_a_linear_layer_takes_what_is_reckoned_by_hand(optimizer, num_states):
    """Weights, the optimizer's states, and images, logits and gradients at once; ranks follow each other in it."""
    config = LinearConfig(optimisation=Optimisation(optimizer=optimizer, precision="fp32"))
    before = torch.get_rng_state()
    shape = (NUM_IMAGES, 3, 8, 8)
    one, two = (
        count_step_memory(FakeStep(Linear(), config, NUM_CLASSES, shape, num_ranks=ranks, num_alike=4))
        for ranks in (1, 2)
    )
    weights_bytes, images_bytes = 4 * NUM_PIXELS * NUM_CLASSES, 4 * NUM_IMAGES * NUM_PIXELS
    logits_bytes = 4 * NUM_IMAGES * NUM_CLASSES
    assert weights_bytes == one.weights_bytes
    assert num_states * weights_bytes <= one.optimizer_bytes <= num_states * weights_bytes + 100
    at_least = images_bytes + logits_bytes + weights_bytes
    assert at_least <= one.step_bytes <= at_least + 3 * logits_bytes
    assert images_bytes <= two.step_bytes - one.step_bytes <= images_bytes + weights_bytes + 1000
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("study", "at_rest_gb", "saved_gb"),
    [
        (mdpr_ablation, 2.6, 12.6),
        (mgn_ablation, 0.9, 8.9),
        (hacnn_ablation, 0.04, 0.9),
        (mancs_ablation, 0.5, 16.4),
        (tasn_ablation, 0.4, 22.7),
    ],
)
def test_the_papers_take_what_was_counted_of_them(study, at_rest_gb, saved_gb):
    """By another way of counting, on fake tensors of a GPU: weights, gradients and states, and saved activations."""
    config = study.base_config(Profile.PAPER)
    trainable = config.make_trainable()
    assert isinstance(trainable, CountsMemory)
    same = trainable.of_equal_memory(config.model_copy(update={"seed": 5}))
    assert trainable.of_equal_memory(config) == same
    counted = trainable.step_memory(same)
    # What is there at the most also has the tensors that are just being made.
    assert at_rest_gb + saved_gb == pytest.approx(counted.num_bytes / GB, rel=0.07)
