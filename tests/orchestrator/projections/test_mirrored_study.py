"""What Optuna's storage shows of a search: each suggestion once, in its state, with its values and its times."""

import datetime
import os
import signal
import time

import optuna
import pytest

from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.planning import plan_as_recorded
from tablewright.orchestrator.projections import mirrored_study, optuna_mirror, projection_thread
from tablewright.orchestrator.projections.mirrored_study import SUGGESTION, MirroredSearch, RecordedSearch
from tablewright.orchestrator.projections.optuna_mirror import OptunaMirror, open_storage
from tablewright.orchestrator.store import claims
from tablewright.orchestrator.store.search_records import SearchTrialRecord
from tablewright.orchestrator.store.store import Store
from tablewright.trainables.contract.run import Runtime
from tests.forks import forks
from tests.orchestrator.optuna_rows import expected, rows_of, shown
from tests.orchestrator.toy_sweep import Events, ToySweep, a_search
from tests.waiting import PATIENCE_S, wait_for

pytestmark = pytest.mark.slow  # Optuna makes its tables

SEARCH = a_search(num_trials=40)
BEGAN_AT = datetime.datetime(2026, 11, 26, 9, 0, tzinfo=datetime.UTC)
ENDED_AT = BEGAN_AT + datetime.timedelta(hours=3, seconds=7)


class Written:
    """A search whose suggestions are written by hand, and its mirror."""

    def __init__(self, folder):
        self.store, self.url = Store(str(folder / "runs")), f"sqlite:///{folder}/optuna.db"
        self.search_id = "5" * 64
        self.owner = self.store.shared_id()
        self.storage = open_storage(self.url)

    def write(self, number, state, values=(), **more):
        record = SearchTrialRecord(
            number=number,
            params={"learning_rate": 0.1 + 0.001 * number},
            training_id="" if state == "refused" else f"{number:064d}",
            state=state,
            intermediate_values={epoch: value for epoch, value in enumerate(values, 1)},
            suggested_at=BEGAN_AT,
            ended_at=ENDED_AT if state in ("complete", "pruned", "fail", "refused") else None,
            **more,
        )
        if not self.store.create_search_trial(self.search_id, record):
            self.store.write_search_trial(self.search_id, record)

    def mirrored(self):
        recorded = RecordedSearch("s", SEARCH, self.search_id)
        return MirroredSearch(recorded, self.store, self.owner, self.storage)

    def mirror(self, mirrored=None):
        """Do what the mirror's thread does; gives how many trials it has changed or added."""
        mirrored = mirrored or self.mirrored()
        mirrored.read()
        if mirrored.must_begin_anew(mirrored.lacking(set())):
            mirrored.begin_anew()
        lacking = mirrored.lacking(set())
        for wanted in lacking:
            mirrored.write(wanted)
        return len(lacking)

    def shown(self):
        return shown(self.url, "s/rate")

    def expected(self):
        return expected(self.store, self.search_id)

    def rows(self):
        return rows_of(self.url, "s/rate")


@pytest.fixture
def written(tmp_path):
    return Written(tmp_path)


@pytest.fixture
def far_from_greenwich(monkeypatch):
    """Nine hours ahead of the time that records are in."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_suggestion_is_one_row_from_its_beginning_to_its_end(written):
    """It runs, rests at a rung, goes on and ends in its place, whichever process writes what."""
    states = [("running", (), None), ("running", (0.2,), None), ("paused", (0.2, 0.3), None)]
    states += [("running", (0.2, 0.3, 0.4), None), ("complete", (0.2, 0.3, 0.4), 0.45)]
    for state, values, value in states:
        written.write(0, state, values, value=value)
        assert 1 == written.mirror()
        assert 0 == written.mirror()
        assert written.expected() == written.shown()
        assert [state] == [row.user_attrs["state"] for row in written.rows()]


OUTCOMES = [
    ({"state": "pruned", "values": (0.2, 0.3)}, "PRUNED", 0.3, {}),
    ({"state": "pruned", "values": (0.2, float("nan"))}, "PRUNED", None, {}),
    ({"state": "pruned"}, "PRUNED", None, {}),
    ({"state": "refused"}, "FAIL", None, {"constraints": "not met: no training can answer it"}),
    ({"state": "complete", "value": 0.5, "is_answered": True}, "COMPLETE", 0.5, {"answered": True}),
    ({"state": "fail", "num_failures": 1}, "WAITING", None, {"state": "fail"}),
    ({"state": "fail", "num_failures": 2}, "FAIL", None, {"state": "fail"}),
    ({"state": "paused", "values": (0.2,)}, "WAITING", None, {"state": "paused"}),
]


@pytest.mark.parametrize("was_shown_running", [False, True])
def test_each_state_is_shown_as_it_is(written, was_shown_running):
    """Added at once or in the place of a running one, and read as equal by whoever looks next."""
    if was_shown_running:
        for number in range(len(OUTCOMES)):
            written.write(number, "running")
        written.mirror()
    for number, (record, _, _, _) in enumerate(OUTCOMES):
        written.write(number, **record)
    assert len(OUTCOMES) == written.mirror()
    for row, (_, state, value, attributes) in zip(written.rows(), OUTCOMES, strict=True):
        assert (state, value) == (row.state.name, row.value)
        assert attributes == {name: row.user_attrs.get(name) for name in attributes}
    assert 0 == written.mirror()


def test_durations_are_those_of_the_records(written, far_from_greenwich):
    """Whether a trial was told at once or days later, in its place or anew, and where the clock stands."""
    written.write(0, "running")
    written.mirror()
    written.write(0, "complete", value=0.4)
    written.write(1, "pruned", (0.1,))
    written.write(2, "paused", (0.1,))
    written.mirror()
    written.write(2, "complete", (0.1, 0.2), value=0.2)
    written.mirror()
    for row in written.rows():
        assert (BEGAN_AT, ENDED_AT) == (row.datetime_start.astimezone(), row.datetime_complete.astimezone())


def test_times_that_a_killed_writer_has_left_wrong_are_put_right(written):
    """Optuna writes the moment at which it is told; who is killed then leaves it to the next one."""
    written.write(0, "running")
    written.mirror()
    storage = written.storage
    (row,) = written.rows()
    trial_id = storage.get_trial_id_from_study_id_trial_number(1, row.number)
    written.write(0, "complete", value=0.4)
    storage.set_trial_user_attr(trial_id, "state", "complete")
    storage.set_trial_state_values(trial_id, optuna.trial.TrialState.COMPLETE, [0.4])
    assert 1 == written.mirror()
    (row,) = written.rows()
    assert ENDED_AT == row.datetime_complete.astimezone()
    assert 0 == written.mirror()


def test_a_trial_that_has_ended_as_something_else_takes_the_place_of_what_it_was(written):
    """As one that failed for good, was mended and retried: Optuna changes nothing that has ended."""
    written.write(0, "complete", value=0.4)
    written.write(1, "fail", num_failures=2)
    written.mirror()
    written.write(1, "complete", value=0.5)
    written.mirror()
    assert written.expected() == written.shown()


def test_a_row_of_a_table_that_was_mended_is_one_row(written, tmp_path):
    """Whoever was first, a study whose trial is there twice is made anew with each once."""
    written.write(0, "running")
    mirrored = written.mirrored()
    written.mirror(mirrored)
    study = optuna.load_study(study_name=mirrored.name, storage=written.url)
    study.add_trial(study.trials[0])
    assert 2 == len(written.rows())
    written.mirror()
    assert written.expected() == written.shown()


def test_a_study_whose_maker_was_killed_before_it_said_whose_it_is_is_taken(written, monkeypatch):
    """Nobody says it any more; whoever waits for that goes on after a while."""
    monkeypatch.setattr(mirrored_study, "MAX_UNNAMED_S", 0.3)
    optuna.create_study(study_name=written.mirrored().name, storage=written.url, direction="maximize")
    written.write(0, "complete", value=0.4)
    written.mirror()
    assert written.expected() == written.shown()


# -- several processes ---------------------------------------------------------------------------------


def the_study():
    return Study("s", "S", "nowhere", (0,), searches=[SEARCH])


def keep_mirroring(folder, end):
    """Mirror what another process writes, until it says that it has written all."""
    projection_thread.FLUSH_EVERY_S, claims.LOOK_AGAIN_S = 0.02, 0.01
    optuna_mirror.CLAIM_PATIENCE_S = 0.5
    written = Written(folder)
    plan = plan_as_recorded([the_study()], written.store, Runtime(None, str(folder / "cache")))
    mirror = OptunaMirror(written.url, written.store)
    mirror.begin(plan, [RecordedSearch("s", SEARCH, written.search_id)], [])
    while not end.is_set():
        mirror.on_start(None)
        time.sleep(0.01)
    mirror.on_start(None)
    mirror.end()


def test_mirrors_of_several_processes_make_one_row_of_each_suggestion(tmp_path):
    """Three write at once to one SQLite, and two of them are killed while they do; the rows equal the store's."""
    written, end = Written(tmp_path), forks.Event()

    def begun():
        process = forks.Process(target=keep_mirroring, args=(tmp_path, end))
        process.start()
        return process

    mirrors = [begun() for _ in range(3)]
    for wave in range(2):
        numbers = range(8 * wave, 8 * wave + 8)
        for state, values, value in (("running", (), None), ("paused", (0.1, 0.2), None)):
            for number in numbers:
                written.write(number, state, values, value=value)
            wait_for(lambda number=numbers[3]: number in {row[0] for row in written.shown()})
        os.kill(mirrors[wave].pid, signal.SIGKILL)
        mirrors.append(begun())
        for number in numbers:
            written.write(
                number,
                *(("pruned", (0.1, 0.2)) if number % 2 else ("complete", (0.1, 0.2, 0.3))),
                value=None if number % 2 else 0.3,
            )
    end.set()
    for process in mirrors:
        process.join(PATIENCE_S)
    assert written.expected() == written.shown()
    assert [] == (written.store.root / "claims").names()


def test_a_search_shows_its_trials_while_it_runs(tmp_path, monkeypatch):
    """Its rows are there before they have ended, and in the end are those of the store, with durations."""
    monkeypatch.setattr(projection_thread, "FLUSH_EVERY_S", 0.02)
    sweep, seen = ToySweep(tmp_path), []

    class Looking(Events):
        def on_progress(self, work, progress):
            if ": trial " in work.label:
                wait_for(lambda: f"RUNNING {work.label.rpartition(' ')[2]}" in self.now())
                seen.append(self.now())

        def now(self):
            rows = rows_of(sweep.storage, "s/rate")
            return {f"{row.state.name} {row.user_attrs[SUGGESTION]}" for row in rows}

    sweep(Study("s", "S", "nowhere", (0,), searches=[a_search(num_trials=3)]), listeners=[Looking()])
    assert {"COMPLETE 0", "RUNNING 1"} == seen[0]
    assert {"COMPLETE 0", "COMPLETE 1", "RUNNING 2"} == seen[-1]
    (identity,) = sweep.store().search_ids()
    assert expected(sweep.store(), identity) == shown(sweep.storage, "s/rate")
    assert all(row.duration > datetime.timedelta() for row in rows_of(sweep.storage, "s/rate"))
