"""How far a running sweep is: a listener that counts, for whoever shows it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tablewright.orchestrator.trial import Outcome, Progress, Work


@dataclass
class RunningTraining:
    """A training that runs now."""

    label: str
    epoch: int = 0
    num_epochs: int = 0
    loss: float = float("nan")
    started_at_s: float = field(default_factory=time.monotonic)


class SweepProgress:
    """Counts trainings done, running and left; a `Listener`."""

    def __init__(self, num_planned: int, num_recorded: int) -> None:
        """Start the clock.

        Args:
            num_planned: unique trainings of the plan.
            num_recorded: of those, the ones that were finished before this sweep.
        """
        self.num_planned = num_planned
        self.num_recorded = num_recorded
        self.ended: list[tuple[Work, Outcome, float]] = []
        self.running: dict[str, RunningTraining] = {}
        self._started_at_s = time.monotonic()
        self._num_running_at_most = 1

    def on_start(self, work: Work) -> None:
        """Add a running training."""
        self.running[work.training_id] = RunningTraining(work.label, num_epochs=work.config.planned_epochs())
        self._num_running_at_most = max(self._num_running_at_most, len(self.running))

    def on_progress(self, work: Work, progress: Progress) -> None:
        """Move a running training on."""
        training = self.running.setdefault(work.training_id, RunningTraining(work.label))
        training.epoch, training.num_epochs = progress.report.epoch, progress.report.num_epochs
        training.loss = progress.report.metrics.get("loss", float("nan"))

    def on_end(self, work: Work, outcome: Outcome) -> None:
        """Take a training off the running ones."""
        training = self.running.pop(work.training_id, None)
        wall_s = time.monotonic() - training.started_at_s if training else 0.0
        self.ended.append((work, outcome, wall_s))

    @property
    def wall_s(self) -> float:
        """Time since the start of the sweep."""
        return time.monotonic() - self._started_at_s

    def count(self, state: str) -> int:
        """Count the trainings of this sweep that ended in a state."""
        return sum(outcome.state == state for _, outcome, _ in self.ended)

    def num_left(self) -> int:
        """Count the trainings neither finished before nor ended now, the running ones among them."""
        return max(self.num_planned - self.num_recorded - len(self.ended), len(self.running))

    def left_s(self) -> float | None:
        """Estimate the time left from the trainings that ended; None before the first has."""
        # What other hands have done took no time here.
        walls_s = [wall_s for _, outcome, wall_s in self.ended if outcome.state == "done" and wall_s > 0]
        if not walls_s:
            return None
        mean_s = sum(walls_s) / len(walls_s)
        spent_s = sum(time.monotonic() - training.started_at_s for training in self.running.values())
        return max(self.num_left() * mean_s - spent_s, 0.0) / self._num_running_at_most
