"""Widths of signs: what is shipped is what a TeX measures; `RENEW_SNAPSHOTS=1` with this file writes it anew."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tablewright.orchestrator.declared.venue import VENUES
from tablewright.reports.latex import sign_width
from tablewright.reports.latex.latex_signs import escape_latex, name_lost_signs
from tablewright.reports.latex.sign_width import SMALLER_IS_WIDER, text_width_pt
from tablewright.reports.latex.tex_check import has_font_of
from tests.waiting import PATIENCE_S

PLANES = (range(0x21, 0x600), range(0x1E00, 0x2C00), range(0xFB00, 0xFB10), range(0x1D400, 0x1D800))
FONTS = {"Computer Modern": "cmr", "Times": "ptm"}
STYLES = {"roman": "", "bold": r"\bfseries\boldmath", "italic": r"\itshape"}
FILE = Path(sign_width.__file__).with_name("sign_widths.json")


def signs() -> Iterator[str]:
    """Give every sign that LaTeX's own fonts print."""
    for sign in map(chr, itertools.chain(*PLANES)):
        spelt = escape_latex(sign)
        if spelt.strip(" ~") and not name_lost_signs(spelt):
            yield sign


def measured(folder: Path, lines: list[str]) -> list[tuple[str, float]]:
    """Have a TeX measure boxes: their names and widths in points."""
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    if not has_font_of(VENUES["cvpr"]):
        pytest.skip("pdflatex has no Times (Debian's texlive-fonts-recommended)")
    measure = r"\def\m#1#2{\setbox0\hbox{#2}\typeout{W #1 \the\wd0 E}}"
    document = [r"\documentclass{article}\begin{document}", measure, *lines, r"\end{document}"]
    (folder / "signs.tex").write_text("\n".join(document), encoding="utf-8")
    command = ["pdflatex", "-interaction=batchmode", "signs.tex"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=PATIENCE_S)
    log = (folder / "signs.log").read_text(encoding="utf-8", errors="replace").replace("\n", "")
    return [(name, float(width)) for name, width in re.findall(r"W (\S+) ([\d.]+)ptE", log)]


@pytest.mark.slow
def test_widths_are_those_that_a_tex_measures(tmp_path: Path):
    """Every sign has the width of each font and style, to a thousandth of the type size."""
    lines: list[str] = []
    for (font, family), (style, command) in itertools.product(FONTS.items(), STYLES.items()):
        lines.append(rf"{{\fontfamily{{{family}}}\fontsize{{10}}{{12}}\selectfont{command}")
        name = f"{font.replace(' ', '_')}/{style}"
        lines += [rf"\m{{{name}/{ord(sign)}}}{{{escape_latex(sign)}}}" for sign in signs()]
        lines.append("}")
    widths: dict[str, dict[str, dict[str, str]]] = {}
    for name, width_pt in measured(tmp_path, lines):
        font, style, code = name.split("/")
        by_width = widths.setdefault(font.replace("_", " "), {}).setdefault(style, {})
        thousandths = str(round(width_pt * 100))
        by_width[thousandths] = by_width.get(thousandths, "") + chr(int(code))
    ordered = {
        font: {
            style: dict(sorted(by_width.items(), key=lambda item: int(item[0])))
            for style, by_width in styles.items()
        }
        for font, styles in widths.items()
    }
    text = json.dumps(ordered, ensure_ascii=False, indent=0) + "\n"
    if os.environ.get("RENEW_SNAPSHOTS") == "1":
        FILE.write_text(text, encoding="utf-8")
    assert FILE.read_text(encoding="utf-8") == text


@pytest.mark.slow
def test_no_text_is_wider_than_it_is_told_to_be(tmp_path: Path):
    """In every font, style and size that tables are set in, a TeX finds texts as wide or a little narrower."""
    text = "AVERAGE waffle fi 81.3 ± 0.3 −1.2 [0.4, 1.9] λ ∈ ✓ ✗ é"
    cases = list(itertools.product(FONTS.items(), STYLES.items(), SMALLER_IS_WIDER))
    lines = [
        rf"{{\fontfamily{{{family}}}\fontsize{{{size_pt}}}{{12}}\selectfont{command}\m{{x}}{{{escape_latex(text)}}}}}"
        for (_, family), (_, command), size_pt in cases
    ]
    for ((font, _), (style, _), size_pt), (_, width_pt) in zip(cases, measured(tmp_path, lines), strict=True):
        told_pt = text_width_pt(text, font, size_pt, style)
        assert width_pt <= told_pt <= 1.2 * width_pt, (font, style, size_pt)
