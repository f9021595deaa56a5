"""Training what is not trained: fitted epoch by epoch, measured, and recorded."""

from __future__ import annotations

import logging
import platform
import time
import warnings
from dataclasses import dataclass, replace
from typing import Any

from tablewright.orchestrator.attempts.as_planned import check_data
from tablewright.orchestrator.attempts.attempt import Attempt
from tablewright.orchestrator.attempts.attempt_log import AttemptLog
from tablewright.orchestrator.attempts.collected_warnings import CollectedWarnings
from tablewright.orchestrator.attempts.epoch_log import EpochLog
from tablewright.orchestrator.attempts.failed_attempt import refuse_after_stalls
from tablewright.orchestrator.attempts.measuring import measure_views, prepare_data, watch
from tablewright.orchestrator.attempts.system_meter import SystemMeter
from tablewright.orchestrator.code.machine import describe_machine
from tablewright.orchestrator.code.provenance import code_that_trains, versions_of
from tablewright.orchestrator.plans.memory_need import memory_shape
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.data_records import DataRecord
from tablewright.orchestrator.store.holding import name_device
from tablewright.orchestrator.store.record import now
from tablewright.orchestrator.store.training_folder import TrainingFolder
from tablewright.orchestrator.store.training_records import TrainingRecord
from tablewright.orchestrator.work import Progress
from tablewright.trainables.contract.device_memory import memory_of
from tablewright.trainables.contract.method import DescribesEnvironment, HasSource, Trainable
from tablewright.trainables.contract.run import FINAL_CHECKPOINT, EpochReport, FitHooks, Runtime

logger = logging.getLogger(__name__)


class RecordedElsewhere(Exception):
    """Another attempt at this training has ended first."""


class TakenOver(Exception):
    """Another attempt goes on with this training, having taken this one for dead."""


def train(attempt: Attempt, said: CollectedWarnings) -> None:
    """Fit where an earlier attempt has not, measure, and record.

    Args:
        attempt: whose training has no record.
        said: what is warned of meanwhile.

    Raises:
        TakenOver: this one was taken for dead.
        RecordedElsewhere: another attempt was faster.
        StalledTooOften: earlier attempts of this sweep have hung.
    """
    check_data(attempt.work.config, attempt.work.data, attempt.runtime)
    log = AttemptLog(attempt.folder, attempt.runtime, attempt.hooks.sweep)
    try:
        trainable = attempt.work.config.make_trainable()
        if log.number > 1:
            refuse_after_stalls(attempt.folder, attempt.hooks.sweep)
        fitted = _fit(attempt, trainable, log, said)
        measure_views(attempt, fitted.network, said)
        record = _record_of(attempt, trainable, log, fitted)
        if attempt.folder.is_done():  # the first record stays; it is never edited
            attempt.folder.remove_leftovers()
        else:
            attempt.folder.write_record(record)
    except BaseException:
        log.end()
        raise


@dataclass(frozen=True)
class _Fitted:
    """A trained network, and what its training took.

    Attributes:
        network: as its method gives it.
        reports: of every epoch, those of earlier attempts too.
        wall_s: of this attempt's fit; 0 where an earlier one has done it.
        has_trained: whether this attempt has trained at all, so that what memory it held is the training's.
        warnings: what was warned of.
        ended_s: when, by the monotonic clock.
    """

    network: Any
    reports: EpochLog
    wall_s: float
    has_trained: bool
    warnings: tuple[str, ...]
    ended_s: float


def _fit(attempt: Attempt, trainable: Trainable, log: AttemptLog, said: CollectedWarnings) -> _Fitted:
    """Train to the end, or load what an earlier attempt has trained."""
    work, folder, hooks = attempt.work, attempt.folder, attempt.hooks
    reports = EpochLog(folder, _epochs_so_far(folder))
    meter = SystemMeter()
    has_trained, never_watched = False, not len(reports)

    def on_epoch(report: EpochReport, network: Any) -> None:
        nonlocal never_watched, has_trained
        has_trained = True
        if attempt.claim.is_lost:
            raise TakenOver
        with hooks.part("measuring between epochs"):
            watched = (
                None
                if work.watch is None
                else watch(work, work.watch, trainable, attempt.runtime, report, network)
            )
        if work.watch is not None and watched is not None:  # so that it is known whoever hears of it
            report = replace(report, metrics={**report.metrics, work.watch.watched_name: watched})
        reports.add(report)
        if folder.is_done():
            raise RecordedElsewhere
        log.warn(said.so_far())
        log.sign()
        never_watched = never_watched and watched is None
        hooks.on_progress(Progress(report, meter.read(), watched))

    def should_stop() -> bool:
        log.sign()
        return hooks.should_stop()

    if folder.checkpoints.exists(FINAL_CHECKPOINT):
        network = trainable.load(work.config, attempt.runtime, folder.checkpoints)
        return _Fitted(network, reports, 0.0, False, said.so_far(), time.monotonic())
    for planned in work.views.values():
        planned.view.check_device(attempt.runtime.device)
    with hooks.part("preparing its data"):
        prepare_data(work.config, attempt.runtime)
    begun_s = time.monotonic()
    with (
        reports.kept_before(folder.checkpoints) as checkpoints,
        hooks.processes(work, attempt.store, attempt.runtime) as first,
    ):
        network = trainable.fit(
            work.config,
            first,
            checkpoints,
            FitHooks(on_epoch, should_stop, reports.together, hooks.printed),
        )
    ended_s = time.monotonic()
    if work.watch is not None and len(reports) and never_watched:
        metric, split = work.watch.metric.name, work.watch.view.split
        warnings.warn(
            f"a search that stops hopeless trials watches {metric!r} between epochs, and no epoch told it of the "
            f"{split} split, so that nothing was stopped; tell {work.watch.watched_name} in some, or search without a "
            "pruner",
            stacklevel=1,
        )
    has_trained = has_trained or not len(reports)
    return _Fitted(network, reports, ended_s - begun_s, has_trained, said.so_far(), ended_s)


def _record_of(attempt: Attempt, trainable: Trainable, log: AttemptLog, fitted: _Fitted) -> TrainingRecord:
    """Say what the training was, on what and by what it was made, and what it took."""
    work, folder, runtime = attempt.work, attempt.folder, attempt.runtime
    faults: list[str] = []
    folder.look()  # another attempt may have ended, and has then removed what is counted here
    attempts = folder.attempts(faults, known={log.number: log.record}) or [log.record]
    code = code_that_trains(work.config)
    machine, environment = describe_machine(), _environment(trainable, runtime)
    named = {"device": name_device(runtime.device, machine, environment)}
    earlier = [it.holding for it in attempts if it is not log.record and it.holding is not None]
    memory = memory_of(runtime.device)
    peak_bytes = memory.peak_bytes() if fitted.has_trained else 0  # else an earlier attempt has held more
    card = memory.card() if peak_bytes else None
    return TrainingRecord(
        training_id=work.training_id,
        method=work.config.METHOD,
        method_version=work.config.VERSION,
        label=work.label,
        study=work.study,
        config=work.config.model_dump(mode="json"),
        data=DataRecord.of(work.data),
        started_at=attempts[0].started_at,
        ended_at=now(),
        attempts=len(attempts) + len(faults),
        num_epochs=max(
            (report.num_epochs for report in fitted.reports), default=work.config.planned_epochs()
        ),
        train_wall_s=sum(report.wall_s for report in fitted.reports) or fitted.wall_s,
        measure_wall_s=time.monotonic() - fitted.ended_s,
        host=platform.node(),
        device=runtime.device,
        git_commit=code.commit,
        diff_sha256=attempt.store.keep_diff(code),
        command_line=runtime.command_line,
        machine=machine,
        versions=versions_of(trainable),
        warnings=tuple(
            dict.fromkeys(
                [
                    *(text for one in attempts for text in one.warnings),
                    *fitted.warnings,
                    *faults,
                    *filter(None, [code.fault]),
                ]
            )
        ),
        environment=environment,
        source=dict(
            trainable.definitions() if isinstance(trainable, HasSource) else work.config.own_definitions()
        ),
        files=folder.checksums(),
        holdings=(*earlier, log.holding(has_ended=True).model_copy(update=named)),
        peak_memory_bytes=peak_bytes,
        device_memory_bytes=0 if card is None else card.memory_bytes,
        memory_limit_bytes=round(runtime.gpus * card.memory_bytes) if card and 0 < runtime.gpus < 1 else 0,
        memory_shape=memory_shape(work.config),
    )


def _environment(trainable: Trainable, runtime: Runtime) -> dict[str, str]:
    num_processes = runtime.process.num_processes
    processes = {"processes": str(num_processes)} if num_processes > 1 else {}
    if isinstance(trainable, DescribesEnvironment):
        return dict(trainable.numeric_environment(runtime.device)) | processes
    return {
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
    } | processes


def _epochs_so_far(folder: TrainingFolder) -> list[EpochReport]:
    """Read what an earlier attempt reported; where that is damaged, its curve begins with this attempt."""
    try:
        return folder.epochs()
    except DamagedFile as error:
        logger.warning("the loss of earlier epochs is lost: %s", error)
        return []
