"""Searches whose trials are several trainings: over seeds and data sets, left between them where they are worse."""

import dataclasses
import statistics

import pytest

from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.pruners import Halving, Median, Wilcoxon
from tablewright.orchestrator.declared.ranges import Choice, FloatRange
from tablewright.orchestrator.declared.samplers import Random
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.other_hands import OtherHands
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.searches.search_identity import find_search_id
from tablewright.orchestrator.searches.search_source import SearchSource
from tablewright.orchestrator.searches.search_state import read_search_state, read_trials
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.verify import verify_store
from tablewright.orchestrator.work import Outcome
from tests.orchestrator.toy_sweep import StopAfter, ToySweep, a_search
from tests.toy_method import ToyConfig

TOYS = (Dataset("Toy"), Dataset("Other", {"data_name": "othertoys"}))
SEEDS = (0, 1, 2)


@pytest.fixture
def sweep(tmp_path):
    return ToySweep(tmp_path)


def resolver(store=None):
    return DataResolver(lambda config: config.make_trainable().describe_data(config, None), store)


def source_of(sweep, search, max_open=1, others=None):
    store = sweep.store()
    return SearchSource("s", search, resolver(store), store, max_open=lambda: max_open, others=others)


def study_of(search):
    return Study("s", "S", "nowhere", (0,), searches=[search])


def trials_of(sweep, search):
    return read_trials(search, resolver(sweep.store()), sweep.store())


def searched(events):
    return [work.training_id for work in events.started if ": trial " in work.label]


def test_a_search_of_one_training_a_trial_is_what_it_was(tmp_path):
    """One data set in brackets, and the base's own seed named, are the search that says neither."""
    store = ToySweep(tmp_path).store()
    plain, same = a_search(), a_search(dataset=[Dataset("Toy")], seeds=(0,))
    several = [a_search(seeds=(0, 1)), a_search(seeds=(1, 0)), a_search(dataset=TOYS), a_search(seeds=(1,))]
    ids = [find_search_id(search, resolver(), store) for search in (plain, same, *several)]
    assert ids[0] == ids[1]
    assert 5 == len(set(ids))


@pytest.mark.slow
def test_the_value_of_a_trial_is_the_mean_over_seeds_and_data_sets(sweep):
    """Each trial is trained with every seed on every data set, once, and the best is that of the best mean."""
    search = a_search(seeds=(0, 1), dataset=TOYS, num_trials=3)
    result, events = sweep(study_of(search))
    trials = trials_of(sweep, search)
    assert [4] * 3 == [len(trial.parts) for trial in trials]
    places = [(part.dataset, part.seed) for part in trials[0].parts]
    assert [("Toy", 0), ("Other", 0), ("Toy", 1), ("Other", 1)] == places
    for trial in trials:
        assert statistics.fmean(part.value for part in trial.parts) == trial.value
    best = max(trials, key=lambda trial: trial.value)
    state = result.plan.searches["s", "rate"]
    assert (best.params, 12) == (state.best, len(state.recorded_ids))
    assert len(set(searched(events))) == len(searched(events))
    table = result.plan.tables["s", "rate"]
    assert ["Toy", "Other"] == [dataset.label for dataset in table.datasets]
    assert result.is_complete
    assert () == verify_store(sweep.store(), result.plan).faults


@pytest.mark.slow
def test_parts_that_a_table_has_trained_are_not_trained_again(sweep):
    """The declared row of its own table answers the parts of the first trial that it has."""
    search = a_search(seeds=(0, 1), num_trials=1)
    _, events = sweep(study_of(search))
    assert 2 == len({work.training_id for work in events.started})


def test_parts_fill_the_slots_that_there_are(sweep):
    """With three slots all of a trial of three runs at a time; with four the next trial begins beside it."""
    source = source_of(sweep, a_search(seeds=SEEDS), max_open=4)
    works = [source.next_work() for _ in range(5)]
    labels = [None if work is None else work.label for work in works]
    assert [f"rate: trial 0 [Toy] seed {seed}" for seed in SEEDS] == labels[:3]
    assert ["rate: trial 1 [Toy] seed 0", None] == labels[3:]
    source.on_end(works[1], Outcome("failed"))
    assert "rate: trial 1 [Toy] seed 1" == source.next_work().label


@pytest.mark.slow
def test_a_search_of_parts_that_was_stopped_ends_as_the_undisturbed_one(sweep, tmp_path):
    """Stopped within a part, the same trials get the same values."""
    search = a_search(seeds=(0, 1), num_trials=3)
    sweep(study_of(search))
    other = ToySweep(tmp_path / "other")
    other.folder.parent.mkdir()
    other(study_of(search), backend=StopAfter(10))
    other(study_of(search))
    kept = [
        [(it.params, it.state, it.value, it.parts) for it in trials_of(each, search)]
        for each in (sweep, other)
    ]
    assert kept[0] == kept[1]


def test_a_trial_of_which_a_part_fails_is_tried_once_more(sweep):
    """There is no mean over what is left: the trial fails, the next run makes it whole, or it fails for good."""
    search = a_search(seeds=SEEDS, num_trials=1)
    source = source_of(sweep, search, max_open=3)
    works = [source.next_work() for _ in SEEDS]
    source.on_end(works[1], Outcome("failed"))
    assert not source.is_finished()
    source.on_end(works[0], Outcome("failed"))
    source.on_end(works[2], Outcome("failed"))
    assert source.is_finished()
    again = source_of(sweep, search)
    work = again.next_work()
    assert works[0].training_id == work.training_id
    assert again.still_wants(work), "what the store has of it is how the last run left it"
    again.on_end(work, Outcome("failed"))
    assert again.next_work() is None
    (trial,) = trials_of(sweep, search)
    assert ("fail", 2, ["fail", "left", "left"]) == (
        trial.state,
        trial.num_failures,
        [part.state for part in trial.parts],
    )
    state = read_search_state(search, resolver(), sweep.store())
    assert (True, None, 1) == (state.is_finished, state.best, len(state.failed_ids))


def test_a_cancelled_part_gives_its_trial_up(sweep):
    """Nobody trains the others of a trial that has no mean."""
    search = a_search(seeds=SEEDS, num_trials=1)
    source = source_of(sweep, search)
    source.on_end(source.next_work(), Outcome("cancelled"))
    assert source.next_work() is None
    assert source.is_finished()
    assert source_of(sweep, search).is_finished()


def test_two_sweeps_on_one_store_share_the_parts_of_a_trial(sweep):
    """What another sweep has told of a trial is no longer wanted here, and no number is made twice."""
    search = a_search(seeds=(0, 1), num_trials=2)
    ours = source_of(sweep, search, others=OtherHands(sweep.store()))
    first = ours.next_work()
    theirs = source_of(sweep, search, others=OtherHands(sweep.store()))
    also = theirs.next_work()
    assert first.training_id == also.training_id, "nobody holds it, so both may ask for it"
    theirs.on_end(also, Outcome("cancelled"))
    assert not ours.still_wants(first)
    assert "fail" == ours.trials[0].state


def test_a_value_that_is_no_mean_of_its_parts_is_refused(sweep):
    """A record whose mean was changed by hand is damage that is named."""
    search = a_search(seeds=(0, 1), num_trials=1)
    assert source_of(sweep, search).next_work() is not None
    store = sweep.store()
    identity = find_search_id(search, resolver(), store)
    (trial,) = store.search_trials(identity)
    parts = tuple(part.model_copy(update={"state": "complete", "value": 0.5}) for part in trial.parts)
    told = trial.model_copy(update={"state": "complete", "value": 0.9, "parts": parts})
    store.write_search_trial(identity, told)
    with pytest.raises(DamagedFile, match="the mean of its trainings"):
        read_trials(search, resolver(), store)


class Valued(SearchSource):
    """A running search whose trainings are measured as a function says, without being made."""

    def measures(self, value_of):
        self._value_of = value_of
        return self

    def _measured(self, number, place=0):
        trial = self._trials[number]
        is_made = (number, place) not in self._at_work and trial.parts[place].training_id in self.made
        return self._value_of(trial.params["learning_rate"], trial.parts[place].seed) if is_made else None

    made = frozenset()

    def run(self, num_works):
        made = []
        while len(made) < num_works and (work := self.next_work()) is not None:
            made.append(work.training_id)
            self.made = frozenset({*self.made, work.training_id})
            self.on_end(work, Outcome("done"))
        return made


def valued(sweep, search):
    store = sweep.store()
    found = Valued("s", search, resolver(store), store, max_open=lambda: 1)
    return found.measures(lambda rate, seed: 0.9 - abs(rate - 0.1) + 0.001 * (seed * 7 % 5))


def wilcoxon_search(**changes):
    space = {"learning_rate": Choice((0.1, 0.2, 0.3, 0.4))}
    arguments = {"seeds": tuple(range(8)), "pruner": Wilcoxon(), "sampler": Random(), "num_trials": 4}
    return a_search(space=space, **{**arguments, **changes})


@pytest.mark.slow
def test_a_worse_trial_is_left_between_its_trainings(sweep):
    """With eight seeds and p = 0.1 what is worse with each is left after the fourth, and has no value."""
    source = valued(sweep, wilcoxon_search())
    source.run(100)
    trials = {trial.params["learning_rate"]: trial for trial in source.trials if not trial.is_answered}
    assert "complete" == trials[0.1].state
    worse = [trial for rate, trial in trials.items() if rate > 0.1]
    assert {"pruned"} == {trial.state for trial in worse}
    assert {4} == {sum(part.state == "complete" for part in trial.parts) for trial in worse}
    assert {None} == {trial.value for trial in worse}


@pytest.mark.slow
def test_a_search_that_leaves_trials_goes_on_as_it_would_have(sweep, tmp_path):
    """Taken up after any training, it makes the same ones and leaves the same trials."""
    whole = valued(sweep, wilcoxon_search())
    made = whole.run(100)
    (tmp_path / "other").mkdir()
    other, pieces = ToySweep(tmp_path / "other"), []
    while len(pieces) < len(made):
        source = valued(other, wilcoxon_search())
        source.made = frozenset(pieces)
        piece = source.run(3)
        assert piece, "nothing is left to be done too early"
        pieces += piece
    assert made == pieces
    told = [[(it.params, it.state, it.value, it.parts) for it in each.trials] for each in (whole, source)]
    assert told[0] == told[1]


def test_a_trial_that_may_be_left_makes_its_later_trainings_one_after_the_other(sweep):
    """The first may run at a time, as nothing is decided before; beside them other trials begin."""
    source = source_of(sweep, wilcoxon_search(sampler=Random()), max_open=5)
    labels = [source.next_work().label for _ in range(5)]
    assert [0, 0] == [int(label.split()[2]) for label in labels[:2]]
    assert all(int(label.split()[2]) > 0 for label in labels[2:])


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"seeds": (0, 0)}, "seed '0' is given twice"),
        ({"seeds": (1, 2), "base": ToyConfig(seed=5)}, "it sets seed to 5, but every trial is trained with"),
        ({"dataset": []}, "name the data set to search on"),
        ({"dataset": [Dataset("Toy"), Dataset("Toy", {"epochs": 2})]}, "label 'Toy' is given twice"),
        (
            {"dataset": [Dataset("A"), Dataset("B", {"learning_rate": 0.2})]},
            "the data sets declare different values of it, None, 0.2",
        ),
        ({"seeds": SEEDS, "pruner": Median()}, "Median ends one training between its epochs"),
        ({"dataset": TOYS, "pruner": Halving()}, "take Wilcoxon()"),
        ({"pruner": Wilcoxon()}, "name seeds=… or several data sets"),
        ({"seeds": SEEDS, "pruner": Wilcoxon()}, "with 4 pairs at the earliest"),
        ({"dataset": [Dataset("A"), Dataset("B", {"epoch": 2})]}, "epoch"),
    ],
)
def test_trials_of_which_there_is_no_mean_are_refused(changes, fault):
    """A declaration says what is wrong with its seeds, data sets and pruner."""
    with pytest.raises(ValueError, match=fault.replace("(", r"\(").replace(")", r"\)")):
        a_search(**changes)


def test_a_study_of_some_data_sets_leaves_out_a_search_over_others_too():
    """A mean over fewer data sets would be another search."""
    study = study_of(a_search(dataset=TOYS))
    assert study.with_datasets(["Toy"]) is None
    assert ["rate"] == [search.name for search in study.with_datasets(["Toy", "Other"]).searches]
    assert ("Toy", "Other") == study.dataset_labels


def test_what_is_suggested_is_tried_on_every_data_set():
    """A range that only one of the data sets takes is refused when it is declared."""
    wrong = dataclasses.replace(TOYS[1], changes={"network.attention": None})
    with pytest.raises(ValueError, match="num_attentions"):
        a_search(dataset=[TOYS[0], wrong], space={"network.attention.num_attentions": FloatRange(0.1, 1)})
