"""Tables on the terminal."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.records import Store
from orchestrator.study import Profile
from reports.table_files import write_tables
from reports.terminal import to_terminal
from tests.reports.every_state import every_state_plan, record_every_state
from tests.reports.snapshot import check_snapshot


def printed(tmp_path: Path, width: int) -> str:
    plan, store = every_state_plan(), Store(str(tmp_path))
    record_every_state(store, plan)
    console = Console(file=io.StringIO(), width=width)
    console.print(to_terminal(write_tables(plan, store, Profile.DEMO).tables[0].table))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_table_is_as_it_was_read(tmp_path: Path):
    """The table on a wide terminal stands as it stood; brackets in a label are no markup."""
    check_snapshot("every_state.txt", printed(tmp_path, 160))


@pytest.mark.parametrize("width", [80, 100])
def test_a_narrow_terminal_cuts_nothing_off(tmp_path: Path, width: int):
    """Every value is there in 80 columns, and no line is longer than the terminal."""
    text = printed(tmp_path, width)
    assert "…" not in text
    assert width >= max(map(len, text.splitlines()))
    for value in ("81.3", "82.1", "92.0", "93.0", "72.0", "70.1", "82.0", "91.3", "85.1", "failed", "—"):
        assert value in text
