"""A method without a network, for tests of everything around training: fast, exact, and able to go wrong."""

import dataclasses
import itertools
import json
import os
import signal
import time
from pathlib import Path

import numpy as np

from tablewright.orchestrator.identity import digest_of
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.run import (
    FINAL_CHECKPOINT,
    RESUME_CHECKPOINT,
    EpochReport,
    TrainingStopped,
)
from tablewright.trainables.contract.view import ViewResult
from tablewright.trainables.retrieval.embedded import Extraction, ImageSet
from tablewright.trainables.retrieval.embedding_config import EmbeddingConfig
from tablewright.trainables.value.frozen_model import FrozenModel
from tests.waiting import PATIENCE_S


class ToyAttention(FrozenModel):
    num_attentions: int = 2
    guidance: bool = True


class ToyNetwork(FrozenModel):
    embedding_size: int = 4
    attention: ToyAttention | None = ToyAttention()


class ToyConfig(EmbeddingConfig):
    """Its weight walks to `learning_rate` by steps that its seed decides."""

    METHOD = "toy"
    VERSION = 1

    data_name: str = "toyset"
    learning_rate: float = 0.1
    network: ToyNetwork = ToyNetwork()
    epochs: int = 3
    epoch_s: float = 0.0
    weights: str | None = None
    """What it is said to start from; part of its identity alone."""
    fails_at_epoch: int | None = None
    fails_to_draw: bool = False
    kills_worker_once_at: str | None = None
    """A path: the worker kills itself at epoch 2 unless this file exists, which it makes first."""
    dies_by: int | None = None
    """A signal that the process sends itself at epoch 2."""
    own_noise: int = 0
    """Above 0, a number that makes its steps others than those of another config with the same seed."""
    meets_in: str | None = None
    """A folder: the first epoch begins once `num_met` trainings have left a mark in it; so many run at once."""
    num_met: int = 2
    waits_for: str | None = None
    """A path: the second epoch begins once this file exists."""

    def make_trainable(self):
        return ToyTrainable()

    def dataset_name(self):
        return self.data_name

    def planned_epochs(self):
        return self.epochs

    def embedding_widths(self):
        widths = {"global": self.network.embedding_size}
        return widths | ({"attended": 2} if self.network.attention else {})

    def embedding_groups(self):
        return {"all": tuple(self.embedding_widths())}


class ToyTrainable:
    """Implements `trainables.contract.method.Trainable`."""

    def describe_data(self, config, runtime):
        if config.data_name == "absent":
            raise ValueError("data set 'absent' is not there; expected toyset/, found nothing")
        fingerprint = "f" * 64 if config.data_name == "toyset" else digest_of(config.data_name)
        facts = DatasetFacts(config.data_name, config.data_name.title(), fingerprint, True, {"train": 10})
        if config.weights is None:
            return facts
        joined = digest_of([fingerprint, config.weights])
        return dataclasses.replace(facts, fingerprint=joined, files_fingerprint=fingerprint)

    def prepare_data(self, config, runtime):
        if config.data_name == "corrupt":
            raise ValueError("unreadable image corrupt/0001_c1s1_000001_00.jpg: truncated")

    def fit(self, config, runtime, checkpoints, hooks):
        state = {"epoch": 0, "weight": 0.0}
        if checkpoints.exists(RESUME_CHECKPOINT):
            with checkpoints.open_to_read(RESUME_CHECKPOINT) as file:
                state = json.loads(file.read())
        while state["epoch"] < config.epochs:
            epoch, until_s = state["epoch"] + 1, time.monotonic() + PATIENCE_S
            is_due = self._start_of(config, epoch)
            while not is_due():
                if hooks.should_stop():
                    self._save(state, checkpoints, RESUME_CHECKPOINT)
                    raise TrainingStopped
                if time.monotonic() > until_s:
                    raise TimeoutError(f"epoch {epoch} has waited for {PATIENCE_S:.0f} s")
                time.sleep(0.02)
            if config.fails_at_epoch == epoch:
                raise RuntimeError(f"loss is nan at epoch {epoch}")
            if config.kills_worker_once_at and epoch == 2 and not Path(config.kills_worker_once_at).exists():
                Path(config.kills_worker_once_at).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if config.dies_by and epoch == 2:
                os.kill(os.getpid(), config.dies_by)
            entropy = [config.seed, epoch, *([config.own_noise] if config.own_noise else [])]
            step = np.random.default_rng(entropy).normal(0, 0.01)
            state = {"epoch": epoch, "weight": 0.5 * (state["weight"] + config.learning_rate) + step}
            loss = abs(state["weight"] - config.learning_rate)
            hooks.on_epoch(EpochReport(epoch, config.epochs, {"loss": loss}, config.epoch_s), state["weight"])
            self._save(state, checkpoints, RESUME_CHECKPOINT)
        self._save(state, checkpoints, FINAL_CHECKPOINT)
        return state["weight"]

    @staticmethod
    def _start_of(config, epoch):
        """Say when an epoch begins, as a question to ask again and again."""
        if epoch == 1 and config.meets_in:
            folder = Path(config.meets_in)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / digest_of(config.model_dump(mode="json"))).touch()
            return lambda: len(list(folder.iterdir())) >= config.num_met
        if epoch == 2 and config.waits_for:
            return Path(config.waits_for).exists
        if not config.epoch_s:
            return lambda: True
        until_s, num_asked = time.monotonic() + config.epoch_s, itertools.count()
        # However slow the machine, an epoch that takes time looks once at least whether it should stop.
        return lambda: next(num_asked) > 0 and time.monotonic() >= until_s

    @staticmethod
    def _save(state, checkpoints, name):
        with checkpoints.open_to_write(name) as file:
            file.write(json.dumps(state).encode())

    def load(self, config, runtime, checkpoints):
        with checkpoints.open_to_read(FINAL_CHECKPOINT) as file:
            return json.loads(file.read())["weight"]

    def extract(self, config, runtime, network, split, views):
        side = ImageSet(("a.jpg",), np.array([1]), np.array([1]), {"global": np.array([[network]])})
        return Extraction(split, side, side)

    def measure(self, members, view):
        config = members[0][0]
        weight = sum(float(extraction.query.embeddings["global"][0, 0]) for _, extraction in members)
        bonus = 0.01 * len(config.resolve_embeddings(view.embeddings)) + (0.02 if view.flip else 0.0)
        value = min(1.0, 0.5 + weight + bonus)
        metrics = {"map": value, "rank1": value, "rank5": value, "rank10": value, "minp": value / 2}
        return ViewResult(metrics, {"average_precision": np.array([value])})

    def illustrate(self, config, runtime, network, extraction):
        if config.fails_to_draw:
            raise RuntimeError("no ink")
        value = float(extraction.query.embeddings["global"][0, 0])
        return {"weight": b"\x89PNG\r\n\x1a\n" + f"PNG of {value}".encode()}

    def check(self, config, runtime):
        if config.learning_rate < 0:
            raise ValueError("learning_rate is negative")
