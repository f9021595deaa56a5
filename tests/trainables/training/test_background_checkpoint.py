"""Keeping a training's state while it goes on: what is written, what a damaged file costs, what a full disc does."""

import errno
import random
import shutil
import threading
import warnings
from contextlib import contextmanager

import pytest
import torch

from tablewright.trainables.contract.run import RESUME_CHECKPOINTS, FitHooks, TrainingStopped
from tablewright.trainables.training.background_checkpoint import BackgroundCheckpoints
from tablewright.trainables.training.resume_files import SEAL, ResumeFiles
from tests.trainables.tiny_reid import (
    Journal,
    LocalFolder,
    PatientJournal,
    TinyConfig,
    assert_equal_states,
    fit_through,
    tiny_runtime,
    wait_for_checkpoint,
)
from tests.waiting import PATIENCE_S, wait_for

NEWEST, BEFORE = RESUME_CHECKPOINTS
STOP_AT = 5  # before it the first file has been written three times, the last time by the stop


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    return tiny_runtime(tmp_path_factory.mktemp("tiny"), checkpoint_every_s=0.0)


@pytest.fixture(scope="module")
def undisturbed(runtime, tmp_path_factory):
    folder = LocalFolder(tmp_path_factory.mktemp("undisturbed"))
    return fit_through(TinyConfig(), runtime, folder, Journal()).state_dict()


@pytest.fixture(scope="module")
def stopped(runtime, tmp_path_factory):
    """A folder of a training that was stopped after four steps, with both of its checkpoints."""
    folder = LocalFolder(tmp_path_factory.mktemp("stopped"))
    with pytest.raises(TrainingStopped):
        TinyConfig().make_trainable().fit(TinyConfig(), runtime, folder, PatientJournal(STOP_AT).hooks())
    return folder


@pytest.fixture
def folder(stopped, tmp_path):
    shutil.copytree(stopped.root, tmp_path / "checkpoint")
    return LocalFolder(tmp_path / "checkpoint")


def go_on(folder, runtime):
    """Go on to the end; gives the weights, the number of steps, and what was warned of."""
    journal = PatientJournal()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        network = fit_through(TinyConfig(), runtime, folder, journal)
    return network.state_dict(), journal.num_asked, [str(one.message) for one in said]


def cut_by(num_bytes):
    return lambda path: path.write_bytes(path.read_bytes()[:-num_bytes])


def flip(seed):
    def spoil(path):
        content = bytearray(path.read_bytes())
        content[random.Random(seed).randrange(len(content))] ^= 1 << seed % 8
        path.write_bytes(content)

    return spoil


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "halved": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "without its last byte": cut_by(1),
    "within its seal": cut_by(SEAL.size // 2),
    "text": lambda path: path.write_text("<html>"),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "of another program": lambda path: torch.save({"network": 3}, path),
    **{f"bit {seed}": flip(seed) for seed in range(6)},
}


@pytest.mark.slow
@pytest.mark.parametrize("spoil", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_checkpoint_falls_back_to_the_one_before_it_and_says_so(
    folder, undisturbed, runtime, spoil
):
    """One that is cut, changed by a bit or replaced costs what followed the one before, and the digits are the same."""
    spoil(folder.root / NEWEST)
    state, num_steps, said = go_on(folder, runtime)
    assert_equal_states(undisturbed, state)
    assert 21 - (STOP_AT - 2) == num_steps
    assert 1 == len(said)
    assert said[0].startswith(f"{folder.root}/{NEWEST} ")
    assert said[0].endswith(f"the training goes on from the checkpoint beside it, {BEFORE}")


def test_damage_to_the_one_before_the_last_costs_nothing(folder, undisturbed, runtime):
    """What is not needed is not looked at, and is overwritten first."""
    flip(3)(folder.root / BEFORE)
    state, num_steps, said = go_on(folder, runtime)
    assert_equal_states(undisturbed, state)
    assert (21 - (STOP_AT - 1), []) == (num_steps, said)


def test_two_damaged_checkpoints_are_refused(folder, runtime):
    """A training never begins again by itself where work was kept; the message names both files and the ways on."""
    for name in RESUME_CHECKPOINTS:
        flip(5)(folder.root / name)
    with pytest.raises(
        ValueError, match=r"neither of the two.* delete both files to train from the start"
    ) as fault:
        go_on(folder, runtime)
    assert all(f"{folder.root}/{name} " in str(fault.value) for name in RESUME_CHECKPOINTS)
    assert "\n" not in str(fault.value)


def test_a_checkpoint_of_an_older_store_is_gone_on_from(folder, undisturbed, runtime):
    """A single file without a seal, as it was written before there were two."""
    content = torch.load(folder.root / NEWEST, weights_only=True)
    (folder.root / BEFORE).unlink()
    torch.save(content, folder.root / NEWEST)
    state, num_steps, said = go_on(folder, runtime)
    assert_equal_states(undisturbed, state)
    assert (21 - (STOP_AT - 1), []) == (num_steps, said)


class HeldFolder(LocalFolder):
    """Holds each checkpoint up until it is let go; `fault` is raised instead of writing it."""

    def __init__(self, root):
        super().__init__(root)
        self.begun, self.let_go, self.fault = [], threading.Event(), None

    @contextmanager
    def open_to_write(self, name):
        if name in RESUME_CHECKPOINTS:
            self.begun.append(name)
            assert self.let_go.wait(PATIENCE_S)
        with super().open_to_write(name) as file:
            if self.fault is not None and name in RESUME_CHECKPOINTS:
                file = FullFile(self.fault)
            yield file


class FullFile:
    def __init__(self, fault):
        self._fault = fault

    def write(self, content):
        raise self._fault


def test_training_goes_on_while_a_checkpoint_is_written(undisturbed, runtime, tmp_path):
    """However long a disc takes, no step waits, and no second one is begun before the first is whole."""
    folder, asked = HeldFolder(tmp_path), 0

    def should_stop():
        nonlocal asked
        asked += 1
        if asked == 10:
            assert [NEWEST] == folder.begun
            folder.let_go.set()
            wait_for_checkpoint()
        if asked == 12:
            wait_for_checkpoint()
            assert [NEWEST, BEFORE] == folder.begun[:2]
        return False

    config = TinyConfig()
    network = config.make_trainable().fit(config, runtime, folder, FitHooks(should_stop=should_stop))
    assert_equal_states(undisturbed, network.state_dict())


def test_a_checkpoint_that_cannot_be_written_is_told_and_ends_no_training(undisturbed, runtime, tmp_path):
    """A disc that is full for a while costs a warning; the training goes on, and keeps its state when it can."""
    folder = HeldFolder(tmp_path)
    folder.let_go.set()
    folder.fault = OSError(errno.ENOSPC, "No space left on device")
    state, num_steps, said = go_on(folder, runtime)
    assert_equal_states(undisturbed, state)
    assert 21 == num_steps
    assert {
        "a checkpoint could not be written, and until the next one is, a kill costs more: "
        "OSError: [Errno 28] No space left on device"
    } == set(said)


def test_a_stop_that_cannot_save_says_why(runtime, tmp_path):
    """It is the one time that a state has to be kept; the error is the disc's own."""
    folder = HeldFolder(tmp_path)
    folder.let_go.set()
    folder.fault = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OSError, match="No space left"):
        fit_through(TinyConfig(), runtime, folder, PatientJournal(1))


def test_what_an_error_ends_lets_the_checkpoint_be_whole_first(tmp_path):
    """Whoever tries again goes on from it; and no thread writes into the folder of a training that has ended."""
    folder = HeldFolder(tmp_path)

    def fail():
        with BackgroundCheckpoints(ResumeFiles(folder), every_s=0.0) as keeping:
            keeping.take({"weight": torch.ones(3)})
            folder.let_go.set()
            raise RuntimeError("of the training")

    with pytest.raises(RuntimeError, match="of the training"):
        fail()
    assert [NEWEST] == [path.name for path in tmp_path.iterdir()]


def test_a_training_that_is_through_waits_for_no_checkpoint(tmp_path):
    """What is being written then is given up, and leaves nothing."""
    folder = LocalFolder(tmp_path)
    files = ResumeFiles(folder)
    keeping = BackgroundCheckpoints(files, every_s=0.0)
    begun, go = threading.Event(), threading.Event()

    def write_slowly(file):
        file.write(b"half")
        begun.set()
        assert go.wait(PATIENCE_S)
        file.write(b"the other half")

    keeping._copy.write_to = write_slowly
    keeping.take({})
    assert begun.wait(PATIENCE_S)
    ending = threading.Thread(target=keeping.__exit__, args=(None, None, None))
    ending.start()
    wait_for(lambda: not keeping._is_wanted)
    go.set()
    ending.join()
    assert not files.exist()
