"""What is written beside the tables for a paper: configs, audit, numbers, and the report with its appendix."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tablewright.orchestrator.declared.design import LeaveOneOut, Row
from tablewright.orchestrator.plans.plan import Plan, make_plan
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.store.store import Store
from tablewright.reports.documents.document_markdown import document_to_markdown
from tablewright.reports.latex.tex import find_tex, make_pdf
from tablewright.reports.notes.study_facts import read_study_facts
from tablewright.reports.paper.config_appendix import config_appendix
from tablewright.reports.paper.paper_files import PaperFiles, write_paper_files
from tablewright.reports.paper.rigour_appendix import rigour_appendix
from tablewright.reports.table_files import write_tables
from tablewright.trainables.retrieval.view import RetrievalView
from tests.reports.every_state import every_state_plan, record_every_state
from tests.reports.tiny_study import (
    DUKE,
    MARKET,
    depth_row,
    describe,
    make_ablation,
    make_study,
    record_value,
    seeds_of,
)

FOLDER = "tables/tiny"


def write(plan: Plan, store: Store, **asked: bool) -> PaperFiles:
    return write_paper_files(plan, store, write_tables(plan, store), **asked)


def test_each_base_stands_in_full_once_and_each_row_as_its_difference():
    """A row names the fields in which it is trained otherwise, a data set its own, and an ensemble its members."""
    rows = [
        LeaveOneOut({"depth": {"depth": 1}}),
        Row("two", ensemble=({"width": 16}, {"width": 32})),
        Row("flipped", view=RetrievalView(embeddings=("hard",))),
    ]
    study = make_study(
        make_ablation(rows, datasets=[MARKET, DUKE]), make_ablation([depth_row(3)], name="other")
    )
    text = document_to_markdown(config_appendix(make_plan([study], DataResolver(describe)), study))
    assert ["## Base A, of depth, other"] == re.findall(r"^## Base .*$", text, re.MULTILINE)
    assert "- `width`: `8`" in text
    assert "- `depth`: `2 → 1`" in text
    assert "- `width`: `8 → 16`" in text
    assert "- `width`: `8 → 32`" in text
    assert "- `data`: `market1501 → dukemtmcreid`" in text.replace('"', "")
    assert 1 == text.count("dukemtmcreid")  # said of the data set, and not of each row
    assert "- `embeddings.0`" in text
    assert "seed" not in "".join(re.findall(r"`[^`]*`", text))


@pytest.mark.slow
def test_files_are_written_once_and_follow_the_records(tmp_path: Path):
    """Audit, configs and numbers lie beside the tables, equal records give equal bytes, and none is written twice."""
    plan = every_state_plan()
    first, second = Store(str(tmp_path / "first")), Store(str(tmp_path / "second"))
    for store in (first, second):
        record_every_state(store, plan)
        beside = write(plan, store)
        assert beside.audit_urls["tiny"].endswith("tables/tiny/audit.md")
    names = ("audit.md", "configs.md", "configs.tex", "numbers.tex")
    assert set(names) <= set((first.root / FOLDER).names())
    assert not {"report.tex", "report.pdf"} & set((first.root / FOLDER).names())
    for name in names:
        assert (first.root / FOLDER).read(name) == (second.root / FOLDER).read(name), name
    before = {name: (tmp_path / "first" / FOLDER / name).stat().st_mtime_ns for name in names}
    write(plan, first)
    assert before == {name: (tmp_path / "first" / FOLDER / name).stat().st_mtime_ns for name in names}


@pytest.mark.slow
def test_one_table_of_a_study_leaves_the_numbers_of_the_others(tmp_path: Path):
    """Asked for STUDY/TABLE, numbers of that table are renewed, the rest stays, and there is no audit of a part."""
    study = make_study(make_ablation([depth_row(2)]), make_ablation([depth_row(3)], name="other"))
    store, resolver = Store(str(tmp_path)), DataResolver(describe)
    write(make_plan([study], resolver), store)
    before = (store.root / FOLDER).read("numbers.tex").decode()
    audit = (store.root / FOLDER).read("audit.md")
    part = make_plan([study.with_tables(["other"])], resolver)
    record_value(store, part, "depth 3", {"Market-1501": seeds_of([0.5, 0.6, 0.7], [0.5, 0.6, 0.7])})
    beside = write(part, store, makes_reports=True)
    assert "no report was made" in beside.remarks[0]
    after = (store.root / FOLDER).read("numbers.tex").decode()
    assert {} == beside.audit_urls
    assert audit == (store.root / FOLDER).read("audit.md")
    assert r"{tiny/other}{depth 3}{Market-1501 mAP}{60.0}" in after
    of_depth = re.compile(r"^.*tiny/depth.*$", re.MULTILINE)
    assert of_depth.findall(before) == of_depth.findall(after) != []


@pytest.mark.slow
def test_the_appendix_answers_from_records_and_says_what_it_cannot(tmp_path: Path):
    """Trainings, seeds, devices, times, software, data and the checklist's points are there, or said not to be."""
    plan, store = every_state_plan(), Store(str(tmp_path))
    record_every_state(store, plan)
    study = plan.studies[0]
    tables = [item.table for item in write_tables(plan, store, writes=False).tables]
    text = document_to_markdown(rigour_appendix(plan, study, tables, read_study_facts(plan, study, store)))
    num_planned = len(plan.trainings)
    assert f"17 trainings are recorded, of {num_planned} that the tables need" in text
    for part in (
        "Seeds: 0, 1, 2",
        "cpu (17 trainings)",
        "One training took 1 s to 1 s",
        "Energy: not recorded",
        "Memory of one training: not recorded",
        "Market-1501",
        "No hyperparameter was searched for",
        "Git commit",
        "Reproducibility checklist",
        "not recorded; for the author to answer",
        "mean and sample standard deviation over 3 seeds",
    ):
        assert part in text, part
    assert "somewhere" not in text  # the host


@pytest.mark.slow
def test_the_report_is_written_alone_where_there_is_no_tex(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Without a TeX the source lies there with the words how to compile it, and a PDF of other records does not."""
    plan, store = every_state_plan(), Store(str(tmp_path))
    (store.root / FOLDER).write("report.pdf", b"of other records")
    monkeypatch.setenv("PATH", str(tmp_path))
    beside = write(plan, store, makes_reports=True)
    assert "pdflatex report.tex" in beside.remarks[0]
    assert {"report.tex"} == {name for name in (store.root / FOLDER).names() if name.startswith("report")}
    assert r"\end{document}" in (tmp_path / FOLDER / "report.tex").read_text()


@pytest.mark.slow
def test_what_a_failing_tex_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A TeX that ends with an error stops nothing: its words are told, the source lies there, and no PDF."""
    program = tmp_path / "bin/pdflatex"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho '! No room for this table.'\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/bin:/usr/bin")
    plan, store = every_state_plan(), Store(str(tmp_path / "store"))
    beside = write(plan, store, makes_reports=True)
    assert "No room for this table" in beside.remarks[0]
    assert {"report.tex"} == {name for name in (store.root / FOLDER).names() if name.startswith("report")}


@pytest.mark.slow
@pytest.mark.skipif(find_tex() is None, reason="there is no TeX")
def test_the_report_is_made_once_and_again_when_its_records_change(tmp_path: Path):
    """The same records give the same PDF to the last byte wherever they lie, and are compiled once; others anew."""
    plan = every_state_plan()
    pdfs: list[bytes] = []
    for name in ("first", "second"):
        store = Store(str(tmp_path / name))
        record_every_state(store, plan)
        assert () == write(plan, store, makes_reports=True).remarks
        pdfs.append((store.root / FOLDER).read("report.pdf"))
    assert pdfs[0] == pdfs[1]
    assert pdfs[0].startswith(b"%PDF")
    file = tmp_path / "second" / FOLDER / "report.pdf"
    file.write_bytes(b"is not made again")
    write(plan, store)
    assert b"is not made again" == file.read_bytes()
    record_value(store, plan, "depth 1", {"Pedestrians": seeds_of([0.2, 0.3, 0.4], [0.2, 0.3, 0.4])})
    write(plan, store)
    assert file.read_bytes().startswith(b"%PDF")


@pytest.mark.slow
@pytest.mark.skipif(find_tex() is None, reason="there is no TeX")
def test_configs_and_reproduction_are_parts_of_a_paper(tmp_path: Path):
    """The configs print in a paper of two columns, the printed numbers in one with the packages that they name."""
    plan, store = every_state_plan(), Store(str(tmp_path))
    record_every_state(store, plan)
    write(plan, store, are_all_studies=True)
    tex = find_tex()
    assert tex is not None
    body = r"\begin{document}\input{part}\end{document}"
    for head, file in (
        (r"\documentclass[twocolumn]{article}", f"{FOLDER}/configs.tex"),
        (r"\documentclass{article}\usepackage{array,booktabs,longtable}", "tables/reproduction.tex"),
    ):
        content = (tmp_path / file).read_bytes()
        assert make_pdf(head + body, {"part.tex": content}, tex).startswith(b"%PDF")
