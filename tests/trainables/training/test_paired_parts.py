"""Parts of a network are drawn apart from each other."""

import pytest
import torch

from tablewright.trainables.training.paired_parts import build_part


def draw_whole(seed, *names):
    """Draw parts of a whole, and a number of the whole's own behind them."""
    torch.manual_seed(seed)
    parts = {name: build_part(name, torch.rand, 3) for name in names}
    return parts, torch.rand(3)


def test_a_part_is_drawn_alike_whatever_is_drawn_before_it():
    """Neither its neighbours nor their order matter to a part, nor parts to what is drawn behind them."""
    (both, behind_both), (reverse, behind_reverse), (alone, behind_one) = (
        draw_whole(0, *names) for names in (("a", "b"), ("b", "a"), ("b",))
    )
    assert torch.equal(both["b"], reverse["b"])
    assert torch.equal(both["b"], alone["b"])
    assert torch.equal(both["a"], reverse["a"])
    assert torch.equal(behind_both, behind_reverse)
    assert torch.equal(behind_both, behind_one)


def test_parts_differ_by_name_seed_and_what_they_are_parts_of():
    """No two of them are copies."""
    parts, behind = draw_whole(0, "a", "b")
    others, _ = draw_whole(1, "a")
    torch.manual_seed(0)
    nested = build_part("b", lambda: build_part("a", torch.rand, 3))
    drawn = [parts["a"], parts["b"], others["a"], nested, behind]
    assert len(drawn) == len({tuple(values.tolist()) for values in drawn})


def test_an_error_in_a_part_puts_the_generator_back():
    """What is drawn after a part that failed is what would have been drawn without it."""
    expected = draw_whole(0)[1]
    torch.manual_seed(0)
    with pytest.raises(RuntimeError):
        build_part("a", lambda: torch.rand(2) @ torch.rand(3))
    assert torch.equal(expected, torch.rand(3))
