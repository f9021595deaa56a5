"""Records of trainings that nobody made, as a sweep would have written them, to time planning and reporting on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tablewright.orchestrator.plans.plan import PlannedTraining
from tablewright.orchestrator.store.data_records import DataRecord
from tablewright.orchestrator.store.record import now
from tablewright.orchestrator.store.training_records import TrainingRecord


def made_record(planned: PlannedTraining, num_epochs: int, files: Mapping[str, Any]) -> TrainingRecord:
    """Give the record of a training that took a second an epoch.

    Args:
        planned: which training.
        num_epochs: that it had.
        files: checksums of what lies beside the record.
    """
    return TrainingRecord(
        training_id=planned.training_id,
        method=planned.config.METHOD,
        method_version=planned.config.VERSION,
        label=planned.label,
        study=planned.study,
        config=planned.config.model_dump(mode="json"),
        data=DataRecord.of(planned.data),
        started_at=now(),
        ended_at=now(),
        attempts=1,
        num_epochs=num_epochs,
        train_wall_s=float(num_epochs),
        measure_wall_s=1.0,
        host="bench",
        device="cpu",
        git_commit="0" * 40,
        versions={"numpy": np.__version__},
        files=dict(files),
    )
