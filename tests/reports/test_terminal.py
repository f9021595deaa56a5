"""Tables on the terminal."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

from tablewright.orchestrator.declared.design import LeaveOneOut
from tablewright.orchestrator.store.store import Store
from tablewright.reports.console import make_console
from tablewright.reports.table_files import write_tables
from tablewright.reports.terminal import to_terminal
from tablewright.trainables.retrieval.view import MAP
from tests.reports.every_state import every_state_plan, record_every_state
from tests.reports.snapshot import check_snapshot
from tests.reports.tiny_study import DUKE, MARKET, depth_row, make_ablation, plan_of, record_value, seeds_of


def printed(tmp_path: Path, width: int) -> str:
    plan, store = every_state_plan(), Store(str(tmp_path))
    record_every_state(store, plan)
    console = Console(file=io.StringIO(), width=width)
    console.print(to_terminal(write_tables(plan, store, writes=False).tables[0].table))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.slow
def test_table_is_as_it_was_read(tmp_path: Path):
    """The table on a wide terminal stands as it stood; brackets in a label are no markup."""
    check_snapshot("every_state.txt", printed(tmp_path, 160))


@pytest.mark.parametrize("width", [60, 80])
def test_numbers_stay_in_one_piece(tmp_path: Path, width: int):
    """A table that is wider than the terminal is cut between its columns, each part with the labels of the rows."""
    plan = plan_of(make_ablation([depth_row(2), depth_row(3)], datasets=[MARKET, DUKE]))
    store = Store(str(tmp_path))
    for row in ("depth 2", "depth 3"):
        values = {"Market-1501": seeds_of([0.8, 0.9, 0.7], [0.9, 0.91, 0.93])}
        record_value(store, plan, row, {**values, "DukeMTMC-reID": values["Market-1501"]})
    console = Console(file=io.StringIO(), width=width)
    table = write_tables(plan, store, writes=False).tables[0].table
    console.print(to_terminal(table))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    for value in ("80.0 ± 10.0", "91.3 ± 1.5"):
        assert 4 == text.count(value)
    assert width >= max(map(len, text.splitlines()))


def test_check_marks_stand_in_every_part(tmp_path: Path):
    """A table with components that is cut into parts has labels and check marks in each, none of them broken."""
    without = {"attention": {"depth": 1}, "erasing": {"width": 4}}
    plan = plan_of(make_ablation([LeaveOneOut(without, "Ours")], datasets=[MARKET, DUKE], metrics=[MAP]))
    console = Console(file=io.StringIO(), width=55)
    console.print(to_terminal(write_tables(plan, Store(str(tmp_path)), writes=False).tables[0].table))
    assert isinstance(console.file, io.StringIO)
    lines = [line.split() for line in console.file.getvalue().splitlines()]
    assert 2 == lines.count(["Ours", "✓", "✓", "—"])
    assert 2 == sum(line[:4] == ["depth", "attention", "erasing", "mAP"] for line in lines)


def test_marks_are_signs_where_styles_are_lost(tmp_path: Path):
    """In a file nothing is bold: a star stands on either side instead."""
    plan = plan_of(make_ablation([depth_row(2), depth_row(3)]))
    store = Store(str(tmp_path))
    record_value(store, plan, "depth 2", {"Market-1501": seeds_of([0.8, 0.801, 0.802], [0.9, 0.9, 0.9])})
    record_value(store, plan, "depth 3", {"Market-1501": seeds_of([0.1, 0.101, 0.102], [0.1, 0.1, 0.1])})
    table = write_tables(plan, store, writes=False).tables[0].table
    console = Console(file=io.StringIO(), width=120)
    console.print(to_terminal(table, marks_with_signs=True))
    assert isinstance(console.file, io.StringIO)
    assert "*80.1 ± 0.1*" in console.file.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("width", [80, 100])
def test_a_narrow_terminal_cuts_nothing_off(tmp_path: Path, width: int):
    """Every value is there in 80 columns, and no line is longer than the terminal."""
    text = printed(tmp_path, width)
    assert "…" not in text
    assert width >= max(map(len, text.splitlines()))
    for value in ("81.3", "82.1", "92.0", "93.0", "72.0", "70.1", "82.0", "91.3", "85.1", "failed", "—"):
        assert value in text


@pytest.mark.slow
@pytest.mark.parametrize("width", [40, 80])
def test_numbers_stay_in_one_piece_in_plain_signs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
):
    """+- is wider than ±: lines end below each other even so, and within the terminal."""
    plan = plan_of(make_ablation([depth_row(2), depth_row(3)]))
    store = Store(str(tmp_path))
    for row in ("depth 2", "depth 3"):
        record_value(store, plan, row, {"Market-1501": seeds_of([0.8, 0.9, 0.7], [0.9, 0.91, 0.93])})
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr(sys, "stdout", stream)
    console = make_console("stdout")
    console.width = width
    console.print(to_terminal(write_tables(plan, store, writes=False).tables[0].table), soft_wrap=False)
    stream.seek(0)
    lines = stream.read().splitlines()
    (head, *_), rows = (
        [line for line in lines if line.startswith("+")],
        [line for line in lines if "+- " in line],
    )
    assert 2 == sum("80.0 +- 10.0" in line for line in rows)
    assert {len(head)} == {len(line) for line in rows if line.startswith("|")}
    assert width >= max(map(len, lines))
