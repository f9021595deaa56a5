"""What trainings have cost: what their attempts held of machines, counted from the records alone.

Every attempt counts, those that were lost too, and every training, whether it is done, failed or was given up by a
search. A training that several rows share is counted once, for all of them together: rows, and studies, that share
trainings are one line of their own, so that lines add up to the whole and none hides what it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

from tablewright.orchestrator.holding import Holding, name_device
from tablewright.orchestrator.parallel_reading import read_all
from tablewright.orchestrator.plan import Plan
from tablewright.orchestrator.prices import Prices
from tablewright.orchestrator.records import DamagedFile, Store, TrainingFolder, TrainingRecord
from tablewright.orchestrator.row_search import RowSearch

UNKNOWN = "unknown"
OF_SEARCH = "trials of the search"
"""The row of what a search has trained."""

State = Literal["done", "failed", "pruned", "unfinished"]
Row = tuple[str, str, str]
"""(study, table or search, row with its group in front)."""

KeyT = TypeVar("KeyT")


@dataclass(frozen=True)
class Spent:
    """Time that was held of machines, and its price.

    Attributes:
        cpu_s: of processors.
        gpu_s: of GPUs.
        price: of what has one.
        unpriced: devices that have none.
        is_at_least: whether more was held than is known, as of attempts that were killed or still run.
        is_estimated: whether records of before are among it, which do not say what was held: one GPU, or one
            processor, for as long as training and measuring took.
    """

    cpu_s: float = 0.0
    gpu_s: float = 0.0
    price: float = 0.0
    unpriced: frozenset[str] = frozenset()
    is_at_least: bool = False
    is_estimated: bool = False

    def __add__(self, other: Spent) -> Spent:
        """Take both together."""
        return Spent(
            self.cpu_s + other.cpu_s,
            self.gpu_s + other.gpu_s,
            self.price + other.price,
            self.unpriced | other.unpriced,
            self.is_at_least or other.is_at_least,
            self.is_estimated or other.is_estimated,
        )


@dataclass(frozen=True)
class TrainingCost:
    """What one training has held so far.

    Attributes:
        state: of the training; what still runs is `unfinished`.
        holdings: of its attempts.
        is_at_least: as `Spent` has it.
        is_estimated: as `Spent` has it.
    """

    state: State
    holdings: tuple[Holding, ...]
    is_at_least: bool = False
    is_estimated: bool = False

    def spent(self, prices: Prices | None = None) -> Spent:
        """Add its attempts up."""
        nothing = Spent(is_at_least=self.is_at_least, is_estimated=self.is_estimated)
        return sum((self._spent_by(holding, prices) for holding in self.holdings), nothing)

    def _spent_by(self, holding: Holding, prices: Prices | None) -> Spent:
        price = None if prices is None else prices.of(holding)
        return Spent(
            holding.cpus * holding.held_s,
            holding.gpus * holding.held_s,
            price or 0.0,
            frozenset({holding.device} if prices is not None and price is None else ()),
        )


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

    total: Spent = Spent()
    num_trainings: int = 0
    by_studies: Mapping[tuple[str, ...], Spent] = field(default_factory=dict[tuple[str, ...], Spent])
    by_rows: Mapping[tuple[Row, ...], Spent] = field(default_factory=dict[tuple[Row, ...], Spent])
    by_owner: Mapping[str, Spent] = field(default_factory=dict[str, Spent])
    by_device: Mapping[str, Spent] = field(default_factory=dict[str, Spent])
    by_state: Mapping[str, Spent] = field(default_factory=dict[str, Spent])


def read_costs(training_ids: Iterable[str], store: Store) -> dict[str, TrainingCost]:
    """Read what trainings have held; those that have left no trace are left out."""
    identities = list(dict.fromkeys(training_ids))
    found = read_all(lambda identity: _cost_of(store.training(identity)), identities)
    return {identity: cost for identity, cost in zip(identities, found, strict=True) if cost is not None}


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


def _cost_of(folder: TrainingFolder) -> TrainingCost | None:
    """Read what one training has held; None where it has left no trace."""
    try:
        record = folder.record()
    except DamagedFile:
        return TrainingCost("done", (), is_at_least=True)
    if record is not None:
        return cost_of_recorded(record)
    attempts = folder.attempts([])
    holdings = tuple(attempt.holding for attempt in attempts if attempt.holding is not None)
    state: State = "unfinished" if folder.failure_message() is None else "failed"
    if not holdings:
        return _cost_by_epochs(folder, state)
    has_all = len(holdings) == folder.num_attempts() and all(holding.has_ended for holding in holdings)
    return TrainingCost(state, holdings, is_at_least=not has_all)


def cost_of_recorded(record: TrainingRecord) -> TrainingCost:
    """Say what a finished training has held, as its record has it or, of before, lets it be estimated."""
    if record.holdings:
        has_all = len(record.holdings) == record.attempts
        is_known = has_all and all(holding.has_ended for holding in record.holdings)
        return TrainingCost("done", record.holdings, is_at_least=not is_known)
    device = "cpu" if record.device == "cpu" else "cuda"
    holding = Holding(
        held_s=record.train_wall_s + record.measure_wall_s,
        cpus=1.0,
        gpus=0.0 if device == "cpu" else 1.0,
        device=name_device(device, record.machine, record.environment),
        has_ended=True,
    )
    return TrainingCost("done", (holding,), is_at_least=record.attempts > 1, is_estimated=True)


def _cost_by_epochs(folder: TrainingFolder, state: State) -> TrainingCost | None:
    """Estimate an unfinished training of before, whose attempts do not say what they held, by its epochs."""
    try:
        held_s = sum(report.wall_s for report in folder.epochs())
    except DamagedFile:
        held_s = 0.0
    if not held_s and not folder.num_attempts():
        return None
    holding = Holding(held_s=held_s, cpus=1.0, gpus=0.0, device=UNKNOWN)
    return TrainingCost(state, (holding,) if held_s else (), is_at_least=True, is_estimated=bool(held_s))
