"""What a table measures: the view of its rows and the metrics that are its columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tablewright.trainables.contract.method import TrainingConfig
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.recorded_view import fault_of_view
from tablewright.trainables.contract.view import METHODS_VIEW, EvaluationView
from tablewright.trainables.value.refusal import Fault


def own_view(base: TrainingConfig, view: EvaluationView, metrics: Sequence[Metric]) -> Mapping[str, Any]:
    """Give the method's own view, and all that it measures, where none are named."""
    own = base.default_view() if view == METHODS_VIEW else None
    return {} if own is None else {"view": own, "metrics": tuple(metrics) or own.metrics}


def no_view_fault(base: TrainingConfig, view: EvaluationView, kind: str) -> Fault | None:
    """Say that a method has no one view of its own, where none is named."""
    if view != METHODS_VIEW:
        return None
    return Fault("view", f"{base.METHOD} has several ways to measure; name one: {kind}(…, view=…)")


def column_faults(view: EvaluationView, metrics: Sequence[Metric]) -> Iterator[str]:
    """Find a view that cannot be, and metrics that it does not give."""
    if fault := fault_of_view(view):
        yield fault
    measured = {metric.name for metric in view.metrics}
    for metric in metrics:
        if metric.name not in measured:
            yield f"the view gives no metric {metric.name!r}; it gives {', '.join(sorted(measured))}"
