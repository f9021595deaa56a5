"""A document as LaTeX: as a part of somebody's paper, in one column or two, or of a report of one column."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tablewright.reports.documents.document import Block, Fields, Points, Section
from tablewright.reports.latex.latex_signs import escape_latex, sign_definitions
from tablewright.reports.table.text_table import TextTable

HEADS = ("section", "subsection", "paragraph")

LINE_CHARACTERS = 105
"""Of a line of a report's table, at its type size."""

COLUMN_GAP_CHARACTERS = 2
"""What parts a column from the next one."""


def document_to_latex(document: Section, *, level: int = 0) -> str:
    """Render a document.

    Tables are of the package longtable, which prints in one column alone; all else needs no package.

    Args:
        document: whose head is the first.
        level: of that head: 0 is a section, 1 a subsection.
    """
    text = "\n".join(_lines(document, level)) + "\n"
    return "\n".join([*sign_definitions(text), text])


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
    words = [max(map(_longest_word, (line[place] for line in lines))) for place in range(num_columns)]
    widths = _shares(longest, words)
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


def _longest_word(text: str) -> int:
    """Count the signs of the longest part of a text that a line cannot break."""
    return max(map(len, re.split(r"(?<=[-._/=\s])", text)), default=0)


def _shares(lengths: Sequence[int], words: Sequence[int]) -> list[float]:
    """Share a line out: what is short has what it needs, and the others the rest by the root of their lengths.

    Args:
        lengths: signs of the longest text of each column.
        words: signs of its longest word, for which there is room in any case.
    """
    needs = [length + COLUMN_GAP_CHARACTERS for length in lengths]
    if sum(needs) <= LINE_CHARACTERS:
        return [need / LINE_CHARACTERS for need in needs]
    fair = [LINE_CHARACTERS * need**0.5 / sum(other**0.5 for other in needs) for need in needs]
    least = [
        need if need <= share else word + COLUMN_GAP_CHARACTERS
        for need, word, share in zip(needs, words, fair, strict=True)
    ]
    left = max(0.0, LINE_CHARACTERS - sum(least))
    wanting = [(need - has) ** 0.5 for need, has in zip(needs, least, strict=True)]
    widths = [has + left * want / (sum(wanting) or 1.0) for has, want in zip(least, wanting, strict=True)]
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
