"""Torch is held for a training, and let go as it was."""

import threading

import pytest
import torch

from tablewright.trainables.training.determinism import reproducible
from tests.waiting import PATIENCE_S


@pytest.fixture(params=[True, False])
def tf32_before(request):
    """What somebody else has set TF32 to."""
    settings = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [setting.allow_tf32 for setting in settings]
    for setting in settings:
        setting.allow_tf32 = request.param
    yield request.param
    for setting, value in zip(settings, before, strict=True):
        setting.allow_tf32 = value


@pytest.mark.parametrize("fails", [False, True])
def test_float32_is_no_tf32_inside_and_as_it_was_after(tf32_before, fails):
    """Neither convolutions nor matrix products lose digits inside, and the setting is put back, errors or not."""
    try:
        with reproducible(torch.device("cpu")):
            inside = (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32)
            if fails:
                raise FloatingPointError
    except FloatingPointError:
        assert fails
    after = (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32)
    assert ((False, False), (tf32_before, tf32_before)) == (inside, after)


@pytest.mark.slow
def test_another_thread_waits_and_draws_as_if_it_were_alone():
    """Two trainings of one process never share a generator, a number of threads or a setting."""
    num_threads, drawn, is_inside = torch.get_num_threads(), [], threading.Event()

    def train(seed):
        with reproducible(torch.device("cpu"), seed):
            is_inside.set()
            drawn.append((torch.get_num_threads(), *torch.rand(2).tolist()))

    train(8)
    is_inside.clear()
    with reproducible(torch.device("cpu"), 7):
        beside = threading.Thread(target=train, args=(8,))
        beside.start()
        assert not is_inside.wait(0.5)
        torch.rand(1)
    beside.join(PATIENCE_S)
    assert is_inside.is_set()
    assert drawn[0] == drawn[1]
    assert 1 == drawn[0][0]
    assert num_threads == torch.get_num_threads()


def test_it_may_be_entered_again_inside():
    """Measuring between two epochs draws nothing from the training's generator and leaves it held."""
    with reproducible(torch.device("cpu"), 7):
        undisturbed = torch.rand(2)
    with reproducible(torch.device("cpu"), 7):
        before = torch.rand(1)
        with reproducible(torch.device("cpu"), 8):
            torch.rand(1)
        assert 1 == torch.get_num_threads()
        assert undisturbed.tolist() == [*before.tolist(), *torch.rand(1).tolist()]
