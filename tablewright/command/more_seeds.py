"""Seeds that are recorded and not asked for."""

from __future__ import annotations

from rich.text import Text

from tablewright.command.screen import console
from tablewright.orchestrator.plans.further_seeds import further_seeds
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.settings import Settings
from tablewright.orchestrator.store.store import Store


def print_further_seeds(plan: Plan, store: Store, settings: Settings) -> None:
    """A line for each study of which more seeds are recorded; who has listed seeds knows."""
    num_asked = settings.num_more_seeds
    if num_asked is None:
        return
    for study in plan.studies:
        if seeds := further_seeds(study, plan, store):
            which = ", ".join(map(str, seeds))
            number = num_asked + seeds[-1] - max(study.all_seeds)
            console.print(
                Text(
                    f"{study.name}: recorded too, and not in these tables: seed{'s'[: len(seeds) - 1]} {which}. "
                    f"--seeds +{number} takes them in; or declare them."
                )
            )
