"""The table of a search: what it has found beside the declared config, on `test`."""

from __future__ import annotations

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.changes import Changes, apply_changes
from tablewright.orchestrator.declared.dataset import without_own_seed
from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.declared.search import Search
from tablewright.trainables.value.freezing import EMPTY


def search_table(
    search: Search,
    best: Changes | None,
    num_complete: int,
    waits_for: str,
    best_in_first: Changes | None = None,
) -> Ablation:
    """Give the table of a search.

    Args:
        search: the declaration.
        best: parameters of the best trial; None while there is none.
        num_complete: trials that it is the best of.
        waits_for: why there is no best yet.
        best_in_first: parameters of a further row, of the trial that is best in the first of several objectives.
    """
    declared = Row("declared")
    rows = [declared]
    if best is None:
        rows.append(Row("best of the search", waits_for=waits_for))
    else:
        what = "knee" if search.against else "best"
        rows.append(_found_row(search, declared, f"{what} of {num_complete} trials", best))
    if best_in_first is not None:
        label = f"best {search.objective.metric.label} of {num_complete} trials"
        rows.append(_found_row(search, declared, label, best_in_first))
    return Ablation(
        search.name,
        search.caption,
        without_own_seed(search.base),  # which is that of the trials
        search.datasets,
        rows,
        search.view,
        search.metrics,
        stub_head="config",
        priority=search.priority,
    )


def _found_row(search: Search, declared: Row, label: str, params: Changes) -> Row:
    config, changed = (
        [apply_changes(search.base, {**dataset.changes, **more}) for dataset in search.datasets]
        for more in (EMPTY, params)
    )
    return Row(label, params, repeats=declared.label if config == changed else "")
