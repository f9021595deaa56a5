"""The end of a driver's part in Ray."""

import subprocess
import sys

import pytest

from tests.toy_studies import ROOT

pytestmark = [pytest.mark.ray, pytest.mark.slow]

ENDS_AMONG_GARBAGE = """
import gc, threading, time
import ray
from tests.rays import joined

class SlowToEnd:
    def __init__(self, worker):
        self.worker = worker

    def __getattr__(self, name):
        return getattr(self.worker, name)

    def shutdown_driver(self):
        self.worker.shutdown_driver()
        held.clear()
        time.sleep(0.5)

def make_garbage():
    while not is_over.is_set():
        [[] for _ in range(1000)]

is_over, held = threading.Event(), []
gc.set_threshold(100, 1, 1)
with joined("local", num_cpus=1, include_dashboard=False):
    driver = ray._private.worker.global_worker
    driver.core_worker = SlowToEnd(driver.core_worker)
    cycle = [ray.put(0)]
    cycle.append(cycle)
    held.append(cycle)
    del cycle
    threading.Thread(target=make_garbage, daemon=True).start()
is_over.set()
print("in good order")
"""


def test_garbage_of_rays_is_not_found_by_another_thread_while_ray_ends():
    """Ray ends a process that lets go of one of its objects just then, with a code and without a word."""
    done = subprocess.run(
        [sys.executable, "-c", ENDS_AMONG_GARBAGE], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (0, "in good order\n") == (done.returncode, done.stdout), done.stderr
