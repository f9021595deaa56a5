"""The store: a file appears whole or not at all, and a newer store is refused."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from orchestrator.identity import view_id
from orchestrator.records import FailureRecord, Folder, Store, StoreVersion, now
from trainables.contract import EpochReport, RetrievalView, ViewResult


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
    assert training.queries(view_id(view))["average_precision"].to_pylist() == [0.25, 1 / 3]


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


def test_a_killed_writer_leaves_the_old_file(tmp_path):
    """SIGKILL between the first byte and the last leaves what was there before."""
    folder = Folder(str(tmp_path / "x"))
    folder.write("resume.pt", b"old")
    code = (
        "import os, signal, sys; from orchestrator.records import Folder\n"
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
    import tempfile

    folder = Folder(str(tmp_path / "x"))
    folder.write("epochs.parquet", b"old")

    def on_a_full_disk(prefix, dir):
        aside = Path(dir) / f"{prefix}aside"
        aside.symlink_to("/dev/full")
        return os.open(aside, os.O_WRONLY), str(aside)

    monkeypatch.setattr(tempfile, "mkstemp", on_a_full_disk)
    with pytest.raises(OSError, match=r"cannot write .*epochs\.parquet.*another --store") as caught:
        folder.write("epochs.parquet", b"new" * 100_000)
    assert caught.value.errno == errno.ENOSPC
    assert folder.read("epochs.parquet") == b"old"


def test_a_damaged_record_is_named(store):
    """A record that is no record is an error with its place, never silently trained over."""
    store.root.write(f"trainings/{'c' * 64}/record.json", b"{}")
    with pytest.raises(ValueError, match=r"record\.json is no TrainingRecord"):
        store.training("c" * 64).record()
