"""Ranges: what may be searched, and which of them are refused."""

import random

import pytest

from tablewright.orchestrator.declared.ranges import Choice, FloatRange, IntRange, When


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: FloatRange(0, 1, log=True), "low: a logarithm needs numbers above 0; got 0"),
        (lambda: FloatRange(-1.0, 1, log=True), "low: a logarithm needs numbers above 0; got -1.0"),
        (lambda: FloatRange(2, 1), "low 2 is above high 1"),
        (lambda: FloatRange(float("nan"), 1), "low: a finite number is needed; got nan"),
        (lambda: FloatRange(0, float("inf")), "high: a finite number is needed; got inf"),
        (lambda: FloatRange("0", 1), "low: a finite number is needed; got '0'"),
        (lambda: FloatRange(False, True), "low: a finite number is needed; got False"),
        (lambda: FloatRange(0, 1, log="no"), "log: True or False is needed; got 'no'"),
        (lambda: IntRange(1, 8, 0), "step: a whole number of at least 1 is needed; got 0"),
        (lambda: IntRange(1, 8, -2), "step: a whole number of at least 1 is needed; got -2"),
        (lambda: IntRange(1, 8, 2), "steps of 2 from 1 miss 8; set it to 7 or 9"),
        (lambda: IntRange(1, 8, 9), "steps of 9 from 1 miss 8; set it to 1 or 10"),
        (lambda: IntRange(0, 8, log=True), "low: a logarithm needs numbers above 0; got 0"),
        (lambda: IntRange(1, 9, 2, log=True), "step: logarithms have no even steps; got 2 with log=True"),
        (lambda: IntRange(8, 1), "low 8 is above high 1"),
        (lambda: FloatRange(0, 1, step=0.3), r"steps of 0\.3 from 0 miss 1; set it to 0\.9 or 1\.2"),
        (lambda: FloatRange(0.1, 1, log=True, step=0.1), "step: logarithms have no even steps; got 0.1 with log=True"),
        (lambda: FloatRange(0, 1, step="a"), "step: .* got 'a'"),
        (lambda: IntRange(1.0, 8), "low: a whole number is needed; got 1.0"),
        (lambda: IntRange(1, True), "high: a whole number is needed; got True"),
        (lambda: Choice(()), "nothing to choose from"),
        (lambda: Choice((1, True, 1.0)), "1, True, 1.0 are one value"),
        (lambda: Choice(("a", "b", "a")), "'a', 'a' are one value"),
        (lambda: Choice("ab"), r"values: a list .* got 'ab'; write \['ab'\]"),
        (lambda: Choice({1, 2}), "which has no order"),
        (lambda: Choice((float("nan"),)), r"values\[0\]: .* got nan"),
        (lambda: Choice(((1, 2),)), r"values\[0\]: .* got the tuple \(1, 2\)"),
        (lambda: Choice((int,)), r"values\[0\]: .* got the class int"),
        (lambda: When("epochs", (), IntRange(1, 2)), "searched on no value of epochs"),
        (lambda: When("epochs", 3, IntRange(1, 2)), "put it into brackets"),
        (lambda: When("epochs", (3, 3.0), IntRange(1, 2)), "each is given once; 3"),
        (lambda: When(("epochs",), (3,), IntRange(1, 2)), "path: a string is needed"),
        (lambda: When("epochs", (3,), (1, 2)), "range: a FloatRange, an IntRange or a Choice is needed"),
        (lambda: When("epochs", (3,), When("a", (1,), IntRange(1, 2))), "range: .* got a When"),
    ],
)  # fmt: skip
def test_a_range_that_means_nothing_is_refused(build, message):
    """It is told when the range is built, in our words."""
    with pytest.raises(ValueError, match=message):
        build()


def test_a_range_knows_its_values():
    """What can be suggested is told from what cannot, whatever its type."""
    steps = IntRange(2, 8, 3)
    assert [True, True, False, False, False] == [steps.contains(value) for value in (2, 5.0, 6, True, "5")]
    assert [True, False, False] == [FloatRange(0, 1).contains(value) for value in (0.5, 2, None)]
    assert [True, False] == [Choice((None, "a")).contains(value) for value in (None, "b")]


def test_a_condition_on_a_real_number_is_never_met():
    """A suggestion of a real number is equal to a given one by no chance; of a single number it always is."""
    assert not FloatRange(0, 1).can_be_met(0.5)
    assert FloatRange(0.5, 0.5).can_be_met(0.5)
    assert IntRange(1, 3).can_be_met(2)


def test_every_number_of_a_short_range_is_tried():
    """A declaration is built with each value that few steps give, and with the ends of many."""
    assert (2, 4, 6) == IntRange(2, 6, 2).samples()
    assert (1, 1000) == IntRange(1, 1000).samples()
    assert (1.0, 8.0) == FloatRange(1, 8).samples()
    assert all(isinstance(value, float) for value in FloatRange(1, 8).samples())


def test_steps_of_real_numbers_are_exact_decimals():
    """Each is the number as it would be written, whatever binary fractions make of a sum."""
    steps = FloatRange(0.05, 0.4, step=0.05)
    written = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4)
    assert written == steps.values_in_order() == steps.samples()
    assert [0.15, 0.3] == [steps.on_step(value) for value in (0.15000000000000002, 0.1 + 0.2)]
    assert [True, False, False] == [steps.contains(value) for value in (0.35, 0.36, 0.45)]
    assert [True, False] == [steps.can_be_met(value) for value in (0.3, 0.31)]
    chance = random.Random(0)
    assert set(written) == {steps.draw(chance) for _ in range(200)}
    assert (1e-3, 1.0) == FloatRange(1e-3, 1.0, step=1e-3).samples()


@pytest.mark.parametrize(
    "declared",
    [
        FloatRange(1e-4, 1, log=True),
        IntRange(1, 9, log=True),
        IntRange(2, 8, 3),
        Choice((None, "a")),
        FloatRange(0, 1),
    ],
)
def test_what_is_drawn_lies_in_the_range(declared):
    """By chance alone, as for what goes with an end of another range."""
    chance = random.Random(0)
    assert all(declared.contains(declared.draw(chance)) for _ in range(100))
