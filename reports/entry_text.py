"""What an entry of a grid says as plain text, the same in every format."""

from __future__ import annotations

from tablewright.reports.cell import (
    AGREES,
    OPEN,
    SIGNIFICANT,
    compared_text,
    contrast_text,
    marks_text,
    mean_text,
    published_text,
)
from tablewright.reports.grid import Check, Difference, EffectOf, Entry, Paper, Value, Words

CHECK = AGREES


def entry_text(entry: Entry) -> str:
    """Give what an entry says, without what is set bold or raised."""
    match entry:
        case Words(text):
            return text
        case Check(is_on):
            return CHECK if is_on else ""
        case Value(cell, metric):
            return mean_text(cell, metric) + marks_text(cell)
        case Difference(cell, metric):
            return compared_text(cell, metric)
        case Paper(cell, metric):
            return published_text(cell, metric)
        case EffectOf(compared, metric):
            mark = SIGNIFICANT if compared.is_marked else OPEN if compared.is_open else ""
            return contrast_text(compared, metric) + mark
