"""Standardising pixels."""

import torch

from tablewright.trainables.layers.pixels import PixelStandardisation


def test_the_mean_colour_becomes_zero_and_one_deviation_one():
    """Means and deviations are ImageNet's times 255, rounded once to float32."""
    pixels = PixelStandardisation()
    assert pixels.mean_C11.flatten().tolist() == torch.tensor([123.675, 116.28, 103.53]).tolist()
    images_BCHW = (pixels.mean_C11 + pixels.std_C11).expand(2, 3, 4, 4)
    torch.testing.assert_close(pixels(images_BCHW), torch.ones(2, 3, 4, 4))


def test_the_callers_images_are_not_changed():
    """Standardising twice from the same images gives the same twice."""
    images_BCHW = torch.rand(1, 3, 2, 2) * 255
    before_BCHW = images_BCHW.clone()
    first_BCHW = PixelStandardisation()(images_BCHW)
    assert torch.equal(before_BCHW, images_BCHW)
    assert torch.equal(first_BCHW, PixelStandardisation()(images_BCHW))


def test_statistics_are_no_weights():
    """A weight file holds no entry for them."""
    assert list(PixelStandardisation().state_dict()) == []
