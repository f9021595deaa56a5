"""The attention samplers against slow loops written from their definitions."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from tablewright.trainables.layers.attention_sampler import (
    BALANCING_PASSES,
    DENSITY_CAP,
    crop_grid,
    marginal_grid,
    saliency_grid,
    sample,
)


def slow_axes(attention_hw, size, out, marginal="max", power=1):
    """Rows and columns of the source that a map selects, by the loop of the paper and its code."""
    resized = (
        functional.interpolate(
            torch.as_tensor(attention_hw, dtype=torch.float32)[None, None],
            size=(size, size),
            mode="bilinear",
            align_corners=True,
        )[0, 0].numpy()
        ** power
    )
    axes = []
    for axis in (1, 0):
        share = getattr(resized, marginal)(axis=axis).astype(np.float64)
        axes.append(out * share / share.sum() if share.sum() > 0 else np.full(size, out / size))
    for number in range(BALANCING_PASSES):
        cap = min(axes[0].max(), axes[1].max())
        if number == 0:
            cap = min(cap, DENSITY_CAP * out / size)
        for axis in axes:
            clipped = np.minimum(axis, cap)
            axis[:] = clipped + (out - clipped.sum()) / size
    places = []
    for axis in axes:
        cumulative = [0.0]
        for density in axis[1:]:
            cumulative.append(cumulative[-1] + density)
        found = []
        for index in range(out):
            wanted = index * cumulative[-1] / out
            j = 1
            while cumulative[j] < wanted:
                j += 1
            width = cumulative[j] - cumulative[j - 1]
            found.append(j + (wanted - cumulative[j]) / width if width > 0 else 0.0)
        places.append(np.array(found))
    return places


MAPS = {
    "random": lambda rng: rng.random((7, 7)),
    "one peak": lambda rng: np.eye(1, 49, 24).reshape(7, 7),
    "one peak in a corner": lambda rng: np.eye(1, 49, 48).reshape(7, 7),
    "tiny": lambda rng: 1e-36 * rng.random((7, 7)) ** 8,
    "zeros in rows": lambda rng: np.pad(rng.random((3, 7)), ((0, 4), (0, 0))),
    "uniform": lambda rng: np.full((7, 7), 0.3),
    "nothing": lambda rng: np.zeros((7, 7)),
}


@pytest.mark.parametrize(("marginal", "is_squared"), [("max", False), ("max", True), ("sum", False)])
@pytest.mark.parametrize(("size", "out"), [(64, 28), (28, 40)])
@pytest.mark.parametrize("name", MAPS)
def test_marginal_grid_is_the_slow_loops(name, size, out, marginal, is_squared):
    """Places agree to 1e-5 of the image for any map, maps with zeros and uniform ones too."""
    attention = MAPS[name](np.random.default_rng(0))
    grid = marginal_grid(
        torch.as_tensor(attention, dtype=torch.float32)[None],
        (size, size),
        out,
        marginal=marginal,
        is_squared=is_squared,
    )[0]
    rows, columns = slow_axes(attention, size, out, marginal, power=2 if is_squared else 1)
    np.testing.assert_allclose(grid[:, 0, 1], 2 * rows / (size - 1) - 1, atol=1e-5)
    np.testing.assert_allclose(grid[0, :, 0], 2 * columns / (size - 1) - 1, atol=1e-5)
    assert torch.equal(grid[:, 3, 1], grid[:, 0, 1])
    assert torch.equal(grid[5, :, 0], grid[0, :, 0])


def test_a_uniform_map_reads_every_512_224th_pixel():
    """0, 2.28125, … 508.72: the last column is never reached, as in the authors' code."""
    grid = marginal_grid(torch.ones(1, 28, 28), (512, 512), 224)[0]
    pixels = (grid[0, :, 0] + 1) / 2 * 511
    np.testing.assert_allclose(pixels, np.arange(224) * 2.28125, atol=1e-3)


def test_a_peak_is_magnified_alike_on_both_axes_and_nothing_is_lost():
    """A peaky axis beside a flat one is flattened; everywhere some pixels are left."""
    attention = torch.ones(1, 16, 16)
    attention[0, 8] = 50.0  # a line: peaky along rows, flat along columns
    grid = marginal_grid(attention, (128, 128), 64)[0]
    row_steps, column_steps = grid[:, 0, 1].diff(), grid[0, :, 0].diff()
    assert row_steps.min() > 0.8 * column_steps.min()
    spot = torch.full((1, 16, 16), 0.05)
    spot[0, 8, 8] = 1.0
    steps = marginal_grid(spot, (128, 128), 64)[0, 0, :, 0].diff()
    assert steps.min() < 0.5 * steps.max()
    assert steps.max() < 8 / 64


def test_sampling_has_a_gradient_to_the_image_and_none_to_attention():
    """Attention is not trained through the sampler."""
    images = torch.rand(1, 3, 32, 32, requires_grad=True)
    attention = torch.rand(1, 4, 4, requires_grad=True)
    for make_grid in (marginal_grid, crop_grid, saliency_grid):
        sample(images, make_grid(attention, (32, 32), 16)).sum().backward()
        assert images.grad is not None
        assert attention.grad is None


def test_crop_grid_is_the_box_around_what_is_marked():
    """One strong cell of a 4 x 4 map is a quarter of the image."""
    attention = torch.zeros(1, 4, 4)
    attention[0, 1, 2] = 1.0
    images = torch.arange(32.0).expand(1, 1, 32, 32)
    cropped = sample(images, crop_grid(attention, (32, 32), 8))[0, 0]
    torch.testing.assert_close(torch.arange(16.0, 24.0).expand(8, 8), cropped, atol=1e-4, rtol=0)


def test_saliency_grid_draws_places_towards_attention_and_keeps_an_even_map_even():
    """More of the grid lies near a spot than before; an even map moves nothing."""
    even = saliency_grid(torch.ones(1, 12, 12), (96, 96), 24)[0, 0, :, 0]
    torch.testing.assert_close(torch.linspace(-1, 1, 24), even, atol=1e-3, rtol=0)
    attention = torch.full((1, 12, 12), 0.01)
    attention[0, 6, 6] = 1.0
    drawn = saliency_grid(attention, (96, 96), 24)[0, 12, :, 0]
    assert (drawn.abs() < 0.4).sum() > (even.abs() < 0.4).sum() + 4


def test_saliency_grid_keeps_what_no_attention_reaches():
    """A faint spot draws as a strong one does, and a place that the kernel sees nothing from is left where it is."""
    spot = torch.zeros(1, 32, 32)
    spot[0, 4, 4] = 1.0
    strong, faint = (saliency_grid(spot * strength, (256, 256), 32) for strength in (1.0, 1e-20))
    torch.testing.assert_close(strong, faint, atol=1e-6, rtol=0)
    even = torch.linspace(-1, 1, 32)
    torch.testing.assert_close(even[24:], strong[0, 31, 24:, 0], atol=1e-5, rtol=0)
    assert pytest.approx(2 * 4 / 31 - 1, abs=1e-5) == strong[0, 8, 8, 0].item()


def test_a_map_of_zeros_reads_evenly():
    """Where the authors' code has no number, the image is seen whole."""
    nothing, even = torch.zeros(1, 7, 7), torch.ones(1, 7, 7)
    for make_grid in (marginal_grid, saliency_grid):
        torch.testing.assert_close(make_grid(even, (64, 64), 28), make_grid(nothing, (64, 64), 28))
