"""Printed numbers beside reproduced ones, and how many agree."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
from scipy import stats

from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.plans.plan import make_plan
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.store.store import Store
from tablewright.reports.documents.document_markdown import document_to_markdown
from tablewright.reports.paper.paper_files import write_paper_files
from tablewright.reports.paper.reproduction import (
    Reproduced,
    agreement,
    chance_of_at_least,
    reproduced,
    reproduction_document,
    reproduction_to_csv,
)
from tablewright.reports.table_files import write_tables
from tests.reports.tiny_study import (
    depth_row,
    describe,
    make_ablation,
    make_study,
    record_value,
    seeds_of,
)


def printed_row(depth: int, map_value: float) -> Row:
    return depth_row(depth, published={"Market-1501": {"map": map_value}}, source=f"Table {depth}")


def reproduce(folder: Path, *, is_whole: bool = True) -> tuple[Reproduced, ...]:
    """Two papers: one whose number is met, one whose number is not, and the first number once more."""
    rows = [
        Row("of others", is_trained=False, published={"Market-1501": {"map": 0.7}}),
        printed_row(2, 0.812),
        printed_row(3, 0.950),
        printed_row(5, 0.5),
    ]
    first = make_study(
        make_ablation(rows), make_ablation([printed_row(2, 0.812), depth_row(4)], name="again")
    )
    second = replace(make_study(make_ablation([printed_row(3, 0.913)])), name="second", source="Roe, 2027")
    plan, store = make_plan([first, second], DataResolver(describe)), Store(str(folder))
    num_seeds = 3 if is_whole else 2
    for row, values in (("depth 2", [0.811, 0.812, 0.816]), ("depth 3", [0.911, 0.912, 0.917])):
        record_value(store, plan, row, {"Market-1501": seeds_of(values[:num_seeds], values[:num_seeds])})
    tables = [item.table for item in write_tables(plan, store, writes=False).tables]
    return reproduced(plan, tables)


@pytest.mark.slow
def test_every_printed_number_of_a_trained_row_is_listed(tmp_path: Path):
    """Paper, row and verdict stand beside each other; what is only printed is not listed, what waits is."""
    numbers = reproduce(tmp_path)
    found = [(one.paper, one.table, one.row, one.cell.agrees_with_paper, one.is_repeated) for one in numbers]
    assert [
        ("Doe et al., 2026", "depth", "depth 2", True, False),
        ("Doe et al., 2026", "depth", "depth 3", False, False),
        ("Doe et al., 2026", "depth", "depth 5", None, False),
        ("Doe et al., 2026", "again", "depth 2", True, True),
        ("Roe, 2027", "depth", "depth 3", True, False),
    ] == found


@pytest.mark.slow
def test_agreement_is_counted_once_a_number_beside_what_chance_would_give(tmp_path: Path):
    """A number in two tables counts once, and exact reproductions are expected to miss as often as is said."""
    counts = agreement(reproduce(tmp_path))
    assert (2, 1, 0, 1) == (counts.num_agreeing, counts.num_missing, counts.num_open, counts.num_unmeasured)
    assert 0 < counts.expected_misses < 3 * 0.05
    assert counts.chance == pytest.approx(1 - (1 - counts.expected_misses / 3) ** 3, rel=0.01)
    few = agreement(reproduce(tmp_path / "few", is_whole=False))
    assert (0, 0, 3, 1) == (few.num_agreeing, few.num_missing, few.num_open, few.num_unmeasured)


def test_the_chance_of_so_many_misses_is_that_of_independent_ones():
    """With equal chances it is the binomial's; with unequal ones it adds up over all subsets."""
    for number in range(6):
        expected = float(stats.binom.sf(number - 1, 5, 0.05))
        assert chance_of_at_least(number, [0.05] * 5) == pytest.approx(expected, abs=1e-12)
    assert chance_of_at_least(1, [0.5, 0.2]) == pytest.approx(1 - 0.5 * 0.8)
    assert chance_of_at_least(2, [0.5, 0.2]) == pytest.approx(0.1)
    assert chance_of_at_least(0, []) == 1.0
    assert chance_of_at_least(0, [1.0]) == 1.0


@pytest.mark.slow
def test_the_page_and_the_spreadsheet_say_the_same(tmp_path: Path):
    """Counts stand above by paper and in all; each number has a line in both."""
    numbers = reproduce(tmp_path)
    page = document_to_markdown(reproduction_document(numbers, 0))
    assert "All papers: of 3 judged numbers 2 agree, 1 does not" in page
    assert "Roe, 2027: of 1 judged number 1 agrees" in page
    lines = list(csv.DictReader(io.StringIO(reproduction_to_csv(numbers))))
    assert ["81.2", "95.0", "50.0", "81.2", "91.3"] == [line["printed"] for line in lines]
    assert ["81.3", "91.3", "", "81.3", "91.3"] == [line["mean"] for line in lines]
    assert ["true", "false", "", "true", "true"] == [line["agrees"] for line in lines]


def test_of_demo_data_it_says_that_nothing_can_be_compared(tmp_path: Path):
    """With all studies asked for the files are written, and on demo data they say why they are empty."""
    demo = make_ablation([printed_row(2, 0.8)], datasets=[Dataset("Market-1501", {"data": "demo"})])
    plan, store = make_plan([make_study(demo)], DataResolver(describe)), Store(str(tmp_path))
    written = write_tables(plan, store)
    write_paper_files(plan, store, written, are_all_studies=True)
    names = {f"reproduction.{ending}" for ending in ("md", "html", "csv", "tex")}
    assert names <= set((store.root / "tables").names())
    assert "demo data" in (tmp_path / "tables/reproduction.md").read_text()
    write_tables(plan, store)  # the list of studies is written anew beside it
    assert "reproduction" not in (tmp_path / "tables/index.html").read_text()
