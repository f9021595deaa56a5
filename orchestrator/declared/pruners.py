"""When a search leaves a trial before it has ended, as values with their settings.

Epochs are those of the whole training: its learning-rate schedule is always that of its full length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from tablewright.trainables.value.declaration import Declaration

SHARE_OF_FIRST_RUNG = 27
"""The first rung, where no epoch is named, is after this part of a training."""


@dataclass(frozen=True)
class Halving(Declaration):
    """Successive halving without waiting (ASHA, Li et al., MLSys 2020): at each rung one trial of so many goes on.

    Its defaults are one choice for all of the curves of `benchmarks/bench_search.py`, those that cross among them.

    Attributes:
        first_epoch: after which the first decision is made; None is a 27th of the training. Decisions too early
            favour what learns fast over what ends well.
        factor: between one rung and the next.
        one_of: of how many trials at a rung one goes on.
        last_rung: share of a training beyond which there is no further rung: the best of the last go on to their end.
        promotes: whether every trial is paused at a rung, its state kept, and goes on once it is among the best there,
            whatever came before or after it. Otherwise it is ended for good as soon as it is not.
        forecasts: whether the best of a rung are those with the best forecast of their final value, which is learnt
            from trials that went further (`curve_forecast`), so that what rises late is not left, and whether `Tpe`
            learns from it. Otherwise they are those with the best value there.
    """

    first_epoch: Annotated[int | None, Field(ge=1)] = None
    factor: Annotated[int, Field(ge=2)] = 2
    one_of: Annotated[int, Field(ge=2)] = 3
    last_rung: Annotated[float, Field(gt=0, le=1)] = 0.4
    promotes: bool = True
    forecasts: bool = True

    def first_rung(self, num_epochs: int) -> int:
        """Give the epoch of the first decision in a training of so many."""
        return self.first_epoch or math.ceil(num_epochs / SHARE_OF_FIRST_RUNG)


@dataclass(frozen=True)
class Hyperband(Declaration):
    """Halving with several first rungs, for who does not know which is early enough (Li et al., JMLR 2018).

    Trials are divided among brackets, each of which begins its rungs later than the one before; the last lets every
    trial end.

    Attributes:
        first_epoch: the first rung of the first bracket; None is a 27th of the training.
        factor: between one rung and the next, between the first rungs of two brackets, and of how many trials one goes
            on.
        promotes: as in `Halving`, within a bracket.
        forecasts: as in `Halving`, within a bracket.
    """

    first_epoch: Annotated[int | None, Field(ge=1)] = None
    factor: Annotated[int, Field(ge=2)] = 3
    promotes: bool = True
    forecasts: bool = True

    @property
    def one_of(self) -> int:
        """Of how many trials at a rung one goes on."""
        return self.factor

    @property
    def last_rung(self) -> float:
        """Share of a training beyond which there is no further rung."""
        return 1.0

    def first_rung(self, num_epochs: int) -> int:
        """Give the epoch of the first decision of the first bracket in a training of so many."""
        return self.first_epoch or math.ceil(num_epochs / SHARE_OF_FIRST_RUNG)


@dataclass(frozen=True)
class Median(Declaration):
    """Ends a trial whose best value so far is worse than the median of the complete ones at that epoch.

    Attributes:
        warmup: share of a training in which nothing is ended.
        num_startup_trials: that are complete before any is ended.
    """

    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.2
    num_startup_trials: Annotated[int, Field(ge=1)] = 4


@dataclass(frozen=True)
class Patience(Declaration):
    """Ends a trial that has not become better for a number of epochs.

    Attributes:
        num_epochs: that may pass without a better value.
        min_improvement: by which a value must be better to count, in the metric's unit.
    """

    num_epochs: Annotated[int, Field(ge=1)]
    min_improvement: Annotated[float, Field(ge=0)] = 0.0


@dataclass(frozen=True)
class Wilcoxon(Declaration):
    """Leaves a trial of several trainings between them, once it is worse than the best trial by a signed-rank test.

    Each training is paired with the best trial's of the same seed and data set. The test is made anew after each, as
    Optuna's `WilcoxonPruner` does, so that more than a share `p` of trials as good as the best are left.

    Attributes:
        p: below which a trial is left.
        num_startup_parts: trainings of a trial that are made in any case; they may run at the same time, the others
            one after the other.
    """

    p: Annotated[float, Field(gt=0, lt=1)] = 0.1
    num_startup_parts: Annotated[int, Field(ge=2)] = 2

    def fault_of(self, num_parts: int) -> str | None:
        """Say why it would never leave a trial of so many trainings; None where it can."""
        if num_parts == 1:
            return "Wilcoxon() compares the trainings of a trial, which is one here; name seeds=… or several data sets"
        needed = math.floor(math.log(1 / self.p, 2)) + 1  # the test's smallest p of n pairs is 1 / 2 to the n
        if max(needed, self.num_startup_parts) < num_parts:
            return None
        return (
            f"it would never leave a trial of {num_parts} trainings: p gets below {self.p} with {needed} pairs at "
            f"the earliest, and {self.num_startup_parts} are made in any case; take more seeds or a higher p"
        )


Pruner = Halving | Hyperband | Median | Patience | Wilcoxon


def promoting(pruner: Pruner | None) -> Halving | Hyperband | None:
    """Give a pruner that pauses trials and lets the best of them go on; None for every other."""
    return pruner if isinstance(pruner, Halving | Hyperband) and pruner.promotes else None
