"""How weights are moved: Adam or SGD, a warm-up by steps, then a cosine or steps down by epochs.

Source of Adam, warm-up and cosine:
    MDPR, Sec. IV, and the authors' code (github.com/KuilongCui/MDPR, commit 89d97370): batches, rates and
    the order of warm-up and cosine are the code's.
Deviations:
    the code's warm-up stops one step short of the base rate and starts the cosine from there; ours reaches it. That
    step is 0.9 of the rate divided by the steps of the warm-up: 0.045 % of it in the 2,000 of Market-1501 and
    DukeMTMC-reID, 0.45 % in SynergyReID's 200. A step that fp16 overflow skips counts as a step of the warm-up too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import nn

from tablewright.trainables.contract.precision import Precision
from tablewright.trainables.value.frozen_model import FrozenModel


class Optimisation(FrozenModel):
    """An optimizer and its schedule; the defaults are MDPR's on Market-1501 and DukeMTMC-reID.

    Attributes:
        num_epochs: length of the training.
        base_lr: reached at the end of the warm-up; not scaled with the batch.
        warmup_steps: steps over which the rate grows linearly; 0 is none.
        warmup_start_factor: of the base rate, at the first step.
        schedule: what follows the warm-up.
        final_lr: of the whole last epoch, where the schedule is `cosine`.
        decay_epochs: epochs completed when the rate is multiplied by `decay_factor`, where the schedule is
            `steps`; none is a constant rate.
        decay_factor: of `steps`.
        optimizer: `sgd` has momentum and no Nesterov step.
        momentum: SGD's.
        weight_decay: added to the gradient (coupled L2) of every weight: norms, biases, prototypes too.
        betas: Adam's.
        eps: Adam's.
        max_grad_norm: gradients of all weights together are scaled down to it; None is off.
        precision: of matrix products and convolutions in training; losses and weights stay float32.
            `fp32` is all of float32's digits, on every device. `tf32` is float32 whose convolutions keep 10 of its 23
            binary digits, on GPUs since Ampere. `fp16` (with loss scaling) needs a GPU, `bf16` one since Ampere.
    """

    num_epochs: int = Field(default=60, ge=1)
    base_lr: float = Field(default=3.5e-4, gt=0)
    warmup_steps: int = Field(default=2000, ge=0)
    warmup_start_factor: float = Field(default=0.1, gt=0, le=1)
    schedule: Literal["cosine", "steps"] = "cosine"
    final_lr: float = Field(default=1e-7, ge=0)
    decay_epochs: tuple[int, ...] = ()
    decay_factor: float = Field(default=0.1, gt=0, le=1)
    optimizer: Literal["adam", "sgd"] = "adam"
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=5e-4, ge=0)
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = Field(default=1e-8, gt=0)
    max_grad_norm: float | None = Field(default=None, gt=0)
    precision: Precision = "fp16"

    @model_validator(mode="after")
    def _check_ranges(self) -> Optimisation:
        faults: list[str] = []
        if not all(0 <= beta < 1 for beta in self.betas):
            faults.append(f"betas lie in [0, 1), got {self.betas}; set optimisation.betas")
        if self.schedule == "cosine" and self.final_lr > self.base_lr:
            faults.append(
                f"the rate falls from base_lr to final_lr, got {self.base_lr} and {self.final_lr}; "
                "set optimisation.final_lr to base_lr or less"
            )
        if list(self.decay_epochs) != sorted(set(self.decay_epochs)) or min(self.decay_epochs, default=1) < 1:
            faults.append(
                f"decay_epochs grow from 1 on, got {self.decay_epochs}; set optimisation.decay_epochs"
            )
        faults += self._faults_of_idle_fields()
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _faults_of_idle_fields(self) -> list[str]:
        """Name fields that say something and do nothing: two spellings would be two trainings."""
        idle = {
            "final_lr": self.schedule != "cosine",
            "decay_epochs": self.schedule != "steps",
            "decay_factor": not self.decay_epochs,
            "warmup_start_factor": not self.warmup_steps,
            "momentum": self.optimizer != "sgd",
            "betas": self.optimizer != "adam",
            "eps": self.optimizer != "adam",
        }
        return [
            f"{name} has no effect with schedule {self.schedule!r}, optimizer {self.optimizer!r} and "
            f"{self.warmup_steps} warm-up steps; leave optimisation.{name} at {declared}"
            for name, is_idle in idle.items()
            if is_idle and getattr(self, name) != (declared := type(self).model_fields[name].default)
        ]


def learning_rate(optimisation: Optimisation, step: int, steps_per_epoch: int) -> float:
    """Give the rate of one step.

    Warm-up goes by steps. The cosine goes by epochs: its first step is taken at the end of the first epoch
    that ends with the warm-up done, and its last one before the last epoch, which runs at `final_lr`. A
    training that ends within its warm-up, or in the epoch that ends it, has no cosine. Steps down go by epochs
    completed, those of the warm-up counted.

    Args:
        optimisation: the schedule.
        step: steps made before, over all epochs.
        steps_per_epoch: images of an epoch // images of a batch.
    """
    if step < optimisation.warmup_steps:
        done = step / optimisation.warmup_steps
        return optimisation.base_lr * (optimisation.warmup_start_factor * (1 - done) + done)
    epoch = step // steps_per_epoch
    if optimisation.schedule == "steps":
        num_decays = sum(epoch >= decay_epoch for decay_epoch in optimisation.decay_epochs)
        return optimisation.base_lr * optimisation.decay_factor**num_decays
    # Without a warm-up, too, the first epoch runs at the base rate.
    num_warmup_epochs = max(1, math.ceil(optimisation.warmup_steps / steps_per_epoch))
    if epoch < num_warmup_epochs:
        return optimisation.base_lr
    progress = (epoch - num_warmup_epochs + 1) / (optimisation.num_epochs - num_warmup_epochs)
    fall = optimisation.base_lr - optimisation.final_lr
    return optimisation.final_lr + fall * (1 + math.cos(math.pi * progress)) / 2


def make_optimizer(optimisation: Optimisation, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Make the optimizer over all parameters that take a gradient, in one group."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    if optimisation.optimizer == "sgd":
        return torch.optim.SGD(
            trained,
            lr=optimisation.base_lr,
            momentum=optimisation.momentum,
            weight_decay=optimisation.weight_decay,
            fused=True,  # one pass over the weights instead of a dozen
        )
    return torch.optim.Adam(
        trained,
        lr=optimisation.base_lr,
        betas=optimisation.betas,
        eps=optimisation.eps,
        weight_decay=optimisation.weight_decay,
        fused=True,
    )
