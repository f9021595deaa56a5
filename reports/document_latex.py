"""A document as LaTeX: as a part of somebody's paper, in one column or two, or of a report of one column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tablewright.reports.document import Block, Fields, Points, Section
from tablewright.reports.latex_signs import escape_latex
from tablewright.reports.text_table import TextTable

HEADS = ("section", "subsection", "paragraph")

LINE_CHARACTERS = 105
"""Of a line of a report's table, at its type size."""

MIN_COLUMN_CHARACTERS = 4


def document_to_latex(document: Section, *, level: int = 0) -> str:
    """Render a document.

    Tables are of the package longtable, which prints in one column alone; all else needs no package.

    Args:
        document: whose head is the first.
        level: of that head: 0 is a section, 1 a subsection.
    """
    return "\n".join(_lines(document, level)) + "\n"


def _lines(section: Section, level: int) -> Iterator[str]:
    yield rf"\{HEADS[min(level, len(HEADS) - 1)]}{{{escape_latex(section.title)}}}"
    for block in section.blocks:
        yield from _block_lines(block)
    for inner in section.sections:
        yield from _lines(inner, level + 1)


def _block_lines(block: Block) -> Iterator[str]:
    if isinstance(block, str):
        yield breakable(block)
        yield ""
    elif isinstance(block, Points):
        yield r"\begin{itemize}"
        yield from (rf"  \item {breakable(text)}" for text in block.texts)
        yield r"\end{itemize}"
    elif isinstance(block, Fields):
        yield r"{\raggedright\footnotesize"
        for name, value in block.pairs:
            yield rf"\noindent\hangindent=2em \texttt{{{_code(name)}}}: \texttt{{{_code(value)}}}\par"
        yield r"\par}\medskip"
    elif block.rows:
        yield from _table_lines(block)


def _table_lines(table: TextTable) -> Iterator[str]:
    """Set a table over as many pages as it takes, each column as wide as its share of the texts."""
    num_columns = len(table.heads)
    lines = [table.heads, *table.rows]
    longest = [max(len(line[place]) for line in lines) for place in range(num_columns)]
    widths = _shares([max(MIN_COLUMN_CHARACTERS, length) for length in longest])
    columns = "".join(
        rf">{{\raggedright\arraybackslash}}p{{\dimexpr {width:.4f}\linewidth-2\tabcolsep\relax}}"
        for width in widths
    )
    yield r"{\footnotesize\setlength{\tabcolsep}{2pt}"
    yield rf"\begin{{longtable}}{{@{{}}{columns}@{{}}}}"
    yield r"\toprule"
    yield _row(table.heads)
    yield r"\midrule\endhead"
    yield r"\bottomrule\endlastfoot"
    yield from map(_row, table.rows)
    yield r"\end{longtable}}"


def _shares(lengths: Sequence[int]) -> list[float]:
    """Share a line out: what is short has what it needs, and the others the rest by the root of their lengths."""
    total = sum(lengths)
    if total <= LINE_CHARACTERS:
        return [(length + 1) / (LINE_CHARACTERS + len(lengths)) for length in lengths]
    weights = [length**0.5 for length in lengths]
    fair = [LINE_CHARACTERS * weight / sum(weights) for weight in weights]
    fixed = [float(length) if length <= share else 0.0 for length, share in zip(lengths, fair, strict=True)]
    left = LINE_CHARACTERS - sum(fixed)
    open_weight = sum(weight for weight, width in zip(weights, fixed, strict=True) if not width) or 1.0
    widths = [width or left * weight / open_weight for width, weight in zip(fixed, weights, strict=True)]
    return [width / sum(widths) for width in widths]


def _row(texts: Sequence[str]) -> str:
    return " & ".join(map(breakable, texts)) + r" \\"


def _code(text: str) -> str:
    """Write a text in typewriter letters, whose straight quotation mark closes and opens alike."""
    return r"\char34{}".join(map(breakable, text.split('"')))


def breakable(text: str) -> str:
    """Write a text so that a long name in it may be broken behind a dot, an underscore or a stroke."""
    return "".join(
        escaped if sign not in "._/=" else rf"{escaped}\allowbreak{{}}"
        for sign, escaped in _escaped_signs(text)
    )


def _escaped_signs(text: str) -> Iterator[tuple[str, str]]:
    """Give the parts of a text, each escaped as a whole, parted behind the signs at which a line may break."""
    part = ""
    for index, sign in enumerate(text):
        part += sign
        is_inside = 0 < index < len(text) - 1 and (text[index + 1].isalpha() or text[index - 1].isalpha())
        if sign in "._/=" and is_inside:
            yield sign, escape_latex(part)
            part = ""
    if part:
        yield " ", escape_latex(part)
