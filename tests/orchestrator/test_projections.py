"""MLflow and Optuna beside many sweeps of one store: each training is there once, and no training waits for them."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path

import optuna
import psutil
import pytest
from optuna.storages import RDBStorage

from tablewright.orchestrator.declared.design import Row, Sweep
from tablewright.orchestrator.inline_backend import InlineBackend
from tablewright.orchestrator.plans.planning import plan_as_recorded
from tablewright.orchestrator.projections import projection_thread
from tablewright.orchestrator.projections.mirror import mirror_to_mlflow, mirror_to_optuna
from tablewright.orchestrator.projections.mirrored_study import SUGGESTION
from tablewright.orchestrator.projections.new_database import make_database
from tablewright.orchestrator.projections.tracking import Tracker
from tablewright.orchestrator.run import recorded_ids, run_sweep
from tablewright.orchestrator.store.claims import Claims, training_claim
from tablewright.orchestrator.store.store import Store
from tablewright.trainables.contract.run import Runtime
from tests.forks import forks
from tests.orchestrator.toy_sweep import Events, ToySweep, a_search, a_study
from tests.toy_method import ToyConfig
from tests.waiting import PATIENCE_S

WIDTHS = (2, 3, 4, 5)
NUM_SUGGESTIONS = 3


def the_study():
    rows = [Sweep("network.embedding_size", WIDTHS)]
    return a_study(rows, base=ToyConfig(epoch_s=0.02), searches=[a_search(num_trials=NUM_SUGGESTIONS)])


def drive(store_url, mlflow_url, optuna_url, cache, name="toy"):
    """One sweep with both projections; gives its result and MLflow's tracker."""
    store = Store(store_url)
    tracker = Tracker(mlflow_url, store)

    def listeners(plan, statuses):
        tracker.begin(name, {"cells": len(plan.cells)})
        tracker.reconcile(recorded_ids(plan, statuses))
        return [tracker]

    result = run_sweep(
        [the_study()],
        store=store,
        runtime=Runtime(None, cache),
        backend=InlineBackend(),
        search_storage=optuna_url,
        listeners=listeners,
    )
    if not tracker.has_begun:
        listeners(result.plan, result.statuses)
    tracker.reconcile(recorded_ids(result.plan, result.statuses))
    tracker.end(succeeded=result.is_complete)
    return result, tracker


def drive_with_another(has_begun, said, arguments):
    """Drive at the same moment as another process, and write what would stand on stderr into a file."""
    with said.open("ab") as file:
        os.dup2(file.fileno(), 2)
    has_begun.wait(PATIENCE_S)
    drive(*arguments)


def two_drivers(folder, *arguments):
    """Two processes that begin at once, each with its own arguments of `drive`; gives what they wrote to stderr."""
    has_begun, files = forks.Barrier(2), [folder / f"said {number}" for number in range(2)]
    drivers = [
        forks.Process(target=drive_with_another, args=(has_begun, file, some))
        for file, some in zip(files, arguments, strict=True)
    ]
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join(PATIENCE_S)
    said = [file.read_text(encoding="utf-8") for file in files]
    assert [0, 0] == [driver.exitcode for driver in drivers], said
    return said


class Database:
    """What MLflow's and Optuna's databases show."""

    def __init__(self, mlflow_url, optuna_url):
        self.mlflow_url, self.optuna_url = mlflow_url, optuna_url

    def client(self):
        from mlflow import MlflowClient

        return MlflowClient(self.mlflow_url, self.mlflow_url)

    def runs(self):
        experiment = self.client().get_experiment_by_name("tablewright")
        return list(self.client().search_runs([experiment.experiment_id]))

    def children(self):
        return [run for run in self.runs() if "mlflow.parentRunId" in run.data.tags]

    def parents(self):
        return [run for run in self.runs() if "mlflow.parentRunId" not in run.data.tags]

    def of_store(self, store):
        """The runs of one store's trainings, counted."""
        return Counter(
            run.data.tags["tablewright.training_id"]
            for run in self.children()
            if run.data.tags["tablewright.store"] == store.shared_id()
        )

    def trials(self):
        """The trials of each Optuna study, counted."""
        found = {}
        for name in optuna.get_all_study_names(self.optuna_url):
            trials = optuna.load_study(study_name=name, storage=self.optuna_url).trials
            attrs = (trial.user_attrs for trial in trials)
            found[name] = Counter(attrs.get(SUGGESTION, attrs["training_id"]) for attrs in attrs)
        return found


def recorded(store):
    return {it for it in store.training_ids() if store.training(it).is_done()}


def assert_all_once(database, store):
    """Every recorded training is one run of the store, and every trial is there once."""
    assert database.of_store(store) == dict.fromkeys(recorded(store), 1)
    for name, counted in database.trials().items():
        assert set(counted.values()) == {1}, name
    assert {run.info.status for run in database.children()} == {"FINISHED"}


# -- two sweeps at once --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL server on a socket of its own."""
    folder = Path(tempfile.mkdtemp(prefix="tw-pg"))
    folder.chmod(0o755)  # the server runs as a user of its own where this is root
    import pgserver  # not where it is not needed: it warns of the machine's folders

    found = pgserver.get_server(folder / "data", cleanup_mode="delete")
    for name in ("tracking", "search"):
        found.psql(f"create database {name};")
    yield f"postgresql://postgres:@/{{name}}?host={folder}/data"
    found.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
def test_two_sweeps_of_one_study_on_a_new_store_show_everything_once(tmp_path):
    """Both make the store, its databases and all trainings; the second names the store by a link."""
    runs = tmp_path / "runs"
    (tmp_path / "link").symlink_to(runs)
    database = Database(f"sqlite:///{runs}/mlflow.db", f"sqlite:///{runs}/optuna.db")
    urls = (database.mlflow_url, database.optuna_url, str(tmp_path / "cache"))
    runs.mkdir()
    said = two_drivers(tmp_path, (str(runs), *urls), (str(tmp_path / "link"), *urls))
    assert not [text for text in said if "cannot be written" in text or "Traceback" in text]
    drive(str(runs), *urls)
    assert_all_once(database, Store(str(runs)))
    assert 1 == len(database.parents())
    assert set(WIDTHS) <= {
        trial.params.get("network.embedding_size")
        for trial in optuna.load_study(study_name="toy_study", storage=database.optuna_url).trials
    }
    assert [] == [path.name for path in runs.iterdir() if path.name.startswith(".")]


@pytest.mark.slow
def test_two_stores_begin_at_once_on_a_new_postgresql(tmp_path, server):
    """By its plain URL and psycopg 3; each store has its runs and its studies, and neither takes the other's."""
    database = Database(
        server.format(name="tracking").replace("postgresql:", "postgresql+psycopg:"),
        server.format(name="search").replace("postgresql:", "postgresql+psycopg:"),
    )
    stores = [str(tmp_path / name) for name in ("a", "b")]
    plain = (server.format(name="tracking"), server.format(name="search"), str(tmp_path / "cache"))
    said = two_drivers(tmp_path, *((store, *plain) for store in stores))
    assert not [text for text in said if "cannot be written" in text or "Traceback" in text]
    for store in map(Store, stores):
        assert_all_once(database, store)
    assert 2 == len(database.parents())
    names = [name.partition("@")[0] for name in database.trials()]
    assert [2, 2] == list(Counter(names).values())


# -- what was doubled, lost or tagged otherwise --------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A whole sweep, to be copied."""
    folder = tmp_path_factory.mktemp("finished")
    drive(str(folder / "runs"), *urls_of(folder))
    return folder


def urls_of(folder):
    runs = folder / "runs"
    return f"sqlite:///{runs}/mlflow.db", f"sqlite:///{runs}/optuna.db", str(folder / "cache")


@pytest.fixture
def sweep(tmp_path, finished):
    """A finished sweep: its folder."""
    shutil.copytree(finished / "runs", tmp_path / "runs")
    return tmp_path


def database_of(folder):
    return Database(*urls_of(folder)[:2])


def again(folder, **how):
    return drive(str(folder / "runs"), *urls_of(folder), **how)


@pytest.mark.slow
def test_a_sweep_that_is_complete_writes_nothing_when_it_is_run_again(sweep):
    """Neither to the records nor to the databases, which keep their bytes and their times."""

    def state():
        return {
            path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
            for path in sorted((sweep / "runs").rglob("*"))
        }

    before = state()
    result, tracker = again(sweep)
    assert result.is_complete
    assert [] == tracker.warnings
    assert before == state()


def double_runs(database, num_doubled):
    """Make further runs of trainings, and one of the sweep, as two sweeps of earlier versions did."""
    client = database.client()
    (parent,) = database.parents()
    tags = {name: text for name, text in parent.data.tags.items() if not name.startswith("mlflow.")}
    other = client.create_run(parent.info.experiment_id, tags=tags, run_name="toy")
    for child in database.children()[:num_doubled]:
        keys = {"tablewright.training_id", "tablewright.store"}
        tags = {name: text for name, text in child.data.tags.items() if name in keys}
        client.create_run(
            parent.info.experiment_id, tags={**tags, "mlflow.parentRunId": other.info.run_id}, start_time=1
        )
    moved = database.children()[-1]
    client.set_tag(moved.info.run_id, "mlflow.parentRunId", other.info.run_id)
    return other.info.run_id


@pytest.mark.slow
def test_running_again_merges_what_was_doubled(sweep):
    """Of several runs of a training the whole one is kept, of a sweep the first; a study with doubles is made anew."""
    database = database_of(sweep)
    kept = {run.info.run_id for run in database.runs()}
    double_runs(database, 3)
    before = database.trials()
    for name in before:
        study = optuna.load_study(study_name=name, storage=database.optuna_url)
        study.add_trial(study.trials[0])
    again(sweep)
    assert kept == {run.info.run_id for run in database.runs()}
    (parent,) = database.parents()
    assert {parent.info.run_id} == {run.data.tags["mlflow.parentRunId"] for run in database.children()}
    assert before == database.trials()


@pytest.mark.slow
def test_what_a_living_driver_writes_is_left_to_it(sweep):
    """Its runs are neither merged nor ended; once it is dead they are."""
    database, client = database_of(sweep), database_of(sweep).client()
    other = double_runs(database, 1)
    alive = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    driver = f"{os.uname().nodename} {alive.pid} {psutil.Process(alive.pid).create_time():.0f}"
    (theirs,) = (run for run in database.children() if run.info.status == "RUNNING")
    for run_id in (other, theirs.info.run_id):
        client.set_tag(run_id, "tablewright.driver", driver)
    again(sweep)
    assert {other, theirs.info.run_id} == {
        run.info.run_id for run in database.runs() if run.info.status == "RUNNING"
    }
    alive.communicate(b"\n")
    again(sweep)
    assert_all_once(database, Store(str(sweep / "runs")))
    assert 1 == len(database.parents())


@pytest.mark.slow
def test_a_driver_of_another_machine_lives_while_its_training_is_claimed(sweep):
    """Its processes cannot be seen from here; the claim on a training in the store can."""
    database, store = database_of(sweep), Store(str(sweep / "runs"))
    other = double_runs(database, 1)
    (theirs,) = (run for run in database.children() if run.info.status == "RUNNING")
    for run_id in (other, theirs.info.run_id):
        database.client().set_tag(run_id, "tablewright.driver", "elsewhere 12 34")
    with Claims(store).held(training_claim(theirs.data.tags["tablewright.training_id"])):
        again(sweep)
        assert {other, theirs.info.run_id} == {
            run.info.run_id for run in database.runs() if run.info.status == "RUNNING"
        }
    again(sweep)
    assert_all_once(database, store)


@pytest.mark.slow
def test_runs_that_are_tagged_by_a_path_are_found_and_tagged_by_the_stores_id(sweep):
    """Earlier versions wrote the path as it was typed: relative, through a link, or in full."""
    database, client = database_of(sweep), database_of(sweep).client()
    (sweep / "link").symlink_to(sweep / "runs")
    paths = [f"{sweep}/runs", f"{sweep}/elsewhere/../runs", f"{sweep}/link"]
    (sweep / "elsewhere").mkdir()
    before = {run.info.run_id for run in database.runs()}
    for number, run in enumerate(database.runs()):
        client.set_tag(run.info.run_id, "tablewright.store", paths[number % 3])
        client.delete_tag(run.info.run_id, "tablewright.store_url")
    again(sweep)
    assert before == {run.info.run_id for run in database.runs()}
    (identity,) = {run.data.tags["tablewright.store"] for run in database.runs()}
    assert Store(str(sweep / "runs")).shared_id() == identity
    assert {str(sweep / "runs")} == {run.data.tags["tablewright.store_url"] for run in database.runs()}


@pytest.mark.slow
def test_mirror_makes_both_databases_anew_from_the_store_alone(sweep):
    """From an empty one and one that holds what is not so; a run that is whole is left with what it has."""
    database, store = database_of(sweep), Store(str(sweep / "runs"))
    trials = database.trials()
    rows = {
        name: [row.params for row in optuna.load_study(study_name=name, storage=database.optuna_url).trials]
        for name in trials
    }
    for name in ("mlflow.db", "optuna.db"):
        (sweep / "runs" / name).unlink()
        (sweep / "runs" / name).touch()
    RDBStorage(database.optuna_url).engine.dispose()
    study = optuna.create_study(study_name="toy_study", storage=database.optuna_url, direction="minimize")
    study.add_trial(optuna.trial.create_trial(value=9.0, user_attrs={"training_id": "of nobody"}))
    mlflow_url = f"sqlite:///{sweep}/link.db"  # MLflow keeps a database open that it once had
    (sweep / "link.db").symlink_to(sweep / "runs/mlflow.db")
    database.mlflow_url = mlflow_url
    runtime = Runtime(None, str(sweep / "cache"))
    plan = plan_as_recorded([the_study()], store, runtime)
    of_mlflow = mirror_to_mlflow(mlflow_url, store, plan, {})
    of_optuna = mirror_to_optuna(database.optuna_url, store, plan, runtime)
    assert () == of_mlflow.warnings + of_optuna.warnings
    assert of_mlflow.text.endswith(f"{len(recorded(store))} of them written")
    assert_all_once(database, store)
    assert trials == database.trials()
    assert rows == {
        name: [row.params for row in optuna.load_study(study_name=name, storage=database.optuna_url).trials]
        for name in trials
    }
    assert {"FINISHED"} == {run.info.status for run in database.runs()}
    assert mirror_to_mlflow(mlflow_url, store, None, {}).text.endswith("none of them written")


# -- databases that are locked, slow, full or away -----------------------------------------------------


@pytest.fixture
def toy(tmp_path):
    return ToySweep(tmp_path)


ROWS = (Row("a"), Row("b", {"learning_rate": 0.2}))


def rows_in(toy):
    return [
        trial.user_attrs["row"]
        for trial in optuna.load_study(study_name="toy_study", storage=toy.storage).trials
    ]


@pytest.mark.slow
def test_a_locked_storage_delays_no_training(toy, tmp_path, monkeypatch, caplog):
    """Another program holds it from before the sweep until after its end; the next run writes what it missed."""
    monkeypatch.setattr(projection_thread, "END_PATIENCE_S", 1.0)
    RDBStorage(toy.storage).engine.dispose()
    holder = sqlite3.connect(tmp_path / "optuna.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    result, _ = toy(a_study(ROWS))
    assert result.is_complete
    assert "Nothing is lost: run the same command again" in caplog.text
    holder.execute("ROLLBACK")
    toy(a_study(ROWS))
    assert 2 == len(rows_in(toy))


@pytest.mark.slow
def test_a_slow_storage_is_waited_for_by_no_training(toy, monkeypatch):
    """What it takes for one row, all trainings end in; the rows are there in the end."""
    have_ended = threading.Event()
    add = RDBStorage.create_new_trial

    def add_late(self, *arguments, **more):
        assert have_ended.wait(PATIENCE_S)
        return add(self, *arguments, **more)

    class Last(Events):
        def on_end(self, work, outcome):
            super().on_end(work, outcome)
            if len(self.ended) == len(ROWS):
                have_ended.set()

    monkeypatch.setattr(RDBStorage, "create_new_trial", add_late)
    monkeypatch.setattr(projection_thread, "FLUSH_EVERY_S", 0.01)
    assert toy(a_study(ROWS), listeners=[Last()])[0].is_complete
    assert 2 == len(rows_in(toy))


@pytest.mark.slow
def test_a_storage_that_is_away_or_has_no_room_refuses_nothing(toy, tmp_path, caplog):
    """A server that does not answer, whose password nobody sees; a folder in which nothing can be written."""
    toy.storage = "postgresql://user:hun@ter2@127.0.0.1:1/name".replace("@ter", "%40ter")
    result, _ = toy(a_study(ROWS))
    assert result.is_complete
    assert "cannot be written to for now" in caplog.text
    assert not re.search("hun|ter2", caplog.text)


# -- databases that are damaged ------------------------------------------------------------------------


def cut_in_two(path):
    path.write_bytes(path.read_bytes()[:5000])


def lie_in_place_of(make):
    def damage(path):
        path.unlink()
        make(path)

    return damage


DAMAGES = {
    "noise": (lambda path: path.write_bytes(b"no database " * 1000), "the file is damaged"),
    "cut": (cut_in_two, "the file is damaged"),
    "folder": (lie_in_place_of(Path.mkdir), "it is a folder"),
    "pipe": (lie_in_place_of(os.mkfifo), "it is a pipe, a socket or a device"),
    "device": (
        lie_in_place_of(lambda path: path.symlink_to("/dev/full")),
        "it is a pipe, a socket or a device",
    ),
    "link": (lie_in_place_of(lambda path: path.symlink_to("/nowhere/at/all")), "a link that leads nowhere"),
}


@pytest.mark.slow
@pytest.mark.parametrize("way", DAMAGES)
def test_a_damaged_storage_is_told_in_one_line_and_refuses_nothing(toy, tmp_path, caplog, way):
    """No training waits for it, and --mirror fills one that lies in its place."""
    RDBStorage(toy.storage).engine.dispose()
    damage, what = DAMAGES[way]
    damage(tmp_path / "optuna.db")
    result, _ = toy(a_study(ROWS))
    assert result.is_complete
    (told,) = [record.message for record in caplog.records if "optuna.db" in record.message]
    assert what in told
    assert told.endswith("move it away (or name another one), and --mirror fills a new one from the store")


@pytest.mark.slow
@pytest.mark.parametrize("way", ["cut", "pipe"])
def test_a_damaged_database_of_mlflow_is_told_in_one_line(sweep, way):
    """It ends no sweep, and what lies in its place is filled from the store."""
    damage, what = DAMAGES[way]
    damage(sweep / "runs/mlflow.db")
    result, tracker = again(sweep)
    assert result.is_complete
    (told,) = tracker.warnings
    assert f"mlflow.db cannot be used: {what}" in told


def test_a_new_database_is_whole_or_not_there(tmp_path):
    """Whoever makes it is killed before its end; of two makers the second takes what the first has made."""
    url = f"sqlite:///{tmp_path}/new.db"

    def make(address):
        make_database(
            url, lambda aside: sqlite3.connect(aside.removeprefix("sqlite:///")).execute("create table b (x)")
        )
        sqlite3.connect(address.removeprefix("sqlite:///")).execute("create table a (x)")

    with pytest.raises(KeyboardInterrupt):
        make_database(url, lambda address: (_ for _ in ()).throw(KeyboardInterrupt))
    assert [] == list(tmp_path.iterdir())
    make_database(url, make)
    assert ["new.db"] == [path.name for path in tmp_path.iterdir()]
    found = sqlite3.connect(tmp_path / "new.db").execute("select name from sqlite_master").fetchall()
    assert [("b",)] == found
