"""The search of Mancs's curriculum keeps t0 below t1, and looks at `val` only."""

import pytest

from tablewright.orchestrator.declared.changes import apply_changes
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.identity import view_id
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.searches.search_source import SearchSource
from tablewright.orchestrator.store.store import Store
from tablewright.search_spaces.mancs_ablation import CURRICULUM
from tablewright.search_spaces.mancs_search import make_study
from tablewright.trainables.contract.data import DatasetFacts

T0, T1 = f"{CURRICULUM}.t0", f"{CURRICULUM}.t1"


@pytest.mark.parametrize("profile", list(Profile))
def test_the_ranges_of_t0_and_t1_overlap(profile):
    """There are suggestions that only the constraint rules out, and the config refuses them."""
    (search,) = make_study(profile).searches
    assert search.space[T0].high > search.space[T1].low
    with pytest.raises(ValueError, match=r"t0 comes first"):
        search.trial_config({T0: search.space[T0].high, T1: search.space[T1].low})


@pytest.mark.parametrize("profile", list(Profile))
def test_the_objective_is_on_held_out_people(profile):
    """`val` is measured while searching, and trained on nowhere."""
    (search,) = make_study(profile).searches
    assert "val" == search.objective.view.split
    search.trial_config({}).check_view(search.objective.view)
    assert "test" == search.view.split


def test_no_suggestion_of_the_search_is_spent_on_what_the_curriculum_refuses(tmp_path):
    """Every suggestion has t0 below t1 and is a training."""
    (search,) = make_study(Profile.DEMO).searches
    facts = DatasetFacts("any", "any", "0" * 64, is_demo=True, num_images={})
    store = Store(str(tmp_path / "store"))
    source = SearchSource(
        "mancs_search", search, DataResolver(lambda config: facts), store, max_open=lambda: search.num_trials
    )
    works = []
    while (work := source.next_work()) is not None:
        works.append(work)
    assert search.num_trials == len(works) == len(source.trials)
    assert all(trial.params[T0] < trial.params[T1] for trial in source.trials)
    assert {view_id(search.objective.view)} == {name for work in works for name in work.views}


def test_the_declared_recipe_is_the_first_trial():
    """The values that a search starts from lie in its ranges and build the config as it stands."""
    (search,) = make_study(Profile.PAPER).searches
    assert {T0: 30.0, T1: 60.0}.items() <= search.declared_params().items()
    assert search.trial_config({}) == apply_changes(search.trial_config({}), search.declared_params())
