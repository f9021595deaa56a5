"""How a search chooses what it tries next: Optuna's samplers, as values with their settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from tablewright.trainables.value.declaration import Declaration


@dataclass(frozen=True)
class Tpe(Declaration):
    """Tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011), of all parameters together.

    Attributes:
        num_startup_trials: drawn at random before it learns.
    """

    num_startup_trials: Annotated[int, Field(ge=1)] = 10


@dataclass(frozen=True)
class Gp(Declaration):
    """Gaussian process with expected improvement: for few trials that are dear.

    Attributes:
        num_startup_trials: drawn at random before it learns.
    """

    num_startup_trials: Annotated[int, Field(ge=1)] = 10


@dataclass(frozen=True)
class Random(Declaration):
    """Independent draws: what any other sampler has to beat."""


Sampler = Tpe | Gp | Random

DEFAULT_SAMPLER = Tpe()
