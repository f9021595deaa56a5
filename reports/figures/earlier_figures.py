"""The figures that lie beside a table already: what is drawn of equal charts is not drawn again.

A file beside them says of each what it was drawn of, and the checksums of its files: one that was changed, cut off or
drawn by another version of the program is drawn anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tablewright.orchestrator.store.folder import Folder
from tablewright.trainables.value.freezing import EMPTY

FigureEnding = Literal["png", "pdf", "csv"]
DRAWN = "drawn.json"
DRAWN_ENDINGS: tuple[FigureEnding, FigureEnding] = ("png", "pdf")


@dataclass(frozen=True)
class EarlierFigures:
    """What lies in the folder of a table's figures.

    Attributes:
        folder: of them; None where there is none to look into.
        known: name of a figure -> what it was drawn of, and the SHA-256 of its files by ending.
    """

    folder: Folder | None = None
    known: Mapping[str, Mapping[str, str]] = EMPTY

    @staticmethod
    def of(folder: Folder) -> EarlierFigures:
        """Read what is said of the figures in a folder; what cannot be read is drawn anew."""
        if DRAWN not in folder.names():
            return NONE_EARLIER
        try:
            said: Any = json.loads(folder.read(DRAWN))
            known = {name: {key: str(text) for key, text in of.items()} for name, of in said.items()}
        except (ValueError, AttributeError, OSError):
            return NONE_EARLIER
        return EarlierFigures(folder, known)

    def find(self, name: str, identity: str) -> tuple[bytes, bytes] | None:
        """Give PNG and PDF of a figure where it was drawn of the same; None where it is to be drawn."""
        of = self.known.get(name, EMPTY)
        if self.folder is None or of.get("identity") != identity:
            return None
        files: list[bytes] = []
        for ending in DRAWN_ENDINGS:
            try:
                content = self.folder.read(f"{name}.{ending}")
            except OSError:
                return None
            if hashlib.sha256(content).hexdigest() != of.get(ending):
                return None
            files.append(content)
        return files[0], files[1]


NONE_EARLIER = EarlierFigures()


def said_of(figures: Mapping[str, tuple[str, Mapping[FigureEnding, bytes]]]) -> bytes:
    """Say of drawn figures what they were drawn of: name -> (identity, files by ending)."""
    said = {
        name: {"identity": identity}
        | {ending: hashlib.sha256(files[ending]).hexdigest() for ending in DRAWN_ENDINGS}
        for name, (identity, files) in figures.items()
    }
    return json.dumps(said, indent=1).encode()
