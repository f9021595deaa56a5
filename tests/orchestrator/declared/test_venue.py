"""Venues: what is known of them, and what is said of others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tablewright.orchestrator.declared.venue import ANY, VENUES, Venue, venue_of
from tests.reports.tiny_study import depth_row, make_ablation, make_study


def test_what_fits_anywhere_fits_everywhere():
    """No venue is narrower or lower than the one that stands for all, nor has narrower text than one of its columns."""
    for venue in VENUES.values():
        assert ANY.column_width_pt <= venue.column_width_pt <= venue.text_width_pt
        assert ANY.text_width_pt <= venue.text_width_pt
        assert ANY.text_height_pt <= venue.text_height_pt


def test_a_venue_is_named_or_measured():
    """Names are those of style files too, in any case; a number is a width, and a venue of one's own itself."""
    assert VENUES["cvpr"] == venue_of("ICCV")
    assert 400 == venue_of(400).text_width_pt
    own = Venue("thesis", 300, 300, 500, "the faculty's rules")
    assert own == venue_of(own)


@pytest.mark.parametrize(
    ("asked", "said"), [("neurps", "did you mean 'neurips'?"), (12, "72"), (float("nan"), "venue")]
)
def test_what_is_no_venue_is_refused_where_it_is_declared(asked: str | float, said: str):
    """A study says which there are."""
    with pytest.raises(ValueError, match=r"(?s)venue") as refusal:
        make_study_at(asked)
    assert said in str(refusal.value)


def make_study_at(venue: str | float | Venue):
    return replace(make_study(make_ablation([depth_row(2)])), venue=venue)
