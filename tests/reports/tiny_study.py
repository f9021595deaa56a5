"""A method without a network, a study of it, and records written by hand: what report tests stand on."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.plan import Plan, make_plan
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.store.data_records import DataRecord
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_records import FailureRecord, Measurement, TrainingRecord
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.method import Trainable, TrainingConfig
from tablewright.trainables.retrieval.embedding_config import EmbeddingConfig
from tablewright.trainables.retrieval.view import MAP, RANK1, RetrievalView

WHEN = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
VIEW = RetrievalView()


class TinyConfig(EmbeddingConfig):
    METHOD: ClassVar[str] = "tiny"
    VERSION: ClassVar[int] = 1

    data: str = "market1501"
    depth: int = 2
    width: int = 8
    pooling: str = "max"

    def make_trainable(self) -> Trainable:
        raise NotImplementedError

    def dataset_name(self) -> str:
        return self.data

    def planned_epochs(self) -> int:
        return 1

    def embedding_widths(self) -> dict[str, int]:
        return {"hard": 4, "soft": 4}

    def embedding_groups(self) -> dict[str, tuple[str, ...]]:
        return {"all": ("hard", "soft")}


MARKET = Dataset("Market-1501")
DUKE = Dataset("DukeMTMC-reID", {"data": "dukemtmcreid"})
LABELS = {"market1501": "Market-1501", "dukemtmcreid": "DukeMTMC-reID", "demo": "rendered pedestrians"}


def describe(config: TrainingConfig) -> DatasetFacts:
    name = config.dataset_name()
    return DatasetFacts(name, LABELS[name], f"fingerprint of {name}", name == "demo", {"query": 3})


def make_ablation(rows: Sequence[Any], **changes: Any) -> Ablation:
    declared: dict[str, Any] = {
        "name": "depth",
        "caption": "Depth of the network",
        "base": TinyConfig(),
        "datasets": [MARKET],
        "rows": rows,
        "view": VIEW,
        "metrics": [MAP, RANK1],
        "stub_head": "depth",
    }
    return Ablation(**{**declared, **changes})


def make_study(*ablations: Ablation, seeds: Sequence[int] = (0, 1, 2)) -> Study:
    return Study("tiny", "A tiny study", "Doe et al., 2026", seeds, ablations)


def plan_of(*ablations: Ablation, seeds: Sequence[int] = (0, 1, 2), describe_data: Any = describe) -> Plan:
    return make_plan([make_study(*ablations, seeds=seeds)], DataResolver(describe_data))


def record_value(store: Store, plan: Plan, row: str, values: Mapping[str, Mapping[int, Mapping[str, float]]]):
    """Write what a row measured: data set -> seed -> metric -> fraction; absent seeds stay unmeasured."""
    for cell in plan.cells:
        if cell.row == row and cell.seed in values.get(cell.dataset, {}):
            record_cell(store, plan, cell.training_id, cell.view_id, values[cell.dataset][cell.seed])


def record_cell(
    store: Store,
    plan: Plan,
    training_id: str,
    view_id: str,
    metrics: Mapping[str, float],
    *,
    train_wall_s: float = 1.0,
) -> None:
    planned = plan.trainings[training_id]
    folder = store.root / f"trainings/{training_id}"
    folder.write_model(
        f"measurements/{view_id}.json",
        Measurement(
            training_id=training_id,
            view_id=view_id,
            view=planned.views[view_id].view,
            metrics=dict(metrics),
            measured_at=WHEN,
        ),
    )
    store.training(training_id).write_record(
        TrainingRecord(
            training_id=training_id,
            method=planned.config.METHOD,
            method_version=planned.config.VERSION,
            label=planned.label,
            study=planned.study,
            config=planned.config.model_dump(mode="json"),
            data=DataRecord(
                name=planned.data.name,
                label=planned.data.label,
                fingerprint=planned.data.fingerprint,
                is_demo=planned.data.is_demo,
                num_images=dict(planned.data.num_images),
            ),
            started_at=WHEN,
            ended_at=WHEN,
            attempts=1,
            num_epochs=1,
            train_wall_s=train_wall_s,
            measure_wall_s=1.0,
            host="somewhere",
            device="cpu",
            git_commit=COMMIT,
            versions={},
        )
    )


def record_failure(store: Store, plan: Plan, row: str, seed: int, message: str) -> None:
    for cell in plan.cells:
        if cell.row == row and cell.seed == seed:
            store.training(cell.training_id).write_failure(
                FailureRecord(
                    training_id=cell.training_id,
                    label=cell.row,
                    message=message,
                    traceback="",
                    host="somewhere",
                    failed_at=WHEN,
                )
            )


def seeds_of(map_values: Sequence[float], rank1_values: Sequence[float]) -> dict[int, dict[str, float]]:
    """Number values from seed 0 on."""
    pairs = zip(map_values, rank1_values, strict=True)
    return {seed: {"map": value, "rank1": rank1} for seed, (value, rank1) in enumerate(pairs)}


def depth_row(depth: int, **declared: Any) -> Row:
    return Row(f"depth {depth}", {"depth": depth}, **declared)
