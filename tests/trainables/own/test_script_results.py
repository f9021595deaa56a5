"""What is read of what a script leaves: metrics, values per item, progress, and what it prints."""

from pathlib import Path

import pytest

from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.own.script_process import HEAD_BYTES, TAIL_BYTES, Output
from tablewright.trainables.own.script_results import ProgressFile, ScriptResults, read_results

TOP1 = Metric("top1", "Top-1")


@pytest.mark.parametrize("split", ["val", "test"])
@pytest.mark.parametrize("spelling", ["{split}_top1", "{split}/top1", "{split}.top1", None])
def test_a_metric_is_found_in_each_spelling(split, spelling):
    """Flat or nested."""
    values = {split: {"top1": 0.5}} if spelling is None else {spelling.format(split=split): 0.5}
    assert 0.5 == ScriptResults(values).value(TOP1, split)


def test_a_plain_name_is_of_the_test_split():
    """And never taken for a value that a search may see."""
    assert 0.5 == ScriptResults({"top1": 0.5}).value(TOP1, "test")
    with pytest.raises(ValueError, match="no 'top1' of the val split"):
        ScriptResults({"top1": 0.5}).value(TOP1, "val")


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({}, "It has nothing"),
        ({"test": {"topl": 0.5}}, r"did you mean 'test\.topl'"),
        ({"top1": "0.5"}, "top1 = '0.5', where a number is needed"),
        ({"top1": True}, "where a number is needed"),
        ({"top1": None}, "where a number is needed"),
        ({"top1": float("nan")}, "top1 = nan, which no table can average"),
        ({"top1": 0.5, "test_top1": 0.6}, "twice"),
        ({"top1": 10**400}, "top1 = a whole number of more than 80 digits, which no table can average"),
        ({"val": {"top1": 0.5}}, "no 'top1' of the test split"),
        ({"test": {"top1": 0.5}, "val": {"top1": float("nan")}}, r"val\.top1 = nan"),
    ],
)
def test_a_metric_that_is_absent_or_no_number_is_named(values, fault):
    """With what was found."""
    with pytest.raises(ValueError, match=fault):
        ScriptResults(values, place="metrics.json").refuse_absent([TOP1])


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"top1": 0.', "is no whole JSON .* cut short"),
        ("", "is no whole JSON"),
        ("[0.5]", "where values by name are needed"),
        (None, r"left no m\.json in \{out\}; there is last\.pt"),
        (b"\xff", "no text in UTF-8"),
        ("[" * 100_000, "is no whole JSON"),
        (Path(), r"m\.json in \{out\} cannot be read \(Is a directory\)"),
    ],
)
def test_a_file_that_is_not_whole_is_named(tmp_path, text, fault):
    """And one that is not there, with what is."""
    (tmp_path / "last.pt").touch()
    if isinstance(text, Path):
        (tmp_path / "m.json").mkdir()
    elif text is not None:
        (tmp_path / "m.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=fault):
        read_results(tmp_path, "m.json", None)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("items.csv", 'name,is_right,score\n"a\nb",True,1\nc,False,2.5\n'),
        (
            "items.jsonl",
            '{"name": "a\\nb", "is_right": true, "score": 1}\n\n{"score": 2.5, "name": "c", "is_right": false}\n',
        ),
    ],
)
def test_values_per_item_are_columns(tmp_path, name, text):
    """Of numbers, of true and false, and of names."""
    (tmp_path / "m.json").write_text("{}", encoding="utf-8-sig")
    (tmp_path / name).write_text(text, encoding="utf-8-sig")
    per_item = read_results(tmp_path, "m.json", name).per_item
    assert {"name": ["a\nb", "c"], "is_right": [True, False], "score": [1, 2.5]} == per_item


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("items.csv", "a,b\n1,2\n3\n", "row 2 of items.csv has not a value for each of a, b"),
        ("items.csv", "a,b\n1,2,3\n", "row 1 of items.csv has not"),
        ("items.jsonl", '{"a": 1}\n{"b": 1}\n', "row 2 of items.jsonl has not"),
        ("items.jsonl", '{"a": 1}\n{"a": ', "row 2 of items.jsonl is no whole JSON"),
        ("items.jsonl", "[1]\n", "row 1 of items.jsonl holds"),
    ],
)
def test_a_row_that_lacks_a_value_is_named(tmp_path, name, text, fault):
    """Cut short or written by something else."""
    (tmp_path / "m.json").write_text("{}")
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=fault):
        read_results(tmp_path, "m.json", name)


def test_progress_is_followed_line_by_line(tmp_path):
    """A half-written line waits for its end; each is told once; nested names are joined."""
    path = tmp_path / "p.jsonl"
    progress = ProgressFile(path)
    assert [] == [*progress.new_lines()]
    path.write_text('{"epoch": 1, "val": {"top1": 0.5}, "note": "x"}\n{"epoch": 2, "lo')
    (line,) = progress.new_lines()
    assert (1, {"val_top1": 0.5}, 0.5) == (line.epoch, line.metrics, line.results.value(TOP1, "val"))
    with path.open("a") as file:
        file.write('ss": 1}\n{"epoch": 3}')
    assert [2] == [line.epoch for line in progress.new_lines()]
    assert [3] == [line.epoch for line in progress.new_lines(is_ended=True)]
    path.write_text("{}\n")
    assert [1] == [line.epoch for line in progress.new_lines()]


def test_epochs_are_counted_from_one(tmp_path):
    """By the lines where they name none, and shifted where the first is 0."""
    path = tmp_path / "p.jsonl"
    for epochs, text in (([1, 2], "{}\n{}\n"), ([1, 2], '{"epoch": 0}\n{"epoch": 1}\n')):
        path.write_text(text)
        assert epochs == [line.epoch for line in ProgressFile(path).new_lines()]
    path.write_text('{"epoch": 0}\n{"epoch": 1}\n')
    progress = ProgressFile(path)
    progress.skip(len('{"epoch": 0}\n'))
    assert [2] == [line.epoch for line in progress.new_lines()]


@pytest.mark.parametrize(
    ("lines", "epochs"),
    [
        (['{"epoch": "1/10"}', '{"epoch": "2/10"}'], [1, 2]),
        (['{"epoch": 0.33}', '{"epoch": 0.67}', '{"epoch": 1.0}', '{"epoch": 1.33}'], [1, 2, 3, 4]),
        (['{"epoch": 1}', '{"epoch": 2.5}', '{"epoch": 3}'], [1, 2, 3]),
        (['{"epoch": Infinity}', '{"epoch": NaN}', '{"epoch": 1e400}'], [1, 2, 3]),
        (['{"epoch": -1}', '{"epoch": true}', '{"epoch": [1]}', '{"epoch": null}'], [1, 2, 3, 4]),
        (['{"epoch": 1' + "0" * 400 + "}", '{"epoch": 2}'], [1, 2]),
    ],
)
def test_lines_with_odd_epochs_are_counted(tmp_path, lines, epochs):
    """From the first of them on, and told once, not again by the attempt that goes on."""
    path = tmp_path / "p.jsonl"
    path.write_text("\n".join(lines) + "\n")
    progress = ProgressFile(path)
    with pytest.warns(
        UserWarning, match="which is no whole number; from there the lines are counted"
    ) as told:
        assert epochs == [line.epoch for line in progress.new_lines()]
    assert 1 == len(told)
    again = ProgressFile(path)
    again.skip(progress.num_read_bytes)
    with path.open("a") as file:
        file.write('{"epoch": 0.5}\n')
    assert [epochs[-1] + 1] == [line.epoch for line in again.new_lines()]


def test_odd_values_are_left_out_of_a_line(tmp_path):
    """What a curve can show of it stays."""
    (tmp_path / "p.jsonl").write_text(
        '{"a": NaN, "b": 1, "c": Infinity, "d": "x", "e": 1' + "0" * 400 + "}\n"
    )
    with pytest.warns(UserWarning, match="a = nan, which no curve can show"):
        assert [{"b": 1.0}] == [line.metrics for line in ProgressFile(tmp_path / "p.jsonl").new_lines()]


def test_a_last_line_without_an_end_is_told_once(tmp_path):
    """Where it is whole; what the next attempt appends is a line of its own."""
    path = tmp_path / "p.jsonl"
    path.write_text('{"epoch": 1}\n{"epoch": 2}')
    progress = ProgressFile(path)
    assert [1, 2] == [line.epoch for line in progress.new_lines(is_ended=True)]
    assert path.stat().st_size == progress.num_read_bytes
    again = ProgressFile(path)
    again.skip(progress.num_read_bytes)
    with path.open("a") as file:
        file.write('{"epoch": 3}\n')
    assert [3] == [line.epoch for line in again.new_lines()]


def test_a_folder_in_the_place_of_progress_is_no_fault(tmp_path):
    """Nothing can be read of it, which is told."""
    with pytest.warns(UserWarning, match=r"cannot be read \(Is a directory\)"):
        assert [] == [*ProgressFile(tmp_path).new_lines()]


def test_what_a_killed_script_has_not_ended_is_cut_off(tmp_path):
    """So that the next line does not become a part of it."""
    path = tmp_path / "p.jsonl"
    path.write_text('{"epoch": 1}\n{"epo')
    progress = ProgressFile(path)
    progress.skip(0)
    with path.open("a") as file:
        file.write('{"epoch": 2}\n')
    assert [1, 2] == [line.epoch for line in progress.new_lines()]


def test_a_line_that_is_no_json_is_told_once(tmp_path):
    """And costs nothing."""
    (tmp_path / "p.jsonl").write_text("begin\n{}\n---\n")
    with pytest.warns(
        UserWarning, match=r"p\.jsonl has lines that are no JSON objects, such as 'begin'"
    ) as told:
        assert 1 == len([*ProgressFile(tmp_path / "p.jsonl").new_lines()])
    assert 1 == len(told)


def test_what_is_printed_is_kept_in_bounds():
    """The beginning and the end, and how much was cut."""
    output = Output()
    output.add(b"first\n")
    for _ in range(40):
        output.add(b"x" * 2**16 + b"\n")
    output.add(b"\x1b[31mbefore\rlast\x1b[0m\n\n")
    content = output.content()
    assert content.startswith(b"first\n")
    assert b"bytes were cut here" in content
    assert HEAD_BYTES + TAIL_BYTES <= len(content) <= HEAD_BYTES + TAIL_BYTES + 2**17
    assert ["before", "last"] == output.last_lines()[-2:]
