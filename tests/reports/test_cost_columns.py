"""What rows cost stands beside how good they are, in units that read well, and takes no part in what is tested."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.store.holding import Holding
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_records import TrainingRecord
from tablewright.reports.ablation_table import build_table
from tablewright.reports.frame import read_cells
from tablewright.reports.table.cell import mean_text
from tablewright.reports.table.table import Table
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.size import NetworkSize
from tablewright.trainables.retrieval.view import MAP
from tablewright.trainables.value.refusal import Refusal
from tests.reports.tiny_study import TinyConfig, depth_row, make_ablation, plan_of, record_cell


class Sized:
    """A network of a million parameters a layer."""

    def size(self, config: Any) -> NetworkSize:
        return NetworkSize(config.depth * 1_000_000, 900_000, 500_000_000, config.depth)


class UncountedConfig(TinyConfig):
    def make_trainable(self) -> Any:
        return object()


class SizedConfig(TinyConfig):
    def make_trainable(self) -> Any:
        return Sized()


def table_of(
    tmp_path: Path, *rows: Row, seconds: float = 100.0, memory_bytes: int = 0, **declared: Any
) -> Table:
    """Make a table of trainings that took so long, the later seeds a second more each."""
    ablation = make_ablation(rows, **{"base": SizedConfig(), "metrics": [MAP], **declared})
    plan, store = plan_of(ablation), Store(str(tmp_path))
    for cell in plan.cells:
        record_cell(store, plan, cell.training_id, cell.view_id, {"map": 0.5 + cell.seed / 100})
        folder = store.root / f"trainings/{cell.training_id}"
        record = folder.read_model("record.json", TrainingRecord)
        assert record is not None
        held = Holding(held_s=2 * seconds, cpus=1, gpus=0.5, device="some GPU", has_ended=True)
        changed = {
            "train_wall_s": seconds + cell.seed,
            "holdings": (held,),
            "peak_memory_bytes": memory_bytes,
        }
        folder.remove("record.json")
        folder.write_model("record.json", record.model_copy(update=changed))
    return build_table(plan, "tiny", ablation.name, read_cells(plan, store))


def printed(table: Table) -> dict[str, list[str]]:
    """Give head -> texts of its column."""
    return {
        column.metric.label: [mean_text(row.cells[place], column.metric) for row in table.rows]
        for place, column in enumerate(table.columns)
    }


def test_what_is_counted_and_what_is_recorded_stand_beside_the_metrics(tmp_path: Path):
    """What is counted has no deviation, times and memory are means over seeds, and each head has its unit."""
    table = table_of(
        tmp_path,
        depth_row(2),
        depth_row(3),
        memory_bytes=3 * 2**29,
        costs=["parameters", "flops", "train_s", "gpu_s", "peak_memory_bytes"],
    )
    assert {
        "mAP": ["51.0 ± 1.0"] * 2,
        "Parameters, M": ["2.00", "3.00"],
        "FLOPs, G": ["1.00", "1.00"],
        "Training, min": ["1.68 ± 0.02"] * 2,
        "GPU time, min": ["1.67"] * 2,
        "Memory, GiB": ["1.50"] * 2,
    } == printed(table)


@pytest.mark.parametrize(
    ("seconds", "head"), [(5, "Training, s"), (500, "Training, min"), (50_000, "Training, h")]
)
def test_a_unit_is_chosen_in_which_the_column_reads_well(tmp_path: Path, seconds: float, head: str):
    """Seconds, minutes or hours stand in the head, by the longest training of the column."""
    table = table_of(tmp_path, depth_row(2), seconds=seconds, costs=["train_s"])
    assert head == table.columns[1].metric.label


def test_costs_are_neither_tested_nor_bold(tmp_path: Path):
    """The family of a table is as large with them as without, whatever is set bold."""
    rows = depth_row(2), depth_row(3)
    for emphasis in ("evidence", "highest"):
        table = table_of(tmp_path / emphasis, *rows, costs=["train_s", "parameters"], emphasis=emphasis)
        assert [(None, None)] * 4 == [
            (cell.rank, cell.compared) for row in table.rows for cell in row.cells[1:]
        ]
        assert any("(paired t over the seeds)" in note for note in table.source_notes)
        assert any(note.startswith("Parameters and FLOPs") for note in table.source_notes)


def test_a_cost_that_no_record_says_is_a_hole_with_a_reason(tmp_path: Path):
    """Records of before do not know their memory: a dash, and a note that is not of what is still to be measured."""
    table = table_of(tmp_path, depth_row(2), costs=["peak_memory_bytes"])
    assert ["—"] == [*printed(table).values()][1]
    assert "—, under Memory, MiB: not trained yet, or not said by records of before." in table.source_notes
    assert "—: not measured yet." not in table.source_notes


def test_an_ensemble_costs_what_its_members_cost(tmp_path: Path):
    """Their parameters and times add up, and the largest memory counts."""
    both = Row("both", ensemble=[{"depth": 2}, {"depth": 3}])
    costs = ["parameters", "train_s", "peak_memory_bytes"]
    table = table_of(
        tmp_path, depth_row(2), depth_row(3), both, memory_bytes=2**30, costs=costs, metrics=[MAP]
    )
    heads = {"Parameters, M": "5.00", "Memory, GiB": "1.00"}
    assert heads == {head: printed(table)[head][2] for head in heads}
    assert printed(table)["Training, min"][2].startswith("3.37")


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ({"costs": ["params"]}, "costs"),
        ({"costs": ["train_s", "train_s"]}, "metric 'train_s' is given twice"),
        ({"costs": ["parameters"], "base": UncountedConfig()}, "cannot count its network"),
    ],
)
def test_costs_that_cannot_be_are_refused(declared: dict[str, Any], text: str):
    """An unknown cost, one that is named twice, or one that the method cannot count is told when it is declared."""
    with pytest.raises(Refusal, match=text):
        make_ablation([depth_row(2)], **declared)


def test_a_metric_of_ones_own_may_be_called_as_a_cost():
    """A measured metric and a cost of one name cannot both be columns."""
    own = Metric("train_s", "Training", is_fraction=False)
    with pytest.raises(Refusal, match="metric 'train_s' is given twice"):
        make_ablation([depth_row(2)], metrics=[own], costs=["train_s"])
    assert isinstance(make_ablation([depth_row(2)], costs=["train_s"]), Ablation)
