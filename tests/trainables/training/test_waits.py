"""How often a training waits for its GPU: where it looks at its losses, and at no step in between."""

import itertools
from contextlib import closing
from unittest import mock

import pytest
import torch

from benchmarks.counted_kernels import counted, on_gpu
from tablewright.trainables import hacnn, mancs, mdpr, mgn, tasn
from tablewright.trainables.classification.batches import ClassificationImages
from tablewright.trainables.contract.run import FitHooks
from tablewright.trainables.data.fine_grained import load_fine_grained
from tablewright.trainables.data.fine_grained_augment import FineGrainedAugmenter
from tablewright.trainables.data.reid import load_dataset
from tablewright.trainables.data.reid_augment import TrainAugmenter
from tablewright.trainables.reidentification.batches import TrainingImages
from tablewright.trainables.training import fitting
from tests.trainables import tiny_classification, tiny_reid

pytestmark = pytest.mark.slow
TINY = {
    "people": (tiny_reid.TinyConfig(), tiny_reid.tiny_runtime),
    "details": (tiny_classification.TinyClassifierConfig(), tiny_classification.tiny_runtime),
}
# What of `torch.cuda` a training asks for besides tensors.
CUDA = {
    "is_available": lambda: True,
    "current_device": lambda: 0,
    "empty_cache": lambda: None,
    "get_rng_state": lambda *device: torch.get_rng_state(),
    "set_rng_state": lambda *state: None,
}


def train(config, runtime, checkpoints):
    """Train as on a GPU; give how many epochs were reported, and the lines that waited."""
    epochs = []
    hooks = FitHooks(on_epoch=lambda report, _: epochs.append(report))
    with mock.patch.multiple("torch.cuda", **CUDA), counted() as count:
        config.make_trainable().fit(config, runtime, checkpoints, hooks)
    return len(epochs), [wait.partition(" at ")[2] for wait in count.waits]


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("kind", TINY)
def test_a_training_of_more_steps_waits_no_more_often(tmp_path, kind, precision):
    """The whole loop waits for a GPU when it begins and at the end of an epoch, however many steps an epoch has."""
    config, tiny_runtime = TINY[kind]
    optimisation = config.optimisation.model_copy(update={"precision": precision})
    steps = {"people": ({}, {"num_identities": 3}), "details": ({}, {"batch_size": 3})}[kind]
    waits = []
    for changes in steps:
        data = config.data.model_copy(update=changes)
        changed = config.model_copy(update={"data": data, "optimisation": optimisation})
        runtime, folder = (
            tiny_runtime(tmp_path, device="cuda"),
            tiny_reid.LocalFolder(tmp_path / str(changes)),
        )
        num_epochs, lines = train(changed, runtime, folder)
        assert config.optimisation.num_epochs == num_epochs
        waits.append(lines)
    assert waits[0] == waits[1]
    assert fitting.GPU_STEPS_BETWEEN_CHECKS > 30  # neither has as many steps


@pytest.mark.parametrize("kind", TINY)
def test_a_gpu_is_given_the_images_of_the_cpu(tmp_path, kind):
    """What is copied ahead and augmented at once is, step for step, what a training on a CPU sees, to the last bit."""
    config, tiny_runtime = TINY[kind]
    runtime, data = tiny_runtime(tmp_path), config.data
    if kind == "people":
        opened, dataset = TrainingImages, load_dataset(data.dataset, runtime.data_root, runtime.cache_dir)
    else:
        opened = ClassificationImages
        dataset = load_fine_grained(data.dataset, runtime.data_root, runtime.cache_dir)

    def steps(device):
        images = opened(dataset, data, 0, runtime, torch.device(device))
        with closing(images.batches(2)) as batches:
            for images_RBCHW, labels_RB in itertools.islice(batches, 9):
                (augmented_BCHW,) = images.augment(images_RBCHW)
                yield augmented_BCHW.cpu(), labels_RB.cpu()

    expected = list(steps("cpu"))
    with counted() as count:
        found = list(steps("cuda:0"))
        assert count.copies > 4 * len(found)  # images and labels, there and back
    for on_cpu, as_on_gpu in zip(expected, found, strict=True):
        assert all(map(torch.equal, on_cpu, as_on_gpu))


@pytest.mark.parametrize("paper", [mdpr, mgn, hacnn, mancs, tasn])
def test_no_step_of_a_paper_waits(paper):
    """Augmentation by the paper's recipe, network, losses and gradients are kernels and copies out of pinned memory."""
    config = paper.demo_config()
    data = paper.paper_config("cub200" if paper is tasn else "market1501").data
    augmenter = (FineGrainedAugmenter if paper is tasn else TrainAugmenter)(data.augmentation)
    method, num_images = config.make_trainable()._method, 8
    torch.manual_seed(0)
    network = method.build_network(config, 4, {}).train()
    size = (config.data.crop_px,) * 2 if paper is tasn else (config.data.height_px, config.data.width_px)
    chance = torch.Generator().manual_seed(0)
    with counted() as count:
        network.to("cuda:0")
        images_BCHW = on_gpu(torch.randint(256, (num_images, 3, *size), dtype=torch.uint8))
        labels_B = on_gpu(torch.arange(num_images) // 2)
        before = count.syncs
        for epoch in range(2):
            augmented = augmenter(images_BCHW, chance)
            for terms in method.loss_terms(config, network, [augmented], [labels_B], epoch):
                torch.stack(list(terms.values())).sum().backward()
        assert [] == count.waits[before:]
        assert count.kernels > 500
