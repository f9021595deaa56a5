"""What the trainings behind one cell have cost together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tablewright.orchestrator.costs.training_cost import cost_of_recorded
from tablewright.orchestrator.declared.cost_columns import CostColumn, counted_cost
from tablewright.orchestrator.declared.dataset import without_own_seed
from tablewright.orchestrator.store.training_records import TrainingRecord
from tablewright.trainables.contract.method import TrainingConfig


def recorded_costs(record: TrainingRecord) -> dict[CostColumn, float | None]:
    """Read what a training has cost; None where its record does not say."""
    return {
        "train_s": record.train_wall_s,
        "gpu_s": cost_of_recorded(record).spent().gpu_s,
        "peak_memory_bytes": float(record.peak_memory_bytes) or None,
    }


def cost_of(
    name: CostColumn,
    configs: Iterable[TrainingConfig],
    recorded: Iterable[Mapping[CostColumn, float | None]],
) -> float | None:
    """Give what the members of a cell cost together; of memory that of the largest.

    Args:
        name: of the cost.
        configs: of the members; what is counted follows from them.
        recorded: costs of the members, of those that have records.
    """
    counting = counted_cost(name)
    if counting is not None:
        return sum(counting.counted(without_own_seed(config)) for config in configs)
    values = [costs[name] for costs in recorded]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    return max(known) if name == "peak_memory_bytes" else sum(known)
