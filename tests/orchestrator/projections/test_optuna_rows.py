"""New trials are written together, in as few statements as can be, and as Optuna's own calls write them."""

import datetime
import math
import sqlite3
import threading

import optuna
import pytest
import sqlalchemy
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import RDBStorage
from optuna.trial import TrialState, create_trial

from tablewright.orchestrator.declared.design import Sweep
from tablewright.orchestrator.projections import optuna_rows
from tablewright.orchestrator.projections.mirrored_study import MirroredRows
from tablewright.orchestrator.projections.optuna_mirror import OptunaMirror, open_storage
from tablewright.orchestrator.projections.optuna_rows import add_trials, count_trials, takes_many
from tests.orchestrator.toy_sweep import ToySweep, a_study

pytestmark = pytest.mark.slow  # Optuna makes its tables

BEGAN_AT = datetime.datetime(2026, 11, 27, 9, 0, 0, 250_000)


@pytest.fixture
def storage(tmp_path):
    return open_storage(f"sqlite:///{tmp_path}/optuna.db")


def a_study_in(storage, name="s"):
    study = optuna.create_study(study_name=name, storage=storage, directions=["maximize", "minimize"])
    return study._study_id


def a_trial(rate=0.5, state=TrialState.COMPLETE, values=(0.5, math.inf), most=1.0, **more):
    trial = create_trial(
        state=state,
        values=values,
        params={"rate": rate, "depth": 3, "kind": None},
        distributions={
            "rate": FloatDistribution(0.0, most),
            "depth": IntDistribution(1, 9),
            "kind": CategoricalDistribution(("a", None)),
        },
        **more,
    )
    trial.datetime_start = BEGAN_AT
    trial.datetime_complete = BEGAN_AT + datetime.timedelta(hours=1) if state.is_finished() else None
    return trial


def one_of_each_kind():
    """Ended in each way and going on, with numbers of every kind, and of several ranges."""
    return [
        a_trial(user_attrs={"training_id": "0" * 64, "row": "ä, with \N{MULTIPLICATION SIGN} 2"}),
        a_trial(values=(-math.inf, 1e-300), most=2.0, system_attrs={"fixed_params": {"rate": 0.5}}),
        a_trial(
            state=TrialState.PRUNED,
            values=None,
            intermediate_values={1: 0.5, 2: math.nan, 3: math.inf, 9: -math.inf},
        ),
        a_trial(state=TrialState.FAIL, values=None),
        a_trial(state=TrialState.RUNNING, values=None, intermediate_values={1: 0.1}),
        a_trial(state=TrialState.WAITING, values=None),
        create_trial(state=TrialState.COMPLETE, values=(1.0, 2.0)),
    ]


def rows_in(path):
    """All rows of each table."""
    database = sqlite3.connect(path)
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    rows = {table: sorted(map(str, database.execute(f'SELECT * FROM "{table}"'))) for table in tables}
    database.close()
    return rows


def test_what_is_added_together_is_what_optunas_calls_write(tmp_path):
    """Row by row, in every table, beside another study and after trials that are there."""
    found, trials = [], one_of_each_kind()
    trials[-1].datetime_start = trials[-1].datetime_complete = BEGAN_AT
    for name in ("together", "alone"):
        storage = open_storage(f"sqlite:///{tmp_path}/{name}.db")
        other, study = a_study_in(storage, "other"), a_study_in(storage)
        for study_id in (study, other):
            storage.create_new_trial(study_id, template_trial=trials[0])
        assert takes_many(storage)
        if name == "together":
            add_trials(storage, study, trials)
        else:
            for trial in trials:
                storage.create_new_trial(study, template_trial=trial)
        assert 1 + len(trials) == count_trials(storage, study)
        assert list(range(len(trials) + 1)) == [trial.number for trial in storage.get_all_trials(study)]
        found.append(rows_in(tmp_path / f"{name}.db"))
    for table, rows in found[1].items():
        assert rows == found[0][table], table


def test_trials_take_as_many_statements_as_one(storage):
    """However many they are, and however many there were: one a table, but for the trials themselves on SQLite."""
    statements, counts, study = [], [], a_study_in(storage)
    sqlalchemy.event.listen(storage.engine, "before_cursor_execute", lambda *told: statements.append(told[2]))
    for number in (1, 5, 40):
        statements.clear()
        add_trials(storage, study, [a_trial(user_attrs={"number": index}) for index in range(number)])
        counts.append(len([it for it in statements if not it.startswith("INSERT INTO trials ")]))
    assert counts[0] == counts[1] == counts[2] <= 10


def test_nothing_is_written_of_trials_one_of_which_is_refused(storage):
    """As by Optuna itself: a parameter has one kind of range in a study, whether it is there or comes with it."""
    study = a_study_in(storage)
    other = create_trial(values=(1, 2), params={"rate": 2}, distributions={"rate": IntDistribution(1, 9)})
    with pytest.raises(ValueError, match="distribution"):
        add_trials(storage, study, [a_trial(), a_trial(0.7), other])
    assert [] == storage.get_all_trials(study)
    add_trials(storage, study, [a_trial()])
    with pytest.raises(ValueError, match="distribution"):
        add_trials(storage, study, [other])
    assert 1 == len(storage.get_all_trials(study))


def test_who_adds_at_the_same_time_numbers_each_trial_once(storage, tmp_path):
    """Together and one by one, from storages of their own as processes have them."""
    study = a_study_in(storage)

    def add(index):
        own = open_storage(f"sqlite:///{tmp_path}/optuna.db")
        for _ in range(4):
            if index:
                add_trials(own, study, [a_trial()] * 5)
            else:
                own.create_new_trial(study, template_trial=a_trial())
        own.engine.dispose()

    threads = [threading.Thread(target=add, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(range(44)) == sorted(trial.number for trial in storage.get_all_trials(study))


# -- the mirror ----------------------------------------------------------------------------------------

RATES = [0.1, 0.2, 0.3, 0.4]


@pytest.fixture
def recorded(tmp_path):
    """A store with trainings of a study, and the plan of it."""
    sweep = ToySweep(tmp_path)
    result, _ = sweep(a_study([Sweep("learning_rate", RATES)]))
    return sweep.store(), result.plan


def mirrored(recorded, url):
    """Fill a storage from the store; gives the mirror, and the learning rates that are shown, in their order."""
    store, plan = recorded
    mirror = OptunaMirror(url, store)
    mirror.begin(plan, [], list(plan.trainings))
    mirror.end()
    trials = optuna.load_study(study_name="toy_study", storage=url).trials
    return mirror, [trial.params["learning_rate"] for trial in trials]


def test_another_version_of_optuna_is_written_by_its_calls(recorded, tmp_path, monkeypatch):
    """Where a table has other columns than are known."""
    monkeypatch.setattr(optuna_rows, "KNOWN_COLUMNS", {"trials": "of another version"})
    monkeypatch.setattr(MirroredRows, "add", None)
    mirror, shown = mirrored(recorded, f"sqlite:///{tmp_path}/another.db")
    assert (RATES, []) == (shown, mirror.warnings)


def test_one_trial_that_is_refused_keeps_no_other_out(recorded, tmp_path, monkeypatch):
    """Those beside it are there, once each, and it is named."""
    refused = list(recorded[1].trainings)[1]
    parts, create = optuna_rows._parts, RDBStorage.create_new_trial

    def refuse(trial):
        assert trial.user_attrs["training_id"] != refused, "a number out of range"

    def refuse_together(trial, known):
        refuse(trial)
        return parts(trial, known)

    def refuse_alone(storage, study_id, template_trial=None):
        refuse(template_trial)
        return create(storage, study_id, template_trial)

    monkeypatch.setattr(optuna_rows, "_parts", refuse_together)
    monkeypatch.setattr(RDBStorage, "create_new_trial", refuse_alone)
    mirror, shown = mirrored(recorded, f"sqlite:///{tmp_path}/another.db")
    assert [RATES[0], *RATES[2:]] == shown
    assert any(refused[:8] in warning for warning in mirror.warnings)
