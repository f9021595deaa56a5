"""Which images are shown."""

from tablewright.trainables.pictures.choice import spread_over


def test_chosen_images_are_spread_and_never_repeated():
    """Six of a hundred stand evenly; of four there are four."""
    assert [8, 25, 41, 58, 75, 91] == spread_over(100, 6)
    assert [0, 1, 2, 3] == spread_over(4, 6)
    assert [] == spread_over(0, 6)
