"""Declarations: every fault is found when a study is built, and all faults are told at once."""

import sys
from dataclasses import replace

import pytest

from orchestrator.published import Printed
from orchestrator.study import (
    Ablation,
    Choice,
    Cumulative,
    Dataset,
    Factorial,
    FloatRange,
    IntRange,
    LeaveOneOut,
    Objective,
    Profile,
    Row,
    Search,
    Study,
    Sweep,
    When,
    apply_changes,
    load_study,
    rows_as_printed,
    study_names,
    study_titles,
    value_at,
)
from tests.toy_method import ToyAttention, ToyConfig
from trainables.contract import MAP, Metric, RetrievalView

TEST, VAL = RetrievalView(split="test"), RetrievalView(split="val")
M = "network.attention.num_attentions"


def table(rows, **changes):
    arguments = {
        "name": "t",
        "caption": "T",
        "base": ToyConfig(),
        "datasets": [Dataset("Toy")],
        "rows": rows,
        "view": TEST,
        "metrics": [MAP],
    }
    return Ablation(**{**arguments, **changes})


def search(**changes):
    arguments = {
        "name": "s",
        "caption": "S",
        "base": ToyConfig(),
        "dataset": Dataset("Toy"),
        "space": {"learning_rate": FloatRange(0.01, 1, log=True)},
        "objective": Objective(MAP, VAL),
        "num_trials": 2,
        "view": TEST,
        "metrics": [MAP],
    }
    return Search(**{**arguments, **changes})


def labels(design):
    return [row.label for row in design.rows()]


def test_changes_reach_into_nested_configs():
    """Several dotted paths are applied together, and nothing else changes."""
    changed = apply_changes(ToyConfig(), {M: 4, "network.embedding_size": 8, "seed": 3})
    assert (value_at(changed, M), changed.network.embedding_size, changed.seed) == (4, 8, 3)
    assert apply_changes(changed, {M: 2, "network.embedding_size": 4, "seed": 0}) == ToyConfig()


def test_a_misspelt_path_names_the_nearest_field():
    """The message suggests what was meant, with its whole path."""
    with pytest.raises(ValueError, match=r"did you mean network\.attention\.num_attentions\?"):
        apply_changes(ToyConfig(), {"network.attention.num_attention": 4})


def test_all_faults_of_a_change_are_told():
    """Two misspelt paths give one error with both."""
    with pytest.raises(ValueError, match=r"(?s)learning_rat.*epochz"):
        apply_changes(ToyConfig(), {"learning_rat": 1, "epochz": 2})


def test_a_value_of_the_wrong_type_is_refused_with_its_path():
    """A string where a number belongs is refused."""
    with pytest.raises(ValueError, match=r"network\.attention\.num_attentions"):
        apply_changes(ToyConfig(), {M: "many"})


def test_a_path_through_a_component_that_is_off_is_refused():
    """Nothing can be set in a component that is None."""
    off = apply_changes(ToyConfig(), {"network.attention": None})
    with pytest.raises(ValueError, match=r"network\.attention is off"):
        apply_changes(off, {M: 4})


def test_a_component_is_switched_on_with_a_value_or_off_with_none():
    """None is the only spelling of off."""
    off = apply_changes(ToyConfig(), {"network.attention": None})
    on = apply_changes(off, {"network.attention": ToyAttention()})
    assert on == ToyConfig()


def test_a_component_set_as_a_whole_and_in_part_is_refused():
    """Such a row would mean two things."""
    with pytest.raises(ValueError, match="as a whole and in part"):
        apply_changes(ToyConfig(), {"network.attention": None, M: 4})


def test_designs_make_their_rows():
    """Sweep, leave-one-out, cumulative and factorial designs spell out the usual rows."""
    off = {"network.attention": None}
    assert labels(Sweep(M, (2, 4), label="M = {value}")) == ["M = 2", "M = 4"]
    assert labels(LeaveOneOut({"attention": off})) == ["full", "w/o attention"]
    cumulative = Cumulative(off, "plain", {"attention": {"network.attention": ToyAttention()}})
    assert labels(cumulative) == ["plain", "+ attention"]
    assert [row.changes["network.attention"] for row in cumulative.rows()] == [None, ToyAttention()]
    factors = {"A": {"on": {}, "off": off}, "E": {"4": {}, "8": {"network.embedding_size": 8}}}
    assert labels(Factorial(factors)) == ["A on, E 4", "A on, E 8", "A off, E 4", "A off, E 8"]
    grouped = list(Factorial(factors, {"x": TEST, "y": TEST}).rows())
    assert [(row.group, row.label) for row in grouped[:2]] == [("A on, E 4", "x"), ("A on, E 4", "y")]


def test_two_rows_with_one_label_are_refused():
    """A label names one row of its group."""
    with pytest.raises(ValueError, match="row label 'a' is given twice"):
        table([Row("a"), Row("a", {M: 4})])


def test_a_view_of_an_absent_embedding_is_refused():
    """A row that removes an embedding cannot be measured by it."""
    with pytest.raises(ValueError, match="offers no embedding 'attended'"):
        table([Row("off", {"network.attention": None})], view=RetrievalView(embeddings=("attended",)))


def test_published_values_must_be_fractions_of_this_tables_cells():
    """Percent, an unknown data set and an unknown metric are refused, all at once."""
    rows = [Row("a", published={"Toy": {"map": 94.2, "speed": 0.1}, "Elsewhere": {"map": 0.5}})]
    with pytest.raises(ValueError, match=r"(?s)not a fraction.*no metric.*Elsewhere"):
        table(rows)


def test_a_row_carries_what_a_paper_printed_for_it():
    """Values, source and the printed row's id; the row's label stands in the source where ours is another."""
    found = Printed({"Toy": {"map": 0.5}}, "Table 2", ("t2", "a"))
    same, other = Row("a").as_printed(found), Row("b").as_printed(found)
    quoted = Row("b").as_printed(replace(found, quoted_in="a leaderboard"))
    assert "Table 2, row “a”, as quoted in a leaderboard" == quoted.source
    assert ({"Toy": {"map": 0.5}}, ("t2", "a")) == (same.published, same.printed_in)
    assert ["Table 2", "Table 2, row “a”"] == [same.source, other.source]
    assert [same, other] == list(table([same, other]).printed_rows)


def test_a_design_is_spelt_out_as_printed():
    """Rows that are named carry the paper's numbers, the others stay as they are."""
    design = Sweep("learning_rate", (0.1, 0.2))
    rows = rows_as_printed([design, Row("x", group="g")], "mgn_v1_t2", {"0.2": "MGN", "g / x": "ResNet-50"})
    assert ["0.1", "0.2", "x"] == [row.label for row in rows]
    assert [None, ("mgn_v1_t2", "MGN"), ("mgn_v1_t2", "ResNet-50")] == [row.printed_in for row in rows]
    assert 0.957 == rows[1].published["Market-1501"]["rank1"]


def test_a_label_that_names_no_row_is_refused():
    """A misspelt label cannot lose a printed row."""
    with pytest.raises(ValueError, match=r"mgn_v1_t2: there is no row '0\.3'; there are 0\.1, 0\.2"):
        rows_as_printed([Sweep("learning_rate", (0.1, 0.2))], "mgn_v1_t2", {"0.3": "MGN"})


def test_another_methods_row_is_never_trained():
    """It is printed, and has nothing that would be trained or measured."""
    other = Row("other", is_trained=False)
    assert ["ours"] == [row.label for row in table([other, Row("ours")]).trained_rows]
    with pytest.raises(ValueError, match="at least one trained row"):
        table([other])
    with pytest.raises(ValueError, match="no changes, no ensemble and no view"):
        table([Row("other", {M: 4}, is_trained=False), Row("ours")])


def test_a_metric_that_the_view_does_not_give_is_refused():
    """A retrieval view has no top-1."""
    with pytest.raises(ValueError, match="no metric 'top1'"):
        table([Row("a")], metrics=[Metric("top1", "Top-1")])


def test_an_objective_on_test_is_refused():
    """A search may only see `val`."""
    with pytest.raises(ValueError, match="may only see 'val'"):
        Objective(MAP, TEST)


def test_a_range_that_names_no_field_is_refused():
    """A misspelt path in a search space is found when it is declared."""
    with pytest.raises(ValueError, match="did you mean learning_rate"):
        search(space={"learning_rte": FloatRange(0, 1)})


def test_a_declared_value_outside_its_range_is_refused():
    """The declared config is the first trial, so it must lie in the space."""
    with pytest.raises(ValueError, match="lies outside"):
        search(space={"learning_rate": FloatRange(0.5, 1)})


def test_a_conditional_range_must_name_a_searched_path():
    """A condition on a path that is not searched could never change."""
    with pytest.raises(ValueError, match="not in the space"):
        search(space={M: When("network.attention.guidance", (True,), IntRange(2, 8))})


def test_a_conditional_range_leaves_the_first_trial_where_it_does_not_hold():
    """The declared params hold only what is searched for them."""
    guidance = "network.attention.guidance"
    space = {guidance: Choice((True, False)), M: When(guidance, (False,), IntRange(2, 8))}
    assert {guidance: True} == search(space=space).declared_params()


def test_a_study_tells_all_its_faults():
    """No seed, nothing to fill and a bad name are told together."""
    with pytest.raises(ValueError, match=r"(?s)file name.*at least one seed.*needs a table"):
        Study("Bad Name", "t", "s", ())


def test_an_unknown_study_suggests_the_nearest():
    """A misspelt study is answered with the one that was meant."""
    name = study_names()[0]
    with pytest.raises(ValueError, match=f"Did you mean '{name}'"):
        load_study(name[:-1] + "x", "demo")


def test_a_dictionary_in_place_of_a_component_is_refused():
    """It would put back to their defaults all fields that it does not name, so the paths are told instead."""
    with pytest.raises(
        ValueError, match=r"default; write dotted paths \(network\.embedding_size\) or a whole"
    ):
        apply_changes(ToyConfig(), {"network": {"embedding_size": 8}})


def test_a_refused_value_is_shown():
    """The message says what was got, beside what is allowed."""
    with pytest.raises(ValueError, match=r"epochs: .* got 'many'"):
        apply_changes(ToyConfig(), {"epochs": "many"})


def test_a_row_may_not_set_the_seed():
    """Every row has the study's seeds; one that set its own would silently be trained with those."""
    with pytest.raises(ValueError, match="it sets seed to 4"):
        table([Row("four", {"seed": 4})])
    with pytest.raises(ValueError, match="it sets seed to 5"):
        table([Row("both", ensemble=[{"seed": 5}, {"learning_rate": 0.2}])])


def test_a_table_without_metrics_is_refused():
    """There would be no column to fill."""
    with pytest.raises(ValueError, match="at least one metric"):
        table([Row("a")], metrics=[])


@pytest.fixture
def study_files(tmp_path, monkeypatch):
    """A package of studies whose files a test writes."""
    folder = tmp_path / "written_studies"
    folder.mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.startswith("written_studies")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def make_study(profile)\n    pass\n", r"written_studies/slip\.py:1: SyntaxError: .*make_study"),
        ("import nothing_like_it\n", r"slip\.py:1: ModuleNotFoundError: .*nothing_like_it"),
        ("def make_study(profile):\n    return Ablation()\n", r"slip\.py:2: NameError: .*Ablation"),
        ("", r"slip\.py declares no study"),
        ("def make_study(profile):\n    return 3\n", r"must return a Study; it returned int"),
        (
            "from orchestrator.study import Study\n\ndef make_study(profile):\n"
            "    return Study('slip', 'S', 'mine', ())\n",
            r"slip\.py:4: Study 'slip' is refused:\n.*at least one seed",
        ),
    ],
)
def test_a_slip_in_a_studys_file_is_named_by_file_and_line(study_files, source, message):
    """A person sees where to look, not forty lines of ours."""
    (study_files / "slip.py").write_text(source)
    with pytest.raises(ValueError, match=message):
        load_study("slip", Profile.DEMO, "written_studies")


def test_one_unreadable_file_does_not_hide_the_other_studies(study_files):
    """The list of studies names the broken one and goes on."""
    (study_files / "broken.py").write_text('"""Broken."""\ndef (\n')
    (study_files / "whole.py").write_text('"""A whole one."""\n')
    titles = dict(study_titles("written_studies"))
    assert "A whole one." == titles["whole"]
    assert "cannot be read: line 2" in titles["broken"]


def test_the_beginning_of_a_name_suggests_what_begins_so():
    """`mdpr` means the studies of MDPR."""
    with pytest.raises(ValueError, match="'mdpr_ablation' or 'mdpr_main'"):
        load_study("mdpr", Profile.DEMO)


def test_a_study_is_cut_to_the_data_sets_that_are_asked():
    """Columns, and the tables and searches without any left, go; nothing else changes."""
    here, there = Dataset("Here"), Dataset("There", {"learning_rate": 0.2})
    row = Row("a", published={"Here": {"map": 0.5}, "There": {"map": 0.6}})
    both = table([row, Sweep(M, (4, 8))], datasets=[here, there], name="both")
    study = Study("s", "S", "mine", (0,), [both, table([Row("a")], datasets=[there], name="there")])
    assert ("Here", "There") == study.dataset_labels
    cut = study.with_datasets(["Here"])
    assert ["both"] == [ablation.name for ablation in cut.ablations]
    assert ["there"] == cut.left_out
    assert ["Here"] == [dataset.label for dataset in cut.ablations[0].datasets]
    assert {"Here": {"map": 0.5}} == cut.ablations[0].printed_rows[0].published
    assert [row.label for row in both.printed_rows] == [row.label for row in cut.ablations[0].printed_rows]
    assert study.with_datasets(["Nowhere"]) is None
