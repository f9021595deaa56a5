"""A paper's recipe is given for the data sets that it has one for, and for no other."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.project.study_files import study_names
from tablewright.orchestrator.project.study_loading import load_study
from tablewright.search_spaces.tasn_ablation import BIRDS_SCHEDULE
from tablewright.trainables import hacnn, mancs, mdpr, mgn, tasn
from tablewright.trainables.data import fine_grained, reid

CUHK03 = {"cuhk03_labelled", "cuhk03_detected"}
CUHK03_CLASSIC = {"cuhk03_classic_labelled", "cuhk03_classic_detected"}
PUBLISHED = {
    "mdpr": (mdpr, {"market1501", "dukemtmc", "synergyreid"}),
    "mgn": (mgn, {"market1501", "dukemtmc", *CUHK03}),
    "hacnn": (hacnn, {"market1501", "dukemtmc", *CUHK03}),
    "mancs": (mancs, {"market1501", "dukemtmc", *CUHK03, *CUHK03_CLASSIC}),
    "tasn": (tasn, {"cub200", "cars196"}),
}
RECIPES = [
    (method, dataset)
    for method in PUBLISHED
    for dataset in get_args((fine_grained if method == "tasn" else reid).DatasetName)
]


@pytest.mark.parametrize(("method", "dataset"), RECIPES)
def test_a_recipe_that_is_not_published_is_not_made_up(method: str, dataset: Any):
    """No data set gets another one's schedule unasked; a refusal says which have one, and what to set."""
    module, published = PUBLISHED[method]
    if dataset in published:
        assert dataset == module.paper_config(dataset).dataset_name()
        return
    with pytest.raises(ValueError, match=f"publishes no recipe for '{dataset}', only for ") as refusal:
        module.paper_config(dataset)
    assert all(name in str(refusal.value) for name in published)
    assert "set data.dataset, and optimisation.num_epochs" in str(refusal.value)


def test_every_recipe_is_of_a_data_set_that_there_is():
    """No name in a paper's list is misspelt, which would refuse the data set."""
    assert [] == [
        (method, name)
        for method, (_, published) in PUBLISHED.items()
        for name in published
        if (method, name) not in RECIPES
    ]


@pytest.mark.slow
def test_no_table_trains_by_another_data_sets_schedule_without_saying_it():
    """Where a study goes beyond what is published, the caption of the table does not hide it."""
    silent: list[tuple[str, str, str]] = []
    for name in study_names():
        study = load_study(name, Profile.PAPER)
        for table in study.ablations:
            for dataset in table.datasets:
                config = table.members(table.trained_rows[0], dataset)[0]
                if config.dataset_name() in PUBLISHED[config.METHOD][1] - {"cars196"} or study.is_on_request:
                    continue
                if BIRDS_SCHEDULE not in table.caption:
                    silent.append((name, table.name, config.dataset_name()))
    assert [] == silent
