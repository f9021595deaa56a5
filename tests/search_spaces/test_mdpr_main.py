"""MDPR's main comparison and its ablations: printed numbers beside the cells that reproduce them."""

import pytest

from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.plans.plan import make_plan
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.project.study_loading import load_study
from tablewright.trainables.contract.data import DatasetFacts


@pytest.mark.parametrize(
    ("table", "dataset", "map_", "rank1"),
    [
        ("synergy", "SynergyReID", 0.94, 0.98),
        ("market", "Market-1501", 0.942, 0.974),
        ("duke", "DukeMTMC-reID", 0.887, 0.944),
    ],
)
def test_printed_values_stand_under_their_data_set(table, dataset, map_, rank1):
    """Tables II to IV each have their own row under their own data set."""
    tables = {ablation.name: ablation for ablation in load_study("mdpr_main", Profile.PAPER).ablations}
    (row,) = tables[table].printed_rows
    assert [dataset] == [column.label for column in tables[table].datasets]
    assert {dataset: {"map": map_, "rank1": rank1}} == row.published


def test_synergy_is_trained_for_fewer_epochs():
    """Its schedule is the code's for that data set; all else is the recipe of the other two."""
    synergy, market, _ = (
        table.members(table.printed_rows[0], table.datasets[0])[0]
        for table in load_study("mdpr_main", Profile.PAPER).ablations
    )
    assert (40, 200) == (synergy.optimisation.num_epochs, synergy.optimisation.warmup_steps)
    assert (60, 2000) == (market.optimisation.num_epochs, market.optimisation.warmup_steps)
    assert market.network == synergy.network
    assert market.losses == synergy.losses


@pytest.mark.slow
@pytest.mark.parametrize(("profile", "num_added"), [(Profile.DEMO, 0), (Profile.PAPER, 1)])
def test_the_ablations_have_trained_the_own_row(profile, num_added):
    """Beside the ablations only SynergyReID is a further training."""
    facts = DatasetFacts("any", "any", "0" * 64, is_demo=True, num_images={})
    ablations, main = (load_study(name, profile).with_seeds([0]) for name in ("mdpr_ablation", "mdpr_main"))
    alone, both = (
        make_plan(studies, DataResolver(lambda config: facts)) for studies in ([ablations], [ablations, main])
    )
    assert num_added == len(both.trainings) - len(alone.trainings)


@pytest.mark.slow
def test_the_sizes_are_those_of_the_authors_model():
    """Parameters and multiply-adds of the full network, and with four attention maps, measured on theirs."""
    (table,) = load_study("mdpr_main", Profile.PAPER).sizes
    sizes = {row.label: row.config.make_trainable().size(row.config) for row in table.rows}
    full = sizes["MDPR"]
    assert (164_180_663, 154_884_166) == (full.parameters, full.inference_parameters)
    assert 46_717_599_744 == full.multiply_adds
    assert 168_934_255 == sizes["4 attention maps a stage"].parameters
