import multiprocessing
import os
import shutil
from collections import namedtuple

import numpy as np
import pytest

from tablewright.trainables.data.cached_array import build_array_once
from tests.waiting import PATIENCE_S


def fill(array):
    array[:] = np.arange(array.size).reshape(array.shape)


def build_and_sum(path, barrier, queue):
    def fill_with_own_number(array):
        array[:] = os.getpid() % 251

    barrier.wait()
    queue.put(int(build_array_once(path, (1000,), fill_with_own_number).sum()))


def test_an_array_is_built_once(tmp_path):
    """The second call maps what the first one wrote, read-only."""
    path = tmp_path / "cache" / "a.npy"
    first = np.array(build_array_once(path, (3, 4), fill))
    again = build_array_once(path, (3, 4), lambda array: pytest.fail("built again"))
    np.testing.assert_array_equal(np.arange(12).reshape(3, 4), first)
    np.testing.assert_array_equal(first, again)
    assert not again.flags.writeable


@pytest.mark.slow
def test_processes_that_start_at_once_build_once(tmp_path):
    """Four processes open one array, complete in each of them."""
    context = multiprocessing.get_context("fork")
    barrier, queue = context.Barrier(4), context.Queue()
    arguments = (tmp_path / "a.npy", barrier, queue)
    processes = [context.Process(target=build_and_sum, args=arguments) for _ in range(4)]
    for process in processes:
        process.start()
    sums = {queue.get(timeout=PATIENCE_S) for _ in processes}
    for process in processes:
        process.join()
    assert 1 == len(sums)
    assert 0 == sums.pop() % 1000


def test_a_failure_leaves_nothing_behind(tmp_path):
    """What cannot be filled is not there afterwards."""

    def fail(array):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        build_array_once(tmp_path / "a.npy", (3,), fail)
    assert ["a.lock"] == [path.name for path in tmp_path.iterdir()]


def test_no_space_is_told_with_path_and_bytes(tmp_path, monkeypatch):
    """A disk without room is an error that says where and how much."""
    usage = namedtuple("usage", "total used free")(10**6, 10**6 - 5, 5)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(OSError, match=r"a\.npy needs 3,000 bytes .* has 5 left"):
        build_array_once(tmp_path / "a.npy", (30, 100), fill)
