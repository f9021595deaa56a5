"""One search of two sweeps: what each does with what the other has heard, promoted or left behind."""

import pytest

from tablewright.orchestrator.declared.pruners import Halving
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.other_hands import OtherHands, is_left_to_others
from tablewright.orchestrator.plans.planning import plan_as_recorded
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.searches.search_source import SearchSource
from tablewright.orchestrator.store.claims import Claims, training_claim
from tablewright.orchestrator.work import Outcome, Progress
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.run import EpochReport, Runtime
from tests.orchestrator.toy_sweep import ToySweep, a_search
from tests.toy_method import ToyConfig

FACTS = DatasetFacts("toyset", "Toyset", "f" * 64, True, {"train": 10})
SEARCH = a_search(num_trials=3, base=ToyConfig(epochs=9), pruner=Halving(first_epoch=1, factor=3))


class Sweeps:
    """A store, and the search as each sweep has it."""

    def __init__(self, folder):
        self.store = ToySweep(folder).store()

    def opened(self):
        resolver = DataResolver(lambda config: FACTS, self.store)
        others = OtherHands(self.store)
        return SearchSource("s", SEARCH, resolver, self.store, max_open=lambda: 3, others=others)

    def trial(self, number):
        (identity,) = self.store.search_ids()
        return self.store.search_trial(identity, number)

    def change(self, number, **what):
        (identity,) = self.store.search_ids()
        self.store.write_search_trial(identity, self.trial(number).model_copy(update=what))


@pytest.fixture
def sweeps(tmp_path):
    return Sweeps(tmp_path)


def tell(source, work, epoch, value):
    return source.on_progress(work, Progress(EpochReport(epoch, 9, {}, 0.1), {}, value))


def test_what_another_sweep_has_heard_of_a_trial_is_kept(sweeps):
    """Whoever goes on with it knows its values and how far it may train, and writes neither over."""
    ours = sweeps.opened()
    works = [ours.next_work() for _ in range(3)]
    theirs = sweeps.opened()  # every trial is running, and none has told anything
    for number, work in enumerate(works):
        assert "pause" == tell(ours, work, 1, 0.1 * (number + 1))
        ours.on_end(work, Outcome("paused"))
    assert works[2].training_id == ours.next_work().training_id
    assert works[2].training_id == theirs.next_work().training_id
    assert "go on" == tell(theirs, works[2], 2, 0.4)
    assert {1: pytest.approx(0.3), 2: 0.4} == sweeps.trial(2).intermediate_values
    assert 3 == sweeps.trial(2).until_epoch


def test_a_sweep_does_not_end_what_another_has_let_go_on(sweeps):
    """It looks again before it takes a search for over, and removes no state that is needed."""
    for work in [(source := sweeps.opened()).next_work()] + [source.next_work() for _ in range(2)]:
        tell(source, work, 1, 0.1)
        source.on_end(work, Outcome("paused"))
    sweeps.change(0, state="complete", value=0.9, intermediate_values=dict.fromkeys(range(1, 10), 0.9))
    ours = sweeps.opened()
    sweeps.change(1, state="running", until_epoch=3)
    ours.next_work()
    assert not ours.is_finished()
    assert ["complete", "running", "paused"] == [sweeps.trial(number).state for number in range(3)]
    sweeps.change(1, state="paused", intermediate_values={1: 0.1, 2: 0.1, 3: 0.1})
    ours = sweeps.opened()
    assert ours.next_work() is None
    assert ours.is_finished()
    assert ["complete", "pruned", "pruned"] == [sweeps.trial(number).state for number in range(3)]


def test_nothing_is_decided_about_a_training_that_another_sweep_is_at(sweeps):
    """What it has told on disk, its own sweep may not have heard yet; once it is left, whoever comes decides."""
    ours = sweeps.opened()
    works = [ours.next_work() for _ in range(3)]
    for number, work in enumerate(works):
        told = EpochReport(1, 9, {SEARCH.objective.watched_name: 0.1 * (number + 1)}, 0.1)
        sweeps.store.training(work.training_id).write_epochs([told])
    held = Claims(sweeps.store).held
    with held(training_claim(works[0].training_id)), held(training_claim(works[1].training_id)):
        theirs = sweeps.opened()
        assert {works[0].training_id, works[1].training_id} == {
            theirs.next_work().training_id for _ in range(2)
        }
        assert ["running", "running", "paused"] == [sweeps.trial(number).state for number in range(3)]
    assert works[2].training_id == sweeps.opened().next_work().training_id
    assert ["paused", "paused", "running"] == [sweeps.trial(number).state for number in range(3)]


@pytest.mark.parametrize("late", ["an epoch", "a rung"])
def test_the_end_of_a_trial_stays_whatever_a_slow_sweep_tells_later(sweeps, late):
    """Its training is measured, which another sweep has told, before its own one has heard of the last epoch."""
    ours = sweeps.opened()
    work = ours.next_work()
    tell(ours, work, 1, 0.5)
    theirs = sweeps.opened()
    theirs._tell(0, "complete", 0.9)
    ended = sweeps.trial(0)
    if late == "an epoch":
        tell(ours, work, 2, 0.6)
    else:
        ours.on_end(work, Outcome("paused"))
    assert ended == sweeps.trial(0)
    assert "complete" == ended.state


def test_a_trial_that_another_sweep_has_let_go_on_is_not_laid_to_rest_by_a_slow_one(sweeps):
    """Both saw it rest at a rung; the one that tells so last would take it from those who are at it."""
    ours = sweeps.opened()
    works = [ours.next_work() for _ in range(3)]
    for number, work in enumerate(works):
        tell(ours, work, 1, 0.1 * (number + 1))
    theirs = sweeps.opened()
    assert works[2].training_id == theirs.next_work().training_id
    assert ("running", 3) == (sweeps.trial(2).state, sweeps.trial(2).until_epoch)
    ours.on_end(works[2], Outcome("paused"))
    assert "running" == sweeps.trial(2).state
    assert not ours.is_finished()


@pytest.mark.slow
def test_a_search_is_closed_by_one_sweep_at_a_time(sweeps):
    """While another lets trials go on, or ends them, nothing is decided here, and the search is not over."""
    for work in [(source := sweeps.opened()).next_work()] + [source.next_work() for _ in range(2)]:
        tell(source, work, 1, 0.1)
        source.on_end(work, Outcome("paused"))
    ours = sweeps.opened()
    with OtherHands(sweeps.store).held(f"search-{ours.search_id}"):
        assert ours.next_work() is None
        assert not ours.is_finished()
    assert ours.next_work() is not None


def test_an_agent_leaves_a_search_to_those_who_are_at_it(sweeps, tmp_path):
    """What rests at rungs is nothing for it to do, and nothing that it has failed in, while somebody trains."""
    source = sweeps.opened()
    work = source.next_work()
    study = Study("s", "S", "nowhere", (0,), searches=[SEARCH])
    plan = plan_as_recorded([study], sweeps.store, Runtime(None, str(tmp_path / "cache")))
    assert not is_left_to_others(plan, (), sweeps.store)
    with Claims(sweeps.store).held(training_claim(work.training_id)):
        assert is_left_to_others(plan, (), sweeps.store)


@pytest.mark.slow
def test_a_trial_whose_sweep_was_killed_before_its_record_was_written_is_recorded(tmp_path):
    """Its training is measured then, and not done: it is no answer until it has a record."""
    sweep, study = ToySweep(tmp_path), Study("s", "S", "nowhere", (0,), searches=[a_search(num_trials=3)])
    sweep(study)
    (identity,) = sweep.store().search_ids()
    # The best one is the row of a table too, which alone would train it.
    trial = min(sweep.store().search_trials(identity)[1:], key=lambda trial: trial.value)
    sweep.store().root.remove_files(f"trainings/{trial.training_id}/record.json")
    left = trial.model_copy(update={"state": "running", "value": None})
    sweep.store().reopen_search_trial(identity, left)
    sweep(study)
    assert sweep.store().training(trial.training_id).is_done()
    assert (trial.state, trial.value) == (
        sweep.store().search_trial(identity, trial.number).state,
        sweep.store().search_trial(identity, trial.number).value,
    )
