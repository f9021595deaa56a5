"""Searches that begin from what is known: first points, other searches, rows that are recorded, studies of Optuna."""

import dataclasses
import re

import optuna
import pytest

from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.declared.ranges import Choice, FloatRange, IntRange, When
from tablewright.orchestrator.declared.samplers import CmaEs, Nsga2, Random, Tpe
from tablewright.orchestrator.declared.search import Objective
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.declared.teacher import OptunaStudy
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.searches.learning import learn
from tablewright.orchestrator.searches.search_identity import find_search_id
from tablewright.orchestrator.searches.search_result import search_result
from tablewright.orchestrator.searches.search_state import read_search_state
from tablewright.orchestrator.searches.suggester import Suggester
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.search_records import LearntTrials, SearchTrialRecord
from tablewright.orchestrator.verify import verify_store
from tablewright.orchestrator.work import Outcome
from tablewright.reports.notes.search_note import search_notes
from tests.orchestrator.searches.test_search import FACTS, open_source
from tests.orchestrator.toy_sweep import VAL, ToySweep, a_search, a_study
from tests.toy_method import ToyConfig

RATE, WIDTH = "learning_rate", "network.embedding_size"
SPACE = {RATE: FloatRange(0.05, 0.45), WIDTH: IntRange(2, 64)}


@pytest.fixture
def sweep(tmp_path):
    return ToySweep(tmp_path)


def resolver_of(store):
    return DataResolver(lambda config: FACTS, store)


def learnt_by(search, sweep):
    return learn(search, resolver_of(sweep.store()), sweep.store())


def of_optuna(folder, trials, *, name="theirs", direction="maximize"):
    """A database as somebody's own program leaves it."""
    url = f"sqlite:///{folder}/theirs.db"
    study = optuna.create_study(storage=url, study_name=name, direction=direction)
    distributions = {
        "lr": optuna.distributions.FloatDistribution(0.01, 0.9),
        WIDTH: optuna.distributions.IntDistribution(1, 128),
        "wheels": optuna.distributions.IntDistribution(1, 4),
    }
    for params, value in trials:
        known = {path: distributions[path] for path in params}
        study.add_trial(optuna.create_trial(params=params, distributions=known, value=value))
    return url


# -- first points


def test_first_points_are_tried_after_the_declared_config(sweep):
    """What a point leaves out is as declared; one that is the declared config once more is not repeated."""
    search = a_search(space=SPACE, begin_with=[{RATE: 0.3}, {RATE: 0.1, WIDTH: 4}, {WIDTH: 32}], num_trials=4)
    source = open_source(sweep.store(), search)
    while (work := source.next_work()) is not None:
        source.on_end(work, Outcome("pruned"))
    declared, *points = [trial.params for trial in source.trials]
    assert {RATE: 0.1, WIDTH: 4} == declared
    assert [{RATE: 0.3, WIDTH: 4}, {RATE: 0.1, WIDTH: 32}] == points[:2]
    assert 4 == len(source.trials)


SWITCHED = {
    "epochs": Choice((2, 3)),
    WIDTH: When("epochs", (2,), IntRange(8, 64)),
    RATE: FloatRange(0.05, 0.45),
}


@pytest.mark.parametrize(
    ("space", "point", "fault"),
    [
        (SPACE, {"learning_rat": 0.2}, "learning_rat is not searched; did you mean 'learning_rate'?"),
        (
            SPACE,
            {RATE: 2.0},
            "begin_with[0]: it gives learning_rate = 2.0, which lies outside FloatRange(low=0.05",
        ),
        (SPACE, {WIDTH: "wide"}, "network.embedding_size = 'wide', which lies outside IntRange"),
        (SWITCHED, {WIDTH: 8}, "network.embedding_size is searched only where epochs is 2; take it out"),
        (
            SWITCHED,
            {"epochs": 2},
            "it leaves out a value, and declared is network.embedding_size = 4, which lies",
        ),
    ],
)
def test_a_first_point_that_is_none_of_the_space_is_refused(space, point, fault):
    """A misspelt path, a value outside its range or under a condition that does not hold are told when declared."""
    with pytest.raises(ValueError, match=re.escape(fault)):
        a_search(space=space, begin_with=[point])


def test_what_a_search_begins_with_is_part_of_its_id(sweep):
    """It decides what is suggested; a search that begins with nothing has the id that it had."""
    plain = a_search(space=SPACE)
    searches = [
        plain,
        dataclasses.replace(plain, begin_with=[{RATE: 0.3}]),
        dataclasses.replace(plain, learns_from=[a_search(space={RATE: FloatRange(0.01, 0.9)})]),
        dataclasses.replace(plain, learns_from=[a_study([Row("base")]).ablations[0]]),
        dataclasses.replace(plain, learns_from=[OptunaStudy("sqlite:///a.db", "theirs")]),
        dataclasses.replace(plain, learns_from=[OptunaStudy("sqlite:///a.db", "theirs", {"lr": RATE})]),
    ]
    store = sweep.store()
    assert 6 == len({find_search_id(search, resolver_of(store), store) for search in searches})


# -- another search


def with_trials(search, sweep, trials):
    """Give a store in which a search has made trials with these values."""
    store = sweep.store()
    identity = find_search_id(search, resolver_of(store), store)
    for number, (params, value) in enumerate(trials):
        training_id = resolver_of(store).resolve(search.trial_config(params)).training_id
        trial = SearchTrialRecord(
            number=number,
            params=params,
            training_id=training_id,
            state="complete" if value else "pruned",
            value=value,
        )
        assert store.create_search_trial(identity, trial)


def test_a_search_learns_the_trials_of_another_that_fit(sweep):
    """Those of a wider space whose values this one has; a path that the other does not search is as declared."""
    wider = a_search(
        name="wider", space={RATE: FloatRange(0.01, 0.9), "epochs": IntRange(2, 5)}, num_trials=9
    )
    made = [({RATE: 0.2, "epochs": 3}, 0.7), ({RATE: 0.8, "epochs": 3}, 0.9), ({RATE: 0.3, "epochs": 5}, 0.8)]
    with_trials(wider, sweep, [*made, ({RATE: 0.4, "epochs": 3}, None)])
    learnt = learnt_by(a_search(space=SPACE, learns_from=[wider]), sweep)
    assert [({RATE: 0.2, WIDTH: 4}, 0.7)] == [(trial.params, trial.value) for trial in learnt.trials]
    (line,) = learnt.lines
    assert line.startswith(
        "1 complete trials of search wider (2 do not fit: learning_rate = 0.8 lies outside"
    )
    assert "epochs is 5 there and 3 here, and is not searched" in line


@pytest.mark.parametrize("sampler", [Tpe(), CmaEs(5), Nsga2(4)], ids=str)
def test_what_was_learnt_teaches_and_is_none_of_its_trials(sampler):
    """The first suggestions lie where the learnt ones were good; the best is one of the search's own."""
    search = a_search(space=SPACE, sampler=sampler, num_trials=20)
    values = [({RATE: 0.05 + 0.01 * number, WIDTH: 10 + number}, -abs(number - 30)) for number in range(40)]
    learnt = {"lines": ["40"], "trials": [{"params": params, "value": value} for params, value in values]}
    drawn = []
    for taught in (LearntTrials.model_validate(learnt), None):
        suggester = Suggester(search, learnt=taught)
        suggester.take(suggester.suggested().model_copy(update={"training_id": "a" * 64}))
        suggester.told(0, "complete", -30.0)
        for number in range(1, 6):
            suggester.take(suggester.suggested().model_copy(update={"training_id": f"{number:064x}"}))
            suggester.told(number, "complete", -30.0)
        drawn.append([abs(trial.params[RATE] - 0.35) for trial in suggester.in_order[1:]])
        assert 6 == len(suggester.trials)
    taught, untaught = map(sum, drawn)
    assert taught < untaught


def test_a_search_learns_once_and_goes_on_with_that(sweep):
    """What was learnt is kept with the search: what the other search does later changes nothing, and it is told."""
    wider = a_search(name="wider", space={RATE: FloatRange(0.01, 0.9)}, num_trials=9)
    with_trials(wider, sweep, [({RATE: 0.2}, 0.7)])
    search = a_search(space=SPACE, learns_from=[wider], num_trials=3)
    store = sweep.store()
    source = open_source(store, search)
    source.on_end(source.next_work(), Outcome("pruned"))
    other_id = find_search_id(wider, resolver_of(store), store)
    (only,) = store.search_trials(other_id)
    store.create_search_trial(other_id, only.model_copy(update={"number": 1}))
    assert 1 == len(open_source(store, search)._what_was_learnt().trials)
    state = read_search_state(search, resolver_of(store), store)
    assert "; learnt from 1 complete trials of search wider" in str(state)
    assert 1 == state.num_made
    _, note, *_ = search_notes(search_result(search, state))
    assert (
        "Its sampler had learnt from 1 complete trials of search wider, which are none of these trials."
        == note
    )


@pytest.mark.parametrize("harm", ["delete", "cut"])
def test_a_file_of_what_was_learnt_that_is_lost_is_missed(sweep, harm):
    """A search does not go on as if it had learnt nothing: it is refused by the file's name, and --verify tells it."""
    wider = a_search(name="wider", space={RATE: FloatRange(0.01, 0.9)}, num_trials=9)
    with_trials(wider, sweep, [({RATE: 0.2}, 0.7)])
    search, store = a_search(space=SPACE, learns_from=[wider], num_trials=3), sweep.store()
    source = open_source(store, search)
    source.on_end(source.next_work(), Outcome("pruned"))
    file = store.root.local_path / f"searches/{source.search_id}/learnt.json"
    file.unlink() if harm == "delete" else file.write_text(file.read_text()[:40])
    fault = read_search_state(search, resolver_of(sweep.store()), sweep.store()).fault
    assert "learnt.json" in fault
    assert ["learnt.json" in told for told in verify_store(sweep.store()).faults] == [True] * (harm == "cut")
    with pytest.raises(DamagedFile, match=re.escape("learnt.json")):
        open_source(sweep.store(), search)


def test_a_search_that_has_nothing_to_teach_is_refused(sweep):
    """Before anything trains: one that has not run, and one whose trials are all of another recipe."""
    wider = a_search(name="wider", space={RATE: FloatRange(0.01, 0.9)}, num_trials=9)
    with pytest.raises(
        ValueError, match="0 complete trials of search wider, which is nothing; run wider before"
    ):
        open_source(sweep.store(), a_search(space=SPACE, learns_from=[wider]))
    longer = dataclasses.replace(wider, base=ToyConfig(epochs=5))
    with_trials(longer, sweep, [({RATE: 0.2}, 0.7)])
    with pytest.raises(ValueError, match=re.escape("(1 do not fit: epochs is 5 there and 3 here")):
        open_source(sweep.store(), a_search(space=SPACE, learns_from=[longer]))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"space": {"epochs": IntRange(2, 4)}}, "search other searches epochs, and this one learning_rate"),
        ({"dataset": Dataset("Other", {"data_name": "corrupt"})}, "measures otherwise, or on other data"),
        ({"objective": "rank1"}, "makes rank1 (higher is better) better, and this one map"),
    ],
)
def test_a_search_that_measures_something_else_teaches_nothing(changes, fault):
    """Another metric, other data and another space are told when the search is declared."""
    if changes.get("objective") == "rank1":
        rank1 = next(metric for metric in VAL.metrics if metric.name == "rank1")
        changes = {"objective": Objective(rank1, VAL)}
    other = a_search(name="other", **changes)
    with pytest.raises(ValueError, match=re.escape(fault)):
        a_search(learns_from=[other])


# -- rows of an ablation


@pytest.mark.slow
def test_recorded_rows_of_a_table_teach_once_they_are_measured_on_val(sweep):
    """They are measured, not trained, by the first suggestions; a row of another recipe does not fit."""
    rows = [Row("declared"), Row("wide", {WIDTH: 16}), Row("plain", {"network.attention": None})]
    table = a_study(rows)
    sweep(table)
    search = a_search(space=SPACE, learns_from=table.ablations, num_trials=3, sampler=Random())
    learnt = learnt_by(search, sweep)
    assert [{RATE: 0.1, WIDTH: 4}, {RATE: 0.1, WIDTH: 16}] == list(learnt.points)
    assert "network.attention" in learnt.lines[0]
    _, events = sweep(Study("s", "S", "nowhere", (0,), searches=[search]))
    source = open_source(sweep.store(), search)
    assert [True, True, False, False] == [trial.is_answered for trial in source.trials]
    assert all(trial.value is not None for trial in source.trials)
    trained = {label for label, _ in events.epochs}
    assert {"rate: trial 2", "rate: trial 3"} == {label for label in trained if ": trial " in label}
    later = dataclasses.replace(search, name="later", sampler_seed=1)
    assert [WIDTH in trial.params for trial in learnt_by(later, sweep).trials] == [True, True]


# -- a study of Optuna


@pytest.mark.slow
def test_a_study_that_somebody_made_with_optuna_teaches(sweep, tmp_path):
    """By their names of parameters; what they tried outside the ranges, or knows nothing of a path, does not fit."""
    trials = [({"lr": 0.2, WIDTH: 8}, 0.6), ({"lr": 0.8, WIDTH: 8}, 0.5), ({"lr": 0.3}, 0.7)]
    url = of_optuna(tmp_path, [*trials, ({"lr": 0.2, WIDTH: 8, "wheels": 3}, 0.1)])
    search = a_search(space=SPACE, learns_from=[OptunaStudy(url, "theirs", {"lr": RATE})])
    learnt = learnt_by(search, sweep)
    assert [({RATE: 0.2, WIDTH: 8}, 0.6)] == [(trial.params, trial.value) for trial in learnt.trials]
    (line,) = learnt.lines
    assert "nothing is known of network.embedding_size" in line
    assert "wheels names no field of ToyConfig" in line


def test_a_study_of_optuna_is_needed_once(sweep, tmp_path):
    """Its database may go once the search has begun."""
    url = of_optuna(tmp_path, [({WIDTH: 8}, 0.6)])
    search = a_search(space={WIDTH: IntRange(2, 64)}, learns_from=[OptunaStudy(url, "theirs")])
    open_source(sweep.store(), search)
    (tmp_path / "theirs.db").unlink()
    assert 1 == len(open_source(sweep.store(), search)._what_was_learnt().trials)


@pytest.mark.parametrize(
    ("study", "fault"),
    [
        (OptunaStudy("sqlite:///{folder}/absent.db", "theirs"), "there is no file"),
        (OptunaStudy("sqlite:///{folder}/theirs.db", "their"), "is not there; did you mean 'theirs'?"),
        (OptunaStudy("sqlite:///{folder}/text.db", "theirs"), "cannot be opened (DatabaseError"),
        (OptunaStudy("nosql://user:secret@host/db", "theirs"), "cannot be opened (NoSuchModuleError"),
        (
            OptunaStudy("sqlite:///{folder}/theirs.db", "losses"),
            "is told to minimize, and this search to maximize",
        ),
        (
            OptunaStudy("sqlite:///{folder}/theirs.db", "theirs"),
            "nothing is known of learning_rate, and lr is not searched",
        ),
    ],
)
def test_a_study_of_optuna_that_cannot_teach_is_told_in_words(sweep, tmp_path, study, fault):
    """Before anything trains, without a password, and without a database being made where there was none."""
    url = of_optuna(tmp_path, [({"lr": 0.2}, 0.6)])
    optuna.create_study(storage=url, study_name="losses", direction="minimize")
    (tmp_path / "text.db").write_text("no database " * 100)
    files = sorted(tmp_path.iterdir())
    teacher = dataclasses.replace(study, url=study.url.format(folder=tmp_path))
    with pytest.raises(ValueError, match=re.escape(fault)) as told:
        learnt_by(a_search(learns_from=[teacher], space={RATE: FloatRange(0.05, 0.45)}), sweep)
    assert "secret" not in str(told.value)
    assert files == [path for path in sorted(tmp_path.iterdir()) if path != sweep.folder]
