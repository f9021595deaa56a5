"""Forecasts of how long trainings take, on simulated records."""

import math

import numpy as np
import pytest

from tablewright.orchestrator.costs.forecast import Ahead, Interval, Timed, forecast, student_quantile

KIND = "mdpr", "demo"


def timed(shape, wall_s, size=1.0, kind=KIND):
    return Timed(kind, shape, size, wall_s)


def ahead(shape, size=1.0, share=1.0, kind=KIND):
    return Ahead(kind, shape, size, share)


def test_equal_trainings_take_what_equal_ones_took():
    """Whatever others of their kind took; a half takes half of it."""
    recorded = [timed("a", 100.0), timed("a", 100.0), timed("b", 5.0)]
    found = forecast([ahead("a"), ahead("a", share=0.5)], recorded)
    assert pytest.approx(150.0, rel=0.1) == found.likely
    assert found.low < found.likely < found.high


def test_a_shape_without_records_takes_what_its_size_says():
    """Rows differ by 4.8 times in their operations, so that one median serves none of them."""
    recorded = [timed("a", 100.0, size=1.0), timed("b", 300.0, size=3.0)]
    found = forecast([ahead("c", size=4.8)], recorded)
    assert found.low < 480.0 < found.high
    assert pytest.approx(480.0, rel=0.15) == found.likely


def test_time_that_grows_less_than_size_is_learnt():
    """As where augmentation takes the most of small networks' time."""
    recorded = [timed(size, 10 * size**0.4, size=size) for size in (1.0, 2.0, 4.0, 8.0, 16.0)]
    found = forecast([ahead("new", size=32.0)], recorded)
    assert pytest.approx(10 * 32**0.4, rel=0.15) == found.likely


def test_more_records_make_a_narrower_interval():
    """And one gives a wide one rather than none."""
    widths = [
        found.high / found.low
        for number in (1, 4, 16)
        if (found := forecast([ahead("a")] * 20, [timed("a", 100.0)] * number))
    ]
    assert sorted(widths, reverse=True) == widths
    assert widths[0] > 1.5


def test_kinds_are_forecast_by_themselves_and_added():
    """Another method says nothing; a kind without a record leaves the whole unknown."""
    recorded = [timed("a", 100.0), timed("x", 7.0, kind="other")]
    both = forecast([ahead("a"), ahead("x", kind="other")], recorded)
    assert pytest.approx(107.0, rel=0.05) == both.likely
    assert forecast([ahead("a"), ahead("y", kind="third")], recorded) is None
    assert Interval(0.0, 0.0, 0.0) == forecast([], recorded)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("num_recorded", "within", "between", "power", "drift"),
    [
        (1, 0.1, 0.3, 1.0, 0.1),
        (3, 0.05, 0.1, 1.0, 0.0),
        (5, 0.1, 0.3, 0.6, 0.0),
        (8, 0.3, 0.3, 1.0, 0.0),
        (17, 0.1, 0.2, 0.9, 0.15),
        (17, 0.02, 0.02, 0.5, 0.15),
    ],
)
def test_nine_intervals_of_ten_hold_the_time(num_recorded, within, between, power, drift):
    """On simulated studies of few records or many, that scatter little or much, on machines that are as busy or busier.

    Seventeen shapes of three seeds each; those recorded are the first in the plan's order: every shape once.
    """
    rng = np.random.default_rng(num_recorded)
    hits, num_studies = 0, 400
    for _ in range(num_studies):
        sizes = np.exp(rng.uniform(0, math.log(4.8), 17))
        shape_s = 60 * sizes**power * np.exp(rng.normal(0, between, 17))
        walls_s = shape_s[:, None] * np.exp(rng.normal(0, within, (17, 3)))
        recorded = [timed(row, walls_s[row, 0], sizes[row]) for row in range(num_recorded)]
        left = [(row, seed) for seed in range(3) for row in range(17) if seed or row >= num_recorded]
        found = forecast([ahead(row, sizes[row]) for row, _ in left], recorded)
        busier = np.exp(rng.normal(0, drift))
        hits += found.low <= busier * sum(walls_s[place] for place in left) <= found.high
    assert 0.84 <= hits / num_studies <= 1.0


@pytest.mark.parametrize(("degrees", "expected"), [(3, 2.353), (5, 2.015), (10, 1.812), (100, 1.660)])
def test_the_quantiles_are_students(degrees, expected):
    """To two digits, as a forecast needs them."""
    assert pytest.approx(expected, rel=0.01) == student_quantile(0.95, degrees)
