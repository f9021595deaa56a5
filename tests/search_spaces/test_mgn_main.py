"""MGN's comparisons: its own row is trained once a data set, and every printed row stands in a table."""

from functools import cache

import pytest

from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.declared.published import published_table
from tablewright.orchestrator.plans.plan import make_plan
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.search_spaces.mgn_ablation import base_config
from tablewright.search_spaces.mgn_main import make_study
from tablewright.trainables.contract.data import DatasetFacts

study_of = cache(make_study)
TABLES = ["mgn_v1_t3", "mgn_v1_t4", "mgn_v1_t5", "mgn_mm_t2", "mgn_mm_t3", "mgn_mm_t4"]


@pytest.mark.slow
@pytest.mark.parametrize("table_id", TABLES)
def test_every_printed_row_stands_in_a_table(table_id):
    """Rows of both versions of the paper are printed, re-ranked ones apart."""
    rows = [row for ablation in study_of(Profile.PAPER).ablations for row in ablation.printed_rows]
    shown = {row.printed_in for row in rows}
    assert {(table_id, row.row) for row in published_table(table_id).rows} <= shown


def test_rows_stand_under_their_own_protocol():
    """Re-ranked rows are where the view re-ranks, and all rows of a table have a value for its data sets."""
    for ablation in study_of(Profile.PAPER).ablations:
        for row in ablation.printed_rows:
            assert (ablation.view.reranking is not None) == row.label.endswith("(RK)")
            assert {dataset.label for dataset in ablation.datasets} & set(row.published)


def test_multiple_query_has_its_own_numbers():
    """Printed by both kinds of query, MGN's values are not mixed up."""
    published = {
        ablation.name: ablation.printed_rows[-1].published["Market-1501"]
        for ablation in study_of(Profile.PAPER).ablations
        if ablation.name.startswith("market_later")
    }
    assert {
        "market_later_single_query": {"rank1": 0.957, "map": 0.869},
        "market_later_multiple_query": {"rank1": 0.969, "map": 0.907},
        "market_later_single_query_reranked": {"rank1": 0.966, "map": 0.942},
        "market_later_multiple_query_reranked": {"rank1": 0.971, "map": 0.959},
    } == published


@pytest.mark.parametrize(("profile", "num_trainings"), [(Profile.DEMO, 1), (Profile.PAPER, 4)])
def test_a_data_set_is_trained_once(profile, num_trainings):
    """Queries and re-ranking are views, and the two versions of the paper share their own row."""
    facts = DatasetFacts("any", "any", "0" * 64, is_demo=True, num_images={})
    plan = make_plan([study_of(profile).with_seeds([0])], DataResolver(lambda config: facts))
    configs = [training.config for training in plan.trainings.values()]
    assert num_trainings == len(configs)
    assert base_config(profile) in configs
    assert num_trainings == len({config.dataset_name() for config in configs})
