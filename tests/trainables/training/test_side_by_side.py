"""Ranks side by side: the same training as one after the other, up to the order of sums."""

import pytest
import torch

from tests.trainables.tiny_reid import assert_equal_states, tiny_runtime
from tests.trainables.training.side_by_side import Job, do_in_processes

pytestmark = pytest.mark.slow

SUMMED_IN_ANOTHER_ORDER = 1e-12
"""Relative, in float64: a sum of a few terms in another order differs by 1e-16, and every step carries that on."""
WITHOUT_GRADIENT = 1e-9
"""The same of a bias before a batch norm, which has no gradient but rounding, of which Adam makes whole steps."""
NUM_STEPS = 8


def tiny(num_processes, folder, *stops):
    """Steps of four ranks, one an epoch."""
    return Job("tiny", num_processes, folder, 4, num_epochs=NUM_STEPS, stops=stops, is_double=True)


PAPERS = ("mdpr", "mdpr gathered", "mgn", "hacnn", "mancs", "tasn")
JOBS = {
    **{(name, num): Job(name, num, f"{name} {num}", is_double=True) for num in (1, 2) for name in PAPERS},
    **{("tiny", num): tiny(num, f"tiny {num}") for num in (1, 2, 4)},
    "stopped": tiny(2, "resumed", 3),
    "resumed by four": tiny(4, "resumed", 3),
    "resumed by one": tiny(1, "resumed"),
    "stopped again": tiny(2, "again", 5),
    "resumed by two": tiny(2, "again"),
    "dropout": Job("dropout", 2, "dropout"),
    "uneven": Job("tiny", 2, "uneven", 3),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What every job has made."""
    root = tmp_path_factory.mktemp("jobs")
    results = do_in_processes(list(JOBS.values()), tiny_runtime(root), root)
    return dict(zip(JOBS, results, strict=True))


def largest_difference(expected, actual):
    """Give the largest difference of an entry, relative to its largest value."""
    assert list(expected) == list(actual)
    return max(
        float((expected[name] - actual[name]).abs().max() / expected[name].abs().max().clamp(min=1e-6))
        for name in expected
    )


@pytest.mark.parametrize("name", PAPERS)
def test_a_papers_ranks_side_by_side_are_the_training_of_ranks_one_after_another(name, made):
    """Weights, running statistics and losses of two processes are those of one, up to the order of sums."""
    alone, beside = made[name, 1], made[name, 2]
    assert largest_difference(alone.state, beside.state) < SUMMED_IN_ANOTHER_ORDER
    assert list(alone.metrics) == list(beside.metrics) == [1]
    for metric, value in alone.metrics[1].items():
        assert pytest.approx(value, rel=1e-7) == beside.metrics[1][metric]  # HA-CNN's losses are float32


@pytest.mark.parametrize("num_processes", [2, 4])
def test_many_steps_in_several_processes_stay_by_those_of_one(num_processes, made):
    """After some epochs of four ranks nothing has drifted apart."""
    alone, beside = made["tiny", 1], made["tiny", num_processes]
    assert NUM_STEPS == len(alone.metrics)
    assert largest_difference(alone.state, beside.state) < WITHOUT_GRADIENT
    assert [pytest.approx(metrics["loss"], rel=1e-7) for metrics in alone.metrics.values()] == [
        metrics["loss"] for metrics in beside.metrics.values()
    ]


def test_a_training_goes_on_in_another_number_of_processes(made):
    """Stopped in two processes, taken up by four, stopped again and ended by one, it is the same training."""
    ended = made["resumed by one"]
    assert {} == made["stopped"].state == made["resumed by four"].state
    assert largest_difference(made["tiny", 1].state, ended.state) < WITHOUT_GRADIENT


def test_a_training_goes_on_in_as_many_processes_to_the_bit(made):
    """As in one process: nothing tells an interrupted training from an undisturbed one."""
    assert {} == made["stopped again"].state
    assert_equal_states(made["tiny", 2].state, made["resumed by two"].state)


def test_a_method_that_draws_what_others_cannot_pass_over_is_refused(made):
    """Dropout would be drawn from the same numbers on every rank: said after the first step, and nothing is trained."""
    assert "tiny draws random numbers while a rank is computed, as dropout does" in made["dropout"].error


def test_ranks_that_cannot_be_shared_evenly_are_refused(made):
    """Three ranks and two processes: the rule, both numbers, and what to change."""
    assert "data.num_ranks is 3, which 2 processes cannot share evenly" in made["uneven"].error


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_ranks_on_two_gpus_are_the_training_of_one(tmp_path):
    """By NCCL, as by gloo."""
    runtime = tiny_runtime(tmp_path, device="cuda")
    alone, beside = do_in_processes([tiny(1, "alone"), tiny(2, "beside")], runtime, tmp_path)
    assert largest_difference(alone.state, beside.state) < WITHOUT_GRADIENT
