"""What a person orders of one training while sweeps and agents run: that it ends, or that it is tried again.

An order is a file of the store, written on any machine that sees it. Who runs the training sees that it is cancelled at
the next sign of life of its claim; a sweep that has seen it fail looks now and then whether it is to be tried again.
"""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Iterable

from tablewright.orchestrator.code.user import user_name
from tablewright.orchestrator.finding import FoundTraining
from tablewright.orchestrator.store.claims import RENEW_EVERY_S, Claims, training_claim
from tablewright.orchestrator.store.record import now
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_records import Cancellation, RetryOrder

LOOK_EVERY_S = 5.0
"""How often a sweep looks whether something that has failed in it is to be tried again."""

logger = logging.getLogger(__name__)


def cancel_training(store: Store, found: FoundTraining) -> str:
    """Have a training end, wherever it runs, and not begin again; gives what happens now, in words.

    Raises:
        ValueError: it is trained, or cancelled already.
    """
    training = store.training(found.training_id)
    if training.is_done():
        raise ValueError(
            f"--cancel: {found} is trained, and its record stands; nothing is left to cancel. Where no table needs it "
            "any more, take its row out of the study, and --gc --trainings names it"
        )
    if cancelled := training.cancelled():
        raise ValueError(f"--cancel: {found} was {cancelled} already; --retry has it tried again")
    training.write_cancellation(
        Cancellation(
            training_id=found.training_id,
            label=found.label,
            cancelled_by=user_name(),
            host=platform.node(),
            cancelled_at=now(),
        )
    )
    store.remove_retries([found.training_id])
    owner = Claims(store).owner(training_claim(found.training_id))
    if owner is None:
        return f"{found} is cancelled; it does not run now, and nobody begins it"
    return (
        f"{found} is cancelled; {owner} sees it within {RENEW_EVERY_S:.0f} s, saves its state and ends. --retry goes "
        "on from there"
    )


def retry_training(store: Store, found: FoundTraining) -> str:
    """Have a training that failed or was cancelled tried again at once; gives what happens now, in words.

    Raises:
        ValueError: it neither failed nor was cancelled.
        DamagedFile: a suggestion of a search that asked for it cannot be read.
    """
    training = store.training(found.training_id)
    if training.is_cancelled():
        training.remove_cancellation()
    elif training.failure_message() is None:
        owner = Claims(store).owner(training_claim(found.training_id))
        if training.is_done():
            state = "is done"
        elif owner is not None:
            state = f"runs now, in the hands of {owner}"
        else:
            state = "has not failed; the sweep that runs, or the next one, trains it in its turn"
        raise ValueError(
            f"--retry: {found} {state}; only what failed or was cancelled is tried again. --status of its study shows "
            "which that is"
        )
    _reopen_suggestions(store, found.training_id)
    store.order_retry(RetryOrder(training_id=found.training_id, asked_by=user_name(), asked_at=now()))
    return f"{found} is tried again by the sweep that runs its study, at once, or else by the next one"


def _reopen_suggestions(store: Store, training_id: str) -> None:
    """Let searches ask again for what had failed for good; one that runs now does so when it is run again."""
    listed = store.listed()
    for search_id in listed.search_ids():
        for trial in listed.search_trials(search_id):
            if training_id in trial.training_ids and trial.state == "fail":
                again = trial.model_copy(update={"state": "running", "num_failures": 0})
                store.reopen_search_trial(search_id, again)


class Retries:
    """The orders to try something again, as one sweep sees them."""

    def __init__(self, store: Store) -> None:
        """Look at nothing yet."""
        self._store = store
        self._looked_at_s = float("-inf")

    def ordered(self, *, looks_now: bool = False) -> set[str]:
        """Give the trainings that are to be tried again; nothing where it was asked a moment ago."""
        now_s = time.monotonic()
        if not looks_now and now_s - self._looked_at_s < LOOK_EVERY_S:
            return set()
        self._looked_at_s = now_s
        try:
            return self._store.ordered_retries()
        except Exception as error:  # each kind of store raises its own; it is asked again
            logger.info("it cannot be seen what is to be tried again: %s", error)
            return set()

    def carry_out(self, training_ids: Iterable[str]) -> None:
        """Forget those of trainings that are handed out now."""
        try:
            self._store.remove_retries(training_ids)
        except Exception as error:  # then one of them may be tried once more than was asked for
            logger.info("an order to try again could not be removed: %s", error)
