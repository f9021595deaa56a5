"""HA-CNN's tables: what each row switches, what is trained once, and what is counted."""

import pytest

from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.project.study_loading import load_study
from tablewright.trainables.contract.size import DEPTH, FLOPS, INFERENCE_PARAMETERS


@pytest.fixture(scope="module", params=list(Profile))
def tables(request):
    """The ablations of a profile by name."""
    return {table.name: table for table in load_study("hacnn_ablation", request.param).ablations}


def configs(table):
    """Row label -> config on the first data set."""
    return {row.label: table.members(row, table.datasets[0])[0] for row in table.printed_rows}


def test_rows_of_table_5_switch_what_they_name(tables):
    """SSA, SCA and HRA are on in the rows that name them, and in "All"; nothing else differs."""
    table = tables["attention_types"]
    assert len(configs(table)) == 6
    for label, config in configs(table).items():
        network = config.network
        is_on = {
            "SSA": network.soft_spatial,
            "SCA": network.soft_channel is not None,
            "HRA": network.local.learns_regions,
        }
        named = {name: name in label.split("+") or label == "All" for name in is_on}
        assert named == is_on
        assert (config.data, config.optimisation) == (table.base.data, table.base.optimisation)


def test_tables_5_to_7_come_from_seven_trainings(tables):
    """The full rows of all three are one training, and Table 7 adds none."""
    named = [tables[name] for name in ("attention_types", "interaction", "feature_level")]
    assert len({config for table in named for config in configs(table).values()}) == 7
    assert set(configs(tables["feature_level"]).values()) == {tables["feature_level"].base}
    views = [row.view.embeddings for row in tables["feature_level"].printed_rows]
    assert views == [("global",), ("local",), ("all",)]


def test_printed_values_stand_in_every_row_of_the_papers_tables(tables):
    """Each row of Tables 5 to 7 carries both data sets' printed numbers."""
    for name in ("attention_types", "interaction", "feature_level"):
        for row in tables[name].printed_rows:
            assert set(row.published) == {"Market-1501", "DukeMTMC-reID"}
    (full,) = [row for row in tables["interaction"].printed_rows if row.label == "with CAIL"]
    assert full.published["Market-1501"] == {"rank1": 0.912, "map": 0.757}


def test_only_the_own_network_is_counted():
    """Other networks of Table 8 are printed: sizes in millions, operations in billions."""
    (table,) = load_study("hacnn_ablation", Profile.PAPER).sizes
    assert [row.label for row in table.rows if row.config is not None] == ["HA-CNN"]
    assert table.rows[0].published == {INFERENCE_PARAMETERS.name: 58.3, FLOPS.name: 0.725, DEPTH.name: 7}
