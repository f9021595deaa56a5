"""What is to be written of one run of MLflow, gathered, and written in as few calls as MLflow's limits allow."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tablewright.orchestrator.projections.mlflow_names import NOTE, allowed_name
from tablewright.trainables.value.secret import masked

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Metric

MAX_METRICS_PER_CALL = 800
"""Beside as many parameters and tags as one call may have, which takes a thousand in all."""
MAX_PARAMS_PER_CALL = 100


@dataclass
class RunBatch:
    """What is to be written of a run.

    Attributes:
        metrics: groups that stay together.
        data: what it was trained on.
    """

    metrics: list[Sequence[Metric]] = field(default_factory=list["Sequence[Metric]"])
    params: dict[str, str] = field(default_factory=dict[str, str])
    tags: dict[str, str] = field(default_factory=dict[str, str])
    data: DatasetInput | None = None

    def send(self, client: MlflowClient, run_id: str) -> None:
        """Write it to a run that is there."""
        from mlflow.entities import Param, RunTag

        groups: list[list[Metric]] = [[]]
        for group in self.metrics:
            if len(groups[-1]) + len(group) > MAX_METRICS_PER_CALL:
                groups.append([])
            groups[-1].extend(group)
        params = [Param(name, text) for name, text in self.params.items()]
        tags = [RunTag(name, text) for name, text in written_tags(self.tags).items()]
        calls = itertools.zip_longest(filter(None, groups), _parts_of(params), _parts_of(tags), fillvalue=())
        for some_metrics, some_params, some_tags in calls:
            client.log_batch(run_id, some_metrics, some_params, some_tags)
        if self.data is not None:
            client.log_inputs(run_id, [self.data])


def metrics_at(values: Mapping[str, float], at_ms: int, step: int) -> list[Metric]:
    """Give values of one moment as MLflow's metrics."""
    from mlflow.entities import Metric

    return [Metric(allowed_name(name), float(value), at_ms, step) for name, value in values.items()]


def written_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Mask what tags say, but for a description: its words are masked where it is written, its links are not."""
    return {tag: text if tag == NOTE else masked(text) for tag, text in tags.items()}


def _parts_of(some: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (some[start : start + MAX_PARAMS_PER_CALL] for start in range(0, len(some), MAX_PARAMS_PER_CALL))
