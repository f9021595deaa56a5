"""How parameters of a search are printed."""

import pytest

from tablewright.orchestrator.declared.ranges import Choice, FloatRange, IntRange, When
from tablewright.reports.notes.parameter_text import declared_text, found_text, range_text, short_names


def test_a_parameter_has_the_shortest_name_that_is_its_own():
    """The end of its path, and as much before it as tells it from the others."""
    paths = ["losses.triplet.margin", "losses.identity.margin", "optimisation.base_lr", "lr", "warmup.lr"]
    expected = ["triplet.margin", "identity.margin", "base_lr", "lr", "warmup.lr"]
    assert expected == list(short_names(paths).values())


@pytest.mark.parametrize(
    ("value", "found", "declared"),
    [
        (0.00035217, "0.000352", "0.00035217"),
        (0.0000217, "2.17e-5", "2.17e-5"),
        (-0.0000217, "−2.17e-5", "−2.17e-5"),
        (127.96, "128", "127.96"),
        (12345.6, "12300", "12345.6"),
        (12345, "12345", "12345"),
        (3e7, "3e7", "3e7"),
        (0.5, "0.5", "0.5"),
        (0.999999, "1", "0.999999"),
        (0.0, "0", "0"),
        (-1, "−1", "−1"),
        (True, "yes", "yes"),
        (None, "off", "off"),
        ("GRU", "GRU", "GRU"),
    ],
)
def test_a_value_has_the_digits_that_say_something(value, found, declared):
    """Three digits of what was found, what a person wrote in full, and whole numbers whole."""
    assert (found, declared) == (found_text({"a": value}, "a"), declared_text({"a": value}, "a"))


def test_a_parameter_that_is_not_searched_has_a_dash():
    """A conditional one beside a value that it does not belong to has no value."""
    assert "–" == found_text({"b": 1}, "a")


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        (FloatRange(1e-5, 0.5, log=True), "1e-5 to 0.5, log"),
        (FloatRange(-1, 1), "−1 to 1"),
        (IntRange(2, 16, 2), "2 to 16, step 2"),
        (FloatRange(0.05, 0.5, step=0.05), "0.05 to 0.5, step 0.05"),
        (Choice((None, 4, "sum")), "off, 4, sum"),
        (When("net.kind", ("a", "b"), IntRange(1, 3)), "1 to 3; where kind is a or b"),
        (FloatRange(0.1 / 3, 0.1 * 3), "0.0333333 to 0.3"),
    ],
)
def test_a_range_is_said_as_it_was_declared(declared, text):
    """Its ends, its logarithm, its steps, and where alone it is searched."""
    assert text == range_text(declared, {"net.kind": "kind"})
