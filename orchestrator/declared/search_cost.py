"""What a search weighs its objective against: the size of the network, what it computes, or how long it trains."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tablewright.trainables.contract.method import CountsSize, TrainingConfig
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.size import FLOPS_OF_MULTIPLY_ADD, NetworkSize
from tablewright.trainables.value.declaration import Declaration
from tablewright.trainables.value.refusal import Fault

CostName = Literal["parameters", "inference_parameters", "flops", "train_s"]

_LABELS: dict[CostName, str] = {
    "parameters": "Parameters",
    "inference_parameters": "Parameters at inference",
    "flops": "FLOPs",
    "train_s": "Training, s",
}


@dataclass(frozen=True)
class Cost(Declaration):
    """What is to be small, without a view that measures it.

    Attributes:
        name: `parameters` of the network in training, `inference_parameters` that inference reads, `flops` of one image
            at inference (two a multiply-add): these are counted from the config, as tables of sizes are. `train_s` are
            the recorded seconds of the training's epochs, which are those of the machine that it ran on.
    """

    name: CostName

    @property
    def metric(self) -> Metric:
        """How it is named and printed."""
        return Metric(self.name, _LABELS[self.name], higher_is_better=False, digits=0, is_fraction=False)

    @property
    def is_counted(self) -> bool:
        """Whether it follows from the config, without a training."""
        return self.name != "train_s"

    def faults_for(self, config: TrainingConfig) -> Iterator[Fault]:
        """Find that a method cannot count it."""
        if self.is_counted and not isinstance(config.make_trainable(), CountsSize):
            yield Fault(
                "against",
                f"the method {config.METHOD} cannot count its network for Cost({self.name!r}); give it a method "
                "size(config), or take 'train_s'",
            )

    def counted(self, config: TrainingConfig) -> float:
        """Count it from the config of a training; for what is counted alone."""
        size = _size_of(config)  # pyright: ignore[reportArgumentType]  # frozen, so that it has a hash
        if self.name == "flops":
            return float(FLOPS_OF_MULTIPLY_ADD * size.multiply_adds)
        return float(size.parameters if self.name == "parameters" else size.inference_parameters)


@functools.lru_cache(maxsize=4096)
def _size_of(config: TrainingConfig) -> NetworkSize:
    trainable = config.make_trainable()
    assert isinstance(trainable, CountsSize)  # the search was refused otherwise
    return trainable.size(config)
