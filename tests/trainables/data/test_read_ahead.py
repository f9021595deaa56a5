"""Batches read while the one before is worked on."""

import threading

import pytest

from tablewright.trainables.data.read_ahead import read_ahead

SOON_S = 60


def test_the_next_batch_is_read_while_one_is_worked_on_and_no_further_one():
    """Reading and working overlap; two batches are in memory at a time, however slow the work is."""
    has_begun = [threading.Event() for _ in range(5)]

    def read(item):
        has_begun[item].set()
        return item * 10

    for item, what in read_ahead(read, range(5)):
        assert item * 10 == what
        assert item == 4 or has_begun[item + 1].wait(SOON_S)
        assert not any(event.is_set() for event in has_begun[item + 2 :])


def test_a_fault_of_reading_is_told_where_the_batch_is_asked_for():
    """What was read before it is still given; nothing is to read of no items."""

    def read(item):
        if item == 2:
            raise ValueError("the third cannot be read")
        return item

    batches = read_ahead(read, range(9))
    assert [(0, 0), (1, 1)] == [next(batches), next(batches)]
    with pytest.raises(ValueError, match="the third cannot be read"):
        next(batches)
    assert [] == list(read_ahead(read, []))
