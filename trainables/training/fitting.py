"""The training loop of every method: steps, checkpoints, resuming, and what an epoch reports.

An interrupted training continues from its checkpoint. On a CPU it ends in exactly the weights and epoch
metrics of an undisturbed one, wherever it was interrupted; `images_per_s` and times aside.

A checkpoint is due so often that it costs about a hundredth of the time (`CheckpointPace`), at whatever step
that is, and when the training is asked to stop; the end of an epoch alone is no reason, so that short epochs
cost nothing. It is copied between two steps and written while training goes on (`BackgroundCheckpoints`). A
crash loses what followed the last one that is whole. The epochs it repeats report the same again.

Legend: R ranks, B images of a rank, C channels, H W height and width in pixels.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import torch
from torch import Tensor, nn

from tablewright.trainables.contract.run import (
    FINAL_CHECKPOINT,
    CheckpointFolder,
    EpochReport,
    FitHooks,
    Runtime,
    TrainingStopped,
)
from tablewright.trainables.training.background_checkpoint import BackgroundCheckpoints
from tablewright.trainables.training.checkpoint import Checkpoint
from tablewright.trainables.training.determinism import derive_seed, find_device, reproducible
from tablewright.trainables.training.loss_meter import LossMeter
from tablewright.trainables.training.loss_scaling import CountingScaler
from tablewright.trainables.training.memory_layout import lay_out_as_weights, lay_out_for_gpu
from tablewright.trainables.training.method import DrawsAtRandom, FitConfig, Method, TrainingBatches
from tablewright.trainables.training.optimisation import learning_rate, make_optimizer
from tablewright.trainables.training.precision import check_precision, float32_of
from tablewright.trainables.training.process_group import ProcessGroup, joined
from tablewright.trainables.training.resume_files import ResumeFiles
from tablewright.trainables.training.running_statistics import RunningStatistics
from tablewright.trainables.training.saving import save
from tablewright.trainables.training.step import apply_gradients, backpropagate
from tablewright.trainables.value.canonical import canonical

CHECKPOINT_FORMAT = 1
GPU_STEPS_BETWEEN_CHECKS = 50  # looking at a loss makes the CPU wait for the GPU
logger = logging.getLogger(__name__)


def fit(
    method: Method,
    config: FitConfig,
    images: TrainingBatches,
    runtime: Runtime,
    checkpoints: CheckpointFolder,
    hooks: FitHooks,
) -> nn.Module:
    """Train from the last checkpoint, or from the start, to the last epoch; write the final checkpoint.

    Args:
        method: network and losses.
        config: of the training.
        images: made for this training, none drawn of them yet.
        runtime: settings of this machine.
        checkpoints: of this training.
        hooks: how to talk to whoever runs it.

    Returns:
        The trained network, on the runtime's device. Of several processes the first one alone reads and writes
        checkpoints and asks the hooks anything that counts.

    Raises:
        ValueError: the device cannot do what the config asks for; data or weights are missing; the
            checkpoint belongs to another training.
        FloatingPointError: a loss term is not finite.
        TrainingStopped: a hook asked for it; the checkpoint is written.
    """
    check_precision(config.optimisation.precision, runtime.device)
    device = find_device(runtime.device)
    with (
        joined(runtime.process, device) as group,
        reproducible(device, derive_seed(config.seed, "network")),
        float32_of(config.optimisation.precision),
    ):
        training = _Training(method, config, images, runtime, checkpoints, device, group)
        training.run(hooks)
        return training.network


def load_network(
    method: Method, config: Any, checkpoints: CheckpointFolder, device: torch.device
) -> nn.Module:
    """Build a trained network again from its final checkpoint.

    Raises:
        ValueError: the checkpoint is absent, damaged, or another training's; says what to do.
    """
    checkpoint = Checkpoint(checkpoints, FINAL_CHECKPOINT, ("network", "num_classes"))
    checkpoint.check_origin({"config_sha256": _digest(config)})
    with reproducible(device, seed=0):  # the random weights drawn here are overwritten
        network = method.build_network(config, checkpoint.content["num_classes"], {})
    checkpoint.restore_network(network)
    network = network.to(device)
    if device.type == "cuda":
        lay_out_for_gpu(network)
    return network


class _Training:
    """One training between two of its steps; all that changes in it is in its checkpoint."""

    def __init__(
        self,
        method: Method,
        config: FitConfig,
        images: TrainingBatches,
        runtime: Runtime,
        checkpoints: CheckpointFolder,
        device: torch.device,
        group: ProcessGroup,
    ) -> None:
        self._method, self._config, self._images = method, config, images
        self._checkpoints, self._device, self._group = checkpoints, device, group
        self._digest = _digest(config, images.fingerprint)
        files = ResumeFiles(checkpoints)
        self._keeping = BackgroundCheckpoints(files, runtime.checkpoint_every_s)
        is_begun = group.is_first and files.exist()
        # Weights that a checkpoint, or the first process, replaces need not be read.
        is_new = group.is_first and not is_begun
        weights = method.weights_files(config, runtime.data_root) if is_new else {}
        self.network = method.build_network(config, images.num_classes, weights).to(device)
        if device.type == "cuda":
            lay_out_for_gpu(self.network)
        self._optimizer = make_optimizer(config.optimisation, self.network.parameters())
        uses_scaler = config.optimisation.precision == "fp16"
        self._scaling = CountingScaler(device, enabled=uses_scaler)
        self._meter = LossMeter(device)
        self._epoch = 0
        self._step = 0
        self._epoch_wall_s = 0.0
        self._statistics = RunningStatistics(self.network, group)
        self._has_checked_draws = False
        if is_begun:
            files.take_up(self._load)
        if not group.is_alone:
            self._take_up_first()

    def _take_up_first(self) -> None:
        """Begin where the first process begins, whether that is the start or a checkpoint.

        Raises:
            ValueError: this process trains something else, as with another copy of the data.
        """
        state = self._group.state_of_first(self._state_dict())
        if state is None:
            return
        origin = self._origin()
        theirs = {key: state[key] for key in origin}
        if theirs != origin:
            raise ValueError(
                f"the processes of a training have not the same config, data and device: the first has {theirs}, "
                f"process {self._group.rank} {origin}; give their machines the same data and code"
            )
        self.network.load_state_dict(state["network"])
        self._load_state_dict(state)

    def run(self, hooks: FitHooks) -> None:
        """Train to the end."""
        first_step = self._epoch * self._images.steps_per_epoch + self._step
        with closing(self._images.batches(first_step)) as batches, self._keeping, self._statistics:
            self._run_epochs(batches, hooks)
        if not self._group.is_first:
            return
        if sentence := self._scaling.sentence(self._epoch * self._images.steps_per_epoch):
            logger.warning("%s", sentence)  # it is kept in the training's record
        with self._checkpoints.open_to_write(FINAL_CHECKPOINT) as file:
            content = {
                "network": self.network.state_dict(),
                "num_classes": self._images.num_classes,
                "config_sha256": _digest(self._config),
            }
            save(content, file)

    def _run_epochs(self, batches: Iterator[tuple[Tensor, Tensor]], hooks: FitHooks) -> None:
        while self._epoch < self._config.optimisation.num_epochs:
            self._run_epoch(batches, hooks)
            report = self._report()
            self._epoch, self._step, self._epoch_wall_s = self._epoch + 1, 0, 0.0
            self._meter = LossMeter(self._device)
            try:
                hooks.on_epoch(report, self.network)
            except TrainingStopped:
                self._write_checkpoint()
                raise
            if self._epoch < self._config.optimisation.num_epochs:
                self._write_checkpoint_if_due()

    def _run_epoch(self, batches: Iterator[tuple[Tensor, Tensor]], hooks: FitHooks) -> None:
        self.network.train()
        is_on_cpu = self._device.type == "cpu"
        before_s = time.monotonic() - self._epoch_wall_s
        while self._step < self._images.steps_per_epoch:
            self._epoch_wall_s = time.monotonic() - before_s
            if self._group.decided(hooks.should_stop()):
                self._write_checkpoint()
                raise TrainingStopped(f"stopped in epoch {self._epoch + 1}, before step {self._step + 1}")
            self._write_checkpoint_if_due()
            begun_s, was_writing = time.monotonic(), self._keeping.is_writing
            self._make_step(*next(batches))
            if is_on_cpu or self._step % GPU_STEPS_BETWEEN_CHECKS == 0:
                self._meter.check(self._epoch + 1)
            self._keeping.count_step(time.monotonic() - begun_s, was_writing=was_writing)
        self._meter.check(self._epoch + 1)
        self._check_alike()
        self._epoch_wall_s = time.monotonic() - before_s

    def _make_step(self, images_RBCHW: Tensor, labels_RB: Tensor) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = self._learning_rate(self._step)
        images_per_rank = self._images.augment(images_RBCHW)
        self._optimizer.zero_grad(set_to_none=True)
        terms = self._backpropagate(images_per_rank, labels_RB.unbind())
        apply_gradients(self._config.optimisation, self.network, self._optimizer, self._scaling)
        self._meter.add(terms)
        self._step += 1

    def _backpropagate(
        self, images_per_rank: Sequence[Tensor], labels_per_rank: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        """Make the gradients and terms of all ranks, of which this process computes its own."""
        own = self._group.own(len(labels_per_rank))
        self._statistics.begin_step()
        self._pass_over(labels_per_rank[: own.start])
        is_checked = not self._group.is_alone and not self._has_checked_draws
        drawn = self._drawn_by_passing_over(labels_per_rank[own]) if is_checked else {}
        terms = backpropagate(
            self._method,
            self._config,
            self.network,
            self._scaling.scaler,
            images_per_rank[own],
            labels_per_rank[own],
            self._epoch,
            1 / self._group.size,
        )
        if self._group.is_alone:
            return terms
        if is_checked:
            self._check_draws(drawn)
        self._pass_over(labels_per_rank[own.stop :])
        self._statistics.end_step()
        self._group.sum_gradients(self.network.parameters())
        sums_T = self._group.sum(torch.stack([term.double() for term in terms.values()]))
        return dict(zip(terms, sums_T.unbind(), strict=True))

    def _pass_over(self, labels_per_rank: Sequence[Tensor]) -> None:
        if isinstance(self._method, DrawsAtRandom):
            for labels_B in labels_per_rank:
                self._method.pass_over(self._config, self.network, labels_B)

    def _drawn_by_passing_over(self, labels_per_rank: Sequence[Tensor]) -> dict[str, Tensor]:
        """Give the generators as they were if the ranks of this process were computed by another one."""
        before = self._generators()
        self._pass_over(labels_per_rank)
        after = self._generators()
        torch.random.set_rng_state(before["CPU"])
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(before["GPU"])
        return after

    def _check_draws(self, drawn: Mapping[str, Tensor]) -> None:
        """Refuse a method that draws what other processes do not know of, before an epoch is lost by it.

        Raises:
            ValueError: its ranks would not draw what they draw one after another.
        """
        self._has_checked_draws = True
        generators = self._generators()
        if not all(torch.equal(state, generators[name]) for name, state in drawn.items()):
            raise ValueError(
                f"{self._config.METHOD} draws random numbers while a rank is computed, as dropout does, and "
                f"{self._group.size} processes cannot pass over those of each other's ranks; give its method "
                "`pass_over`, which draws as many, or train in one process"
            )

    def _generators(self) -> dict[str, Tensor]:
        states = {"CPU": torch.random.get_rng_state()}
        return states | ({"GPU": torch.cuda.get_rng_state()} if self._device.type == "cuda" else {})

    def _check_alike(self) -> None:
        """Refuse to go on where the processes have come apart, in any weight, buffer or random number."""
        if self._group.is_alone:
            return
        digests = {
            f"generator of the {name}": torch.tensor(
                int.from_bytes(hashlib.sha256(state.numpy().tobytes()).digest()[:7])
            )
            for name, state in self._generators().items()
        }
        entries = self.network.state_dict()
        sums = [entry.double().sum().view(torch.int64).cpu() for entry in entries.values()]
        self._group.refuse_differences([*digests, *entries], torch.stack([*digests.values(), *sums]))

    def _learning_rate(self, step_of_epoch: int) -> float:
        steps_per_epoch = self._images.steps_per_epoch
        step = self._epoch * steps_per_epoch + step_of_epoch
        return learning_rate(self._config.optimisation, step, steps_per_epoch)

    def _report(self) -> EpochReport:
        num_images = self._step * self._images.images_per_step
        rates = [self._learning_rate(step) for step in range(self._step)]
        metrics = self._meter.means() | {
            "learning_rate": sum(rates) / len(rates),
            "images_per_s": num_images / self._epoch_wall_s,
        }
        num_epochs = self._config.optimisation.num_epochs
        return EpochReport(self._epoch + 1, num_epochs, metrics, self._epoch_wall_s)

    def _write_checkpoint_if_due(self) -> None:
        if self._group.is_first and self._keeping.is_due():
            self._meter.check(self._epoch + 1)  # never continue from a network that is lost
            self._keeping.take(self._state_dict())

    def _write_checkpoint(self) -> None:
        self._meter.check(self._epoch + 1)
        if self._group.is_first:
            self._keeping.write(self._state_dict())

    def _load(self, name: str) -> None:
        origin = self._origin()
        checkpoint = Checkpoint(self._checkpoints, name, (*origin, "network"))
        checkpoint.check_origin(origin)
        checkpoint.restore_network(self.network)
        self._load_state_dict(checkpoint.content)

    def _origin(self) -> dict[str, object]:
        return {"format": CHECKPOINT_FORMAT, "config_sha256": self._digest, "device": self._device.type}

    def _state_dict(self) -> dict[str, Any]:
        return self._origin() | {
            "epoch": self._epoch,
            "step": self._step,
            "epoch_wall_s": self._epoch_wall_s,
            "network": self.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "scaler": self._scaling.state_dict(),
            "images": self._images.state_dict(),
            "meter": self._meter.state_dict(),
            "cpu_generator": torch.random.get_rng_state(),
            "cuda_generator": torch.cuda.get_rng_state() if self._device.type == "cuda" else None,
        }

    def _load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._optimizer.load_state_dict(state["optimizer"])
        lay_out_as_weights(self._optimizer)
        self._scaling.load_state_dict(state["scaler"])
        self._images.load_state_dict(state["images"])
        self._meter.load_state_dict(state["meter"])
        self._epoch, self._step = state["epoch"], state["step"]
        self._epoch_wall_s = state["epoch_wall_s"]
        torch.random.set_rng_state(state["cpu_generator"])
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda_generator"])


def _digest(config: FitConfig, data_fingerprint: str = "") -> str:
    """Tell trainings apart whose checkpoints must not be mixed up, by what their ids are made of."""
    content = [config.METHOD, config.VERSION, canonical(config), data_fingerprint]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
