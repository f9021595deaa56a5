"""How far a running sweep is: a listener that counts, for whoever shows it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tablewright.orchestrator.work import Outcome, Progress, Work
from tablewright.trainables.value.long_work import Telling


@dataclass
class RunningTraining:
    """A training that runs now.

    Attributes:
        label: for people.
        epoch: that it has reported.
        num_epochs: of how many.
        loss: of that epoch.
        started_at_s: by the monotonic clock.
        doing: long work that no epoch tells of, since the last epoch.
        told_at_s: when it was told, by the same clock.
    """

    label: str
    epoch: int = 0
    num_epochs: int = 0
    loss: float = float("nan")
    started_at_s: float = field(default_factory=lambda: time.monotonic())
    doing: Telling | None = None
    told_at_s: float = 0.0

    def left_s(self, usual_s: float) -> float:
        """Estimate what is left of it: by how long others took, and by what it tells of long work."""
        now_s = time.monotonic()
        by_others_s = usual_s - (now_s - self.started_at_s)
        told_s = self.doing.left_s if self.doing is not None else None
        by_itself_s = 0.0 if told_s is None else told_s - (now_s - self.told_at_s)
        return max(by_others_s, by_itself_s, 0.0)


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
        training.doing = None

    def on_told(self, work: Work, telling: Telling) -> None:
        """Keep how far long work is."""
        training = self.running.setdefault(work.training_id, RunningTraining(work.label))
        training.doing, training.told_at_s = telling, time.monotonic()

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
        """Estimate the time left from the trainings that ended, and from what running ones tell; else None."""
        # What other hands have done took no time here.
        walls_s = [wall_s for _, outcome, wall_s in self.ended if outcome.state == "done" and wall_s > 0]
        running = list(self.running.values())
        num_waiting = self.num_left() - len(running)
        is_told = all(
            training.doing is not None and training.doing.left_s is not None for training in running
        )
        if not walls_s and (num_waiting or not running or not is_told):
            return None
        mean_s = sum(walls_s) / len(walls_s) if walls_s else 0.0
        lefts_s = [training.left_s(mean_s) for training in running]
        # One that runs alone to its end holds up the others' end, however many slots there are.
        return max(
            [(num_waiting * mean_s + sum(lefts_s)) / self._num_running_at_most, *lefts_s],
        )
