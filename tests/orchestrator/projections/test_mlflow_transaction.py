"""Trainings are written together, in as few statements as can be, and as MLflow's own calls write them."""

import itertools
import math
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tablewright.orchestrator.projections import mlflow_transaction, tracking
from tablewright.orchestrator.projections.mlflow_runs import MlflowRuns
from tablewright.orchestrator.projections.mlflow_transaction import in_one_transaction
from tablewright.orchestrator.projections.tracking import Tracker
from tablewright.orchestrator.work import Outcome, Progress
from tablewright.trainables.contract.run import EpochReport
from tests.orchestrator.tracked_trainings import ALL, GLOBAL, a_work, train
from tests.waiting import PATIENCE_S

LEARNING_RATES = [0.1 + 0.01 * number for number in range(9)]


class Unthreaded(Tracker):
    """A tracker that writes when it is told to."""

    def _start_thread(self):
        self._connect()

    def write(self):
        while self._deliver():
            pass


def begun(project):
    tracker = Unthreaded(project.uri, project.store)
    tracker.begin("toy", {})
    return tracker


def report(epoch, **values):
    return Progress(EpochReport(epoch, 3, values, 0.5), {"system/process_cpu_percent": 7.0 * epoch})


# -- as MLflow writes them -----------------------------------------------------------------------------


def rows_in(path):
    """Rows of each table, in which random ids are replaced by what they stand for."""
    database = sqlite3.connect(path)
    names = {run: f"run of {text[:8]}" for run, text in database.execute(
        "SELECT run_uuid, value FROM tags WHERE key IN ('tablewright.training_id', 'tablewright.sweep')"
    )}  # fmt: skip
    inputs = database.execute("SELECT input_uuid, destination_id, dataset_uuid FROM inputs, datasets")
    for input_id, run_id, dataset_id in inputs.fetchall():
        names |= {input_id: f"input of {names[run_id]}", dataset_id: "data set"}

    def named(value):
        for id_, name in names.items():
            value = value.replace(id_, name) if isinstance(value, str) else value
        return value

    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    rows = {
        table: sorted(
            str([named(value) for value in row]) for row in database.execute(f'SELECT * FROM "{table}"')
        )
        for table in tables
        if table not in ("experiments", "workspaces")  # which say when they were made
    }
    database.close()
    return rows


def tell_of_each_kind(tracker, project, finished):
    """Trainings that are done, failed, pruned, and run, with numbers of every kind."""
    failed, pruned, running = (a_work(learning_rate=rate) for rate in (0.2, 0.3, 0.4))
    for work in (finished, failed, pruned, running):
        tracker.on_start(work)
    for work in (finished, running):
        tracker.on_progress(work, report(1, loss=math.nan, gain=math.inf))
        tracker.on_progress(work, report(2, loss=1.0, gain=-math.inf, late=3.0))
    tracker.on_end(finished, Outcome("done"))
    tracker.on_end(failed, Outcome("failed", "RuntimeError: no luck"))
    tracker.on_end(pruned, Outcome("pruned"))


@pytest.mark.slow
def test_what_is_written_together_is_what_mlflows_calls_write(project, monkeypatch):
    """Row by row, in every table: a run is the same whichever way it came there."""
    finished = a_work(views=(ALL, GLOBAL))
    train(begun(project), project.store, finished)
    monkeypatch.setattr(tracking, "now_ms", itertools.count(1_700_000_000_000, 1000).__next__)
    found = []
    for is_known in (True, False):
        project.lose_database()
        monkeypatch.setattr(tracking, "now_ms", itertools.count(1_700_000_000_000, 1000).__next__)
        with monkeypatch.context() as patch:
            if not is_known:
                patch.setattr(mlflow_transaction, "KNOWN_COLUMNS", {"runs": "of another version"})
            tracker = begun(project)
            tell_of_each_kind(tracker, project, finished)
            tracker.write()
        found.append(rows_in(project.folder / "runs/mlflow.db"))
    for table in found[0]:
        assert found[0][table] == found[1][table], table
    assert 5 == len(found[0]["runs"])
    assert 4 == len(found[0]["inputs"])
    assert [] == tracker.warnings


# -- how many statements -------------------------------------------------------------------------------


@pytest.fixture
def statements():
    """What is asked of any database from here on."""
    import sqlalchemy.event

    asked = []

    def on_statement(connection, cursor, statement, *rest):
        asked.append(statement)

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", on_statement)
    yield asked
    sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", on_statement)


@pytest.mark.slow
def test_trainings_that_have_ended_take_as_many_statements_as_one(project, statements):
    """However many they are, and however many epochs they had: they are rows, added with one statement a table."""
    counts = []
    rates = iter(LEARNING_RATES)
    tracker = begun(project)
    for number, epochs in ((1, 1), (1, 12), (6, 3)):
        for _ in range(number):
            assert (
                "done"
                == train(tracker, project.store, a_work(learning_rate=next(rates), epochs=epochs)).state
            )
        statements.clear()
        tracker.write()
        first_ones = ("INSERT INTO datasets", "SAVEPOINT", "RELEASE")  # add the data set, which all share
        counts.append(len([it for it in statements if not it.startswith(first_ones)]))
    assert 1 == len(set(counts)), counts
    assert counts[0] <= 15
    assert 8 == len(project.children())


@pytest.mark.slow
def test_what_a_running_training_tells_takes_no_more_statements_with_more_epochs(project, statements):
    """And a training no more beside others: each is written to by MLflow's calls, in one transaction."""
    counts = []
    rates = iter(LEARNING_RATES)
    tracker = begun(project)
    for number, epochs in ((1, 1), (1, 12), (4, 3)):
        works = [a_work(learning_rate=next(rates)) for _ in range(number)]
        for work in works:
            tracker.on_start(work)
        tracker.write()
        statements.clear()
        for work, epoch in itertools.product(works, range(1, epochs + 1)):
            tracker.on_progress(work, report(epoch, loss=1.0))
        tracker.write()
        counts.append(len([it for it in statements if not it.startswith("PRAGMA")]) / number)
    assert 1 == len(set(counts)), counts
    assert counts[0] <= 10


@pytest.mark.slow
def test_a_sweep_that_finds_all_written_asks_for_no_training(project, statements):
    """Its runs are read a thousand at once, and nothing is asked of any one of them."""
    works = [a_work(learning_rate=rate, epochs=1) for rate in LEARNING_RATES]
    counts = []
    for number in (2, 9):
        project.sweep(*works[:number])
        statements.clear()
        tracker = begun(project)
        tracker.reconcile([work.training_id for work in works[:number]])
        tracker.write()
        counts.append(len(statements))
    assert counts[0] == counts[1]
    assert not [it for it in statements if it.startswith(("INSERT", "UPDATE"))]


# -- all of them, or none ------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_is_interrupted_leaves_no_half_of_a_training(project, monkeypatch):
    """A transaction that is broken off is as if it had not begun, and the next one has everything once."""
    works = [a_work(learning_rate=rate, epochs=1) for rate in LEARNING_RATES[:3]]
    tracker, write = begun(project), MlflowRuns.write
    for work in works:
        train(tracker, project.store, work)

    def write_and_break(runs, waiting):
        write(runs, waiting)
        if waiting.work is works[1]:
            raise KeyboardInterrupt

    monkeypatch.setattr(MlflowRuns, "write", write_and_break)
    with pytest.raises(KeyboardInterrupt):
        tracker.write()
    assert [] == project.children()
    project.sweep(recorded=works)
    assert ["FINISHED"] * 3 == [run.info.status for run in project.children()]


@pytest.mark.slow
def test_one_training_that_is_refused_keeps_no_other_out(project, monkeypatch):
    """It is tried alone, and told; those that waited beside it are there, once each."""
    works = [a_work(learning_rate=rate, epochs=1) for rate in LEARNING_RATES[:4]]
    write = MlflowRuns.write

    def refuse_one(runs, waiting):
        write(runs, waiting)
        if waiting.work.training_id == works[1].training_id and waiting.outcome is not None:
            raise RuntimeError("a number out of range")

    monkeypatch.setattr(MlflowRuns, "write", refuse_one)
    tracker = Tracker(project.uri, project.store)
    tracker.begin("toy", {})
    for work in works:
        train(tracker, project.store, work)
    tracker.end(succeeded=True)
    assert any(works[1].training_id[:8] in warning for warning in tracker.warnings)
    names = [run.info.run_name for run in project.children() if run.info.status == "FINISHED"]
    assert {works[0].label, works[2].label, works[3].label} <= set(names)
    assert len(names) == len(set(names))


@pytest.mark.slow
def test_what_else_a_process_asks_mlflow_meanwhile_is_not_of_the_transaction(project):
    """A second thread, as of a user's own code, neither sees nor ends what the first is writing."""
    ours, others = project.client(), project.client()
    experiment_id = ours.create_experiment("toy")
    with ThreadPoolExecutor(1) as other_thread, in_one_transaction(ours):
        ours.create_run(experiment_id)
        for _ in range(2):
            assert [] == other_thread.submit(others.search_runs, [experiment_id]).result(PATIENCE_S)
        ours.create_run(experiment_id)
        assert 2 == len(ours.search_runs([experiment_id]))
    assert 2 == len(others.search_runs([experiment_id]))


@pytest.mark.slow
def test_two_sweeps_that_write_at_once_make_each_run_once(project):
    """Both find all trainings unwritten; what one has made the other finds."""
    works = [a_work(learning_rate=rate, epochs=1) for rate in LEARNING_RATES]
    project.sweep(*works)
    project.lose_database()
    threads = [
        threading.Thread(target=project.sweep, kwargs={"recorded": works, "name": name}) for name in "ab"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    identities = [run.data.tags["tablewright.training_id"] for run in project.children()]
    assert sorted(work.training_id for work in works) == sorted(identities)
