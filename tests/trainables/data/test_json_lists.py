import json

import pytest

from tablewright.trainables.data import json_lists
from tablewright.trainables.data.json_lists import read_lists

CONTENT = {
    "info": {"text": '"}, {"images": [{', "deep": [[{"a": {}}]], "number": 12345678901234567890},
    "images": [
        {"id": one, "name": f'{one}}}, {{ü\\"]', "box": {"in": [{}, {"b": "]}"}]}} for one in range(40)
    ],
    "empty": [],
    "annotations": [{"id": one, "parts": [{}]} for one in range(30)],
    "rest": 7,
}


class Taken:
    """Keeps entries, and how often some came."""

    def __init__(self):
        self.entries, self.times = [], 0

    def add(self, entries):
        self.entries += entries
        self.times += 1


def read(path, *keys):
    return read_lists(path, dict.fromkeys(keys, Taken))


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 50, 301, 2**20])
@pytest.mark.parametrize("indent", [None, 2])
def test_entries_are_those_of_the_json_module_wherever_a_chunk_ends(tmp_path, monkeypatch, chunk, indent):
    """No cut between two reads loses, repeats or changes an entry, whatever stands in texts and in other values."""
    monkeypatch.setattr(json_lists, "CHUNK_LETTERS", chunk)
    path = tmp_path / "lists.json"
    path.write_text(json.dumps(CONTENT, indent=indent, ensure_ascii=False), encoding="utf-8")
    found = read(path, "images", "annotations", "empty", "absent", "rest")
    assert {key: CONTENT[key] for key in ("images", "annotations", "empty")} == {
        key: taken.entries for key, taken in found.items()
    }


def test_a_long_list_comes_in_parts(tmp_path, monkeypatch):
    """A list is never in memory whole."""
    monkeypatch.setattr(json_lists, "CHUNK_LETTERS", 400)
    path = tmp_path / "lists.json"
    path.write_text(json.dumps(CONTENT), encoding="utf-8")
    monkeypatch.setattr(json_lists, "read_json", lambda path: pytest.fail("read whole"))
    assert read(path, "images")["images"].times >= 3


@pytest.mark.parametrize(
    "text",
    [
        '{"images": [{"id": 1},]}',
        '{"images": [{"id": 1}]',
        '{"images": [{"id": 1}]} {}',
        '{"images": [{"id": 1} {"id": 2}]}',
        '{"images": [{"id": 1}], }',
        '{"images" [{"id": 1}]}',
        "",
    ],
)
def test_what_is_no_json_is_refused_with_the_place(tmp_path, text):
    """A file that is cut off or misspelt is not read as the part that could be."""
    path = tmp_path / "lists.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="cannot be read as JSON"):
        read(path, "images")


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ('{"images": [1, "a}", null]}', [1, "a}", None]),
        ('{"images": [{"id": 1}], "images": [{"id": 2}]}', [{"id": 2}]),
        ('{"images": [{"a": "}}}}}}}}}}}}}}}}"}]}', [{"a": "}" * 16}]),
    ],
)
def test_unusual_json_is_read_as_the_json_module_reads_it(tmp_path, text, entries):
    """Entries that are no objects, a key given twice, and texts full of braces are no faults."""
    path = tmp_path / "lists.json"
    path.write_text(text, encoding="utf-8")
    assert entries == read(path, "images")["images"].entries
