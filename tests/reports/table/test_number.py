"""How numbers are printed."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from tablewright.orchestrator.store.store import Store
from tablewright.reports.table.number import (
    difference_text,
    half_printed_unit,
    precise_text,
    printed_text,
    value_text,
)
from tablewright.reports.table_files import write_tables
from tablewright.reports.terminal import to_terminal
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.size import DEPTH, INFERENCE_PARAMETERS
from tablewright.trainables.retrieval.view import MAP
from tests.reports.tiny_study import depth_row, make_ablation, plan_of, record_value, seeds_of

SIGNED_ZERO = re.compile(r"(?<!\w)[-−]0(\.0+)?(?![\d.])")


@pytest.mark.parametrize(
    ("value", "metric", "text", "half_unit"),
    [
        (0.942, MAP, "94.2", 0.0005),
        (0.94, MAP, "94.0", 0.0005),
        (0.9565, MAP, "95.65", 0.00005),
        (58.3, INFERENCE_PARAMETERS, "58.3", 0.05),
        (6.0, INFERENCE_PARAMETERS, "6.0", 0.05),
        (39.0, DEPTH, "39", 0.5),
    ],
)
def test_a_papers_value_keeps_the_digits_that_were_printed(
    value: float, metric: Metric, text: str, half_unit: float
):
    """Neither more digits are shown than the paper has, nor fewer; its rounding is half of the last one."""
    assert text == printed_text(value, metric)
    assert pytest.approx(half_unit) == half_printed_unit(value, metric)


@pytest.mark.parametrize("value", [-0.0, -1e-12, -0.0004, 0.0004])
def test_what_rounds_to_zero_has_no_sign(value: float):
    """A value, a paper's value, more digits of it, a count: none is a negative zero; a difference has both signs."""
    score = Metric("score", "Score", is_fraction=False)
    texts = (value_text(value, score), value_text(value / 100, MAP), value_text(value, DEPTH))
    assert ("0.0", "0.0", "0") == texts
    assert "0.000" == precise_text(value, score)
    assert "0.0" == printed_text(value / 1e4, score)
    assert "±0.0" == difference_text(value, score)


def test_no_format_prints_a_negative_zero(tmp_path: Path):
    """Means, intervals, published values and differences at and just below zero have no sign anywhere."""
    published = {"Market-1501": {"map": -0.0, "rank1": 0.0}}
    rows = [depth_row(2, published=published, source="Table I"), depth_row(3, published=published)]
    plan, store = plan_of(make_ablation(rows)), Store(str(tmp_path))
    for row in ("depth 2", "depth 3"):
        record_value(store, plan, row, {"Market-1501": seeds_of([-1e-6, -3e-6, 1e-6], [-1e-6, -1e-6, -1e-6])})
    (written,) = write_tables(plan, store).tables
    console = Console(file=io.StringIO(), width=160)
    console.print(to_terminal(written.table))
    assert isinstance(console.file, io.StringIO)
    texts = [Path(written.urls[ending]).read_text(encoding="utf-8") for ending in ("tex", "md", "html")]
    for text in (*texts, console.file.getvalue()):
        assert "0.0" in text
        assert [] == [match.group() for match in SIGNED_ZERO.finditer(text)]
