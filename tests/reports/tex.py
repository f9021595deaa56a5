"""A TeX, where there is one, and what it says of what it was given."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tablewright.orchestrator.declared.venue import Venue
from tablewright.reports.latex.latex_document import to_document
from tablewright.reports.latex.tex_check import has_font_of
from tests.waiting import PATIENCE_S

COMPLAINT = re.compile(r"^(?:! .*|Overfull .*|Missing character.*|.*Float too large.*)$", re.MULTILINE)


def complaints(folder: Path, latex: str, venue: Venue, *, engine: str = "pdflatex") -> list[str]:
    """Compile tables on pages of a venue; gives errors, what is too wide or high, and signs that are lost."""
    if shutil.which(engine) is None:
        pytest.skip(f"{engine} is not installed")
    if engine == "pdflatex" and not has_font_of(venue):
        pytest.skip(f"{engine} has no Times (Debian's texlive-fonts-recommended)")
    folder.mkdir()
    (folder / "page.tex").write_text(to_document(latex, venue), encoding="utf-8")
    result = subprocess.run(
        [engine, "-interaction=nonstopmode", "page.tex"],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=PATIENCE_S,
    )
    log = (folder / "page.log").read_text(encoding="utf-8", errors="replace")
    assert "Output written" in log, result.stdout[-3000:]
    return COMPLAINT.findall(log)
