"""The trainings that are meant by ids or labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tablewright.orchestrator.finding import FoundTraining, find_trainings
from tablewright.orchestrator.plans.named_trainings import labels_of, labels_of_project
from tablewright.orchestrator.plans.planning import plan_as_recorded
from tablewright.orchestrator.settings import Settings
from tablewright.orchestrator.store.store import Store


def found_trainings(
    settings: Settings, store: Store, texts: Sequence[str], option_name: str
) -> list[FoundTraining]:
    """The trainings that are meant by ids or labels, of the studies that are named or of all that there are."""

    def planned() -> Mapping[str, str]:
        if not settings.studies:
            return labels_of_project(settings.project, store, settings.runtime())
        return labels_of(plan_as_recorded(settings.load_studies(), store, settings.runtime()))

    return find_trainings(store, texts, option_name, planned)
