"""Searches of several objectives: the front of what none beats in everything, its knee, and the table of it."""

import optuna
import pytest

from tablewright.orchestrator.declared.pruners import Halving, Wilcoxon
from tablewright.orchestrator.declared.ranges import Choice, FloatRange, IntRange
from tablewright.orchestrator.declared.samplers import Random, Tpe
from tablewright.orchestrator.declared.search import Objective
from tablewright.orchestrator.declared.search_cost import Cost
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.searches.optuna_sampler import suggest
from tablewright.orchestrator.searches.pareto import front_of, knee_of
from tablewright.orchestrator.searches.search_identity import find_search_id
from tablewright.orchestrator.searches.search_state import read_trials
from tablewright.orchestrator.verify import verify_store
from tablewright.reports.figures.pareto_figure import draw_pareto
from tablewright.reports.markdown import to_markdown
from tablewright.reports.table_files import write_tables
from tablewright.trainables.retrieval.view import MINP
from tests.orchestrator.counted_toy import CountedToyConfig
from tests.orchestrator.searched import a_trial, result_of
from tests.orchestrator.toy_sweep import VAL, StopAfter, ToySweep, a_search

WIDTH = "network.embedding_size"
SPACE = {WIDTH: IntRange(1, 64, log=True), "learning_rate": FloatRange(0.05, 0.3)}


@pytest.fixture
def sweep(tmp_path):
    return ToySweep(tmp_path)


def weighed(**changes):
    arguments = {"base": CountedToyConfig(), "space": SPACE, "against": [Cost("parameters")]}
    return a_search(**{**arguments, **changes})


def study_of(search):
    return Study("s", "S", "nowhere", (0,), searches=[search])


def trials_of(sweep, search):
    describe = DataResolver(lambda config: config.make_trainable().describe_data(config, None))
    return read_trials(search, describe, sweep.store())


def test_the_front_is_what_none_beats_in_everything():
    """A point that is worse in one and better in none is dominated; of equal ones the first counts."""
    points = [(0.5, 3.0), (0.7, 5.0), (0.6, 6.0), (0.7, 5.0), (0.4, 3.0), (0.9, 9.0)]
    assert [5, 1, 0] == front_of(points, (True, False))
    three = [(1.0, 2.0, 3.0), (2.0, 1.0, 3.0), (2.0, 2.0, 3.0), (3.0, 3.0, 1.0)]
    assert [0, 1, 3] == front_of(three, (False, False, False))
    assert [] == front_of([], (True, False))


@pytest.mark.parametrize(
    ("front", "knee"),
    [
        ([(0.9, 100.0), (0.85, 20.0), (0.5, 10.0)], 1),  # gives up little, and saves much
        ([(0.9, 100.0), (0.6, 90.0), (0.5, 10.0)], 0),  # a dent: the ends lie on the line, and it behind
        ([(0.9, 100.0), (0.5, 10.0)], 0),
        ([(0.9, 100.0)], 0),
    ],
)
def test_the_knee_lies_farthest_from_the_line_between_the_ends(front, knee):
    """Scaled to the front's ranges, and on the better side; of equal ones the better in the first objective."""
    assert knee == knee_of(front, (True, False))


def test_a_search_of_one_objective_is_what_it_was(sweep):
    """What it is weighed against is part of a search's identity, and nothing where there is nothing."""
    describe = DataResolver(lambda config: config.make_trainable().describe_data(config, None))
    several = [
        (),
        [Cost("parameters")],
        [Cost("flops")],
        [Objective(MINP, VAL)],
        [Cost("flops"), Cost("train_s")],
    ]
    ids = [find_search_id(weighed(against=one), describe, sweep.store()) for one in several]
    assert 5 == len(set(ids))


@pytest.mark.slow
def test_a_search_of_two_objectives_ends_in_a_front_and_its_knee(sweep):
    """Counted and measured values stand in the records, in Optuna's mirror and in the table."""
    search = weighed(num_trials=4, seeds=(0, 1), sampler=Random())
    result, _ = sweep(study_of(search))
    trials = trials_of(sweep, search)
    assert [(trial.value, 1000.0 * trial.params[WIDTH]) for trial in trials] == [it.values for it in trials]
    state = result.plan.searches["s", "rate"]
    front = front_of([trial.values for trial in trials], (True, False))
    assert state.best in [trials[place].params for place in front]
    first = max(trials, key=lambda trial: trial.value).params
    assert first == (state.best_in_first or state.best)
    (written,) = write_tables(result.plan, sweep.store()).tables
    text = to_markdown(written.table)
    assert "Parameters" in text
    assert "(knee)" in text or "knee)" in text
    assert f"Pareto front of mAP (val), % against Parameters: {len(front)} of 4 complete trials" in text
    assert "figures/rate/search-pareto.png" in written.figure_urls
    storage = optuna.storages.RDBStorage(sweep.storage)
    (name,) = [name for name in optuna.get_all_study_names(storage) if name.startswith("s/rate")]
    mirrored = optuna.load_study(study_name=name, storage=storage)
    assert [list(trial.values) for trial in trials] == [trial.values for trial in mirrored.trials]
    assert result.is_complete
    assert () == verify_store(sweep.store(), result.plan).faults


@pytest.mark.slow
def test_a_search_of_three_objectives_goes_on_as_it_would_have(sweep, tmp_path):
    """Stopped and gone on with, it suggests the same and measures the same."""
    search = weighed(
        num_trials=4, sampler=Tpe(2), against=[Objective(MINP, VAL), Cost("inference_parameters")]
    )
    sweep(study_of(search))
    other = ToySweep(tmp_path / "other")
    other.folder.parent.mkdir()
    other(study_of(search), backend=StopAfter(8))
    other(study_of(search))
    kept = [[(it.params, it.values) for it in trials_of(each, search)] for each in (sweep, other)]
    assert kept[0] == kept[1]
    assert {3} == {len(values) for _, values in kept[0]}


@pytest.mark.parametrize("sampler", [Tpe(2), Random()])
def test_a_sampler_learns_from_all_objectives(sampler):
    """Asked twice with equal records, it suggests the same; with other costs, one that learns suggests otherwise."""
    rising = [float(cost) for cost in range(12)]
    suggested = []
    for costs in (rising, rising, rising[::-1]):
        trials = [
            a_trial(number, {WIDTH: 1 + 5 * number, "learning_rate": 0.1}, 0.5, values=(0.5, cost))
            for number, cost in enumerate(costs)
        ]
        suggested.append(suggest(weighed(sampler=sampler), trials).params)
    assert suggested[0] == suggested[1]
    assert (suggested[0] == suggested[2]) == (sampler == Random())


@pytest.mark.slow
def test_seconds_of_training_are_those_of_the_record(sweep):
    """What a trial took is what its training's record says."""
    search = weighed(num_trials=2, against=[Cost("train_s")])
    sweep(study_of(search))
    for trial in trials_of(sweep, search):
        assert sweep.store().training(trial.training_id).record().train_wall_s == trial.values[1]


def some_result(points, **changes):
    trials = [
        a_trial(number, {WIDTH: number + 1, "learning_rate": 0.1}, values[0], values=values)
        for number, values in enumerate(points)
    ]
    return result_of(
        trials, **{"base": CountedToyConfig(), "space": SPACE, "against": [Cost("flops")], **changes}
    )


@pytest.mark.slow
def test_a_front_is_drawn_of_any_number_of_objectives():
    """One trial, equal ones and three objectives have their figure; equal records give equal bytes."""
    two = [(0.5, 1e6), (0.6, 3e6), (0.7, 9e8), (0.55, 2e8)]
    for points, against in (
        (two, [Cost("flops")]),
        (two[:1], [Cost("flops")]),
        ([two[0]] * 3, [Cost("flops")]),
        ([(*point, 3.0 - i) for i, point in enumerate(two)], [Cost("flops"), Objective(MINP, VAL)]),
    ):
        result = some_result(points, against=against)
        assert draw_pareto(result) == draw_pareto(result)
        assert draw_pareto(result)[0].startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"against": [Cost("flops"), Cost("flops")]}, "flops is given twice"),
        ({"against": [a_search().objective]}, "map is given twice"),
        ({"pruner": Halving()}, "Halving asks which trial is worse, and of several objectives none is"),
        ({"pruner": Wilcoxon(), "seeds": tuple(range(8))}, "Wilcoxon asks which trial is worse"),
        ({"base": a_search().base}, "the method toy cannot count its network for Cost"),
        ({"against": ["parameters"]}, "against"),
    ],
)  # fmt: skip
def test_what_cannot_be_weighed_is_refused(changes, fault):
    """A declaration says what is wrong with what its objective is weighed against."""
    with pytest.raises(ValueError, match=fault):
        weighed(**changes)


def test_a_cost_has_one_of_four_names():
    """A slip is told with what was meant."""
    with pytest.raises(ValueError, match="did you mean 'parameters'"):
        Cost("parameter")


def test_a_search_without_a_choice_of_sizes_has_a_front_too():
    """Where every trial costs the same, the front is the best of them."""
    search = weighed(space={"learning_rate": Choice((0.1, 0.2))})
    result = some_result([(0.5, 4.0), (0.6, 4.0)], space=search.space)
    assert [1] == [trial.number for trial in result.front]
    assert result.knee == result.front[0]
