"""The optimizer and its schedule against the paper's table."""

import pytest
import torch
from torch import nn

from tablewright.trainables.training.optimisation import (
    Optimisation,
    learning_rate,
    make_optimizer,
)
from tablewright.trainables.value.refusal import Refusal

# Rates at the start of epochs, from 0 on, as the authors' code gives them: name, steps an epoch, epochs,
# warm-up steps, {epoch: rate}.
MEASURED = [
    ("Market-1501, batch 256", 50, 60, 2000, {10: "1.14e-04", 30: "2.71e-04", 50: "1.48e-04"}),
    ("Market-1501, batch 64", 202, 60, 2000, {10: "3.50e-04", 30: "2.19e-04", 50: "2.73e-05"}),
    ("DukeMTMC-reID, batch 256", 64, 60, 2000, {10: "1.36e-04", 30: "3.37e-04", 50: "8.20e-05"}),
    ("DukeMTMC-reID, batch 64", 258, 60, 2000, {10: "3.47e-04", 30: "2.07e-04", 50: "2.53e-05"}),
    ("SynergyReID, batch 256", 33, 40, 200, {10: "3.37e-04", 30: "6.05e-05"}),
    ("SynergyReID, batch 64", 133, 40, 200, {10: "3.04e-04", 30: "4.63e-05"}),
]


@pytest.mark.parametrize(("name", "steps_per_epoch", "epochs", "warmup", "rates"), MEASURED)
def test_schedule_gives_the_rates_measured_on_the_authors_code(name, steps_per_epoch, epochs, warmup, rates):
    """The default schedule is the paper's to three digits on every data set and batch it used."""
    optimisation = Optimisation(num_epochs=epochs, warmup_steps=warmup)
    actual = {
        epoch: f"{learning_rate(optimisation, epoch * steps_per_epoch, steps_per_epoch):.2e}"
        for epoch in rates
    }
    assert rates == actual


@pytest.mark.parametrize(("name", "steps_per_epoch", "epochs", "warmup", "rates"), MEASURED)
def test_last_epoch_runs_at_the_final_rate(name, steps_per_epoch, epochs, warmup, rates):
    """Every step of the last epoch, and none before it, is at the final rate."""
    optimisation = Optimisation(num_epochs=epochs, warmup_steps=warmup)
    first = (epochs - 1) * steps_per_epoch
    last_rates = {
        learning_rate(optimisation, step, steps_per_epoch) for step in range(first, first + steps_per_epoch)
    }
    assert [pytest.approx(1e-7)] == list(last_rates)
    assert learning_rate(optimisation, first - 1, steps_per_epoch) > 2e-7


def test_warm_up_goes_by_steps_and_the_base_rate_lasts_to_the_end_of_its_epoch():
    """Warm-up of 6 steps in epochs of 4: linear from a tenth, full from step 6 on, cosine from epoch 2 on."""
    optimisation = Optimisation(num_epochs=4, base_lr=1.0, warmup_steps=6, final_lr=0.0)
    rates = [learning_rate(optimisation, step, 4) for step in range(16)]
    assert [0.1, 0.25, 0.4, 0.55, 0.7, 0.85] == pytest.approx(rates[:6])
    assert [1.0, 1.0] == rates[6:8]
    assert [0.5] * 4 == pytest.approx(rates[8:12])
    assert [0.0] * 4 == pytest.approx(rates[12:])


def test_schedule_without_warm_up_starts_at_the_base_rate_and_ends_at_the_final_one():
    """With warmup_steps=0 the first epoch is at the base rate, the last at the final one."""
    optimisation = Optimisation(num_epochs=3, base_lr=1.0, warmup_steps=0, final_lr=0.2)
    assert [1.0, 0.6, 0.2] == pytest.approx([learning_rate(optimisation, 5 * epoch, 5) for epoch in range(3)])


def test_training_that_ends_within_its_warm_up_never_leaves_it():
    """A warm-up longer than the training is no error, and no cosine is taken."""
    optimisation = Optimisation(num_epochs=2, base_lr=1.0, warmup_steps=100)
    rates = [learning_rate(optimisation, step, 10) for step in range(20)]
    assert sorted(rates) == rates
    assert pytest.approx(0.1 * 0.81 + 0.19) == rates[-1]


def test_decay_is_added_to_the_gradient_of_norms_and_biases_too():
    """With a zero gradient Adam still moves a bias and a norm's weight by the rate: decay is coupled."""
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    nn.init.ones_(network[0].bias)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer = make_optimizer(Optimisation(base_lr=0.01, final_lr=0.0), network.parameters())
    optimizer.step()
    assert [0.99, 0.99] == pytest.approx(network[0].bias.tolist())
    assert [0.99, 0.99] == pytest.approx(network[1].weight.tolist())


def test_frozen_parameters_stay_out_of_the_optimizer():
    """A parameter that takes no gradient is not decayed."""
    network = nn.Linear(2, 2)
    network.weight.requires_grad_(False)
    optimizer = make_optimizer(Optimisation(), network.parameters())
    assert [id(network.bias)] == [id(parameter) for parameter in optimizer.param_groups[0]["params"]]


def test_config_tells_all_its_faults_at_once():
    """Wrong betas and a rate that would rise are told in one error."""
    with pytest.raises(Refusal, match=r"betas lie in .*; the rate falls from base_lr"):
        Optimisation(betas=(0.9, 1.0), base_lr=1e-3, final_lr=1e-2)


def test_steps_down_by_epochs_completed():
    """MGN's schedule: a tenth from epoch 40 on, a hundredth from 60 on; without decay epochs it is constant."""
    mgn = Optimisation(
        num_epochs=80, base_lr=1e-2, warmup_steps=0, schedule="steps", decay_epochs=(40, 60), optimizer="sgd"
    )
    rates = {epoch: learning_rate(mgn, epoch * 47, 47) for epoch in (0, 39, 40, 59, 60, 79)}
    assert {0: 1e-2, 39: 1e-2, 40: 1e-3, 59: 1e-3, 60: 1e-4, 79: 1e-4} == pytest.approx(rates)
    constant = Optimisation(num_epochs=5, base_lr=0.3, warmup_steps=0, schedule="steps")
    assert {0.3} == {learning_rate(constant, step, 4) for step in range(20)}


def test_sgd_moves_by_hand_computed_steps():
    """Momentum 0.9, weight decay 0.5, rate 0.1, from weight 1 with gradient 1 twice."""
    weight = nn.Parameter(torch.ones(1))
    sgd = Optimisation(
        optimizer="sgd", base_lr=0.1, weight_decay=0.5, schedule="steps", warmup_steps=0, num_epochs=1
    )
    optimizer = make_optimizer(sgd, [weight])
    for _ in range(2):
        weight.grad = torch.ones(1)
        optimizer.step()
    first = 1 - 0.1 * 1.5
    velocity = 0.9 * 1.5 + (1 + 0.5 * first)
    assert first - 0.1 * velocity == pytest.approx(weight.item())


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "sgd", "eps": 1e-4},
        {"momentum": 0.5},
        {"decay_epochs": (3,)},
        {"schedule": "steps", "final_lr": 1e-5},
        {"schedule": "steps", "decay_factor": 0.5},
        {"schedule": "steps", "decay_epochs": (60, 40)},
    ],
)
def test_a_field_that_does_nothing_is_refused(changes):
    """A setting without effect would make two trainings of one, and is likely a mistake."""
    with pytest.raises(Refusal, match=r"set optimisation\.|leave optimisation\."):
        Optimisation(**changes)
