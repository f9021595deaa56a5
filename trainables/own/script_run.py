"""One run of a script, followed from its start to its end: progress, silence, stopping, going on."""

from __future__ import annotations

import json
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tablewright.trainables.contract.method import TrainingConfig
from tablewright.trainables.contract.run import (
    RESUME_CHECKPOINT,
    CheckpointFolder,
    EpochReport,
    FitHooks,
    Runtime,
    TrainingStopped,
)
from tablewright.trainables.own.script_command import Command, paths_in_out
from tablewright.trainables.own.script_folder import OutFolder
from tablewright.trainables.own.script_process import POLL_S, ScriptProcess, ScriptStalled
from tablewright.trainables.own.script_results import ProgressFile

KEEP_EVERY_S = 60.0
"""How often what it has written is brought to an object store, which holds up nothing of the script."""
REPORT_PAUSE = 20.0
"""How long nothing is told of its progress after something was, in times of how long the telling took."""


@dataclass(frozen=True)
class Running:
    """How a script is run.

    Attributes:
        command: with its places.
        folder: in which it runs.
        progress_file: in `{out}`; None where there is none.
        resume: words by which it goes on; None where it begins again.
        silent_limit_s: it is ended when nothing is seen of it for so long.
    """

    command: Command
    folder: Path
    progress_file: str | None
    resume: tuple[str, ...] | None
    silent_limit_s: float


class ScriptRun:
    """One attempt at a training by a script."""

    def __init__(
        self,
        running: Running,
        planned_epochs: int,
        runtime: Runtime,
        checkpoints: CheckpointFolder,
        hooks: FitHooks,
        out: OutFolder,
    ) -> None:
        """Prepare it; nothing is started."""
        self._running, self._planned_epochs, self._out = running, planned_epochs, out
        self._runtime, self._checkpoints, self._hooks = runtime, checkpoints, hooks
        every_s = runtime.checkpoint_every_s
        self._keep_every_s = KEEP_EVERY_S if every_s is None else every_s
        name = running.progress_file
        self._progress = None if name is None else ProgressFile(out.path / name)
        self._told_at_s = self._kept_at_s = self._changed_at_s = self._looked_at_s = time.monotonic()
        self._stamps = out.stamps()
        self._report_at_s = 0.0

    def to_its_end(self, config: TrainingConfig) -> None:
        """Run it.

        Raises:
            ScriptFailed: it ended otherwise.
            TrainingStopped: it was asked to stop, and has ended.
        """
        further = self._go_on()
        with tempfile.TemporaryDirectory(prefix="tablewright-script-") as scratch:
            words = self._running.command.fill(config, out=self._out.path, scratch=Path(scratch))
            # A training that has no GPU of its own must not take one that nobody counts.
            hidden = {"CUDA_VISIBLE_DEVICES": ""} if self._runtime.device == "cpu" else {}
            process = ScriptProcess(
                [*words, *further],
                folder=self._running.folder,
                environment=hidden,
                kept_open=[self._out.lock],
                on_printed=self._hooks.printed,
            )
            try:
                with process:
                    self._follow(process)
            finally:  # once nothing writes into the folder any more
                self._keep()
        process.refuse_bad_end()

    def _go_on(self) -> Sequence[str]:
        """Prepare to go on where an interrupted attempt was, or to begin; gives the words to be added."""
        self._out.fetch()
        resume = self._running.resume
        if resume is not None:
            paths = paths_in_out(resume, self._out.path)
            is_begun = all(map(_holds_anything, paths or [self._out.path]))
            if is_begun:
                self._take_up()
                return self._running.command.fill_further(resume, self._out.path)
        self._out.clear()
        return ()

    def _take_up(self) -> None:
        """Find what was told before it was interrupted."""
        num_told_bytes = 0
        if self._checkpoints.exists(RESUME_CHECKPOINT):
            with self._checkpoints.open_to_read(RESUME_CHECKPOINT) as file:
                num_told_bytes = json.loads(file.read())["progress_bytes"]
        if self._progress is not None:
            self._progress.skip(num_told_bytes)

    def _follow(self, process: ScriptProcess) -> None:
        while process.is_running():
            self._report_when_due()
            if self._hooks.should_stop():
                process.stop()
                self._report()
                raise TrainingStopped
            now_s = time.monotonic()
            if now_s - self._kept_at_s >= self._keep_every_s:
                self._keep()
            self._refuse_silence(process, now_s)
            time.sleep(POLL_S)
        self._report(is_ended=True)
        if self._progress is not None and not self._progress.exists():
            warnings.warn(f"it wrote no {self._running.progress_file}, its progress_file", stacklevel=2)

    def _report_when_due(self) -> None:
        """Tell what is new, but so rarely that it costs little beside the waiting, however fast the script writes."""
        begun_s = time.monotonic()
        if begun_s >= self._report_at_s:
            self._report(until=self._hooks.should_stop)
            self._report_at_s = begun_s + REPORT_PAUSE * (time.monotonic() - begun_s)

    def _report(self, *, is_ended: bool = False, until: Callable[[], bool] = lambda: False) -> None:
        """Tell what it has written of its progress, as one, until there is no more or a condition holds."""
        if self._progress is None:
            return
        num_told_bytes = self._progress.num_read_bytes
        with self._hooks.together():
            for line in self._progress.new_lines(is_ended=is_ended):
                now_s = time.monotonic()
                report = EpochReport(
                    line.epoch, max(self._planned_epochs, line.epoch), line.metrics, now_s - self._told_at_s
                )
                self._told_at_s = now_s
                self._hooks.on_epoch(report, line.results)
                if until():
                    break
        if self._progress.num_read_bytes != num_told_bytes:
            with self._checkpoints.open_to_write(RESUME_CHECKPOINT) as file:
                file.write(json.dumps({"progress_bytes": self._progress.num_read_bytes}).encode())

    def _keep(self) -> None:
        self._out.keep()
        self._kept_at_s = time.monotonic()

    def _refuse_silence(self, process: ScriptProcess, now_s: float) -> None:
        limits_s = {"silent_limit_s": self._running.silent_limit_s}
        if self._runtime.stall_s is not None:
            limits_s["--stall-minutes"] = self._runtime.stall_s
        which = min(limits_s, key=limits_s.__getitem__)
        limit_s = limits_s[which]
        if now_s - self._looked_at_s >= limit_s / 20:
            self._looked_at_s, stamps = now_s, self._out.stamps()
            if stamps != self._stamps:
                self._stamps, self._changed_at_s = stamps, now_s
        if now_s - max(self._changed_at_s, process.output.changed_at_s) > limit_s:
            said = process.output.last_lines()
            process.stop()  # what it prints then often says where it hung
            failure = process.failure(
                f"neither printed anything nor changed a file in {{out}} for {limit_s:g} s ({which}), and was ended",
                said[-1] if said else "it had printed nothing",
            )
            raise ScriptStalled(str(failure))


def _holds_anything(path: Path) -> bool:
    """Say whether a file is there, or a folder with anything in it."""
    return any(path.iterdir()) if path.is_dir() else path.exists()
