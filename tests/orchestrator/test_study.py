"""Declarations: every fault is found when a study is built, and all faults are told at once."""

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
    Row,
    Search,
    Study,
    Sweep,
    When,
    apply_changes,
    load_study,
    rows_as_printed,
    study_names,
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
    with pytest.raises(ValueError, match=r"(?s)file name.*at least one seed.*ablation or a search"):
        Study("Bad Name", "t", "s", ())


def test_an_unknown_study_suggests_the_nearest():
    """A misspelt study is answered with the one that was meant."""
    name = study_names()[0]
    with pytest.raises(ValueError, match=f"Did you mean '{name}'"):
        load_study(name[:-1] + "x", "demo")
