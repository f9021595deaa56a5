"""Rows and designs: what they spell out, and what they refuse."""

import pytest

from orchestrator.design import Cumulative, Factorial, LeaveOneOut, Row, Sweep, rows_as_printed
from tests.orchestrator.declared import RATE, TEST, M
from tests.toy_method import ToyAttention


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
    rows = rows_as_printed([design, Row("x", group="g")], "mgn_v1_t2", {"0.2": "MGN", "g / x": "ResNet-50"})
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
        (lambda: Factorial({"A": {"on": {}}}, {"x": "all"}), r"views\['x'\]: a RetrievalView or"),
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
