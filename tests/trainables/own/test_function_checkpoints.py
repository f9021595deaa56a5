"""The state of a training function, which is kept while its next epoch runs."""

import warnings

import pytest
import torch

from tablewright import Config, Data, Metric, method
from tablewright.trainables.contract.run import RESUME_CHECKPOINTS, FitHooks, Runtime
from tests.trainables.own.fitted_function import fresh_folders
from tests.trainables.tiny_reid import wait_for_checkpoint

ALWAYS = Runtime(None, "", checkpoint_every_s=0.0)
NEVER = Runtime(None, "", checkpoint_every_s=1e9)
FAILS_IN = {"epoch": 0}


class Falling(Config):
    """A machine that fails in the middle of an epoch."""

    num_epochs: int = 6


@method(
    Falling,
    metrics=[Metric("top1", "Top-1")],
    measure=lambda config, model, split: {"top1": 0.5},
    data=Data("None", version="1"),
)
def fall(config, run):
    """Walk, and fall in the epoch that is asked for, when half of it is done."""
    model, steps = torch.nn.Linear(3, 1), {"seen": []}
    optimiser = torch.optim.Adam(model.parameters(), 0.1)
    for epoch in run.epochs(config.num_epochs, model=model, optimiser=optimiser, steps=steps):
        for half in range(2):
            optimiser.zero_grad()
            model(torch.randn(4, 3)).square().mean().backward()
            optimiser.step()
            steps["seen"].append((epoch, half))
            if (epoch, half) == (FAILS_IN["epoch"], 0):
                raise MemoryError
        run.report(loss=float(model.weight.abs().sum()))
    model.steps = tuple(steps["seen"])
    return model


def go_on(folder, runtime, fails_in=0):
    """Train until the end or the fall; gives the model, the epochs that were reported, and what was warned of."""
    FAILS_IN["epoch"], epochs = fails_in, []

    def on_epoch(report, model):
        epochs.append(report.epoch)
        wait_for_checkpoint()

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = Falling().make_trainable().fit(Falling(), runtime, folder, FitHooks(on_epoch))
    return model, epochs, [str(one.message) for one in said]


@pytest.fixture
def calm(tmp_path):
    """What a training that nothing disturbs comes to."""
    return go_on(fresh_folders(tmp_path / "calm")(), NEVER)[0]


@pytest.fixture
def fallen(tmp_path):
    """The folder of a training that fell in its fourth epoch."""
    folder = fresh_folders(tmp_path / "fallen")()
    with pytest.raises(MemoryError):
        go_on(folder, ALWAYS, fails_in=4)
    return folder


def assert_alike(calm, model):
    assert torch.equal(calm.weight, model.weight)
    assert calm.steps == model.steps


def test_what_an_epoch_changes_while_the_last_is_kept_is_not_in_it(calm, fallen):
    """Going on after a fall in mid-epoch ends in the same digits: weights, moments and dictionaries were copied."""
    model, epochs, said = go_on(fallen, NEVER)
    assert_alike(calm, model)
    assert ([4, 5, 6], []) == (epochs, said)


def test_a_damaged_state_falls_back_to_the_one_before_it(calm, fallen):
    """As of our own methods: an epoch more is made again, the digits are the same, and a warning names the file."""
    newest, before = RESUME_CHECKPOINTS  # of the third epoch, and of the second
    fallen.write(newest, fallen.read(newest)[:-500])
    model, epochs, said = go_on(fallen, NEVER)
    assert_alike(calm, model)
    assert [3, 4, 5, 6] == epochs
    assert [True] == [newest in sentence and before in sentence for sentence in said]


def test_two_damaged_states_are_refused(fallen):
    """It never begins again by itself where work was kept."""
    for name in RESUME_CHECKPOINTS:
        fallen.write(name, b"<html>")
    with pytest.raises(ValueError, match=r"neither of the two .*delete both files to train from the start"):
        go_on(fallen, NEVER)


def test_a_state_from_before_there_were_two_files_is_gone_on_from(calm, fallen):
    """Stores that exist stay readable."""
    newest, before = RESUME_CHECKPOINTS
    with fallen.open_to_read(newest) as file:
        state = torch.load(file, weights_only=False)
    with fallen.open_to_write(newest) as file:
        torch.save(state, file)
    fallen.remove(before)
    model, epochs, said = go_on(fallen, NEVER)
    assert_alike(calm, model)
    assert ([4, 5, 6], []) == (epochs, said)


def test_what_is_no_state_is_refused_by_name(fallen):
    """A file of another program in the only place says what it is and what to do."""
    newest, before = RESUME_CHECKPOINTS
    fallen.remove(before)
    with fallen.open_to_write(newest) as file:
        torch.save({"network": 3}, file)
    with pytest.raises(
        ValueError, match=r"resume\.pt is none that run.epochs .* Delete the file to train from"
    ):
        go_on(fallen, NEVER)
