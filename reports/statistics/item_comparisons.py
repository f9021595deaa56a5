"""The compared rows of a table once more over the queries or images that both were measured on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd

from tablewright.orchestrator.declared.design import Contrast, full_label
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.store.parallel_reading import read_all
from tablewright.orchestrator.store.store import Store
from tablewright.reports.statistics.item_scores import Scores, mean_scores, read_items
from tablewright.reports.statistics.query_test import QueryComparison, compare_queries
from tablewright.reports.statistics.seed import Place, Seed, seeds_by_place
from tablewright.trainables.contract.metric import Metric

CLUSTERS_OF = {"pid": "identities", "label": "classes"}
"""What the values of a view's cluster column are called."""


@dataclass(frozen=True)
class ItemComparison:
    """What the measured items say of a row and the one it is compared with.

    Attributes:
        items: what was measured, in the plural.
        clusters: what hangs together among them, in the plural; empty where each stands for itself.
        of_items: the test, over the means of the seeds that both rows have.
    """

    items: str
    clusters: str
    of_items: QueryComparison


def compare_items(
    plan: Plan,
    store: Store,
    study: str,
    name: str,
    frame: pd.DataFrame,
    faults: list[str] | None = None,
) -> dict[Place, ItemComparison]:
    """Compare rows over the items that both were measured on, if the table asks for it.

    Args:
        plan: whose table is compared.
        store: of its measurements.
        study: name of the study.
        name: of one of its tables.
        frame: what `read_cells` gives; it may hold other tables too.
        faults: gets why rows could not be compared, one text a file that cannot be used.

    Returns:
        By the place of the row from which the other is taken.
    """
    ablation = plan.tables[study, name]
    if not ablation.tests_items:
        return {}
    seeds_of = seeds_by_place(cast(pd.DataFrame, frame[(frame["study"] == study) & (frame["table"] == name)]))
    contrasts = [contrast for contrast in ablation.contrasts if contrast.row]
    view_of = {full_label(row): row.view or ablation.view for row in ablation.trained_rows}
    view_ids: dict[tuple[str, ...], str] = {
        (cell.training_id, *cell.partner_ids): cell.view_id
        for cell in plan.cells
        if (cell.study, cell.table) == (study, name)
    }
    found: dict[Place, ItemComparison] = {}
    for dataset in ablation.datasets:
        pairs = list(_common_seeds(contrasts, dataset.label, ablation.metrics[0], seeds_of))
        wanted = list(dict.fromkeys(seed.training_ids for _, pair in pairs for both in pair for seed in both))
        folders = [(store.training(ids[0]), view_ids[ids]) for ids in wanted]
        read = dict(zip(wanted, read_all(read_items, folders), strict=True))
        if faults is not None:
            faults += dict.fromkeys(items.fault for items in read.values() if items.fault)
        for contrast, pair in pairs:
            for metric in ablation.metrics:
                sides = [
                    mean_scores([read[seed.training_ids] for seed in seeds], view_of[row], metric)
                    for row, seeds in zip((contrast.row, contrast.reference), pair, strict=True)
                ]
                comparison = _compare(*sides)
                if comparison is not None:
                    items = "queries" if "query" in read[pair[0][0].training_ids].columns else "images"
                    column = view_of[contrast.row].cluster_column
                    clusters = CLUSTERS_OF.get(column, f"values of {column}" if column else "")
                    found[contrast.row, dataset.label, metric.name] = ItemComparison(
                        items, clusters, comparison
                    )
    return found


def _common_seeds(
    contrasts: Sequence[Contrast], dataset: str, metric: Metric, seeds_of: Mapping[Place, Sequence[Seed]]
) -> Iterator[tuple[Contrast, tuple[list[Seed], list[Seed]]]]:
    """Give of each contrast the seeds that both rows are measured with, those of the row and of its reference."""
    for contrast in contrasts:
        row, reference = (
            {
                seed.seed: seed
                for seed in seeds_of.get((label, dataset, metric.name), ())
                if seed.state == "done"
            }
            for label in (contrast.row, contrast.reference)
        )
        common = sorted(row.keys() & reference.keys())
        if common:
            yield contrast, ([row[seed] for seed in common], [reference[seed] for seed in common])


def _compare(row: Scores | None, reference: Scores | None) -> QueryComparison | None:
    if row is None or reference is None:
        return None
    names = [name for name in row.score if name in reference.score]
    return compare_queries(
        np.array([row.score[name] for name in names]),
        np.array([reference.score[name] for name in names]),
        np.array([str(row.cluster[name]) for name in names]),
    )
