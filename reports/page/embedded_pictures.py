"""Pictures inside a page, so that it can be sent alone: each once, as many as a page of bearable size can hold."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from tablewright.reports.figures.figures import Figure, figure_path

PAGE_LIMIT_BYTES = 8 * 2**20
"""What mail still takes; further pictures are links to their files."""


@dataclass(frozen=True)
class PlacedPicture:
    """How a picture stands in a page.

    Attributes:
        source: for the `img` element: the picture itself; empty where it is not embedded here.
        shown_at: id of the element that shows the same picture; empty where there is none.
        file: its path beside the page.
    """

    source: str
    shown_at: str
    file: str


class EmbeddedPictures:
    """Places the pictures of one page, in the order in which they stand there."""

    def __init__(self, limit_bytes: int) -> None:
        """Begin a page.

        Args:
            limit_bytes: for all its pictures as they are embedded.
        """
        self._room_bytes = limit_bytes
        self._shown: dict[str, str] = {}

    def place(self, table: str, figure: Figure) -> PlacedPicture:
        """Say how a figure of a table stands in the page: embedded, where it was before, or as a link."""
        file = figure_path(table, figure.name)
        digest = hashlib.sha256(figure.png).hexdigest()
        if digest in self._shown:
            return PlacedPicture("", self._shown[digest], file)
        source = f"data:image/png;base64,{base64.b64encode(figure.png).decode()}"
        if len(source) > self._room_bytes:
            return PlacedPicture("", "", file)
        self._room_bytes -= len(source)
        self._shown[digest] = f"{table}-figure-{figure.name}"
        return PlacedPicture(source, "", file)
