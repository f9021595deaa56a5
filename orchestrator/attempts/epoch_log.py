"""What a running training has reported, and when it is written.

The file of all epochs is written whole, so that it is whole whenever it is read. Written after each epoch it would cost
the more the longer a training lasts; it is written at most once a second, and less often where it is long. It is always
written before a checkpoint, so that a training that goes on from one has every report up to it, and at the end.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager

from tablewright.orchestrator.store.folder import Folder
from tablewright.orchestrator.store.training_folder import TrainingFolder
from tablewright.trainables.contract.run import EpochReport

WRITE_EVERY_S = 1.0
"""Whoever looks at a running training sees it as it was so long ago, or a little longer."""
MAX_SHARE = 0.02
"""Of a training's time that writing its epochs may take."""


class EpochLog:
    """The reports of one attempt, and of those before it, by epoch; a checkpoint may be written by another thread."""

    def __init__(self, folder: TrainingFolder, before: Iterable[EpochReport]) -> None:
        """Go on from what earlier attempts have reported."""
        self._folder = folder
        self._reports = {report.epoch: report for report in before}
        self._is_pending = self._is_together = False
        self._next_at_s = 0.0
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[EpochReport]:
        """Give the reports in the order in which they came first."""
        return iter(list(self._reports.values()))

    def __len__(self) -> int:
        """Count the epochs that are known."""
        return len(self._reports)

    def add(self, report: EpochReport) -> None:
        """Take a report; one of an epoch that is repeated replaces the earlier one."""
        with self._lock:
            is_known = self._reports.get(report.epoch) == report
            self._reports[report.epoch] = report
            self._is_pending = self._is_pending or not is_known
        if not self._is_together and time.monotonic() >= self._next_at_s:
            self.write()

    def write(self) -> None:
        """Write what is not written yet; what another attempt has recorded meanwhile stays as it is."""
        with self._lock:
            if not self._is_pending:
                return
            self._folder.look()
            if self._folder.is_done():
                return
            begun_s = time.monotonic()
            self._folder.write_epochs([self._reports[epoch] for epoch in sorted(self._reports)])
            ended_s = time.monotonic()
            self._next_at_s = ended_s + max(WRITE_EVERY_S, (ended_s - begun_s) / MAX_SHARE)
            self._is_pending = False

    @contextmanager
    def together(self) -> Generator[None]:
        """Take several reports that are known at once, and write them once."""
        self._is_together = True
        try:
            yield
        finally:
            self._is_together = False
            self.write()

    @contextmanager
    def kept_before(self, checkpoints: Folder) -> Generator[Folder]:
        """Give a folder in which no checkpoint appears before the reports up to it; the rest is written at the end."""
        try:
            yield checkpoints.written_after(self.write)
        except BaseException:
            with contextlib.suppress(Exception):  # why the training ended is what must be told
                self.write()
            raise
        self.write()
