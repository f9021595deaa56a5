"""What a training has written of itself: read back whole, or refused by name with what to do."""

import pickle
import shutil

import numpy as np
import pytest
import torch
from torch import nn

from tablewright.trainables.contract.run import FINAL_CHECKPOINT, RESUME_CHECKPOINT, TrainingStopped
from tablewright.trainables.training.fitting import load_network
from tests.trainables.published_weights import save, zeros_of
from tests.trainables.tiny_reid import (
    Journal,
    LocalFolder,
    TinyConfig,
    TinyMethod,
    assert_equal_states,
    fit_through,
    tiny_runtime,
)

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    return tiny_runtime(tmp_path_factory.mktemp("market"))


@pytest.fixture(scope="module")
def written(runtime, tmp_path_factory):
    """A finished training's folder that still has the state it was stopped with."""
    folder = LocalFolder(tmp_path_factory.mktemp("training"))
    with pytest.raises(TrainingStopped):
        TinyConfig().make_trainable().fit(TinyConfig(), runtime, folder, Journal(2).hooks())
    fit_through(TinyConfig(), runtime, folder, Journal())
    return folder


@pytest.fixture
def folder(written, tmp_path):
    shutil.copytree(written.root, tmp_path / "checkpoint")
    return LocalFolder(tmp_path / "checkpoint")


def load(folder, runtime):
    return load_network(TinyMethod(), TinyConfig(), folder, CPU)


def resume(folder, runtime):
    return fit_through(TinyConfig(), runtime, folder, Journal())


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


FOREIGN = {
    "cut off": (cut, "cannot be read: it is damaged, cut off, or of another program"),
    "empty": (lambda path: path.write_bytes(b""), "cannot be read"),
    "text": (lambda path: path.write_text("<html>", encoding="utf-8"), "cannot be read"),
    "zeros": (lambda path: path.write_bytes(bytes(5000)), "cannot be read"),
    "numpy": (lambda path: path.write_bytes(pickle.dumps({"network": np.zeros(3)})), "cannot be read"),
    "whole network": (lambda path: save(path, nn.Linear(2, 2)), "cannot be read"),
    "state dict": (
        lambda path: save(path, zeros_of("resnet18")),
        r"is none that a training has written: it has no ",
    ),
    "list": (lambda path: save(path, [1, 2]), "is none that a training has written: it has no "),
}
WAYS = {
    FINAL_CHECKPOINT: (
        load,
        r"Delete the file to train again; of a training that is recorded, its whole folder",
    ),
    RESUME_CHECKPOINT: (resume, r"Delete the file to train from the start"),
}


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize(("spoil", "message"), FOREIGN.values(), ids=FOREIGN)
def test_a_file_that_no_training_has_written_is_refused_by_name(folder, runtime, name, spoil, message):
    """The message has the file's whole place, what is wrong with it and what to do, in our words and in one line."""
    read, way_on = WAYS[name]
    spoil(folder.root / name)
    with pytest.raises(ValueError, match=f"{message}.*{way_on}") as fault:
        read(folder, runtime)
    said = str(fault.value)
    assert said.startswith(f"{folder.root}/{name} ")
    assert "\n" not in said
    assert "weights_only" not in said
    assert fault.value.__suppress_context__ or fault.value.__context__ is None


def change(path, edit):
    content = torch.load(path, weights_only=True)
    edit(content)
    save(path, content)


NETWORKS = {
    "fewer entries": (
        lambda network: network.pop("project.bias"),
        r"1 of its entries are missing \(project\.bias\)",
    ),
    "more entries": (
        lambda network: network.update({"gate": torch.zeros(1)}),
        r"1 of its entries are left over \(gate\)",
    ),
    "another shape": (
        lambda network: network.update({"stem.0.weight": torch.zeros(7, 3, 3, 3)}),
        r"1 of its entries are unlike \(stem\.0\.weight\)",
    ),
}


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize(("edit", "message"), NETWORKS.values(), ids=NETWORKS)
def test_another_network_is_refused_with_what_differs(folder, runtime, name, edit, message):
    """Nothing starts from a checkpoint in part, whatever its origin."""
    read, way_on = WAYS[name]
    change(folder.root / name, lambda content: edit(content["network"]))
    with pytest.raises(
        ValueError, match=f"holds another network than its config builds: {message}.*{way_on}"
    ):
        read(folder, runtime)


def test_what_is_no_network_is_refused(folder, runtime):
    """A checkpoint may have the right keys and hold something else under them."""
    change(folder.root / FINAL_CHECKPOINT, lambda content: content.update(network=3))
    with pytest.raises(ValueError, match="holds no network"):
        load(folder, runtime)


def test_the_final_checkpoint_of_another_training_is_refused(folder, runtime, tmp_path):
    """Weights of another seed fit in every shape; taken for this training's they would be a wrong number."""
    other = LocalFolder(tmp_path / "other")
    fit_through(TinyConfig(seed=1), runtime, other, Journal())
    shutil.copy(other.root / FINAL_CHECKPOINT, folder.root / FINAL_CHECKPOINT)
    with pytest.raises(
        ValueError, match=r"final\.pt was written by another training: .* delete the file to train again"
    ):
        load(folder, runtime)


def test_a_final_checkpoint_from_before_origins_were_written_is_read(folder, runtime):
    """Stores that exist stay readable."""
    whole = load(folder, runtime).state_dict()
    change(folder.root / FINAL_CHECKPOINT, lambda content: content.pop("config_sha256"))
    assert_equal_states(whole, load(folder, runtime).state_dict())


def test_an_absent_final_checkpoint_is_named(folder, runtime):
    """A training whose weights were deleted says so, and what to delete besides."""
    (folder.root / FINAL_CHECKPOINT).unlink()
    with pytest.raises(ValueError, match=r"final\.pt is not there\. Delete .* recorded, its whole folder"):
        load(folder, runtime)
