"""Tables that no page holds as they are: too many rows or columns, labels without an end, signs that fonts lack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.store.store import Store
from tablewright.reports.table.table import RowGroup, Table
from tablewright.reports.table_files import write_tables
from tablewright.trainables.retrieval.view import MAP, RANK1, RANK5, RANK10
from tests.reports.tiny_study import (
    DUKE,
    MARKET,
    depth_row,
    make_ablation,
    plan_of,
    record_value,
)

SENTENCE = "what a row is made of, as people write it down; "
GROUP = "a group whose head is wider than all of the columns below it, which LaTeX would make wider: " * 2
MEASURED = {"map": 0.8, "rank1": 0.9, "rank5": 0.95, "rank10": 0.97}
NUM_ROWS = 90


def wide_tables(store: Store) -> list[Table]:
    """Make tables with too many rows, too many rows in groups, too many columns, and labels that are too long."""
    far = Dataset("CUHK03 detected, new protocol", {"width": 4})
    rows = [depth_row(1), depth_row(2)]
    plan = plan_of(
        make_ablation(rows, name="few", datasets=[MARKET, DUKE]),
        make_ablation(
            rows,
            name="many_columns",
            metrics=[MAP, RANK1, RANK5, RANK10],
            datasets=[MARKET, DUKE, far],
            shows_difference=True,
        ),
        make_ablation(
            [
                Row(SENTENCE * 4, {"depth": 1}, group=GROUP),
                Row("x" * 190, {"depth": 2}, group=GROUP),
                Row("a/path/of/many/parts/" * 8, {"depth": 3}),
            ],
            name="long_labels",
            datasets=[MARKET, DUKE],
        ),
    )
    few, *others = filled_tables(plan, store)
    grouped = [f"group {number}" for number in range(NUM_ROWS // 10)]
    return [_with_rows(few, [""], NUM_ROWS), _with_rows(few, grouped, 10), *others]


def _with_rows(table: Table, groups: Sequence[str], num_rows: int) -> Table:
    row = table.rows[0]
    return replace(
        table,
        groups=tuple(
            RowGroup(group, tuple(replace(row, label=f"row {number}") for number in range(num_rows)))
            for group in groups
        ),
    )


def lost_signs_plan() -> Plan:
    """Declare a table in scripts that LaTeX's own fonts lack."""
    rows = [Row("中文标签", {"depth": 1}, group="日本語のグループ"), Row("한국어 λ ✓ ✗ Ж", {"depth": 2})]
    return plan_of(make_ablation(rows, caption="表の題"))


def filled_tables(plan: Plan, store: Store) -> list[Table]:
    """Fill the tables of a plan."""
    measured = {
        seed: {metric: value + 0.01 * seed for metric, value in MEASURED.items()} for seed in range(3)
    }
    for row in dict.fromkeys(cell.row for cell in plan.cells):
        record_value(store, plan, row, {"Market-1501": measured, "DukeMTMC-reID": measured})
    return [written.table for written in write_tables(plan, store, writes=False).tables]
