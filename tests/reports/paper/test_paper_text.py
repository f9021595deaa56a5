"""Numbers that were typed into a paper's text."""

from __future__ import annotations

from pathlib import Path

import pytest

from tablewright.orchestrator.store.store import Store
from tablewright.reports.paper.paper_text import TypedNumber, typed_numbers
from tablewright.reports.table_files import write_tables
from tests.reports.tiny_study import TinyConfig, depth_row, make_ablation, plan_of, record_value, seeds_of


class Weighted(TinyConfig):
    weight: float = 0.35


def found_in(folder: Path, body: str, **more: str) -> list[TypedNumber]:
    plan, store = (
        plan_of(make_ablation([depth_row(2), depth_row(3)], base=Weighted())),
        Store(str(folder / "runs")),
    )
    record_value(store, plan, "depth 2", {"Market-1501": seeds_of([0.811, 0.812, 0.816], [0.91, 0.92, 0.93])})
    record_value(store, plan, "depth 3", {"Market-1501": seeds_of([0.911, 0.912, 0.917], [0.92, 0.93, 0.94])})
    for name, text in more.items():
        (folder / f"{name}.tex").write_text(text, encoding="utf-8")
    paper = folder / "main.tex"
    paper.write_text(
        "\\documentclass{article}\n\\setlength{\\x}{12.34pt}\n\\newcommand{\\y}{77.7}\n\\begin{document}\n"
        f"{body}\n\\end{{document}}\n",
        encoding="utf-8",
    )
    tables = [item.table for item in write_tables(plan, store, writes=False).tables]
    return list(typed_numbers(paper, plan, tables, (folder / "runs").resolve()))


@pytest.mark.parametrize(
    ("body", "number", "command"),
    [
        ("It reaches 81.3 mAP.", "81.3", r"\twvalue{depth}{depth 2}{mAP}"),
        ("It reaches 0.813 mAP.", "0.813", r"\twvalue{depth}{depth 2}{mAP}"),
        (r"It reaches 81\,\% mAP, or $81\%$.", "81", r"\twvalue{depth}{depth 2}{mAP}"),
        ("It gains 10.0 points.", "10.0", r"\twdifference{depth}{depth 3}{mAP}"),
        ("It loses $-10.0$ points.", "10.0", r"\twdifference{depth}{depth 3}{mAP}"),
        ("It reaches 87.4 mAP.", "87.4", ""),
    ],
)
def test_a_typed_result_is_named_with_the_command_that_gives_it(
    tmp_path: Path, body: str, number: str, command: str
):
    """Of a number of a table the command is told, of one that no table gives that there is none."""
    found = found_in(tmp_path, body)
    assert (number, command) == (found[0].number, found[0].command)
    assert found[0].place == "main.tex:5"
    assert number in found[0].words


@pytest.mark.parametrize(
    "body",
    [
        r"\includegraphics[width=0.95\linewidth]{figure-2.5} \vspace{-3.25mm}",
        r"see \cite{a.2017.45.1} and Sec. \ref{sec:4.2}; torch 2.13.0 on 4 GPUs in 2017",
        r"\twvalue{depth}{depth 0.1}{mAP}",
        r"with the weight 0.35 of the loss",
        r"% an old value of 99.9",
    ],
)
def test_what_is_no_result_is_left_alone(tmp_path: Path, body: str):
    """Lengths, references, versions, settings of the configs, comments and the commands themselves are not named."""
    assert [] == [str(one) for one in found_in(tmp_path, body)]


def test_included_files_are_read_and_made_ones_are_not(tmp_path: Path):
    """A chapter is read with the main file; the tables, which are made, are not."""
    found = found_in(
        tmp_path,
        "\\input{chapter}\\input{runs/tables/tiny/depth}",
        chapter="It reaches 12.3 mAP.\n\\input{main}",
    )
    assert ["chapter.tex:1: no table gives 12.3 (“It reaches 12.3 mAP.”)"] == [str(one) for one in found]
