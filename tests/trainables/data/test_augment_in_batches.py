"""Augmentation in batches gives what image by image gives, and is few kernels on a GPU that nobody waits for."""

import itertools
from collections import deque

import pytest
import torch

from benchmarks.counted_kernels import counted, on_gpu
from tablewright.trainables import hacnn, mancs, mdpr, mgn, tasn
from tablewright.trainables.data.fine_grained import FineGrainedAugmentation
from tablewright.trainables.data.fine_grained_augment import FineGrainedAugmenter
from tablewright.trainables.data.reid import Augmentation, EnlargeCrop, RandomErasing, RandomPatch, ScaleCrop
from tablewright.trainables.data.reid_augment import TrainAugmenter
from tests.trainables.data.image_by_image import augment_fine_grained, augment_people

CODE_OF_HACNN = hacnn.code_recipe(hacnn.paper_config("market1501"))
# Of one step's augmentation: how many kernels a GPU launches, and how many it launched image by image.
RECIPES = {
    "MDPR": (mdpr.paper_config("market1501"), 19, 295),
    "MGN": (mgn.paper_config("market1501"), 2, 93),
    "HA-CNN": (hacnn.paper_config("market1501"), 1, 32),
    "HA-CNN's code": (CODE_OF_HACNN, 3, 65),
    "Mancs": (mancs.paper_config("market1501"), 6, 538),
}
KERNELS_OF_TASN = 57  # 2,026 image by image
CROPS = ({}, {"pad_crop_px": 3}, {"scale_crop": ScaleCrop()}, {"enlarge_crop": EnlargeCrop()})
LATER = {
    "flip_probability": 0.5,
    "erasing": RandomErasing(),
    "patch": RandomPatch(pool_size=9, min_pool_size=3, probability=0.9),
}
COLOURS = {
    "rotation_deg": 30.0,
    "flip_probability": 0.5,
    "brightness": 0.4,
    "contrast": 0.4,
    "saturation": 0.4,
    "pca_noise": 0.1,
}


def stored(num_images, height, width, seed=0):
    """Images as a cache has them: channels last in memory."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (num_images, height, width, 3), dtype=torch.uint8, generator=generator).movedim(
        -1, 1
    )


def subsets(fields):
    return [
        dict(chosen)
        for size in range(len(fields) + 1)
        for chosen in itertools.combinations(fields.items(), size)
    ]


def assert_same_people(augmentation, images_BCHW, num_steps=3):
    """Hold both against each other for some steps: images, generator and pool; on the CPU and as on a GPU."""
    chances = [torch.Generator().manual_seed(5) for _ in range(3)]
    pool = deque(maxlen=augmentation.patch.pool_size if augmentation.patch else 0)
    on_cpu, as_on_gpu = TrainAugmenter(augmentation), TrainAugmenter(augmentation)
    for _ in range(num_steps):
        expected = augment_people(images_BCHW, augmentation, pool, chances[0])
        found = on_cpu(images_BCHW, chances[1])
        assert torch.equal(expected, found)
        assert expected.stride() == found.stride()
    with counted() as count:
        images = on_gpu(images_BCHW)
        for _ in range(num_steps):
            kernels = count.kernels
            found = as_on_gpu(images, chances[2])
        kernels = count.kernels - kernels
        assert not count.waits
        assert torch.equal(expected, found.cpu())
        pools = [on_cpu.state_dict()["pool"], as_on_gpu.state_dict()["pool"]]
    for patches in pools:
        assert all(map(torch.equal, pool, patches))
        assert len(pool) == len(patches)
    for chance in chances[1:]:
        assert torch.equal(chances[0].get_state(), chance.get_state())
    return kernels


def assert_same_details(augmentation, images_BCHW):
    """The same for fine-grained recognition."""
    chances = [torch.Generator().manual_seed(5) for _ in range(3)]
    expected = augment_fine_grained(images_BCHW, augmentation, chances[0])
    found = FineGrainedAugmenter(augmentation)(images_BCHW, chances[1])
    assert torch.equal(expected, found)
    assert expected.stride() == found.stride()
    with counted() as count:
        found = FineGrainedAugmenter(augmentation)(on_gpu(images_BCHW), chances[2])
        kernels = count.kernels
        assert not count.waits
        assert torch.equal(expected, found.cpu())
    for chance in chances[1:]:
        assert torch.equal(chances[0].get_state(), chance.get_state())
    return kernels


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_of_people_is_the_same_to_the_last_bit_in_few_kernels(name):
    """Batches of the recipe's size and shape are augmented as image by image; the kernels are those counted once."""
    config, expected, before = RECIPES[name]
    data = config.data
    num_images = data.num_ranks * data.num_identities * data.num_instances
    kernels = assert_same_people(
        data.augmentation, stored(num_images, data.height_px // 4, data.width_px // 4)
    )
    assert kernels <= expected < before


def test_the_recipe_of_tasn_is_the_same_to_the_last_bit_in_few_kernels():
    """So is TASN's, whose images each have an order of changes of their own."""
    config = tasn.paper_config("cub200")
    kernels = assert_same_details(config.data.augmentation, stored(config.data.batch_size, 64, 64))
    assert kernels <= KERNELS_OF_TASN


@pytest.mark.parametrize("crop", CROPS)
@pytest.mark.parametrize("later", subsets(LATER))
def test_whatever_is_switched_on_for_people_is_the_same(crop, later):
    """Every way to crop with every choice of the rest, and a pool that forgets patches within a batch."""
    off = {"pad_crop_px": None, "flip_probability": None, "erasing": None, "patch": None}
    assert_same_people(Augmentation(**off | crop | later), stored(13, 37, 19))


@pytest.mark.parametrize("colours", subsets(COLOURS))
def test_whatever_is_switched_on_for_details_is_the_same(colours):
    """Every choice of the parts of fine-grained augmentation."""
    assert_same_details(FineGrainedAugmentation(**dict.fromkeys(COLOURS) | colours), stored(7, 21, 21))


@pytest.mark.slow
@pytest.mark.parametrize("num_images", [2, 64])
def test_kernels_do_not_grow_with_the_batch(num_images):
    """As many kernels for two images as for sixty-four, of everything at once."""
    people = Augmentation(
        erasing=RandomErasing(probability=1), patch=RandomPatch(min_pool_size=1, probability=1)
    )
    assert assert_same_people(people, stored(num_images, 32, 16)) <= RECIPES["MDPR"][1]
    assert assert_same_details(FineGrainedAugmentation(), stored(num_images, 16, 16)) <= KERNELS_OF_TASN


def test_a_pool_of_the_gpu_is_restored_there_and_goes_on():
    """What is saved of the pool is plain patches on the CPU; restored, it gives the same images."""
    whole, chance = TrainAugmenter(Augmentation()), torch.Generator().manual_seed(1)
    with counted():
        whole(on_gpu(stored(120, 32, 16)), chance)
        state, position = whole.state_dict(), chance.get_state()
        assert all(patch.device.type == "cpu" and patch.is_contiguous() for patch in state["pool"])
        expected = whole(on_gpu(stored(30, 32, 16, seed=2)), chance).cpu()
        restored, later = TrainAugmenter(Augmentation()), torch.Generator()
        restored.load_state_dict(state, torch.device("cuda:0"))
        later.set_state(position)
        assert torch.equal(expected, restored(on_gpu(stored(30, 32, 16, seed=2)), later).cpu())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", [*RECIPES, "TASN"])
def test_a_gpu_gives_the_images_of_the_cpu_and_is_not_waited_for(name):
    """Whatever is sampled differs in last digits, everything else in none; torch itself sees no wait."""
    if name == "TASN":
        data = tasn.paper_config("cub200").data
        images_BCHW = stored(data.batch_size, 64, 64)
        augmenters = FineGrainedAugmenter(data.augmentation), FineGrainedAugmenter(data.augmentation)
    else:
        data = RECIPES[name][0].data
        images_BCHW = stored(64, data.height_px, data.width_px)
        augmenters = TrainAugmenter(data.augmentation), TrainAugmenter(data.augmentation)
    chances = torch.Generator().manual_seed(5), torch.Generator().manual_seed(5)
    images = images_BCHW.cuda()
    augmenters[1](images, torch.Generator().manual_seed(1))  # loads what it needs
    augmenters[0](images_BCHW, torch.Generator().manual_seed(1))
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = [augmenters[1](images, chances[1]) for _ in range(3)]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for batch in found:
        torch.testing.assert_close(augmenters[0](images_BCHW, chances[0]), batch.cpu(), atol=0.02, rtol=0)
