"""A running sweep: a live view on a terminal, a line for each ended training elsewhere."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tablewright.command.screen import console
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.progress import SweepProgress
from tablewright.orchestrator.status import TrainingStatus
from tablewright.orchestrator.work import Listener, Outcome, Work
from tablewright.orchestrator.work import Progress as EpochProgress
from tablewright.trainables.value.counted import counted
from tablewright.trainables.value.long_work import Telling

MAX_RUNNING_SHOWN = 12


@contextmanager
def progress_view() -> Generator[Any]:
    """Show a running sweep: a live view on a terminal, a line for each ended training elsewhere."""
    shown: list[Live] = []

    def start(plan: Plan, statuses: Sequence[TrainingStatus]) -> Listener:
        recorded = sum(item.state == "done" for item in statuses)
        to_search = sum(state.num_left for state in plan.unfilled_searches.values())
        progress = SweepProgress(len(plan.trainings) + to_search, recorded)
        searching = f", {to_search} more to search" if to_search else ""
        console.print(
            f"{counted(len(plan.cells), 'cell')}, {counted(len(plan.trainings), 'training')}{searching}; "
            f"{recorded} recorded already."
        )
        if not console.is_terminal:
            return LineByLine(progress)
        live = Live(get_renderable=lambda: live_view(progress), console=console, refresh_per_second=2)
        live.start()
        shown.append(live)
        return progress

    try:
        yield start
    finally:
        for live in shown:
            live.stop()


class LineByLine:
    """Prints a line for each training that ends, for logs."""

    def __init__(self, progress: SweepProgress) -> None:
        self.progress = progress

    def on_start(self, work: Work) -> None:
        """Count."""
        self.progress.on_start(work)

    def on_progress(self, work: Work, progress: EpochProgress) -> None:
        """Count."""
        self.progress.on_progress(work, progress)

    def on_told(self, work: Work, telling: Telling) -> None:
        """Print."""
        self.progress.on_told(work, telling)
        console.print(Text(f"[{headline(self.progress)}] {work.label}: {telling}", style="dim"))

    def on_end(self, work: Work, outcome: Outcome) -> None:
        """Print."""
        self.progress.on_end(work, outcome)
        _, _, wall_s = self.progress.ended[-1]
        what = f"{outcome.state} after {wall_s:.0f} s: {work.label} {outcome.message}"
        console.print(Text(f"[{headline(self.progress)}] {what}"))


def headline(progress: SweepProgress) -> str:
    """Trainings done of all, and the time left."""
    done = progress.num_recorded + progress.count("done")
    left_s = progress.left_s()
    left = "" if left_s is None else f", about {duration(left_s)} left"
    failed = f", {progress.count('failed')} failed" if progress.count("failed") else ""
    total = max(progress.num_planned, done)  # a suggestion may equal a planned row, and a best one be new
    return f"{done}/{total} done{failed}{left}"


def live_view(progress: SweepProgress) -> RenderableType:
    """The live view: one line for the sweep, one for each running training."""
    grid = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    running = list(progress.running.values())
    for training in running[:MAX_RUNNING_SHOWN]:
        epoch = f"epoch {training.epoch}/{training.num_epochs}" if training.epoch else "starting"
        if training.epoch and training.epoch == training.num_epochs:
            epoch = "measuring"
        if training.doing is not None:
            epoch = training.doing
        loss = f"loss {training.loss:z.3f}" if training.loss == training.loss else ""
        grid.add_row("  " + training.label, epoch, loss)
    if len(running) > MAX_RUNNING_SHOWN:
        grid.add_row(f"  … and {len(running) - MAX_RUNNING_SHOWN} more")
    head = Text(f"{headline(progress)}, {duration(progress.wall_s)} so far", style="bold")
    return Group(head, grid)


def duration(seconds: float) -> str:
    """Hours and minutes, or minutes and seconds."""
    minutes, rest_s = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes}:{rest_s:02d} min"
