"""Tablewright's own searches over the curves of `learning_curves`, each with a pruner."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from learning_curves import NUM_EPOCHS

from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.pruners import Pruner
from tablewright.orchestrator.declared.ranges import Choice, FloatRange, Range
from tablewright.orchestrator.declared.samplers import Sampler
from tablewright.orchestrator.declared.search import Objective, Search
from tablewright.trainables.contract.method import Trainable, TrainingConfig
from tablewright.trainables.contract.view import EvaluationView
from tablewright.trainables.retrieval.view import MAP, RetrievalView


class CurveConfig(TrainingConfig):
    """Parameters of which only the curve is known."""

    METHOD: ClassVar[str] = "curve"
    VERSION: ClassVar[int | str] = 1

    def make_trainable(self) -> Trainable:
        """Refuse: there is nothing but the curve."""
        raise NotImplementedError("a curve is not trained")

    def dataset_name(self) -> str:
        """Name no data set."""
        return "curves"

    def planned_epochs(self) -> int:
        """Give the length of a curve."""
        return NUM_EPOCHS

    def check_view(self, view: EvaluationView) -> None:
        """Take any."""


class BraninConfig(CurveConfig):
    """Of `branin`."""

    x: float
    y: float
    rate: float


class HartmannConfig(CurveConfig):
    """Of `hartmann`."""

    x0: float
    x1: float
    x2: float
    x3: float
    x4: float
    x5: float


class CrossingConfig(CurveConfig):
    """Of `crossing`."""

    rate: float
    width: float
    decay: float


CONFIGS = {"branin": BraninConfig, "hartmann": HartmannConfig, "crossing": CrossingConfig}


def function_search(
    name: str,
    space: dict[str, Range],
    seed: int,
    *,
    num_trials: int,
    pruner: Pruner | None,
    sampler: Sampler | None = None,
) -> Search:
    """Declare a search whose first trial, which a study declares, is drawn at random, as the peers' is."""
    generator = np.random.default_rng(seed)
    base = CONFIGS[name](**{path: _drawn(declared, generator) for path, declared in space.items()})
    return Search(
        name=name,
        caption=name,
        base=base,
        dataset=Dataset("Curves"),
        space=space,
        objective=Objective(MAP, RetrievalView(split="val")),
        num_trials=num_trials,
        view=RetrievalView(split="test"),
        metrics=[MAP],
        sampler=sampler,
        pruner=pruner,
        sampler_seed=seed,
    )


def _drawn(declared: Range, generator: np.random.Generator) -> Any:
    if isinstance(declared, Choice):
        return declared.values[int(generator.integers(len(declared.values)))]
    if isinstance(declared, FloatRange) and declared.log:
        return float(np.exp(generator.uniform(math.log(declared.low), math.log(declared.high))))
    return declared.low + float(generator.uniform()) * (declared.high - declared.low)
