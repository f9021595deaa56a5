"""One plan whose first table shows everything a table can show, and whose second is of demo data."""

from __future__ import annotations

from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.store.store import Store
from tests.reports.tiny_study import (
    DUKE,
    MARKET,
    depth_row,
    make_ablation,
    plan_of,
    record_failure,
    record_value,
    seeds_of,
)

HOSTILE = "<script>alert('x')</script> & 50% of $x_i$ | [red]~λ^2~[/red] \\end{table}"


def every_state_plan() -> Plan:
    """Declare the two tables."""
    rows = [
        Row(
            "another's & older",
            is_trained=False,
            published={"Market-1501": {"map": 0.799, "rank1": 0.911}},
            source="Table V",
        ),
        depth_row(
            2,
            published={"Market-1501": {"map": 0.821, "rank1": 0.93}, "DukeMTMC-reID": {"map": 0.701}},
            source="Table VI, row 1",
        ),
        depth_row(3, published={"Market-1501": {"map": 0.831}}, source="Table VI, row 2"),
        Row(HOSTILE, {"depth": 4}, group="odd_names"),
        Row("fails", {"depth": 5}, group="odd_names"),
        Row("not yet", {"depth": 6}, group="odd_names"),
    ]
    return plan_of(
        make_ablation(rows, datasets=[MARKET, DUKE], source="Table VI"),
        make_ablation(
            [depth_row(1), depth_row(2)],
            name="demo_depth",
            caption="The same & more",
            datasets=[Dataset("Pedestrians", {"data": "demo"})],
        ),
    )


def record_every_state(store: Store, plan: Plan) -> None:
    """Write records for it by hand."""
    record_value(
        store,
        plan,
        "depth 2",
        {
            "Market-1501": seeds_of([0.811, 0.812, 0.816], [0.91, 0.92, 0.93]),
            "DukeMTMC-reID": seeds_of([0.71, 0.72, 0.73], [0.81, 0.82, 0.83]),
            "Pedestrians": seeds_of([0.31, 0.32, 0.33], [0.41, 0.42, 0.43]),
        },
    )
    record_value(
        store,
        plan,
        "depth 3",
        {
            "Market-1501": seeds_of([0.911, 0.912, 0.917], [0.92, 0.93, 0.94]),
            "DukeMTMC-reID": seeds_of([0.70, 0.71, 0.72], [0.80, 0.82, 0.83]),
        },
    )
    record_value(store, plan, HOSTILE, {"Market-1501": seeds_of([0.851, 0.852], [0.91, 0.92])})
    record_failure(store, plan, "fails", 0, f"RuntimeError: loss is NaN\nin {HOSTILE}")
