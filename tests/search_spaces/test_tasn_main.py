"""TASN's main comparison: at which sides its rows are trained, and what they share with the ablations."""

import pytest

from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.plans.plan import make_plan
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.search_spaces import tasn_ablation, tasn_main
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.tasn import VggBackbone


def trained_rows(name):
    """Give (label, sides, whether VGG-19) of the rows that are trained."""
    tables = {table.name: table for table in tasn_main.make_study(Profile.PAPER).ablations}
    (dataset,) = tables[name].datasets
    found = []
    for row in tables[name].printed_rows:
        if row.is_trained:
            configs = tables[name].members(row, dataset)
            is_vgg = {isinstance(config.network.backbone, VggBackbone) for config in configs}
            found.append((row.label, [config.network.input_px for config in configs], is_vgg))
    return found


@pytest.mark.parametrize(("table", "vgg_px"), [("part_methods", [336, 280, 392]), ("cars", [224, 280, 336])])
def test_rows_are_trained_at_the_sides_in_their_labels(table, vgg_px):
    """Table 6 has high resolution for VGG-19 as for ResNet-50; Table 9 has Table 8's sides."""
    sides = ", ".join(map(str, vgg_px))
    assert [
        (f"TASN (1x VGG-19), {vgg_px[0]} px", vgg_px[:1], {True}),
        (f"TASN (3x VGG-19), {sides} px", vgg_px, {True}),
        ("TASN (1x ResNet-50), 336 px", [336], {False}),
    ] == trained_rows(table)


@pytest.mark.slow
def test_trainings_a_seed_and_those_shared_with_the_ablations():
    """The module's docstring says 11, five of them the ablations'."""
    facts = DatasetFacts("cub200", "CUB-200-2011", "f" * 64, False, {})
    studies = (module.make_study(Profile.PAPER).with_seeds([0]) for module in (tasn_main, tasn_ablation))
    main, ablations = (set(make_plan([study], DataResolver(lambda _: facts)).trainings) for study in studies)
    assert (11, 5) == (len(main), len(main & ablations))
