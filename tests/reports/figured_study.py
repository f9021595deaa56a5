"""A study with a table of each kind that has a figure of its own, and records of it made up from a seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.design import Factorial, Row, Sweep
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.store.store import Store
from tablewright.trainables.contract.run import EpochReport
from tests.reports.statistics.test_item_comparisons import write_table_of_items
from tests.reports.tiny_study import DUKE, MARKET, make_ablation, plan_of, record_cell

NUM_PERSONS, QUERIES_A_PERSON = 40, 4


def figured_ablations() -> list[Ablation]:
    """A sweep with a row beside it, on two data sets, and a factorial."""
    return [
        make_ablation(
            [Sweep("width", (8, 16, 64, 512)), Row("no depth", {"depth": 0})],
            name="width",
            stub_head="width E",
            datasets=[MARKET, DUKE],
        ),
        make_ablation(
            [
                Factorial(
                    {
                        "depth": {"two": {}, "three": {"depth": 3}},
                        "width": {"8": {}, "12": {"width": 12}, "24": {"width": 24}},
                    }
                )
            ],
            name="factors",
        ),
    ]


def record_figured(store: Store, plan: Plan, *, num_epochs: int = 12, tables: Sequence[str] = ()) -> None:
    """Record every training: values that grow with width and depth, items, and epochs."""
    done: set[tuple[str, str]] = set()
    for cell in plan.cells:
        key = cell.training_id, cell.view_id
        if key in done or (tables and cell.table not in tables):
            continue
        done.add(key)
        config = plan.trainings[cell.training_id].config.model_dump()
        random = np.random.default_rng([cell.seed, config["depth"], config["width"], len(cell.dataset)])
        quality = 0.5 + 0.04 * np.log2(config["width"]) - 0.01 * abs(config["depth"] - 2)
        persons = np.random.default_rng(1).normal(0, 0.1, NUM_PERSONS)
        persons = persons + np.random.default_rng([config["depth"], config["width"]]).normal(
            0, 0.03, NUM_PERSONS
        )
        precision = (
            quality
            + np.repeat(persons, QUERIES_A_PERSON)
            + random.normal(0, 0.02, NUM_PERSONS * QUERIES_A_PERSON)
            + random.normal(0, 0.004)
        ).clip(0.01, 1)
        ranks = np.ceil(random.exponential(3 * (1.2 - precision))).clip(1).astype(np.int64)
        columns = {
            "query": np.array([f"{number}.jpg" for number in range(len(precision))]),
            "pid": np.repeat(np.arange(NUM_PERSONS), QUERIES_A_PERSON),
            "average_precision": precision,
            "first_match_rank": ranks,
        }
        metrics = {"map": float(precision.mean()), "rank1": float((ranks == 1).mean())}
        record_cell(
            store,
            plan,
            cell.training_id,
            cell.view_id,
            metrics,
            train_wall_s=float(10 + config["width"] ** 0.7 + random.uniform(0, 2)),
        )
        write_table_of_items(store, cell.training_id, cell.view_id, columns)
        reports = [
            EpochReport(
                epoch,
                num_epochs,
                {
                    "loss": float(3 / epoch + random.uniform(0, 0.2) + 1 / config["width"]),
                    "val_map": metrics["map"] * (1 - 0.5 / epoch),
                },
                1.0,
            )
            for epoch in range(1, num_epochs + 1)
        ]
        store.training(cell.training_id).write_epochs(reports)


def figured(store: Store, *, seeds: Sequence[int] = (0, 1, 2)) -> Plan:
    """Plan the study and record all of it."""
    plan = plan_of(*figured_ablations(), seeds=seeds)
    record_figured(store, plan)
    return plan
