"""Markdown tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from tablewright.orchestrator.store.store import Store
from tablewright.reports.markdown import escape_markdown, to_markdown
from tablewright.reports.table_files import write_tables
from tests.reports.every_state import every_state_plan, record_every_state
from tests.reports.snapshot import check_snapshot


@pytest.mark.slow
def test_table_is_as_it_was_read(tmp_path: Path):
    """Every mark, escape and id of a table stands where it stood."""
    plan, store = every_state_plan(), Store(str(tmp_path))
    record_every_state(store, plan)
    check_snapshot("every_state.md", to_markdown(write_tables(plan, store, writes=False).tables[0].table))


def test_every_line_has_the_same_number_of_cells(tmp_path: Path):
    """A bar in a label does not make a further cell."""
    plan, store = every_state_plan(), Store(str(tmp_path))
    lines = [
        line.replace(r"\|", "")
        for line in to_markdown(write_tables(plan, store, writes=False).tables[0].table).splitlines()
        if line.startswith("|")
    ]
    assert 9 == len(lines)
    assert {1 + 4 + 3 + 1} == {line.count("|") for line in lines}


def test_user_text_is_escaped():
    """Nothing in a label is taken as markup."""
    assert r"a\_b \| &lt;b&gt; \*c\* \[d\](e) \`f\`" == escape_markdown("a_b | <b> *c*\n[d](e) `f`")


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("+ CS", r"\+ CS"),
        ("- CS", r"\- CS"),
        ("1. CS", r"1\. CS"),
        ("12) CS", r"12\) CS"),
        ("-", r"\-"),
        ("-0.1", "-0.1"),
        ("+RE", "+RE"),
        ("0.1", "0.1"),
        ("a + b", "a + b"),
    ],
)
def test_a_label_begins_no_list(text: str, escaped: str):
    """A sign or number that Markdown would take for the start of a list is escaped, and no other."""
    assert escaped == escape_markdown(text)
