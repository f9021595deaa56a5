from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import tablewright as tw
from tablewright.orchestrator.store.store import Store
from tablewright.reports.ablation_table import build_table
from tablewright.reports.exports.notebook_table import NotebookTable
from tablewright.reports.exports.parquet import cells_of
from tablewright.reports.frame import read_cells
from tests.reports.every_state import every_state_plan, record_every_state

STUDY = '''"""Two rows."""

import tablewright as tw


ACCURACY = tw.Metric("accuracy", "Accuracy")


@tw.script("python train.py {flags} --seed {seed} --out {out}", metrics=[ACCURACY], data=tw.Data("Moons"))
class Moons(tw.Config):
    width: int = 16


def make_study():
    table = tw.Ablation("width", "Width", Moons(), [tw.Dataset("Moons")], [tw.Sweep("width", (4, 16))])
    return tw.Study("noted", "Two rows", "ours", (0, 1), [table])
'''


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "search_spaces").mkdir()
    (tmp_path / "search_spaces/noted.py").write_text(STUDY)
    (tmp_path / "train.py").write_text("")
    Store(str(tmp_path / "runs")).shared_id()
    return tmp_path


def test_a_notebook_shows_a_table_and_has_its_values(project: Path):
    """`tw.table` gives the table of the records as they are, holes among them; `tw.results` its values."""
    shown = tw.table("noted/width", store=str(project / "runs"), project=project)
    assert "Width</caption>" in shown._repr_html_()  # pyright: ignore[reportPrivateUsage]
    assert ["4", "16", "4", "16"] == shown.frame["row"].tolist()
    frame = tw.results("noted", store=str(project / "runs"), project=project)
    pd.testing.assert_frame_equal(shown.frame, frame)


def test_what_cannot_be_shown_is_said(project: Path):
    """A name without its table, a store that is none, a table that is none: each with what to write."""
    with pytest.raises(ValueError, match="STUDY/TABLE"):
        tw.table("noted", store=str(project / "runs"), project=project)
    with pytest.raises(ValueError, match="no store at"):
        tw.table("noted/width", store=str(project / "elsewhere"), project=project)
    with pytest.raises(ValueError, match="no table 'depth'"):
        tw.results("noted/depth", store=str(project / "runs"), project=project)
    with pytest.raises(ValueError, match="name a study"):
        tw.results(store=str(project / "runs"), project=project)


@pytest.mark.slow
def test_html_of_a_notebook_prints_every_label_as_a_text(tmp_path: Path):
    """A label with tags in it is shown and not obeyed, and bold stands where the table has it."""
    store, plan = Store(str(tmp_path)), every_state_plan()
    record_every_state(store, plan)
    frame = read_cells(plan, store)
    table = build_table(plan, "tiny", "depth", frame)
    text = NotebookTable(table, cells_of(table, frame).to_pandas())._repr_html_()  # pyright: ignore[reportPrivateUsage]
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "<strong>91.3 ± 0.3</strong>" in text


@pytest.mark.slow
def test_importing_tablewright_stays_light():
    """A study that names `tw` loads neither pandas nor what reports are made with."""
    heavy = ("pandas", "openpyxl", "torch", "scipy", "jinja2")
    code = f"import sys, tablewright; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]\n" == done.stdout
