"""How a search chooses what it tries next, as values with their settings.

Whatever the sampler, the declared config comes first, no suggestion is made twice, and a search that goes on suggests
what it would have suggested.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from tablewright.orchestrator.declared.ranges import Choice, Range, When, range_of
from tablewright.trainables.value.declaration import Declaration
from tablewright.trainables.value.refusal import Fault


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

    A trial that was left early counts with a forecast of what it would have ended with.

    Attributes:
        num_startup_trials: drawn at random before it learns.
    """

    num_startup_trials: Annotated[int, Field(ge=1)] = 10


@dataclass(frozen=True)
class CmaEs(Declaration):
    """Covariance matrix adaptation (Hansen, arXiv:1604.00772): for numbers, begun at the declared config.

    A trial that was left early counts as worse than every complete one, and the earlier the worse.

    Attributes:
        population_size: trials of a generation; None is 4 + 3 ln(parameters), as its author proposes.
        sigma: the first steps' deviation, as a share of each range.
    """

    population_size: Annotated[int | None, Field(ge=2)] = None
    sigma: Annotated[float, Field(gt=0, le=1)] = 1 / 6


@dataclass(frozen=True)
class Qmc(Declaration):
    """A scrambled Sobol sequence: learns nothing, and leaves smaller gaps than independent draws."""


@dataclass(frozen=True)
class Random(Declaration):
    """Independent draws: what any other sampler has to beat."""


@dataclass(frozen=True)
class BruteForce(Declaration):
    """Every cell of a finite space once, in a random order."""


@dataclass(frozen=True)
class Nsga2(Declaration):
    """NSGA-II, a genetic algorithm (Deb et al., 2002): for many trials. It learns from complete trials alone.

    Attributes:
        population_size: trials of a generation; the first one is drawn at random.
    """

    population_size: Annotated[int, Field(ge=2)] = 20


@dataclass(frozen=True)
class Nsga3(Declaration):
    """NSGA-III (Deb and Jain, 2014): for three objectives and more. It learns from complete trials alone.

    Attributes:
        population_size: trials of a generation; the first one is drawn at random.
    """

    population_size: Annotated[int, Field(ge=2)] = 20


Sampler = Tpe | Gp | CmaEs | Qmc | Random | BruteForce | Nsga2 | Nsga3

ANY_SPACE = "Tpe() and Random() search any space"


def suited_sampler(space: Mapping[str, Range | When]) -> Sampler:
    """Give what searches a space where no sampler is declared; `benchmarks/README.md` says why."""
    return Tpe() if _conditional_paths(space) else Gp()


def sampler_faults(
    sampler: Sampler, space: Mapping[str, Range | When], num_trials: int, num_objectives: int = 1
) -> Iterator[Fault]:
    """Find what a sampler cannot do; Optuna's would draw it at random instead, and say so in a log at most.

    Args:
        sampler: of the search.
        space: dotted path -> range.
        num_trials: of the search.
        num_objectives: that are made better at once.
    """
    name = type(sampler).__name__
    conditional = _conditional_paths(space)
    if conditional and isinstance(sampler, Gp | CmaEs | Qmc | Nsga2 | Nsga3):
        paths = ", ".join(conditional)
        yield Fault("sampler", f"{name} knows no conditional parameters, and {paths} is one; {ANY_SPACE}")
    unordered = [path for path, declared in space.items() if isinstance(range_of(declared), Choice)]
    if unordered and isinstance(sampler, CmaEs):
        paths = ", ".join(unordered)
        yield Fault(
            "sampler", f"CmaEs searches numbers, and {paths} is a Choice without an order; {ANY_SPACE}"
        )
    endless = [path for path, declared in space.items() if range_of(declared).values_in_order() is None]
    if endless and isinstance(sampler, BruteForce):
        paths = ", ".join(endless)
        text = f"BruteForce tries every value, and {paths} has no end of them"
        yield Fault("sampler", f"{text}; give it a Choice, an IntRange or steps, or another sampler")
    if num_objectives == 1 and isinstance(sampler, Nsga3):
        yield Fault(
            "sampler", "Nsga3 divides its trials among several objectives, and there is one; use Nsga2 or Tpe"
        )
    if num_objectives > 1 and isinstance(sampler, CmaEs):
        yield Fault(
            "sampler", f"CmaEs makes one objective better, and there are {num_objectives}; use Nsga2 or Tpe"
        )
    size = generation_size(sampler, len(space))
    if size is not None and size >= num_trials:
        text = f"a generation of {name} is {size} trials, and with {num_trials} in all it would never learn from one"
        yield Fault("sampler", f"{text}; set population_size below num_trials, or use Tpe()")


def _conditional_paths(space: Mapping[str, Range | When]) -> list[str]:
    return [path for path, declared in space.items() if isinstance(declared, When)]


def generation_size(sampler: Sampler, num_params: int) -> int | None:
    """Give how many trials a sampler draws before it learns from them; None where it has no generations."""
    if isinstance(sampler, Nsga2 | Nsga3):
        return sampler.population_size
    if isinstance(sampler, CmaEs):
        return sampler.population_size or 4 + int(3 * math.log(num_params))
    return None
