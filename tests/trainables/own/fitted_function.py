"""Trainings of functions without a sweep, interrupted where a test wants it."""

from itertools import count

from tablewright.orchestrator.store.store import Store
from tablewright.trainables.contract.run import FitHooks, Runtime, TrainingStopped


def fresh_folders(tmp_path):
    """Gives a folder of another training at each call."""
    store, numbers = Store(str(tmp_path / "runs")), count()
    return lambda: store.training(f"{next(numbers):064d}").checkpoints


def fit(config, folder, stops_after=(), watch=lambda model: None):
    """Train, interrupted after the given epochs and watched between them; gives the model, and the reports by epoch."""
    trainable, reports, runtime = config.make_trainable(), {}, Runtime(None, "", checkpoint_every_s=1e9)
    waiting = list(stops_after)

    def on_epoch(report, model):
        reports[report.epoch] = report.metrics
        watch(model)

    while True:
        hooks = FitHooks(on_epoch, lambda: bool(waiting) and max(reports, default=0) >= waiting[0])
        try:
            return trainable.fit(config, runtime, folder, hooks), reports
        except TrainingStopped:
            waiting.pop(0)
