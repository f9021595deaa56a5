"""The batches of a classification training: what they hold, their order, and how they go on."""

import itertools

import numpy as np
import pytest
import torch

from tablewright.trainables.classification.batches import ClassificationImages
from tablewright.trainables.data.fine_grained import FineGrainedAugmentation, load_fine_grained
from tests.trainables.tiny_classification import TinyClassifierConfig, tiny_runtime

CPU = torch.device("cpu")
PLAIN = FineGrainedAugmentation(
    random_crop=False,
    rotation_deg=None,
    flip_probability=None,
    brightness=None,
    contrast=None,
    saturation=None,
    pca_noise=None,
)


@pytest.fixture
def runtime(tmp_path):
    return tiny_runtime(tmp_path)


def open_images(runtime, seed=0, **changes):
    data = TinyClassifierConfig().data.model_copy(update=changes)
    dataset = load_fine_grained("cub200", runtime.data_root, runtime.cache_dir)
    return ClassificationImages(dataset, data, seed, runtime, CPU)


def take(images, first_step, num_steps):
    return list(itertools.islice(images.batches(first_step), num_steps))


def test_an_epoch_shows_each_image_at_most_once(runtime):
    """7 images make 3 batches of 2; which one is left out differs between epochs."""
    images = open_images(runtime, augmentation=PLAIN)
    assert (3, 2, 3) == (images.steps_per_epoch, images.images_per_step, images.num_classes)
    epochs = [
        {image.numpy().tobytes() for batch, _ in take(images, 3 * epoch, 3) for image in batch[0]}
        for epoch in range(8)
    ]
    assert {6} == {len(epoch) for epoch in epochs}
    assert 7 == len(set.union(*epochs))


def test_labels_are_those_of_the_images(runtime):
    """A batch's labels follow its images through the shuffling."""
    images = open_images(runtime, augmentation=PLAIN)
    dataset = load_fine_grained("cub200", runtime.data_root, runtime.cache_dir)
    records = dataset.splits["train"]
    crops = images._images.crops(np.arange(7), np.full((7, 2), 0.5), 16)
    label_of = {crop.tobytes(): record.label for crop, record in zip(crops, records, strict=True)}
    for batch, labels in take(images, 0, 9):
        assert ((1, 2, 3, 16, 16), torch.uint8) == (batch.shape, batch.dtype)
        assert labels[0].tolist() == [
            label_of[image.movedim(0, -1).contiguous().numpy().tobytes()] for image in batch[0]
        ]


def test_any_step_is_found_again(runtime):
    """Batches from step 5 on are those of a run from the start, crops included; another seed's are not."""
    whole, later = take(open_images(runtime), 0, 9), take(open_images(runtime), 5, 4)
    for (images, labels), (later_images, later_labels) in zip(whole[5:], later, strict=True):
        assert torch.equal(images, later_images)
        assert torch.equal(labels, later_labels)
    other = take(open_images(runtime, seed=1), 0, 9)
    assert not all(torch.equal(one, two) for (one, _), (two, _) in zip(whole, other, strict=True))


def test_crops_are_anywhere_or_in_the_centre(runtime):
    """With random crops an image looks different from epoch to epoch, without it never does."""
    seen = []
    for random_crop in (False, True):
        augmentation = PLAIN.model_copy(update={"random_crop": random_crop})
        batches = take(open_images(runtime, augmentation=augmentation), 0, 12)
        seen.append({image.numpy().tobytes() for batch, _ in batches for image in batch[0]})
    assert 7 == len(seen[0])
    assert 14 < len(seen[1])


def test_augmentation_goes_on_from_its_state(runtime):
    """The state is all that the next batch's random numbers depend on."""
    images = open_images(runtime)
    (batch, _), (next_batch, _) = take(images, 0, 2)
    images.augment(batch)
    state = images.state_dict()
    (expected_BCHW,) = images.augment(next_batch)
    other = open_images(runtime)
    other.load_state_dict(state)
    (actual_BCHW,) = other.augment(next_batch)
    assert torch.equal(expected_BCHW, actual_BCHW)
    assert (2, 3, 16, 16) == actual_BCHW.shape


def test_a_batch_larger_than_the_data_set_is_refused(runtime):
    """The error says how many images there are."""
    with pytest.raises(ValueError, match=r"cub200 has 7 images to train on, fewer than a batch of 8"):
        open_images(runtime, batch_size=8)
