"""Panels of equal size in lines, each with its title, and what stands beside their axes: nothing runs into another."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from tablewright.reports.figures.canvas import PrintSize, wrapped

SPARED = 0.9  # of the room for a text, whose signs may be wider than signs are on average
MAX_LINES = 3
"""Of a title or the name of an axis; what is longer is cut, and the caption or the CSV has it whole."""
AXIS_IN = 0.4  # of a panel's width, for its numbers and the name of the vertical axis


@dataclass(frozen=True)
class PanelGrid:
    """Panels of a figure.

    Attributes:
        titles: of the panels, in order; empty ones where a panel needs none.
        across: name of each horizontal axis.
        up: name of each vertical axis.
        width_in: of the figure, in inches.
        panel_in: height of one panel with its numbers and a line below, in inches.
        num_across: how many stand beside each other at most.
        size: of the print.
        shares_axis: whether all have one vertical axis.
    """

    titles: Sequence[str]
    across: str
    up: Sequence[str]
    width_in: float
    panel_in: float
    num_across: int
    size: PrintSize
    shares_axis: bool = False

    @property
    def _num_beside(self) -> int:
        return max(1, min(self.num_across, len(self.titles)))

    @property
    def _num_below(self) -> int:
        return -(-len(self.titles) // self._num_beside)

    @property
    def room(self) -> int:
        """How many signs stand beside each other above or below a panel."""
        of_axes_in = AXIS_IN if self.shares_axis else AXIS_IN * self._num_beside
        width_in = SPARED * (self.width_in - of_axes_in) / self._num_beside
        return int(width_in / (self.size.width_in("n") * self._type_ratio))

    @property
    def _type_ratio(self) -> float:
        return self.size.type_pt / self.size.small_pt

    @property
    def _titles(self) -> list[str]:
        return [in_lines(title, self.room) for title in self.titles]

    @property
    def height_in(self) -> float:
        """Height of all panels together, in inches."""
        of_title = max((title.count("\n") + 1 for title in self._titles if title), default=0)
        of_axis = in_lines(self.across, self.room).count("\n")
        return self._num_below * (self.panel_in + self.size.line_in * self._type_ratio * (of_title + of_axis))

    def draw(self, canvas: Canvas) -> list[Axes]:
        """Put the panels on a figure, and give them in the order of their titles."""
        grid = canvas.subplots(self._num_below, self._num_beside, squeeze=False, sharey=self.shares_axis)
        spaces: list[Axes] = [axes for line in grid for axes in line]
        room_up = int(self.panel_in / (self.size.width_in("n") * self._type_ratio))
        for number, (axes, title) in enumerate(itertools.zip_longest(spaces, self._titles)):
            if title is None:
                axes.set_visible(False)
                continue
            if title:
                axes.set_title(title, loc="left", linespacing=1.0)
            axes.set_xlabel(in_lines(self.across, self.room), linespacing=1.0)
            if not self.shares_axis or number % self._num_beside == 0:
                axes.set_ylabel(in_lines(self.up[number], room_up))
        return spaces[: len(self.titles)]


def in_lines(text: str, room: int) -> str:
    """Break a text into as many lines as there may be; what goes beyond is cut."""
    lines = wrapped(text, room).split("\n")
    if len(lines) > MAX_LINES:
        lines = [*lines[: MAX_LINES - 1], f"{lines[MAX_LINES - 1][: room - 1]}…"]
    return "\n".join(lines)
