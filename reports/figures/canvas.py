"""How a figure becomes files: a PNG for pages and a PDF for print, equal drawings giving equal bytes.

Figures of tables are drawn as wide as a column of the paper and in its type size, so that they are pasted into it
unscaled; those of searches, which are looked at and not printed, as wide as a page.
"""

from __future__ import annotations

import io
import math
import textwrap
import unicodedata
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib import style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from tablewright.orchestrator.declared.venue import Venue
from tablewright.reports.notes.parameter_text import number_text

PAGE_WIDTH_IN, DPI = 8.4, 120
EMBEDDED_FONTS = 42  # TrueType: many publishers refuse the default of a PDF, which is Type 3
GRID_COLOUR, QUIET_COLOUR = "#dddddd", "#66645e"

# Okabe and Ito's, which people who see fewer colours can tell apart.
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK = COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"),
)


FONTS = ("STIXGeneral", "DejaVu Sans")
"""Times, as most venues set their text, then what it has no sign for; both come with matplotlib."""

PRINT_DPI = 220
BIG_POINTS_AN_INCH, TEX_POINTS_AN_INCH = 72.0, 72.27
WIDEST_COLUMN_PT = 252.0  # IEEE's
LEAST_TYPE_PT, MOST_TYPE_PT, SMALLER_PT = 8.0, 9.0, 2.0  # of a caption; the last than the running text
NUM_DIGITS = 3  # of a number on an axis
EM_OF_SIGN = 0.5  # of the type size, how wide a sign is on average
LEGEND_LINE_EM = 1.55  # from one line of a legend to the next
LEGEND_SIGN_IN, LEGEND_MARGIN_IN = 0.36, 0.1  # what stands before a name, and around all


@dataclass(frozen=True)
class PrintSize:
    """What a figure is printed in; the default is a paper of two columns, as CVPR's and IEEE's are.

    Attributes:
        column_pt: width of one column, in points of TeX.
        text_pt: width of all columns together.
        type_pt: size of the type.
        further_fonts: families beside `FONTS`, for signs that these have not.
    """

    column_pt: float = 234.9  # 3.25 in
    text_pt: float = 496.9  # 6.875 in
    type_pt: float = 8.0
    further_fonts: tuple[str, ...] = ()

    @staticmethod
    def of(venue: Venue) -> PrintSize:
        """Give what figures are printed in at a venue: their type is that of its captions.

        Where text is one wide column a figure takes a part of it, as wide as columns are elsewhere.
        """
        type_pt = min(MOST_TYPE_PT, max(LEAST_TYPE_PT, venue.type_size_pt - SMALLER_PT))
        return PrintSize(min(venue.column_width_pt, WIDEST_COLUMN_PT), venue.text_width_pt, type_pt)

    @property
    def column_in(self) -> float:
        """Width of one column in inches."""
        return self.column_pt / TEX_POINTS_AN_INCH

    @property
    def text_in(self) -> float:
        """Width of the text in inches."""
        return self.text_pt / TEX_POINTS_AN_INCH

    @property
    def small_pt(self) -> float:
        """Type size of ticks and legends."""
        return self.type_pt - 1

    def width_in(self, text: str) -> float:
        """Guess how wide a text is in the small type, in inches."""
        num_signs = sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)
        return num_signs * EM_OF_SIGN * self.small_pt / TEX_POINTS_AN_INCH

    @property
    def line_in(self) -> float:
        """Height of a line of a legend, in inches."""
        return LEGEND_LINE_EM * self.small_pt / TEX_POINTS_AN_INCH


TWO_COLUMNS = PrintSize()


def printed(
    width_in: float, height_in: float, size: PrintSize, draw: Callable[[Canvas], None]
) -> tuple[bytes, bytes]:
    """Give a PNG and a PDF of a figure for print, in which every text stands as it is written.

    Args:
        width_in: of the whole, in inches.
        height_in: likewise.
        size: whose type is used.
        draw: puts everything on the canvas.
    """
    type_bp = size.type_pt * BIG_POINTS_AN_INCH / TEX_POINTS_AN_INCH
    small_bp = size.small_pt * BIG_POINTS_AN_INCH / TEX_POINTS_AN_INCH
    settings = {
        "font.family": [*FONTS, *size.further_fonts],
        "font.size": type_bp,
        "axes.titlesize": type_bp,
        "axes.labelsize": type_bp,
        "axes.labelpad": 2.5,
        "axes.titlepad": 4.0,
        "axes.linewidth": 0.6,
        "xtick.labelsize": small_bp,
        "ytick.labelsize": small_bp,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "legend.fontsize": small_bp,
        "legend.title_fontsize": small_bp,
        "lines.linewidth": 1.1,
        "lines.markersize": 3.4,
        "lines.markeredgewidth": 0.8,
        "figure.constrained_layout.w_pad": 0.035,
        "figure.constrained_layout.h_pad": 0.045,
    }
    return _files(width_in, height_in, PRINT_DPI, settings, draw, parses_math=False)


def drawn(
    height_in: float, draw: Callable[[Canvas], None], *, parses_math: bool = True
) -> tuple[bytes, bytes]:
    """Give a PNG and a PDF of a figure as wide as a page.

    Args:
        height_in: of the whole, in inches.
        draw: puts everything on the canvas.
        parses_math: whether a text with dollars is read as mathematics, as ticks of a logarithmic axis need it; else
            every text stands as it is written.
    """
    return _files(PAGE_WIDTH_IN, height_in, DPI, {}, draw, parses_math=parses_math)


def _files(
    width_in: float,
    height_in: float,
    dpi: int,
    settings: Mapping[str, Any],
    draw: Callable[[Canvas], None],
    *,
    parses_math: bool,
) -> tuple[bytes, bytes]:
    settings = {**settings, "pdf.fonttype": EMBEDDED_FONTS, "text.parse_math": parses_math}
    with (
        style.context(["default", settings], after_reset=True),
        warnings.catch_warnings(),
    ):  # not the user's own
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # it is told once, below the table
        canvas = Canvas((width_in, height_in), dpi=dpi, layout="constrained")
        draw(canvas)
        png, pdf = io.BytesIO(), io.BytesIO()
        FigureCanvasAgg(canvas).print_png(png, metadata={"Software": None})
        canvas.set_layout_engine("none")  # everything stays where it was put
        FigureCanvasPdf(canvas).print_pdf(pdf, metadata={"Creator": None, "CreationDate": None})
    return png.getvalue(), pdf.getvalue()


def quieten(axes: Axes) -> None:
    """Leave of the frame what is read."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=GRID_COLOUR, linewidth=0.6)
    axes.set_axisbelow(True)


def wrapped(label: str, max_length: int) -> str:
    """Break a name that is longer than its place into lines."""
    return textwrap.fill(label, max(8, max_length))


@dataclass(frozen=True)
class LegendBelow:
    """A legend below the panels, in as many columns as have room.

    Attributes:
        labels: of what it names, in order.
        width_in: of the figure, in inches.
        size: of the print.
        title: over the names.
    """

    labels: Sequence[str]
    width_in: float
    size: PrintSize
    title: str = ""

    @property
    def lines(self) -> list[str]:
        """The names, broken where one is wider than the figure."""
        return [wrapped(label, self._room) for label in self.labels]

    @property
    def _room(self) -> int:
        return int((self.width_in - LEGEND_SIGN_IN - LEGEND_MARGIN_IN) / self.size.width_in("n"))

    @property
    def num_columns(self) -> int:
        """How many names stand beside each other."""
        longest = max((len(line) for label in self.lines for line in label.split("\n")), default=1)
        wide_in = self.size.width_in("n" * longest) + LEGEND_SIGN_IN + LEGEND_MARGIN_IN
        return max(1, min(len(self.labels), int(self.width_in / wide_in)))

    @property
    def height_in(self) -> float:
        """What it takes of the figure's height, in inches."""
        num_lines = sum(label.count("\n") + 1 for label in self.lines) / self.num_columns
        of_title = wrapped(self.title, self._room).count("\n") + 1 if self.title else 0
        return self.size.line_in * (math.ceil(num_lines) + of_title) + LEGEND_MARGIN_IN

    def draw(self, canvas: Canvas, handles: Sequence[Artist]) -> None:
        """Put it on a figure; handles in the order of the labels, made while that is drawn, for they take its sizes."""
        canvas.legend(
            handles=list(handles),
            labels=self.lines,
            loc="outside lower center",
            ncols=self.num_columns,
            title=wrapped(self.title, self._room) if self.title else None,
            frameon=False,
            handlelength=2.6,
            columnspacing=1.2,
            borderpad=0.1,
            labelspacing=0.35,
        )


def plain_log_ticks(axis: Axis) -> None:
    """Write the numbers of a logarithmic axis as they are, and none between the decades."""

    def text(value: float, _: int | None) -> str:
        return number_text(value, NUM_DIGITS)

    axis.set_major_formatter(FuncFormatter(text))
    axis.set_minor_formatter(NullFormatter())


def whole_numbers() -> MaxNLocator:
    """Give the ticks of an axis that counts."""
    return MaxNLocator(integer=True, steps=[1, 2, 5, 10])
