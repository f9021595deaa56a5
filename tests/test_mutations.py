"""What damaged files of stores, studies and data sets do to the commands that read them; a few of the 10,000 cases."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import PATIENCE_S

BENCH = Path(__file__).parent.parent / "benchmarks/bench_mutations.py"
NUM_CASES = 12


@pytest.mark.slow
def test_a_damaged_file_is_named_or_changes_no_result(tmp_path):
    """No case ends in a traceback, a hang, another number, or an error that does not say which file it is."""
    done = subprocess.run(
        [sys.executable, BENCH, tmp_path, "--count", str(NUM_CASES), "--processes", "1"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert f"{NUM_CASES} cases, 0 faults" in done.stdout, done.stdout + done.stderr
