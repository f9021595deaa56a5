"""What one training has held of machines, in all of its attempts: counted from what it has left in the store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from tablewright.orchestrator.costs.prices import Prices
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.holding import Holding, name_device
from tablewright.orchestrator.store.parallel_reading import read_all
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_folder import TrainingFolder
from tablewright.orchestrator.store.training_records import TrainingRecord

UNKNOWN = "unknown"

State = Literal["done", "failed", "pruned", "unfinished"]


@dataclass(frozen=True)
class Spent:
    """Time that was held of machines, and its price.

    Attributes:
        cpu_s: of processors.
        gpu_s: of GPUs.
        energy_j: that GPUs counted.
        unmetered_gpu_s: of GPUs that did not say what they use.
        price: of what has one.
        unpriced: devices that have none.
        is_at_least: whether more was held than is known, as of attempts that were killed or still run.
        is_estimated: whether records of before are among it, which do not say what was held: one GPU, or one
            processor, for as long as training and measuring took.
    """

    cpu_s: float = 0.0
    gpu_s: float = 0.0
    energy_j: float = 0.0
    unmetered_gpu_s: float = 0.0
    price: float = 0.0
    unpriced: frozenset[str] = frozenset()
    is_at_least: bool = False
    is_estimated: bool = False

    def __add__(self, other: Spent) -> Spent:
        """Take both together."""
        return Spent(
            self.cpu_s + other.cpu_s,
            self.gpu_s + other.gpu_s,
            self.energy_j + other.energy_j,
            self.unmetered_gpu_s + other.unmetered_gpu_s,
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
            holding.energy_j or 0.0,
            holding.gpus * holding.held_s if holding.energy_j is None else 0.0,
            price or 0.0,
            frozenset({holding.device} if prices is not None and price is None else ()),
        )


def read_costs(training_ids: Iterable[str], store: Store) -> dict[str, TrainingCost]:
    """Read what trainings have held; those that have left no trace are left out."""
    identities = list(dict.fromkeys(training_ids))
    found = read_all(lambda identity: _cost_of(store.training(identity)), identities)
    return {identity: cost for identity, cost in zip(identities, found, strict=True) if cost is not None}


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
