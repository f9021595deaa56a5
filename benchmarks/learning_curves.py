"""Learning curves whose end is known: what a search is measured on without a training.

A task gives, for the parameters that a search suggests, a score after each epoch. It is to be raised, is 1 at the best
known parameters at the end of the training, and each epoch's carries a noise of its own. Parameters at or near the best
learn at different speeds, so that what is ahead early need not be at the end:

- `branin`: two coordinates of Branin's function, and a learning rate, which decides how much of the score is learnt by
  when; no curve crosses one of an equal rate.
- `hartmann`: six coordinates of Hartmann's function. An early epoch sees the function with other weights of its four
  hills (Kandasamy et al., arXiv:1703.06240, which change the first only), so that it is a biased hint.
- `crossing`: what learns fast ends low. The learning rate sets how soon a curve rises and where it ends: of random
  parameters, the best hundredth at the end has a median rank of 53 % after one epoch, 42 % after three and 14 % after
  nine of 27. Two more parameters set how good it is at any speed.

Curves of real trainings are in `demo_curves`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tablewright.orchestrator.declared.ranges import FloatRange, Range

NUM_EPOCHS = 27
NOISE = 0.005
"""Standard deviation of what an epoch's score is off by."""

BRANIN_BEST, BRANIN_SCALE = 0.397887, 30.0
HARTMANN_BEST = 3.32237


@dataclass(frozen=True)
class FunctionCurves:
    """Curves that a function gives.

    Attributes:
        name: for people.
        space: what a search may try at each path.
        score: the noise-free score of parameters after an epoch.
        best: the highest one at the last epoch.
        num_epochs: of a whole training.
    """

    name: str
    space: Mapping[str, Range]
    score: Callable[[Mapping[str, float], int], float]
    best: float
    worst: float = 0.0
    num_epochs: int = NUM_EPOCHS

    def settle(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give the parameters as they are: all have a curve."""
        return params

    def values(self, params: Mapping[str, Any], seed: int) -> list[float]:
        """Give what a training with a seed reports, epoch by epoch."""
        text = json.dumps([seed, sorted(params.items())])
        generator = np.random.default_rng(int(hashlib.sha256(text.encode()).hexdigest()[:16], 16))
        noise = generator.normal(0.0, NOISE, self.num_epochs)
        return [
            self.score(params, epoch) + float(noise[epoch - 1]) for epoch in range(1, self.num_epochs + 1)
        ]

    def final(self, params: Mapping[str, Any]) -> float:
        """Give the noise-free score at the end."""
        return self.score(params, self.num_epochs)


def branin(x: float, y: float) -> float:
    """Give Branin's function on [-5, 10] x [0, 15]; 0.397887 at its three minima."""
    bend = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return bend**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


HARTMANN_HEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
HARTMANN_EARLY_HEIGHTS = np.array([2.4, 2.2, 1.2, 1.2])
HARTMANN_WIDTHS = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
HARTMANN_CENTRES = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def hartmann(x: Sequence[float], heights: np.ndarray = HARTMANN_HEIGHTS) -> float:
    """Give Hartmann's function of six coordinates in [0, 1], with its sign changed; 3.32237 at its maximum."""
    distances = (HARTMANN_WIDTHS * (np.asarray(x) - HARTMANN_CENTRES) ** 2).sum(axis=1)
    return float((heights * np.exp(-distances)).sum())


def _branin_score(params: Mapping[str, float], epoch: int) -> float:
    quality = math.exp(-(branin(params["x"], params["y"]) - BRANIN_BEST) / BRANIN_SCALE)
    decades = math.log10(params["rate"] / 0.03)
    speed = 8 * math.exp(-(decades**2))
    return quality * (1 - math.exp(-speed * epoch / NUM_EPOCHS)) / (1 - math.exp(-8))


def _hartmann_score(params: Mapping[str, float], epoch: int) -> float:
    done = epoch / NUM_EPOCHS
    heights = HARTMANN_HEIGHTS + (1 - done) * (HARTMANN_EARLY_HEIGHTS - HARTMANN_HEIGHTS)
    height = hartmann([params[f"x{number}"] for number in range(6)], heights)
    return height / HARTMANN_BEST * (1 - math.exp(-5 * done)) / (1 - math.exp(-5))


CROSSING_BEST_DECADES = 0.75


def _crossing_raw(params: Mapping[str, float], epoch: int) -> float:
    decades = math.log10(params["rate"] / 1e-4)  # 0 slowest, 3 fastest
    quality = math.exp(-2 * (params["width"] - 0.7) ** 2 - 2 * (params["decay"] - 0.3) ** 2)
    ceiling = 1 - 0.12 * decades
    speed = 3.0 * 4.0 ** (decades - CROSSING_BEST_DECADES)
    return quality * ceiling * (1 - math.exp(-speed * epoch / NUM_EPOCHS))


_UNIT = FloatRange(0.0, 1.0)


def _best_crossing() -> float:
    rates = np.logspace(-4, -1, 3001)
    return max(_crossing_raw({"rate": float(rate), "width": 0.7, "decay": 0.3}, NUM_EPOCHS) for rate in rates)


def function_curves() -> dict[str, FunctionCurves]:
    """Give each kind by its name."""
    best = _best_crossing()
    return {
        "branin": FunctionCurves(
            "branin",
            {
                "x": FloatRange(-5.0, 10.0),
                "y": FloatRange(0.0, 15.0),
                "rate": FloatRange(1e-3, 1.0, log=True),
            },
            _branin_score,
            1.0,
        ),
        "hartmann": FunctionCurves(
            "hartmann", {f"x{number}": _UNIT for number in range(6)}, _hartmann_score, 1.0
        ),
        "crossing": FunctionCurves(
            "crossing",
            {"rate": FloatRange(1e-4, 1e-1, log=True), "width": _UNIT, "decay": _UNIT},
            lambda params, epoch: _crossing_raw(params, epoch) / best,
            1.0,
        ),
    }
