"""The run of Tune in which all trainings of a sweep are trials."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import ray
from ray import tune
from ray.air._internal import usage
from ray.tune.execution import class_cache, tune_controller
from ray.tune.trainable.function_trainable import wrap_function

from tablewright.orchestrator.attempts.resources import Resources
from tablewright.orchestrator.on_ray.drawn_work import DrawnWork
from tablewright.orchestrator.on_ray.ray_bridge import Bridge, QueueSearcher, StopsWaiting
from tablewright.orchestrator.on_ray.ray_scheduler import FillsSlots
from tablewright.orchestrator.on_ray.ray_worker import Place, attempts, take_signals


class _PlainActors(class_cache._ActorClassCache):  # pyright: ignore[reportPrivateUsage]
    """Has workers begin without an environment of Tune's own, so that those that Ray has begun already are taken.

    What Tune would hand on to them Ray would log, and credentials may be among it; `take_signals` says the rest there.
    """

    def get(self, trainable_cls: type) -> Any:
        """Give the actor class of a trainable."""
        if trainable_cls not in self._cache:
            self._cache[trainable_cls] = ray.remote(trainable_cls)
        return self._cache[trainable_cls]


@functools.cache
def placement_of(share: Resources) -> tune.PlacementGroupFactory:
    """Say what Ray is asked for; the same object for the same share, as Tune compares those of all trials."""
    return tune.PlacementGroupFactory([{"CPU": share.cpus, "GPU": share.gpus}] * share.num_processes)


def _tell_of_no_callbacks(callbacks: object) -> bool:
    """Stand for what Tune counts for its makers: it imports MLflow and three others only to tell ours from theirs."""
    return False


def fit_all(drawn: DrawnWork, bridge: Bridge, scheduler: FillsSlots, place: Place, scratch: str) -> None:
    """Run until the queue is finished, or the bridge was left.

    Args:
        drawn: works that become trials.
        bridge: told of what becomes of them.
        scheduler: gives them to workers.
        place: where their attempts run, and by which rules.
        scratch: folder for what Tune writes, and nobody reads.
    """
    tune_controller._ActorClassCache = _PlainActors  # pyright: ignore
    usage.tag_callbacks = _tell_of_no_callbacks
    trainable = wrap_function(tune.with_parameters(attempts, place=place))

    def bundles_of(config: dict[str, Any]) -> tune.PlacementGroupFactory:
        return placement_of(config["share"])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray warns of its own deprecations
        tuner = tune.Tuner(
            take_signals(tune.with_resources(trainable, bundles_of)),
            tune_config=tune.TuneConfig(
                search_alg=QueueSearcher(drawn, scheduler.has_room),
                scheduler=scheduler,
                num_samples=-1,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: trial.trial_id,
                trial_name_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                name="sweep",
                storage_path=scratch,
                callbacks=[bridge],
                stop=StopsWaiting(bridge),
                failure_config=tune.FailureConfig(max_failures=0),
                checkpoint_config=None,
                verbose=0,
            ),
        )
        tuner.fit()
