"""A miniature Market-1501 and a small network with dropout, for the real loop, loaders and augmentation."""

import threading
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from tablewright.trainables.contract.run import FitHooks, Runtime, TrainingStopped
from tablewright.trainables.data.reid import Augmentation, RandomPatch, ReidData
from tablewright.trainables.layers.backbone import BACKBONE
from tablewright.trainables.layers.pretrained import StartingFile, load_weights
from tablewright.trainables.layers.published_part import part_of
from tablewright.trainables.losses.triplet import batch_hard_triplet_loss
from tablewright.trainables.reidentification.config import ReidConfig
from tablewright.trainables.reidentification.method import ReidTrainable
from tablewright.trainables.training.optimisation import Optimisation
from tests.waiting import PATIENCE_S

NUM_TRAIN_PIDS, IMAGES_PER_PID = 6, 5
EMBEDDING_SIZE = 8
TINY_AUGMENTATION = Augmentation(pad_crop_px=2, patch=RandomPatch(min_pool_size=4, pool_size=9))


def write_tiny_market(data_root):
    """Write people of one colour each, in Market-1501's layout: 6 to train on, 3 to test on."""
    random = np.random.default_rng(5)
    folder = Path(data_root) / "Market-1501-v15.09.15"
    people = {"bounding_box_train": range(1, 7), "query": range(7, 10), "bounding_box_test": range(7, 10)}
    for side, pids in people.items():
        (folder / side).mkdir(parents=True)
        for pid in pids:
            colour = np.random.default_rng(pid).integers(0, 200, 3)
            for shot in range(1 if side == "query" else IMAGES_PER_PID):
                camid = 1 if side == "query" else 1 + shot % 3
                pixels = colour + random.integers(0, 56, (32, 16, 3))
                image = Image.fromarray(pixels.astype(np.uint8))
                image.save(folder / side / f"{pid:04d}_c{camid}s1_{shot:06d}_00.jpg")


def tiny_runtime(folder, **changes):
    """Write the data under a folder and say so."""
    if not (folder / "data").exists():
        write_tiny_market(folder / "data")
    return Runtime(str(folder / "data"), str(folder / "cache"), **changes)


class TinyConfig(ReidConfig):
    METHOD = "tiny"
    VERSION = 1

    data: ReidData = ReidData(
        dataset="market1501",
        height_px=32,
        width_px=16,
        num_identities=2,
        num_instances=2,
        augmentation=TINY_AUGMENTATION,
    )
    optimisation: Optimisation = Optimisation(
        num_epochs=3, base_lr=1e-2, warmup_steps=3, final_lr=1e-4, precision="fp32"
    )
    loss_scale: float = 1.0

    def make_trainable(self):
        return ReidTrainable(TinyMethod())

    def embedding_widths(self):
        return {"global": EMBEDDING_SIZE, "negated": EMBEDDING_SIZE}

    def embedding_groups(self):
        return {"all": ("global", "negated")}


class TinyNetwork(nn.Module):
    def __init__(self, num_train_pids):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.2))
        self.project = nn.Linear(6, EMBEDDING_SIZE)
        self.classify = nn.Linear(EMBEDDING_SIZE, num_train_pids)

    def forward(self, images_BCHW):
        return self.project(self.stem(images_BCHW / 255).mean((2, 3)))

    def embed(self, images_BCHW):
        embedding_BD = self(images_BCHW)
        return {"global": embedding_BD, "negated": -embedding_BD}


def save_tiny_stem(path, seed):
    """Write a file that a stem may start from; equal seeds give equal bytes."""
    torch.manual_seed(seed)
    torch.save(TinyNetwork(2).stem.state_dict(), path)
    return StartingFile(path, part_of("tiny", TinyNetwork(2).stem))


class TinyMethod:
    """`weights` are the files it starts from, by part."""

    def __init__(self, weights=MappingProxyType({})):
        self.weights = weights

    def weights_files(self, config, data_root):
        return self.weights

    def build_network(self, config, num_classes, weights):
        network = TinyNetwork(num_classes)
        if BACKBONE in weights:
            load_weights(network.stem, weights[BACKBONE])
        return network

    def loss_terms(self, config, network, images_per_rank, labels_per_rank, epoch):
        for images_BCHW, labels_B in zip(images_per_rank, labels_per_rank, strict=True):
            embedding_BD = network(images_BCHW)
            embedding_BD = embedding_BD.to(torch.promote_types(embedding_BD.dtype, torch.float32))
            with torch.autocast(labels_B.device.type, enabled=False):
                identity = functional.cross_entropy(network.classify(embedding_BD), labels_B)
                triplet = batch_hard_triplet_loss(embedding_BD, labels_B, margin=0.3)
            scale = config.loss_scale / len(images_per_rank)
            yield {"identity": identity * scale, "triplet": triplet * scale}


class LocalFolder:
    """A checkpoint folder on the local disk that counts what is written."""

    def __init__(self, root):
        self.root, self.url = Path(root), str(root)
        self.root.mkdir(parents=True, exist_ok=True)
        self.num_written = 0

    def exists(self, name):
        return (self.root / name).exists()

    @contextmanager
    def open_to_read(self, name):
        with (self.root / name).open("rb") as file:
            yield file

    @contextmanager
    def open_to_write(self, name):
        with (self.root / f"{name}.part").open("wb") as file:
            yield file
        (self.root / f"{name}.part").rename(self.root / name)
        self.num_written += 1


class Journal:
    """Hooks that keep the reports and stop at chosen steps, counted over all attempts."""

    def __init__(self, *stops):
        self.reports = {}
        self._stops = set(stops)
        self.num_asked = 0

    def hooks(self):
        return FitHooks(self._on_epoch, self._should_stop)

    def metrics(self):
        """What must not depend on time, by epoch."""
        return {
            epoch: {name: value for name, value in report.metrics.items() if name != "images_per_s"}
            for epoch, report in self.reports.items()
        }

    def _on_epoch(self, report, network):
        self.reports[report.epoch] = report

    def _should_stop(self):
        self.num_asked += 1
        if self.num_asked in self._stops:
            self._stops.remove(self.num_asked)
            self.num_asked -= 1  # the step is asked about again when the training goes on
            return True
        return False


def wait_for_checkpoint():
    """Return once no checkpoint of this process is on its way."""
    for thread in threading.enumerate():
        if thread.name == "checkpoint":
            thread.join(PATIENCE_S)


class PatientJournal(Journal):
    """Lets each checkpoint be whole before the training goes on, so that none that is due is left out."""

    def _on_epoch(self, report, network):
        super()._on_epoch(report, network)
        wait_for_checkpoint()

    def _should_stop(self):
        wait_for_checkpoint()
        return super()._should_stop()


def fit_through(config, runtime, folder, journal):
    """Fit, and fit again whenever it stopped."""
    while True:
        try:
            return config.make_trainable().fit(config, runtime, folder, journal.hooks())
        except TrainingStopped:
            continue


def assert_equal_states(expected, actual):
    """Compare two state dicts bit by bit."""
    assert list(expected) == list(actual)
    differing = [name for name in expected if not torch.equal(expected[name], actual[name])]
    assert [] == differing
