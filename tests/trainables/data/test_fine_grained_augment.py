import math

import pytest
import torch

from tablewright.trainables.data.fine_grained import FineGrainedAugmentation
from tablewright.trainables.data.fine_grained_augment import FineGrainedAugmenter

OFF = dict.fromkeys(
    ("rotation_deg", "flip_probability", "brightness", "contrast", "saturation", "pca_noise"), None
)


def images(batch=4, side=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (batch, 3, side, side), dtype=torch.uint8, generator=generator)


def augment(images_BCHW, seed=0, **on):
    augmenter = FineGrainedAugmenter(FineGrainedAugmentation(**OFF | on))
    return augmenter(images_BCHW, torch.Generator().manual_seed(seed))


def test_all_off_changes_nothing():
    """Without any part images come back as floats, and no random number is drawn."""
    generator = torch.Generator().manual_seed(0)
    state = generator.get_state()
    out = FineGrainedAugmenter(FineGrainedAugmentation(**OFF))(images(), generator)
    assert torch.equal(images().float(), out)
    assert torch.equal(state, generator.get_state())


def test_every_number_comes_from_the_generator():
    """Equal generators give equal images, whatever torch's own generator did; others give others."""
    augmenter = FineGrainedAugmenter(FineGrainedAugmentation())
    first = augmenter(images(), torch.Generator().manual_seed(5))
    torch.rand(7)
    assert torch.equal(first, augmenter(images(), torch.Generator().manual_seed(5)))
    assert not torch.equal(first, augmenter(images(), torch.Generator().manual_seed(6)))
    assert (torch.float32, images().shape) == (first.dtype, first.shape)
    assert first.min() >= 0
    assert first.max() <= 255


def test_the_batch_is_not_changed():
    """The caller's images stay as they were."""
    before = images()
    augment(before, rotation_deg=30.0, brightness=0.4, pca_noise=0.1)
    assert torch.equal(images(), before)


def test_mirroring_is_left_to_right_for_half_of_the_images():
    """Each image is itself or its mirror image."""
    batch = images(batch=200, side=4)
    out = augment(batch, flip_probability=0.5)
    is_mirrored = (out == batch.float().flip(-1)).flatten(1).all(1)
    assert ((out == batch.float()).flatten(1).all(1) | is_mirrored).all()
    assert 70 < int(is_mirrored.sum()) < 130


@pytest.mark.slow
def test_turning_moves_pixels_by_the_drawn_angle():
    """A dot right of the centre goes where the angle says, within the largest angle, to both sides."""
    batch = torch.zeros(40, 3, 65, 65, dtype=torch.uint8)
    batch[:, :, 31:34, 55:58] = 255
    out = augment(batch, rotation_deg=30.0)
    rows, columns = torch.meshgrid(torch.arange(65.0) - 32, torch.arange(65.0) - 32, indexing="ij")
    is_inside = (rows**2 + columns**2) < 29**2
    weight = out[:, 0] * is_inside
    total = weight.sum((1, 2))
    angle = torch.atan2((weight * rows).sum((1, 2)) / total, (weight * columns).sum((1, 2)) / total)
    assert float(angle.abs().max()) < math.radians(30.5)
    assert float(angle.min()) < math.radians(-20)
    assert float(angle.max()) > math.radians(20)
    distance = ((weight * rows).sum((1, 2)) ** 2 + (weight * columns).sum((1, 2)) ** 2).sqrt() / total
    torch.testing.assert_close(distance, torch.full((40,), 24.0), atol=0.2, rtol=0)


def test_corners_from_outside_are_white():
    """A black image that is turned by up to half a right angle gets white corners alone."""
    out = augment(torch.zeros(8, 3, 33, 33, dtype=torch.uint8), seed=1, rotation_deg=45.0)
    assert out[:, :, 16, 16].max() == 0
    assert (out[:, :, 0, 0].amax(1) > 254).sum() >= 6


def test_brightness_multiplies():
    """One factor an image, within the range."""
    batch = torch.full((50, 3, 2, 2), 100, dtype=torch.uint8)
    factors = augment(batch, brightness=0.4)[:, 0, 0, 0] / 100
    assert 0.6 <= float(factors.min()) < 0.7
    assert 1.3 < float(factors.max()) <= 1.4


def test_contrast_keeps_the_mean_grey_and_saturation_each_grey():
    """Contrast spreads an image about its mean grey, saturation each pixel about its own."""
    batch = (images(batch=20) // 4 + 96).to(torch.uint8)  # so that nothing is clipped
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    grey = (batch.float() * weights).sum(1)
    contrasted = (augment(batch, contrast=0.4) * weights).sum(1)
    torch.testing.assert_close(grey.mean((1, 2)), contrasted.mean((1, 2)), atol=1e-3, rtol=0)
    spread = contrasted.std((1, 2)) / grey.std((1, 2))
    assert float(spread.min()) >= 0.6 - 1e-4
    assert float(spread.max()) <= 1.4 + 1e-4
    assert float(spread.std()) > 0.1
    saturated = augment(batch, saturation=0.4)
    torch.testing.assert_close(grey, (saturated * weights).sum(1), atol=1e-3, rtol=0)
    assert not torch.allclose(batch.float(), saturated, atol=2)


def test_the_order_of_changes_differs_between_images():
    """The same image and the same factors come out differently by the order alone, where clipping intervenes."""
    batch = images(batch=1).expand(30, -1, -1, -1)
    augmenter = FineGrainedAugmenter(
        FineGrainedAugmentation(**OFF | {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0})
    )
    out = augmenter(batch, torch.Generator().manual_seed(0))
    assert len({tuple(image.flatten()[:50].tolist()) for image in out}) == 30


def test_colour_noise_shifts_whole_images_along_the_principal_axis():
    """All pixels of an image move together, mostly all colours alike, by the stated deviation."""
    batch = torch.full((400, 3, 2, 2), 128, dtype=torch.uint8)
    shift = augment(batch, pca_noise=0.1) - 128
    assert torch.equal(shift, shift[:, :, :1, :1].expand_as(shift))
    along = shift[:, :, 0, 0] @ torch.tensor([-0.5675, -0.5808, -0.5836])
    assert float(along.std()) == pytest.approx(5.546, rel=0.15)
