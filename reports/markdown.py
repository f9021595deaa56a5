"""A table as Markdown, for a README, a pull request or a chat."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tablewright.orchestrator.identity import SHORT_ID_DIGITS
from tablewright.reports.table.cell import marks_text
from tablewright.reports.table.entry_text import entry_text, value_texts
from tablewright.reports.table.grid import Entry, GridColumn, GridPart, Value, Words
from tablewright.reports.table.lay_out import lay_out
from tablewright.reports.table.table import Table

_ALIGNED: dict[GridPart, str] = {
    "label": ":--",
    "component": ":-:",
    "value": "--:",
    "difference": "--:",
    "paper": "--:",
}


def escape_markdown(text: str) -> str:
    """Write plain text so that Markdown prints it as it is, also inside a table."""
    line = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = re.sub(r"([\\`*_{}\[\]#|~$])", r"\\\1", line)
    return re.sub(r"^(\d*)([-+.)])(?=\s|$)", r"\1\\\2", line)  # or a label such as "+ CS" would begin a list


def to_markdown(table: Table) -> str:
    """Render a table with its notes and the trainings behind each cell."""
    return "\n".join(_lines(table)) + "\n"


def index_to_markdown(title: str, tables: Sequence[Table], others: Sequence[str] = ()) -> str:
    """Render all tables of a study one below the other, and name those whose files are of an earlier run."""
    parts = [f"# {escape_markdown(title)}\n", *(to_markdown(table) for table in tables)]
    if others:
        parts.append("As written earlier: " + ", ".join(f"[{name}]({name}.md)" for name in others) + "\n")
    return "\n".join(parts)


def _lines(table: Table) -> Iterator[str]:
    yield f"## {escape_markdown(table.name)}: {escape_markdown(table.caption)}"
    yield ""
    grid = lay_out(table)
    yield _line([_head(column) for column in grid.columns])
    yield "|" + "|".join(_ALIGNED[column.part] for column in grid.columns) + "|"
    for group in grid.groups:
        if group.label:
            yield _line([f"*{escape_markdown(group.label)}*", *("" for _ in grid.columns[1:])])
        for row in group.rows:
            yield _line([_entry(entry) for entry in row.entries])
    for texts in table.texts:
        yield ""
        yield _line([escape_markdown(head) for head in texts.heads])
        yield "|" + ":--|" * len(texts.heads)
        for row in texts.rows:
            yield _line([escape_markdown(text) for text in row])
    yield ""
    yield " ".join(escape_markdown(note) for note in table.source_notes)
    trainings = list(table.trainings())
    if trainings:
        yield ""
        yield "Trainings, by row and data set in the order of seeds:"
        yield ""
    for of_row in trainings:
        ids = ", ".join(f"`{training_id[:SHORT_ID_DIGITS]}`" for training_id in of_row.training_ids)
        yield f"- {escape_markdown(of_row.row)}, {escape_markdown(of_row.dataset)}: {ids}"


def _line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _head(column: GridColumn) -> str:
    head = escape_markdown(column.head)
    if column.part in ("difference", "paper"):
        head = f"{escape_markdown(column.belongs_to)}, {head}"
    return f"{escape_markdown(column.spanner)}<br>{head}" if column.spanner else head


def _entry(entry: Entry) -> str:
    match entry:
        case Value(cell):
            mean, deviation = value_texts(entry)
            text = f"{mean} ± {deviation}" if deviation else mean
            if deviation and entry.deviation == "subscript":
                text = f"{mean}<sub>±{deviation}</sub>"
            if cell.rank == 1:
                text = f"**{text}**"
            elif cell.rank == 2:
                text = f"<ins>{text}</ins>"  # Markdown has no underline; GitHub shows this one
            return text + marks_text(cell)
        case Words(text):
            return escape_markdown(text)
        case _:
            return entry_text(entry)
