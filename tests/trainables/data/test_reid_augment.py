import pytest
import torch

from tablewright.trainables.data.reid import Augmentation, EnlargeCrop, RandomErasing, RandomPatch, ScaleCrop
from tablewright.trainables.data.reid_augment import MEAN_LEVELS, TrainAugmenter
from tablewright.trainables.value.refusal import Refusal

OFF = Augmentation(pad_crop_px=None, flip_probability=None, erasing=None, patch=None)
H, W = 32, 16


def change(**fields):
    return OFF.model_copy(update=fields)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(num_images=8, seed=0, low=1):
    return torch.randint(low, 256, (num_images, 3, H, W), dtype=torch.uint8, generator=generator(seed))


@pytest.mark.parametrize("augmentation", [OFF, Augmentation()])
def test_gives_floats_and_leaves_its_argument_alone(augmentation):
    """Shape is kept, values are float32 in 0..255, and the images passed are not written to."""
    images_BCHW = noise()
    before = images_BCHW.clone()
    augment = TrainAugmenter(augmentation)
    augmented = augment(images_BCHW, generator())
    assert (images_BCHW.shape, torch.float32) == (augmented.shape, augmented.dtype)
    assert 0 <= augmented.min()
    assert augmented.max() <= 255
    assert torch.equal(before, images_BCHW)


def test_all_off_changes_nothing():
    """Without any part, images become floats and nothing else."""
    images_BCHW = noise()
    assert torch.equal(images_BCHW.float(), TrainAugmenter(OFF)(images_BCHW, generator()))


def test_layout_of_memory_does_not_matter():
    """Images whose channels are last in memory, as the cache has them, give the same result."""
    images_BCHW = noise()
    last = images_BCHW.contiguous(memory_format=torch.channels_last)
    first, second = TrainAugmenter(Augmentation()), TrainAugmenter(Augmentation())
    assert torch.equal(first(images_BCHW, generator()), second(last, generator()))


def test_crop_is_a_shift_with_a_black_border():
    """Each image is a window of its zero-padded self, and every shift within the border occurs."""
    images_BCHW = noise(400)
    augmented = TrainAugmenter(change(pad_crop_px=2))(images_BCHW, generator())
    padded = torch.nn.functional.pad(images_BCHW.float(), (2,) * 4)
    shifts = set()
    for padded_CHW, image_CHW in zip(padded, augmented, strict=True):
        found = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if torch.equal(padded_CHW[:, top : top + H, left : left + W], image_CHW)
        ]
        assert 1 == len(found)
        shifts.add(found[0])
    assert 25 == len(shifts)


def test_flip_mirrors_about_half():
    """An image is itself or its mirror image, each about as often as asked."""
    images_BCHW = noise(400)
    augmented = TrainAugmenter(change(flip_probability=0.5))(images_BCHW, generator())
    mirrored = (augmented == images_BCHW.flip(3)).flatten(1).all(1)
    same = (augmented == images_BCHW).flatten(1).all(1)
    assert torch.equal(~mirrored, same)
    assert 160 < mirrored.sum() < 240


def test_erasing_fills_a_rectangle_within_its_bounds():
    """About half of the images have one rectangle of mean colour, of 2 to 33 % area and aspect 0.3 to 3.3."""
    images_BCHW = noise(600)
    augmented = TrainAugmenter(change(erasing=RandomErasing()))(images_BCHW, generator())
    is_changed = (augmented != images_BCHW).any(1)
    num_erased, areas, tops = 0, [], set()
    for changed_HW, image_CHW in zip(is_changed, augmented, strict=True):
        if not changed_HW.any():
            continue
        num_erased += 1
        rows, columns = changed_HW.any(1).nonzero().flatten(), changed_HW.any(0).nonzero().flatten()
        height, width = int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
        assert height * width == changed_HW.sum()
        expected = torch.tensor(MEAN_LEVELS)[:, None].expand(3, height * width)
        assert torch.equal(expected, image_CHW[:, changed_HW])
        areas.append(height * width / (H * W))
        tops.add(int(rows[0]))
        # Sides are whole pixels, so that a bound is met to half a pixel of each side.
        assert (height - 0.5) / (width + 0.5) <= 3.3
        assert (height + 0.5) / (width - 0.5) >= 0.3
    assert 240 < num_erased < 360
    assert min(areas) > 0.01
    assert 0.25 < max(areas) < 0.36
    assert len(tops) > 20


def test_nothing_is_pasted_before_the_pool_holds_a_hundred():
    """The first 99 images only donate; from the hundredth on about half are pasted on."""
    images_BCHW = noise(500)
    augment = TrainAugmenter(change(patch=RandomPatch()))
    augmented = augment(images_BCHW, generator())
    is_changed = (augmented != images_BCHW).flatten(1).any(1)
    assert 0 == is_changed[:99].sum()
    assert 150 < is_changed[99:].sum() < 250


def test_pool_keeps_the_newest_and_its_patches_are_smaller_than_the_image():
    """The pool never grows above its size; every patch is a strictly smaller piece of 1 to 50 % area."""
    augment = TrainAugmenter(change(patch=RandomPatch(pool_size=20, min_pool_size=5)))
    number = torch.arange(60, dtype=torch.uint8).view(60, 1, 1, 1).expand(60, 3, H, W)
    augment(number, generator())
    pool = augment.state_dict()["pool"]
    assert list(range(40, 60)) == [int(patch.max()) for patch in pool]
    for patch_CHW in pool:
        _, height, width = patch_CHW.shape
        assert height < H
        assert width < W
        assert 0.005 < height * width / (H * W) < 0.53


def test_patches_come_from_images_as_they_were_before_pasting():
    """A donated patch is a piece of its own image, never of a patch that was pasted there."""
    augment = TrainAugmenter(change(patch=RandomPatch(probability=1.0, min_pool_size=1, pool_size=50)))
    number = torch.arange(50, dtype=torch.uint8).view(50, 1, 1, 1).expand(50, 3, H, W)
    augmented = augment(number, generator())
    assert all(patch.unique().numel() == 1 for patch in augment.state_dict()["pool"])
    for index, image_CHW in enumerate(augmented):
        assert {int(value) for value in image_CHW.unique()} <= set(range(index + 1))


def test_patches_may_hold_erased_area():
    """Patching runs after erasing."""
    augmentation = change(erasing=RandomErasing(probability=1.0), patch=RandomPatch())
    augment = TrainAugmenter(augmentation)
    augment(torch.zeros(100, 3, H, W, dtype=torch.uint8), generator())
    levels = {int(value) for patch in augment.state_dict()["pool"] for value in patch.unique()}
    assert {0, *(round(level) for level in MEAN_LEVELS)} == levels


def test_equal_generators_give_equal_images():
    """The generator passed is the only source of chance."""
    torch.manual_seed(1)
    first = TrainAugmenter(Augmentation())(noise(300), generator())
    torch.manual_seed(2)
    second = TrainAugmenter(Augmentation())(noise(300), generator())
    assert torch.equal(first, second)
    assert not torch.equal(first, TrainAugmenter(Augmentation())(noise(300), generator(1)))


def test_a_restored_pool_continues_to_the_last_bit():
    """State dict and generator state are everything that later images depend on."""
    whole, chance = TrainAugmenter(Augmentation()), generator()
    whole(noise(150), chance)
    state, position = whole.state_dict(), chance.get_state()
    expected = whole(noise(150, seed=1), chance)
    restored, later = TrainAugmenter(Augmentation()), torch.Generator()
    restored.load_state_dict(state)
    later.set_state(position)
    assert torch.equal(expected, restored(noise(150, seed=1), later))
    without_pool = torch.Generator()
    without_pool.set_state(position)
    assert not torch.equal(expected, TrainAugmenter(Augmentation())(noise(150, seed=1), without_pool))


def ramp():
    """An image whose red says the row and whose green says the column."""
    rows, columns = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    return torch.stack([rows, columns, torch.zeros_like(rows)])[None].repeat(64, 1, 1, 1).to(torch.uint8)


def extent(image_HW, size):
    """Pixels of the original that a crop of a ramp covers along an axis, from its inner slope."""
    return float((image_HW[-2] - image_HW[1]) / (size - 3) * size)


def test_scale_crops_have_the_area_and_aspect_asked_for():
    """Every crop covers 0.64 .. 1 of the area with height by width in 2 .. 3 (to a pixel), inside the image."""
    augment = TrainAugmenter(change(scale_crop=ScaleCrop()))
    crops_BCHW = augment(ramp(), generator())
    heights = [extent(crop[0, :, 0], H) for crop in crops_BCHW]
    widths = [extent(crop[1, 0], W) for crop in crops_BCHW]
    areas = [height * width / (H * W) for height, width in zip(heights, widths, strict=True)]
    aspects = [height / width for height, width in zip(heights, widths, strict=True)]
    assert 0.58 < min(areas) < 0.7
    assert 0.9 < max(areas) <= 1.01
    assert 1.8 < min(aspects) < 2.1
    assert 2.2 < max(aspects) < 3.2
    assert len({round(float(crop[0, H // 2, 0])) for crop in crops_BCHW}) > 3  # at different places


@pytest.mark.slow
def test_enlarged_crops_are_parts_of_one_size_or_the_whole_image():
    """Half of the images stay as they are; the others show 8/9 of each side, at different places."""
    crops_BCHW = TrainAugmenter(change(enlarge_crop=EnlargeCrop()))(ramp(), generator())
    heights = [extent(crop[0, :, 0], H) for crop in crops_BCHW]
    whole = [height for height in heights if abs(height - H) < 0.01]
    parts = [height for height in heights if abs(height - H) >= 0.01]
    assert 20 < len(whole) < 44
    assert parts == pytest.approx([H / 1.125] * len(parts), abs=0.3)
    whole_CHW = crops_BCHW[heights.index(whole[0])]
    torch.testing.assert_close(ramp()[0].float(), whole_CHW, atol=1e-3, rtol=0)


def test_two_ways_to_crop_are_refused():
    """Only one of the three crops can be on."""
    with pytest.raises(Refusal, match="one way, got pad_crop_px and scale_crop"):
        Augmentation(scale_crop=ScaleCrop())
