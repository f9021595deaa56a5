"""What is counted of what trainings held of machines."""

import multiprocessing
import signal
from dataclasses import replace

import pytest

from tablewright.orchestrator.attempts import attempt_log
from tablewright.orchestrator.costs.cost import OF_SEARCH, cost_sheet
from tablewright.orchestrator.costs.prices import Prices
from tablewright.orchestrator.declared.design import Row
from tests.orchestrator.toy_sweep import StopAfter, ToySweep, a_search, a_study

pytestmark = pytest.mark.slow

GPU = {"cpus": 4.0, "gpus": 0.5, "owner": "mlflow_user"}


@pytest.fixture(autouse=True)
def _named_device(monkeypatch):
    monkeypatch.setattr(attempt_log, "name_device", lambda device: "NVIDIA L4")


def sheet_of(result, sweep, prices=None, study=""):
    return cost_sheet(result.plan, sweep.store(), prices, study)


def test_a_record_says_what_was_held_for_how_long_and_for_whom(tmp_path):
    """GPU-hours are the held part of the GPU by the time of the attempt, and so are CPU-hours."""
    sweep = ToySweep(tmp_path)
    result, _ = sweep(a_study([Row("a", {"epoch_s": 0.05})]), holds=GPU)
    (identity,) = result.plan.trainings
    (holding,) = sweep.store().training(identity).record().holdings
    assert (4.0, 0.5, "mlflow_user", True) == (
        holding.cpus,
        holding.gpus,
        holding.owner,
        holding.has_ended,
    )
    assert 0.15 <= holding.held_s
    sheet = sheet_of(result, sweep)
    assert (0.5 * holding.held_s, 4.0 * holding.held_s) == (sheet.total.gpu_s, sheet.total.cpu_s)
    assert {"mlflow_user": sheet.total} == sheet.by_owner
    assert (False, False) == (sheet.total.is_at_least, sheet.total.is_estimated)


def test_attempts_that_were_stopped_or_failed_are_counted_too(tmp_path):
    """Before the training has ended, and in its record; a failed training has cost what it took."""
    sweep = ToySweep(tmp_path)
    study = a_study([Row("a", {"epoch_s": 0.02})])
    result, _ = sweep(study, holds=GPU, backend=StopAfter(1))
    (identity,) = result.plan.trainings
    stopped = sheet_of(result, sweep)
    assert {"unfinished"} == stopped.by_state.keys()
    assert stopped.total.gpu_s >= 0.5 * 0.02
    result, _ = sweep(study, holds={**GPU, "owner": "colleague"})
    first, second = sweep.store().training(identity).record().holdings
    assert stopped.total.gpu_s == 0.5 * first.held_s
    assert ["mlflow_user", "colleague"] == [*sheet_of(result, sweep).by_owner]
    assert 0.5 * (first.held_s + second.held_s) == sheet_of(result, sweep).total.gpu_s
    result, _ = sweep(a_study([Row("fails", {"fails_at_epoch": 2, "epoch_s": 0.02})]), holds=GPU)
    failed = sheet_of(result, sweep).by_state["failed"]
    assert failed.gpu_s >= 0.5 * 0.02
    assert not failed.is_at_least


def test_an_attempt_that_was_killed_is_counted_up_to_its_last_sign(tmp_path):
    """What it held until then is known, and that it was more is said."""
    sweep = ToySweep(tmp_path)
    study = a_study([Row("killed", {"kills_worker_once_at": str(tmp_path / "mark"), "epoch_s": 0.1})])
    process = multiprocessing.get_context("fork").Process(target=sweep, args=(study,))
    process.start()
    process.join()
    assert -signal.SIGKILL == process.exitcode
    sweep.store().root.remove("claims")  # as one that has expired
    result, _ = sweep(study)
    (identity,) = result.plan.trainings
    killed, last = sweep.store().training(identity).record().holdings
    assert (False, True) == (killed.has_ended, last.has_ended)
    total = sheet_of(result, sweep).total
    assert total.is_at_least
    assert killed.cpus * killed.held_s + last.cpus * last.held_s == total.cpu_s


def test_a_sign_is_given_soon_and_then_once_a_minute(tmp_path, monkeypatch):
    """A killed attempt has told of half its time at least, and a long one of all but a minute."""
    clock, known = [100.0], []
    monkeypatch.setattr(attempt_log.time, "monotonic", lambda: clock[0])
    sweep = ToySweep(tmp_path)
    folder = sweep.store().training("a" * 64)
    runtime = attempt_log.Runtime(None, str(tmp_path))
    log = attempt_log.AttemptLog(folder, runtime, "sweep")
    for second in range(1, 301):
        clock[0] = 100.0 + second
        log.sign()
        known.append(folder.attempt(1).holding.held_s)
    assert all(second <= max(2 * held_s, held_s + 10) for second, held_s in enumerate(known[:60], 1))
    assert all(second < held_s + 60 for second, held_s in enumerate(known, 1))
    assert len(set(known)) < 20


def test_a_stall_that_a_watcher_has_noted_outlives_the_next_sign(tmp_path):
    """It counts against the training, whatever the attempt says after."""
    sweep = ToySweep(tmp_path)
    result, _ = sweep(a_study([Row("a", {"fails_at_epoch": 1})]))
    (identity,) = result.plan.trainings
    folder = sweep.store().training(identity)
    log = attempt_log.AttemptLog(folder, attempt_log.Runtime(None, str(tmp_path)), "sweep")
    sweep(a_study([Row("b", {"fails_at_epoch": 1, "learning_rate": 0.3})]))
    stall = folder.attempt(log.number).model_copy(update={"stall": failure_of_another(sweep)})
    folder.rewrite_attempt(log.number, stall)
    log.end()
    assert folder.attempt(log.number).stall is not None
    assert folder.attempt(log.number).holding.has_ended


def failure_of_another(sweep):
    found = (sweep.store().training(identity).failure() for identity in sweep.store().training_ids())
    return next(failure for failure in found if failure is not None)


def test_a_training_that_rows_share_is_counted_once(tmp_path):
    """In a line of the rows together; lines add up to the whole, and a search has a line of its own."""
    sweep = ToySweep(tmp_path)
    study = a_study(
        [Row("a"), Row("the same", repeats="a"), Row("b", {"learning_rate": 0.2})], searches=[a_search()]
    )
    result, _ = sweep(study, holds=GPU)
    sheet = sheet_of(result, sweep)
    shared = ("toy_study", "width", "a"), ("toy_study", "width", "the same")
    assert shared in {rows[:2] for rows in sheet.by_rows}
    assert any((OF_SEARCH) in {row for _, _, row in rows} for rows in sheet.by_rows)
    for parts in (sheet.by_rows, sheet.by_studies, sheet.by_state, sheet.by_owner, sheet.by_device):
        assert pytest.approx(sheet.total.gpu_s) == sum(spent.gpu_s for spent in parts.values())
    assert len(sweep.store().training_ids()) == sheet.num_trainings


def test_studies_that_share_a_training_have_a_line_together(tmp_path):
    """And the page of one study has all that it needs, shared or not, whoever else searches."""
    sweep = ToySweep(tmp_path)
    one = a_study([Row("a")], searches=[a_search(num_trials=3)])
    other = replace(a_study([Row("a"), Row("b", {"learning_rate": 0.2})]), name="other_study")
    result, _ = sweep(one, other)
    sheet = sheet_of(result, sweep)
    assert {("other_study", "toy_study"), ("other_study",), ("toy_study",)} == sheet.by_studies.keys()
    assert len(sweep.store().training_ids()) == sheet.num_trainings
    assert 2 == sheet_of(result, sweep, study="other_study").num_trainings
    assert sheet.num_trainings - 1 == sheet_of(result, sweep, study="toy_study").num_trainings


@pytest.mark.parametrize(("device", "expected"), [("cpu", (7.0, 0.0)), ("cuda", (7.0, 7.0))])
def test_a_record_of_before_is_estimated(tmp_path, device, expected):
    """One processor, or one GPU, for as long as it trained and measured; and that is said."""
    sweep = ToySweep(tmp_path)
    result, _ = sweep(a_study([Row("a")]), holds=GPU)
    folder = sweep.store().training(next(iter(result.plan.trainings)))
    before = {"holdings": (), "device": device, "train_wall_s": 5.0, "measure_wall_s": 2.0}
    folder.write_record(folder.record().model_copy(update=before))
    total = sheet_of(result, sweep).total
    assert expected == (total.cpu_s, total.gpu_s)
    assert total.is_estimated


def test_an_amount_leaves_out_what_has_no_price_and_names_it(tmp_path):
    """Half a GPU for an hour costs half its price; the processors come with it."""
    sweep = ToySweep(tmp_path)
    result, _ = sweep(a_study([Row("a")]), holds=GPU)
    folder = sweep.store().training(next(iter(result.plan.trainings)))
    (holding,) = folder.record().holdings
    hour = holding.model_copy(update={"held_s": 3600.0, "device": "NVIDIA L4"})
    other = hour.model_copy(update={"device": "NVIDIA L40S"})
    folder.write_record(folder.record().model_copy(update={"holdings": (hour, other)}))
    total = sheet_of(result, sweep, Prices("USD", {"nvidia l4": 0.8}, {})).total
    assert (0.4, frozenset({"NVIDIA L40S"})) == (total.price, total.unpriced)


def test_what_cannot_be_read_hides_no_other_cost(tmp_path):
    """A damaged record is a hole, and the sum says that it is one."""
    sweep = ToySweep(tmp_path)
    result, _ = sweep(a_study([Row("a"), Row("b", {"learning_rate": 0.2})]), holds=GPU)
    first, second = result.plan.trainings
    (tmp_path / f"runs/trainings/{first}/record.json").write_text("{}")
    sheet = sheet_of(result, sweep)
    held_s = sweep.store().training(second).record().holdings[0].held_s
    assert (0.5 * held_s, True) == (sheet.total.gpu_s, sheet.total.is_at_least)
