"""What the searches of a plan have found, from the records alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tablewright.orchestrator.declared.found_config import FoundConfig
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.declared.search import Search
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.project.project import Project
from tablewright.orchestrator.searches.search_result import SearchResult, search_result
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.store import Store
from tablewright.trainables.contract.program import STUDIES_FOLDER


def found_config(
    study: str, profile: Profile | None, search: Search, result: SearchResult, store: Store
) -> FoundConfig | None:
    """Give what a search has found; None while it has no best trial.

    Args:
        study: that declares it.
        profile: of the study.
        search: the declaration.
        result: what it has come to.
        store: of the training of its best trial.
    """
    best, declared = result.best, result.declared_trial
    if result.found is None or best is None or best.value is None:
        return None
    try:
        record = store.training(best.training_id).record()
    except DamagedFile:
        record = None  # whoever needs it is told
    return FoundConfig(
        study=study,
        search=search.name,
        profile=profile,
        search_id=result.search_id,
        method=search.base.METHOD,
        version=search.base.VERSION,
        params=dict(best.params),
        metric=search.objective.metric.name,
        value=best.value,
        declared_value=None if declared is None else declared.value,
        training_id=best.training_id,
        trained_at=None if record is None else record.ended_at,
        num_trials=result.counts(),
        num_epochs=result.num_epochs_trained,
    )


def found_of_plan(plan: Plan, store: Store) -> Iterator[tuple[str, str, FoundConfig | None]]:
    """Give what each search of a plan has found: study, search, and what; None where it has no best trial.

    Raises:
        ValueError: the plan has no search.
    """
    if not plan.searches:
        names = ", ".join(study.name for study in plan.studies)
        raise ValueError(
            f"{names}: no search is declared, so that there is nothing found; name a study that searches"
        )
    for study in plan.studies:
        for search in study.searches:
            result = search_result(search, plan.searches[study.name, search.name])
            yield study.name, search.name, found_config(study.name, study.profile, search, result, store)


def studies_folder_of(project: Project | None) -> Path:
    """Say beside which studies what was found is kept.

    Raises:
        ValueError: there are none where the command is given.
    """
    if project is None or not (project.has_studies or project.is_ours):
        where = Path.cwd() if project is None else project.folder
        raise ValueError(
            f"--keep-found writes beside the studies of a project, and there is no {STUDIES_FOLDER}/ in {where}; go to "
            "yours, or begin one with init"
        )
    return project.studies_folder
