"""LaTeX tables: what they say, and that a TeX accepts them."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from pathlib import Path

import pytest

from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.declared.venue import VENUES
from tablewright.orchestrator.store.store import Store
from tablewright.reports.latex.latex import latex_warnings, to_latex
from tablewright.reports.latex.latex_signs import (
    CHECK,
    CROSS,
    escape_latex,
    sign_definitions,
    without_lost_signs,
)
from tablewright.reports.table_files import write_tables
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.retrieval.view import MAP, RANK1, RANK5, RANK10
from tests.reports.every_state import every_state_plan, record_every_state
from tests.reports.snapshot import check_snapshot
from tests.reports.tiny_study import DUKE, MARKET, depth_row, make_ablation, plan_of, record_value, seeds_of
from tests.waiting import PATIENCE_S

TEX_COMMANDS = {
    "pdflatex": ["-interaction=nonstopmode", "-halt-on-error"],
    "latexmk": ["-pdf", "-interaction=nonstopmode", "-halt-on-error"],
    "tectonic": ["--keep-logs"],
}


def compile_log(folder: Path, tables: list[str], document_class: str) -> str:
    """Compile tables into one document; gives the log."""
    command = next((name for name in TEX_COMMANDS if shutil.which(name)), None)
    if command is None:
        pytest.skip(f"none of {', '.join(TEX_COMMANDS)} is installed")
    body = "\n".join(tables)
    text = (
        rf"\documentclass{document_class}\usepackage{{booktabs}}\begin{{document}}"
        f"\n{body}\n" + r"\end{document}" + "\n"
    )
    (folder / "paper.tex").write_text(text, encoding="utf-8")
    result = subprocess.run(
        [command, *TEX_COMMANDS[command], "paper.tex"],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=PATIENCE_S,
    )
    assert 0 == result.returncode, result.stdout[-3000:]
    assert (folder / "paper.pdf").stat().st_size > 0
    return (folder / "paper.log").read_text(encoding="utf-8", errors="replace")


@pytest.mark.slow
def test_table_is_as_it_was_read(tmp_path: Path):
    """Every mark, escape and comment of a table stands where it stood."""
    plan, store = every_state_plan(), Store(str(tmp_path))
    record_every_state(store, plan)
    check_snapshot("every_state.tex", to_latex(write_tables(plan, store, writes=False).tables[0].table))


@pytest.mark.slow
def test_tables_compile(tmp_path: Path):
    """A paper that inputs the tables compiles with booktabs alone, whatever their labels hold."""
    plan, store = every_state_plan(), Store(str(tmp_path / "store"))
    record_every_state(store, plan)
    tables = [to_latex(written.table) for written in write_tables(plan, store).tables]
    compile_log(tmp_path, tables, "{article}")
    compile_log(tmp_path, tables, r"{article}\usepackage{amssymb}")


@pytest.mark.slow
def test_every_character_compiles(tmp_path: Path):
    """No character of a label can stop a paper from compiling."""
    planes = (range(1, 0x600), range(0x1E00, 0x2C00), range(0xFB00, 0xFB10), range(0x1D400, 0x1D800))
    characters = [*map(chr, itertools.chain(*planes)), *"\ufe0f\ufeff\ufffd😀中"]
    paragraphs = [escape_latex(f"[{character}] ") + "\n" for character in characters]
    for definitions in ([], sign_definitions("".join(paragraphs))):
        text = ["\\tracinglostchars=3", *definitions, *paragraphs]
        assert "Missing character" not in compile_log(tmp_path, text, "{article}")


@pytest.mark.slow
def test_a_usual_table_fits_a_two_column_page(tmp_path: Path):
    """Two data sets, two metrics, three seeds and the paper's columns are not wider than the page."""
    values = {"map": 0.821, "rank1": 0.93}
    rows = [
        depth_row(2, published={"Market-1501": values, "DukeMTMC-reID": values}, source="Table VI"),
        depth_row(3),
    ]
    plan = plan_of(make_ablation(rows, datasets=[MARKET, DUKE]))
    store = Store(str(tmp_path / "store"))
    measured = seeds_of([0.811, 0.812, 0.816], [0.91, 0.92, 0.93])
    for row in ("depth 2", "depth 3"):
        record_value(store, plan, row, {"Market-1501": measured, "DukeMTMC-reID": measured})
    text = to_latex(write_tables(plan, store, writes=False).tables[0].table, VENUES["twocolumn"])
    assert "Overfull" not in compile_log(tmp_path, [text], "[twocolumn]{article}")


@pytest.mark.parametrize(
    ("metrics", "label", "environment"),
    [
        ([MAP], "PCB+RPP", "table"),
        ([MAP, RANK1], "Aligned-ReID (RK)", "table*"),
        ([MAP, RANK1, RANK5, RANK10], "G+P2+P3 (Single)", "table*"),
    ],
)
def test_a_comparison_fits_where_it_is_set(
    tmp_path: Path, metrics: list[Metric], label: str, environment: str
):
    """With the paper's values and the verdicts a table stays within its column, or spans both."""
    values = {"Market-1501": {metric.name: 0.962 for metric in metrics}}
    rows = [Row(label, is_trained=False, published=values), depth_row(2, published=values)]
    plan, store = plan_of(make_ablation(rows, metrics=metrics)), Store(str(tmp_path / "store"))
    measured = {seed: {metric.name: 0.83 + seed / 100 for metric in metrics} for seed in range(3)}
    record_value(store, plan, "depth 2", {"Market-1501": measured})
    text = to_latex(write_tables(plan, store, writes=False).tables[0].table, VENUES["twocolumn"])
    assert rf"\begin{{{environment}}}" in text
    assert "Overfull" not in compile_log(tmp_path, [text], "[twocolumn]{article}")


@pytest.mark.slow
def test_long_names_of_data_sets_are_counted(tmp_path: Path):
    """Empty columns below long names are no wider than the names, and the table is set where these fit."""
    datasets = [
        MARKET,
        DUKE,
        Dataset("CUHK03 labelled", {"width": 4}),
        Dataset("CUHK03 detected", {"width": 6}),
    ]
    for number, environment in ((2, "table"), (4, "table*")):
        ablation = make_ablation([depth_row(2)], metrics=[MAP], stub_head="M", datasets=datasets[:number])
        plan, store = plan_of(ablation), Store(str(tmp_path / f"store {number}"))
        text = to_latex(write_tables(plan, store, writes=False).tables[0].table, VENUES["twocolumn"])
        assert rf"\begin{{{environment}}}" in text
        assert "Overfull" not in compile_log(tmp_path, [text], "[twocolumn]{article}")


def test_straight_quotation_marks_open_and_close():
    """Quotations at the start, within brackets and within others have both signs; a foot's inch only closes."""
    assert "``Fig. X''; (``a'') 3''" == escape_latex('"Fig. X"; ("a") 3"')
    assert "``he said ``no'' twice''" == escape_latex('"he said "no" twice"')


def test_user_text_is_escaped():
    """Nothing in a label is taken as a command."""
    assert r"\textbackslash{}end\{x\} 5\% \& \$a\_b\$ \#1" == escape_latex(r"\end{x} 5% & $a_b$ #1")


def test_a_label_is_no_argument_of_the_row_before():
    """A bracket or star at the start of a label is printed, not taken as a distance below the row above."""
    assert "{[}1pt] {*}" == escape_latex("[1pt] *")


def test_hyphens_are_no_dash():
    """An option in a label keeps both of its hyphens, and a dash stays one."""
    assert "-{}-flip -{}-{}- a-b --" == escape_latex("--flip --- a-b –")


def test_line_breaks_do_not_end_a_row():
    """A label of two lines becomes one."""
    assert "two lines" == escape_latex("two\nlines")


def test_signs_of_tables_are_set_as_themselves():
    """A check mark is no root, a cross no product, and arrows, relations, primes and letters are no code points."""
    assert CHECK == escape_latex("✓")
    assert CROSS == escape_latex("✗")
    assert len({escape_latex(sign) for sign in "✓√✗×"}) == 4
    signs = "±×−·≤≥≠≈≡∼≲⩽←↑→↓↔⇒⇔∈∉⊂⊆∪∩∅∀∃∧∨¬∞∂∇∑∏∫√′″°‰†‡§•…–—“”‘’«»⟨⟩⌊⌋‖⊕⊗∘★●○■□▲△ℓℝ𝔼ℒ½€™²₁αβγδελμπστφωΓΔΣΩ"
    assert [] == [sign for sign in signs if "U+" in escape_latex(sign)]


def test_what_latex_has_no_sign_for_is_shown_as_its_code_point():
    """A character is never dropped, nor one letter of two parts taken apart; another engine prints the sign itself."""
    spelt = escape_latex("😀")
    assert r"\ifdefined\lostsign\lostsign{😀}{1F600}\else\texttt{U+1F600}\fi{}" == spelt
    assert r"\texttt{U+1F600}" == without_lost_signs(spelt)
    assert "é" == escape_latex("e\u0301")


def test_a_lost_sign_is_named_above_the_table(tmp_path: Path):
    """Who reads the file learns which signs it could not set, each once; a table that lost none says nothing."""
    rows = [depth_row(2), Row("中 and 😀 😀, U+4E2E", {"depth": 3})]
    plan, store = plan_of(make_ablation(rows)), Store(str(tmp_path))
    text = to_latex(write_tables(plan, store, writes=False).tables[0].table)
    (warning,) = latex_warnings(text)
    assert "prints U+4E2D CJK UNIFIED IDEOGRAPH-4E2D, U+1F600 GRINNING FACE as code points" in warning
    plan = plan_of(make_ablation([depth_row(2), Row("λ ✓", {"depth": 3})]))
    assert () == latex_warnings(to_latex(write_tables(plan, store, writes=False).tables[0].table))
