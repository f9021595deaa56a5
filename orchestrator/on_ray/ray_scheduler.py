"""Which training a worker of Tune's gets: how many are offered at a time, and who takes over a warm worker.

Stock Tune asks for a worker for every trial that waits, and gives a worker that has become free to the trial that
waits longest, whose own worker it withdraws. That one is the nearest to being up, so that trainings shorter than the
start of a worker are all run by the first one. Here as many are offered as there are places; what becomes free goes
to the first trial that has no worker on its way, and what has ended is forgotten.

A trial of Tune's is what a worker does without a pause: a training, and then whatever is next and needs as much of a
machine. Making a trial, and taking a worker over, costs the driver more than all that it hears of a short training.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from tablewright.orchestrator.on_ray.drawn_work import DrawnWork
from tablewright.orchestrator.on_ray.ray_bridge import Bridge
from tablewright.orchestrator.on_ray.ray_worker import ENDED

COUNT_EVERY_S = 1.0
"""How often the places of a cluster are counted: machines come and go in minutes."""

logger = logging.getLogger(__name__)


class FillsSlots(FIFOScheduler):
    """Gives trials to workers in the order in which they came, and no worker away that is being started."""

    def __init__(self, count_places: Callable[[], int], bridge: Bridge, drawn: DrawnWork) -> None:
        """Know no trial yet.

        Args:
            count_places: on the cluster as it is, and on the machines that are to be asked for.
            bridge: told of each training that ends in good order, and of the one that its worker goes on with.
            drawn: what is next.
        """
        super().__init__()
        self._count_places, self._bridge, self._drawn = count_places, bridge, drawn
        self._open: dict[Trial, None] = {}
        self._waiting: list[Trial] = []
        self._ended: dict[Trial, None] = {}
        self._num_places, self._counted_at_s = 0, float("-inf")

    def __getstate__(self) -> dict[str, Any]:
        """Nothing, for the snapshots that Tune takes of its driver: the store is the state."""
        return {}

    def has_room(self) -> bool:
        """Say whether there is a place for one more trial than there are."""
        if time.monotonic() - self._counted_at_s >= COUNT_EVERY_S:
            self._num_places, self._counted_at_s = self._count_places(), time.monotonic()
        return len(self._open) - len(self._ended) < self._num_places

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Keep the order in which they come."""
        self._open[trial] = None
        self._waiting.append(trial)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Let a worker whose training has ended go on with the next one, unless another trial waits for it."""
        if ENDED not in result:
            return TrialScheduler.CONTINUE
        try:
            self._bridge.end_training(trial, result[ENDED])
        except ValueError as error:
            logger.warning("%s", error)
            return TrialScheduler.STOP
        controller: TuneController = tune_controller._tune_controller
        if self._first_waiting(controller) is not None:
            return TrialScheduler.STOP
        if (drawn := self._drawn.next(trial.config["share"])) is None:
            return TrialScheduler.STOP
        self._bridge.hand_on(trial, drawn[0])
        # Tune keeps what it has heard of a worker for as long as its trial goes on.
        controller._actor_manager.clear_actor_task_futures(controller._trial_to_actor[trial])  # pyright: ignore[reportPrivateUsage]
        return TrialScheduler.CONTINUE

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: Any) -> None:
        """It has run to its end."""
        self._ended[trial] = None

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """It has failed."""
        self._ended[trial] = None

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        """It was ended before it ran."""
        self._ended[trial] = None

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """Name the first that waits for a place; of those the first that a free worker fits."""
        controller: TuneController = tune_controller._tune_controller
        self._waiting, left = (
            [trial for trial in self._waiting if trial.status == Trial.PENDING],
            self._waiting,
        )
        if len(left) > len(self._waiting):
            self._tell_of_refused(controller, left)
        self._forget_ended(controller)
        free = controller._actor_cache  # pyright: ignore[reportPrivateUsage]
        fitting = (
            trial
            for trial in self._without_worker(controller)
            if free.has_cached_object(trial.placement_group_factory)
        )
        return next(fitting, None) or self._first_waiting(controller)

    def _first_waiting(self, controller: TuneController) -> Trial | None:
        return next(self._without_worker(controller), None)

    def _without_worker(self, controller: TuneController) -> Iterator[Trial]:
        """Give the trials that wait, and have no worker that is being started or made ready for them."""
        return (
            trial
            for trial in self._waiting
            if trial.status == Trial.PENDING and not _has_worker(controller, trial)
        )

    def _tell_of_refused(self, controller: TuneController, trials: list[Trial]) -> None:
        """Tell of trials that a free worker could not take over, which Tune ends without a word to anybody."""
        for trial in trials:
            if trial.status == Trial.ERROR and trial not in self._ended:
                self._ended[trial] = None
                controller._callbacks.on_trial_error(  # pyright: ignore[reportPrivateUsage]
                    iteration=0, trials=controller.get_trials(), trial=trial
                )

    def _forget_ended(self, controller: TuneController) -> None:
        """Take what has ended out of Tune's lists too, which it goes through again and again, and never empties."""
        for trial in self._ended:
            del self._open[trial]
            controller._trials.remove(trial)  # pyright: ignore[reportPrivateUsage]
            for known in (
                controller._live_trials,  # pyright: ignore[reportPrivateUsage]
                controller._stopped_trials,  # pyright: ignore[reportPrivateUsage]
                controller._failed_trials,  # pyright: ignore[reportPrivateUsage]
                controller._trials_to_cache,  # pyright: ignore[reportPrivateUsage]
            ):
                known.discard(trial)
        self._ended.clear()


def _has_worker(controller: TuneController, trial: Trial) -> bool:
    """Say whether a worker of a trial's own is being started, or made ready for it."""
    worker = controller._trial_to_actor.get(trial)  # pyright: ignore[reportPrivateUsage]
    return worker is not None and controller._actor_manager.is_actor_started(worker)  # pyright: ignore[reportPrivateUsage]
