"""Which images are shown: the same ones for every network, none by its merit."""

from __future__ import annotations

NUM_ATTENTION_IMAGES = 6
NUM_QUERIES = 5


def spread_over(count: int, num_chosen: int) -> list[int]:
    """Choose indices evenly spread over `count`; all of them where there are no more than `num_chosen`."""
    num_chosen = min(count, num_chosen)
    return [(2 * number + 1) * count // (2 * num_chosen) for number in range(num_chosen)]
