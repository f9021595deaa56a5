"""Cancelling and retrying one training while sweeps run, from another process, and what runs where meanwhile."""

import re
import time
from functools import partial

import pytest

from tablewright.orchestrator import orders, other_hands
from tablewright.orchestrator.attempts import guarded_trial
from tablewright.orchestrator.attempts.guarded_trial import run_guarded_trial
from tablewright.orchestrator.attempts.trial import run_trial
from tablewright.orchestrator.attempts.trial_hooks import TrialHooks
from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.finding import FoundTraining, find_training, find_trainings
from tablewright.orchestrator.live_status import read_live
from tablewright.orchestrator.on_ray.ray_backend import RayBackend
from tablewright.orchestrator.orders import cancel_training, retry_training
from tablewright.orchestrator.other_hands import OtherHands
from tablewright.orchestrator.plans.planning import plan_with_data
from tablewright.orchestrator.status import read_status
from tablewright.orchestrator.store import claims
from tablewright.orchestrator.store.claims import Claims, training_claim
from tablewright.orchestrator.store.record import now
from tablewright.orchestrator.store.search_records import SearchTrialRecord, TrialPart
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_records import FailureRecord
from tablewright.orchestrator.verify import verify_store
from tablewright.orchestrator.work_queue import planned_work
from tablewright.reports.frame import read_cells
from tablewright.trainables.contract.run import Runtime
from tests.forks import forks
from tests.orchestrator.toy_sweep import Events, ToySweep, a_search, a_study
from tests.toy_method import ToyTrainable
from tests.waiting import PATIENCE_S, wait_for

RUNTIME = Runtime(None, "/cache", owner="anna", command_line="sweep.py toy")


def two_held_rows(folder):
    return a_study(
        [Row(name, {"waits_for": str(folder / name), "learning_rate": rate}) for name, rate in HELD.items()]
    )


HELD = {"first": 0.1, "second": 0.2}


def look_often():
    claims.RENEW_EVERY_S = orders.LOOK_EVERY_S = other_hands.LOOK_EVERY_S = 0.05


def sweep_in_process(folder, make_study, ends):
    look_often()
    result, events = ToySweep(folder)(make_study())
    ends.put((result.is_complete, [work.label for work in events.started]))


def start(target, *arguments):
    """Start a process as the command line would be one; gives it and the queue of its ends."""
    ends = forks.Queue()
    process = forks.Process(target=target, args=(*arguments, ends), daemon=True)
    process.start()
    return process, ends


def found(training):
    return FoundTraining(training.training_id, training.label)


def planned(study, store):
    return list(plan_with_data((study,), store, RUNTIME).trainings.values())


def states(study, store):
    plan = plan_with_data((study,), store, RUNTIME)
    return [status.state for status in read_status(plan, store)]


@pytest.mark.slow
def test_a_running_training_is_seen_cancelled_and_retried_from_another_process(tmp_path):
    """It is shown where it runs and how far it is, ends within a sign of life, and goes on in the same sweep."""
    study = two_held_rows(tmp_path)
    process, ends = start(sweep_in_process, tmp_path, partial(two_held_rows, tmp_path))
    wait_for(lambda: (tmp_path / "runs/store.json").exists())
    store = Store(str(tmp_path / "runs"))
    first, second = planned(study, store)

    def running():
        live = read_live(store, {"toy_study"}, set())
        return {item.training_id: item for item in live.trainings if item.epoch == 1}

    wait_for(lambda: first.training_id in running())
    seen = running()[first.training_id]
    assert (process.pid, 1, 3, "CPU") == (seen.owner.pid, seen.epoch, seen.num_epochs, seen.sign.device)
    assert (first.label, "toy_study") == (seen.sign.label, seen.sign.study)
    assert seen.sign.host_memory_bytes > 2**20
    (sweep,) = read_live(store, {"toy_study"}, set()).sweeps
    assert (process.pid, True) == (sweep.owner.pid, sweep.is_alive)
    assert f"process {process.pid} on" in cancel_training(store, found(first))
    wait_for(lambda: second.training_id in running())
    assert ["cancelled", "started"] == states(study, store)
    assert store.training(first.training_id).checkpoints.exists("resume.pt")
    retry_training(store, found(first))
    for name in HELD:
        (tmp_path / name).touch()
    is_complete, started = ends.get(timeout=PATIENCE_S)
    assert (True, [first.label, second.label, first.label]) == (is_complete, started)
    undisturbed = ToySweep(tmp_path / "undisturbed")
    undisturbed(study)
    for training in (first, second):
        epochs = [it.training(training.training_id).epochs() for it in (store, undisturbed.store())]
        assert epochs[1] == epochs[0]
    assert set() == set(store.ordered_retries())
    assert [] == [name for folder in ("claims", "sweeps") for name in (store.root / folder).names()]


@pytest.mark.slow
def test_what_is_cancelled_is_not_begun_until_it_is_retried(tmp_path):
    """By no sweep; status and tables say by whom; the next sweep after the order trains it."""
    sweep = ToySweep(tmp_path)
    rows = [Row("a"), Row("b", {"learning_rate": 0.2})]
    sweep(a_study(rows[:1]))
    study, store = a_study(rows), sweep.store()
    _, of_b = planned(study, store)
    assert "nobody begins it" in cancel_training(store, found(of_b))
    result, events = sweep(study)
    assert (["done", "cancelled"], []) == ([status.state for status in result.statuses], events.started)
    assert re.match(r"cancelled by \w+ on \S+ at \d{4}-\d\d-\d\d \d\d:\d\d UTC", result.statuses[1].message)
    frame = read_cells(result.plan, store)
    (said,) = set(frame.loc[frame["row"] == "b", "message"])
    assert result.statuses[1].message == said
    retry_training(store, found(of_b))
    result, events = sweep(study)
    assert (True, 1, set()) == (result.is_complete, len(events.started), store.ordered_retries())


@pytest.mark.slow
def test_a_cancellation_between_plan_and_begin_is_seen_by_the_attempt(tmp_path):
    """A training that waits in the queue when it is cancelled costs its slot a look, and others hear of it."""
    study = a_study([Row("a"), Row("b", {"learning_rate": 0.2})])
    sweep = ToySweep(tmp_path)
    sweep.store().shared_id()

    class CancelsSecond(Events):
        def on_start(self, work):
            super().on_start(work)
            if len(self.started) == 1:
                cancel_training(sweep.store(), found(planned(study, sweep.store())[1]))

    events = CancelsSecond()
    result, _ = sweep(study, listeners=[events])
    assert ["done", "cancelled"] == [status.state for status in result.statuses]
    assert (1, ["done", "cancelled"]) == (
        len(events.started),
        [outcome.state for _, outcome in events.ended],
    )
    work = planned_work(planned(study, sweep.store())[1])
    assert "cancelled" == OtherHands(sweep.store()).outcome_of(work).state


def never_asks(folder, ends):
    look_often()
    guarded_trial.CANCEL_GRACE_S = 0.1
    ToyTrainable.fit = lambda *arguments: time.sleep(PATIENCE_S)
    store = Store(str(folder / "runs"))
    work = planned_work(planned(a_study([Row("a")]), store)[0])
    hooks = TrialHooks(lambda progress: None, lambda: False)
    run_guarded_trial(work, store, Runtime(None, str(folder / "cache")), hooks)


@pytest.mark.slow
def test_a_cancelled_training_that_never_asks_is_ended(tmp_path):
    """Its process is, after a grace in which it could have saved; the next attempt finds that it is cancelled."""
    store = Store(str(tmp_path / "runs"))
    store.shared_id()
    (training,) = planned(a_study([Row("a")]), store)
    process, _ = start(never_asks, tmp_path)
    wait_for(lambda: store.training(training.training_id).num_attempts() == 1)
    cancel_training(store, found(training))
    process.join(PATIENCE_S)
    assert 75 == process.exitcode
    assert b"it was cancelled, has not saved its state" in store.training(training.training_id).output()
    hooks = TrialHooks(lambda progress: None, lambda: False)
    outcome = run_trial(planned_work(training), store, Runtime(None, str(tmp_path / "cache")), hooks)
    assert "cancelled" == outcome.state


@pytest.mark.slow
def test_what_cannot_be_cancelled_or_retried_is_refused_in_words(tmp_path):
    """What is done, cancelled already, has not failed, or runs."""
    sweep = ToySweep(tmp_path)
    rows = [Row("a"), Row("b", {"learning_rate": 0.2})]
    sweep(a_study(rows[:1]))
    store = sweep.store()
    done, other = planned(a_study(rows), store)
    with pytest.raises(ValueError, match=r"--cancel: \w{12} \(width: a .* is trained, and its record stands"):
        cancel_training(store, found(done))
    with pytest.raises(ValueError, match=r"--retry: \w{12} .* is done; only what failed or was cancelled"):
        retry_training(store, found(done))
    with pytest.raises(ValueError, match=r"has not failed; the sweep that runs, or the next one, trains it"):
        retry_training(store, found(other))
    runs = pytest.raises(ValueError, match=r"runs now, in the hands of process \d+ on")
    with Claims(store).held(training_claim(other.training_id)), runs:
        retry_training(store, found(other))
    cancel_training(store, found(other))
    with pytest.raises(ValueError, match=r"was cancelled by .* already; --retry has it tried again"):
        cancel_training(store, found(other))


def test_a_retry_reopens_what_a_search_has_given_up(tmp_path):
    """A suggestion that failed in two runs is made again by the next one."""
    store, identity = Store(str(tmp_path / "runs")), "a" * 64
    trial = SearchTrialRecord(
        number=0, params={"lr": 0.1}, training_id=identity, state="fail", num_failures=2
    )
    store.create_search_trial("b" * 64, trial)
    failure = FailureRecord(
        training_id=identity, label="rate: trial 0", message="no", traceback="no", host="h", failed_at=now()
    )
    store.training(identity).write_failure(failure)
    retry_training(store, find_training(store, identity[:8], "--retry", dict))
    (again,) = store.search_trials("b" * 64)
    assert ("running", 0) == (again.state, again.num_failures)
    part = TrialPart(dataset="Toy", seed=1, training_id=identity, state="fail")
    other = TrialPart(dataset="Toy", seed=0, training_id="c" * 64, state="complete", value=0.5)
    several = trial.model_copy(update={"training_id": "c" * 64, "parts": (other, part)})
    store.write_search_trial("b" * 64, several)
    retry_training(store, find_training(store, identity[:8], "--retry", dict))
    assert ["running"] == [it.state for it in store.search_trials("b" * 64)], (
        "whichever of its trainings it was"
    )


@pytest.mark.slow
def test_a_cancelled_suggestion_leaves_a_search_with_the_others(tmp_path):
    """It counts as failed for good, at once; retried, it is made by the next run."""
    sweep = ToySweep(tmp_path)
    study, store = a_study([Row("declared")], searches=[a_search(num_trials=3)]), sweep.store()
    store.shared_id()
    (declared,) = planned(study, store)
    cancel_training(store, found(declared))
    result, _ = sweep(study)
    state = result.plan.searches["toy_study", "rate"]
    assert (True, 3, (declared.training_id,)) == (state.is_finished, state.num_made, state.failed_ids)
    assert "cancelled" in [status.state for status in result.statuses]
    retry_training(store, found(declared))
    result, events = sweep(study)
    assert declared.training_id in [work.training_id for work in events.started]
    assert (True, ()) == (result.is_complete, result.plan.searches["toy_study", "rate"].failed_ids)
    assert set() == store.ordered_retries()


@pytest.mark.slow
def test_a_damaged_cancellation_still_cancels_and_is_removed_by_a_retry(tmp_path):
    """Nothing begins against somebody's word because a file was cut; status names the file."""
    sweep = ToySweep(tmp_path)
    study, store = a_study([Row("a")]), sweep.store()
    store.shared_id()
    (training,) = planned(study, store)
    cancel_training(store, found(training))
    store.root.write(f"trainings/{training.training_id}/cancelled.json", b"{")
    result, events = sweep(study)
    assert (["cancelled"], []) == ([status.state for status in result.statuses], events.started)
    assert "cancelled.json is no JSON" in result.statuses[0].message
    assert any("cancelled.json is no JSON" in fault for fault in verify_store(store).faults)
    retry_training(store, find_training(store, training.training_id, "--retry", dict))
    assert sweep(study)[0].is_complete


@pytest.mark.slow
def test_a_training_is_named_by_its_first_digits_or_its_label(tmp_path):
    """Begun or not; several at once; what is none, or more than one, is told together, with what is near."""
    sweep = ToySweep(tmp_path)
    rows = [Row("a"), Row("b", {"learning_rate": 0.2})]
    sweep(a_study(rows[:1]))
    store = sweep.store()
    labels = {training.training_id: training.label for training in planned(a_study(rows), store)}
    done, other = labels

    def find(*texts):
        return [it.training_id for it in find_trainings(store, texts, "--cancel", lambda: labels)]

    assert [done, other] == find(done[:8], other[:10], labels[other])
    assert [other] == find("Width: B")
    with pytest.raises(ValueError, match="--cancel: ") as refused:
        find("width", "widht: a [Toy] seed 0", "zz", "")
    ambiguous, misspelt, unknown, empty = str(refused.value).splitlines()
    assert "--cancel: 2 trainings begin with 'width'" in ambiguous
    assert f"The nearest labels: {labels[done]}" in misspelt
    assert "no training has an id or a label that begins with 'zz'" in unknown
    assert "an id is empty" in empty


@pytest.mark.slow
@pytest.mark.ray
def test_a_training_on_ray_is_cancelled_and_retried_by_the_running_sweep(tmp_path):
    """Its worker ends it, the sweep goes on with the rest, and begins it again when it is told to."""
    sweep = ToySweep(tmp_path)
    study = two_held_rows(tmp_path)
    store = sweep.store()
    store.shared_id()
    first, second = planned(study, store)

    class Orders(Events):
        def on_progress(self, work, progress):
            super().on_progress(work, progress)
            if len(self.epochs) == 1:
                cancel_training(store, found(first))

        def on_end(self, work, outcome):
            super().on_end(work, outcome)
            if outcome.state == "cancelled":
                retry_training(store, found(first))
                for name in HELD:
                    (tmp_path / name).touch()

    events = Orders()
    backend = RayBackend(gpus=0, max_concurrent=1)
    result, _ = sweep(study, backend=backend, listeners=[events])
    assert result.is_complete
    ended = [(work.training_id, outcome.state) for work, outcome in events.ended]
    assert {(first.training_id, "cancelled"), (first.training_id, "done"), (second.training_id, "done")} == {
        *ended
    }
    assert [1, 2, 3] == [epoch for label, epoch in events.epochs if label == first.label]
