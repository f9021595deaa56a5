"""What a table may show of the cost of its rows beside their quality: counted from configs, or as records have it."""

from __future__ import annotations

from typing import Literal

from tablewright.orchestrator.declared.search_cost import Cost
from tablewright.trainables.contract.metric import Metric

CountedCost = Literal["parameters", "inference_parameters", "flops"]
RecordedCost = Literal["train_s", "gpu_s", "peak_memory_bytes"]
CostColumn = CountedCost | RecordedCost
"""`parameters` of the network in training, `inference_parameters` that inference reads, `flops` of one item at
inference (two a multiply-add); `train_s` of its epochs, `gpu_s` that all its attempts held of GPUs, measuring included,
and the most memory that it held."""

_LABELS: dict[CostColumn, str] = {
    "parameters": "Parameters",
    "inference_parameters": "Parameters at inference",
    "flops": "FLOPs",
    "train_s": "Training",
    "gpu_s": "GPU time",
    "peak_memory_bytes": "Memory",
}


def cost_metric(name: CostColumn) -> Metric:
    """Say how a cost is named; its values are single parameters, operations, seconds and bytes."""
    return Metric(name, _LABELS[name], higher_is_better=False, digits=0, is_fraction=False)


def counted_cost(name: CostColumn) -> Cost | None:
    """Give what counts a cost from a config; None where only a record can tell it."""
    match name:
        case "parameters" | "inference_parameters" | "flops":
            return Cost(name)
        case _:
            return None
