"""A sweep on the inline backend: shared trainings, resuming, failures, ensembles, listeners."""

import math
from dataclasses import replace

import pytest

from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.identity import view_id
from tablewright.orchestrator.plans.planning import plan_as_recorded, plan_with_data
from tablewright.orchestrator.plans.resolution import key_of
from tablewright.orchestrator.status import read_status
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.retrieval.view import RetrievalView
from tests.faulty_method import FaultyConfig
from tests.orchestrator.toy_sweep import TEST, Events, StopAfter, ToySweep, a_search, a_study
from tests.toy_method import ToyConfig, ToyTrainable


@pytest.fixture
def sweep(tmp_path):
    return ToySweep(tmp_path)


@pytest.mark.slow
def test_equal_rows_are_trained_once(sweep):
    """Two rows of one config, and a row of other embeddings, cost one training."""
    rows = [
        Row("a"),
        Row("b", {"learning_rate": 0.1}, repeats="a"),
        Row("global", view=RetrievalView(embeddings=("global",))),
    ]
    result, events = sweep(a_study(rows))
    assert result.is_complete
    assert len(events.started) == 1
    assert len(result.plan.cells) == 3
    assert (1, 1) == (result.plan.num_further_views, result.plan.num_equal_cells)


@pytest.mark.slow
def test_a_second_run_trains_nothing(sweep):
    """What is recorded is not trained again."""
    study = a_study([Row("a"), Row("b", {"learning_rate": 0.2})])
    sweep(study)
    result, events = sweep(study)
    assert result.is_complete
    assert events.started == []


@pytest.mark.slow
def test_higher_priorities_are_trained_first_and_first_seeds_within_them(sweep):
    """A row's own counts before its table's; of two tables that need one training the higher; no id depends on it."""
    rows = [
        Row("shared"),
        Row("last", {"learning_rate": 0.2}, priority=-1),
        Row("usual", {"learning_rate": 0.3}),
    ]
    study = a_study(rows, seeds=(0, 1))
    (table,) = study.ablations
    urgent = replace(table, name="urgent", rows=[Row("same"), Row("own", {"learning_rate": 0.4})], priority=5)
    both = replace(study, ablations=[table, urgent])
    plain = replace(both, ablations=[table, replace(urgent, priority=None)])
    plans = [plan_with_data((it,), sweep.store(), Runtime(None, "/cache")) for it in (both, plain)]
    assert list(plans[1].trainings) == list(plans[0].trainings)
    _, events = sweep(both)
    rates = [(work.config.learning_rate, work.config.seed) for work in events.started]
    assert [(0.1, 0), (0.4, 0), (0.1, 1), (0.4, 1), (0.3, 0), (0.3, 1), (0.2, 0), (0.2, 1)] == rates


@pytest.mark.slow
def test_a_search_of_a_higher_priority_comes_before_rows(sweep):
    """With the row of its own table; what the best one still needs comes last, when it is known."""
    rows = [Row("a", {"learning_rate": 0.2}), Row("b", {"learning_rate": 0.3})]
    _, events = sweep(a_study(rows, searches=[a_search(num_trials=3, priority=1)]))
    labels = [work.label for work in events.started]
    last_suggestion = max(at for at, label in enumerate(labels) if label.startswith("rate: trial"))
    assert last_suggestion < labels.index("width: a [Toy] seed 0") < labels.index("width: b [Toy] seed 0"), (
        labels
    )


@pytest.mark.slow
def test_an_added_row_trains_alone(sweep):
    """Adding a row to a study trains that row only."""
    sweep(a_study([Row("a")]))
    _, events = sweep(a_study([Row("a"), Row("b", {"learning_rate": 0.2})]))
    assert [work.config.learning_rate for work in events.started] == [0.2]


@pytest.mark.slow
def test_a_view_added_later_costs_no_training(sweep):
    """A new view of a recorded training is measured from its final checkpoint."""
    sweep(a_study([Row("a")]))
    alone = RetrievalView(embeddings=("global",))
    result, events = sweep(a_study([Row("a"), Row("global", view=alone)]))
    assert result.is_complete
    assert events.epochs == []
    folder = sweep.store().training(events.started[0].training_id)
    assert folder.measurement(view_id(alone)) is not None


@pytest.mark.slow
def test_all_views_of_a_split_are_measured_from_one_extraction(sweep, monkeypatch):
    """A network is run once over a split, and is told which views will be measured from it."""
    asked, extract = [], ToyTrainable.extract

    def watch(self, config, runtime, network, split, views):
        asked.append((split, [view.embeddings for view in views]))
        return extract(self, config, runtime, network, split, views)

    monkeypatch.setattr(ToyTrainable, "extract", watch)
    views = [RetrievalView(embeddings=names) for names in (("global",), ("attended", "global"))]
    sweep(a_study([Row(str(number), view=view) for number, view in enumerate(views)]))
    assert [("test", [("global",), ("attended", "global")])] == asked


@pytest.mark.slow
def test_a_deleted_training_is_trained_again_alone(sweep):
    """Deleting one training's folder trains that one."""
    import shutil

    study = a_study([Row("a"), Row("b", {"learning_rate": 0.2})])
    _, events = sweep(study)
    deleted = events.started[1].training_id
    shutil.rmtree(sweep.folder / "trainings" / deleted)
    _, again = sweep(study)
    assert [deleted] == [work.training_id for work in again.started]


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_listener_that_raises_ends_no_training(sweep, caplog):
    """MLflow and Optuna are projections: one that fails is named once and left out, and the others go on."""

    class Broken(Events):
        def on_progress(self, work, progress):
            raise OSError("database or disk is full")

    broken = Broken()
    study = a_study([Row("a"), Row("b", {"learning_rate": 0.2})])
    result, events = sweep(study, listeners=[broken])
    assert result.is_complete
    assert (len(broken.started), len(events.ended)) == (1, 2)
    assert caplog.text.count("Broken has failed and follows this sweep no further (OSError: database") == 1
    assert "running the same command again" in caplog.text


@pytest.mark.slow
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


def test_code_of_a_person_that_fails_in_planning_is_named_with_its_line(sweep, monkeypatch):
    """A slip in what describes the data is one line, as it is when a study is loaded."""
    monkeypatch.setattr(ToyTrainable, "describe_data", lambda self, config, runtime: undefined)  # noqa: F821
    with pytest.raises(
        ValueError, match=r"the code of toy fails .*test_run\.py:\d+: NameError: name 'undefined'"
    ):
        sweep(a_study([Row("a")]))


def test_an_unreadable_image_stops_the_sweep_before_it_trains(sweep):
    """A data set that cannot be decoded is named and nothing is trained."""
    with pytest.raises(ValueError, match=r"0001_c1s1_000001_00\.jpg"):
        sweep(a_study([Row("a"), Row("b", {"learning_rate": 0.2})], base=ToyConfig(data_name="corrupt")))
    assert sweep.store().training_ids() == []


@pytest.mark.slow
def test_a_stopped_sweep_goes_on_where_it_was(sweep):
    """A sweep that is told to stop saves its state, and the next run ends in the same numbers."""
    study = a_study([Row("a"), Row("b", {"learning_rate": 0.2})], base=ToyConfig(epochs=5))

    result, events = sweep(study, backend=StopAfter(1))
    assert result.was_stopped
    result, _ = sweep(study)
    assert result.is_complete
    training = events.started[0].training_id
    record = sweep.store().training(training).record()
    assert record is not None
    assert [report.epoch for report in sweep.store().training(training).epochs()] == [1, 2, 3, 4, 5]


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_rows_on_different_data_in_one_column_are_refused_before_anything_trains(sweep):
    """A row that changes the data set stands under a wrong head."""
    with pytest.raises(ValueError, match="measured on different data, Toyset and, in row 'b', Others"):
        sweep(a_study([Row("a"), Row("b", {"data_name": "others"})]))
    assert [] == sweep.store().training_ids()


@pytest.mark.slow
def test_rows_that_start_from_other_weights_stand_in_one_column(sweep):
    """A deeper backbone with its own published weights is a row on the same data."""
    result, _ = sweep(a_study([Row("a"), Row("b", {"weights": "resnet101"})]))
    assert result.is_complete
    assert 2 == len(result.plan.trainings)


# -- reading


def searched_study(*more):
    return a_study([Row("plain"), *more], searches=[a_search(num_trials=2)])


def read(sweep, *studies):
    return plan_as_recorded(studies, sweep.store(), Runtime(None, "/nowhere"))


@pytest.mark.slow
@pytest.mark.parametrize("is_forgotten", [False, True], ids=["as swept", "its best row unknown to data/"])
def test_what_a_search_found_is_read_from_the_store_alone(sweep, is_forgotten):
    """The best config is no row of the declaration; its trainings and suggestions are found all the same."""
    result, _ = sweep(searched_study())
    if is_forgotten:
        data = sweep.store().study_data()["toy_study"]
        declared = key_of(ToyConfig())
        only = data.model_copy(update={"of_config": {declared: data.of_config[declared]}})
        sweep.store().write_study_data("toy_study", only)
    plan = read(sweep, searched_study())
    assert list(result.plan.trainings) == list(plan.trainings)
    assert result.plan.searches == plan.searches
    assert {"done"} == {status.state for status in read_status(plan, sweep.store())}


@pytest.mark.slow
def test_a_row_that_was_never_swept_is_read_as_a_hole(sweep):
    """Its data are unknown, not others: the rest of the table is read."""
    sweep(searched_study())
    plan = read(sweep, searched_study(Row("new", {"learning_rate": 0.3})))
    states = [status.state for status in read_status(plan, sweep.store())]
    assert (1, {"done", "to train"}) == (states.count("to train"), set(states))
