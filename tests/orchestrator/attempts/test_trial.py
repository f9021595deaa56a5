"""One attempt: whose fault a failure is, two attempts at once, the data it may train on, what it leaves."""

import dataclasses
import pickle
import threading
from pathlib import Path
from typing import Literal

import pytest

from tablewright.orchestrator.attempts.attempt_end import MachineFault, Pruned
from tablewright.orchestrator.attempts.failed_attempt import end_as_failed
from tablewright.orchestrator.attempts.trial import run_trial
from tablewright.orchestrator.attempts.trial_hooks import TrialHooks
from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.declared.search import Objective
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.plan import make_plan
from tablewright.orchestrator.plans.planning import describe_with
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.status import read_status
from tablewright.orchestrator.store.folder import Folder
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.work import Outcome
from tablewright.orchestrator.work_queue import planned_work
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.own.declaration import Config, Data
from tablewright.trainables.own.function import method
from tablewright.trainables.retrieval.view import MAP, RetrievalView
from tests.faulty_method import BROKEN, FaultyConfig, FaultyTrainable
from tests.waiting import PATIENCE_S

TEST = RetrievalView()
QUIET = TrialHooks(lambda progress: None, lambda: False)
RUNTIME = Runtime("/data", "/cache")


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "runs"))


@pytest.fixture(autouse=True)
def _whole_device():
    BROKEN.clear()
    yield
    BROKEN.clear()


def a_plan(*views, **changes):
    config = FaultyConfig(**changes)
    rows = [Row(str(number), view=view) for number, view in enumerate(views or (TEST,))]
    table = Ablation("t", "T", config, [Dataset("Toy")], rows, TEST, [MAP])
    study = Study("toy", "Toy", "nowhere", (0,), [table])
    return make_plan([study], DataResolver(describe_with(RUNTIME)))


def a_work(*views, **changes):
    (training,) = a_plan(*views, **changes).trainings.values()
    return planned_work(training)


def files_of(store, work):
    folder = Path(store.url) / "trainings" / work.training_id
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# -- whose fault it is


def test_a_fault_of_the_machine_is_raised_and_not_recorded(store, tmp_path):
    """A full disc is no property of a training: another machine gets its try first."""
    (tmp_path / "full").touch()
    work = a_work(disc_is_full_while=str(tmp_path / "full"))
    with pytest.raises(MachineFault, match="No space left on device") as caught:
        run_trial(work, store, RUNTIME, QUIET)
    assert store.training(work.training_id).failure() is None
    assert "faulty_method.py" in caught.value.failure.traceback
    assert Outcome("failed", caught.value.failure.message) == end_as_failed(work, store, caught.value.failure)
    assert caught.value.failure == store.training(work.training_id).failure()


@pytest.mark.parametrize(
    ("error", "is_machine"),
    [
        (MemoryError(), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), True),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("CUDA error: device-side assert triggered"), False),
        (RuntimeError("Found no NVIDIA driver on your system"), True),
        (RuntimeError("CUDA initialization: The NVIDIA driver on your system is too old"), True),
        (RuntimeError("shape '[4, 2]' is invalid for input of size 6"), False),
        (FloatingPointError("loss is not finite"), False),
        (ValueError("t0 >= t1"), False),
    ],
)
def test_errors_are_told_apart_by_whether_they_would_come_again(store, monkeypatch, error, is_machine):
    """Devices, discs and memory are the machine's; what the code raises is the training's."""

    def fit(self, *arguments):
        raise error

    monkeypatch.setattr("tests.faulty_method.FaultyTrainable.fit", fit)
    work = a_work()
    if is_machine:
        with pytest.raises(MachineFault):
            run_trial(work, store, RUNTIME, QUIET)
    else:
        assert run_trial(work, store, RUNTIME, QUIET).state == "failed"
        assert store.training(work.training_id).failure() is not None


class Reads(Config):
    """Of a method that reads files of its own."""

    way: Literal["opens", "lists", "reports", "tells"] = "opens"


@method(Reads, metrics=[Metric("top1", "Top-1")], measure=lambda *_: {"top1": 0.5}, data=Data("None"))
def read_files(config, run):
    """Read what is not there, or tell it to a store that is not."""
    if config.way == "opens":
        return Path("/nowhere/x.csv").read_text()
    if config.way == "lists":
        return list(Path(__file__).iterdir())
    run.report(loss=1.0, val_top1=0.25)
    return run.report(loss=0.5) or 1


@pytest.mark.parametrize(("way", "is_machine"), [("opens", False), ("lists", False), ("reports", True)])
def test_a_path_that_a_person_wrote_wrongly_is_no_fault_of_the_machine(store, monkeypatch, way, is_machine):
    """It would come again anywhere, after hours; a store that cannot be written to is another matter."""

    def is_not_there(self, epochs):
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(
        "tablewright.orchestrator.store.training_folder.TrainingFolder.write_epochs", is_not_there
    )
    table = Ablation("t", "T", Reads(), [Dataset("None")], [Row("r", {"way": way})])
    study = Study("reads", "R", "nowhere", (0,), [table])
    (training,) = make_plan([study], DataResolver(describe_with(RUNTIME))).trainings.values()
    if is_machine:
        with pytest.raises(MachineFault):
            run_trial(planned_work(training), store, RUNTIME, QUIET)
    else:
        outcome = run_trial(planned_work(training), store, RUNTIME, QUIET)
        assert ("failed", True) == (outcome.state, "Error: [Errno" in outcome.message)


def test_a_failure_that_cannot_be_written_is_told(store, monkeypatch, caplog):
    """A store without room ends no sweep: the message reaches the driver with the record that is lacking."""

    def on_a_full_disk(self, failure):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(
        "tablewright.orchestrator.store.training_folder.TrainingFolder.write_failure", on_a_full_disk
    )
    outcome = run_trial(a_work(has_bad_labels=True), store, RUNTIME, QUIET)
    assert (outcome.state, outcome.message) == ("failed", "ValueError: label 751 of 751 classes")
    assert outcome.unwritten is not None
    assert "cannot be recorded" in caplog.text


# -- two attempts at one training


def test_two_attempts_at_once_are_one_training(store):
    """After a node was cut off, or a machine has slept: both end as done, with one record and no failure."""
    work, plan = a_work(), a_plan()
    outcomes, both_train = [], threading.Barrier(2, timeout=PATIENCE_S)
    one_trains = threading.Event()

    def on_progress(progress):
        if progress.report.epoch == 1:
            one_trains.set()
            both_train.wait()

    hooks = TrialHooks(on_progress, lambda: False)
    first = threading.Thread(target=lambda: outcomes.append(run_trial(work, store, RUNTIME, hooks)))
    first.start()
    assert one_trains.wait(PATIENCE_S)
    store.root.remove("claims")  # as one that has expired while its owner slept
    outcomes.append(run_trial(work, store, RUNTIME, hooks))
    first.join()
    assert [Outcome("done")] * 2 == outcomes
    assert ["done"] == [status.state for status in read_status(plan, store)]
    assert store.training(work.training_id).failure() is None
    assert not [name for name in files_of(store, work) if "attempts" in name or "resume" in name]


def test_an_attempt_whose_record_appears_writes_no_second_one(store):
    """The record is never edited, whichever attempt is slower, and at whatever moment."""
    work = a_work()
    other = Store(store.url)

    def on_last_epoch(progress):
        if progress.report.epoch == 3:  # after this the slow one only measures
            store.root.remove("claims")
            assert run_trial(work, other, RUNTIME, QUIET).state == "done"
            before.append(other.training(work.training_id).record())

    before = []
    assert run_trial(work, store, RUNTIME, TrialHooks(on_last_epoch, lambda: False)) == Outcome("done")
    assert before == [store.training(work.training_id).record()]
    assert not [name for name in files_of(store, work) if "attempts" in name or "resume" in name]


def test_a_fault_after_another_attempt_has_ended_is_none(store, tmp_path):
    """What fails once the record is there must not show the training as failed."""
    work = a_work()

    def on_epoch(progress):
        store.root.remove("claims")  # taken over, as after this machine has slept
        run_trial(work, Store(store.url), RUNTIME, QUIET)
        raise ValueError("the folder changed under it")

    assert run_trial(work, store, RUNTIME, TrialHooks(on_epoch, lambda: False)) == Outcome("done")
    assert store.training(work.training_id).failure() is None


def test_a_training_is_done_though_its_leftovers_cannot_be_removed(store, monkeypatch):
    """NFS keeps a removed file that is open as `.nfs…`, and its folder cannot go."""
    remove = Folder.remove

    def on_nfs(self, *names):
        if "attempts" in names:
            raise OSError(39, "Directory not empty")
        remove(self, *names)

    monkeypatch.setattr(Folder, "remove", on_nfs)
    assert Outcome("done") == run_trial(a_work(), store, RUNTIME, QUIET)


# -- the data it may train on


def test_other_data_than_the_plans_are_refused(store, tmp_path):
    """An incomplete copy on a node would be recorded under the fingerprint of the whole data set."""
    work = a_work(data_changes_with=str(tmp_path / "changed"))
    (tmp_path / "changed").touch()
    with pytest.raises(MachineFault) as caught:
        run_trial(work, store, RUNTIME, QUIET)
    message = str(caught.value)
    assert message.startswith("Toyset under /data on machine ")
    assert "fingerprint 00000000, 3 train images; the plan has ffffffff, 10 train images" in message
    assert "Complete the copy on that machine" in message
    assert "run the same command again" in message
    assert store.training(work.training_id).epochs() == []


def test_a_view_added_later_is_measured_on_the_same_data_only(store, tmp_path):
    """A measurement on other images would stand beside those of the recorded data set."""
    changed = str(tmp_path / "changed")
    run_trial(a_work(data_changes_with=changed), store, RUNTIME, QUIET)
    work = a_work(TEST, RetrievalView(embeddings=("global",)), data_changes_with=changed)
    (tmp_path / "changed").touch()
    with pytest.raises(MachineFault, match="is not the data set of the plan"):
        run_trial(work, store, RUNTIME, QUIET)
    assert len(store.training(work.training_id).measured_views()) == 1


def test_missing_data_is_a_fault_of_the_machine(store, monkeypatch):
    """The driver has found the data set, so another machine may have it."""
    work = a_work()

    def describe(self, config, runtime):
        raise ValueError("data set 'toyset' is not there; expected toyset/")

    monkeypatch.setattr("tests.faulty_method.FaultyTrainable.describe_data", describe)
    with pytest.raises(MachineFault, match=r"machine .* lacks data under /data: data set 'toyset' is not"):
        run_trial(work, store, RUNTIME, QUIET)


# -- what it leaves


def test_a_pruned_training_keeps_no_state(store):
    """A search never takes up what it has pruned."""
    work = a_work()

    def on_epoch(progress):
        if progress.report.epoch == 2:
            raise Pruned

    assert run_trial(work, store, RUNTIME, TrialHooks(on_epoch, lambda: False)) == Outcome("pruned")
    assert not store.training(work.training_id).checkpoints.exists("resume.pt")


def test_what_a_kill_behind_the_record_has_left_is_removed(store):
    """The next attempt, at a view added later, tidies what the writer of the record could not."""
    run_trial(a_work(), store, RUNTIME, QUIET)
    work = a_work(TEST, RetrievalView(embeddings=("global",)))
    folder = store.training(work.training_id)
    for name in ("resume.pt", ".resume.pt.k1lled"):
        folder.checkpoints.write(name, b"left")
    assert run_trial(work, store, RUNTIME, QUIET).state == "done"
    assert not [name for name in files_of(store, work) if "resume" in name]


def test_a_training_that_is_tried_again_is_shown_as_started(store):
    """Status tells what is true now, not what failed before."""
    plan = a_plan(fails_at_epoch=2, epoch_s=0.05)
    work = planned_work(*plan.trainings.values())
    run_trial(work, store, RUNTIME, QUIET)
    assert [("failed", 1)] == [(status.state, status.epoch) for status in read_status(plan, store)]
    seen = []

    def look():
        seen.extend((status.state, status.epoch) for status in read_status(plan, store))
        return False

    run_trial(work, store, RUNTIME, TrialHooks(lambda progress: None, look))
    assert {("started", 1)} == set(seen)


# -- by which code


class Edited(FaultyTrainable):
    """A method whose files hold other code than this process has read."""

    def definitions(self):
        return {"a.py: fit": "1", "a.py: Net": "1"}

    def project_folder(self):
        return "/"

    def definitions_now(self):
        return {"a.py: fit": "1", "a.py: Net": "2"}


@pytest.mark.parametrize("what", ["version", "files"])
def test_a_worker_with_other_code_than_the_plan_trains_nothing(store, monkeypatch, what):
    """It has imported what was edited since, or would import it now: the record would be under an id of other code."""
    work = pickle.dumps(a_work())
    if what == "version":
        monkeypatch.setattr(FaultyConfig, "VERSION", 2)
    else:
        monkeypatch.setattr(FaultyConfig, "make_trainable", lambda self: Edited())
    outcome = run_trial(pickle.loads(work), store, RUNTIME, QUIET)
    said = "(version 2, not 1)" if what == "version" else "(a.py: Net)"
    assert ("failed", True) == (
        outcome.state,
        f"is not that of the plan {said}: it was edited" in outcome.message,
    )
    assert store.training(pickle.loads(work).training_id).record() is None


@pytest.mark.slow
def test_a_pruner_is_told_what_a_loop_of_ones_own_reports(store):
    """Where no model is named there is nothing to measure, and what is reported under the metric's name counts."""
    view = Reads.view("val")
    table = Ablation("t", "T", Reads(), [Dataset("None")], [Row("r", {"way": "tells"})])
    study = Study("reads", "R", "nowhere", (0,), [table])
    (training,) = make_plan([study], DataResolver(describe_with(RUNTIME))).trainings.values()
    work = dataclasses.replace(planned_work(training), watch=Objective(view.metrics[0], view))
    watched = []
    outcome = run_trial(
        work, store, RUNTIME, TrialHooks(lambda progress: watched.append(progress.watched), lambda: False)
    )
    assert ("done", [0.25, None]) == (outcome.state, watched)
