"""MLflow shows what the store holds: one run a training, whatever was interrupted, lost or away."""

import dataclasses
import logging
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

from tablewright.orchestrator.declared.search import Objective
from tablewright.orchestrator.projections.mlflow_names import (
    data_suffix,
    ensemble_suffix,
    flatten,
    view_prefix,
)
from tablewright.orchestrator.projections.tracking import Tracker
from tablewright.orchestrator.store.training_records import Measurement
from tablewright.orchestrator.work import Outcome
from tablewright.trainables.retrieval.view import MAP, Reranking, RetrievalView
from tests.orchestrator.tracked_sweeps import PARTS, RATES, Sweeps, study
from tests.orchestrator.tracked_trainings import ALL, GLOBAL, Project, a_work, train
from tests.toy_method import ToyConfig, ToyTrainable
from tests.waiting import PATIENCE_S, wait_for

ROOT = Path(__file__).parents[3]
NO_WAIT_S = 60.0  # a busy machine's own delays; MLflow alone would ask an absent server for minutes


# -- names ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (ALL, "test"),
        (RetrievalView(split="val"), "val"),
        (GLOBAL, "test.global"),
        (RetrievalView(embeddings=("global", "attended"), flip=True), "test.global-attended.flip"),
        (RetrievalView(query="multiple", distance="euclidean"), "test.all.multiple.euclidean"),
        (RetrievalView(reranking=Reranking()), "test.all.reranking"),
        (RetrievalView(reranking=Reranking(k1=10)), "test.all.reranking-k1_10"),
    ],
)
def test_a_view_is_named_by_what_is_not_its_default(view, expected):
    """A metric's name says how it was measured, and nothing that is always so."""
    assert expected == view_prefix(view)


def test_ensembles_of_one_first_training_have_metrics_of_their_own():
    """A run shows each ensemble that its training is the first of, by size and partners."""
    assert ensemble_suffix(()) == ""
    two, other_two, three = (ensemble_suffix(ids) for ids in (["b"], ["c"], ["b", "c"]))
    assert two.startswith(".ensemble-2-")
    assert three.startswith(".ensemble-3-")
    assert len({two, other_two, three}) == 3


def test_a_config_is_flattened_to_dotted_paths():
    """Parameters are named as a row of a study names them; off is null."""
    flat = flatten(ToyConfig(network={"attention": None}).model_dump(mode="json"))
    assert flat["network.attention"] == "null"
    assert flat["network.embedding_size"] == "4"
    assert flat["data_name"] == "toyset"


# -- what a run shows ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_training_is_one_run_below_its_sweep(project):
    """A finished training shows its parameters, epochs, system metrics, data set, commit and measurements."""
    work = a_work(views=(ALL, GLOBAL), watch=Objective(MAP, RetrievalView(split="val")))
    tracker = project.sweep(work)
    assert tracker.warnings == []
    (parent,), (child,) = project.parents(), project.children()
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert (parent.info.status, child.info.status) == ("FINISHED", "FINISHED")
    assert (parent.info.run_name, child.info.run_name) == ("toy", "rate 0.1")
    assert child.data.params["network.attention.num_attentions"] == "2"
    assert child.data.tags["tablewright.training_id"] == work.training_id
    assert child.data.tags["tablewright.method"] == "toy"
    record = project.store.training(work.training_id).record()
    assert record.git_commit == child.data.tags.get("mlflow.source.git.commit", "")
    for name in ("loss", "epoch_wall_s", "system/process_cpu_percent", "watched.val.map"):
        assert project.steps(child, name) == [1, 2, 3]
    measured = {name for name in child.data.metrics if name.startswith("test.")}
    expected = {"map", "rank1", "rank5", "rank10", "minp", "num_measured", "num_left_out"}
    assert measured == {f"{view}.{name}" for view in ("test", "test.global") for name in expected}
    assert child.data.metrics["train_wall_s"] == record.train_wall_s
    (used,) = child.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("Toyset", "f" * 36)
    assert '"num_images": {"train": 10}' in used.dataset.profile


@pytest.mark.slow
def test_tables_are_artifacts_of_the_sweep(project):
    """A finished table can be downloaded from the sweep's run, from a folder beside the records."""
    table = project.folder / "rates.md"
    table.write_text("| a |")
    project.sweep(a_work(), tables={"toy/rates.md": str(table)})
    (parent,) = project.parents()
    fetched = project.client().download_artifacts(parent.info.run_id, "tables/toy/rates.md")
    assert Path(fetched).read_text() == "| a |"
    assert list((project.folder / "runs/mlartifacts").rglob("rates.md"))


@pytest.mark.slow
def test_what_a_training_warned_of_is_a_tag(project, monkeypatch):
    """Nobody reads a worker's log: the run itself says it, beside what the data set is said of."""
    fit = ToyTrainable.fit

    def warn_and_fit(self, *rest):
        logging.getLogger("toy").warning("the margin is negative")
        return fit(self, *rest)

    monkeypatch.setattr(ToyTrainable, "fit", warn_and_fit)
    project.sweep(a_work())
    (child,) = project.children()
    assert "the margin is negative" == child.data.tags["tablewright.warnings"]


@pytest.mark.slow
@pytest.mark.parametrize("is_rebuilt", [False, True])
def test_a_metric_has_a_point_at_each_epoch_that_reports_it(project, monkeypatch, is_rebuilt):
    """And none elsewhere: told by the running training, or read from the store; NaN is shown as NaN."""
    fit = ToyTrainable.fit
    values = {2: {"val_ppl": 9.0}, 3: {"val_ppl": math.nan, "late": math.inf}}

    def fit_and_report_more(self, config, runtime, checkpoints, hooks):
        def on_epoch(report, network):
            metrics = {**report.metrics, **values.get(report.epoch, {})}
            hooks.on_epoch(dataclasses.replace(report, metrics=metrics), network)

        return fit(self, config, runtime, checkpoints, dataclasses.replace(hooks, on_epoch=on_epoch))

    monkeypatch.setattr(ToyTrainable, "fit", fit_and_report_more)
    work = a_work()
    assert [] == project.sweep(work).warnings
    if is_rebuilt:
        project.lose_database()
        assert [] == project.sweep(recorded=[work]).warnings
    (child,) = project.children()
    assert [1, 2, 3] == project.steps(child, "loss")
    assert ([2, 3], [3]) == (project.steps(child, "val_ppl"), project.steps(child, "late"))
    assert math.isnan(child.data.metrics["val_ppl"])


@pytest.mark.slow
def test_damaged_files_are_a_tag_and_cost_no_run(project):
    """What is sound of a training is logged; what is not is named."""
    work = a_work()
    project.sweep(work)
    folder = project.folder / "runs/trainings" / work.training_id
    for path in (folder / "epochs.parquet", *(folder / "measurements").iterdir()):
        path.write_bytes(path.read_bytes()[:20])
    project.client().delete_run(project.children()[0].info.run_id)
    project.sweep(recorded=[work])
    (child,) = project.children()
    assert "FINISHED" == child.info.status
    assert "epochs.parquet is no Parquet" in child.data.tags["tablewright.damaged"]
    assert "measurements/" in child.data.tags["tablewright.damaged"]


def test_a_view_on_other_data_has_metrics_of_its_own():
    """One training measured on a data set with distractors and without is told apart by the other's name.

    Another label of the same images is not another data set.
    """
    measured = Measurement(
        training_id="a" * 64,
        view_id="b" * 64,
        view=ALL,
        metrics={},
        measured_at="2026-01-01T00:00:00Z",
        data_label="Market-1501+500k",
    )
    record = SimpleNamespace(data=SimpleNamespace(label="Market-1501", split_fingerprints={"gallery": "1"}))
    assert ".on-Market-1501+500k" == data_suffix(measured, record)
    larger = measured.model_copy(update={"measured_on": {"gallery": "2"}})
    assert ".on-Market-1501+500k" == data_suffix(larger, record)
    relabelled = measured.model_copy(update={"measured_on": {"gallery": "1"}})
    assert "" == data_suffix(relabelled, record)
    assert "" == data_suffix(measured.model_copy(update={"data_label": "Market-1501"}), record)
    assert "" == data_suffix(measured.model_copy(update={"data_label": ""}), record)


@pytest.mark.slow
def test_pictures_are_artifacts_of_their_training(project):
    """What a training drew is in its run, and why another could draw nothing is a tag."""
    project.sweep(a_work(), a_work(fails_to_draw=True))
    drawn, failed = project.children()
    fetched = project.client().download_artifacts(drawn.info.run_id, "pictures/weight.png")
    assert Path(fetched).read_bytes().startswith(b"\x89PNG")
    assert "tablewright.picture_warning" not in drawn.data.tags
    assert failed.info.status == "FINISHED"
    assert failed.data.tags["tablewright.picture_warning"].endswith("RuntimeError: no ink")
    assert project.client().list_artifacts(failed.info.run_id) == []


@pytest.mark.slow
def test_a_second_sweep_adds_no_run(project):
    """A sweep run again continues its run; its trainings keep theirs."""
    work = a_work()
    project.sweep(work)
    before = [run.info.run_id for run in project.runs()]
    project.sweep(recorded=[work])
    assert before == [run.info.run_id for run in project.runs()]
    assert {run.info.status for run in project.runs()} == {"FINISHED"}


@pytest.mark.slow
def test_a_view_added_later_is_logged_to_the_same_run(project):
    """Measuring a recorded training in one more view adds metrics, and no point to the others."""
    project.sweep(a_work())
    project.sweep(a_work(views=(ALL, GLOBAL)))
    (child,) = project.children()
    assert child.info.status == "FINISHED"
    assert project.steps(child, "test.map") == project.steps(child, "test.global.map") == [3]
    assert project.steps(child, "loss") == [1, 2, 3]


# -- interruptions -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_stopped_training_is_continued_in_its_run(project):
    """Stopped is KILLED; the next sweep goes on in that run, and a repeated epoch is one point."""
    work = a_work(epochs=5, epoch_s=0.05)
    project.sweep(work, stop_after=3)
    (child,) = project.children()
    assert (child.info.status, child.data.tags["tablewright.state"]) == ("KILLED", "stopped")
    assert project.parents()[0].info.status == "KILLED"
    tracker = Tracker(project.uri, project.store)
    tracker.begin("toy", {})
    report = project.store.training(work.training_id).epochs()[-1]
    tracker.on_start(work)
    from tablewright.orchestrator.work import Progress

    tracker.on_progress(work, Progress(report, {}))  # the epoch that the crash repeated
    train(tracker, project.store, work)
    tracker.end(succeeded=True)
    (child,) = project.children()
    assert child.info.status == "FINISHED"
    assert project.steps(child, "loss") == [1, 2, 3, 4, 5]


@pytest.mark.slow
def test_a_failed_training_shows_why_until_it_succeeds(project):
    """A failure is FAILED with its message and traceback; a later success takes the message away."""
    work = a_work(fails_at_epoch=2)
    project.sweep(work, a_work())
    failed, done = project.children()
    assert (failed.info.status, done.info.status) == ("FAILED", "FINISHED")
    assert failed.data.tags["tablewright.failure"] == "RuntimeError: loss is nan at epoch 2"
    fetched = project.client().download_artifacts(failed.info.run_id, "traceback.txt")
    assert "toy_method.py" in Path(fetched).read_text()
    assert project.parents()[0].info.status == "FAILED"
    mended = a_work()
    shutil.copytree(
        project.folder / "runs/trainings" / mended.training_id,
        project.folder / "runs/trainings" / work.training_id,
        dirs_exist_ok=True,
    )
    shutil.rmtree(project.folder / "runs/trainings" / work.training_id / "measurements")
    record = project.store.training(mended.training_id).record()
    project.store.training(work.training_id).write_record(
        record.model_copy(update={"training_id": work.training_id})
    )
    project.sweep(recorded=[work])
    failed, done = project.children()
    assert failed.info.status == "FINISHED"
    assert "tablewright.failure" not in failed.data.tags


@pytest.mark.slow
def test_a_pruned_training_is_killed_and_says_so(project):
    """An early-stopped trial is told from a finished one."""
    project.sweep(a_work(), prune_after=2)
    (child,) = project.children()
    assert (child.info.status, child.data.tags["tablewright.state"]) == ("KILLED", "pruned")
    assert project.steps(child, "loss") == [1, 2]


@pytest.mark.slow
def test_a_machine_that_is_lost_opens_no_second_run(project):
    """A second start of the same training in one sweep continues its run."""
    work = a_work()
    tracker = Tracker(project.uri, project.store)
    tracker.begin("toy", {})
    tracker.on_start(work)
    wait_for(lambda: len(runs_so_far(project, project.uri)) == 2)
    train(tracker, project.store, work)
    tracker.end(succeeded=True)
    assert len(project.children()) == 1


# -- the store is the truth ----------------------------------------------------------------------------


@pytest.mark.slow
def test_a_lost_database_is_rebuilt_from_the_store(project):
    """Everything but the use of the machine is there again, and once only."""
    work = a_work(views=(ALL, GLOBAL))
    project.sweep(work)
    (before,) = project.children()
    project.lose_database()
    project.sweep(recorded=[work])
    project.sweep(recorded=[work])
    (after,) = project.children()
    assert after.info.status == "FINISHED"
    assert before.data.params == after.data.params
    kept = {name: value for name, value in before.data.metrics.items() if not name.startswith("system/")}
    assert kept == after.data.metrics
    assert project.steps(after, "loss") == [1, 2, 3]
    assert before.data.tags["tablewright.training_id"] == after.data.tags["tablewright.training_id"]
    assert len(after.inputs.dataset_inputs) == 1
    assert before.info.end_time == after.info.end_time


@pytest.mark.slow
def test_a_training_deleted_from_the_store_gets_a_new_run(project):
    """The old run shows a record that is gone: trained again, the training has one run, the new one."""
    work = a_work()
    project.sweep(work)
    (old,) = project.children()
    shutil.rmtree(project.folder / "runs/trainings" / work.training_id)
    project.sweep(work)
    (new,) = project.children()
    assert new.info.run_id != old.info.run_id
    assert new.info.status == "FINISHED"


@pytest.mark.slow
def test_a_deleted_sweep_run_gives_its_trainings_to_the_next(project):
    """Runs whose sweep somebody deleted in MLflow hang below the new one."""
    work = a_work()
    project.sweep(work)
    project.client().delete_run(project.parents()[0].info.run_id)
    project.sweep(recorded=[work])
    (parent,), (child,) = project.parents(), project.children()
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id


@pytest.mark.slow
def test_one_unreadable_record_does_not_hide_the_others(project):
    """What cannot be logged is told, and the sweep's run ends."""
    broken, whole = a_work(), a_work(learning_rate=0.2)
    project.sweep(broken, whole)
    project.lose_database()
    (project.folder / "runs/trainings" / broken.training_id / "record.json").write_text("{")
    tracker = project.sweep(recorded=[broken, whole])
    (child,) = project.children()
    assert child.data.tags["tablewright.training_id"] == whole.training_id
    assert [run.info.status for run in project.parents()] == ["FINISHED"]
    assert any(broken.training_id[:8] in warning for warning in tracker.warnings)


@pytest.mark.slow
def test_another_stores_runs_are_left_alone(project, tmp_path, new_database):
    """Two stores may share a server: neither ends or deletes a run of the other."""
    other = Project(tmp_path / "other", new_database)
    work = a_work()
    other.sweep(work, uri=project.uri)
    (theirs,) = project.children()
    project.client().update_run(other.parents(project.uri)[0].info.run_id, status="RUNNING")
    project.sweep(work)
    states = {run.info.run_id: run.info.status for run in project.children()}
    assert len(states) == 2
    assert states[theirs.info.run_id] == "FINISHED"
    assert sorted(run.info.status for run in project.parents()) == ["FINISHED", "RUNNING"]


# -- a server that is away -----------------------------------------------------------------------------


@pytest.mark.slow
def test_an_absent_server_costs_the_trainings_nothing(project):
    """No call waits, nothing raises, the user is told once; the runs come from the store later."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        uri = f"http://somebody:secret@127.0.0.1:{listener.getsockname()[1]}"
    work = a_work()
    tracker = Tracker(uri, project.store)
    slowest_s = 0.0
    for call in (
        lambda: tracker.begin("toy", {}),
        lambda: tracker.on_start(work),
        lambda: tracker.on_end(work, Outcome("stopped")),
    ):
        started_s = time.monotonic()
        call()
        slowest_s = max(slowest_s, time.monotonic() - started_s)
    assert slowest_s < NO_WAIT_S
    assert train(tracker, project.store, work).state == "done"
    started_s = time.monotonic()
    tracker.end(succeeded=True)
    assert time.monotonic() - started_s < PATIENCE_S
    assert len(tracker.warnings) == 2
    assert "secret" not in "".join(tracker.warnings)
    assert not re.search("HTTPConnectionPool|Max retries|Exception", "".join(tracker.warnings))
    project.sweep(recorded=[work])
    assert [run.info.status for run in project.children()] == ["FINISHED"]


# -- a driver that is killed ---------------------------------------------------------------------------

DRIVER = """
    import os, sys, time
    from tablewright.orchestrator.store.store import (Store)
    from tablewright.orchestrator.projections.tracking import Tracker
    from tests.orchestrator.tracked_trainings import a_work, train

    store, uri, name, how = Store(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
    tracker = Tracker(uri, store)
    tracker.begin(name, {})
    work = a_work(epochs=3, learning_rate=float(sys.argv[5]))
    tracker.on_start(work)
    while not tracker._num_delivered > 1:
        time.sleep(0.05)
    print("started", flush=True)
    if how == "raises":
        raise RuntimeError("the backend is broken")
    time.sleep(600)
"""


def start_driver(project, how, *, name="toy", rate=0.1, uri=None):
    driver = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(DRIVER),
            project.store.url,
            uri or project.uri,
            name,
            how,
            str(rate),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert driver.stdout.readline() == "started\n"
    return driver


@pytest.mark.slow
def test_a_driver_that_is_gone_leaves_no_run_running(project):
    """One that raises ends its runs on its way out and touches no living driver's; a killed one's, the next ends."""
    alive = start_driver(project, "waits", name="alone", rate=0.2)
    start_driver(project, "raises").wait(PATIENCE_S)
    states = {run.info.run_name: run.info.status for run in project.runs()}
    assert states == {"toy": "KILLED", "rate 0.1": "KILLED", "alone": "RUNNING", "rate 0.2": "RUNNING"}
    alive.kill()
    alive.wait()
    project.sweep(a_work())
    states = {run.info.run_name: run.info.status for run in project.runs()}
    assert states == {"toy": "FINISHED", "rate 0.1": "FINISHED", "alone": "KILLED", "rate 0.2": "KILLED"}
    assert 2 == len(project.children())


# -- a real server -------------------------------------------------------------------------------------


class Server:
    def __init__(self, folder):
        self.folder = folder
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"

    def start(self):
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)),
                *("--workers", "1", "--backend-store-uri", f"sqlite:///{self.folder}/server.db"),
                *("--artifacts-destination", str(self.folder / "artifacts")),
            ],
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_for(self.answers)

    def answers(self):
        try:
            urllib.request.urlopen(f"{self.uri}/health", timeout=10)
        except OSError:
            return False
        return True

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory, new_database):
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(new_database, folder / "server.db")
    server = Server(folder)
    server.start()
    yield server
    server.kill()


@pytest.mark.slow
def test_a_server_that_dies_on_the_way_misses_nothing_in_the_end(project, server):
    """Killed in mid-sweep it delays no training; back again it gets every run once, through the same tracker."""
    works = [a_work(learning_rate=rate, views=(ALL, GLOBAL)) for rate in (0.1, 0.2, 0.3, 0.4)]
    table = project.folder / "rates.md"
    table.write_text("| a |")
    tracker = Tracker(server.uri, project.store)
    tracker.begin("toy", {})
    train(tracker, project.store, works[0])
    wait_for(lambda: len(runs_so_far(project, server.uri)) == 2)
    tracker.on_start(works[1])
    server.kill()
    started_s = time.monotonic()
    train(tracker, project.store, works[1])
    train(tracker, project.store, works[2])
    assert time.monotonic() - started_s < NO_WAIT_S
    wait_for(lambda: tracker.warnings)
    restarting = threading.Thread(target=server.start)
    restarting.start()
    train(tracker, project.store, works[3])
    restarting.join()
    tracker.log_tables({"toy/rates.md": str(table)})
    tracker.end(succeeded=True)
    assert len(tracker.warnings) == 1
    children = project.children(server.uri)
    assert [run.info.status for run in children] == ["FINISHED"] * 4
    assert {run.data.tags["tablewright.training_id"] for run in children} == {w.training_id for w in works}
    assert [project.steps(run, "loss", server.uri) for run in children] == [[1, 2, 3]] * 4
    (parent,) = project.parents(server.uri)
    assert parent.info.status == "FINISHED"
    assert [file.path for file in project.client(server.uri).list_artifacts(parent.info.run_id, "tables/toy")]


def runs_so_far(project, uri):
    try:
        return project.runs(uri)
    except AttributeError:  # the experiment is not there yet
        return []


# -- its pages -----------------------------------------------------------------------------------------

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium")
def test_mlflows_own_controls_group_a_table_by_row(tmp_path, server):
    """The menu of views has each table; its list is grouped by row, with all seeds; a run leads to its tables."""
    sync_api = pytest.importorskip("playwright.sync_api")
    sweeps = Sweeps(tmp_path, server.uri)
    sweeps(study(PARTS, RATES, name="grouped", seeds=(0, 1)))
    runs, experiment_id = sweeps.runs(), sweeps.experiment().experiment_id
    shared = runs["parts: full · rates: 0.1 [Toy] seed 0"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page(viewport={"width": 1900, "height": 1000})
        page.set_default_timeout(1000 * PATIENCE_S)
        page.goto(f"{server.uri}/#/experiments/{experiment_id}/runs?workflowType=machine_learning")
        page.get_by_test_id("saved-views-trigger").click()
        page.get_by_text("grouped/rates by row").click()
        page.get_by_text("Group: 0.2").wait_for()
        assert 2 == page.get_by_text("Group: ").count()
        assert page.get_by_text("4 matching runs").is_visible()
        page.goto(f"{server.uri}/#/experiments/{experiment_id}/runs/{shared.info.run_id}")
        page.get_by_role("link", name="grouped/parts").first.wait_for()
        browser.close()
