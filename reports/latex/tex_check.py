"""Whether a TeX of this machine finds LaTeX tables to fit; it decides nothing, and is asked once of equal tables."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tablewright.orchestrator.declared.venue import Venue
from tablewright.reports.latex.latex_document import to_document

ENGINE = "pdflatex"
LIMIT_S = 120
"""Beyond which a TeX is ended; a hundred tables take three seconds."""
TIMES_METRIC = "ptmr7t.tfm"
MIN_OVERFLOW_PT = 1.0
"""What is less cannot be seen."""
MAX_TOLD = 3
"""Complaints of one table that are told; an error brings others after it."""

_BEGIN = "TABLEWRIGHT-TABLE-"
_TOO_LARGE = re.compile(
    r"Overfull \\([hv])box \(([\d.]+)pt too (?:wide|high)\)|Float too large for page by ([\d.]+)pt"
)


class LatexTable(NamedTuple):
    """What a TeX is asked of.

    Attributes:
        name: by which it is told.
        text: what `to_latex` gave.
        venue: that it was set for.
    """

    name: str
    text: str
    venue: Venue

    @property
    def digest(self) -> str:
        """Name what was asked."""
        asked = json.dumps([ENGINE, self.text, repr(self.venue)])
        return hashlib.sha256(asked.encode()).hexdigest()


def tex_complaints(tables: Sequence[LatexTable], cache: Path) -> dict[str, tuple[str, ...]]:
    """Compile tables on pages of their venues, and give what is too wide or high, or no LaTeX: name -> complaints.

    Args:
        tables: of any venues.
        cache: folder of this machine in which answers are kept.

    Returns:
        Of those that there are complaints of; empty where no TeX is installed, or not with the font of the venue.
    """
    if shutil.which(ENGINE) is None:
        return {}
    answers = {table.digest: _read(cache / f"{table.digest}.json") for table in tables}
    asked = {table.digest: table for table in tables if answers[table.digest] is None}
    for venue in dict.fromkeys(table.venue for table in asked.values() if has_font_of(table.venue)):
        of_venue = {digest: table for digest, table in asked.items() if table.venue == venue}
        for digest, complaints in _compile(of_venue, venue).items():
            answers[digest] = complaints
            with contextlib.suppress(OSError):  # it is asked again where nothing can be kept
                cache.mkdir(parents=True, exist_ok=True)
                (cache / f"{digest}.json").write_text(json.dumps(complaints), encoding="utf-8")
    return {table.name: found for table in tables if (found := answers[table.digest])}


def has_font_of(venue: Venue) -> bool:
    """Say whether pdfLaTeX has the font of a venue: some installations lack Times, which its style needs too."""
    return venue.font != "Times" or _has_times()


@functools.cache
def _has_times() -> bool:
    if shutil.which("kpsewhich") is None:
        return False
    command = ["kpsewhich", TIMES_METRIC]
    return subprocess.run(command, capture_output=True, timeout=LIMIT_S, check=False).returncode == 0


def _read(path: Path) -> tuple[str, ...] | None:
    try:
        return tuple(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def _compile(tables: Mapping[str, LatexTable], venue: Venue) -> dict[str, tuple[str, ...]]:
    """Compile tables of one venue together; gives digest -> complaints, and nothing where the TeX gave no answer."""
    marked = (
        f"\\typeout{{{_BEGIN}{number}.}}\n{table.text}\\clearpage"
        for number, table in enumerate(tables.values())
    )
    document = to_document("\n".join(marked), venue)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tables.tex").write_text(document, encoding="utf-8")
        command = [ENGINE, "-no-shell-escape", "-interaction=batchmode", "-draftmode", "tables.tex"]
        try:
            subprocess.run(command, cwd=folder, capture_output=True, timeout=LIMIT_S, check=False)
            log = (Path(folder) / "tables.log").read_text(encoding="utf-8", errors="replace")
        except (OSError, subprocess.SubprocessError):
            return {}
    _, *parts = log.split(_BEGIN)
    digests = [*tables]
    return {digests[int(part.partition(".")[0])]: tuple(_complaints(part)) for part in parts}


def _complaints(log: str) -> Iterator[str]:
    told = [f"error: {line[2:]}" for line in log.splitlines() if line.startswith("! ")]
    for match in _TOO_LARGE.finditer(log):
        is_high = match[1] != "h"
        overflow_pt = float(match[2] or match[3])
        if overflow_pt >= MIN_OVERFLOW_PT:
            told.append(f"{overflow_pt:.0f} pt too {'high' if is_high else 'wide'}")
    yield from told[:MAX_TOLD]
