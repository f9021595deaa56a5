"""The tables of MGN: which rows are trainings, views and ensembles, and how little is trained twice."""

from functools import cache

import pytest

from tablewright.orchestrator.declared.design import full_label
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.plans.plan import make_plan
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.search_spaces.mgn_ablation import base_config, make_study
from tablewright.trainables.contract.data import DatasetFacts

DEMO_TRAININGS_AT_MOST = 10

study_of = cache(make_study)


@cache
def plan_of(profile):
    facts = DatasetFacts("any", "any", "0" * 64, is_demo=True, num_images={})
    return make_plan([study_of(profile).with_seeds([0])], DataResolver(lambda config: facts))


def rows_of(profile, table):
    """A table, and its rows by label."""
    ablations = {ablation.name: ablation for ablation in study_of(profile).ablations}
    return ablations[table], {full_label(row): row for row in ablations[table].printed_rows}


def config_of(profile, table, label):
    """The one config behind a row."""
    ablation, rows = rows_of(profile, table)
    (config,) = ablation.members(rows[label], ablation.datasets[0])
    return config


def test_the_component_table_has_the_papers_rows_in_its_order():
    """Eleven rows, as Table 2 prints them."""
    _, rows = rows_of(Profile.PAPER, "components")
    assert list(rows) == [
        *("ResNet-50", "ResNet-101", "ResNet-50+TP", "Global (Branch)", "Part-2 (Single)", "Part-2 (Branch)"),
        *("Part-3 (Single)", "Part-3 (Branch)", "G+P2+P3 (Single)", "MGN w/o TP", "MGN"),
    ]


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize(("label", "group"), [("Global", "global"), ("Part-2", "part2"), ("Part-3", "part3")])
def test_branch_rows_are_views_of_the_full_network(profile, label, group):
    """No branch row trains anything, and each looks at its own embeddings."""
    _, rows = rows_of(profile, "components")
    assert base_config(profile) == config_of(profile, "components", f"{label} (Branch)")
    assert (group,) == rows[f"{label} (Branch)"].view.embeddings


@pytest.mark.slow
@pytest.mark.parametrize("profile", list(Profile))
def test_the_ensemble_joins_the_three_single_networks(profile):
    """Its members are the single rows' own trainings, and the global one."""
    ablation, rows = rows_of(profile, "components")
    members = ablation.members(rows["G+P2+P3 (Single)"], ablation.datasets[0])
    assert [["global"], ["part2"], ["part3"]] == [list(member.network.branches()) for member in members]
    assert config_of(profile, "components", "Part-2 (Single)") == members[1]
    assert config_of(profile, "components", "Part-3 (Single)") == members[2]
    assert config_of(profile, "granularities", "G") == members[0]


def test_the_plain_rows_are_plain():
    """Their backbones end with stride 2; only the last has triplets."""
    plain = [config_of(Profile.PAPER, "components", f"ResNet-{end}") for end in ("50", "101", "50+TP")]
    assert ["baseline"] * 3 == [config.network.kind for config in plain]
    backbones = [config.network.backbone for config in plain]
    assert ["resnet50", "resnet101", "resnet50"] == [backbone.architecture for backbone in backbones]
    assert {(2, "imagenet")} == {(backbone.last_stride, backbone.weights) for backbone in backbones}
    assert [True, True, False] == [config.losses.triplet is None for config in plain]
    full = base_config(Profile.PAPER)
    assert all((full.data, full.optimisation) == (config.data, config.optimisation) for config in plain)


def test_the_row_without_triplets_differs_in_them_alone():
    """MGN w/o TP is MGN but for one field."""
    full, without = base_config(Profile.PAPER), config_of(Profile.PAPER, "components", "MGN w/o TP")
    assert without.losses.triplet is None
    losses = without.losses.model_copy(update={"triplet": full.losses.triplet})
    assert full == without.model_copy(update={"losses": losses})


def test_the_demo_shares_its_trainings():
    """All tables of a seed take ten trainings."""
    plan = plan_of(Profile.DEMO)
    assert DEMO_TRAININGS_AT_MOST == len(plan.trainings)
    assert len(plan.cells) > 2 * len(plan.trainings)
