"""Attention maps and pooling under them.

Legend: B images, C channels, H W height and width of a map, A attention maps, D embedding.
"""

import torch
from torch.nn import functional

from tablewright.trainables.layers.attention import (
    AttentionGuidance,
    AttentionMaker,
    AttentionPooling,
    foreground_attention,
)
from tablewright.trainables.layers.fuse import FuseBlock


def random(*shape):
    """Draw reproducible numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_the_maker_adds_its_convolutions_and_the_fuse_block_chains_them():
    """The two convolutions are parallel in the maker, in series in the fusion."""
    map_BCHW = random(2, 3, 4, 5)
    maker, fuse = AttentionMaker(3, 3).eval(), FuseBlock(3).eval()
    summed = functional.conv2d(map_BCHW, maker.pointwise.weight) + functional.conv2d(
        map_BCHW, maker.window.weight, padding=1
    )
    chained = functional.conv2d(functional.conv2d(map_BCHW, fuse[0].weight), fuse[1].weight, padding=1)
    scale = (1 + 1e-5) ** -0.5  # a fresh norm in evaluation
    torch.testing.assert_close(maker(map_BCHW), summed.relu() * scale)
    torch.testing.assert_close(fuse(map_BCHW), chained.relu() * scale)


def test_foreground_drops_the_last_channel_behind_the_softmax():
    """The background takes part in the softmax and is not kept."""
    scores_BAHW = torch.tensor([0.0, 0.0, 2.0]).log1p().view(1, 3, 1, 1)  # e^score = 1, 1, 3
    torch.testing.assert_close(foreground_attention(scores_BAHW).flatten(), torch.tensor([0.2, 0.2]))


def test_guidance_appends_all_channels_background_included():
    """The guided map holds the stage's own channels, unchanged, then one for each score map."""
    guidance = AttentionGuidance(3, detach=False)
    scores_BAHW, map_BCHW = random(2, 3, 4, 5), random(2, 7, 4, 5)
    guided_BCHW = guidance(scores_BAHW, map_BCHW)
    assert guided_BCHW.shape == (2, 10, 4, 5)
    assert torch.equal(map_BCHW, guided_BCHW[:, :7])
    torch.testing.assert_close(guided_BCHW[:, 7:], functional.conv2d(scores_BAHW, guidance.mix.weight).relu())


def test_guidance_is_resized_to_the_earlier_map():
    """A smaller later map can guide a larger earlier one."""
    assert AttentionGuidance(3, detach=False)(random(1, 3, 2, 1), random(1, 7, 4, 2)).shape == (1, 10, 4, 2)


def test_detached_guidance_stops_the_gradient_to_the_scores_alone():
    """Detaching keeps the gradient of the mixing convolution."""
    for detach in (False, True):
        guidance = AttentionGuidance(3, detach=detach)
        scores_BAHW = random(2, 3, 4, 5).requires_grad_()
        guidance(scores_BAHW, random(2, 7, 4, 5)).sum().backward()
        assert (scores_BAHW.grad is None) == detach
        assert guidance.mix.weight.grad is not None


def test_each_map_is_pooled_by_its_own_embedding():
    """Changing one map changes its own pooled vector only."""
    pooling = AttentionPooling(6, 4, 3, "shared").eval()
    map_BCHW, attention_BAHW = random(2, 6, 3, 3), random(2, 3, 3, 3).sigmoid()
    changed_BAHW = attention_BAHW.clone()
    changed_BAHW[:, 1] *= 0.5
    before_BAD, after_BAD = pooling(map_BCHW, attention_BAHW), pooling(map_BCHW, changed_BAHW)
    assert before_BAD.shape == (2, 3, 4)
    assert torch.equal(before_BAD[:, [0, 2]], after_BAD[:, [0, 2]])
    assert not torch.equal(before_BAD[:, 1], after_BAD[:, 1])
    assert (before_BAD > 0).all()


def test_exponents_are_shared_or_one_a_map():
    """`shared` has one exponent, `per_map` as many as maps."""
    assert len(AttentionPooling(6, 4, 3, "shared").pools) == 1
    assert len(AttentionPooling(6, 4, 3, "per_map").pools) == 3
