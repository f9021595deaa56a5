"""Views that MLflow's page of runs offers in its own menu, one a table: its trainings, grouped by row.

MLflow 3 keeps a saved view in a tag of the experiment: a name, times, and as JSON what the page's controls are set to.
A version that knows of none shows nothing more than it did.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.search import Search
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.plans.training_places import table_keys
from tablewright.orchestrator.projections.mlflow_names import DATASET, SEED, STORE, allowed_name, view_prefix
from tablewright.orchestrator.projections.mlflow_places import row_tag, view_key
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.view import EvaluationView

VIEW_TAG = "mlflow.sharedViewState."
MAX_COLUMNS = 12
CHARTS = "tablewright"


def saved_views(plan: Plan, store_id: str, made_at_ms: int) -> dict[str, str]:
    """Give the tags of an experiment that are the views of a plan's tables.

    Args:
        plan: of the tables.
        store_id: of the store whose runs they show.
        made_at_ms: of the experiment; the menu has the latest view first, so that tables are dated backwards.
    """
    tags: dict[str, str] = {}
    searches = {(study.name, search.name): search for study, search, _ in plan.searched()}
    for number, (key, study, table) in enumerate(table_keys(plan)):
        search = searches.get((study, table))
        state = (
            _of_rows(key, plan.tables[study, table], store_id)
            if search is None
            else _of_trials(key, search, store_id)
        )
        at_ms = made_at_ms - number
        view = {
            "name": f"{key} by {'row' if search is None else 'trial'}",
            "createdAt": at_ms,
            "updatedAt": at_ms,
            "state": json.dumps(state),
            "tablewright": {"store": store_id, "table": key},
        }
        tags[f"{VIEW_TAG}{view_key(store_id, key)}"] = json.dumps(view, ensure_ascii=False)
    return tags


def left_over_views(tags: Mapping[str, str], plan: Plan, store_id: str) -> list[str]:
    """Name the tags of views of tables that the studies of a plan declare no more."""
    studies = {key.rpartition("/")[0]: study for key, study, _ in table_keys(plan)}
    declared = {study.name: {*study.table_names, *study.left_out} for study in plan.studies}
    found: list[str] = []
    for tag, text in tags.items():
        if not tag.startswith(VIEW_TAG):
            continue
        try:
            of = json.loads(text)["tablewright"]
            study, _, table = of["table"].rpartition("/")
            if of["store"] == store_id and study in studies and table not in declared[studies[study]]:
                found.append(tag)
        except (ValueError, TypeError, KeyError):  # a view of a person's own
            continue
    return found


def _of_rows(key: str, ablation: Ablation, store_id: str) -> dict[str, Any]:
    groups = [row_tag(key), *([DATASET] if len(ablation.datasets) > 1 else [])]
    views = [ablation.view, *(row.view for row in ablation.trained_rows if row.view is not None)]
    metrics = _logged(views, ablation.metrics)
    return _state(groups[0], store_id, ablation.metrics[0], metrics, [f"tags.`{SEED}`"], groups)


def _of_trials(key: str, search: Search, store_id: str) -> dict[str, Any]:
    tag, objective = row_tag(key, is_trial=True), search.objective
    groups = [tag] if search.seeds or len(search.datasets) > 1 else []
    further = [f"tags.`{tag}`", *(f"params.`{allowed_name(path)}`" for path in search.space)]
    metrics = _logged([objective.view], [objective.metric])
    return _state(tag, store_id, objective.metric, metrics, further, groups)


def _state(
    tag: str,
    store_id: str,
    first: Metric,
    metrics: Sequence[str],
    further: Sequence[str],
    groups: Sequence[str],
) -> dict[str, Any]:
    """Set the page's controls: which runs, sorted and grouped by what, with which columns and charts.

    Args:
        tag: that the runs have.
        store_id: of theirs.
        first: the first of the metrics.
        metrics: as runs have them.
        further: columns behind theirs.
        groups: tags to group by.
    """
    columns = [*(f"metrics.`{metric}`" for metric in metrics), *further]
    by_tag = [{"mode": "tag", "groupByData": group} for group in groups]
    return {
        "searchFilter": f"tags.`{tag}` != '' and tags.`{STORE}` = '{store_id}'",
        # Sorted by when they began, MLflow would add the sweep's own run.
        "orderByKey": columns[0],
        "orderByAsc": not first.higher_is_better,
        "groupBy": {"aggregateFunction": "average", "groupByKeys": by_tag} if by_tag else None,
        "selectedColumns": [*columns[:MAX_COLUMNS], "attributes.`Dataset`"],
        "useGroupedValuesInCharts": True,
        "compareRunSections": [{"uuid": CHARTS, "name": "Table", "display": True, "isReordered": False}],
        "compareRunCharts": [
            {
                "type": "BAR",
                "uuid": f"{CHARTS}-{metric}",
                "metricKey": metric,
                "metricSectionId": CHARTS,
                "runsCountToCompare": 100,
                "deleted": False,
                "isGenerated": False,
            }
            for metric in metrics[:MAX_COLUMNS]
        ],
        "isAccordionReordered": True,  # or the table's charts would stand behind those of every loss
    }


def _logged(views: Sequence[EvaluationView], metrics: Sequence[Metric]) -> list[str]:
    """Name metrics as runs have them; the same view is logged once."""
    fronts = dict.fromkeys(map(view_prefix, views))
    return [allowed_name(f"{front}.{metric.name}") for front in fronts for metric in metrics]
