"""Keeping the state of a training while it goes on: copied between two steps, written by a thread."""

from __future__ import annotations

import threading
import time
import warnings
from types import TracebackType
from typing import Any, Self

from tablewright.trainables.training.checkpoint_pace import CheckpointPace
from tablewright.trainables.training.host_copy import HostCopy
from tablewright.trainables.training.resume_files import ResumeFiles, Unwanted
from tablewright.trainables.training.saving import save


class BackgroundCheckpoints:
    """Writes one state at a time while the training goes on.

    One that is due while another is being written waits for the first step after that. One that cannot be written is
    told, and tried again when the next is due; only a stop has to save. Used as a context: after an error what is
    being written is brought to its end, for whoever goes on from it; a training that is through needs it no more.

    Args:
        files: where the state is kept.
        every_s: time between two; None lets it follow from what one costs.
    """

    def __init__(self, files: ResumeFiles, every_s: float | None) -> None:
        self._files = files
        self._pace = CheckpointPace(every_s)
        self._copy = HostCopy()
        self._taken_at_s = time.monotonic()
        self._thread: threading.Thread | None = None
        self._is_wanted = True
        self._fault: Exception | None = None
        self._took = (0.0, 0.0)  # wall and processor time of the last writing

    def __enter__(self) -> Self:
        """Begin to count the time."""
        self._taken_at_s = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave no thread behind."""
        self._is_wanted = kind is not None
        self.wait()

    def is_due(self) -> bool:
        """Say whether a state is to be taken at this step."""
        if self._thread is not None:
            if self._thread.is_alive():
                return False
            self.wait()
        return time.monotonic() - self._taken_at_s >= self.interval_s

    @property
    def interval_s(self) -> float:
        """Time from one checkpoint to the next, as it follows from the last one."""
        return self._pace.interval_s

    def take(self, state: Any) -> None:
        """Copy a state, and begin to write it."""
        begun_s = time.monotonic()
        self.wait()
        try:
            self._copy.take(state)
        except MemoryError:
            warnings.warn(
                "there is no memory for a copy of the training's state, so that checkpoints are written between two "
                "steps, which holds the training up",
                stacklevel=2,
            )
            self.write(state)
            return
        self._taken_at_s = time.monotonic()
        self._pace.hold_up(self._taken_at_s - begun_s)
        self._thread = threading.Thread(target=self._write, name="checkpoint", daemon=True)
        self._thread.start()

    def count_step(self, wall_s: float, *, was_writing: bool) -> None:
        """Count a step, by which it is known how much writing slows the training.

        Args:
            wall_s: that it took.
            was_writing: whether a state was being written when it began.
        """
        self._pace.step(wall_s, is_writing=was_writing)

    @property
    def is_writing(self) -> bool:
        """Whether a state is being written."""
        return self._thread is not None and self._thread.is_alive()

    def write(self, state: Any) -> None:
        """Write a state before anything else happens, as on a stop.

        Raises:
            OSError: it cannot be written.
        """
        self.wait()
        self._files.write(lambda file: save(state, file))
        self._taken_at_s = time.monotonic()

    def wait(self) -> None:
        """Return once nothing is being written."""
        if self._thread is None:
            return
        self._thread.join()
        self._thread = None
        fault, self._fault = self._fault, None
        if fault is None:
            self._pace.end(*self._took)
        elif not isinstance(fault, Unwanted):
            warnings.warn(
                f"a checkpoint could not be written, and until the next one is, a kill costs more: "
                f"{type(fault).__name__}: {fault}",
                stacklevel=3,
            )

    def _write(self) -> None:
        begun_s, begun_cpu_s = time.monotonic(), time.thread_time()
        try:
            self._files.write(self._copy.write_to, lambda: self._is_wanted)
        except (
            Exception
        ) as fault:  # an object store raises one of many kinds; the training is told at its next step
            self._fault = fault
        self._took = time.monotonic() - begun_s, time.thread_time() - begun_cpu_s
