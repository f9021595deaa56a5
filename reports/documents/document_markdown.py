"""A document as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tablewright.reports.documents.document import Block, Fields, Points, Section
from tablewright.reports.markdown import escape_markdown


def document_to_markdown(document: Section) -> str:
    """Render a document whose title is the page's."""
    return "\n".join(_lines(document, level=1))


def _lines(section: Section, *, level: int) -> Iterator[str]:
    yield f"{'#' * level} {escape_markdown(section.title)}"
    yield ""
    for block in section.blocks:
        yield from _block_lines(block)
        yield ""
    for inner in section.sections:
        yield from _lines(inner, level=level + 1)


def _block_lines(block: Block) -> Iterator[str]:
    if isinstance(block, str):
        yield escape_markdown(block)
    elif isinstance(block, Points):
        yield from (f"- {escape_markdown(text)}" for text in block.texts)
    elif isinstance(block, Fields):
        yield from (f"- {_code(name)}: {_code(value)}" for name, value in block.pairs)
    else:
        yield _row(block.heads)
        yield "|" + ":--|" * len(block.heads)
        yield from map(_row, block.rows)


def _row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(map(escape_markdown, texts))} |"


def _code(text: str) -> str:
    """Write a text as code, in as many backticks as it needs."""
    fence = "`"
    while fence in text:
        fence += "`"
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}" if text else "(nothing)"
