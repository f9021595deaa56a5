"""The store and the plan as they are recorded, for what reads and trains nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.text import Text

from tablewright.command.screen import console, errors
from tablewright.command.seed_rule import seeds_now
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.plans.planning import plan_as_recorded
from tablewright.orchestrator.settings import Settings
from tablewright.orchestrator.store.store import Store
from tablewright.trainables.contract.method import TrainingConfig


def existing_store(settings: Settings) -> Store:
    """Open the store to read it, as it is now; says where it was looked for when there is none."""
    store = settings.open_store().listed()
    if not store.is_there:
        console.print(f"There is no store at {store.url} yet: nothing is recorded.")
    if store.fault:
        errors.print(Text(f"warning: {store.fault}", style="red"))
    return store


def recorded_plan(
    settings: Settings,
    studies: Sequence[Study],
    store: Store,
    on_machine: Callable[[TrainingConfig], None] = lambda config: None,
) -> Plan:
    """The plan as the last sweep had it, with what searches have found; no data set need be there."""
    return plan_as_recorded(studies, store, settings.runtime(), seeds_now(studies), on_machine)
