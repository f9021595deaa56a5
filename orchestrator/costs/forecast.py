"""How long trainings will take, with an interval, from how long others have taken. Pure.

Times are compared as logarithms. A training like recorded ones (the same shape: an equal config but for its seed) takes
as long as they did. Another one takes what its size says: among the recorded shapes of its kind (method and data) time
grows with a power of the size, which is taken to be proportional as far as the records do not say otherwise. How far
times scatter, within a shape and between shapes, is estimated from the records too, beside a guess that counts as much
as a few of them; so one record gives a wide interval, and many a narrow one.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

COVERAGE = 0.9
"""Of the intervals."""

GUESSED_WITHIN, GUESSED_BETWEEN = 0.15, 0.3
"""Standard deviations of log times expected before there are records: of equal trainings, and of a shape from what its
size says. Recorded demo trainings of MDPR, HA-CNN and Mancs scatter by 0.1 to 0.2 around what their size says."""
DRIFT = 0.15
"""Standard deviation of what all that is left has in common and no record can tell, as a machine that is busier than it
was. The later half of the recorded demo trainings of Mancs took a quarter less than the earlier one."""
GUESS_COUNTS_AS = 3.0
"""Degrees of freedom of the guess."""
PROPORTIONAL_WITHIN = 0.5
"""Standard deviation around 1 of the power by which time grows with size, before there are records."""


@dataclass(frozen=True)
class Timed:
    """A training that has been recorded.

    Attributes:
        kind: what shares a relation of size and time, such as method and data.
        shape: what takes the same time, but for chance.
        size: of its work, in any unit; above 0.
        wall_s: that it took.
    """

    kind: Hashable
    shape: Hashable
    size: float
    wall_s: float


@dataclass(frozen=True)
class Ahead:
    """A training that is left, or the part of it that is.

    Attributes:
        kind: as of `Timed`.
        shape: likewise.
        size: of the whole training.
        share: of it that is left.
    """

    kind: Hashable
    shape: Hashable
    size: float
    share: float = 1.0


@dataclass(frozen=True)
class Interval:
    """An amount that is not known, and where it lies in nine cases of ten."""

    low: float
    likely: float
    high: float

    def __mul__(self, factor: float) -> Interval:
        """Give the same in another unit."""
        return Interval(self.low * factor, self.likely * factor, self.high * factor)


@dataclass(frozen=True)
class _Part:
    """What adds to the variance of the sum.

    Attributes:
        variance: in seconds squared.
        degrees: of freedom of the estimate; infinite where it was assumed.
    """

    variance: float
    degrees: float


def forecast(ahead: Sequence[Ahead], timed: Sequence[Timed]) -> Interval | None:
    """Say how long trainings will take one after another, in seconds.

    Args:
        ahead: what is left.
        timed: what has been recorded on the device that trains on.

    Returns:
        None where a kind is left of which nothing is recorded.
    """
    total_s, parts = 0.0, list[_Part]()
    for kind in dict.fromkeys(item.kind for item in ahead):
        recorded = [item for item in timed if item.kind == kind and item.wall_s > 0]
        if not recorded:
            return None
        sum_s, of_kind = _forecast_of_kind([item for item in ahead if item.kind == kind], recorded)
        total_s += sum_s
        parts += of_kind
    parts.append(_Part((DRIFT * total_s) ** 2, math.inf))
    return _interval(total_s, parts)


def seconds_by_training(ahead: Sequence[Ahead], timed: Sequence[Timed]) -> list[float]:
    """Say how long each training most likely takes; for those whose kind is recorded."""
    kinds = dict.fromkeys(item.kind for item in ahead)
    models = {kind: _Model([item for item in timed if item.kind == kind]) for kind in kinds}
    return [item.share * math.exp(models[item.kind].log_s(item)) for item in ahead]


class _Model:
    """How time follows from size among the recorded trainings of one kind."""

    def __init__(self, recorded: Sequence[Timed]) -> None:
        shapes: dict[Hashable, list[Timed]] = {}
        for item in recorded:
            shapes.setdefault(item.shape, []).append(item)
        self.logs_of: Mapping[Hashable, list[float]] = {
            shape: [math.log(item.wall_s) for item in items] for shape, items in shapes.items()
        }
        self.means = {shape: statistics.fmean(logs) for shape, logs in self.logs_of.items()}
        self.num_shapes = len(shapes)
        sizes = {shape: math.log(items[0].size) for shape, items in shapes.items()}
        self.mean_size = statistics.fmean(sizes.values())
        centred = {shape: size - self.mean_size for shape, size in sizes.items()}
        # A power near 1 is expected: as if so much spread of sizes had been seen that says 1.
        expected = (GUESSED_BETWEEN / PROPORTIONAL_WITHIN) ** 2
        self.spread = sum(size**2 for size in centred.values()) + expected
        self.mean_time = statistics.fmean(self.means.values())
        covaried = sum(size * (self.means[shape] - self.mean_time) for shape, size in centred.items())
        self.power = (covaried + expected) / self.spread
        residuals = [
            self.means[shape] - self.mean_time - self.power * size for shape, size in centred.items()
        ]
        scattered = sum(
            (log - self.means[shape]) ** 2 for shape, logs in self.logs_of.items() for log in logs
        )
        self.between_degrees = GUESS_COUNTS_AS + self.num_shapes - 1
        squared = sum(residual**2 for residual in residuals)
        self.between = (GUESS_COUNTS_AS * GUESSED_BETWEEN**2 + squared) / self.between_degrees
        # Where shapes scatter more than was guessed, equal trainings are likely to, of which none may be recorded.
        guessed = GUESSED_WITHIN**2 * min(4.0, max(1.0, self.between / GUESSED_BETWEEN**2))
        self.within_degrees = GUESS_COUNTS_AS + len(recorded) - self.num_shapes
        self.within = (GUESS_COUNTS_AS * guessed + scattered) / self.within_degrees

    def log_s(self, item: Ahead) -> float:
        """Give the logarithm of what a whole training takes."""
        if item.shape in self.means:
            return self.means[item.shape]
        return self.mean_time + self.power * (math.log(item.size) - self.mean_size)


def _forecast_of_kind(ahead: Sequence[Ahead], recorded: Sequence[Timed]) -> tuple[float, list[_Part]]:
    model = _Model(recorded)
    total_s = 0.0
    within = between = unseen_s = tilted_s = 0.0
    by_shape: dict[Hashable, list[Ahead]] = {}
    for item in ahead:
        by_shape.setdefault(item.shape, []).append(item)
    for shape, items in by_shape.items():
        num_recorded = len(model.logs_of.get(shape, ()))
        scatter = model.within + (0.0 if num_recorded else model.between)
        each_s = [item.share * math.exp(model.log_s(item) + scatter / 2) for item in items]
        sum_s = sum(each_s)
        total_s += sum_s
        within += model.within * sum(one_s**2 for one_s in each_s)
        if num_recorded:
            within += model.within / num_recorded * sum_s**2
        else:
            between += model.between * sum_s**2
            unseen_s += sum_s
            tilted_s += sum_s * (math.log(items[0].size) - model.mean_size)
    # What all shapes without a record owe to the line through those with one.
    between += model.between * (unseen_s**2 / model.num_shapes + tilted_s**2 / model.spread)
    return total_s, [_Part(within, model.within_degrees), _Part(between, model.between_degrees)]


def _interval(total_s: float, parts: Iterable[_Part]) -> Interval:
    """Put an interval around a sum: on a logarithmic scale, with Student's t for what was estimated from few."""
    parts = [part for part in parts if part.variance > 0]
    variance = sum(part.variance for part in parts)
    if not variance:
        return Interval(total_s, total_s, total_s)
    degrees = variance**2 / sum(part.variance**2 / part.degrees for part in parts)  # Satterthwaite
    reach = student_quantile((1 + COVERAGE) / 2, degrees) * math.sqrt(math.log1p(variance / total_s**2))
    return Interval(total_s * math.exp(-reach), total_s, total_s * math.exp(reach))


def student_quantile(probability: float, degrees: float) -> float:
    """Give a quantile of Student's t (Abramowitz and Stegun, 26.7.5); within 2 % from three degrees on."""
    z = statistics.NormalDist().inv_cdf(probability)
    return (
        z
        + (z**3 + z) / (4 * degrees)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * degrees**3)
    )
