"""One attempt at one training on one worker: fit, extract, measure, record.

It runs in a process that the backend chose and knows nothing of who else runs. Everything it learns is
in the store before it says so, so that it can be killed anywhere and be tried again.
"""

from __future__ import annotations

import logging
import platform
import signal
import threading
import time
import warnings
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from tablewright.orchestrator.attempts.as_planned import check_card, check_code, check_data
from tablewright.orchestrator.attempts.attempt_end import BackendEnded, MachineFault, Paused, Pruned
from tablewright.orchestrator.attempts.attempt_log import AttemptLog
from tablewright.orchestrator.attempts.collected_warnings import CollectedWarnings, collected_warnings
from tablewright.orchestrator.attempts.epoch_log import EpochLog
from tablewright.orchestrator.attempts.failed_attempt import (
    StalledTooOften,
    end_as_failed,
    end_by,
    failure_of,
    refuse_after_stalls,
)
from tablewright.orchestrator.attempts.measuring import measure_views, prepare_data, watch, watched_name
from tablewright.orchestrator.attempts.system_meter import SystemMeter
from tablewright.orchestrator.attempts.trial_hooks import TrialHooks
from tablewright.orchestrator.code.machine import describe_machine
from tablewright.orchestrator.code.provenance import code_that_trains, versions_of
from tablewright.orchestrator.plans.lost_weights import WeightsGone
from tablewright.orchestrator.plans.memory_need import memory_shape
from tablewright.orchestrator.store.claims import Claim, Claims, training_claim
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.data_records import DataRecord
from tablewright.orchestrator.store.holding import name_device
from tablewright.orchestrator.store.record import now
from tablewright.orchestrator.store.signs_of_life import AttemptSigns
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_folder import TrainingFolder
from tablewright.orchestrator.store.training_records import TrainingRecord
from tablewright.orchestrator.work import Outcome, Progress, Work
from tablewright.trainables.contract.device_memory import memory_of
from tablewright.trainables.contract.method import (
    DescribesEnvironment,
    HasSource,
    Trainable,
)
from tablewright.trainables.contract.run import (
    FINAL_CHECKPOINT,
    EpochReport,
    FitHooks,
    Runtime,
    TrainingStopped,
)
from tablewright.trainables.value.long_work import Telling, listening

logger = logging.getLogger(__name__)


@runtime_checkable
class HearsOfWork(Protocol):
    """A listener that is told of long work that no epoch tells of, too."""

    def on_told(self, work: Work, telling: Telling) -> None:
        """It is so far."""
        ...


class _RecordedElsewhere(Exception):
    """Another attempt at this training has ended first."""


class _TakenOver(Exception):
    """Another attempt goes on with this training, having taken this one for dead."""


def run_trial(work: Work, store: Store, runtime: Runtime, hooks: TrialHooks) -> Outcome:
    """Train what is not trained, measure what is not measured, and record it.

    The training is claimed meanwhile, so that other sweeps and agents on the store leave it alone. Two attempts may
    run at once all the same, as after a machine was cut off: whichever ends first is the training, and the other finds
    its record.

    Raises:
        MachineFault: worth another attempt elsewhere; nothing is recorded. A fault of the training itself
            becomes a failure record and an outcome.
    """
    claim: Claim | None = None
    training = store.training(work.training_id)
    signs = AttemptSigns(training, work.label, work.study, runtime, hooks.on_cancelled)
    try:
        try:
            claim = Claims(store).take(training_claim(work.training_id), signs)
            if claim is None:
                return Outcome("claimed")
            folder = training.listed()
            if not folder.is_done() and (cancelled := folder.cancelled()):
                return Outcome("cancelled", cancelled)
            is_over = folder.is_done() and set(work.views) <= folder.measured_views()
        except Exception as error:  # the store cannot be written to, or read
            message = f"{type(error).__name__}: {error}"
            raise MachineFault(failure_of(work, message, kind="machine")) from error
        if not is_over:  # it was done by another one while this one asked for it
            hooks.on_begin()
        return _run_claimed(work, folder, store, runtime, hooks, claim, signs)
    finally:
        if claim is not None:
            claim.release()


def _run_claimed(
    work: Work,
    folder: TrainingFolder,
    store: Store,
    runtime: Runtime,
    hooks: TrialHooks,
    claim: Claim,
    signs: AttemptSigns,
) -> Outcome:
    is_paused = False

    def on_progress(progress: Progress) -> None:
        nonlocal is_paused
        signs.doing = ""
        try:
            hooks.on_progress(progress)
        except Paused:
            is_paused = True

    def should_stop() -> bool:
        return is_paused or claim.is_lost or signs.is_cancelled or hooks.should_stop()

    was_done = False
    try:
        was_done = folder.is_done()
        folder.remove_leftovers(is_claimed=True)
        check_code(work)
        memory = memory_of(runtime.device)
        if not was_done:
            check_card(work.config, memory, runtime)
        memory.begin(runtime.gpus or 1.0)

        def on_told(telling: Telling) -> None:
            signs.doing = telling
            hooks.on_told(telling)

        with collected_warnings() as said, listening(on_told):
            if was_done:
                if why_not := measure_views(work, folder, store, runtime, hooks, None, said):
                    raise WeightsGone(why_not[0])
                folder.clear_failure()
            else:
                claimed = replace(hooks, should_stop=should_stop, on_progress=on_progress)
                _train(work, folder, store, runtime, claimed, said, claim)
        told = [*said.so_far(), folder.picture_warning()]
        return Outcome("done", "; ".join(dict.fromkeys(filter(None, told))))
    except _TakenOver:
        return Outcome("claimed")
    except TrainingStopped:
        if signs.is_cancelled and not claim.is_lost:
            return _cancelled(work, store)
        return Outcome("claimed" if claim.is_lost else "paused" if is_paused else "stopped")
    except Pruned:
        folder.remove_resume_checkpoint()  # a search never takes it up again
        return Outcome("pruned")
    except BaseException as error:  # recorded: the sweep goes on with the other trainings
        if isinstance(error, BackendEnded) or _is_a_persons(error):
            raise
        if isinstance(error, StalledTooOften):
            return end_as_failed(work, store, error.stall)
        if not was_done and _is_done_now(store.training(work.training_id)):
            folder.look()
            return _run_claimed(work, folder, store, runtime, hooks, claim, signs)
        if signs.is_cancelled:  # what it raised came of being stopped
            return _cancelled(work, store)
        return end_by(error, work, store, runtime, hooks)


def _cancelled(work: Work, store: Store) -> Outcome:
    try:
        return Outcome("cancelled", store.training(work.training_id).cancelled())
    except Exception:  # the store; the driver asks it again
        return Outcome("cancelled")


def _is_a_persons(error: BaseException) -> bool:
    """Say whether somebody has pressed Ctrl-C; where it does not raise this, the method has raised it itself."""
    is_here = threading.current_thread() is threading.main_thread()
    is_raising = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return isinstance(error, KeyboardInterrupt) and is_here and is_raising


def _is_done_now(folder: TrainingFolder) -> bool:
    try:
        return folder.is_done()
    except Exception:  # the store is what failed
        return False


def _train(
    work: Work,
    folder: TrainingFolder,
    store: Store,
    runtime: Runtime,
    hooks: TrialHooks,
    said: CollectedWarnings,
    claim: Claim,
) -> None:
    check_data(work.config, work.data, runtime)
    attempt = AttemptLog(folder, runtime, hooks.sweep)
    try:
        _train_in_attempt(attempt, work, folder, store, runtime, hooks, said, claim)
    except BaseException:
        attempt.end()
        raise


def _train_in_attempt(
    attempt: AttemptLog,
    work: Work,
    folder: TrainingFolder,
    store: Store,
    runtime: Runtime,
    hooks: TrialHooks,
    said: CollectedWarnings,
    claim: Claim,
) -> None:
    trainable = work.config.make_trainable()
    if attempt.number > 1:
        refuse_after_stalls(folder, hooks.sweep)
    fit_wall_s, has_trained = 0.0, False
    reports = EpochLog(folder, _epochs_so_far(folder))
    meter = SystemMeter()
    never_watched = not len(reports)

    def on_epoch(report: EpochReport, network: Any) -> None:
        nonlocal never_watched, has_trained
        has_trained = True
        if claim.is_lost:
            raise _TakenOver
        with hooks.part("measuring between epochs"):
            watched = (
                None if work.watch is None else watch(work, work.watch, trainable, runtime, report, network)
            )
        if work.watch is not None and watched is not None:  # so that it is known whoever hears of it
            report = replace(report, metrics={**report.metrics, watched_name(work.watch): watched})
        reports.add(report)
        if folder.is_done():
            raise _RecordedElsewhere
        attempt.warn(said.so_far())
        attempt.sign()
        never_watched = never_watched and watched is None
        hooks.on_progress(Progress(report, meter.read(), watched))

    def should_stop() -> bool:
        attempt.sign()
        return hooks.should_stop()

    if folder.checkpoints.exists(FINAL_CHECKPOINT):
        network = trainable.load(work.config, runtime, folder.checkpoints)
    else:
        for planned in work.views.values():
            planned.view.check_device(runtime.device)
        with hooks.part("preparing its data"):
            prepare_data(work.config, runtime)
        begun_s = time.monotonic()
        with (
            reports.kept_before(folder.checkpoints) as checkpoints,
            hooks.processes(work, store, runtime) as first,
        ):
            network = trainable.fit(
                work.config,
                first,
                checkpoints,
                FitHooks(on_epoch, should_stop, reports.together, hooks.printed),
            )
        fit_wall_s = time.monotonic() - begun_s
        has_trained = has_trained or not len(reports)
        if work.watch is not None and len(reports) and never_watched:
            metric, split = work.watch.metric.name, work.watch.view.split
            warnings.warn(
                f"a search that stops hopeless trials watches {metric!r} between epochs, and no epoch told it of the "
                f"{split} split, so that nothing was stopped; tell {split}_{metric} in some, or search without a "
                "pruner",
                stacklevel=1,
            )
    measured_from_s = time.monotonic()
    of_training = said.so_far()
    measure_views(work, folder, store, runtime, hooks, network, said)
    faults: list[str] = []
    folder.look()  # another attempt may have ended, and has then removed what is counted here
    # another attempt that has ended removes them
    attempts = folder.attempts(faults, known={attempt.number: attempt.record}) or [attempt.record]
    code = code_that_trains(work.config)
    machine, environment = describe_machine(), _environment(trainable, runtime)
    named = {"device": name_device(runtime.device, machine, environment)}
    earlier = [it.holding for it in attempts if it is not attempt.record and it.holding is not None]
    memory = memory_of(runtime.device)
    peak_bytes = memory.peak_bytes() if has_trained else 0  # else an earlier attempt has held more
    card = memory.card() if peak_bytes else None
    record = TrainingRecord(
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
        num_epochs=max((report.num_epochs for report in reports), default=work.config.planned_epochs()),
        train_wall_s=sum(report.wall_s for report in reports) or fit_wall_s,
        measure_wall_s=time.monotonic() - measured_from_s,
        host=platform.node(),
        device=runtime.device,
        git_commit=code.commit,
        diff_sha256=store.keep_diff(code),
        command_line=runtime.command_line,
        machine=machine,
        versions=versions_of(trainable),
        warnings=tuple(
            dict.fromkeys(
                [
                    *(text for one in attempts for text in one.warnings),
                    *of_training,
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
        holdings=(*earlier, attempt.holding(has_ended=True).model_copy(update=named)),
        peak_memory_bytes=peak_bytes,
        device_memory_bytes=0 if card is None else card.memory_bytes,
        memory_limit_bytes=round(runtime.gpus * card.memory_bytes) if card and 0 < runtime.gpus < 1 else 0,
        memory_shape=memory_shape(work.config),
    )
    if folder.is_done():  # the first record stays; it is never edited
        folder.remove_leftovers()
    else:
        folder.write_record(record)


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
