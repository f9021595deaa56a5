"""What trainings have cost: what their attempts held of machines, counted from the records alone.

Every attempt counts, those that were lost too, and every training, whether it is done, failed or was given up by a
search. A training that several rows share is counted once, for all of them together: rows, and studies, that share
trainings are one line of their own, so that lines add up to the whole and none hides what it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from tablewright.orchestrator.costs.prices import Prices
from tablewright.orchestrator.costs.training_cost import UNKNOWN, Spent, read_costs
from tablewright.orchestrator.declared.row_search import RowSearch
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.store.holding import Holding
from tablewright.orchestrator.store.store import Store

OF_SEARCH = "trials of the search"
"""The row of what a search has trained."""

Row = tuple[str, str, str]
"""(study, table or search, row with its group in front)."""

KeyT = TypeVar("KeyT")


@dataclass(frozen=True)
class CostSheet:
    """What the trainings of a plan have cost.

    Attributes:
        total: each training once.
        num_trainings: that have cost anything.
        by_studies: by the studies that share the trainings, mostly one alone.
        by_rows: by the rows that share the trainings.
        by_owner: users who started the sweeps.
        by_device: what was trained on.
        by_state: what became of it.
    """

    total: Spent = field(default_factory=Spent)
    num_trainings: int = 0
    by_studies: Mapping[tuple[str, ...], Spent] = field(default_factory=dict[tuple[str, ...], Spent])
    by_rows: Mapping[tuple[Row, ...], Spent] = field(default_factory=dict[tuple[Row, ...], Spent])
    by_owner: Mapping[str, Spent] = field(default_factory=dict[str, Spent])
    by_device: Mapping[str, Spent] = field(default_factory=dict[str, Spent])
    by_state: Mapping[str, Spent] = field(default_factory=dict[str, Spent])


def cost_sheet(plan: Plan, store: Store, prices: Prices | None = None, study: str = "") -> CostSheet:
    """Add up what the trainings of a plan have cost, those of its searches among them.

    Args:
        plan: of the trainings.
        store: of the records.
        prices: of the devices; None where none are known.
        study: whose trainings alone are asked for; empty for all.
    """
    rows_of = _rows_of(plan, study)
    pruned = {identity for state in plan.searches.values() for identity in state.pruned_ids}
    costs = read_costs(rows_of, store.listed())
    spent = {identity: cost.spent(prices) for identity, cost in costs.items()}
    pieces = [(cost, holding) for cost in costs.values() for holding in cost.holdings]

    def by(key: Callable[[Holding], str]) -> dict[str, Spent]:
        return _added(
            (key(holding) or UNKNOWN, replace(cost, holdings=(holding,)).spent(prices))
            for cost, holding in pieces
        )

    return CostSheet(
        total=sum(spent.values(), Spent()),
        num_trainings=len(spent),
        by_studies=_added(
            (tuple(dict.fromkeys(name for name, _, _ in rows_of[identity])), part)
            for identity, part in spent.items()
        ),
        by_rows=_added((rows_of[identity], part) for identity, part in spent.items()),
        by_owner=by(lambda holding: holding.owner),
        by_device=by(lambda holding: holding.device),
        by_state=_added(
            ("pruned" if identity in pruned and cost.state == "unfinished" else cost.state, spent[identity])
            for identity, cost in costs.items()
        ),
    )


def training_ids_of(plan: Plan) -> list[str]:
    """List the trainings of a plan's rows and of its searches, each once."""
    return list(_rows_of(plan))


def _rows_of(plan: Plan, study: str = "") -> dict[str, tuple[Row, ...]]:
    """Give the rows that need each training."""
    rows: dict[str, dict[Row, None]] = {}
    for cell in plan.cells:
        row = cell.study, cell.table, f"{cell.group} / {cell.row}" if cell.group else cell.row
        for identity in (cell.training_id, *cell.partner_ids):
            rows.setdefault(identity, {})[row] = None
    for study_of_search, search, state in plan.searched():
        owner = study_of_search.name
        row = (
            (owner, search.table, search.of_rows)
            if isinstance(search, RowSearch)
            else (owner, search.name, OF_SEARCH)
        )
        for identity in state.training_ids:
            rows.setdefault(identity, {})[row] = None
    return {
        identity: tuple(found)
        for identity, found in rows.items()
        if not study or study in {name for name, _, _ in found}
    }


def _added(parts: Iterable[tuple[KeyT, Spent]]) -> dict[KeyT, Spent]:
    sums: dict[KeyT, Spent] = {}
    for key, part in parts:
        sums[key] = sums.get(key, Spent()) + part
    return sums
