"""Rows and designs: what they spell out, and what they refuse."""

import math

import pytest

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import (
    Cumulative,
    Factorial,
    LeaveOneOut,
    Row,
    Sweep,
    rows_as_printed,
)
from tablewright.trainables.retrieval.view import MAP, MINP, RANK1, RetrievalView
from tests.orchestrator.small_declarations import RATE, TEST, M
from tests.toy_method import ToyAttention, ToyConfig


def labels(design):
    return [row.label for row in design.rows()]


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


def test_a_design_is_spelt_out_as_printed():
    """Rows that are named carry the paper's numbers, the others stay as they are."""
    design = Sweep("learning_rate", (0.1, 0.2))
    carrying = rows_as_printed(
        [design, Row("x", group="g")], "mgn_v1_t2", {"0.2": "MGN", "g / x": "ResNet-50"}
    )
    rows = [row for one in carrying for row in one.rows()]
    assert ["0.1", "0.2", "x"] == [row.label for row in rows]
    assert [None, ("mgn_v1_t2", "MGN"), ("mgn_v1_t2", "ResNet-50")] == [row.printed_in for row in rows]
    assert 0.957 == rows[1].published["Market-1501"]["rank1"]


def test_a_label_that_names_no_row_is_refused():
    """A misspelt label cannot lose a printed row."""
    with pytest.raises(ValueError, match=r"mgn_v1_t2: there is no row '0\.3'; there are 0\.1, 0\.2"):
        rows_as_printed([Sweep("learning_rate", (0.1, 0.2))], "mgn_v1_t2", {"0.3": "MGN"})


@pytest.mark.parametrize(
    ("label", "expected"), [("M = {value}", "M = 0.5"), ("{value:.2f}", "0.50"), ("{{{value}}}", "{0.5}")]
)
def test_a_label_of_a_sweep_is_a_format(label, expected):
    """The value is filled in as the format says, and doubled braces are printed."""
    assert [expected] == labels(Sweep(RATE, (0.5,), label))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Sweep(RATE, (0.1,), "{a} {value}"), r"label: only \{value\}.*got '\{a\} \{value\}'"),
        (lambda: Sweep(RATE, (0.1,), "{value"), "braces do not match"),
        (lambda: Sweep(RATE, (0.1,), "value}"), "braces do not match"),
        (lambda: Sweep(RATE, (0.1,), "{value.__class__}"), r"label: only \{value\}"),
        (lambda: Sweep(RATE, (0.1,), "{value[0]}"), r"label: only \{value\}"),
        (lambda: Sweep(RATE, (0.1,), "{value:{width}}"), r"label: only \{value\}"),
        (lambda: Sweep(RATE, (0.1,), "{} {0}"), r"label: only \{value\}"),
        (lambda: Sweep(RATE, (0.1,), "rate"), r"all rows would have one label; put \{value\} into 'rate'"),
        (lambda: Sweep(RATE, ("fast",), "{value:g}"), r"'\{value:g\}' cannot show 'fast'"),
        (lambda: Sweep(RATE, ("a\nb",)), "is a line break"),
        (lambda: Sweep(RATE, (1, 1.0)), "each is given once; 1, 1.0 would be one training"),
        (lambda: Sweep(RATE, (0.0, -0.0)), "would be one training"),
        (lambda: Sweep(RATE, ()), "values: a design needs at least one value"),
        (lambda: Sweep(RATE, 0.1), "values: a list is needed; got 0.1; put it into brackets"),
        (lambda: Sweep(RATE, {0.1, 0.2}), "which has no order"),
        (lambda: Sweep(RATE, (float("nan"),)), r"values\[0\]: a finite number is needed; got nan"),
        (lambda: Sweep(3, (0.1,)), "path: a string is needed; got 3"),
        (lambda: LeaveOneOut({}), "without: a design needs at least one component"),
        (lambda: LeaveOneOut(["CS"]), r"without: a mapping .* is needed; got the list \['CS'\]"),
        (lambda: LeaveOneOut({"CS": ["a"]}), r"without\['CS'\]: a mapping is needed"),
        (lambda: LeaveOneOut({"": {}}), "a label is printed"),
        (lambda: Cumulative({}, "start", {}), "steps: a design needs at least one component"),
        (lambda: Factorial({}), "factors: a design needs at least one factor"),
        (lambda: Factorial({"A": {}}), r"factors\['A'\]: a design needs at least one level"),
        (lambda: Factorial({"A": {"on": {RATE: 1}}, "B": {"on": {RATE: 2}}}),
         "'A' and 'B' both set learning_rate, and the second would overwrite the first"),
        (lambda: Factorial({"A": {"on": {}}}, {"x": "all"}), r"views\['x'\]: an EvaluationView is"),
        (lambda: Row(""), "label: a label is printed"),
        (lambda: Row("  "), "label: a label is printed"),
        (lambda: Row(3), "label: a string is needed; got 3"),
        (lambda: Row("a\nb"), r"sign 2 of 'a\\nb' is a line break"),
        (lambda: Row("a\u202eb"), "RIGHT-TO-LEFT OVERRIDE"),
        (lambda: Row("a", group="\x1b[31m"), r"group: .* a control sign \(U\+001B\)"),
        (lambda: Row("a\ud800"), r"U\+D800"),
        (lambda: Row("a", [(RATE, 0.1)]), "changes: a mapping is needed; got the list"),
        (lambda: Row("a", {3: 1}), r"changes\[3\]: a string is needed"),
        (lambda: Row("a", {RATE: float("inf")}), r"changes\['learning_rate'\]: a finite number is needed; got inf"),
        (lambda: Row("a", {RATE: [0.1, float("nan")]}), r"changes\['learning_rate'\]\[1\]: a finite number"),
        (lambda: Row("a", {RATE: {0.1}}), "got the set"),
        (lambda: Row("a", {RATE: object()}), "got an object"),
        (lambda: Row("a", view=type(TEST)), r"got the class RetrievalView, not one of it; write RetrievalView\(…\)"),
        (lambda: Row("a", ensemble={RATE: 0.1}), "ensemble: a list .* put it into brackets"),
        (lambda: Row("a", is_trained="no"), "is_trained: True or False is needed; got 'no'"),
        (lambda: Row("a", published={"Toy": {"map": float("nan")}}), r"published\['Toy'\]\['map'\]: a finite number"),
        (lambda: Row("a", published={"Toy": 0.5}), r"published\['Toy'\]: a mapping"),
        (lambda: Row("a", printed_in=("t1",)), "printed_in: a tuple of a string, a string or None is needed"),
    ],
)  # fmt: skip
def test_what_no_row_can_be_made_of_is_refused(build, message):
    """A fault of a row or a design is told when it is built, with its place in it."""
    with pytest.raises(ValueError, match=message):
        build()


def test_all_faults_of_a_row_are_told():
    """A label, a change and a published value that are wrong give one error with the three."""
    with pytest.raises(ValueError, match=r"(?s)Row 'a\\tb' is refused.*label.*changes.*published"):
        Row("a\tb", {RATE: float("nan")}, published={"Toy": {"map": "0.5"}})


# -- what is compared


def a_table(*rows, **changes):
    declared = dict(datasets=[Dataset("Toy")], view=TEST, metrics=[MAP, RANK1], base=ToyConfig())
    return Ablation("t", "T", rows=list(rows), **{**declared, **changes})


def compared(*rows, **changes):
    return [(contrast.row, contrast.reference) for contrast in a_table(*rows, **changes).contrasts]


RATES = Sweep("learning_rate", (0.05, 0.1, 0.2))
COMPONENTS = {"attention": {"network.attention": None}, "width": {"network.embedding_size": 2}}


def test_rows_meet_the_row_that_is_the_base():
    """Whatever stands first."""
    rows = [Row("fast", {"learning_rate": 0.2}), Row("plain"), Row("slow", {"learning_rate": 0.05})]
    assert [("fast", "plain"), ("slow", "plain")] == compared(*rows)


def test_without_the_base_nothing_is_compared_unless_a_reference_is_named():
    """No row is made the reference by its place."""
    rows = [Row("fast", {"learning_rate": 0.2}), Row("slow", {"learning_rate": 0.05})]
    assert [] == compared(*rows)
    assert [("fast", "slow")] == compared(*rows, reference="slow")


def test_a_component_left_out_meets_the_full_method():
    """What each component is worth."""
    assert [("w/o attention", "full"), ("w/o width", "full")] == compared(LeaveOneOut(COMPONENTS))


def test_a_cumulative_step_meets_the_row_above():
    """What each step adds, and not how far the first row is from the last."""
    design = Cumulative(
        {"learning_rate": 0.3}, "start", {"a": {"learning_rate": 0.2}, "b": {"learning_rate": 0.1}}
    )
    assert [("+ a", "start"), ("+ b", "+ a")] == compared(design)


def test_a_swept_value_meets_the_declared_one():
    """And where the declared one is not among them, the table's base row, if there is one."""
    assert [("0.05", "0.1"), ("0.2", "0.1")] == compared(RATES)
    others = Sweep("learning_rate", (0.05, 0.2))
    assert [] == compared(others)
    assert [("0.05", "base"), ("0.2", "base")] == compared(others, Row("base"))


def test_a_factorial_has_main_effects_and_interactions():
    """Averaged over the other factor's levels; the interaction is by how much an effect changes with the other."""
    factors = {
        "A": {"off": {"network.attention": None}, "on": {}},
        "E": {"2": {"network.embedding_size": 2}, "4": {}},
    }
    first, second, both = a_table(Factorial(factors)).contrasts
    rows = ["A off, E 2", "A off, E 4", "A on, E 2", "A on, E 4"]
    assert ("A (on − off)", "E (4 − 2)", "A × E") == (first.label, second.label, both.label)
    assert [-0.5, -0.5, 0.5, 0.5] == [first.weights[row] for row in rows]
    assert [-0.5, 0.5, -0.5, 0.5] == [second.weights[row] for row in rows]
    assert [1.0, -1.0, -1.0, 1.0] == [both.weights[row] for row in rows]


def test_effects_of_more_levels_and_views_are_named_apart():
    """Each level meets the first, in each view."""
    factors = {"E": {"2": {"network.embedding_size": 2}, "4": {}, "8": {"network.embedding_size": 8}}}
    views = {"all": TEST, "global": RetrievalView(embeddings=("global",))}
    contrasts = a_table(Factorial(factors, views)).contrasts
    assert ["E (4 − 2) (all)", "E (8 − 2) (all)", "E (4 − 2) (global)", "E (8 − 2) (global)"] == [
        one.label for one in contrasts
    ]
    assert {"E 2 / all": -1.0, "E 8 / all": 1.0} == dict(contrasts[1].weights)


@pytest.mark.parametrize("num_levels", [(2, 2), (2, 2, 2), (3, 2)])
def test_the_weights_of_every_contrast_add_up_to_nothing(num_levels):
    """A table in which all rows are alike has no effects."""
    paths = ("learning_rate", "epochs", "network.embedding_size")
    factors = {
        path: {str(level): {path: level + 1} for level in range(num)}
        for path, num in zip(paths, num_levels, strict=False)
    }
    contrasts = a_table(Factorial(factors)).contrasts
    assert math.prod(num_levels) - 1 == len(contrasts)
    assert all(math.isclose(0, sum(one.weights.values()), abs_tol=1e-12) for one in contrasts)


def test_a_reference_overrides_every_design():
    """All rows meet the named one, whatever made them."""
    design = LeaveOneOut(COMPONENTS)
    expected = [("full", "w/o width"), ("w/o attention", "w/o width"), ("0.2", "w/o width")]
    assert expected == compared(design, Row("0.2", {"learning_rate": 0.2}), reference="w/o width")


def test_a_design_that_carries_printed_numbers_compares_what_it_compared():
    """Numbers of a paper beside some of its rows change no comparison."""
    carrying = rows_as_printed([RATES], "mgn_v1_t2", {"0.2": "MGN"})
    assert compared(RATES) == compared(*carrying)


def test_rows_that_wait_or_are_only_printed_are_not_compared():
    """There is nothing to compare."""
    rows = [Row("plain"), Row("best", waits_for="a search"), Row("other", is_trained=False)]
    assert [] == compared(*rows)


class Ladder:
    """A design of one's own, which knows of no comparison."""

    def rows(self):
        yield Row("low", {"learning_rate": 0.05})
        yield Row("declared")


def test_a_design_of_ones_own_is_compared_as_single_rows_are():
    """Its rows meet the base."""
    assert [("low", "declared")] == compared(Ladder())


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"reference": "plan"}, "'plan' is no trained row; did you mean 'plain'"),
        ({"reference": "printed"}, "'printed' is no trained row"),
        ({"tested": [MINP]}, "tested: 'minp' is no column; there are map, rank1"),
        ({"tested": [MAP, MAP]}, "tested metric 'map' is given twice"),
        ({"deviation": {"minp": 0.1}}, "deviation: 'minp' is no column"),
        ({"deviation": {"map": 0.0}}, r"deviation\['map'\]: a deviation is above 0"),
        ({"emphasis": "bold"}, "emphasis: .*'evidence'.*'highest'"),
    ],
)
def test_faults_of_what_is_compared_are_found_when_the_table_is_built(changes, fault):
    """A reference that is no row, a metric that is no column, an emphasis that there is none of."""
    with pytest.raises(ValueError, match=fault):
        a_table(Row("plain"), Row("printed", is_trained=False), **changes)


def test_a_reference_without_a_group_is_one_of_each_group():
    """Each row meets the row of that label in its own group; a row outside meets the first."""
    rows = [
        Row("alone", {"learning_rate": 0.2}, group="hard"),
        Row("inside", group="hard"),
        Row("alone", {"learning_rate": 0.3}, group="soft"),
        Row("inside", {"learning_rate": 0.4}, group="soft"),
    ]
    contrasts = a_table(*rows, reference="inside").contrasts
    assert [("hard / alone", "hard / inside"), ("soft / alone", "soft / inside")] == [
        (one.row, one.reference) for one in contrasts
    ]
    of_one = a_table(*rows, reference="soft / inside").contrasts
    assert {"soft / inside"} == {one.reference for one in of_one}
    assert 3 == len(of_one)
