"""How often a training's state is kept: so rarely that it costs a small share of the time, and no more rarely."""

from __future__ import annotations

SHARE = 0.01
"""Of a training's time, that its checkpoints may cost it."""
SHORTEST_S = 30.0
"""Between two checkpoints, however little one costs: stores count requests."""
LONGEST_S = 600.0
"""Of training that a kill may cost, however much a checkpoint costs."""


class CheckpointPace:
    """Measures what a checkpoint costs a training, and says when the next one is due.

    What it costs is the time that the training is held up, and by how much its steps take longer while one is written.
    Where no steps are told apart, the processor's time of the writing stands for that: it is no more.

    Args:
        every_s: time between two checkpoints; None lets it follow from what one costs.
    """

    def __init__(self, every_s: float | None) -> None:
        self._every_s = every_s
        self._cost_s = self._write_s = 0.0
        self._begin()

    def _begin(self) -> None:
        self._held_s = 0.0
        self._steps = {
            True: (0, 0.0),
            False: (0, 0.0),
        }  # whether one is being written -> how many, and their time

    @property
    def interval_s(self) -> float:
        """Time from one checkpoint to the next."""
        if self._every_s is not None:
            return self._every_s
        # What is being written when a kill comes is lost with it.
        at_most_s = max(LONGEST_S - self._write_s, SHORTEST_S)
        return min(max(self._cost_s / SHARE, SHORTEST_S), at_most_s)

    def hold_up(self, wall_s: float) -> None:
        """Count time in which the training waited for a checkpoint."""
        self._held_s += wall_s

    def step(self, wall_s: float, *, is_writing: bool) -> None:
        """Count a step of the training."""
        number, sum_s = self._steps[is_writing]
        self._steps[is_writing] = number + 1, sum_s + wall_s

    def end(self, write_s: float, cpu_s: float) -> None:
        """Count a checkpoint that is written.

        Args:
            write_s: that it took.
            cpu_s: of a processor that it took.
        """
        (num_during, during_s), (num_free, free_s) = self._steps[True], self._steps[False]
        slowed_s = max(during_s - num_during * free_s / num_free, 0.0) if num_during and num_free else cpu_s
        self._cost_s, self._write_s = self._held_s + min(slowed_s, write_s), write_s
        self._begin()
