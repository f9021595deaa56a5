"""In which units the columns of a table show what its rows cost, and what is said of that below it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.cost_columns import CostColumn, cost_metric, counted_cost
from tablewright.reports.statistics.seed import Place, Seed
from tablewright.trainables.contract.metric import Metric

_UNITS: Mapping[str, tuple[tuple[float, str], ...]] = {
    **dict.fromkeys(("parameters", "inference_parameters"), ((1e3, "k"), (1e6, "M"), (1e9, "G"))),
    "flops": ((1e6, "M"), (1e9, "G"), (1e12, "T")),
    **dict.fromkeys(("train_s", "gpu_s"), ((1, "s"), (60, "min"), (3600, "h"))),
    "peak_memory_bytes": ((2**20, "MiB"), (2**30, "GiB")),
}
"""Of a cost: how many of its own a larger unit is, and how that is written."""

SIGNS_SHOWN = 3


def in_larger_units(
    ablation: Ablation, seeds: dict[Place, list[Seed]]
) -> tuple[dict[str, Metric], dict[Place, list[Seed]]]:
    """Choose for each cost the unit in which all of its column reads well, and give the cells in it.

    Returns:
        The metric of each cost, its unit behind its name, and the cells of the costs in these units.
    """
    metrics: dict[str, Metric] = {}
    cells: dict[Place, list[Seed]] = {}
    for name in ablation.costs:
        own = {place: of_place for place, of_place in seeds.items() if place[2] == name}
        values = [seed.value for of_place in own.values() for seed in of_place if seed.state == "done"]
        largest = max(values, default=0.0)
        factor, unit = max((pair for pair in _UNITS[name] if pair[0] <= largest), default=_UNITS[name][0])
        digits = max(0, SIGNS_SHOWN - len(f"{largest / factor:.0f}"))
        metrics[name] = replace(cost_metric(name), label=f"{cost_metric(name).label}, {unit}", digits=digits)
        cells |= {
            place: [replace(seed, value=seed.value / factor) for seed in of_place]
            for place, of_place in own.items()
        }
    return metrics, cells


def cost_notes(costs: Sequence[CostColumn], unknown: Sequence[str]) -> Iterator[str]:
    """Say where the costs of a table come from.

    Args:
        costs: of the table.
        unknown: heads of those that are not known of some row.
    """
    if any(counted_cost(name) for name in costs):
        yield (
            "Parameters and FLOPs (two a multiply-add, of one image at inference) are counted on the networks "
            "themselves."
        )
    if any(counted_cost(name) is None for name in costs):
        yield (
            "Time and memory are as recorded of each training on the machine that it ran on; they are not tested."
        )
    if unknown:
        yield f"—, under {' and '.join(unknown)}: not trained yet, or not said by records of before."
