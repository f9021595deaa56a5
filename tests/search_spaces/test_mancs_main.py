"""Mancs's main results: its printed numbers stand beside the cells that reproduce them."""

import pytest

from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.plans.plan import make_plan
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.search_spaces.mancs_main import make_study
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.mancs import paper_config


def tables(profile):
    return {ablation.name: ablation for ablation in make_study(profile).ablations}


@pytest.mark.parametrize(
    ("table", "dataset", "rank1", "map_"),
    [
        ("single_query", "Market-1501", 0.931, 0.823),
        ("multiple_query", "Market-1501", 0.954, 0.875),
        ("duke", "DukeMTMC-reID", 0.849, 0.718),
        ("cuhk03", "CUHK03 labelled", 0.69, 0.639),
        ("cuhk03", "CUHK03 detected", 0.655, 0.605),
    ],
)
def test_printed_values_stand_under_their_data_set(table, dataset, rank1, map_):
    """Every printed value is a column of the table of its protocol."""
    ablation = tables(Profile.PAPER)[table]
    (row,) = ablation.printed_rows
    assert {"rank1": rank1, "map": map_} == row.published[dataset]
    assert dataset in [column.label for column in ablation.datasets]


@pytest.mark.parametrize("table", ["single_query", "duke", "cuhk03", "cuhk03_classic"])
def test_every_data_set_has_the_published_recipe(table):
    """A column is the paper's recipe for that data set, its batches included."""
    ablation = tables(Profile.PAPER)[table]
    (row,) = ablation.printed_rows
    for dataset in ablation.datasets:
        (config,) = ablation.members(row, dataset)
        assert paper_config(config.dataset_name()) == config


@pytest.mark.parametrize(("profile", "num_trainings"), [(Profile.DEMO, 1), (Profile.PAPER, 6)])
def test_multiple_query_is_a_view(profile, num_trainings):
    """Both queries of a data set are measured on one training."""
    facts = DatasetFacts("any", "any", "0" * 64, is_demo=True, num_images={})
    plan = make_plan([make_study(profile).with_seeds([0])], DataResolver(lambda config: facts))
    assert num_trainings == len(plan.trainings)


@pytest.mark.slow
def test_the_sizes_are_the_derived_ones():
    """The size table counts what the specification derives, and the slope of the PReLU."""
    (table,) = make_study(Profile.PAPER).sizes
    sizes = {row.label: row.config.make_trainable().size(row.config) for row in table.rows}
    assert (33_976_718 + 1, 23_681_968 + 1, 2_719_481_856) == (
        sizes["Mancs"].parameters,
        sizes["Mancs"].inference_parameters,
        sizes["Mancs"].multiply_adds,
    )
    assert 4_559_599 == sizes["Mancs"].parameters - sizes["without deep supervision"].parameters
    assert 23_508_032 + 1 == sizes["without attention"].inference_parameters
    assert 2_669_150_208 == sizes["without attention"].multiply_adds
