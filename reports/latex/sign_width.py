"""How wide LaTeX sets a text, told from the widths of its signs: a table is the same with and without a TeX.

`sign_widths.json` holds what pdfTeX measured of each sign that `escape_latex` has a spelling for, in thousandths of the
type size at 10 pt; kerns and ligatures are left out, which make a text narrower.
`tests/reports/latex/test_sign_width.py` measures them again, and writes the file.
"""

from __future__ import annotations

import functools
import json
import unicodedata
from collections.abc import Mapping
from importlib import resources
from typing import Literal

Font = Literal["Times", "Computer Modern"]
Style = Literal["roman", "bold", "italic"]

SPACE_EM = 0.375  # of bold type in IEEEtran.cls, the widest; Computer Modern has 1/3, Times 1/4
LOST_SIGN_EM = 1.05  # of a sign that only XeLaTeX and LuaLaTeX print: Chinese is square
SMALLER_IS_WIDER: Mapping[int, float] = {5: 1.393, 6: 1.238, 7: 1.183, 8: 1.073, 9: 1.029, 10: 1.0}
"""Type size in points -> how much wider Computer Modern is drawn than at 10 pt; italic's and signs' factors at most."""


@functools.lru_cache(maxsize=1 << 16)
def text_width_pt(text: str, font: Font, size_pt: int, style: Style = "roman") -> float:
    """Tell how wide a plain text is, as `escape_latex` spells it.

    Args:
        text: without markup.
        font: that it is set in; mathematical signs are Computer Modern's in either.
        size_pt: 5 to 10.
        style: of its letters.
    """
    widths, wider = _widths(font, style), SMALLER_IS_WIDER[size_pt]
    has_sizes = font == "Computer Modern"
    width_em = 0.0
    for sign in unicodedata.normalize("NFC", text):
        of_sign = SPACE_EM if sign.isspace() else widths.get(sign, LOST_SIGN_EM)
        width_em += of_sign if sign.isascii() and not has_sizes else of_sign * wider
    return width_em * size_pt


@functools.cache
def _widths(font: Font, style: Style) -> Mapping[str, float]:
    content = resources.files(__package__ or "").joinpath("sign_widths.json").read_text(encoding="utf-8")
    by_width: Mapping[str, str] = json.loads(content)[font][style]
    return {sign: int(thousandths) / 1000 for thousandths, signs in by_width.items() for sign in signs}
