"""What an entry of a grid says as plain text, the same in every format."""

from __future__ import annotations

from tablewright.reports.table.cell import (
    AGREES,
    OPEN,
    SIGNIFICANT,
    compared_text,
    contrast_text,
    marks_text,
    mean_and_deviation,
    published_text,
)
from tablewright.reports.table.grid import Check, Difference, EffectOf, Entry, Paper, Value, Words

CHECK = AGREES


def entry_text(entry: Entry) -> str:
    """Give what an entry says, without what is set bold or raised."""
    match entry:
        case Words(text):
            return text
        case Check(is_on):
            return CHECK if is_on else ""
        case Value():
            mean, deviation = value_texts(entry)
            return (f"{mean} ± {deviation}" if deviation else mean) + marks_text(entry.cell)
        case Difference(cell, metric):
            return compared_text(cell, metric)
        case Paper(cell, metric):
            return published_text(cell, metric)
        case EffectOf(compared, metric):
            mark = SIGNIFICANT if compared.is_marked else OPEN if compared.is_open else ""
            return contrast_text(compared, metric) + mark


def value_texts(value: Value) -> tuple[str, str]:
    """Give the mean, or why there is none, and the deviation, empty where none is printed."""
    mean, deviation = mean_and_deviation(value.cell, value.metric)
    return mean, "" if value.deviation == "none" else deviation
