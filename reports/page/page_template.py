"""The templates and the script of pages, and how a page takes an entry of a table."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, cast

import jinja2

from tablewright.reports.figures.figures import figure_path
from tablewright.reports.table.cell import marks_text
from tablewright.reports.table.cell_facts import cell_facts, compared_fact, detail_text
from tablewright.reports.table.entry_text import entry_text, value_texts
from tablewright.reports.table.grid import Check, Difference, EffectOf, Entry, Paper, Value


@functools.cache
def page_script() -> str:
    """Give the script of every page."""
    return Path(__file__).with_name("page.js").read_text(encoding="utf-8")


@functools.cache
def page_template(name: str) -> jinja2.Template:
    """Give a template, in which every text is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tablewright.reports.page", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    cast(dict[str, Any], environment.globals).update(
        value_texts=value_texts,
        marks_text=marks_text,
        entry_text=entry_text,
        sort_key=sort_key,
        parted=parted,
        cell_facts=cell_facts,
        compared_fact=compared_fact,
        detail_text=detail_text,
        figure_path=figure_path,
    )
    environment.filters["kind_of"] = kind_of
    return environment.get_template(name)


def kind_of(entry: Entry) -> str:
    """Name the kind of an entry, for a template to choose by."""
    return type(entry).__name__


def sort_key(entry: Entry) -> str:
    """Give what a column is sorted by, as a number where there is one; empty sorts last."""
    value: float | None = None
    match entry:
        case Check(is_on):
            value = float(is_on)
        case Value(cell, _):
            value = cell.mean
        case Difference(cell, _) if cell.compared is not None:
            value = cell.compared.comparison.estimate
        case EffectOf(compared, _):
            value = compared.comparison.estimate
        case Paper(cell, _):
            value = cell.published
        case _:
            pass
    return "" if value is None else repr(value + 0.0)  # a zero has no sign


def parted(entry: Entry) -> tuple[str, str]:
    """Part a number from what stands behind it in brackets, which goes below it where a table is wide."""
    number, _, behind = entry_text(entry).partition(" ")
    return (number, behind) if isinstance(entry, Difference | EffectOf | Paper) else (entry_text(entry), "")
