"""`--replay`: samplers and pruners on recorded curves."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from tablewright.command.exit_codes import EXIT_REFUSED
from tablewright.command.recorded import existing_store
from tablewright.command.screen import console, errors
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.planning import resolver_of_records
from tablewright.orchestrator.searches.recorded_curves import find_curves
from tablewright.orchestrator.searches.replay import replay
from tablewright.orchestrator.settings import Settings
from tablewright.reports.replay_page import replay_heads, replay_note, replay_rows, write_replay


def replay_searches(settings: Settings, studies: Sequence[Study]) -> int:
    """`--replay`."""
    store = existing_store(settings)
    resolver = resolver_of_records(store, settings.runtime())
    searches = [(study, search) for study in studies for search in study.searches]
    if not searches:
        raise ValueError(
            "--replay needs a study that declares a search; got none. Name one, such as mdpr_search."
        )
    refused = False
    for study, search in searches:
        try:
            found = find_curves(search, resolver, store)
        except ValueError as error:
            errors.print(Text(f"error: {error}", style="red"))
            refused = True
            continue
        replayed = replay(search, found, on_way=lambda name: console.print(Text(f"replaying {name}")))
        grid = Table(
            *replay_heads(replayed), box=None, header_style="bold", title=f"{study.name}/{search.name}"
        )
        for row in replay_rows(replayed):
            grid.add_row(*map(Text, row))
        console.print(grid)
        console.print(Text(replay_note(replayed)))
        console.print(Text(write_replay(replayed, study, store)))
    return EXIT_REFUSED if refused else 0
