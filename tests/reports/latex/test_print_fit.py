"""Tables are set so that they fit where they are printed, or say that they do not; a TeX agrees."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tablewright.orchestrator.declared.design import Factorial, LeaveOneOut, Sweep
from tablewright.orchestrator.declared.venue import ANY, VENUES, Venue, venue_of
from tablewright.orchestrator.plans.plan import make_plan
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.store.store import Store
from tablewright.reports.latex.latex import latex_warnings, to_latex
from tablewright.reports.latex.print_fit import fit_grid
from tablewright.reports.table.lay_out import lay_out
from tablewright.reports.table.table import Table
from tablewright.reports.table_files import write_tables
from tests.reports.every_state import every_state_plan, record_every_state
from tests.reports.tex import complaints
from tests.reports.tiny_study import DUKE, MARKET, depth_row, describe, make_ablation, make_study, plan_of
from tests.reports.wide_tables import NUM_ROWS, filled_tables, lost_signs_plan, wide_tables
from tests.waiting import PATIENCE_S

COMPILED = ("cvpr", "neurips", "acl", "twocolumn", "lncs", "any")
"""Venues of which a TeX is asked: of either number of columns and either font, the narrowest among them."""


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory):
    """Tables that no page holds as they are, and one that shows everything a table can show."""
    folder = tmp_path_factory.mktemp("stores")
    plan, store = every_state_plan(), Store(str(folder / "states"))
    record_every_state(store, plan)
    states = [written.table for written in write_tables(plan, store, writes=False).tables]
    return [*wide_tables(Store(str(folder / "wide"))), *states]


@pytest.mark.slow
@pytest.mark.parametrize("venue", VENUES.values(), ids=lambda venue: venue.name)
def test_every_table_fits_every_venue(tables: list[Table], venue: Venue):
    """By the widths of signs, none is wider than what it is set in, and none warns."""
    for table in tables:
        fit = fit_grid(lay_out(table), table.texts, venue)
        assert fit.width_pt <= fit.room_pt, table.name
        assert () == latex_warnings(to_latex(table, venue))


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPILED)
def test_a_tex_finds_every_table_to_fit(tables: list[Table], name: str, tmp_path: Path):
    """On the venue's pages nothing is too wide or too high, however many rows, columns and words there are."""
    latex = "\n\\clearpage\n".join(to_latex(table, VENUES[name]) for table in tables)
    assert [] == complaints(tmp_path / name, latex, VENUES[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cvpr", "neurips"])
def test_packages_are_used_where_they_are_asked_for(tables: list[Table], name: str, tmp_path: Path):
    """With siunitx and multirow every table still fits, on one page and on several, and names what it needs."""
    if shutil.which("kpsewhich") is None:
        pytest.skip("no TeX is installed")
    found = subprocess.run(["kpsewhich", "siunitx.sty", "multirow.sty"], capture_output=True, check=False)
    if found.returncode:
        pytest.skip("siunitx and multirow are not installed")
    texts = [to_latex(table, VENUES[name], ("siunitx", "multirow")) for table in tables]
    assert [] == complaints(tmp_path / name, "\n\\clearpage\n".join(texts), VENUES[name])
    assert r"needs \usepackage{booktabs}, \usepackage{multirow}, \usepackage{siunitx}" in texts[1]
    assert r"\multirow{10}{*}{group 0}" in texts[1]
    assert r"S[table-format=2.1(2), " in texts[1]
    assert r"\bfseries 81.0 \pm 1.0" in texts[1]


@pytest.mark.slow
def test_what_fits_nowhere_says_by_how_much(tables: list[Table]):
    """A text of 80 points holds no table with deviations; the file says so, and what to do."""
    (warning,) = latex_warnings(to_latex(tables[2], venue_of(80)))
    assert re.match(r"it is \d+ pt too wide for the venue “80 pt”.*; shorten the heads", warning)


def test_a_wide_table_goes_on_below(tables: list[Table]):
    """Columns that do not fit beside each other stand in panels, each with its labels, and none is lost."""
    grid = lay_out(tables[2])
    panels = fit_grid(grid, (), ANY).panels
    assert len(panels) > 1
    assert {0} == {panel[0] for panel in panels}
    assert list(range(1, len(grid.columns))) == [place for panel in panels for place in panel[1:]]


def test_a_high_table_is_parted(tables: list[Table]):
    """In one column of text it is a longtable, whose package is named; in two it has parts, each with the heads."""
    assert r"\begin{longtable}" in (one := to_latex(tables[0], VENUES["neurips"]))
    assert r"needs \usepackage{booktabs}, \usepackage{longtable}" in one
    two = to_latex(tables[1], VENUES["cvpr"])
    assert "longtable" not in two
    num_parts = two.count(r"\begin{table}")
    assert num_parts > 1
    assert num_parts - 1 == two.count("(continued)")
    assert NUM_ROWS == two.count(r"\quad row ")


def test_type_is_as_large_as_fits(tables: list[Table]):
    """A small table has a column's width and 9 pt; a wider one goes across before its type is made small."""
    small = to_latex(tables[-1], VENUES["cvpr"])
    assert r"\begin{table}[" in small
    assert r"\fontsize{9}{11}" in small
    assert r"\begin{table*}" in to_latex(tables[-2], VENUES["cvpr"])


def test_numbers_stand_below_each_other(tables: list[Table]):
    """A value without deviation or mark leaves the room of these, so that points are aligned without a package."""
    text = to_latex(tables[-2], VENUES["cvpr"])
    assert r"81.3 $\pm$ 0.3\phantom{ (2/3)}" in text
    assert r"85.1 $\pm$ 0.1 (2/3)" in text


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["xelatex", "lualatex"])
def test_another_engine_prints_every_script(engine: str, tmp_path: Path):
    """Chinese, Japanese, Korean and Cyrillic stand in a table as themselves, by a font of the machine."""
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed")
    if not _has_font_for("中"):
        pytest.skip("no font of this machine has Chinese signs")
    (table,) = filled_tables(lost_signs_plan(), Store(str(tmp_path / "store")))
    (warning,) = latex_warnings(latex := to_latex(table, VENUES["cvpr"]))
    assert "XeLaTeX and LuaLaTeX" in warning
    assert [] == complaints(tmp_path / engine, latex, VENUES["cvpr"], engine=engine)
    command = ["pdftotext", str(tmp_path / engine / "page.pdf"), "-"]
    text = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True).stdout
    for words in ("中文标签", "日本語のグループ", "한국어", "Ж", "表の題"):
        assert words in text


def _has_font_for(sign: str) -> bool:
    if shutil.which("fc-list") is None:
        return False
    command = ["fc-list", f":charset={ord(sign):x}", "family"]
    return bool(subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=True).stdout)


def test_what_is_wrong_in_print_is_said_wherever_the_table_is_read(tmp_path: Path):
    """A study for text of 80 points warns in the notes of its pages, beside the file's head."""
    study = replace(make_study(make_ablation([depth_row(2)], datasets=[MARKET, DUKE])), venue=80)
    plan, store = make_plan([study], DataResolver(describe)), Store(str(tmp_path))
    (written,) = write_tables(plan, store).tables
    folder = tmp_path / "tables/tiny"
    for name in ("depth.md", "depth.html", "index.html", "depth.tex", "depth.standalone.tex"):
        assert "pt too wide for the venue “80 pt”" in (folder / name).read_text(encoding="utf-8"), name
    assert "too wide" in written.table.source_notes[-1]


@pytest.mark.slow
def test_every_arrangement_fits(tmp_path: Path):
    """Check marks, effects, values side by side and deviations as subscripts stand on the page of a venue."""
    designs = [
        LeaveOneOut({"D": {"depth": 1}, "W": {"width": 4}}),
        Factorial({"deep": {"off": {"depth": 1}, "on": {}}, "wide": {"off": {"width": 4}, "on": {}}}),
        Sweep("depth", [1, 2, 3, 4]),
    ]
    plan = plan_of(
        *(
            make_ablation([design], name=f"design_{number}", datasets=[MARKET, DUKE], shows_difference=True)
            for number, design in enumerate(designs)
        )
    )
    tables = filled_tables(plan, Store(str(tmp_path / "store")))
    subscript = replace(tables[0], deviation="subscript")
    texts = [to_latex(table, VENUES["acl"]) for table in (*tables, subscript)]
    assert [] == complaints(tmp_path / "acl", "\n\\clearpage\n".join(texts), VENUES["acl"])
    assert r"\checkmark{} & " in texts[0]
    assert r"\textsubscript{\textbf{\boldmath$\pm$1.0}}" in texts[-1]
