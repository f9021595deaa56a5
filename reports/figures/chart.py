"""What a figure shows, before it is drawn: a value, so that one that is drawn already is known again."""

from __future__ import annotations

import csv
import functools
import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import matplotlib

from tablewright.reports.figures.canvas import PrintSize

CsvRow = Sequence[str | int | float | None]


class Chart(Protocol):
    """The values and words of one figure: frozen, so that charts of equal `repr` are drawn in equal bytes."""

    def draw(self, size: PrintSize) -> tuple[bytes, bytes]:
        """Give it as a PNG and as a PDF."""
        ...

    def data(self) -> Iterable[CsvRow]:
        """Give what it shows as a table, head first, so that it can be drawn again in another style."""
        ...


@dataclass(frozen=True)
class Drawing:
    """A figure that is still to be drawn.

    Attributes:
        name: file name without ending.
        caption: what it shows, without the final stop.
        chart: its values.
        is_timed: whether it shows how long trainings took.
    """

    name: str
    caption: str
    chart: Chart
    is_timed: bool = False

    def data_csv(self) -> bytes:
        """Give what it shows as the content of a CSV file; numbers in full, nothing where there is none."""
        file = io.StringIO(newline="")
        csv.writer(file, lineterminator="\n").writerows(self.chart.data())
        return file.getvalue().encode()

    def identity(self, size: PrintSize) -> str:
        """Name what is drawn and by what: two of one identity have equal bytes."""
        drawn = "\n".join([_drawing_code(), matplotlib.__version__, repr(size), repr(self.chart)])
        return hashlib.sha256(drawn.encode()).hexdigest()


@functools.cache
def _drawing_code() -> str:
    """Name the code that draws: a figure of another version of it is drawn anew."""
    files = sorted(
        path
        for path in Path(__file__).parent.glob("*.py")
        if path.stem.endswith("_figure")
        or path.stem in ("canvas", "curves", "panel_grid", "row_styles", "swept_axis")
    )
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
