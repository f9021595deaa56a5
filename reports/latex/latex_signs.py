"""How a text is written so that LaTeX prints it, with no package and in the fonts that every LaTeX has.

Names of signs are those of pylatexenc, as far as LaTeX itself defines them; here stands what it reads as markup, what
is set better otherwise, and what AMS fonts have, which are everywhere too.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Mapping

from pylatexenc.latexencode import UnicodeToLatexEncoder


def _ams(family: str, code: int) -> str:
    return rf"{{\usefont{{U}}{{{family}}}{{m}}{{n}}\symbol{{{code}}}}}"


CHECK = _ams("msa", 88)
CROSS = r"{\usefont{U}{msb}{m}{n}\rlap{\symbol{30}}\symbol{31}}"  # both diagonals: × is a product

_OWN: Mapping[str, str] = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "`": r"\textasciigrave{}",
    "[": "{[}",  # behind the end of a row, LaTeX would take a bracket or a star as its argument
    "*": "{*}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": "$-$",
    "√": r"$\surd$",
    "²": r"$^2$",
    "³": r"$^3$",
    "°": r"$^\circ$",
    "·": r"$\cdot$",
    "†": r"$^\dagger$",
    "‡": r"$^\ddagger$",
    "′": r"$^\prime$",
    "″": r"$^{\prime\prime}$",
    "‴": r"$^{\prime\prime\prime}$",
    "–": "--",
    "—": "---",
    "“": "``",
    "”": "''",
    "‘": "`",
    "’": "'",
    "«": r"$\ll$",
    "»": r"$\gg$",
    "‹": r"\textless{}",
    "›": r"\textgreater{}",
    "„": ",,",
    "‚": ",",
    "§": r"\S{}",
    "∅": r"$\emptyset$",
    "∖": r"$\setminus$",
    "\u00a0": "~",
    "\ufe0e": "",  # they choose between two drawings of the sign before them
    "\ufe0f": "",
    **dict.fromkeys("✓✔", CHECK),
    **dict.fromkeys("✗✘✕✖", CROSS),
    "●": r"$\bullet$",
    **{sign: _ams("msa", code) for sign, code in zip("□■◇◆★▲▼△▽", (3, 4, 6, 7, 70, 78, 72, 77, 79), strict=True)},
    **{sign: _ams("msa", code) for sign, code in zip("≲≳⩽⩾∴∵", (46, 38, 54, 62, 41, 42), strict=True)},
}  # fmt: skip
_KERNEL = frozenset(
    re.findall(
        r"\w+",
        """
    ensuremath usefont symbol mathcal mathbf mathit mathsf mathtt not kern sqrt acute ddot dot c r v textsuperscript
    alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi varpi rho varrho
    sigma varsigma tau upsilon phi varphi chi psi omega
    Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega
    leftrightarrow updownarrow nearrow searrow swarrow nwarrow mapsto longmapsto hookleftarrow hookrightarrow
    leftharpoonup leftharpoondown rightharpoonup rightharpoondown rightleftharpoons
    Leftarrow Rightarrow Uparrow Downarrow Leftrightarrow Updownarrow
    longleftarrow longrightarrow longleftrightarrow Longleftarrow Longrightarrow Longleftrightarrow
    leq geq ll gg neq equiv approx sim simeq cong asymp doteq propto prec succ preceq succeq
    subset supset subseteq supseteq sqsubseteq sqsupseteq in ni notin cap cup uplus sqcap sqcup setminus
    mp times cdot circ bullet star diamond wr amalg oplus ominus otimes oslash odot wedge vee
    sum prod coprod int oint bigcap bigcup bigwedge bigvee bigcirc bigtriangleup bigtriangledown
    forall exists partial nabla infty angle mid parallel perp top vdash dashv bowtie smile frown
    langle rangle lceil rceil lfloor rfloor Vert triangleleft triangleright
    sharp flat natural ell hbar wp aleph cdots vdots ddots
    textleftarrow textrightarrow textuparrow textdownarrow
    textbullet textopenbullet textbigcircle textperthousand textpertenthousand textellipsis textdagger textdaggerdbl
    texteuro textflorin textwon textnumero texttrademark textcelsius textmho textestimated textreferencemark
    textfractionsolidus textvisiblespace textemdash
    """,
    )
)
"""The commands of LaTeX itself that print a sign in its default fonts (fontmath.ltx, OT1 and TS1 of its kernel)."""
_OF_TEXT = ("c", "r", "v", "usefont", "symbol")
_FIRST_NON_LATIN = 0x180  # LaTeX knows the letters of Latin-1 and Latin Extended-A by itself,
_NEEDS_T1 = frozenset("ÐÞðþĄąĐđĘęĦħĮįĸĿŀŉŊŋŦŧŲųſ")  # but its default font has no sign for these
_LOST = re.compile(r"\\ifdefined\\lostsign\\lostsign\{(.)\}\{(\w+)\}\\else\\texttt\{U\+\w+\}\\fi\{\}")
# No text can hold it: its backslash would be escaped.
_CODE_POINT = re.compile(r"\\(?:texttt\{U\+|lostsign\{.\}\{)([0-9A-F]{4,6})\}")


def escape_latex(text: str) -> str:
    """Write plain text so that LaTeX prints it; what it has no sign for is printed as its code point.

    A straight quotation mark opens where something begins, and closes elsewhere. Hyphens stay hyphens, of which
    LaTeX would make a dash of two.
    """
    text = re.sub(r'(?<![^\s(\[{“‘/—–-])"(?=\S)', "“", unicodedata.normalize("NFC", text))
    parts = re.split(r"(?<=-)(?=-)", text)
    return "{}".join("".join(map(_escape_character, part)) for part in parts)


FONTS_OF_LOST_SIGNS = (
    "Noto Serif CJK SC",
    "Noto Sans CJK SC",
    "WenQuanYi Micro Hei",
    "Songti SC",
    "Microsoft YaHei",
    "DejaVu Serif",
)
"""Fonts of the machine, of which the first that has a sign prints it: of Linux, macOS, Windows, and of other scripts.

TeX takes a name of one word for a font of its own, and would try to make it.
"""

_LOST_SIGN = r"""\ifdefined\lostsign\else\begingroup\catcode`\"=12 % \lostsign{sign}{code point} prints either
  \ifdefined\suppressfontnotfounderror % XeLaTeX and LuaLaTeX have it, pdfLaTeX has not
    \gdef\trylostsign#1#2{\ifx\lostsignfont\nullfont
      \font\lostsignfont="#1" at \csname f@size\endcsname pt
      \ifx\lostsignfont\nullfont\else\iffontchar\lostsignfont"#2 \else\let\lostsignfont\nullfont\fi\fi\fi}
    \protected\gdef\lostsign#1#2{\iffontchar\font"#2 #1\else
      \begingroup\suppressfontnotfounderror=1 \let\lostsignfont\nullfont
FONTS
      \ifx\lostsignfont\nullfont\texttt{U+#2}\else{\lostsignfont#1}\fi\endgroup\fi\allowbreak}
  \else
    \typeout{LaTeX Warning: signs are printed as their code points; use XeLaTeX or LuaLaTeX.}
    \protected\gdef\lostsign#1#2{\texttt{U+#2}\allowbreak}
  \fi\endgroup\fi"""


def sign_definitions(latex: str) -> list[str]:
    """Give the lines that must stand before a text of `escape_latex`; none where LaTeX prints all of it by itself."""
    if r"\lostsign{" not in latex:
        return []
    fonts = "\n".join(rf"      \trylostsign{{{font}}}{{#2}}%" for font in FONTS_OF_LOST_SIGNS)
    return list(_LOST_SIGN.replace("FONTS", fonts).splitlines())


def without_lost_signs(latex: str) -> str:
    """Write the code points alone, such as for a list of tables, which is read before any definition."""
    return _LOST.sub(r"\\texttt{U+\2}", latex)


def with_lost_signs(latex: str) -> str:
    """Write signs that LaTeX's own fonts lack in short, behind the lines of `sign_definitions`."""
    return _LOST.sub(r"\\lostsign{\1}{\2}", latex)


def name_lost_signs(latex: str) -> list[str]:
    """Name the signs that were written as their code points: `U+1F600 GRINNING FACE`, each once, in their order."""
    codes = dict.fromkeys(_CODE_POINT.findall(latex))
    return [f"U+{code} {unicodedata.name(chr(int(code, 16)), '')}".rstrip() for code in codes]


@functools.cache
def _escape_character(character: str) -> str:
    if character in _OWN:
        return _OWN[character]
    if character.isspace():
        return " "
    if character.isprintable() and ord(character) < _FIRST_NON_LATIN and character not in _NEEDS_T1:
        return character
    return _look_up(character) or _lost(character)


def _lost(character: str) -> str:
    """Write a sign that LaTeX's own fonts lack, with its code point for engines that have no other font."""
    code = f"{ord(character):04X}"
    if unicodedata.category(character)[0] in "CM":  # nothing that stands alone
        return rf"\texttt{{U+{code}}}"
    return rf"\ifdefined\lostsign\lostsign{{{character}}}{{{code}}}\else\texttt{{U+{code}}}\fi{{}}"


def _look_up(character: str) -> str:
    """Give pylatexenc's spelling in LaTeX's own commands; nothing where that has none."""
    if unicodedata.category(character)[0] in "CM":  # controls, and accents without their letter
        return ""
    latex = _ENCODER.unicode_to_latex(character).replace(r"\mathscr", r"\mathcal")
    latex = re.sub(r"\\ensuremath\{\\mathbb\{([A-Z])\}\}", lambda letter: _ams("msb", ord(letter[1])), latex)
    commands = set(re.findall(r"\\([A-Za-z]+)", latex))
    if not latex.isascii() or not commands <= _KERNEL:
        return ""
    is_math = any(not command.startswith("text") and command not in _OF_TEXT for command in commands)
    return rf"\ensuremath{{{latex}}}" if is_math and "ensuremath" not in commands else latex


_ENCODER = UnicodeToLatexEncoder(
    unknown_char_policy="keep", unknown_char_warning=False, replacement_latex_protection="braces-all"
)
