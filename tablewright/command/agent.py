"""`--agent`: train one after another what nobody else has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tablewright.command.screen import console
from tablewright.command.states import describe
from tablewright.command.sweep_run import sweep_with
from tablewright.command.tracker import make_tracker
from tablewright.orchestrator.agents.agent_backend import make_agent
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.other_hands import is_left_to_others
from tablewright.orchestrator.settings import Settings
from tablewright.orchestrator.signals import EXIT_STOPPED


def run_agent(settings: Settings, studies: Sequence[Study]) -> int:
    """`--agent`: the last one of all writes the tables."""
    backend = make_agent(settings)
    store = settings.open_store()
    tracker = make_tracker(settings, store)
    result = sweep_with(backend, settings, studies, store, tracker)
    if result.reached_cap or not is_left_to_others(result.plan, result.statuses, store):
        from tablewright.command.sweep_end import tell_end, write_all  # see LoadsEnd
        from tablewright.command.tables import print_tables

        written = write_all(result, settings, store, tracker)
        print_tables(written)
        return tell_end(result, written, settings)
    if tracker is not None and tracker.has_begun:
        tracker.end(succeeded=False)
    if result.was_stopped:
        console.print(
            "This agent was stopped; others are at what is not done. Run the same command again to go on."
        )
        return EXIT_STOPPED
    console.print(
        f"Nothing is left for this agent: {describe(Counter(item.state for item in result.statuses))}; what "
        "is not done is in the hands of others, of whom the last one writes the tables."
    )
    return 0
