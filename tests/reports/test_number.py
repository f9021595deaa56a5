"""How numbers are printed."""

from __future__ import annotations

import pytest

from reports.number import half_printed_unit, printed_text
from trainables.contract import DEPTH, INFERENCE_PARAMETERS, MAP, Metric


@pytest.mark.parametrize(
    ("value", "metric", "text", "half_unit"),
    [
        (0.942, MAP, "94.2", 0.0005),
        (0.94, MAP, "94.0", 0.0005),
        (0.9565, MAP, "95.65", 0.00005),
        (58.3, INFERENCE_PARAMETERS, "58.3", 0.05),
        (6.0, INFERENCE_PARAMETERS, "6.0", 0.05),
        (39.0, DEPTH, "39", 0.5),
    ],
)
def test_a_papers_value_keeps_the_digits_that_were_printed(
    value: float, metric: Metric, text: str, half_unit: float
):
    """Neither more digits are shown than the paper has, nor fewer; its rounding is half of the last one."""
    assert text == printed_text(value, metric)
    assert pytest.approx(half_unit) == half_printed_unit(value, metric)
