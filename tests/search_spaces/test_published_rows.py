"""Every own row of the five papers is a row of a study, or says why it is none."""

from __future__ import annotations

import functools

import pytest

from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.declared.published import published_tables
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.project.study_files import study_names
from tablewright.orchestrator.project.study_loading import load_study

COUNTS = ("classes",)
"""Columns that are counts in a table of percentages."""
OWN_ROWS = [
    (table_id, row.row)
    for table_id, table in published_tables().items()
    for row in table.rows
    if row.is_own and table.why_not is None and row.why_not is None
]
EXCUSED_ROWS = [
    (table_id, row.row)
    for table_id, table in published_tables().items()
    for row in table.rows
    if table.why_not is not None or row.why_not is not None
]


@functools.cache
def studies() -> tuple[Study, ...]:
    return tuple(load_study(name, Profile.PAPER) for name in study_names())


@functools.cache
def shown() -> dict[tuple[str, str], set[float]]:
    """Give the published fractions that tables show, by printed row; none for one without values."""
    found: dict[tuple[str, str], set[float]] = {}
    for study in studies():
        for table in study.ablations:
            for row in table.printed_rows:
                if row.printed_in is not None:
                    found.setdefault(row.printed_in, set()).update(
                        row.published[dataset.label][metric.name]
                        for dataset in table.datasets
                        for metric in table.metrics
                        if metric.name in row.published.get(dataset.label, {})
                    )
        for sizes in study.sizes:
            for row in sizes.rows:
                if row.printed_in is not None:
                    found.setdefault(row.printed_in, set()).update(row.published.values())
    return found


@pytest.mark.slow
def test_every_own_row_is_in_a_study():
    """Each own row of a paper is reproduced by a row of ours, where no reason says why not."""
    assert [] == [row for row in OWN_ROWS if row not in shown()]


@pytest.mark.slow
def test_every_value_of_an_own_row_is_shown():
    """No printed value of such a row is lost on the way into our tables."""
    lost: list[tuple[str, str, float]] = []
    for table_id, label in OWN_ROWS:
        table = published_tables()[table_id]
        if table.unit != "percent":
            continue
        values = {
            round(value / 100, 6)
            for column, value in zip(table.columns, table.row(label).values, strict=True)
            if value is not None and column not in COUNTS
        }
        lost += [(table_id, label, value) for value in values - shown().get((table_id, label), set())]
    assert [] == lost


@pytest.mark.slow
def test_reasons_are_of_rows_that_no_study_has():
    """A reason is deleted once a study has the row."""
    assert [] == [row for row in EXCUSED_ROWS if row in shown()]


@pytest.mark.slow
def test_a_row_that_quotes_a_paper_names_its_table():
    """No study writes a published number into its own file."""
    quoted = [
        f"{study.name}/{table.name}: {row.label}"
        for study in studies()
        for table in study.ablations
        for row in table.printed_rows
        if row.published and row.printed_in is None
    ]
    assert [] == quoted
