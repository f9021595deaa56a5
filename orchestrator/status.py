"""What of a plan is done, running and failed, read from the store alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tablewright.orchestrator.costs.training_cost import cost_of_recorded
from tablewright.orchestrator.plans.lost_weights import why_unmeasurable
from tablewright.orchestrator.plans.plan import Plan, PlannedTraining
from tablewright.orchestrator.plans.recorded_config import accepted_changes, config_changes, view_changes
from tablewright.orchestrator.store.accepted_change import AcceptedChange
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.holding import Holding
from tablewright.orchestrator.store.parallel_reading import read_all
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_folder import TrainingFolder
from tablewright.orchestrator.store.training_records import TrainingRecord

State = Literal[
    "done", "to measure", "failed", "cancelled", "started", "to train", "weights gone", "damaged", "changed"
]
UNFINISHED: tuple[State, ...] = ("to measure", "failed", "started", "to train")
"""What a run goes on with; the rest is done, or is for a person to say or to put right."""
RECORDED: tuple[State, ...] = ("done", "to measure", "weights gone")


@dataclass(frozen=True)
class TrainingStatus:
    """Where one training stands.

    Attributes:
        state: `to measure` is trained and lacks a view; `started` has left a trace and no record, so it
            runs now or will go on in the next run; `weights gone` is trained and lacks a view that can be measured no
            more; `cancelled` waits until somebody asks for it again; `damaged` has a file that cannot be used;
            `changed` was recorded under another default than the plan's.
        epoch: last one reported.
        wall_s: training and measuring, of a done one.
        message: why it failed, by whom it was cancelled, or what is wrong with its record.
        warnings: what a done training, its data and its measured views had to say of themselves; of another one, why
            its epochs cannot be read.
        environment: what the last digits of a done one depend on beside its seed.
        num_epochs: that it reported; 0 where it has reported none.
        fault_kind: of a failed one whose fault it is, where that is not the training's own: `FailureRecord.kind`.
        holding: what the last attempt at a done one held of its machine.
    """

    training: PlannedTraining
    state: State
    epoch: int = 0
    wall_s: float = 0.0
    message: str = ""
    warnings: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    num_epochs: int = 0
    fault_kind: str = ""
    holding: Holding | None = None

    @property
    def epochs_in_all(self) -> int:
        """Of the whole training: what it reported, before that what its config says."""
        return self.num_epochs or self.training.config.planned_epochs()


def read_status(plan: Plan, store: Store) -> list[TrainingStatus]:
    """Read where every training of the plan stands, in the plan's order."""
    store = store.listed()
    accepted = store.accepted_changes()
    return read_all(lambda training: _status_of(training, store, accepted), plan.trainings.values())


def _status_of(training: PlannedTraining, store: Store, accepted: Sequence[AcceptedChange]) -> TrainingStatus:
    try:
        return _status_of_sound(training, store, accepted)
    except DamagedFile as error:
        return TrainingStatus(training, "damaged", message=str(error))


def _status_of_sound(
    training: PlannedTraining, store: Store, accepted: Sequence[AcceptedChange]
) -> TrainingStatus:
    folder = store.training(training.training_id)
    record = folder.record()
    if record is not None:
        return _status_of_recorded(training, store, record, accepted)
    cancelled = folder.cancelled()
    failure = cancelled or folder.failure_message()
    epoch, num_epochs, warnings = _last_epoch(folder)
    state: State = "started" if epoch or folder.num_attempts() else "to train"
    if failure is not None:
        state = "cancelled" if cancelled else "failed"
    kind = _fault_kind(folder) if state == "failed" else ""
    return TrainingStatus(
        training,
        state,
        epoch,
        message=failure or "",
        warnings=warnings,
        num_epochs=num_epochs,
        fault_kind=kind,
    )


def _fault_kind(folder: TrainingFolder) -> str:
    try:
        failure = folder.failure()
    except DamagedFile:
        return ""
    return "" if failure is None or failure.kind == "training" else failure.kind


def _status_of_recorded(
    training: PlannedTraining,
    store: Store,
    record: TrainingRecord,
    accepted: Sequence[AcceptedChange],
) -> TrainingStatus:
    folder = store.training(training.training_id)
    state: State = "done"
    changes = config_changes(record, training.config)
    drawing = folder.picture_warning()
    said, faults = [*record.data.warnings, *record.warnings], list[str]()
    measured = folder.measured_views()
    for view_id in sorted(measured & training.views.keys()):
        try:
            measurement = folder.measurement(view_id)
        except DamagedFile as error:
            faults.append(str(error))
            continue
        if measurement is not None:
            said += measurement.warnings
            changes += view_changes(record, measurement, training.views[view_id].view)
    refused, _ = accepted_changes(changes, accepted)
    message = "\n".join(map(str, refused))
    if refused:
        state = "changed"
    elif lacking := training.views.keys() - measured:
        why_not = [why_unmeasurable(record.training_id, training.views[it], store) for it in sorted(lacking)]
        failure = folder.failure_message()
        if all(why_not):
            state, message = "weights gone", why_not[0]
        else:
            state, message = ("to measure", "") if failure is None else ("failed", failure)
    elif faults:
        state, message = "damaged", "\n".join(faults)
    return TrainingStatus(
        training,
        state,
        record.num_epochs,
        record.train_wall_s + record.measure_wall_s,
        message,
        tuple(dict.fromkeys([*said, *filter(None, [drawing])])),
        record.environment,
        record.num_epochs,
        holding=cost_of_recorded(record).holdings[-1],
    )


def _last_epoch(folder: TrainingFolder) -> tuple[int, int, tuple[str, ...]]:
    """Give the last epoch reported, of how many, and what is wrong with the reports.

    Damaged ones are no reason not to go on from the checkpoint.
    """
    try:
        epochs = folder.epochs()
    except DamagedFile as error:
        return 0, 0, (str(error),)
    return (epochs[-1].epoch, epochs[-1].num_epochs, ()) if epochs else (0, 0, ())
