"""Printed numbers become fractions under our data sets and metrics, and nothing is made up on the way."""

from __future__ import annotations

import sys

import pytest

from tablewright.orchestrator.declared.published import (
    other_methods,
    printed,
    published_table,
    published_tables,
)


def make_package(tmp_path, monkeypatch, text):
    """Put a file of published numbers into a package of its own."""
    name = f"package_{tmp_path.name}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("")
    (tmp_path / name / "published.yaml").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


TABLE = """
t1:
  paper: P
  number: Table 1
  title: T
  kind: main
  data_sets: [Market-1501]
  unit: percent
  read_in: [somewhere]
  columns: [market_sq_rank1, market_sq_map]
  rows:
    - {row: a, is_own: true, values: [%s]}
"""


def test_percent_become_fractions_under_our_names():
    """A row of a table in percent is data set label -> metric -> fraction, and names its source."""
    found = printed("hacnn_t5", "SSA+SCA")
    assert {
        "Market-1501": {"rank1": 0.885, "map": 0.702},
        "DukeMTMC-reID": {"rank1": 0.761, "map": 0.572},
    } == found.values
    assert ("hacnn_t5", "SSA+SCA") == found.row_id
    assert "Table 5" == found.source


def test_values_that_were_not_read_in_the_paper_name_who_quotes_them():
    """A leaderboard, a summary or another paper is named; the paper's own pages and pictures of them are not."""
    quoted = {table_id for table_id, table in published_tables().items() if table.quoted_in}
    read_elsewhere = {
        table_id
        for table_id, table in published_tables().items()
        for place in table.read_in
        if "full text" not in place and "image of" not in place
    }
    assert read_elsewhere == quoted
    assert "the leaderboard" in printed("mancs_duke", "Mancs").quoted_in
    assert "" == printed("hacnn_t5", "SSA+SCA").quoted_in


def test_a_kind_of_query_is_chosen():
    """Single and multiple query stand in one printed table, and each gives its own numbers."""
    assert {"Market-1501": {"rank1": 0.912, "map": 0.757}} == printed("hacnn_t2", "HA-CNN").values
    multiple = printed("hacnn_t2", "HA-CNN", query="multiple")
    assert {"Market-1501": {"rank1": 0.938, "map": 0.828}} == multiple.values


def test_what_was_not_printed_has_no_value():
    """A dash in print, or a number that could not be read, is absent and is neither zero nor null."""
    assert {"Market-1501": {"rank1": 0.769}} == printed("hacnn_t2", "HPN").values
    assert {} == printed("mdpr_t6", "4").values


def test_columns_can_be_named():
    """Where a column's name does not say data set and metric, the caller does."""
    columns = {"accuracy_224": ("224 px", "top1"), "accuracy_392": ("392 px", "top1")}
    found = printed("tasn_t4", "TASN", columns=columns)
    assert {"224 px": {"top1": 0.87}, "392 px": {"top1": 0.879}} == found.values


def test_other_methods_are_in_printing_order():
    """They are the rows that are not the paper's own."""
    assert ["PAN", "FMN", "SVDNet", "PSE", "HA-CNN", "Deep-Person", "PCB", "GP-reid"] == other_methods(
        "mgn_v1_t4"
    )


@pytest.mark.parametrize(
    ("find", "nearest"),
    [
        (lambda: published_table("mgn_v1_t22"), "did you mean 'mgn_v1_t2'"),
        (lambda: published_table("mgn_v1_t2").row("MGN w/o TPP"), "did you mean 'MGN w/o TP'"),
        (lambda: printed("tasn_t4", "TASN", columns={"accuracy_225": ("225 px", "top1")}), "'accuracy_224'"),
    ],
)
def test_a_misspelt_name_suggests_the_nearest(find, nearest):
    """Tables, rows and columns that are not there are refused, with what was meant."""
    with pytest.raises(ValueError, match=nearest):
        find()


def test_a_row_has_a_value_for_every_column(tmp_path, monkeypatch):
    """A row with too few values is refused and named; the same row with all of them is read."""
    short = make_package(tmp_path, monkeypatch, TABLE % "91.0")
    with pytest.raises(ValueError, match="t1, row 'a': 1 values under 2 columns"):
        published_tables(short)


def test_a_misspelt_field_is_refused(tmp_path, monkeypatch):
    """A field that no table has is refused, and so cannot be overlooked."""
    misspelt = make_package(tmp_path, monkeypatch, TABLE.replace("title:", "titel:") % "91.0, null")
    with pytest.raises(ValueError, match="titel"):
        published_tables(misspelt)


SLIPS = {
    "an open bracket": (TABLE.replace("[%s]}", "[%s}"), r"line 12: this is no YAML: '- \{row: a"),
    "a second colon": (TABLE.replace("title: T", "title: T: x"), r"line 5: this is no YAML: 'title: T: x'"),
    "a tab": (TABLE.replace("  kind", "\tkind"), r"line 6: this is no YAML"),
    "a control character": (TABLE.replace("paper: P", "paper: \x01"), r"line 3: this is no YAML"),
    "two documents": (TABLE + "---\n", r"line 13: this is no YAML: '---'"),
    "a table twice": (TABLE + TABLE, r"line 14: 't1' stands here for a second time"),
    "a field twice": (TABLE + "  title: U\n", r"line 13: 'title' stands here for a second time"),
    "a row twice": (TABLE + "    - {row: a, is_own: true, values: [1, 2]}\n", r"line 11: t1, rows: 'a' is given twice"),
    "a list": ("- a\n", r"line 1: tables by id are needed.*got the list \['a'\]"),
    "nothing": ("", r"line 1: tables by id are needed.*got None"),
    "a number as id": (TABLE.replace("t1:", "1:"), r"line 2: the id of a table is a string; got 1"),
    "a misspelt unit": (TABLE.replace("percent", "percnt"), r"line 8: t1, unit: one of .* got 'percnt'"),
    "no title": (TABLE.replace("  title: T\n", ""), r"line 2: t1, title: it is not given"),
    "a table that is none": ("t1: 3\n", r"line 1: t1, a PublishedTable is needed; got 3"),
}  # fmt: skip


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_in_the_file_is_named_with_its_line(tmp_path, monkeypatch, slip):
    """A person who types numbers sees where to look, in words that name neither YAML's parser nor a model's."""
    text, message = SLIPS[slip]
    package = make_package(tmp_path, monkeypatch, text.replace("%s", "91.0, null"))
    with pytest.raises(ValueError, match=rf"{package}/published\.yaml is refused:\n  - {message}"):
        published_tables(package)


@pytest.mark.parametrize("value", [".nan", ".inf", "'91.0'", "true", "[91.0]"])
def test_a_value_that_is_no_finite_number_is_refused(tmp_path, monkeypatch, value):
    """It is named with line, table, row and place; a number in quotation marks is none."""
    package = make_package(tmp_path, monkeypatch, TABLE % f"{value}, null")
    with pytest.raises(
        ValueError, match=r"line 12: t1, row 'a', values\[0\]: a finite number or None is needed"
    ):
        published_tables(package)


def test_a_file_in_another_encoding_is_refused(tmp_path, monkeypatch):
    """The line of the first sign that is not UTF-8 is named."""
    package = make_package(tmp_path, monkeypatch, TABLE % "91.0, null")
    (tmp_path / package / "published.yaml").write_bytes((TABLE % "91.0, null").encode() + b"# \xe9\n")
    with pytest.raises(ValueError, match="line 13: the file is written in UTF-8"):
        published_tables(package)


def test_all_faults_of_the_file_are_told(tmp_path, monkeypatch):
    """Two tables with a fault each give one error with both, in the order of the file."""
    second = (TABLE % "91.0, null").replace("t1:", "t2:").replace("kind", "knd")
    package = make_package(tmp_path, monkeypatch, TABLE % "91.0" + second)
    with pytest.raises(
        ValueError, match=r"(?s)t1, row 'a': 1 values.*line 14: t2, kind: .*t2, knd: .*'kind'"
    ):
        published_tables(package)


def test_an_unknown_kind_of_query_is_refused():
    """There are two."""
    with pytest.raises(ValueError, match="no kind of query 'singel'; did you mean 'single'"):
        printed("hacnn_t2", "HA-CNN", query="singel")


def test_a_column_is_a_data_set_and_a_metric():
    """A place that names one of them only is refused with the column it was given for."""
    with pytest.raises(
        ValueError, match=r"columns\['accuracy_224'\]: a tuple of a string, a string .* got '224 px'"
    ):
        printed("tasn_t4", "TASN", columns={"accuracy_224": "224 px"})


def test_a_null_stays_blank(tmp_path, monkeypatch):
    """A null of the file is None in the row."""
    package = make_package(tmp_path, monkeypatch, TABLE % "91.0, null")
    assert (91.0, None) == published_tables(package)["t1"].row("a").values


def test_no_table_has_a_row_twice():
    """A label names one row, or its values could not be told apart."""
    twice = {
        table_id: labels
        for table_id, table in published_tables().items()
        if len(set(labels := [row.row for row in table.rows])) < len(labels)
    }
    assert {} == twice


def test_every_value_read_is_kept():
    """The file holds the 585 values that were read, and no other; a change of the count has to be meant."""
    values = [value for table in published_tables().values() for row in table.rows for value in row.values]
    assert 585 == sum(value is not None for value in values)


def test_every_value_says_where_it_was_read():
    """A table without a source has no value."""
    unsourced = [
        table_id
        for table_id, table in published_tables().items()
        if not table.read_in and any(value is not None for row in table.rows for value in row.values)
    ]
    assert [] == unsourced
