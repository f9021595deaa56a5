"""What is wrong with a pruner for the trainings of a search: told when it is declared, as far as it can be known."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from tablewright.orchestrator.declared.pruners import (
    SHARE_OF_FIRST_RUNG,
    Halving,
    Hyperband,
    Median,
    Patience,
    Pruner,
    Wilcoxon,
    promoting,
)
from tablewright.trainables.contract.method import TrainingConfig
from tablewright.trainables.value.refusal import Fault

PRUNER, NUM_TRIALS = "pruner", "num_trials"


def faults_of_pruner(
    pruner: Pruner, num_trials: int, declared: TrainingConfig, lengths: Collection[int | None]
) -> Iterator[Fault]:
    """Find why a pruner could decide nothing, or nothing fair.

    Args:
        pruner: of the search.
        num_trials: that it makes.
        declared: the config of the first trial.
        lengths: in epochs, of the trainings that the space gives, the declared one's among them; None where a length
            is known to the training alone.
    """
    if isinstance(pruner, Wilcoxon):
        return  # it looks at whole trainings, whatever they tell
    if why := declared.why_unwatched():
        yield Fault(PRUNER, f"it decides by what epochs tell, and {why}; or leave the pruner out")
    if promoting(pruner) and (why := declared.why_unpaused()):
        kind = type(pruner).__name__
        yield Fault(
            PRUNER,
            f"it pauses trials and lets the best go on, and {why}; or end them for good, {kind}(promotes=False)",
        )
    if isinstance(pruner, Halving | Hyperband) and num_trials < pruner.one_of:
        yield Fault(
            NUM_TRIALS,
            f"of {pruner.one_of} trials at a rung one goes on, and {num_trials} come to none; ask for "
            f"{pruner.one_of} or more, or leave the pruner out",
        )
    if len(lengths) > 1 and not isinstance(pruner, Patience):
        yield Fault(PRUNER, _of_lengths(lengths))
        return
    num_epochs = declared.known_epochs()
    if num_epochs is not None and (text := _of_length(pruner, num_epochs)):
        yield Fault(PRUNER, text)


def _of_lengths(lengths: Collection[int | None]) -> str:
    known = sorted(length for length in lengths if length is not None)
    which = f"of {known[0]} to {known[-1]} epochs" if known else "of lengths that nobody knows"
    return (
        f"it compares trials at the same epoch, and the space has trainings {which}, which are not at the same point "
        "of their learning-rate schedule there; take the number of epochs out of the space, leave the pruner out, or "
        "let each trial be compared with itself, Patience(…)"
    )


def _of_length(pruner: Pruner, num_epochs: int) -> str:
    """Say why a pruner decides nothing in a training of so many epochs; empty where it may."""
    if num_epochs == 1:
        return "it decides between epochs, and a training has 1; leave the pruner out, or train for more"
    if isinstance(pruner, Halving | Hyperband) and pruner.first_rung(num_epochs) >= num_epochs:
        return (
            f"the first rung, at epoch {pruner.first_rung(num_epochs)}, is not before the end of a training of "
            f"{num_epochs}; give first_epoch=… below it, or none for a {SHARE_OF_FIRST_RUNG}th of the training"
        )
    if isinstance(pruner, Median) and pruner.warmup * num_epochs >= num_epochs - 1:
        return (
            f"it ends nothing before {pruner.warmup:g} of a training has passed, and in one of {num_epochs} epochs "
            f"none is left to decide after; give warmup=… below {(num_epochs - 1) / num_epochs:.2g}"
        )
    if isinstance(pruner, Patience) and pruner.num_epochs >= num_epochs - 1:
        return (
            f"a patience of {pruner.num_epochs} epochs does not end before a training of {num_epochs} does; give fewer "
            f"than {num_epochs - 1}"
        )
    return ""
