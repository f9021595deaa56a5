"""Copies that nobody can change."""

import copy
import json
import pickle

import numpy as np
import pytest

from tablewright.trainables.value.freezing import FrozenMapping, freeze, thaw


def test_containers_are_copied_and_frozen_all_the_way_down():
    """Lists become tuples, dictionaries read-only mappings, in nested ones too."""
    given = {"a": [1, {"b": [2]}], "c": (3, [4])}
    frozen = freeze(given)
    given["a"][1]["b"].append(5)
    assert {"a": (1, {"b": (2,)}), "c": (3, (4,))} == frozen
    assert [FrozenMapping, FrozenMapping] == [type(frozen), type(frozen["a"][1])]


def test_what_is_gone_through_once_is_kept():
    """Generators, ranges and views of dictionaries become tuples."""
    entries = {"a": 1}
    assert ((0, 1), (0, 1), (1,), ("a",)) == freeze(
        [(n for n in range(2)), range(2), entries.values(), entries.keys()]
    )


def test_numbers_of_numpy_become_pythons():
    """An array is nested tuples, and a numpy number the Python number that it equals."""
    frozen = freeze([np.int64(3), np.float64(0.1), np.bool_(True), np.array([[1, 2]]), np.array(4)])
    assert (3, 0.1, True, ((1, 2),), 4) == frozen
    assert [int, float, bool, int] == [type(item) for item in (*frozen[:3], frozen[3][0][0])]


def test_a_frozen_mapping_is_a_value():
    """It equals the dictionary it was made from, keeps its order, and can be pickled, copied, hashed and joined."""
    frozen = freeze({"b": 1, "a": [2]})
    assert {"a": (2,), "b": 1} == frozen
    assert ["b", "a"] == list(frozen)
    assert frozen == pickle.loads(pickle.dumps(frozen)) == copy.deepcopy(frozen)
    assert hash(freeze({"a": [2], "b": 1})) == hash(frozen)
    assert {"b": 1, "a": 3} == frozen | {"a": 3}
    assert {"b": 1, "a": (2,), "c": 3} == {"c": 3} | frozen


@pytest.mark.parametrize(
    "change",
    [
        lambda mapping: mapping.__setitem__("a", 1),
        lambda mapping: mapping.__delitem__("a"),
        lambda mapping: mapping.update(a=1),
        lambda mapping: mapping.pop("a"),
        lambda mapping: mapping.clear(),
        lambda mapping: mapping.setdefault("b", 1),
    ],
)
def test_a_frozen_mapping_has_no_way_to_change(change):
    """Whatever changes a dictionary is not there."""
    with pytest.raises(AttributeError):
        change(FrozenMapping({"a": 0}))


def test_thawing_gives_plain_dictionaries():
    """What a parser wants is given without a read-only mapping in it."""
    assert '{"a": [{"b": [1]}]}' == json.dumps(thaw({"a": [freeze({"b": (1,)})]}))
