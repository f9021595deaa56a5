"""Searches on the inline backend: what is suggested, what counts, and what a table of them says."""

import dataclasses
import json

import pytest

from tablewright.orchestrator.declared.pruners import Halving, Hyperband
from tablewright.orchestrator.declared.ranges import Choice, FloatRange, IntRange, When
from tablewright.orchestrator.declared.samplers import Gp, Random, Tpe
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.searches.search_identity import find_search_id
from tablewright.orchestrator.searches.search_result import search_result
from tablewright.orchestrator.searches.search_source import SearchSource
from tablewright.orchestrator.searches.search_state import read_search_state
from tablewright.orchestrator.searches.suggester import Suggester
from tablewright.orchestrator.store.search_records import SearchTrialRecord
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.work import Outcome
from tablewright.reports.notes.search_note import search_notes
from tablewright.trainables.contract.data import DatasetFacts
from tests.orchestrator.toy_sweep import StopAfter, ToySweep, a_search
from tests.toy_method import ToyConfig

BY_EARLIER_DEFAULT = "003df1f87383ba8a6939b5f1166d05f5bd34cf2282884624a9a877d3a53e4794"
"""Of `a_search()` in the versions whose default was `Tpe()`."""

FACTS = DatasetFacts("toyset", "Toyset", "f" * 64, True, {"train": 10})


@pytest.fixture
def sweep(tmp_path):
    return ToySweep(tmp_path)


def a_search_study(**changes):
    return Study("s", "S", "nowhere", (0,), searches=[a_search(**changes)])


def searched(events):
    """Labels of the search's own trainings."""
    return [work.label for work in events.started if ": trial " in work.label]


def open_source(store, search, max_open=1):
    return SearchSource(
        "s", search, DataResolver(lambda config: FACTS, store), store, max_open=lambda: max_open
    )


@pytest.mark.slow
def test_a_search_ends_in_a_table_on_test(sweep):
    """The best of a search on `val` is trained with every seed and stands beside the declared config."""
    study = Study("s", "S", "nowhere", (0, 1), searches=[a_search()])
    result, _ = sweep(study)
    assert result.is_complete
    labels = [(cell.row, cell.seed) for cell in result.plan.cells]
    assert labels == [("declared", 0), ("best of 6 trials", 0), ("declared", 1), ("best of 6 trials", 1)]
    best = next(cell for cell in result.plan.cells if cell.row != "declared")
    assert result.plan.trainings[best.training_id].config.learning_rate > 0.1


@pytest.mark.slow
def test_a_finished_search_is_not_made_again(sweep):
    """A second run of a search suggests nothing and trains nothing."""
    study = Study("s", "S", "nowhere", (0,), searches=[a_search()])
    sweep(study)
    _, events = sweep(study)
    assert events.started == []


@pytest.mark.parametrize("sampler", [Tpe(), Random()])
def test_every_seed_of_a_sampler_is_taken(tmp_path, sampler):
    """What a declaration allows is no number that the generators of Optuna refuse."""
    search = a_search(sampler=sampler, sampler_seed=2**32 - 1, num_trials=3)
    source = open_source(ToySweep(tmp_path).store(), search, max_open=3)
    assert 3 == len([work for _ in range(3) if (work := source.next_work()) is not None])


def test_a_search_that_declares_no_sampler_has_the_one_that_suits_its_space():
    """A Gaussian process, or TPE where a parameter is conditional; what is declared is what searches."""
    conditional = {
        "network.attention.guidance": Choice((True, False)),
        "epochs": When("network.attention.guidance", (True,), IntRange(2, 9)),
    }
    assert Gp() == a_search().chosen_sampler
    assert Tpe() == a_search(space=conditional).chosen_sampler
    assert Random() == a_search(space=conditional, sampler=Random()).chosen_sampler
    with pytest.raises(
        ValueError, match=r"Gp knows no conditional parameters, and epochs is one; Tpe\(\) and Random"
    ):
        a_search(space=conditional, sampler=Gp())


def test_a_search_goes_on_with_what_the_default_of_an_earlier_version_has_begun(tmp_path):
    """It is told by which sampler; a search that declares another one is another search, also in such a store."""
    store, resolver = ToySweep(tmp_path).store(), DataResolver(lambda config: FACTS)
    in_new_store = [
        find_search_id(a_search(sampler=one), resolver, store) for one in (None, Gp(), Tpe(), Tpe(5))
    ]
    assert in_new_store[0] == in_new_store[1]
    assert 3 == len({*in_new_store} - {BY_EARLIER_DEFAULT})
    trial = Suggester(a_search()).suggested()
    identity = resolver.resolve(a_search().trial_config(trial.params)).training_id
    store.create_search_trial(BY_EARLIER_DEFAULT, trial.model_copy(update={"training_id": identity}))
    for sampler in (None, Tpe()):
        assert BY_EARLIER_DEFAULT == find_search_id(a_search(sampler=sampler), resolver, store)
    for sampler in (Gp(), Tpe(5), Random()):
        assert BY_EARLIER_DEFAULT != find_search_id(a_search(sampler=sampler), resolver, store)
    state = read_search_state(a_search(), resolver, store)
    assert str(state).endswith("; begun by Tpe(num_startup_trials=10), the default of an earlier version")
    assert (
        "Its trials were suggested by Gp(num_startup_trials=10), after Tpe(num_startup_trials=10) had begun it in an "
        "earlier version." == [*search_notes(search_result(a_search(), state))][-1]
    )
    assert read_search_state(a_search(sampler=Tpe()), resolver, store).begun_by is None


@pytest.mark.slow
def test_whole_numbers_are_searched_by_their_logarithm(tmp_path):
    """Half of the suggestions lie below the geometric mean of the ends, far below the middle."""
    space = {"network.embedding_size": IntRange(1, 10_000, log=True)}
    search = a_search(space=space, num_trials=40, sampler=Random())
    source = open_source(ToySweep(tmp_path).store(), search, max_open=40)
    while source.next_work() is not None:
        pass
    sizes = sorted(trial.params["network.embedding_size"] for trial in source.trials)
    assert sizes[len(sizes) // 2] < 1_000
    plain = a_search(space={"network.embedding_size": IntRange(1, 10_000)}, sampler=Random())
    resolver, store = DataResolver(lambda config: FACTS), Store(str(tmp_path))
    assert find_search_id(search, resolver, store) != find_search_id(plain, resolver, store)


def test_steps_of_real_numbers_are_suggested_as_they_are_written(tmp_path):
    """A record has 0.15 and not 0.15000000000000002; a range without steps keeps the id that it had."""
    space = {"learning_rate": FloatRange(0.05, 0.95, step=0.05)}
    search, store = a_search(space=space, num_trials=8, sampler=Tpe(2)), ToySweep(tmp_path).store()
    source = open_source(store, search)
    for _ in range(8):
        source.on_end(source.next_work(), Outcome("pruned"))
    assert all(len(repr(trial.params["learning_rate"])) <= 4 for trial in source.trials)
    plain = a_search(space={"learning_rate": FloatRange(0.05, 0.95)})
    resolver = DataResolver(lambda config: FACTS)
    assert find_search_id(search, resolver, store) != find_search_id(plain, resolver, store)


@pytest.mark.slow
def test_an_equal_suggestion_is_answered_from_the_store(sweep):
    """A space of two configs costs two trainings however many trials are asked for."""
    search = a_search(space={"learning_rate": Choice((0.1, 0.2))}, num_trials=5, sampler=Random())
    _, events = sweep(Study("s", "S", "nowhere", (0,), searches=[search]))
    assert len({work.training_id for work in events.started}) == 2


@pytest.mark.slow
def test_a_stopped_search_is_no_filled_table(sweep):
    """Ctrl-C in a search leaves a hole that says how far it is, and the next run fills it."""
    study = a_search_study(num_trials=4)
    result, events = sweep(study, backend=StopAfter(4))  # in the second suggestion
    assert result.was_stopped
    assert not result.is_complete
    (waiting,) = [row for row in result.plan.tables["s", "rate"].printed_rows if row.waits_for]
    assert "2 of 4 trials made" in waiting.waits_for
    assert "best of the search" == waiting.label
    result, again = sweep(study)
    assert result.is_complete
    assert 4 == len(set(searched(events)) | set(searched(again)))


@pytest.mark.slow
def test_a_search_that_goes_on_suggests_what_it_would_have(sweep, tmp_path):
    """Stopping and going on, with Optuna's database deleted in between, changes no suggestion."""
    study = a_search_study(num_trials=8)
    sweep(study)
    other = ToySweep(tmp_path / "other")
    other.folder.parent.mkdir()
    other(study, backend=StopAfter(13))
    (tmp_path / "other/optuna.db").unlink()
    other(study)
    params = [[trial.params for trial in trials_of(each, study)] for each in (sweep, other)]
    assert 8 == len(params[0])
    assert params[0] == params[1]


def trials_of(sweep, study):
    (search,) = study.searches
    return open_source(sweep.store(), search).trials


@pytest.fixture
def broken_machine(monkeypatch):
    """Every training of a suggestion fails while its list is not empty."""
    faults = []
    fit = type(ToyConfig().make_trainable()).fit

    def fit_or_fail(self, config, runtime, checkpoints, hooks):
        if faults and config.learning_rate != ToyConfig().learning_rate:
            raise RuntimeError(faults[0])
        return fit(self, config, runtime, checkpoints, hooks)

    monkeypatch.setattr(type(ToyConfig().make_trainable()), "fit", fit_or_fail)
    return faults


@pytest.mark.slow
def test_suggestions_that_failed_are_tried_again_in_the_next_run(sweep, broken_machine):
    """A fault of the machine does not end in a best of one trial: the next run trains what failed."""
    broken_machine.append("no space left on device")
    study = a_search_study(num_trials=4)
    result, _ = sweep(study)
    assert not result.is_complete
    state = result.plan.searches["s", "rate"]
    assert (1, 3, False) == (state.num_complete, len(state.failed_ids), state.is_finished)
    broken_machine.clear()
    result, again = sweep(study)
    assert result.is_complete
    assert 3 == len(searched(again))
    assert "best of 4 trials" in [cell.row for cell in result.plan.cells]


@pytest.mark.slow
def test_what_failed_in_two_runs_has_failed_for_good(sweep, broken_machine):
    """A config that cannot be trained does not keep a search open for ever; the table counts the others."""
    broken_machine.append("out of memory")
    study = a_search_study(num_trials=3)
    sweep(study)
    result, _ = sweep(study)
    assert result.is_complete
    assert "best of 1 trials" in [cell.row for cell in result.plan.cells]
    _, third = sweep(study)
    assert [] == third.started


def test_a_search_without_any_value_fills_no_table(sweep, monkeypatch):
    """When every suggestion failed for good there is no best, and the sweep says so."""
    study = a_search_study(num_trials=2, base=ToyConfig(fails_at_epoch=1))
    sweep(study)
    result, _ = sweep(study)
    assert not result.is_complete
    assert "none gave a value" in str(result.plan.searches["s", "rate"])


def test_a_duplicate_of_a_pruned_suggestion_is_not_trained(tmp_path):
    """An equal suggestion made later takes over the verdict on the first."""
    search = a_search(space={"learning_rate": Choice((0.1, 0.2))}, num_trials=3, sampler=Random())
    source = open_source(ToySweep(tmp_path).store(), search)
    for _ in range(2):
        work = source.next_work()
        source.on_end(work, Outcome("pruned"))
    assert source.next_work() is None
    assert source.is_finished()
    assert {"pruned"} == {trial.state for trial in source.trials}


def test_work_that_waited_for_an_equal_suggestion_is_no_longer_wanted(tmp_path):
    """When the first of two equal suggestions, of an earlier version, is given up, the second is told too."""
    search = a_search(space={"learning_rate": Choice((0.1, 0.2))}, num_trials=3)
    store = ToySweep(tmp_path).store()
    source = open_source(store, search)
    source.next_work()
    (first,) = source.trials
    assert store.create_search_trial(source.search_id, first.model_copy(update={"number": 1}))
    source = open_source(store, search, max_open=2)
    first, second = source.next_work(), source.next_work()
    assert first.training_id == second.training_id
    assert source.still_wants(second)
    source.on_end(first, Outcome("pruned"))
    assert not source.still_wants(second)


def test_two_sweeps_on_one_store_share_a_search(tmp_path):
    """Suggestions made by another sweep meanwhile are learnt of, never written over."""
    sweep = ToySweep(tmp_path)
    search = a_search(num_trials=4)
    ours, theirs = open_source(sweep.store(), search), open_source(sweep.store(), search)
    works = [ours.next_work(), theirs.next_work()]
    for source, work in zip((ours, theirs), works, strict=True):
        source.on_end(work, Outcome("pruned"))
    works += [ours.next_work(), theirs.next_work()]
    assert [0, 1, 2, 3] == [trial.number for trial in open_source(sweep.store(), search).trials]
    assert 4 == len({work.training_id for work in works})


def test_a_range_is_searched_wherever_what_it_depends_on_stands(tmp_path):
    """A conditional range may be written before the path that switches it on."""
    space = {
        "network.embedding_size": When("epochs", (3,), IntRange(1, 64)),
        "epochs": Choice((2, 3)),
        "learning_rate": FloatRange(0.05, 0.45),
    }
    search = a_search(space=space, num_trials=20, sampler=Random())
    source = open_source(ToySweep(tmp_path).store(), search, max_open=20)
    while source.next_work() is not None:
        pass
    widths = {trial.params.get("network.embedding_size") for trial in source.trials}
    assert len(widths) > 5
    assert all(("network.embedding_size" in t.params) == (t.params["epochs"] == 3) for t in source.trials)


def test_ranges_that_depend_on_each_other_are_refused():
    """A circle has no first path to suggest."""
    space = {"epochs": When("learning_rate", (0.1,), IntRange(1, 4))}
    space["learning_rate"] = When("epochs", (3,), FloatRange(0.05, 0.45))
    with pytest.raises(ValueError, match="depend on each other in a circle"):
        a_search(space=space)


def test_reading_a_search_changes_nothing(tmp_path):
    """Looking at a running search, as --status does, leaves every file as it is."""
    sweep = ToySweep(tmp_path)
    search = a_search(num_trials=3)
    source = open_source(sweep.store(), search)
    source.next_work()
    before = {path: path.read_bytes() for path in sorted(sweep.folder.rglob("*")) if path.is_file()}
    state = read_search_state(search, DataResolver(lambda config: FACTS), sweep.store())
    assert (0, False, None) == (state.num_made, state.is_finished, state.best)
    assert before == {path: path.read_bytes() for path in sorted(sweep.folder.rglob("*")) if path.is_file()}


def test_a_suggestion_kept_before_failures_were_counted_reads(tmp_path):
    """A record of an earlier version has no count of failures; it has failed in no counted run."""
    old = {"number": 0, "params": {}, "training_id": "a" * 64, "state": "fail"}
    assert 0 == SearchTrialRecord.model_validate_json(json.dumps(old)).num_failures


@pytest.mark.slow
def test_an_objective_that_is_no_number_is_a_failed_trial(sweep, monkeypatch):
    """A loss that went to NaN ends neither this sweep nor the next, and is no best."""
    method = type(ToyConfig().make_trainable())
    measure = method.measure

    def measure_or_nan(self, members, view):
        found = measure(self, members, view)
        if members[0][0].learning_rate == ToyConfig().learning_rate or view.split == "test":
            return found
        return dataclasses.replace(found, metrics={name: float("nan") for name in found.metrics})

    monkeypatch.setattr(method, "measure", measure_or_nan)
    study = a_search_study(num_trials=3)
    sweep(study)
    result, _ = sweep(study)
    assert result.is_complete
    assert "best of 1 trials" in [cell.row for cell in result.plan.cells]


A_THIRD = Halving(first_epoch=1, factor=3, one_of=3, last_rung=1.0)


def a_halved_search(**changes):
    """Nine epochs, rungs after 1 and 3."""
    return a_search(num_trials=9, base=ToyConfig(epochs=9, epoch_s=0.001), pruner=A_THIRD, **changes)


@pytest.mark.slow
def test_a_search_promotes_what_has_paused(sweep):
    """Each trial rests at its rung until it is among the best there; a third of them go on, and one ends."""
    study = Study("s", "S", "nowhere", (0,), searches=[a_halved_search()])
    result, _ = sweep(study)
    assert result.is_complete
    declared, *trials = trials_of(sweep, study)
    assert declared.is_answered, "the table's own row was trained before"
    assert [1] * 5 == sorted(max(trial.intermediate_values) for trial in trials)[:5]
    assert {"complete", "pruned"} == {trial.state for trial in trials}
    assert {9} == {max(trial.intermediate_values) for trial in trials if trial.state == "complete"}
    folders = [sweep.store().training(trial.training_id) for trial in trials]
    assert not any(folder.resume_version().strip() for folder in folders), "what nobody goes on from is kept"


@pytest.mark.slow
@pytest.mark.parametrize(
    "pruner", [A_THIRD, Halving(), Hyperband(first_epoch=1), Hyperband(1, promotes=False)]
)
@pytest.mark.parametrize("num_epochs", [8])
def test_a_resumed_search_of_rungs_is_the_undisturbed_one(sweep, tmp_path, pruner, num_epochs):
    """Stopped anywhere, and gone on with, the same trials are suggested, paused, promoted and ended."""
    study = Study("s", "S", "nowhere", (0,), searches=[dataclasses.replace(a_halved_search(), pruner=pruner)])
    sweep(study)
    other = ToySweep(tmp_path / "other")
    other.folder.parent.mkdir()
    other(study, backend=StopAfter(num_epochs))
    other(study, backend=StopAfter(9))
    other(study)
    kept = [
        [(it.params, it.state, it.value, it.intermediate_values) for it in trials_of(each, study)]
        for each in (sweep, other)
    ]
    assert kept[0] == kept[1]
