"""What each query or image that a view was measured on gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.item_table import measured_columns, measured_items
from tablewright.orchestrator.store.training_folder import TrainingFolder
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.view import EvaluationView


@dataclass(frozen=True)
class Items:
    """A table of items without those left out; empty where it is lost, and why.

    Attributes:
        names: of the items.
        columns: as `ViewResult.per_query` has them.
        fault: why it is lost; empty where it is not.
    """

    names: tuple[str, ...]
    columns: Mapping[str, np.ndarray]
    fault: str = ""


def read_items(of_view: tuple[TrainingFolder, str]) -> Items:
    """Read the items of a view of a training: (its folder, id of the view)."""
    folder, view_id = of_view
    try:
        table = folder.items(view_id)
    except (DamagedFile, FileNotFoundError) as error:  # no mean needs it
        return Items((), {}, str(error))
    columns = {name: table[name].to_numpy() for name in table.column_names}
    return Items(tuple(measured_items(columns)[0]), measured_columns(columns))


@dataclass(frozen=True)
class Scores:
    """Each item's score and cluster, by name.

    Attributes:
        score: its part in a metric, averaged over seeds.
        cluster: what it hangs together with, such as its identity or class.
    """

    score: Mapping[str, float]
    cluster: Mapping[str, object]


def mean_scores(readings: Sequence[Items], view: EvaluationView, metric: Metric) -> Scores | None:
    """Average each item's score over seeds; None where a seed's items are lost or do not tell."""
    total: dict[str, float] = {}
    cluster: dict[str, object] = {}
    for reading in readings:
        scores = view.item_scores(metric, reading.columns)
        if scores is None:
            return None
        clusters = reading.columns.get(view.cluster_column, np.array(reading.names))
        for name, score, of_item in zip(reading.names, scores.tolist(), clusters.tolist(), strict=True):
            total[name] = total.get(name, 0.0) + score / len(readings)
            cluster[name] = of_item
    return Scores(total, cluster)
