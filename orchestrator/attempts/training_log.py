"""The log of one training: what its attempts printed, where and when they ran, and why it ended; in one text."""

from __future__ import annotations

from collections.abc import Iterator

from tablewright.orchestrator.finding import FoundTraining
from tablewright.orchestrator.store.claims import Claims, training_claim
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_folder import TrainingFolder


def read_log(store: Store, found: FoundTraining) -> Iterator[str]:
    """Read it, of a running training as far as it has come; gives it piece by piece, why it ended last.

    What a training prints beside an object store is sent there once a minute.
    """
    training = store.training(found.training_id)
    yield f"{found}\n"
    yield from (f"{line}\n" for line in _history(store, training))
    output = training.output()
    yield "\n" if output else "\nNothing that it printed is kept.\n"
    if output:
        yield f"{output.decode(errors='replace').rstrip()}\n"
    yield from _why_it_ended(training)


def _history(store: Store, training: TrainingFolder) -> Iterator[str]:
    faults: list[str] = []
    for number, attempt in enumerate(training.attempts(faults), start=1):
        ended = f"; {attempt.stall.message}" if attempt.stall is not None else ""
        yield (
            f"attempt {number}: begun at {attempt.started_at:%Y-%m-%d %H:%M:%S} UTC on {attempt.host}, process "
            f"{attempt.pid}{ended}"
        )
    yield from faults
    try:
        record = training.record()
    except DamagedFile as error:
        yield str(error)
        return
    if record is not None:
        yield (
            f"done: begun at {record.started_at:%Y-%m-%d %H:%M:%S} UTC, ended at {record.ended_at:%Y-%m-%d %H:%M:%S} "
            f"UTC on {record.host}, in attempt {record.attempts}"
        )
        return
    owner = Claims(store).owner(training_claim(training.training_id))
    if owner is not None:
        yield f"it runs now: {owner}"


def _why_it_ended(training: TrainingFolder) -> Iterator[str]:
    if cancelled := training.cancelled():
        yield f"\n{cancelled}\n"
    try:
        failure = training.failure()
    except DamagedFile as error:
        yield f"\n{error}\n"
        return
    if failure is not None:
        kind = "" if failure.kind == "training" else f", a fault of kind {failure.kind!r}"
        yield f"\nfailed at {failure.failed_at:%Y-%m-%d %H:%M:%S} UTC on {failure.host}{kind}: {failure.message}\n"
        yield f"{(training.failure_text() or failure.traceback).rstrip()}\n"
