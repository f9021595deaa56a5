"""Curves of what trainings reported: what is a point, what a band, and what has an axis of its own."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from PIL import Image

from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.plans.plan import Cell
from tablewright.reports.figures.canvas import TWO_COLUMNS
from tablewright.reports.figures.curves import (
    OPACITY,
    Curve,
    Quantity,
    curve_chart,
    curves_of,
    drawn_names,
    quantity_of,
)
from tablewright.trainables.contract.metric import Metric


def a_cell(row: str, seed: int, training_id: str, dataset: str = "Market-1501") -> Cell:
    return Cell("tiny", "depth", "", row, dataset, seed, training_id, "v")


def line(label: str, *values: float) -> Curve:
    return Curve(label, range(1, len(values) + 1), values)


def test_a_curve_is_the_mean_of_its_seeds_in_their_range():
    """Seeds are averaged epoch by epoch; data sets have curves of their own, and one seed has no band."""
    cells = [a_cell("a", 0, "1"), a_cell("a", 1, "2"), a_cell("a", 0, "3", "DukeMTMC-reID")]
    points = {"1": {1: 4.0, 2: 2.0}, "2": {1: 6.0, 2: 3.0}, "3": {1: 9.0}}
    expected = {
        "Market-1501": [Curve("a", [1, 2], [5.0, 2.5], ([4.0, 2.0], [6.0, 3.0]), [])],
        "DukeMTMC-reID": [Curve("a", [1], [9.0], None, [])],
    }
    assert expected == curves_of(cells, points, None)


def test_epochs_without_a_value_of_every_seed_have_no_point():
    """A mean is one of the same seeds all along, and what was not reported is no zero."""
    cells = [a_cell("a", 0, "1"), a_cell("a", 1, "2")]
    points = {"1": {1: 4.0, 3: 2.0, 5: 1.0}, "2": {3: 4.0, 4: 9.0, 5: 3.0}}
    expected = [Curve("a", [3, 5], [300.0, 200.0], ([200.0, 100.0], [400.0, 300.0]), [])]
    assert expected == curves_of(cells, points, None, factor=100)["Market-1501"]


def test_the_kept_epoch_of_each_seed_is_marked():
    """At its own value, not the mean's, and where that epoch reported one."""
    cells = [a_cell("a", seed, str(seed)) for seed in range(3)]
    points = {"0": {1: 4.0, 2: 2.0}, "1": {1: 6.0, 2: 3.0}, "2": {2: 4.0}}
    (curve,) = curves_of(cells, points, None, kept_epochs={"0": 2, "1": 1, "2": 1})["Market-1501"]
    assert [(2, 2.0), (1, 6.0)] == curve.kept


def test_a_curve_says_how_many_of_its_seeds_it_is_of():
    """A seed without a value takes no part in the mean and is counted in the label; none at all leaves no line."""
    cells = [a_cell("a", 0, "1"), a_cell("a", 1, "2"), a_cell("b", 0, "3"), a_cell("c", 0, "4")]
    expected = [Curve("a (1/2)", [1], [4.0], None, []), Curve("b (0/1)"), Curve("c (0/1)")]
    assert expected == curves_of(cells, {"1": {1: 4.0}, "4": {}}, None)["Market-1501"]


def test_a_group_that_shares_its_trainings_is_one_line():
    """Under the name of the group alone, which says which trainings they are."""
    cells = [Cell("tiny", "depth", "on", row, "Market-1501", 0, "1", "v") for row in ("hard", "soft")]
    assert ["on"] == [curve.label for curve in curves_of(cells, {"1": {1: 1.0}}, None)["Market-1501"]]


def test_rows_of_the_same_trainings_share_a_line():
    """Rows that are views of one training are drawn once: under the name of the base, or counted."""
    cells = [a_cell("hard", 0, "1"), a_cell("soft", 0, "1"), a_cell("all", 0, "1"), a_cell("alone", 0, "2")]
    points = {"1": {1: 1.0}, "2": {1: 1.0}}
    for base, expected in (
        (Row("all"), ["all", "alone"]),
        (Row("alone"), ["hard and 2 more rows of the same trainings", "alone"]),
        (None, ["hard and 2 more rows of the same trainings", "alone"]),
    ):
        assert expected == [curve.label for curve in curves_of(cells, points, base)["Market-1501"]]


@pytest.mark.parametrize(
    ("reported", "drawn"),
    [
        (["val_ppl", "loss"], ["loss", "val_ppl"]),
        (["loss", "loss/triplet", "learning_rate", "images_per_s", "lr", "best_epoch"], ["loss"]),
        (["val/ppl", "train/ppl"], ["val/ppl", "train/ppl"]),
    ],
)
def test_what_is_drawn(reported: list[str], drawn: list[str]):
    """Not how a training was run, nor the terms of a sum that is drawn itself."""
    assert drawn == drawn_names(reported)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ppl", Quantity("PPL")),
        ("val_ppl", Quantity("PPL (val)")),
        ("val/top1", Quantity("Top-1 (val), %", 100.0)),
        ("train_top1", Quantity("Top-1 (train), %", 100.0)),
        ("top1", Quantity("Top-1, %", 100.0)),
        ("loss", Quantity("loss")),
        ("val_other", Quantity("val_other")),
        ("best_ppl", Quantity("best_ppl")),
    ],
)
def test_a_metric_is_drawn_as_tables_print_it(name: str, expected: Quantity):
    """By its label, and a fraction in percent; any other name stands for itself."""
    metrics = [Metric("ppl", "PPL", higher_is_better=False, is_fraction=False), Metric("top1", "Top-1")]
    assert expected == quantity_of(name, metrics)


def draw_curves(curves: Mapping[str, Sequence[Curve]], quantity: str, stub_head: str) -> tuple[bytes, bytes]:
    return curve_chart(curves, quantity, stub_head).draw(TWO_COLUMNS)


def share_of(colour: tuple[int, int, int], png: bytes, opacity: float = OPACITY) -> float:
    """Give the share of a picture's pixels that have nearly a colour as it is drawn, a little transparent."""
    drawn = 255 + (np.array(colour) - 255) * opacity
    with Image.open(io.BytesIO(png)) as picture:
        return float((np.abs(np.asarray(picture.convert("RGB")) - drawn) < 8).all(-1).mean())


BLUE, ORANGE = (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)


@pytest.mark.slow
def test_lines_are_where_the_values_are():
    """A PNG and a PDF of equal bytes, in which a second row draws a second colour."""
    one = {"Market": [line("$a", 3.0, 2.0)]}
    two = {"Market": [line("$a", 3.0, 2.0), line("_b", 2.0, 1.0)]}
    assert draw_curves(one, "$l", "$m") == draw_curves(one, "$l", "$m")
    png, pdf = draw_curves(two, "$l", "$m")
    assert pdf.startswith(b"%PDF")
    assert 0 == share_of(ORANGE, draw_curves(one, "$l", "$m")[0])
    assert share_of(ORANGE, png) > 1e-4


@pytest.mark.slow
def test_of_two_equal_curves_both_are_seen():
    """The upper one is broken, so that the lower one is not hidden."""
    apart = [line("a", 3.0, 2.0), line("b", 1.0, 0.0)]
    upon = [line("a", 3.0, 2.0), line("b", 3.0, 2.0)]
    seen, covered = (share_of(BLUE, draw_curves({"Market": some}, "loss", "")[0]) for some in (apart, upon))
    assert covered > 0.2 * seen


@pytest.mark.slow
def test_seeds_that_differ_are_seen_as_a_band():
    """The wider their range, the more of the panel it covers; equal seeds cover nothing."""

    def coloured(reach: float) -> float:
        values = [3.0, 2.9, 2.8, 2.7, 2.6, 2.5]
        band = ([value - reach for value in values], [value + reach for value in values])
        drawn = {"Market": [Curve("a", range(1, 7), values, band), line("b", 0.0, 5.0)]}
        with Image.open(io.BytesIO(draw_curves(drawn, "loss", "")[0])) as picture:
            pixels = np.asarray(picture.convert("RGB")).astype(int)
        return float((pixels[..., 2] - pixels[..., 0] > 15).mean())

    none, narrow, wide = map(coloured, (0.0, 0.5, 1.0))
    assert none < 0.5 * narrow < 0.5 * wide


@pytest.mark.slow
def test_the_legend_and_the_axis_are_named():
    """The head of the table's stub stands over the names of its rows, the quantity beside its axis."""
    curves = {"Market": [line("a", 3.0, 2.0)]}
    drawn = {draw_curves(curves, quantity, head)[0] for quantity in ("loss", "PPL") for head in ("", "depth")}
    assert 4 == len(drawn)
