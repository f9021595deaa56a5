"""`--plan`: what would be trained, what it would cost, and what its tables could show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from tablewright.command.exit_codes import EXIT_INCOMPLETE
from tablewright.command.more_seeds import print_further_seeds
from tablewright.command.outlook import print_outlook
from tablewright.command.recorded import existing_store
from tablewright.command.screen import console
from tablewright.command.searches import print_searches
from tablewright.command.seed_rule import adds_seeds, seeds_at_most, seeds_now
from tablewright.command.source_changes import print_source_changes
from tablewright.command.states import UNUSABLE, describe, print_refused
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.cache_room import cache_room
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.plans.planned_memory import memory_of_plan
from tablewright.orchestrator.plans.planning import plan_with_data
from tablewright.orchestrator.settings import Settings
from tablewright.orchestrator.status import RECORDED, UNFINISHED, TrainingStatus, read_status
from tablewright.orchestrator.store.store import Store
from tablewright.trainables.value.counted import counted

MAX_TABLES_NAMED = 8


def show_plan(settings: Settings, studies: Sequence[Study]) -> int:
    """`--plan`."""
    store = existing_store(settings)
    plan = plan_with_data(studies, store, settings.runtime(), seeds_now(studies))
    may_grow = adds_seeds(studies)
    largest = plan_with_data(studies, store, settings.runtime(), seeds_at_most(studies)) if may_grow else plan
    statuses = read_status(plan, store)
    statuses_at_most = read_status(largest, store) if may_grow else statuses
    by_training = {item.training.training_id: item for item in statuses}
    grid = Table("table", "cells", "unique trainings", "recorded", box=None, header_style="bold")
    cells_of: dict[tuple[str, str], list[str]] = {place: [] for place in plan.tables}
    for cell in plan.cells:
        cells_of[cell.study, cell.table].append(cell.training_id)
    for (study, table), cells in cells_of.items():
        unique = set(cells)
        recorded = sum(by_training[identity].state == "done" for identity in unique)
        grid.add_row(f"{study}/{table}", str(len(cells)), str(len(unique)), str(recorded))
    console.print(grid)
    print_searches(plan)
    print_source_changes(plan, store)
    states = Counter(item.state for item in statuses)
    what = f"; {describe(states)}" if states else ""
    console.print(
        f"{counted(len(plan.cells), 'cell')} from {counted(len(plan.trainings), 'training')}{what}."
    )
    if plan.num_further_views or plan.num_equal_cells:
        console.print(
            f"Of these cells {plan.num_further_views} are a further view of a training that another cell has, and "
            f"{plan.num_equal_cells} equal another cell: the same training in the same view."
        )
    if len(largest.trainings) > len(plan.trainings):
        console.print(
            f"Seeds are added while comparisons are open: at most {counted(len(largest.cells), 'cell')} from "
            f"{counted(len(largest.trainings), 'training')}."
        )
    print_further_seeds(plan, store, settings)
    print_outlook(plan, statuses, store, settings)
    if len(largest.trainings) > len(plan.trainings):
        console.print("With all seeds that may be added:")
        print_outlook(largest, statuses_at_most, store, settings)
    print_cache_room(plan, statuses, settings)
    if settings.may_use_gpus:
        for memory in memory_of_plan(plan, store, settings.cache_dir):
            console.print(Text(f"Memory: {memory}."))
    print_foresights(plan, statuses, store)
    data = [item.data for item in plan.trainings.values()]
    data += [view.data for item in plan.trainings.values() for view in item.views.values()]
    for warning in dict.fromkeys(warning for facts in data for warning in facts.warnings):
        console.print(Text("warning ", style="yellow") + Text(warning))
    print_refused(statuses)
    return EXIT_INCOMPLETE if any(item.state in UNUSABLE for item in statuses) else 0


def print_cache_room(plan: Plan, statuses: Sequence[TrainingStatus], settings: Settings) -> None:
    """What the images of the trainings that are left take of this machine's cache, where any is to be made ready."""
    left = [item.training for item in statuses if item.state in UNFINISHED]
    configs = [training.config for training in left]
    configs += [view.config for training in left for view in training.views.values()]
    configs += [
        config
        for study in plan.studies
        for search in study.all_searches
        if (study.name, search.name) in plan.unfilled_searches
        for config in search.trial_configs({})
    ]
    room = cache_room(configs, settings.runtime())
    if room.shapes:
        console.print(Text(str(room)))
    if why := room.why_too_little():
        console.print(Text("warning ", style="yellow") + Text(f"it will be refused: {why}"))


def print_foresights(plan: Plan, statuses: Sequence[TrainingStatus], store: Store) -> None:
    """The smallest difference that each table can find in four cases of five."""
    compared = {place: ablation for place, ablation in plan.tables.items() if ablation.contrasts}
    unknown = [table for _, table in compared]
    is_any_recorded = any(item.state in RECORDED for item in statuses)
    if is_any_recorded or any(ablation.deviation for ablation in compared.values()):
        from tablewright.reports.notes.foresight import foresee  # whose statistics take a second to load

        foresights = foresee(plan, store)
        for foresight in foresights:
            if foresight.found:
                console.print(Text(f"{foresight}."))
        unknown = [item.table for item in foresights if not item.found]
    if unknown:
        which = ", ".join(unknown) if len(unknown) <= MAX_TABLES_NAMED else f"{len(unknown)} tables"
        console.print(
            Text(
                f"How small a difference can be found is unknown for {which}: no row has two seeds recorded, and no "
                "deviation over seeds is declared (Ablation(deviation={…}))."
            )
        )
