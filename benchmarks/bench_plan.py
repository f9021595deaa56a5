"""What `--plan` and `--status` of 10,000 cells cost, and of a tenth: CPU seconds a part, and whether they grow evenly.

    python benchmarks/bench_plan.py [ROWS]

A study of ROWS rows (2,000) in tables of a hundred, with five seeds, is made in a new store in which half of the
trainings are recorded, each with its measurement, as a sweep would have left them. Then each part of the two commands
is timed alone.
"""

from __future__ import annotations

import datetime
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from made_records import made_record

import tablewright as tw
from tablewright.orchestrator.costs.counted_work import CountedWork
from tablewright.orchestrator.costs.outlook import Machines, look_ahead, room_for_checkpoints
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.plans.planning import plan_with_data
from tablewright.orchestrator.status import read_status
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_records import Measurement
from tablewright.reports.notes.foresight import foresee
from tablewright.trainables.contract.run import Runtime

SEEDS = range(5)
ROWS_OF_A_TABLE = 100
WHEN = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
ACCURACY = tw.Metric("accuracy", "Accuracy")


class Wide(tw.Config):
    """A method that is never trained here."""

    width: int = 1


@tw.method(
    Wide,
    metrics=[ACCURACY],
    measure=lambda config, model, split: {"accuracy": 0.5},
    data=tw.Data("Nothing", version="1"),
)
def fit(config: Wide) -> int:
    """Train nothing."""
    return config.width


def study_of(num_rows: int) -> tw.Study:
    """Sweep a width over so many values, in tables of a hundred rows that have the first one in common."""
    tables: list[tw.Ablation] = []
    for first in range(1, num_rows + 1, ROWS_OF_A_TABLE):
        values = dict.fromkeys([1, *range(first, min(first + ROWS_OF_A_TABLE, num_rows + 1))])
        sweep = tw.Sweep("width", tuple(values))
        tables.append(tw.Ablation(f"from_{first}", "Widths", Wide(), [tw.Dataset("Nothing")], [sweep]))
    return tw.Study("wide", "Widths", "nobody", tuple(SEEDS), tables)


def record(store: Store, plan: Plan, training_id: str) -> None:
    """Write what a sweep leaves of a finished training, as far as these commands read it."""
    planned = plan.trainings[training_id]
    for view_id, view in planned.views.items():
        measured = Measurement(
            training_id=training_id,
            view_id=view_id,
            view=view.view,
            metrics={"accuracy": 0.5 + planned.config.seed / 100},
            measured_at=WHEN,
        )
        (store.root / f"trainings/{training_id}").write_model(f"measurements/{view_id}.json", measured)
    store.training(training_id).write_record(made_record(planned, 1, {}))


def cpu_s(part: Callable[[], Any]) -> tuple[float, Any]:
    """Give the CPU seconds of a call, and what it gave."""
    begun = time.process_time()
    given = part()
    return time.process_time() - begun, given


def parts_cpu_s(num_rows: int) -> dict[str, float]:
    """Time each part for a study of so many rows."""
    study = study_of(num_rows)
    with tempfile.TemporaryDirectory() as folder:
        runtime = Runtime(data_root=None, cache_dir=f"{folder}/cache")
        store = Store(f"{folder}/runs")
        store.shared_id()
        plan = plan_with_data([study], store, runtime)
        for training_id in list(plan.trainings)[::2]:
            record(store, plan, training_id)
        taken: dict[str, float] = {}
        taken["plan"], plan = cpu_s(lambda: plan_with_data([study], store, runtime))
        taken["status"], statuses = cpu_s(lambda: read_status(plan, store))
        count = CountedWork(runtime.cache_dir)
        taken["what is left"], _ = cpu_s(lambda: look_ahead(statuses, count, Machines(is_this_one=True)))
        taken["checkpoints"], _ = cpu_s(lambda: room_for_checkpoints(statuses, store, count))
        taken["what can be found"], _ = cpu_s(lambda: foresee(plan, store))
    return taken


def main() -> None:
    """Print the table."""
    most = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    few, many = parts_cpu_s(most // 10), parts_cpu_s(most)
    print(f"CPU seconds for {most // 10 * len(SEEDS)} and {most * len(SEEDS)} cells, half of them recorded")
    for name in many:
        print(f"  {name:20} {few[name]:8.2f} {many[name]:8.2f}   x {many[name] / max(few[name], 1e-3):.1f}")
    print(f"  {'together':20} {sum(few.values()):8.2f} {sum(many.values()):8.2f}")


if __name__ == "__main__":
    main()
