"""What trainings and sweeps tell with the signs of life of their claims, for people on any machine that sees the store.

It decides nothing. Who reads it needs neither Ray nor a connection to whoever tells it, and it is as old as the last
sign, which an owner gives every `claims.RENEW_EVERY_S`. With the same look at the store a running training hears that
somebody has cancelled it.
"""

from __future__ import annotations

import datetime
import logging
import os
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import psutil
from pydantic import TypeAdapter, ValidationError

from tablewright.orchestrator.store.claims import Claims
from tablewright.orchestrator.store.record import now
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_folder import TrainingFolder
from tablewright.trainables.contract.run import Runtime

SWEEPS = "sweeps"
"""Folder of the store in which sweeps and agents say that they run."""
FORGOTTEN_AFTER = datetime.timedelta(days=1)
"""A sweep of another machine that has given no sign for so long is not coming back, whatever its clock."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingSign:
    """What the process of a running training tells.

    Attributes:
        label: of the training, for people.
        study: the first one that asked for it.
        started_by: who started the sweep or agent.
        command_line: of that, without secrets.
        device: such as `GPU 3`, or how many cores.
        started_at: when this attempt began.
        signed_at: when this was told, by the clock of the machine that trains.
        host_memory_bytes: of the process and what it has started.
        gpu_memory_bytes: what torch holds in the process; None where it holds no GPU.
        doing: long work that no epoch tells of, and how far it is; empty between.
    """

    label: str
    study: str
    started_by: str
    command_line: str
    device: str
    started_at: datetime.datetime
    signed_at: datetime.datetime
    host_memory_bytes: int
    gpu_memory_bytes: int | None = None
    doing: str = ""


@dataclass(frozen=True)
class SweepSign:
    """What a running sweep or agent tells.

    Attributes:
        studies: that it fills.
        started_by: who started it.
        command_line: by which it was.
        started_at: when it began to train.
        signed_at: when this was told.
        num_running: trainings that it runs now, or has handed to its cluster.
        num_queued: that it has not begun: they wait for their turn, or for an equal one.
        num_aside: that others on the store are at.
        waits_for: why nothing starts, where it knows; a sentence each.
        links: name -> URL of what shows more, such as Ray's dashboard.
    """

    studies: tuple[str, ...]
    started_by: str
    command_line: str
    started_at: datetime.datetime
    signed_at: datetime.datetime
    num_running: int
    num_queued: int
    num_aside: int
    waits_for: tuple[str, ...] = ()
    links: Mapping[str, str] | None = None


SignT = TypeVar("SignT", TrainingSign, SweepSign)


def told_of(sign: TrainingSign | SweepSign) -> Mapping[str, Any]:
    """Write a sign as a claim holds it."""
    return TypeAdapter(type(sign)).dump_python(sign, mode="json")


def sign_from(told: Mapping[str, Any], kind: type[SignT]) -> SignT | None:
    """Read a sign; None where an older version, or nobody, has told one."""
    try:
        return TypeAdapter(kind).validate_python(told)
    except ValidationError:
        return None


class AttemptSigns:
    """Gives the signs of one attempt, and hears with each whether the training was cancelled.

    Attributes:
        is_cancelled: whether it was, as the last sign has found it.
        doing: what the next one tells of long work.
    """

    def __init__(
        self,
        training: TrainingFolder,
        label: str,
        study: str,
        runtime: Runtime,
        on_cancelled: Callable[[], None],
    ) -> None:
        """Tell nothing yet.

        Args:
            training: whose attempt it is; a folder that is asked anew each time.
            label: of it.
            study: that asked for it.
            runtime: of the machine that trains.
            on_cancelled: called once, from the thread that gives the signs.
        """
        self._training, self._runtime, self._on_cancelled = training, runtime, on_cancelled
        self._label, self._study = label, study
        self._started_at = now()
        self._has_signed = False
        self.is_cancelled = False
        self.doing = ""

    def __call__(self) -> Mapping[str, Any]:
        """Give the next one; the first asks nothing of the store, which the attempt reads by itself."""
        if self._has_signed and not self.is_cancelled and self._training.is_cancelled():
            self.is_cancelled = True
            self._on_cancelled()
        self._has_signed = True
        return told_of(
            TrainingSign(
                label=self._label,
                study=self._study,
                started_by=self._runtime.owner,
                command_line=self._runtime.command_line,
                device=_device_in_words(self._runtime),
                started_at=self._started_at,
                signed_at=now(),
                host_memory_bytes=_host_memory_bytes(),
                gpu_memory_bytes=_gpu_memory_bytes(),
                doing=self.doing,
            )
        )


@contextmanager
def announced(store: Store, sign: Callable[[], SweepSign]) -> Generator[None]:
    """Let everybody who sees the store know of a sweep as long as it runs; what others left who were killed is removed.

    A store that takes no sign now costs the sweep nothing.
    """
    claims, claim = Claims(store, SWEEPS), None
    try:
        _clear_dead(store, claims)
        claim = claims.take_new(lambda: told_of(sign()))
    except Exception as error:  # each kind of store raises its own
        logger.info("the sweep cannot be announced in the store: %s", error)
    try:
        yield
    finally:
        if claim is not None:
            claim.release()


def _clear_dead(store: Store, claims: Claims) -> None:
    for name in claims.names():
        owner = claims.last_owner(name)
        sign = None if owner is None else sign_from(owner.told, SweepSign)
        is_old = sign is not None and now() - sign.signed_at > FORGOTTEN_AFTER
        if is_old or (owner is not None and owner.is_known_to_be_dead()):
            (store.root / SWEEPS).remove_files(f"{name}.1.json")


def _device_in_words(runtime: Runtime) -> str:
    """Name the GPUs by the numbers that they have on their machine, where the process was given some of them."""
    if runtime.device == "cpu":
        return "CPU" if runtime.cpus is None else f"{runtime.cpus:g} CPU"
    part = f" (a part of {runtime.gpus:g})" if 0 < runtime.gpus < 1 else ""
    return f"GPU {os.environ.get('CUDA_VISIBLE_DEVICES', '')}".strip() + part


def _host_memory_bytes() -> int:
    used_bytes, process = 0, psutil.Process()
    for one in (process, *process.children(recursive=True)):
        try:
            used_bytes += one.memory_info().rss
        except psutil.Error:  # it has ended
            continue
    return used_bytes


def _gpu_memory_bytes() -> int | None:
    """Ask torch, where the training has loaded it and uses a GPU; it is not loaded for this."""
    torch: Any = sys.modules.get("torch")
    try:
        if torch is None or not torch.cuda.is_initialized():
            return None
        return sum(int(torch.cuda.memory_reserved(place)) for place in range(torch.cuda.device_count()))
    except (
        Exception
    ):  # it is being loaded just now, or its device is broken, which the training tells by itself
        return None
