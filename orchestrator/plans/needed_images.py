"""Which images of this machine's cache the studies of a project need: for `--gc`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.plans.planning import plan_of_all_seeds, resolver_of_records
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.store.store import Store
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.method import KeepsImages, TrainingConfig
from tablewright.trainables.contract.run import Runtime


@dataclass(frozen=True)
class NeededImages:
    """What studies need.

    Attributes:
        fingerprints_of: shape -> fingerprints of the splits that are read in it.
        unknown_shapes: of data sets that are not on this machine, and of which the store says nothing.
        unknown_data: labels of these.
    """

    fingerprints_of: Mapping[str, frozenset[str]]
    unknown_shapes: frozenset[str]
    unknown_data: frozenset[str]


def needed_images(studies: Iterable[list[Study]], store: Store, runtime: Runtime) -> NeededImages:
    """Work out what studies need.

    Args:
        studies: of each profile.
        store: that says which data they had.
        runtime: of this machine, for data sets that the store does not know.
    """
    fingerprints_of: dict[str, set[str]] = {}
    shapes: set[str] = set()
    labels: set[str] = set()
    resolver = resolver_of_records(store, runtime)
    for of_profile in studies:
        plan = plan_of_all_seeds(of_profile, store, runtime)
        for config, data in _with_data(plan, of_profile, resolver):
            trainable = config.make_trainable()
            if not isinstance(trainable, KeepsImages):
                continue
            shape = trainable.cache_shape(config)
            fingerprints_of.setdefault(shape, set()).update(data.split_fingerprints.values())
            if not data.split_fingerprints:
                shapes.add(shape)
                labels.add(data.label)
    return NeededImages(
        {shape: frozenset(found) for shape, found in fingerprints_of.items()},
        frozenset(shapes),
        frozenset(labels),
    )


def _with_data(
    plan: Plan, studies: Iterable[Study], resolver: DataResolver
) -> Iterator[tuple[TrainingConfig, DatasetFacts]]:
    for training in plan.trainings.values():
        yield training.config, training.data
        for view in training.views.values():
            yield view.config, view.data
    for study in studies:
        for search in study.all_searches:
            for config in search.trial_configs({}):
                yield config, resolver.describe(config)
