"""How a figure becomes files: a PNG for pages and a PDF for print, equal drawings giving equal bytes."""

from __future__ import annotations

import io
from collections.abc import Callable

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

PAGE_WIDTH_IN, DPI = 8.4, 120
EMBEDDED_FONTS = 42  # TrueType: many publishers refuse the default of a PDF, which is Type 3
GRID_COLOUR, QUIET_COLOUR = "#dddddd", "#66645e"

# Okabe and Ito's, which people who see fewer colours can tell apart.
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK = COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"),
)


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
    settings = {"pdf.fonttype": EMBEDDED_FONTS, "text.parse_math": parses_math}
    with style.context(["default", settings], after_reset=True):  # not the user's own
        canvas = Canvas((PAGE_WIDTH_IN, height_in), dpi=DPI, layout="constrained")
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


def whole_numbers() -> MaxNLocator:
    """Give the ticks of an axis that counts."""
    return MaxNLocator(integer=True, steps=[1, 2, 5, 10])
