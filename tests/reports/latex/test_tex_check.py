"""What a TeX of this machine says of tables."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tablewright.orchestrator.declared.venue import VENUES
from tablewright.orchestrator.store.store import Store
from tablewright.reports.latex.latex import to_latex
from tablewright.reports.latex.tex_check import LatexTable, tex_complaints
from tests.reports.wide_tables import wide_tables


@pytest.mark.slow
def test_a_tex_says_which_table_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What is set for wider text is told with its points, what fits is not; nothing equal is compiled again."""
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    table = wide_tables(Store(str(tmp_path / "store")))[3]
    wide, narrow = VENUES["twocolumn"], VENUES["lncs"]
    asked = [
        LatexTable("wide", to_latex(table, wide), narrow),
        LatexTable("narrow", to_latex(table, narrow), narrow),
        LatexTable("broken", r"\begin{table}\undefined\end{table}", narrow),
    ]
    found = tex_complaints(asked, tmp_path / "cache")
    assert ["wide", "broken"] == list(found)
    assert all(complaint.endswith("pt too wide") for complaint in found["wide"])
    assert "error: Undefined control sequence." == found["broken"][0]
    with monkeypatch.context() as patched:
        patched.setattr("subprocess.run", None)
        assert found == tex_complaints(asked, tmp_path / "cache")


def test_no_tex_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A machine without one writes the same tables, and complains of none."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert {} == tex_complaints([LatexTable("any", "", VENUES["any"])], tmp_path / "cache")
