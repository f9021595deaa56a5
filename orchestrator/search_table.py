"""The table of a search: what it has found beside the declared config, on `test`."""

from __future__ import annotations

from tablewright.orchestrator.ablation import Ablation
from tablewright.orchestrator.changes import Changes, apply_changes
from tablewright.orchestrator.dataset import without_own_seed
from tablewright.orchestrator.design import Row
from tablewright.orchestrator.search import Search
from tablewright.trainables.value.freezing import EMPTY


def search_table(search: Search, best: Changes | None, num_complete: int, waits_for: str) -> Ablation:
    """Give the table of a search.

    Args:
        search: the declaration.
        best: parameters of the best trial; None while there is none.
        num_complete: trials that it is the best of.
        waits_for: why there is no best yet.
    """
    declared = Row("declared")
    if best is None:
        found = Row("best of the search", waits_for=waits_for)
    else:
        config, changed = (
            [apply_changes(search.base, {**dataset.changes, **more}) for dataset in search.datasets]
            for more in (EMPTY, best)
        )
        repeats = declared.label if config == changed else ""
        found = Row(f"best of {num_complete} trials", best, repeats=repeats)
    return Ablation(
        search.name,
        search.caption,
        without_own_seed(search.base),  # which is that of the trials
        search.datasets,
        [declared, found],
        search.view,
        search.metrics,
        stub_head="config",
        priority=search.priority,
    )
