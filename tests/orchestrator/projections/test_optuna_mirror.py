"""Optuna's storage as a mirror of the store."""

import optuna
import pytest
import sqlalchemy

from tablewright.orchestrator.declared.design import Row, Sweep
from tablewright.orchestrator.declared.pruners import Median
from tablewright.orchestrator.declared.samplers import Random
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.projections.mirrored_study import MirroredRows
from tablewright.orchestrator.projections.optuna_mirror import open_storage
from tests.orchestrator.toy_sweep import ToySweep, a_search, a_study
from tests.toy_method import ToyConfig


@pytest.fixture
def sweep(tmp_path):
    return ToySweep(tmp_path)


@pytest.mark.slow
def test_planned_rows_are_trials_of_an_optuna_study(sweep):
    """Each planned training is one complete trial with its row's values as parameters."""
    study = a_study(
        [Sweep("network.attention.num_attentions", (2, 4, 8)), Row("off", {"network.attention": None})]
    )
    sweep(study)
    sweep(study)
    loaded = optuna.load_study(study_name="toy_study", storage=sweep.storage)
    values = [trial.params.get("network.attention.num_attentions") for trial in loaded.trials]
    assert values == [2, 4, 8, None]
    assert [trial.params["network.attention"] for trial in loaded.trials] == ["on", "on", "on", "off"]


@pytest.mark.slow
def test_a_pruned_trial_is_told_as_pruned(sweep, tmp_path):
    """A trial that the pruner ends has its intermediate values and no final one, and no record."""
    import optuna

    search = a_search(num_trials=14, pruner=Median(warmup=0.0), base=ToyConfig(epochs=8), sampler=Random())
    _, events = sweep(Study("s", "S", "nowhere", (0,), searches=[search]))
    pruned = [work for work, outcome in events.ended if outcome.state == "pruned"]
    assert pruned
    assert all(sweep.store().training(work.training_id).record() is None for work in pruned)
    storage = f"sqlite:///{tmp_path}/optuna.db"
    (name,) = [name for name in optuna.get_all_study_names(storage) if name.startswith("s/rate")]
    trials = optuna.load_study(study_name=name, storage=storage).trials
    told = [trial for trial in trials if trial.state == optuna.trial.TrialState.PRUNED]
    assert len(pruned) == len(told)
    assert all(trial.intermediate_values for trial in told)


@pytest.mark.slow
def test_a_lost_search_storage_is_filled_from_the_store(sweep, tmp_path):
    """Deleting Optuna's database loses no trial: the search goes on where it was."""
    import optuna

    sweep(Study("s", "S", "nowhere", (0,), searches=[a_search(num_trials=4)]))
    (tmp_path / "optuna.db").unlink()
    _, events = sweep(Study("s", "S", "nowhere", (0,), searches=[a_search(num_trials=6)]))
    searched = [work for work in events.started if ": trial " in work.label]
    assert len(searched) == 2
    storage = f"sqlite:///{tmp_path}/optuna.db"
    (name,) = [name for name in optuna.get_all_study_names(storage) if name.startswith("s/rate")]
    states = [trial.state.name for trial in optuna.load_study(study_name=name, storage=storage).trials]
    assert states == ["COMPLETE"] * 6


@pytest.mark.slow
def test_a_failed_row_is_a_failed_trial_until_it_is_mended(sweep):
    """A failure is seen in Optuna; the training that ends well later has its value beside it."""
    study = a_study([Row("a", {"fails_at_epoch": 2}), Row("b")])
    sweep(study)
    trials = optuna.load_study(study_name="toy_study", storage=sweep.storage).trials
    assert ["FAIL", "COMPLETE"] == [trial.state.name for trial in trials]


def test_a_training_that_is_only_part_of_an_ensemble_has_no_trial(sweep):
    """What is never measured alone has no value to tell."""
    sweep(a_study([Row("both", ensemble=[{}, {"learning_rate": 0.2}]), Row("alone")]))
    trials = optuna.load_study(study_name="toy_study", storage=sweep.storage).trials
    assert [("COMPLETE", "width: both [Toy] seed 0, member 1")] == [
        (t.state.name, t.user_attrs["row"]) for t in trials
    ]


@pytest.mark.slow
def test_a_field_that_was_given_another_choice_does_not_stop_the_sweep(sweep):
    """Optuna takes a parameter's choices once; rows with more of them are kept in a study of their own."""
    rows = [Row("a"), Row("b", {"network.attention": None})]
    sweep(a_study(rows))
    storage = open_storage(sweep.storage)
    known = optuna.load_study(study_name="toy_study", storage=storage)
    params = {"network.attention": optuna.distributions.CategoricalDistribution(("none", "soft"))}
    optuna.delete_study(study_name="toy_study", storage=storage)
    known = optuna.create_study(study_name="toy_study", storage=storage, direction="maximize")
    known.add_trial(
        optuna.trial.create_trial(params={"network.attention": "soft"}, distributions=params, value=0.5)
    )
    result, _ = sweep(a_study([*rows, Row("c", {"learning_rate": 0.3})]))
    assert result.is_complete
    (name,) = [n for n in optuna.get_all_study_names(storage) if n.startswith("toy_study/")]
    assert 3 == len(optuna.load_study(study_name=name, storage=storage).trials)


@pytest.mark.slow
def test_two_stores_may_share_one_storage(tmp_path):
    """A lab's database holds the searches of several stores; neither takes the other's trials for its own."""
    study = Study("s", "S", "nowhere", (0,), searches=[a_search(num_trials=3)])
    here, there = ToySweep(tmp_path), ToySweep(tmp_path)
    there.folder = tmp_path / "other_runs"
    assert here(study)[0].is_complete
    result, events = there(study)
    assert result.is_complete
    assert 3 == len([work for work in events.started if ": trial " in work.label])


def test_a_storage_that_cannot_be_opened_is_refused():
    """The message names the option and what to give."""
    with pytest.raises(ValueError, match=r"--search-storage 'nonsense' cannot be opened .* Give a database"):
        open_storage("nonsense")


@pytest.mark.slow
def test_a_storage_that_is_lost_in_mid_sweep_ends_no_training(sweep, tmp_path, caplog):
    """The sweep goes on without its mirror, says so, and the next one fills it again."""

    class Breaking:
        def on_start(self, work):
            (tmp_path / "optuna.db").write_bytes(b"no database")

        def on_progress(self, work, progress):
            pass

        def on_end(self, work, outcome):
            pass

    study = a_study([Row("a"), Row("b", {"learning_rate": 0.2})])
    result, _ = sweep(study, listeners=[Breaking()])
    assert result.is_complete
    assert "optuna.db cannot be used: the file is damaged. No training needs it: move it away" in caplog.text
    (tmp_path / "optuna.db").unlink()
    sweep(a_study([Row("a"), Row("b", {"learning_rate": 0.2}), Row("c", {"learning_rate": 0.3})]))
    assert 3 == len(optuna.load_study(study_name="toy_study", storage=sweep.storage).trials)


@pytest.mark.slow
def test_a_row_costs_as_much_however_many_there_are(sweep, tmp_path):
    """What is written is neither read again nor kept: each row takes as many statements as the one before it."""
    result, _ = sweep(a_study([Sweep("learning_rate", [0.1 + index / 100 for index in range(9)])]))
    storage, statements = open_storage(f"sqlite:///{tmp_path}/another.db"), []
    sqlalchemy.event.listen(storage.engine, "before_cursor_execute", lambda *told: statements.append(told[2]))
    store = sweep.store()
    mirrored = MirroredRows("toy_study", result.plan, store, store.shared_id(), storage)
    ended, counts = set(), []
    for identity in result.plan.trainings:
        ended.add(identity)
        statements.clear()
        assert not counts or not mirrored.read_again()
        assert [] == [it for it in statements if "trial_params" in it]
        (wanted,) = mirrored.lacking(ended)
        assert mirrored.write(wanted)
        counts.append(len(statements))
    assert counts[2:] == [counts[1]] * 7
    assert [] == mirrored.lacking(ended)
    assert not mirrored._rows


@pytest.mark.slow
def test_a_row_that_another_sweep_has_added_is_not_added_again(sweep, tmp_path):
    """A mirror that has read a study knows what others write to it since."""
    result, _ = sweep(a_study([Sweep("learning_rate", [0.1, 0.2, 0.3])]))
    storage, store = open_storage(f"sqlite:///{tmp_path}/another.db"), sweep.store()
    one, other = (MirroredRows("toy_study", result.plan, store, store.shared_id(), storage) for _ in range(2))
    first, second, third = result.plan.trainings
    for mirrored, ended in ((one, {first}), (other, {first, second}), (one, {first, second, third})):
        mirrored.read_again()
        for wanted in mirrored.lacking(ended):
            mirrored.write(wanted)
    trials = optuna.load_study(study_name="toy_study", storage=storage).trials
    assert [first, second, third] == [trial.user_attrs["training_id"] for trial in trials]
