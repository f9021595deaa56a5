"""`--status`: what is done, runs where, waits for what, failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from tablewright.command.exit_codes import EXIT_INCOMPLETE
from tablewright.command.more_seeds import print_further_seeds
from tablewright.command.outlook import print_outlook
from tablewright.command.recorded import existing_store, recorded_plan
from tablewright.command.screen import console
from tablewright.command.searches import print_searches
from tablewright.command.states import UNUSABLE, describe
from tablewright.orchestrator.costs.cost import cost_sheet
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.live_status import LiveStatus, in_words, read_live
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.settings import Settings
from tablewright.orchestrator.status import UNFINISHED, TrainingStatus, read_status
from tablewright.orchestrator.store.store import Store
from tablewright.reports.cost_table import build_cost_table
from tablewright.trainables.value.counted import counted


def show_status(settings: Settings, studies: Sequence[Study]) -> int:
    """`--status`."""
    store = existing_store(settings)
    plan = recorded_plan(settings, studies, store)
    statuses = read_status(plan, store)
    live = read_live(store, {study.name for study in studies}, plan.trainings.keys())
    grid = Table("training", "state", "epoch", "what", box=None, header_style="bold")
    for item in statuses:
        state = live.state_of(item)
        style = {"done": "green", "started": "yellow", "running": "yellow"}.get(state, "")
        style = "red" if state in ("failed", "cancelled", *UNUSABLE) else style
        epoch = f"{item.epoch}/{item.epochs_in_all}"
        what = Text(item.training.label) + Text(f"\n{item.message}" if item.message else "", style="red")
        for warning in item.warnings:
            what += Text(f"\nwarning: {warning}", style="yellow")
        identity = item.training.training_id
        kind = f" ({item.fault_kind})" if item.fault_kind else ""
        grid.add_row(identity[:8], Text(f"{state}{kind}", style=style), epoch, what)
    console.print(grid)
    print_searches(plan)
    failed = [identity for state in plan.searches.values() for identity in state.failed_ids]
    for identity in failed:
        message = store.training(identity).failure_message()
        if message is not None:
            console.print(Text(f"{identity[:8]} failed: {message}", style="red"))
    print_live(live, statuses)
    console.print(describe(Counter(map(live.state_of, statuses))))
    print_further_seeds(plan, store, settings)
    print_costs(plan, store, settings)
    print_outlook(plan, statuses, store, settings)
    for environment in dict.fromkeys(
        tuple(item.environment.items()) for item in statuses if item.environment
    ):
        facts = ", ".join(f"{name} {value}" for name, value in environment)
        console.print(Text(f"the digits depend, beside the seed, on: {facts}"))
    is_bad = any(item.state in ("failed", "cancelled", *UNUSABLE) for item in statuses)
    is_bad = is_bad or any(state.has_given_up for state in plan.searches.values())
    return EXIT_INCOMPLETE if failed or is_bad else 0


def print_live(live: LiveStatus, statuses: Sequence[TrainingStatus]) -> None:
    """What runs where, a line each, and what the rest waits for."""
    if live.trainings:
        grid = Table(box=None, header_style="bold")
        of_several = ("by",) if len(live.sweeps) > 1 else ()
        for head in (
            "running",
            "where",
            *of_several,
            "for",
            "epoch",
            "left",
            "memory",
            "sign of life",
            "what",
        ):
            grid.add_column(head)
        for item in live.trainings:
            each = "" if item.epoch_s is None else f" ({item.epoch_s:.3g} s each)"
            grid.add_row(
                item.training_id[:8],
                Text(item.where),
                *(Text("" if item.sign is None else item.sign.started_by) for _ in of_several),
                "" if item.runs_since_s is None else in_words(item.runs_since_s),
                item.doing or (f"{item.epoch}/{item.num_epochs}{each}" if item.num_epochs else "the first"),
                "" if item.left_s is None else in_words(item.left_s),
                item.memory,
                Text(item.signed, style="red" if item.is_dead else ""),
                Text("" if item.sign is None else item.sign.label),
            )
        console.print(grid)
    for sweep in live.sweeps:
        console.print(Text(str(sweep)))
        for sentence in sweep.sign.waits_for if sweep.is_alive else ():
            console.print(Text(f"    {sentence}", style="yellow"))
        for name, url in (sweep.sign.links or {}).items() if sweep.is_alive else ():
            console.print(Text(f"    {name}: {url}"))
    num_left = sum(item.state in UNFINISHED for item in statuses)
    if num_left and not any(sweep.is_alive for sweep in live.sweeps) and not live.living_ids:
        console.print(f"No sweep or agent runs; left to the next one: {counted(num_left, 'training')}.")
    elif live.trainings or live.num_others:
        console.print(f"{live.in_words}.")


def print_costs(plan: Plan, store: Store, settings: Settings) -> None:
    """What the trainings of a plan have cost so far, where any has."""
    prices = settings.prices()
    sheet = cost_sheet(plan, store, prices)
    if not sheet.num_trainings:
        return
    costs = build_cost_table(sheet, prices)
    grid = Table(*costs.head, box=None, header_style="bold")
    for column in grid.columns[1:]:
        column.justify = "right"
    for heading, rows in costs.groups:
        grid.add_row(Text(heading, style="italic"))
        for text, *figures in rows:
            grid.add_row(Text(f"  {text}"), *map(Text, figures))
    console.print(grid)
    for note in costs.notes:
        console.print(Text(note, style="dim"))
