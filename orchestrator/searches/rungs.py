"""Which trials of a search go on: decided by what is recorded of its trials, and by nothing else.

So a search that goes on after a kill, and a second sweep on the same store, decide as the first would have.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal

from tablewright.orchestrator.declared.pruners import Halving, Hyperband, Median, Patience, Pruner, promoting
from tablewright.orchestrator.store.search_records import SearchTrialRecord
from tablewright.trainables.value.freezing import EMPTY

Verdict = Literal["go on", "pause", "prune"]
"""What becomes of a training at the end of an epoch."""


def rungs_of(pruner: Pruner | None, num_epochs: int, bracket: int = 0) -> tuple[int, ...]:
    """Give the epochs after which a pruner decides who goes on, below the training's whole length."""
    if not isinstance(pruner, Halving | Hyperband):
        return ()
    rungs: list[int] = []
    epoch = pruner.first_rung(num_epochs)
    while epoch < num_epochs and (not rungs or epoch <= pruner.last_rung * num_epochs):
        rungs.append(epoch)
        epoch *= pruner.factor
    return tuple(rungs[bracket:])


def bracket_of(pruner: Pruner | None, num_epochs: int, number: int) -> int:
    """Say which bracket a trial belongs to, by its number alone.

    Each gets as many trials as make its share of the epochs about that of the others, and its turns are spread.
    """
    if not isinstance(pruner, Hyperband):
        return 0
    num_brackets = len(rungs_of(pruner, num_epochs)) + 1
    weights = [
        -(-num_brackets // (num_brackets - bracket)) * pruner.factor ** (num_brackets - 1 - bracket)
        for bracket in range(num_brackets)
    ]
    counts = [0] * num_brackets
    chosen = 0
    for place in range(number % sum(weights) + 1):
        lacking = [
            weight * (place + 1) / sum(weights) - count for weight, count in zip(weights, counts, strict=True)
        ]
        chosen = lacking.index(max(lacking))
        counts[chosen] += 1
    return chosen


def first_stop(pruner: Pruner | None, num_epochs: int, bracket: int) -> int | None:
    """Say how far a new trial may train before it is paused; None where it is not."""
    rungs = rungs_of(pruner, num_epochs, bracket)
    return rungs[0] if promoting(pruner) and rungs else None


def value_at(trial: SearchTrialRecord, epoch: int) -> float | None:
    """Give what a trial had reached at a rung: its last value up to there; None where there is none."""
    known = [reached for reached in trial.intermediate_values if reached <= epoch]
    return trial.intermediate_values[max(known)] if known else None


def _merit(trial: SearchTrialRecord, epoch: int, sign: int, finals: Mapping[int, float]) -> float:
    """Give a forecast, or the value at a rung, such that higher is better; no number is worse than every other."""
    value = value_at(trial, epoch)
    if value is not None and math.isfinite(value):
        value = finals.get(trial.number, value)
    return sign * value if value is not None and math.isfinite(value) else -math.inf


def has_reached(trial: SearchTrialRecord, epoch: int) -> bool:
    """Say whether a trial was trained to the end of an epoch."""
    return max(trial.intermediate_values, default=0) >= epoch


def verdict(
    pruner: Pruner | None,
    trials: Collection[SearchTrialRecord],
    trial: SearchTrialRecord,
    *,
    higher_is_better: bool,
    finals: Mapping[int, float] = EMPTY,
) -> Verdict:
    """Decide about a running trial whose last epoch is among its values.

    Args:
        pruner: of the search.
        trials: all of the search, this one among them.
        trial: as it is now.
        higher_is_better: of the objective.
        finals: what trials are forecast to end with, by number; without it a rung compares what they have there.
    """
    epoch, num_epochs = max(trial.intermediate_values, default=0), trial.num_epochs or 0
    if not 0 < epoch < num_epochs:
        return "go on"
    sign = 1 if higher_is_better else -1
    if isinstance(pruner, Halving | Hyperband):
        return _at_rung(pruner, trials, trial, sign, finals)
    if isinstance(pruner, Median):
        is_hopeless = epoch > pruner.warmup * num_epochs and _is_below_median(
            pruner, trials, trial, epoch, sign
        )
        return "prune" if is_hopeless else "go on"
    if isinstance(pruner, Patience):
        return "prune" if _is_out_of_patience(pruner, trial, epoch, sign) else "go on"
    return "go on"


def _at_rung(
    pruner: Halving | Hyperband,
    trials: Collection[SearchTrialRecord],
    trial: SearchTrialRecord,
    sign: int,
    finals: Mapping[int, float],
) -> Verdict:
    epoch = max(trial.intermediate_values)
    if pruner.promotes:
        return "pause" if trial.until_epoch is not None and epoch >= trial.until_epoch else "go on"
    earlier = max((other for other in trial.intermediate_values if other < epoch), default=0)
    for rung in rungs_of(pruner, trial.num_epochs or 0, trial.bracket):
        if earlier < rung <= epoch and trial.number not in _best_at(
            pruner, trials, rung, trial.bracket, sign, finals
        ):
            return "prune"
    return "go on"


def _at(
    trials: Collection[SearchTrialRecord], rung: int, bracket: int, sign: int, finals: Mapping[int, float]
) -> list[SearchTrialRecord]:
    """Give the trials that have reached a rung, the best first; of equal ones the earlier."""
    reached = [
        trial
        for trial in trials
        if trial.bracket == bracket
        and trial.state != "fail"
        and not trial.is_answered
        and has_reached(trial, rung)
    ]
    return sorted(reached, key=lambda trial: (-_merit(trial, rung, sign, finals), trial.number))


def _best_at(
    pruner: Halving | Hyperband,
    trials: Collection[SearchTrialRecord],
    rung: int,
    bracket: int,
    sign: int,
    finals: Mapping[int, float],
) -> set[int]:
    """Give the numbers of those that may go on beyond a rung: one of so many, and the best whatever their number."""
    reached = _at(trials, rung, bracket, sign, finals)
    return {trial.number for trial in reached[: max(1, len(reached) // pruner.one_of)]}


def promotion(
    pruner: Pruner | None,
    trials: Sequence[SearchTrialRecord],
    *,
    higher_is_better: bool,
    is_closing: bool = False,
    is_out_of_budget: bool = False,
    finals: Mapping[int, float] = EMPTY,
) -> tuple[int, int | None] | None:
    """Say which paused trial goes on now, and how far; the highest rung first.

    Args:
        pruner: of the search.
        trials: all of the search.
        higher_is_better: of the objective.
        is_closing: whether nothing more is begun and nothing runs: where no trial that was trained for the search is
            complete yet, the best of the highest rung goes on, so that a search ends with one that is.
        is_out_of_budget: whether nobody else goes on.
        finals: as in `verdict`.

    Returns:
        Its number, and the epoch of its next rung, None where it goes on to its end; or None where nobody does.
    """
    pruner = promoting(pruner)
    paused = {trial.number: trial for trial in trials if trial.state == "paused"}
    if pruner is None or not paused:
        return None
    sign = 1 if higher_is_better else -1
    stops = sorted({trial.until_epoch or 0 for trial in paused.values()}, reverse=True)
    for stop in stops:
        for bracket in sorted({trial.bracket for trial in paused.values()}):
            reached = [] if is_out_of_budget else _at(trials, stop, bracket, sign, finals)
            for trial in reached[: len(reached) // pruner.one_of]:
                if trial.number in paused and trial.until_epoch == stop:
                    return trial.number, _next_stop(pruner, trial)
    if is_closing and not any(trial.state == "complete" and not trial.is_answered for trial in trials):
        at_top = [trial for trial in paused.values() if (trial.until_epoch or 0) == stops[0]]
        best = max(at_top, key=lambda trial: (_merit(trial, stops[0], sign, finals), -trial.number))
        return best.number, _next_stop(pruner, best)
    return None


def _next_stop(pruner: Pruner, trial: SearchTrialRecord) -> int | None:
    rungs = rungs_of(pruner, trial.num_epochs or 0, trial.bracket)
    later = [rung for rung in rungs if rung > (trial.until_epoch or 0)]
    return later[0] if later else None


def _is_below_median(
    pruner: Median, trials: Collection[SearchTrialRecord], trial: SearchTrialRecord, epoch: int, sign: int
) -> bool:
    others = [
        other.intermediate_values[epoch]
        for other in trials
        if other.state == "complete" and epoch in other.intermediate_values and other.number != trial.number
    ]
    if len(others) < pruner.num_startup_trials:
        return False
    best = max(sign * value for value in trial.intermediate_values.values())
    return best < sign * statistics.median(others)


def _is_out_of_patience(pruner: Patience, trial: SearchTrialRecord, epoch: int, sign: int) -> bool:
    best_epoch, best = 0, float("-inf")
    for reached, value in _in_order(trial):
        if sign * value > best + (pruner.min_improvement if best_epoch else 0.0):
            best_epoch, best = reached, sign * value
    return epoch - best_epoch >= pruner.num_epochs


def _in_order(trial: SearchTrialRecord) -> Iterator[tuple[int, float]]:
    for epoch in sorted(trial.intermediate_values):
        yield epoch, trial.intermediate_values[epoch]
