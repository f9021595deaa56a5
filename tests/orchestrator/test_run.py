"""A sweep on the inline backend: shared trainings, resuming, failures, searches."""

import dataclasses
import math

import pytest

from orchestrator.identity import view_id
from orchestrator.inline_backend import InlineBackend
from orchestrator.records import Store
from orchestrator.run import run_sweep
from orchestrator.study import (
    Ablation,
    Choice,
    Dataset,
    FloatRange,
    Objective,
    Row,
    Search,
    Study,
    Sweep,
)
from tests.faulty_method import FaultyConfig
from tests.toy_method import ToyConfig
from trainables.contract import MAP, RANK1, RetrievalView, Runtime

TEST = RetrievalView(split="test")
VAL = RetrievalView(split="val")


def a_study(rows, *, seeds=(0,), base=None, searches=()):
    table = Ablation("width", "Width", base or ToyConfig(), [Dataset("Toy")], rows, TEST, [MAP, RANK1])
    return Study("toy_study", "Toy", "nowhere", seeds, [table], searches)


def a_search(**changes):
    search = Search(
        "rate",
        "Learning rate",
        ToyConfig(),
        Dataset("Toy"),
        {"learning_rate": FloatRange(0.05, 0.45)},
        Objective(MAP, VAL),
        6,
        TEST,
        [MAP],
    )
    return dataclasses.replace(search, **changes)


class Events:
    def __init__(self):
        self.started, self.ended, self.epochs = [], [], []

    def on_start(self, work):
        self.started.append(work)

    def on_progress(self, work, progress):
        self.epochs.append((work.label, progress.report.epoch))

    def on_end(self, work, outcome):
        self.ended.append((work, outcome))


@pytest.fixture
def sweep(tmp_path):
    def run(*studies, events=None, backend=None):
        events = events if events is not None else Events()
        result = run_sweep(
            studies,
            store=Store(str(tmp_path / "runs")),
            runtime=Runtime(None, str(tmp_path / "cache")),
            backend=backend or InlineBackend(),
            search_storage=f"sqlite:///{tmp_path}/optuna.db",
            listeners=lambda plan, statuses: [events],
        )
        return result, events

    run.store = lambda: Store(str(tmp_path / "runs"))
    run.folder = tmp_path / "runs"
    return run


def test_equal_rows_are_trained_once(sweep):
    """Two rows of one config, and a row of other embeddings, cost one training."""
    rows = [
        Row("a"),
        Row("b", {"learning_rate": 0.1}),
        Row("global", view=RetrievalView(embeddings=("global",))),
    ]
    result, events = sweep(a_study(rows))
    assert result.is_complete
    assert len(events.started) == 1
    assert len(result.plan.cells) == 3


def test_a_second_run_trains_nothing(sweep):
    """What is recorded is not trained again."""
    study = a_study([Row("a"), Row("b", {"learning_rate": 0.2})])
    sweep(study)
    result, events = sweep(study)
    assert result.is_complete
    assert events.started == []


def test_an_added_row_trains_alone(sweep):
    """Adding a row to a study trains that row only."""
    sweep(a_study([Row("a")]))
    _, events = sweep(a_study([Row("a"), Row("b", {"learning_rate": 0.2})]))
    assert [work.config.learning_rate for work in events.started] == [0.2]


def test_a_view_added_later_costs_no_training(sweep):
    """A new view of a recorded training is measured from its final checkpoint."""
    sweep(a_study([Row("a")]))
    alone = RetrievalView(embeddings=("global",))
    result, events = sweep(a_study([Row("a"), Row("global", view=alone)]))
    assert result.is_complete
    assert events.epochs == []
    folder = sweep.store().training(events.started[0].training_id)
    assert folder.measurement(view_id(alone)) is not None


def test_a_deleted_training_is_trained_again_alone(sweep):
    """Deleting one training's folder trains that one."""
    import shutil

    study = a_study([Row("a"), Row("b", {"learning_rate": 0.2})])
    _, events = sweep(study)
    deleted = events.started[1].training_id
    shutil.rmtree(sweep.folder / "trainings" / deleted)
    _, again = sweep(study)
    assert [deleted] == [work.training_id for work in again.started]


def test_a_failure_is_recorded_and_the_sweep_goes_on(sweep):
    """A failing training leaves its message and traceback; the others finish; the next run tries it again."""
    study = a_study([Row("bad", {"fails_at_epoch": 2}), Row("good")])
    result, events = sweep(study)
    assert not result.is_complete
    assert [outcome.state for _, outcome in events.ended] == ["failed", "done"]
    failure = sweep.store().training(events.started[0].training_id).failure()
    assert failure is not None
    assert failure.message == "RuntimeError: loss is nan at epoch 2"
    assert "toy_method.py" in failure.traceback
    _, again = sweep(study)
    assert len(again.started) == 1


def test_a_listener_that_raises_ends_no_training(sweep, caplog):
    """MLflow and Optuna are projections: one that fails is named once and left out, and the others go on."""

    class Broken(Events):
        def on_progress(self, work, progress):
            raise OSError("database or disk is full")

    broken, events = Broken(), Events()
    result = run_sweep(
        [a_study([Row("a"), Row("b", {"learning_rate": 0.2})])],
        store=sweep.store(),
        runtime=Runtime(None, str(sweep.folder / "cache")),
        backend=InlineBackend(),
        search_storage=f"sqlite:///{sweep.folder}/optuna.db",
        listeners=lambda plan, statuses: [broken, events],
    )
    assert result.is_complete
    assert (len(broken.started), len(events.ended)) == (1, 2)
    assert caplog.text.count("Broken has failed and follows this sweep no further (OSError: database") == 1
    assert "running the same command again" in caplog.text


def test_a_metric_that_is_no_number_stops_no_later_sweep(sweep):
    """It is kept as it is, its cell is printed as failed, and every record can be read again."""
    rows = [Row("a"), Row("b", {"minp_is_nan": True})]
    for _ in range(2):
        result, _ = sweep(a_study(rows, base=FaultyConfig()))
        assert result.is_complete
    nan = sweep.store().training(result.plan.cells[1].training_id)
    assert math.isnan(nan.measurement(view_id(TEST)).metrics["minp"])


def test_every_missing_data_set_is_named_before_anything_trains(sweep):
    """A plan with an absent data set is refused as a whole."""
    with pytest.raises(ValueError, match="absent"):
        sweep(a_study([Row("a"), Row("b", {"data_name": "absent"})]))
    assert sweep.store().training_ids() == []


def test_an_unreadable_image_stops_the_sweep_before_it_trains(sweep):
    """A data set that cannot be decoded is named and nothing is trained."""
    with pytest.raises(ValueError, match=r"0001_c1s1_000001_00\.jpg"):
        sweep(a_study([Row("a"), Row("b", {"data_name": "corrupt"})]))
    assert sweep.store().training_ids() == []


def test_a_search_ends_in_a_table_on_test(sweep):
    """The best of a search on `val` is trained with every seed and stands beside the declared config."""
    study = Study("s", "S", "nowhere", (0, 1), searches=[a_search()])
    result, _ = sweep(study)
    assert result.is_complete
    labels = [(cell.row, cell.seed) for cell in result.plan.cells]
    assert labels == [("declared", 0), ("best of 6 trials", 0), ("declared", 1), ("best of 6 trials", 1)]
    best = next(cell for cell in result.plan.cells if cell.row != "declared")
    assert result.plan.trainings[best.training_id].config.learning_rate > 0.1


def test_a_finished_search_is_not_made_again(sweep):
    """A second run of a search suggests nothing and trains nothing."""
    study = Study("s", "S", "nowhere", (0,), searches=[a_search()])
    sweep(study)
    _, events = sweep(study)
    assert events.started == []


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


def test_an_equal_suggestion_is_answered_from_the_store(sweep):
    """A space of two configs costs two trainings however many trials are asked for."""
    search = a_search(space={"learning_rate": Choice((0.1, 0.2))}, num_trials=5, sampler="random")
    _, events = sweep(Study("s", "S", "nowhere", (0,), searches=[search]))
    assert len({work.training_id for work in events.started}) == 2


def test_a_pruned_trial_is_told_as_pruned(sweep, tmp_path):
    """A trial that the pruner ends has its intermediate values and no final one, and no record."""
    import optuna

    search = a_search(num_trials=14, pruner="median", base=ToyConfig(epochs=8), sampler="random")
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


def test_planned_rows_are_trials_of_an_optuna_study(sweep, tmp_path):
    """Each planned training is one complete trial with its row's values as parameters."""
    import optuna

    study = a_study(
        [Sweep("network.attention.num_attentions", (2, 4, 8)), Row("off", {"network.attention": None})]
    )
    sweep(study)
    sweep(study)
    loaded = optuna.load_study(study_name="toy_study", storage=f"sqlite:///{tmp_path}/optuna.db")
    values = [trial.params.get("network.attention.num_attentions") for trial in loaded.trials]
    assert values == [2, 4, 8, None]
    assert [trial.params["network.attention"] for trial in loaded.trials] == ["on", "on", "on", "off"]


def test_a_stopped_sweep_goes_on_where_it_was(sweep):
    """A sweep that is told to stop saves its state, and the next run ends in the same numbers."""
    study = a_study([Row("a"), Row("b", {"learning_rate": 0.2})], base=ToyConfig(epochs=5))

    class StoppingBackend(InlineBackend):
        def run(self, queue, listeners, store, runtime):
            class Stopper(Events):
                def on_progress(self, work, progress):
                    queue.stop()

            super().run(queue, [*listeners, Stopper()], store, runtime)

    result, events = sweep(study, backend=StoppingBackend())
    assert result.was_stopped
    result, _ = sweep(study)
    assert result.is_complete
    training = events.started[0].training_id
    record = sweep.store().training(training).record()
    assert record is not None
    assert [report.epoch for report in sweep.store().training(training).epochs()] == [1, 2, 3, 4, 5]


def test_an_ensemble_is_measured_from_trainings_that_other_rows_have(sweep):
    """An ensemble trains nothing that a row of its own has trained, and joins all its members."""
    members = [{"learning_rate": 0.1}, {"learning_rate": 0.2}]
    study = a_study(
        [Row("both", ensemble=members), *(Row(str(number), m) for number, m in enumerate(members))]
    )
    result, events = sweep(study)
    assert result.is_complete
    assert sorted(set(events.epochs)) == sorted(events.epochs)  # no epoch was trained twice
    both, first, second = result.plan.cells
    assert (first.training_id, (second.training_id,)) == (both.training_id, both.partner_ids)
    holder = sweep.store().training(both.training_id)
    value = {cell.row: holder.measurement(cell.view_id).metrics["map"] for cell in (both, first)}
    assert value["both"] > value["0"] + 0.05
    assert both.partner_ids == holder.measurement(both.view_id).partner_ids


def test_an_ensemble_waits_for_a_member_that_failed(sweep):
    """Without one of its trainings an ensemble has no value, the rest of the table has, and the next run goes on."""
    rows = [Row("both", ensemble=[{}, {"fails_at_epoch": 2}]), Row("alone")]
    result, _ = sweep(a_study(rows))
    assert not result.is_complete
    assert ["to measure", "failed"] == [status.state for status in result.statuses]
    assert sweep.store().training(result.plan.cells[1].training_id).measurement(view_id(TEST)) is not None
    mended, _ = sweep(a_study([Row("both", ensemble=[{}, {"learning_rate": 0.3}]), Row("alone")]))
    assert mended.is_complete


def test_an_ensemble_of_one_training_twice_is_refused():
    """Two equal members would count one training double."""
    with pytest.raises(ValueError, match="two members of the ensemble are the same training"):
        a_study([Row("both", ensemble=[{}, {"learning_rate": 0.1}])])
