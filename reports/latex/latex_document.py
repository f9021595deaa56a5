"""A table as a document of its own, which any LaTeX compiles: to look at it, or to send it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from tablewright.orchestrator.declared.venue import Venue

DOCUMENT_ENDING = "standalone.tex"
"""Of its file."""
MARGIN_PT = 50
_PACKAGES = re.compile(r"^% .*?: needs (.*)$", re.MULTILINE)
TIMES = r"\ifdefined\suppressfontnotfounderror\else\usepackage{times}\fi % it is pdfLaTeX's"


def to_document(latex: str, venue: Venue) -> str:
    """Put a table on pages as wide and high as a venue's.

    Args:
        latex: what `to_latex` gave.
        venue: that it was set for.
    """
    packages = dict.fromkeys(name for needs in _PACKAGES.findall(latex) for name in needs.split(", "))
    return "\n".join([*_preamble(venue, packages), latex.rstrip("\n"), r"\end{document}", ""])


def _preamble(venue: Venue, packages: Iterable[str]) -> Iterator[str]:
    yield f"% A page of the venue “{venue.name}”, with nothing but the table that stands below."
    gap_pt = venue.text_width_pt - 2 * venue.column_width_pt
    has_columns = venue.has_two_columns and gap_pt > 0  # no venue in particular has the narrowest of either
    options = "twocolumn" if has_columns else "onecolumn"
    yield rf"\documentclass[{options}]{{article}}"
    yield rf"\setlength{{\textwidth}}{{{venue.text_width_pt:.2f}pt}}"
    yield rf"\setlength{{\textheight}}{{{venue.text_height_pt:.2f}pt}}"
    if has_columns:
        yield rf"\setlength{{\columnsep}}{{{gap_pt:.2f}pt}}"
    yield rf"\setlength{{\paperwidth}}{{{venue.text_width_pt + 2 * MARGIN_PT:.2f}pt}}"
    yield rf"\setlength{{\paperheight}}{{{venue.text_height_pt + 2 * MARGIN_PT:.2f}pt}}"
    yield r"\ifdefined\pagewidth\pagewidth=\paperwidth\pageheight=\paperheight\else"
    yield r"  \pdfpagewidth=\paperwidth\pdfpageheight=\paperheight\fi"
    margin_pt = MARGIN_PT - 72.27  # LaTeX adds an inch on its own
    yield rf"\setlength{{\oddsidemargin}}{{{margin_pt:.2f}pt}}"
    yield rf"\setlength{{\topmargin}}{{{margin_pt:.2f}pt}}"
    yield r"\setlength{\headheight}{0pt}\setlength{\headsep}{0pt}\pagestyle{empty}"
    yield from packages
    if venue.font == "Times":
        yield TIMES
    yield r"\begin{document}"
