"""A training that is killed while it keeps its state."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
KEPT = {
    "copied, and none written": (0, 21),
    "in the middle of the first": (0, 21),
    "copied, and the one before written": (2, 19),
    "in the middle of the fourth": (2, 19),
    "whole, and not under its name": (2, 18),
    "under its name": (2, 17),
    "in the middle of the one of a stop": (2, 14),
}
"""Point -> how many files are there then, and how many of 21 steps the one that goes on makes."""


@pytest.mark.slow
def test_a_kill_at_any_point_of_a_checkpoint_costs_the_steps_since_the_last_whole_one(tmp_path):
    """SIGKILL between copy and file, within a file, and between two files leaves a state that ends in equal bits."""
    command = [sys.executable, "-m", "tests.trainables.training.killed_training", str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert 0 == ended.returncode, ended.stderr
    found = json.loads(ended.stdout)
    digest = found.pop("undisturbed")["digest"]
    expected = {
        point: {"signal": 9, "kept": kept, "digest": digest, "num_steps": num_steps, "said": []}
        for point, (kept, num_steps) in KEPT.items()
    }
    assert expected == found
