"""Counting the steps that loss scaling skips."""

import pytest
import torch
from torch import nn

from tablewright.trainables.training.loss_scaling import CountingScaler

CPU = torch.device("cpu")


def train(scaling, weight, optimizer, overflows):
    """Make a step for each entry; where it is true, the gradient overflows."""
    for is_lost in overflows:
        optimizer.zero_grad()
        factor = float("inf") if is_lost else 1.0
        scaling.scaler.scale((weight * factor).sum()).backward()
        scaling.step(optimizer)


@pytest.fixture
def parts():
    weight = nn.Parameter(torch.ones(2))
    return weight, torch.optim.SGD([weight], lr=0.1)


def test_steps_that_overflow_are_counted_and_told(parts):
    """They move no weight; from one in a hundred on the training says so."""
    weight, optimizer = parts
    scaling = CountingScaler(CPU, enabled=True)
    train(scaling, weight, optimizer, [True, True, False, True, False])
    assert 3 == scaling.num_skipped
    torch.testing.assert_close(weight.detach(), torch.full((2,), 0.8))
    assert "fp16 overflowed in 3 of 5 steps (60.0%)" in scaling.sentence(5)
    assert "" == scaling.sentence(1000)


def test_an_interrupted_training_goes_on_counting(parts):
    """What was skipped before is not forgotten; a state of an older version counts from there on."""
    weight, optimizer = parts
    before, after = CountingScaler(CPU, enabled=True), CountingScaler(CPU, enabled=True)
    train(before, weight, optimizer, [True, False])
    after.load_state_dict(before.state_dict())
    train(after, weight, optimizer, [True])
    assert 2 == after.num_skipped
    assert before.scaler.get_scale() == 2 * after.scaler.get_scale()
    older = {name: value for name, value in before.state_dict().items() if name != "num_skipped"}
    after.load_state_dict(older)
    assert 0 == after.num_skipped


def test_a_training_that_scales_nothing_skips_nothing(parts):
    """In float32 the state is empty, as it was before anything was counted."""
    weight, optimizer = parts
    scaling = CountingScaler(CPU, enabled=False)
    train(scaling, weight, optimizer, [False, False])
    assert ({}, 0, "") == (scaling.state_dict(), scaling.num_skipped, scaling.sentence(2))
