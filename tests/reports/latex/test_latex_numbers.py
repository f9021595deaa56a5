"""Numbers of tables as LaTeX commands, as a paper uses them."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tablewright.orchestrator.declared.design import Factorial, Row
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.store.store import Store
from tablewright.reports.latex.latex_names import key_of, letters_of, told_apart
from tablewright.reports.latex.latex_numbers import numbers_to_latex, p_text
from tablewright.reports.table.table import Table
from tablewright.reports.table_files import write_tables
from tests.reports.every_state import every_state_plan, record_every_state
from tests.reports.tiny_study import depth_row, make_ablation, plan_of, record_value, seeds_of

TEX = next((tex for tex in ("pdflatex", "lualatex", "xelatex") if shutil.which(tex)), "")


def tables_of(plan: Plan, store: Store) -> list[Table]:
    return [item.table for item in write_tables(plan, store, writes=False).tables]


@pytest.fixture(scope="module")
def every_state(tmp_path_factory: pytest.TempPathFactory) -> list[Table]:
    plan, store = every_state_plan(), Store(str(tmp_path_factory.mktemp("store")))
    record_every_state(store, plan)
    return tables_of(plan, store)


def numbers_of(latex: str) -> dict[tuple[str, str, str, str], str]:
    found = re.findall(r"^\\twdefine\{(.*?)\}\{(.*?)\}\{(.*?)\}\{([^{}]*)\}\{(.*)\}$", latex, re.MULTILINE)
    return {(quantity, table, row, column): text for quantity, table, row, column, text in found}


@pytest.mark.parametrize(
    ("label", "letters"),
    [
        ("Rank-1", "RankOne"),
        ("λ = 0.1", "LambdaIsZeroPointOne"),
        ("w/o CS", "WOCS"),
        ("+ CS", "PlusCS"),
        ("−0.5", "MinusZeroPointFive"),
        ("CUHK03 labelled", "CUHKZeroThreeLabelled"),
        ("naïve β2", "NaiveBetaTwo"),
        ("中 50 %", "UFourETwoDFiveZeroPercent"),
        ("hard + soft", "HardPlusSoft"),
    ],
)
def test_a_label_is_spelt_with_letters_alone(label: str, letters: str):
    """Digits and signs have words, and nothing but letters is left."""
    assert letters == letters_of(label)
    assert letters.isascii()
    assert letters.isalpha()


def test_names_that_would_be_one_are_told_apart_and_stay_as_they_are():
    """Of two alike neither keeps the bare name, and what each is called does not follow from the order."""
    alike = told_apart({"w/o CS": letters_of("w/o CS"), "w o CS": letters_of("w o CS"), "full": "Full"})
    assert 3 == len(set(alike.values()))
    assert "WOCS" not in alike.values()
    assert alike == told_apart(
        {"full": "Full", "w o CS": letters_of("w o CS"), "w/o CS": letters_of("w/o CS")}
    )
    assert "50 percent of $x_i$ (a)" == key_of("50% of $x_i$  {a}")


@pytest.mark.parametrize(
    ("p_value", "text"),
    [(0.04999, "p = 0.05"), (0.012, "p = 0.012"), (0.0004, "p < 0.001"), (0.5, "p = 0.50")],
)
def test_p_values_are_printed_as_papers_do(p_value: float, text: str):
    """Two digits, and none of what is smaller than anybody believes."""
    assert text == p_text(p_value)


@pytest.mark.slow
def test_every_number_of_a_table_has_its_command(every_state: list[Table]):
    """Value, deviation, interval, count, seeds, difference, its interval and p, the paper's number, ours minus it."""
    latex = numbers_to_latex("tiny", every_state)
    numbers = numbers_of(latex)
    place = "tiny/depth", "depth 2", "Market-1501 mAP"
    expected = {
        "value": "81.3",
        "deviation": "0.3",
        "pm": r"81.3 \ensuremath{\pm} 0.3",
        "interval": "{[}80.6, 82.0]",
        "n": "3",
        "seeds": "0, 1, 2",
        "paper": "82.1",
        "minuspaper": r"\ensuremath{-}0.8",
    }
    assert expected == {quantity: numbers[quantity, *place] for quantity in expected}
    place = "tiny/depth", "depth 3", "DukeMTMC-reID mAP"
    assert r"\ensuremath{-}1.0" == numbers["difference", *place]
    assert r"{[}\ensuremath{-}1.0, \ensuremath{-}1.0]" == numbers["differenceinterval", *place]
    assert r"\ensuremath{p < 0.001}" == numbers["p", *place]
    assert "79.9" == numbers["paper", "tiny/depth", "another's & older", "Market-1501 mAP"]
    assert "failed" == numbers["value", "tiny/depth", "odd_names / fails", "Market-1501 mAP"]
    commands = re.findall(r"^\\newcommand\{\\(\w+)\}", latex, re.MULTILINE)
    assert len(numbers) == len(commands) == len(set(commands))
    assert r"\newcommand{\twTinyDemoDepthDepthTwoMAP}{32.0}" in latex


def test_numbers_of_tables_that_are_not_written_now_stay(every_state: list[Table]):
    """A study of which one table was asked for keeps the numbers of the others, and loses those of none it has not."""
    depth, demo = every_state
    whole = numbers_to_latex("tiny", [depth, demo])
    assert whole == numbers_to_latex("tiny", [depth], whole, ["demo_depth"])
    assert numbers_to_latex("tiny", [demo]) == numbers_to_latex("tiny", [demo], whole, ["other"])


def compile_paper(folder: Path, body: str) -> tuple[int, str, str]:
    (folder / "paper.tex").write_text(
        "\\documentclass{article}\n\\input{numbers}\n\\input{numbers}\n\\begin{document}\n"
        + body
        + "\n\\end{document}\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [TEX, "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=folder,
        capture_output=True,
        timeout=120,
        check=False,
    )
    heads = folder / "paper.aux"
    return done.returncode, done.stdout.decode("utf-8", "replace"), heads.read_text()


@pytest.mark.slow
@pytest.mark.skipif(not TEX, reason="there is no TeX")
def test_a_paper_compiles_with_every_number_and_not_with_one_that_there_is_none_of(
    tmp_path: Path, every_state: list[Table]
):
    """Every key and command prints its number, in heads too; a misspelt row, or one of two tables, is an error."""
    factors = Factorial({"depth": {"2": {}, "3": {"depth": 3}}, "width": {"8": {}, "16": {"width": 16}}})
    crossed, elsewhere = plan_of(make_ablation([factors], name="crossed")), Store(str(tmp_path / "elsewhere"))
    for number, row in enumerate(
        ("depth 2, width 8", "depth 2, width 16", "depth 3, width 8", "depth 3, width 16")
    ):
        values = [0.5 + number / 10, 0.51 + number / 10, 0.53 + number / 10]
        record_value(elsewhere, crossed, row, {"Market-1501": seeds_of(values, values)})
    tables = [*every_state, *tables_of(crossed, elsewhere)]
    latex = numbers_to_latex("tiny", tables)
    (tmp_path / "numbers.tex").write_text(latex, encoding="utf-8")
    keys = [
        rf"\tw{quantity}{{{table}}}{{{row}}}{{{column}}};"
        for quantity, table, row, column in numbers_of(latex)
    ]
    commands = re.findall(r"^\\newcommand\{(\\\w+)\}", latex, re.MULTILINE)
    head = r"\section{\twvalue{depth}{depth 2}{Market-1501 mAP} and \twpm{demo_depth}{depth 2}{mAP}}"
    effect = (
        r"$\twdifference{crossed}{depth × width}{mAP}$, \twp{crossed}{depth (3 − 2)}{mAP}. \twrigour{crossed}"
    )
    code, output, heads = compile_paper(tmp_path, "\n\n".join([head, effect, *keys, *commands]))
    assert 0 == code, output[-2000:]
    assert r"81.3 and 32.0" in heads

    for wrong in (
        r"\twvalue{depth}{depth 9}{Market-1501 mAP}",
        r"\twvalue{depth}{depth 2}{mAP}",
        r"\twrigour{deep}",
    ):
        code, output, _ = compile_paper(tmp_path, wrong)
        assert code != 0
        assert r"\twNoSuchNumber" in output

    (tmp_path / "other.tex").write_text(
        numbers_to_latex("other", [replace(tables[0], study="other")]), encoding="utf-8"
    )
    code, output, _ = compile_paper(tmp_path, r"\input{other}\twvalue{depth}{depth 2}{Market-1501 mAP}")
    assert code != 0
    code, output, _ = compile_paper(tmp_path, r"\input{other}\twvalue{other/depth}{depth 2}{Market-1501 mAP}")
    assert 0 == code, output[-2000:]


def test_what_is_said_of_a_tables_rigour_follows_from_its_seeds(tmp_path: Path):
    """The sentence names seeds, what ± is, test and correction; without three seeds it says that nothing is tested."""
    rows = [depth_row(2), depth_row(3), Row("depth 4", {"depth": 4})]
    plan, store = plan_of(make_ablation(rows)), Store(str(tmp_path))
    for number, row in enumerate(("depth 2", "depth 3", "depth 4")):
        values = [0.5 + number / 10, 0.51 + number / 10, 0.53 + number / 10]
        record_value(store, plan, row, {"Market-1501": seeds_of(values, values)})
    (table,) = tables_of(plan, store)
    for part in (
        "n = 3 seeds (0, 1, 2)",
        "sample standard deviation",
        "two-sided",
        "moderated t",
        "Holm-corrected",
    ):
        assert part in table.rigour
    (table,) = tables_of(plan_of(make_ablation(rows), seeds=(0,)), store)
    assert "n = 1" in table.rigour
    assert "nothing is tested" in table.rigour
