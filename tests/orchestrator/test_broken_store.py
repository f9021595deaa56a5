"""A store whose disc is full, that may only be read, or that is removed while a sweep runs on it."""

import re
import shutil
import subprocess

import pytest

from tablewright.orchestrator.declared.design import Sweep
from tablewright.orchestrator.inline_backend import InlineBackend
from tests.orchestrator.toy_sweep import Events, ToySweep, a_study

STUDY = a_study([Sweep("learning_rate", (0.1, 0.2, 0.3))])


@pytest.fixture
def small_disc(tmp_path):
    """A file system of its own of 256 KiB, mounted as the folder of a store."""
    place = tmp_path / "runs"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root can mount a file system")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def remount(place, how):
    subprocess.run(["mount", "-o", f"remount,{how}", str(place)], check=True)


class WithOneEpoch(InlineBackend):
    """Does something once, when the first epoch of the second training was reported."""

    def __init__(self, act):
        super().__init__()
        self._act = act

    def run(self, queue, listeners, store, runtime):
        class Acting(Events):
            def on_progress(_, work, progress):
                super().on_progress(work, progress)
                if len(_.epochs) == 4:
                    self._act()

        super().run(queue, [*listeners, Acting()], store, runtime)


@pytest.mark.slow
def test_a_disc_that_fills_in_mid_sweep_costs_no_record(small_disc, tmp_path):
    """What is recorded stays, the rest is told as failed with the file, and the next run goes on."""
    sweep = ToySweep(tmp_path)
    ballast = small_disc / "ballast"

    def fill():
        with ballast.open("ab", buffering=0) as file:
            while True:
                try:
                    file.write(bytes(4096))
                except OSError:
                    return

    result, events = sweep(STUDY, backend=WithOneEpoch(fill))
    assert [True, False, False] == [status.state == "done" for status in result.statuses]
    said = [outcome.message for _, outcome in events.ended]
    assert "" == said[0]
    for text in said[1:]:
        assert re.search(
            r"cannot write .*: No space left on device; free space or name another --store", text
        )
    fill()  # what the sweep has taken away of its own has made room
    with pytest.raises(OSError, match=r"cannot write .*No space left on device.*free space or name another"):
        sweep(STUDY)
    ballast.unlink()
    result, events = sweep(STUDY)
    assert (True, 2) == (result.is_complete, len(events.started))


@pytest.mark.slow
def test_a_store_that_may_only_be_read_is_told_before_anything_trains(small_disc, tmp_path):
    """One that is complete is swept all the same."""
    sweep = ToySweep(tmp_path)
    small = a_study([Sweep("learning_rate", (0.1,))])
    sweep(small)
    remount(small_disc, "ro")
    assert sweep(small)[0].is_complete
    with pytest.raises(OSError, match=r"cannot write .*Read-only file system"):
        sweep(STUDY)
    remount(small_disc, "rw")
    assert sweep(STUDY)[0].is_complete


@pytest.mark.slow
def test_a_store_that_is_removed_in_mid_sweep_is_told(tmp_path):
    """The sweep ends with one sentence, and the same command fills the table."""
    sweep = ToySweep(tmp_path)
    with pytest.raises(
        ValueError, match=r"was removed or replaced while the sweep ran.*run the same command"
    ):
        sweep(STUDY, backend=WithOneEpoch(lambda: shutil.rmtree(sweep.folder)))
    result, events = sweep(STUDY)
    assert (True, 1) == (result.is_complete, len(events.started))
