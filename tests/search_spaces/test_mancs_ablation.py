"""The tables of Mancs: what its rows train, and how little of it twice."""

from functools import cache

import pytest

from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.plans.plan import make_plan
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.search_spaces.mancs_ablation import CURRICULUM, ERASING, GAMMA, base_config, make_study
from tablewright.trainables.contract.data import DatasetFacts

DEMO_TRAININGS_AT_MOST = 16

study_of = cache(make_study)


@cache
def plan_of(profile):
    facts = DatasetFacts("any", "any", "0" * 64, is_demo=True, num_images={})
    return make_plan([study_of(profile).with_seeds([0])], DataResolver(lambda config: facts))


def configs(profile, table):
    """The config of each row of a table, by label."""
    ablations = {ablation.name: ablation for ablation in study_of(profile).ablations}
    ablation = ablations[table]
    return {row.label: ablation.members(row, ablation.datasets[0])[0] for row in ablation.printed_rows}


@pytest.mark.parametrize("profile", list(Profile))
def test_the_components_add_up_to_the_full_method(profile):
    """The last cumulative row is the base config, so it is trained once with every other full row."""
    rows = list(configs(profile, "cumulative").values())
    assert base_config(profile) == rows[-1]
    assert 5 == len({row.model_dump_json() for row in rows})


@pytest.mark.parametrize("profile", list(Profile))
def test_the_baseline_has_none_of_the_components(profile):
    """Batch-hard ranking and cross-entropy, without attention and erasing."""
    baseline = configs(profile, "cumulative")["baseline"]
    assert baseline.losses.rank.curriculum is None
    assert baseline.losses.classification.gamma == 0
    assert baseline.network.attention is None
    assert baseline.losses.attention is None
    assert baseline.data.augmentation.erasing is None
    assert baseline.data.augmentation.scale_crop is not None


@pytest.mark.parametrize(
    ("label", "paths"),
    [("w/o CS", {CURRICULUM}), ("w/o FL", {GAMMA}), ("w/o RE", {ERASING})],
)
def test_a_row_differs_in_its_component_alone(label, paths):
    """Leaving one out changes the paths of that one."""
    ablations = {ablation.name: ablation for ablation in study_of(Profile.PAPER).ablations}
    rows = {row.label: row for row in ablations["leave_one_out"].printed_rows}
    assert paths == set(rows[label].changes)


def test_the_demo_shares_its_trainings():
    """All tables of a seed take no more trainings than a machine of two cores does in a quarter of an hour."""
    plan = plan_of(Profile.DEMO)
    assert DEMO_TRAININGS_AT_MOST >= len(plan.trainings)
    assert len(plan.cells) > 2 * len(plan.trainings)


@pytest.mark.slow
def test_the_paper_profile_sweeps_every_factor():
    """Every factor of the specification has its grid, around the published value."""
    plan = plan_of(Profile.PAPER)
    changed = {training.config.model_dump_json() for training in plan.trainings.values()}
    assert len(plan.trainings) == len(changed)
    for table, num_rows in {
        "curriculum_t0": 3,
        "curriculum_t1": 3,
        "curriculum_a": 3,
        "curriculum_b": 3,
        "rank_weight": 4,
        "classification_weight": 4,
        "attention_weight": 5,
        "focal_loss": 6,
        "attention": 4,
        "single_components": 6,
    }.items():
        rows = configs(Profile.PAPER, table)
        assert num_rows == len({row.model_dump_json() for row in rows.values()}), table
