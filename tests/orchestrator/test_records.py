"""The store: a file appears whole or not at all, and a newer store is refused."""

import errno
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tablewright.orchestrator import records
from tablewright.orchestrator.identity import view_id
from tablewright.orchestrator.records import (
    AttemptRecord,
    FailureRecord,
    Folder,
    SearchTrialRecord,
    Store,
    StoreVersion,
    now,
)
from tablewright.orchestrator.settings import Settings
from tablewright.trainables.contract.run import EpochReport
from tablewright.trainables.contract.view import ViewResult
from tablewright.trainables.retrieval.view import RetrievalView


@pytest.fixture(params=["folder", "memory"])
def store(request, tmp_path):
    """A store in a folder, and one in an object store that lives in memory."""
    return Store(str(tmp_path / "runs") if request.param == "folder" else f"memory://{tmp_path.name}/runs")


def test_epochs_and_measurements_come_back_as_written(store):
    """What is written is what is read, to the last bit."""
    training = store.training("a" * 64)
    reports = [EpochReport(1, 2, {"loss": 0.1}, 1.5), EpochReport(2, 2, {"loss": 1 / 3}, 1.25)]
    training.write_epochs(reports)
    view = RetrievalView()
    result = ViewResult({"map": 1 / 7}, {"average_precision": np.array([0.25, 1 / 3])})
    training.write_measurement(view, view_id(view), result)
    assert reports == training.epochs()
    assert {view_id(view)} == training.measured_views()
    assert training.measurement(view_id(view)).metrics["map"] == 1 / 7
    assert training.items(view_id(view))["average_precision"].to_pylist() == [0.25, 1 / 3]


def test_an_epoch_has_what_it_reported_and_nothing_else(store):
    """A name that comes later, or each second epoch, is neither lost nor made up where it was not reported."""
    training = store.training("a" * 64)
    reported = [
        {"loss": 1.0},
        {"loss": 0.5, "val_ppl": 9.0},
        {"val_ppl": math.inf},
        {},
        {"loss": 0.1, "late": 3.0},
    ]
    reports = [EpochReport(epoch, 5, metrics, 1.0) for epoch, metrics in enumerate(reported, 1)]
    for num_epochs in range(1, 6):
        training.write_epochs(reports[:num_epochs])
        assert reports[:num_epochs] == training.epochs()


def test_numbers_that_are_not_finite_come_back(store):
    """NaN and infinity are read as they were written, so that one of them stops no later sweep."""
    training, view = store.training("a" * 64), RetrievalView()
    values = {"map": 0.5, "minp": math.nan, "rank1": -math.inf}
    training.write_measurement(view, view_id(view), ViewResult(values, {}))
    measured = training.measurement(view_id(view)).metrics
    assert (0.5, -math.inf) == (measured["map"], measured["rank1"])
    assert math.isnan(measured["minp"])
    trial = SearchTrialRecord(
        number=0, params={}, training_id="", state="running", intermediate_values={1: math.nan}
    )
    store.write_search_trial("s" * 64, trial)
    (kept,) = store.search_trials("s" * 64)
    assert math.isnan(kept.intermediate_values[1])


def test_an_unfinished_training_has_no_record_and_may_have_a_failure(store):
    """Done means that the record exists, nothing else."""
    training = store.training("b" * 64)
    assert not training.is_done()
    assert training.record() is None
    failure = FailureRecord(
        training_id="b" * 64, label="row", message="boom", traceback="…", host="h", failed_at=now()
    )
    training.write_failure(failure)
    assert failure == training.failure()
    assert store.training_ids() == ["b" * 64]


def test_a_store_of_a_newer_version_is_refused(store):
    """Records that this program would misread are not read at all."""
    store.root.write_model("store.json", StoreVersion(identity_version=99))
    with pytest.raises(ValueError, match=r"newer version.*identity 99.*another --store"):
        Store(store.url)


def test_a_file_that_was_not_finished_is_not_there(tmp_path):
    """An error while writing leaves neither the file nor a trace of it."""
    folder = Folder(str(tmp_path / "x"))

    def write_half():
        with folder.open_to_write("final.pt") as file:
            file.write(b"half")
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        write_half()
    assert not folder.exists("final.pt")
    assert list((tmp_path / "x").iterdir()) == []


@pytest.mark.slow
def test_a_killed_writer_leaves_the_old_file(tmp_path):
    """SIGKILL between the first byte and the last leaves what was there before."""
    folder = Folder(str(tmp_path / "x"))
    folder.write("resume.pt", b"old")
    code = (
        "import os, signal, sys; from tablewright.orchestrator.records import Folder\n"
        "with Folder(sys.argv[1]).open_to_write('resume.pt') as file:\n"
        "    file.write(b'new'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path / "x")], check=False)
    assert ended.returncode == -9
    assert folder.read("resume.pt") == b"old"
    assert folder.names() == ["resume.pt"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_no_space_left_names_the_file_and_a_way_out(tmp_path, monkeypatch):
    """A full disk is an error that says which file and what to do, and the old file stays."""
    folder = Folder(str(tmp_path / "x"))
    folder.write("epochs.parquet", b"old")

    def on_a_full_disk(target):
        aside = target.with_name(f".{target.name}.aside")
        aside.symlink_to("/dev/full")
        return os.open(aside, os.O_WRONLY), aside

    monkeypatch.setattr(records, "_open_aside", on_a_full_disk)
    with pytest.raises(OSError, match=r"cannot write .*epochs\.parquet.*another --store") as caught:
        folder.write("epochs.parquet", b"new" * 100_000)
    assert caught.value.errno == errno.ENOSPC
    assert folder.read("epochs.parquet") == b"old"


def test_a_new_file_has_the_rights_that_any_new_file_gets(tmp_path):
    """Colleagues read a store on a shared disc as far as the umask lets them, a file written twice too."""
    folder = Folder(str(tmp_path / "x"))
    before = os.umask(0o002)
    try:
        folder.write("record.json", b"{}")
        folder.write("record.json", b"{}")
    finally:
        os.umask(before)
    assert 0o664 == (tmp_path / "x/record.json").stat().st_mode & 0o777


def test_a_new_attempt_forgets_the_failure_before_it(store):
    """A training that is tried again is no failed one, so that status shows it as started."""
    training = store.training("b" * 64)
    failure = FailureRecord(
        training_id="b" * 64, label="row", message="boom", traceback="…", host="h", failed_at=now()
    )
    training.write_failure(failure)
    training.write_attempt(AttemptRecord(started_at=now(), host="h", pid=1))
    assert training.failure() is None
    assert len(training.attempts()) == 1


@pytest.mark.parametrize("hours_off", [-2, 0, 2])
def test_what_killed_writers_left_is_removed_once_nobody_writes_it(tmp_path, hours_off):
    """A half-written file goes when the training is claimed or done, and not because a clock makes it seem old."""
    training = Store(str(tmp_path / "runs")).training("b" * 64)
    training.checkpoints.write("resume.pt", b"whole")
    folder = tmp_path / "runs/trainings" / ("b" * 64) / "checkpoint"
    half = folder / ".resume.pt.wr1ting"
    half.write_bytes(b"half")
    its_clock_s = time.time() + 3600 * hours_off
    os.utime(half, (its_clock_s, its_clock_s))
    training.remove_leftovers()
    assert [half.name, "resume.pt"] == sorted(path.name for path in folder.iterdir())
    training.remove_leftovers(is_claimed=True)
    assert ["resume.pt"] == sorted(path.name for path in folder.iterdir())


def test_a_store_has_an_id_that_only_the_same_store_has(tmp_path):
    """A worker opens the driver's store and no other one; where there is none it starts none."""
    ours, theirs = Store(str(tmp_path / "ours")), Store(str(tmp_path / "theirs"))
    theirs.shared_id()
    assert Store.join(ours.url, ours.shared_id()).shared_id() == Store(ours.url).shared_id()
    with pytest.raises(ValueError, match=r"is not shared with machine .*another store there.*Give --store"):
        Store.join(theirs.url, ours.shared_id())
    with pytest.raises(ValueError, match=r"is not shared with machine .*no store there"):
        Store.join(str(tmp_path / "nowhere"), ours.shared_id())
    assert not (tmp_path / "nowhere").exists()


def test_a_store_from_before_there_were_ids_gets_one(tmp_path):
    """It is written when trainings are to run, not when somebody reads."""
    Folder(str(tmp_path)).write("store.json", b'{"identity_version": 1, "record_version": 1}')
    store = Store(str(tmp_path))
    assert b"store_id" not in (tmp_path / "store.json").read_bytes()
    assert len(store.shared_id()) == 32
    assert Store(str(tmp_path)).shared_id() == store.shared_id()


def test_a_store_may_lie_in_the_home_folder(tmp_path, monkeypatch):
    """`--store=~/runs` is the user's home, though no shell has spelt it out, for its databases too."""
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = Settings(("toy",), store="~/runs")
    assert str(tmp_path / "runs") == settings.open_store().url
    assert f"sqlite:///{tmp_path}/runs/optuna.db" == settings.search_storage_url
    assert f"sqlite:///{tmp_path}/runs/mlflow.db" == settings.tracking_url


def test_a_damaged_record_is_named(store):
    """A record that is no record is an error with its place, never silently trained over."""
    store.root.write(f"trainings/{'c' * 64}/record.json", b"{}")
    with pytest.raises(ValueError, match=r"record\.json is no TrainingRecord"):
        store.training("c" * 64).record()
