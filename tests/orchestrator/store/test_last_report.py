"""A report of which nothing has changed is not made anew; whatever a table depends on, a change of it is noticed."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.store import last_report
from tablewright.orchestrator.store.accepted_change import AcceptedChange
from tablewright.orchestrator.store.last_report import ReportMemory, witnessed
from tablewright.orchestrator.store.store import Store
from tests.reports.tiny_study import (
    WHEN,
    TinyConfig,
    depth_row,
    make_ablation,
    make_study,
    plan_of,
    record_failure,
    record_value,
    seeds_of,
)

ROWS = [depth_row(2), depth_row(3)]
PLAN = plan_of(make_ablation(ROWS))
(STUDY,) = PLAN.studies
MADE = "made anew"


class Reporter:
    """A report that writes a file and reads another one on the way, and says how often it was made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(str(folder / "runs"))
        self.paper = folder / "paper.tex"
        self.paper.write_text("86.1")
        record_value(self.store, PLAN, "depth 2", {"Market-1501": seeds_of([0.8, 0.81], [0.9, 0.9])})
        self.report()

    def report(
        self, study: Study = STUDY, asked: str = "many", meanwhile: Callable[[], object] = bool
    ) -> str:
        """Report once; gives `MADE`, or what was kept of the last time."""
        memory = ReportMemory(self.store, [study], [asked])
        if (last := memory.unchanged()) is not None:
            return last.printed
        with witnessed() as witness:
            self.paper.read_text()
            meanwhile()
            for name in ("tables/tiny/depth.md", "costs/tiny.md"):
                self.store.root.write_if_changed(name, b"content")
        memory.remember(witness, 0, "what it said")
        return MADE

    def rewrite_unseen(self) -> None:
        """Put another record into a record's place, of its length and its date."""
        (path,) = list((self.folder / "runs/trainings").glob("*/measurements/*.json"))[:1]
        dates = path.stat()
        content = path.read_text()
        aside = path.with_name("aside")
        aside.write_text(content.replace("0.8", "0.7"))
        aside.replace(path)
        os.utime(path, ns=(dates.st_atime_ns, dates.st_mtime_ns))


@pytest.fixture
def reporter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reporter:
    monkeypatch.setattr(last_report, "TOO_YOUNG_S", -60.0)
    monkeypatch.setattr(last_report, "_program", functools.cache(last_report._program))  # pyright: ignore[reportPrivateUsage]
    return Reporter(tmp_path)


CHANGES: dict[str, Callable[[Reporter], object]] = {
    "a record": lambda it: record_value(
        it.store, PLAN, "depth 3", {"Market-1501": seeds_of([0.7], [0.8])}
    ),
    "another record under the date of the first": Reporter.rewrite_unseen,
    "a record that is gone": lambda it: next((it.folder / "runs/trainings").rglob("record.json")).unlink(),
    "a failure": lambda it: record_failure(it.store, PLAN, "depth 3", 0, "it is NaN"),
    "an accepted change": lambda it: it.store.write_accepted_change(
        AcceptedChange(
            method="tiny", version=1, path="width", recorded="8", planned="9", reason="no number moves",
            accepted_by="me", accepted_at=WHEN,
        )
    ),
    "what is known of data": lambda it: it.store.root.write("data/tiny.json", b"{}"),
    "a suggestion of a search": lambda it: it.store.root.write("searches/a/trials/0.json", b"{}"),
    "a table's file that is gone": lambda it: (it.folder / "runs/tables/tiny/depth.md").unlink(),
    "a table's file that somebody has edited": lambda it: (
        it.folder / "runs/tables/tiny/depth.md"
    ).write_text("another"),
    "costs that are gone": lambda it: (it.folder / "runs/costs/tiny.md").unlink(),
    "a file that was read on the way": lambda it: it.paper.write_text("86.2"),
    "a file that was read on the way and is gone": lambda it: it.paper.unlink(),
}  # fmt: skip


def test_a_change_in_a_file_is_noticed(reporter: Reporter):
    """Before it the report is said again, after it made anew, once."""
    assert "what it said" == reporter.report()
    for what, change in CHANGES.items():
        change(reporter)
        reporter.paper.touch()
        assert (what, MADE) == (what, reporter.report())
        assert (what, "what it said") == (what, reporter.report())


@pytest.mark.slow
def test_a_change_of_the_study_is_noticed(reporter: Reporter):
    """Another row, caption or seed, or another option of the command, is another report."""
    others = [
        make_study(make_ablation([depth_row(2)])),
        make_study(make_ablation(ROWS, caption="Another one")),
        make_study(make_ablation(ROWS), seeds=(0, 1)),
        replace(STUDY, title="Another title"),
    ]
    assert [MADE] * 4 == [reporter.report(study) for study in others]
    assert MADE == reporter.report(asked="another width")
    assert MADE == reporter.report(STUDY)
    assert "what it said" == reporter.report(asked="another width")


@pytest.mark.slow
def test_a_change_of_code_is_noticed(reporter: Reporter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Another version of this program, of a package or of a method, or an edited module of the project, is noticed."""
    monkeypatch.setattr(TinyConfig, "VERSION", 2)
    assert MADE == reporter.report()
    monkeypatch.setattr(last_report, "_program", lambda: ["another version"])
    assert MADE == reporter.report()
    assert "what it said" == reporter.report()
    module = tmp_path / "module_of_a_project.py"
    module.write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    __import__("module_of_a_project")
    assert MADE == reporter.report()
    assert "what it said" == reporter.report()
    module.write_text("VALUE = 2\n")
    assert MADE == reporter.report()


def test_the_program_is_known_by_its_files_and_its_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An edited file of ours, and a package of another version, make it another program."""
    (tmp_path / "ours").mkdir()
    source = tmp_path / "ours/table.py"
    source.write_text("1")
    monkeypatch.setattr(last_report, "_OURS", (tmp_path / "ours",))
    monkeypatch.syspath_prepend(str(tmp_path / "installed"))
    programs = [last_report._program()]  # pyright: ignore[reportPrivateUsage]
    source.write_text("22")
    programs.append(last_report._program())  # pyright: ignore[reportPrivateUsage]
    (tmp_path / "installed/scipy-2.dist-info").mkdir(parents=True)
    programs.append(last_report._program())  # pyright: ignore[reportPrivateUsage]
    assert 3 == len({repr(program) for program in programs})


def test_what_cannot_be_compared_is_made_anew(reporter: Reporter):
    """A report that has warned, or has asked this machine for data, is never said again."""
    record_value(reporter.store, PLAN, "depth 3", {"Market-1501": seeds_of([0.7], [0.8])})
    for _ in range(2):
        assert MADE == reporter.report(meanwhile=lambda: logging.getLogger("any").warning("damaged"))
    memory = ReportMemory(reporter.store, [STUDY], ["many"])
    with witnessed() as witness:
        witness.ask_machine()
    memory.remember(witness, 0, "what it said")
    assert MADE == reporter.report()


def test_what_no_report_is_made_of_changes_none(reporter: Reporter):
    """MLflow's and Optuna's databases follow the records, and are written by others while nothing changes."""
    for name in ("mlflow.db", "mlflow.db-wal", "optuna.db", "mlartifacts/1/file"):
        reporter.store.root.write(name, b"another")
    assert "what it said" == reporter.report()


def test_a_record_that_was_just_written_is_not_trusted(tmp_path: Path):
    """What is younger than two seconds could be written again in the same tick of a clock: nothing is kept of it."""
    reporter = Reporter(tmp_path)
    assert MADE == reporter.report()
    assert not (tmp_path / "runs/reports").exists()


def test_a_damaged_memory_is_none(reporter: Reporter):
    """A file of it that was cut or edited is replaced; it is never what is printed."""
    (path,) = (reporter.folder / "runs/reports").iterdir()
    path.write_text(path.read_text().replace("what it said", "what it did not say"))
    assert MADE == reporter.report()
    assert "what it said" == reporter.report()


def test_reports_that_are_kept_stay_few(reporter: Reporter, monkeypatch: pytest.MonkeyPatch):
    """However many widths a terminal has had, the store holds a handful of them."""
    monkeypatch.setattr(last_report, "MAX_KEPT", 2)
    for width in range(5):
        reporter.report(asked=f"{width} columns")
    assert len(list((reporter.folder / "runs/reports").iterdir())) <= 2
