"""MLflow's part of a sweep."""

from __future__ import annotations

from collections.abc import Sequence

from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.projections.tracking import Tracker
from tablewright.orchestrator.run import recorded_ids
from tablewright.orchestrator.settings import Settings
from tablewright.orchestrator.status import TrainingStatus
from tablewright.orchestrator.store.store import Store


def make_tracker(settings: Settings, store: Store) -> Tracker | None:
    """MLflow's tracker, or None where tracking is switched off."""
    if settings.tracking_url is None:
        return None
    return Tracker(settings.tracking_url, store)


def begin_tracking(
    tracker: Tracker, settings: Settings, plan: Plan, statuses: Sequence[TrainingStatus]
) -> None:
    """Open the sweep's run, and let MLflow catch up on what is recorded already."""
    profiles = {study.profile for study in plan.studies if study.profile is not None}
    parameters = {
        **({"profile": ", ".join(profiles)} if profiles else {}),
        "cells": len(plan.cells),
        "trainings": len(statuses),
    }
    tracker.begin("+".join(study.name for study in plan.studies), parameters)
    tracker.show(plan)
    tracker.reconcile(recorded_ids(plan, statuses))
