"""How often a training waits for its GPU: where it looks at its losses, and at no step in between."""

from unittest import mock

import pytest
import torch

from benchmarks.counted_kernels import counted, on_gpu
from tablewright.trainables import hacnn, mancs, mdpr, mgn, tasn
from tablewright.trainables.contract.run import FitHooks
from tablewright.trainables.data.fine_grained_augment import FineGrainedAugmenter
from tablewright.trainables.data.reid_augment import TrainAugmenter
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


def train(config, tiny_runtime, folder, name, device):
    """Train; give the epochs' metrics without times, and where was waited."""
    reports = []
    runtime = tiny_runtime(folder, device=device)
    hooks = FitHooks(on_epoch=lambda report, _: reports.append(dict(report.metrics)))
    checkpoints = tiny_reid.LocalFolder(folder / name)
    if device == "cpu":
        config.make_trainable().fit(config, runtime, checkpoints, hooks)
        waits = []
    else:
        with mock.patch.multiple("torch.cuda", **CUDA), counted() as count:
            config.make_trainable().fit(config, runtime, checkpoints, hooks)
            waits = count.waits
    for metrics in reports:
        del metrics["images_per_s"]
    return reports, waits


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
        reports, waited = train(changed, tiny_runtime, tmp_path, str(changes), "cuda")
        assert config.optimisation.num_epochs == len(reports)
        waits.append([wait.partition(" at ")[2] for wait in waited])
    assert waits[0] == waits[1]
    assert fitting.GPU_STEPS_BETWEEN_CHECKS > 30  # neither has as many steps


@pytest.mark.parametrize("kind", TINY)
def test_what_is_copied_ahead_and_augmented_at_once_trains_the_same(tmp_path, kind):
    """Every loss of every epoch is the one of the training on a CPU, to the last bit."""
    config, tiny_runtime = TINY[kind]
    expected, _ = train(config, tiny_runtime, tmp_path, "cpu", "cpu")
    found, _ = train(config, tiny_runtime, tmp_path, "cuda", "cuda")
    assert expected == found


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
