"""Where a part of a network lies in a file."""

import pytest
import torch

from tablewright.trainables.layers.name_matching import find_matches
from tablewright.trainables.layers.published_part import PublishedPart
from tablewright.trainables.layers.weight_file import Entry

FLOAT, COUNTER = torch.float32, torch.int64
PART = PublishedPart(
    "small",
    {
        "conv1.weight": Entry((4, 3), FLOAT),
        "bn1.running_mean": Entry((4,), FLOAT),
        "bn1.num_batches_tracked": Entry((), COUNTER),
        "layer1.conv1.weight": Entry((4, 4), FLOAT),
    },
    heads=("fc", "features.18"),
)


def under(prefix, **changes):
    entries = {**PART.entries, **changes}
    return {prefix + name: entry for name, entry in entries.items() if entry is not None}


@pytest.mark.parametrize(
    "prefix", ["", "module.", "base.", "module.base.", "state_dict.module.encoder_q.", "0.", "_orig_mod."]
)
def test_the_prefix_is_what_makes_names_agree(prefix):
    """Whatever wraps a network, its entries are found, and what lies beside them is not counted as left over."""
    beside = {} if not prefix else {"queue": Entry((9,), FLOAT)}
    best = find_matches(PART, None, under(prefix) | beside)[0]
    assert (prefix, True, 4) == (best.prefix, best.is_exact, best.num_agreeing)


def test_heads_and_absent_counters_are_no_fault():
    """What the network names as an exception is neither missing nor left over; a name that only begins alike is."""
    entries = under("", **{"bn1.num_batches_tracked": None, "fc.weight": Entry((9,), FLOAT)})
    entries |= {"features.18.0.weight": Entry((1,), FLOAT)}
    assert find_matches(PART, None, entries)[0].is_exact
    other = find_matches(PART, None, entries | {"fcn.weight": Entry((1,), FLOAT)})[0]
    assert (("fcn.weight",), True, False) == (other.left_over, other.fills, other.is_exact)


def test_what_does_not_agree_is_listed():
    """A missing entry, one of another shape, one of whole numbers, and one more than the part has."""
    entries = under(
        "module.",
        **{
            "conv1.weight": Entry((5, 3), FLOAT),
            "bn1.running_mean": None,
            "layer1.conv1.weight": Entry((4, 4), torch.int8),
            "layer1.conv2.weight": Entry((4, 4), FLOAT),
        },
    )
    best = find_matches(PART, None, entries)[0]
    assert "module." == best.prefix
    assert (("bn1.running_mean",), ("conv1.weight", "layer1.conv1.weight")) == (best.missing, best.unlike)
    assert ("module.layer1.conv2.weight",) == best.left_over


def test_every_place_that_fills_the_part_is_found():
    """Two copies are two matches, both filling; which one is meant is not decided here."""
    matches = find_matches(PART, None, under("student.") | under("teacher."))
    assert {"student.", "teacher."} == {match.prefix for match in matches if match.fills}


def test_a_file_of_something_else_is_held_against_the_part_as_it_is():
    """Without a name in common there still is a match to describe."""
    (only,) = find_matches(PART, None, {"encoder.0.kernel": Entry((1,), FLOAT)})
    assert ("", 0, 3) == (only.prefix, only.num_agreeing, len(only.missing))
