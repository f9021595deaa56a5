import numpy as np
import pytest

from tablewright.trainables.data import name_table
from tablewright.trainables.data.name_table import NameTable

NAMES = ["a", "", "äöü", "b/c.jpg", "𝔘", "z"]


@pytest.mark.parametrize("at_a_time", [1, 2, 100])
def test_names_come_out_as_they_went_in(monkeypatch, at_a_time):
    """However many are read at a time, letters of several bytes and empty names stay what they are."""
    monkeypatch.setattr(name_table, "_NAMES_AT_A_TIME", at_a_time)
    table = NameTable.of(NAMES)
    assert NAMES == [*table] == [table[place] for place in range(len(NAMES))]
    assert [] == [*NameTable.of([])]


def test_chosen_names_stand_in_the_order_of_their_places():
    """A choice may repeat, leave out and reorder."""
    places = np.array([4, 2, 2, 0])
    assert [NAMES[place] for place in places] == [*NameTable.of(NAMES).chosen(places)]
    assert [] == [*NameTable.of(NAMES).chosen(np.array([], np.int64))]
