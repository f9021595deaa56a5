"""How the rows of a table are told apart in a figure, in colour and in grey, and which of many are named.

Colour, line and sign change together: who sees fewer colours, or prints in grey, goes by the other two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from matplotlib.lines import Line2D

from tablewright.reports.figures.canvas import COLOURS

LineStyle = Literal["-", "--", "-.", ":"] | tuple[float, tuple[float, ...]]

# Seven colours, six lines and eight signs: of 168 rows no two are drawn alike.
LINE_STYLES: tuple[LineStyle, ...] = (
    "-",
    "--",
    "-.",
    ":",
    (0.0, (8.0, 3.0)),
    (0.0, (6.0, 1.5, 1.0, 1.5, 1.0, 1.5)),
)
SIGNS = ("o", "s", "^", "D", "v", "P", "X", "<")
MAX_NAMED = 12
UNNAMED_COLOUR = "#bbbbbb"


@dataclass(frozen=True)
class RowStyle:
    """How one row is drawn.

    Attributes:
        colour: of its line and sign.
        line: whether and how it is broken.
        sign: matplotlib's marker.
        is_named: whether the legend has it; else it is one of many in grey.
    """

    colour: str
    line: LineStyle
    sign: str
    is_named: bool = True

    def legend(self, *, has_line: bool = True, has_sign: bool = True) -> Line2D:
        """Give it as a legend shows it."""
        return Line2D(
            [],
            [],
            color=self.colour,
            linestyle=self.line if has_line else "",
            marker=self.sign if has_sign else "",
        )


UNNAMED = RowStyle(UNNAMED_COLOUR, "-", "", is_named=False)


def row_style(number: int) -> RowStyle:
    """Give the style of a row by its number among those that are named."""
    return RowStyle(
        COLOURS[number % len(COLOURS)],
        LINE_STYLES[number % len(LINE_STYLES)],
        SIGNS[number % len(SIGNS)],
    )


def row_styles(labels: Sequence[str], named: Sequence[str]) -> dict[str, RowStyle]:
    """Give each row its style; those that are not named are grey."""
    number_of = {label: number for number, label in enumerate(label for label in labels if label in named)}
    return {label: row_style(number_of[label]) if label in number_of else UNNAMED for label in labels}


def named_rows(
    labels: Sequence[str], scores: Mapping[str, float], base: str, *, higher_is_better: bool
) -> tuple[str, ...]:
    """Say which rows a legend names: all, or of more than it can hold the best, the base and the worst.

    Args:
        labels: in printing order.
        scores: of those that have one.
        base: the row that others are compared with; empty where there is none.
        higher_is_better: of the scores.
    """
    if len(labels) <= MAX_NAMED:
        return tuple(labels)
    having = [label for label in labels if label in scores]
    if not having:
        return tuple(labels[:MAX_NAMED])
    sign = 1 if higher_is_better else -1
    best = max(having, key=lambda label: sign * scores[label])
    worst = min(having, key=lambda label: sign * scores[label])
    return tuple(label for label in labels if label in (best, base, worst))


def naming_caption(num_rows: int, named: Sequence[str]) -> str:
    """Say that of many rows some are named; empty where all are."""
    if len(named) >= num_rows:
        return ""
    return f"of {num_rows} rows the best, the worst and the base are named, the others grey"
