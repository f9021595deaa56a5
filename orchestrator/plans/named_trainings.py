"""What the studies of a project name in a store: whatever a table or a search of theirs may still ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.identity import digest_of
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.plans.planning import describe_with, plan_of_all_seeds
from tablewright.orchestrator.plans.resolution import NOT_RECORDED, StoreResolver
from tablewright.orchestrator.project.project import Project
from tablewright.orchestrator.project.study_loading import load_every_study
from tablewright.orchestrator.searches.search_identity import find_search_id
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.parallel_reading import read_all
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_records import TrainingRecord
from tablewright.trainables.contract.run import Runtime


@dataclass(frozen=True)
class Named:
    """What studies name.

    Attributes:
        training_ids: of cells, ensembles and suggestions, whether they are recorded or not.
        given_up_ids: of those, the ones without a record that a search has stopped early or that failed for good, and
            that nothing else asks for.
        search_ids: of their searches.
        studies: their names.
    """

    training_ids: frozenset[str]
    given_up_ids: frozenset[str]
    search_ids: frozenset[str]
    studies: frozenset[str]
    _in_any_seed: frozenset[str]

    def has(self, training_id: str, record: TrainingRecord | None) -> bool:
        """Say whether a training is named, or one that differs from it in its seed alone, as `--seeds` makes them."""
        if training_id in self.training_ids:
            return True
        return record is not None and _in_any_seed(
            record.method, record.method_version, record.config, record.data.fingerprint
        ) in (self._in_any_seed)


def named_by_project(project: Project | None, store: Store, runtime: Runtime) -> Named:
    """Work out what all studies of a project name, in every profile; built-in ones among them that the store knows.

    Raises:
        ValueError: it cannot be said, and why.
    """
    try:
        return read_named(load_every_study(project, studies_in(store)).values(), store, runtime)
    except ValueError as error:
        raise ValueError(
            f"what is needed cannot be said, so nothing is removed: {error}\nMend that, or move the file away"
        ) from error


def labels_of_project(project: Project | None, store: Store, runtime: Runtime) -> dict[str, str]:
    """Give the label of every training that the studies of a project plan, in every profile and seed, by its id.

    Raises:
        ValueError: a study cannot be built.
    """
    labels: dict[str, str] = {}
    for of_profile in load_every_study(project, studies_in(store)).values():
        plan = plan_of_all_seeds(of_profile, store, runtime)
        labels |= labels_of(plan)
    return labels


def labels_of(plan: Plan) -> dict[str, str]:
    """Give the labels of a plan's trainings by their ids; a row that no sweep has seen yet has no id to go by."""
    return {
        identity: training.label
        for identity, training in plan.trainings.items()
        if training.data.fingerprint != NOT_RECORDED
    }


def studies_in(store: Store) -> set[str]:
    """Name the studies that were ever swept on a store."""

    def study_of(identity: str) -> str:
        try:
            record = store.training(identity).record()
        except DamagedFile:
            return ""  # it is kept, whatever it is
        return "" if record is None else record.study

    store = store.listed()
    swept = {name.removesuffix(".json") for name in (store.root / "data").names()}
    return swept | set(read_all(study_of, store.training_ids()))


def read_named(studies: Iterable[Sequence[Study]], store: Store, runtime: Runtime) -> Named:
    """Work out what studies name.

    Args:
        studies: of each profile; a study of two profiles has two plans.
        store: whose data sets and searches are those meant.
        runtime: of this machine, for data sets that the store does not know.

    Raises:
        ValueError: what makes it impossible to say: a declaration, or a damaged file of the store.
    """
    store = store.listed()
    faults: list[str] = []
    store.study_data(faults)
    store.accepted_changes(faults)
    if faults:
        raise ValueError("\n".join(faults))
    planned, search_ids, in_any_seed, names = set[str](), set[str](), set[str](), set[str]()
    resolver = StoreResolver(store, describe_with(runtime))
    for of_profile in studies:
        plan = plan_of_all_seeds(of_profile, store, runtime)
        names |= {study.name for study in of_profile}
        planned |= plan.trainings.keys()
        in_any_seed |= {
            _in_any_seed(
                training.config.METHOD,
                training.config.VERSION,
                training.config.model_dump(mode="json"),
                training.data.fingerprint,
            )
            for training in plan.trainings.values()
        }
        search_ids |= {
            find_search_id(search, resolver, store) for study in of_profile for search in study.all_searches
        }
    suggested, is_given_up = set[str](), dict[str, bool]()
    for search_id in store.search_ids():
        for trial in store.search_trials(search_id):
            if search_id in search_ids:
                suggested.update(trial.training_ids)
            ended = trial.state in ("pruned", "fail") and trial.is_final
            for identity in trial.training_ids:
                is_given_up[identity] = is_given_up.get(identity, True) and ended
    given_up = {identity for identity, ended in is_given_up.items() if ended}
    return Named(
        training_ids=frozenset(planned | suggested),
        given_up_ids=frozenset(given_up - planned),
        search_ids=frozenset(search_ids),
        studies=frozenset(names),
        _in_any_seed=frozenset(in_any_seed),
    )


def _in_any_seed(method: str, version: int | str, config: Mapping[str, Any], fingerprint: str) -> str:
    without_seed = {name: value for name, value in config.items() if name != "seed"}
    return digest_of([method, version, without_seed, fingerprint])
