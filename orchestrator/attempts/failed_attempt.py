"""What becomes of an attempt that has raised: whose fault it was, what is recorded, whether it is tried again."""

from __future__ import annotations

import logging
import platform
from contextlib import suppress
from typing import Protocol

from tablewright.orchestrator.attempts.as_planned import OtherCode, OtherData, SmallCard
from tablewright.orchestrator.attempts.attempt_end import MachineFault
from tablewright.orchestrator.attempts.device_probe import fault_of_device
from tablewright.orchestrator.attempts.failure_text import (
    MAX_WHOLE_BYTES,
    as_message,
    as_trace,
    encodable,
    is_cut,
    trace_of,
    words_of,
)
from tablewright.orchestrator.attempts.fault_kind import FaultKind, kind_of
from tablewright.orchestrator.attempts.trial_hooks import TrialHooks
from tablewright.orchestrator.plans.lost_weights import WeightsGone
from tablewright.orchestrator.plans.memory_need import in_gb
from tablewright.orchestrator.store.record import now
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_folder import TrainingFolder
from tablewright.orchestrator.store.training_records import FailureRecord
from tablewright.orchestrator.work import Outcome, Work
from tablewright.trainables.contract.device_memory import DeviceMemory, memory_of
from tablewright.trainables.contract.run import (
    Runtime,
)
from tablewright.trainables.value.secret import masked

MAX_STALLS = 2
"""Attempts of one sweep at one training that may hang."""


NEIGHBOUR_BYTES = 1_000_000_000
"""Of a GPU that a training has to itself: others that hold more are why it ran out of memory. A program that only
watches the GPU holds half of it."""


logger = logging.getLogger(__name__)


class StalledTooOften(Exception):
    """Earlier attempts of this sweep have hung."""

    def __init__(self, stall: FailureRecord) -> None:
        super().__init__(stall.message)
        self.stall = stall


class IsTraining(Protocol):
    """Names a training, such as `Work` does."""

    @property
    def training_id(self) -> str:
        """Its identity."""
        ...

    @property
    def label(self) -> str:
        """For people."""
        ...


def failure_of(
    work: IsTraining, message: str, trace: str = "", *, kind: FaultKind = "training"
) -> FailureRecord:
    """Describe a failure on this machine, in short and, where there is more to say, as far as a record can hold it."""
    return FailureRecord(
        training_id=work.training_id,
        label=work.label,
        message=as_message(masked(message)),
        traceback=as_trace(masked(trace or message)),
        host=platform.node(),
        failed_at=now(),
        kind=kind,
    )


def end_as_failed(work: Work, store: Store, failure: FailureRecord) -> Outcome:
    """Record why no further attempt is made, unless another one has succeeded; never raises.

    A store that cannot be written to must not end the sweep too: the failure is then only told.
    """
    folder = store.training(work.training_id)
    try:
        if folder.is_done() and set(work.views) <= folder.measured_views():
            return Outcome("done")
        folder.write_failure(failure)
    except Exception as error:
        logger.warning("%s: its failure cannot be recorded: %s", work.label, error)
        return Outcome("failed", failure.message, failure)
    return Outcome("failed", failure.message)


def refuse_after_stalls(folder: TrainingFolder, sweep: str) -> None:
    """Begin no further attempt where those of this sweep have hung.

    Raises:
        StalledTooOften: with the last one.
    """
    stalls = folder.stalls(sweep)
    if len(stalls) >= MAX_STALLS:
        raise StalledTooOften(stalls[-1])


def end_by(error: BaseException, work: Work, store: Store, runtime: Runtime, hooks: TrialHooks) -> Outcome:
    """Record what was raised, or have it tried again."""
    folder = store.training(work.training_id)
    is_told = isinstance(error, OtherData | OtherCode | SmallCard | WeightsGone)
    message, trace = str(error) if is_told else words_of(error), trace_of(error)
    kind: FaultKind = "machine" if isinstance(error, OtherData) else "training"
    if not is_told:
        is_on_device = runtime.device == "cuda"
        kind, known = kind_of(error, fault_of_device if is_on_device else lambda: "")
        if kind == "device":
            message = f"the device does not work: {known} (the training ended with {message})"
        elif kind == "memory":
            kind, known = _whose_memory(known, memory_of(runtime.device), runtime)
            message = f"out of memory of the device: {known}. {message}" if known else message
    if is_cut(message, trace):
        _keep_whole(folder, trace if words_of(error) in trace else f"{message}\n\n{trace}")
    failure = failure_of(work, message, trace, kind=kind)
    if kind == "stall":
        with suppress(Exception):  # the store, whose fault is told when it fails is recorded
            folder.mark_stalled(failure, sweep=hooks.sweep)
            if folder.num_stalls(hooks.sweep) >= MAX_STALLS:
                return end_as_failed(work, store, failure)
    if kind != "training":
        raise MachineFault(failure) from error
    return end_as_failed(work, store, failure)


def _whose_memory(known: str, memory: DeviceMemory, runtime: Runtime) -> tuple[FaultKind, str]:
    """Say whether a training, or others on its GPU, have used up the memory, and what is known of it.

    Of a part of a GPU others have the rest anyway: it is given a larger one.
    """
    if 0 < runtime.gpus < 1:
        return "memory", known
    others_bytes, card = memory.others_bytes(), memory.card()
    if others_bytes > NEIGHBOUR_BYTES:
        held = f"other processes, which are none of this sweep's, hold {in_gb(others_bytes)} of it"
        return "machine", "; ".join(filter(None, [held, known]))
    whole = f"it had the whole of {card.name}, {in_gb(card.memory_bytes)}" if card is not None else ""
    return "memory", "; ".join(filter(None, [whole, known]))


def _keep_whole(folder: TrainingFolder, text: str) -> None:
    content = encodable(text).encode()
    if len(content) > MAX_WHOLE_BYTES:
        word = f"\n[… {len(content) - MAX_WHOLE_BYTES} bytes were cut here …]\n".encode()
        content = content[: MAX_WHOLE_BYTES // 2] + word + content[-MAX_WHOLE_BYTES // 2 :]
    try:
        folder.write_failure_text(content)
    except Exception as error:  # the record says the most of it
        logger.warning("the whole text of a failure cannot be kept: %s", error)
