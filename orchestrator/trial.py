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
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, runtime_checkable

import psutil

from tablewright.orchestrator.attempt_log import AttemptLog
from tablewright.orchestrator.claims import Claim, Claims, training_claim
from tablewright.orchestrator.collected_warnings import CollectedWarnings, collected_warnings
from tablewright.orchestrator.device_probe import fault_of_device
from tablewright.orchestrator.epoch_log import EpochLog
from tablewright.orchestrator.failure_text import (
    MAX_WHOLE_BYTES,
    as_message,
    as_trace,
    encodable,
    is_cut,
    trace_of,
    words_of,
)
from tablewright.orchestrator.fault_kind import FaultKind, kind_of
from tablewright.orchestrator.holding import name_device
from tablewright.orchestrator.identity import digest_of
from tablewright.orchestrator.lost_weights import WeightsGone, why_unmeasurable
from tablewright.orchestrator.machine import describe_machine
from tablewright.orchestrator.memory_need import in_gb, memory_shape, why_too_small
from tablewright.orchestrator.place import Place
from tablewright.orchestrator.plan import Partner, PlannedView
from tablewright.orchestrator.provenance import code_that_trains, versions_of
from tablewright.orchestrator.recorded_config import differing_definitions
from tablewright.orchestrator.rungs import Verdict
from tablewright.orchestrator.search import Objective
from tablewright.orchestrator.signs_of_life import AttemptSigns
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.data_records import DataRecord
from tablewright.orchestrator.store.record import now
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_folder import TrainingFolder
from tablewright.orchestrator.store.training_records import FailureRecord, TrainingRecord
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.device_memory import DeviceMemory, memory_of
from tablewright.trainables.contract.method import (
    CountsMemory,
    DescribesEnvironment,
    ExtractsOnce,
    HasSource,
    Illustrates,
    PreparesData,
    RereadsSource,
    TellsValues,
    Trainable,
    TrainingConfig,
)
from tablewright.trainables.contract.run import (
    FINAL_CHECKPOINT,
    EpochReport,
    FitHooks,
    Runtime,
    TrainingStopped,
)
from tablewright.trainables.contract.view import EvaluationView, Split
from tablewright.trainables.value.long_work import Telling, listening
from tablewright.trainables.value.secret import masked

MAX_STALLS = 2
"""Attempts of one sweep at one training that may hang."""

NEIGHBOUR_BYTES = 1_000_000_000
"""Of a GPU that a training has to itself: others that hold more are why it ran out of memory. A program that only
watches the GPU holds half of it."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Work:
    """A training to be made, or a finished one to be measured in further views.

    Attributes:
        training_id: identity.
        config: what is trained.
        data: the data set as the plan saw it.
        views: to be measured, by view id.
        label: for people.
        study: the first study that asked for it.
        watch: measured between epochs, so that a pruner can see it; None where nobody does.
        priority: higher ones are handed out first.
        trial: of a search, as which it was suggested; None for planned work.
        version: of the method where the work was planned: a worker may have imported other code since.
    """

    training_id: str
    config: TrainingConfig
    data: DatasetFacts
    views: Mapping[str, PlannedView]
    label: str
    study: str
    watch: Objective | None = None
    priority: int = 0
    trial: Place | None = None
    version: int | str = field(init=False)

    def __post_init__(self) -> None:
        """Keep the version, which does not travel with a config to a worker."""
        object.__setattr__(self, "version", self.config.VERSION)


@dataclass(frozen=True)
class Progress:
    """What a running training reports at the end of an epoch.

    Attributes:
        report: of the training itself.
        system: use of the machine since the last report, `system/...` -> value.
        watched: the watched objective's value; None where nothing is watched.
    """

    report: EpochReport
    system: Mapping[str, float]
    watched: float | None = None


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended.

    Attributes:
        state: `done` has a record, `failed` a failure record; `stopped` will go on in the next run;
            `pruned` was ended by a search, without a record; `paused` has saved its state for a search that may let
            it go on; `claimed` is in the hands of another sweep or agent;
            `cancelled` has saved what it could, and is not begun again until somebody asks for it.
        message: of a failure, one line; of a done training, what it warned of, and what could not be drawn.
        unwritten: a failure record that the worker could not write; the driver tries again.
    """

    state: Literal["done", "failed", "stopped", "pruned", "paused", "claimed", "cancelled"]
    message: str = ""
    unwritten: FailureRecord | None = None


class Listener(Protocol):
    """Follows the trials of a sweep in the driver: progress views, tracking, searches.

    `on_start` may come twice for a work whose machine was lost; `on_end` comes once.
    """

    def on_start(self, work: Work) -> None:
        """An attempt begins."""
        ...

    def on_progress(self, work: Work, progress: Progress) -> None:
        """An epoch ended."""
        ...

    def on_end(self, work: Work, outcome: Outcome) -> None:
        """No further attempt is made in this sweep."""
        ...


@runtime_checkable
class HearsOfWork(Protocol):
    """A listener that is told of long work that no epoch tells of, too."""

    def on_told(self, work: Work, telling: Telling) -> None:
        """It is so far."""
        ...


class Pruned(Exception):
    """The search has no more interest in this training."""


class Paused(Exception):
    """The search wants the training to save its state and to end here; it may go on later."""


class MachineFault(Exception):
    """The machine failed, not the training, or it hung: another attempt, elsewhere or later, may succeed.

    Attributes:
        failure: to be recorded once no further attempt is made.
    """

    def __init__(self, failure: FailureRecord) -> None:
        """Carry what would be recorded."""
        super().__init__(failure.message)
        self.failure = failure


class BackendEnded(BaseException):
    """The backend ends the attempt from within what it was told; it is no fault, and nothing is recorded."""


class _OtherData(Exception):
    """This machine has not the data that the plan saw."""


class _OtherCode(Exception):
    """This machine has not the code that the plan has."""


class _SmallCard(Exception):
    """The GPU of this machine can never hold the training."""


class _StalledTooOften(Exception):
    """Earlier attempts of this sweep have hung."""

    def __init__(self, stall: FailureRecord) -> None:
        super().__init__(stall.message)
        self.stall = stall


class _RecordedElsewhere(Exception):
    """Another attempt at this training has ended first."""


class _TakenOver(Exception):
    """Another attempt goes on with this training, having taken this one for dead."""


@dataclass(frozen=True)
class TrialHooks:
    """How an attempt talks to its backend.

    Attributes:
        on_progress: called once an epoch. It raises `Pruned` to end the training without a record, and `Paused` to end
            it where it is with its state saved.
        should_stop: asked every step; when true the attempt saves its state and ends as `stopped`.
        on_begin: called once the training is this attempt's alone, where anything is left of it to be done.
        printed: takes what a program prints that the training runs.
        part: a context in which a part of the work runs that asks nothing, by its name.
        sweep: names the run of the program; hanging attempts of one are counted.
        processes: a context in which the further processes of a training run, where it has some; gives the settings
            of the first one, which is the attempt's own.
        on_cancelled: called from another thread when somebody has cancelled the training, which is then asked to stop.
        on_told: called now and then in long work that no epoch tells of.
    """

    on_progress: Callable[[Progress], None]
    should_stop: Callable[[], bool]
    on_begin: Callable[[], None] = lambda: None
    printed: Callable[[bytes], None] = lambda printed: None
    part: Callable[[str], AbstractContextManager[None]] = lambda name: nullcontext()
    sweep: str = ""
    processes: Callable[[Work, Store, Runtime], AbstractContextManager[Runtime]] = (
        lambda work, store, runtime: nullcontext(runtime)
    )
    on_cancelled: Callable[[], None] = lambda: None
    on_told: Callable[[Telling], None] = lambda telling: None


def raise_verdict(verdict: Verdict) -> None:
    """End a training, or not, as its search has decided.

    Raises:
        Pruned: it is to be given up.
        Paused: it is to rest.
    """
    if verdict == "prune":
        raise Pruned
    if verdict == "pause":
        raise Paused


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
            _check_card(work.config, memory, runtime)
        memory.begin(runtime.gpus or 1.0)

        def on_told(telling: Telling) -> None:
            signs.doing = telling
            hooks.on_told(telling)

        with collected_warnings() as said, listening(on_told):
            if was_done:
                if why_not := _measure(work, folder, store, runtime, hooks, None, said):
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
        if isinstance(error, _StalledTooOften):
            return end_as_failed(work, store, error.stall)
        if not was_done and _is_done_now(store.training(work.training_id)):
            folder.look()
            return _run_claimed(work, folder, store, runtime, hooks, claim, signs)
        if signs.is_cancelled:  # what it raised came of being stopped
            return _cancelled(work, store)
        return _end_by(error, work, store, runtime, hooks)


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


def _end_by(error: BaseException, work: Work, store: Store, runtime: Runtime, hooks: TrialHooks) -> Outcome:
    """Record what was raised, or have it tried again."""
    folder = store.training(work.training_id)
    is_told = isinstance(error, _OtherData | _OtherCode | _SmallCard | WeightsGone)
    message, trace = str(error) if is_told else words_of(error), trace_of(error)
    kind: FaultKind = "machine" if isinstance(error, _OtherData) else "training"
    if not is_told:
        is_on_device = runtime.device == "cuda"
        kind, known = kind_of(error, fault_of_device if is_on_device else lambda: "")
        if kind == "device":
            message = f"the device does not work: {known} (the training ended with {message})"
        elif kind == "memory":
            kind, known = _whose_memory(known, memory_of(runtime.device), runtime)
            message = f"out of memory of the device: {known}. {message}" if known else message
    if is_cut(message, trace):
        _keep_whole(folder, trace if words_of(error) in trace else f"{message}\n\n{trace}")
    failure = failure_of(work, message, trace, kind=kind)
    if kind == "stall":
        with suppress(Exception):  # the store, whose fault is told when it fails is recorded
            folder.mark_stalled(failure, sweep=hooks.sweep)
            if folder.num_stalls(hooks.sweep) >= MAX_STALLS:
                return end_as_failed(work, store, failure)
    if kind != "training":
        raise MachineFault(failure) from error
    return end_as_failed(work, store, failure)


def _whose_memory(known: str, memory: DeviceMemory, runtime: Runtime) -> tuple[FaultKind, str]:
    """Say whether a training, or others on its GPU, have used up the memory, and what is known of it.

    Of a part of a GPU others have the rest anyway: it is given a larger one.
    """
    if 0 < runtime.gpus < 1:
        return "memory", known
    others_bytes, card = memory.others_bytes(), memory.card()
    if others_bytes > NEIGHBOUR_BYTES:
        held = f"other processes, which are none of this sweep's, hold {in_gb(others_bytes)} of it"
        return "machine", "; ".join(filter(None, [held, known]))
    whole = f"it had the whole of {card.name}, {in_gb(card.memory_bytes)}" if card is not None else ""
    return "memory", "; ".join(filter(None, [whole, known]))


def _keep_whole(folder: TrainingFolder, text: str) -> None:
    content = encodable(text).encode()
    if len(content) > MAX_WHOLE_BYTES:
        word = f"\n[… {len(content) - MAX_WHOLE_BYTES} bytes were cut here …]\n".encode()
        content = content[: MAX_WHOLE_BYTES // 2] + word + content[-MAX_WHOLE_BYTES // 2 :]
    try:
        folder.write_failure_text(content)
    except Exception as error:  # the record says the most of it
        logger.warning("the whole text of a failure cannot be kept: %s", error)


def end_as_failed(work: Work, store: Store, failure: FailureRecord) -> Outcome:
    """Record why no further attempt is made, unless another one has succeeded; never raises.

    A store that cannot be written to must not end the sweep too: the failure is then only told.
    """
    folder = store.training(work.training_id)
    try:
        if folder.is_done() and set(work.views) <= folder.measured_views():
            return Outcome("done")
        folder.write_failure(failure)
    except Exception as error:
        logger.warning("%s: its failure cannot be recorded: %s", work.label, error)
        return Outcome("failed", failure.message, failure)
    return Outcome("failed", failure.message)


def _is_done_now(folder: TrainingFolder) -> bool:
    try:
        return folder.is_done()
    except Exception:  # the store is what failed
        return False


class IsTraining(Protocol):
    """Names a training, such as `Work` does."""

    @property
    def training_id(self) -> str:
        """Its identity."""
        ...

    @property
    def label(self) -> str:
        """For people."""
        ...


def failure_of(
    work: IsTraining, message: str, trace: str = "", *, kind: FaultKind = "training"
) -> FailureRecord:
    """Describe a failure on this machine, in short and, where there is more to say, as far as a record can hold it."""
    return FailureRecord(
        training_id=work.training_id,
        label=work.label,
        message=as_message(masked(message)),
        traceback=as_trace(masked(trace or message)),
        host=platform.node(),
        failed_at=now(),
        kind=kind,
    )


def check_code(work: Work) -> None:
    """Refuse to train or measure by other code than the id says, as after a file was edited during a sweep.

    Raises:
        Exception: it says what differs.
    """
    trainable = work.config.make_trainable()
    version, planned = work.config.VERSION, work.version
    if version == planned and not isinstance(trainable, RereadsSource):
        return
    edited: Mapping[str, str] = {}
    if isinstance(trainable, HasSource) and isinstance(trainable, RereadsSource):
        edited = differing_definitions(trainable.definitions(), trainable.definitions_now())
    if version != planned or edited:
        names = (
            f" ({', '.join(edited)})" if edited else f" (version {str(version)[:8]}, not {str(planned)[:8]})"
        )
        raise _OtherCode(
            f"the code of {work.config.METHOD} on machine {platform.node()} is not that of the plan{names}: it was "
            "edited since the sweep was started, or that machine has another copy. Nothing was trained by it; run the "
            "same command again, which plans with the code as it is"
        )


def _check_card(config: TrainingConfig, memory: DeviceMemory, runtime: Runtime) -> None:
    """Refuse a GPU that the training would only run out of memory on, as far as the method can count what it takes.

    Raises:
        _SmallCard: says what it takes, and what there is.
    """
    if runtime.device != "cuda" or not isinstance(config.make_trainable(), CountsMemory):
        return
    if (card := memory.card()) is not None and (why := why_too_small(config, [card], runtime.cache_dir)):
        raise _SmallCard(f"{why} (machine {platform.node()})")


def check_data(config: TrainingConfig, planned: DatasetFacts, runtime: Runtime) -> None:
    """Refuse to train on other data than the id says.

    A process reads the names of a data set once and trains on what it has read, so that images which are
    added later change nothing in it; a process on another machine, or a later one, is refused here.
    """
    found = _found_here(config, runtime)
    if found.fingerprint != planned.fingerprint:
        raise _other_data(planned, found, planned.fingerprint, found.fingerprint, runtime)


def _check_measured(
    config: TrainingConfig, view: EvaluationView, planned: DatasetFacts, runtime: Runtime
) -> None:
    """Refuse to measure on other data than the id of the view says."""
    found = _found_here(config, runtime)
    if not found.is_measured_like(planned, view):
        ours, theirs = (digest_of(facts.measured_on(view)) for facts in (planned, found))
        raise _other_data(planned, found, ours, theirs, runtime)


def _found_here(config: TrainingConfig, runtime: Runtime) -> DatasetFacts:
    try:
        return config.make_trainable().describe_data(config, runtime)
    except ValueError as error:
        raise _OtherData(f"machine {platform.node()} lacks data under {_where(runtime)}: {error}") from error


def _where(runtime: Runtime) -> str:
    return runtime.data_root or runtime.cache_dir


def _other_data(
    planned: DatasetFacts, found: DatasetFacts, ours: str, theirs: str, runtime: Runtime
) -> _OtherData:
    return _OtherData(
        f"{planned.label} under {_where(runtime)} on machine {platform.node()} is not the data set of the plan: "
        f"fingerprint {theirs[:8]}, {_counts(found)}; the plan has {ours[:8]}, {_counts(planned)}. Complete the "
        "copy on that machine (images, lists and starting weights); or, where the data were changed on purpose, "
        "run the same command again: it plans with what is there"
    )


def _counts(data: DatasetFacts) -> str:
    return ", ".join(f"{number} {split}" for split, number in data.num_images.items()) + " images"


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
        _refuse_after_stalls(folder, hooks.sweep)
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
                None if work.watch is None else _watch(work, work.watch, trainable, runtime, report, network)
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
    _measure(work, folder, store, runtime, hooks, network, said)
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


def _refuse_after_stalls(folder: TrainingFolder, sweep: str) -> None:
    """Begin no further attempt where those of this sweep have hung.

    Raises:
        _StalledTooOften: with the last one.
    """
    stalls = folder.stalls(sweep)
    if len(stalls) >= MAX_STALLS:
        raise _StalledTooOften(stalls[-1])


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


def _measure(
    work: Work,
    folder: TrainingFolder,
    store: Store,
    runtime: Runtime,
    hooks: TrialHooks,
    network: Any,
    said: CollectedWarnings,
) -> list[str]:
    """Measure what is not measured; views of ensembles only once all their trainings are done.

    Returns:
        Why views are left out that can be measured no more.
    """
    done, said_before, is_loaded = folder.measured_views(), said.so_far(), network is None
    missing = {
        identity: planned
        for identity, planned in work.views.items()
        if identity not in done
        and all(store.training(partner.training_id).is_done() for partner in planned.partners)
    }
    why_not = {
        identity: why
        for identity, planned in missing.items()
        if (is_loaded or planned.partners) and (why := why_unmeasurable(work.training_id, planned, store))
    }
    missing = {identity: planned for identity, planned in missing.items() if identity not in why_not}
    trainable = work.config.make_trainable()
    if missing and is_loaded:
        folder.check_weights()
        network = trainable.load(work.config, runtime, folder.checkpoints)
    together: dict[tuple[TrainingConfig, Split, str], dict[str, PlannedView]] = {}
    for identity, planned in missing.items():
        _check_measured(planned.config, planned.view, planned.data, runtime)
        run = planned.config, planned.view.split, planned.view.extracted_in
        together.setdefault(run, {})[identity] = planned
    for (config, split, _), views in together.items():
        if is_loaded or config != work.config:
            prepare_data(config, runtime)
        seen = [planned.view for planned in views.values()]
        with hooks.part("extracting"):
            extraction = _extract(trainable, config, runtime, network, split, seen)
        for identity, planned in views.items():
            with hooks.part("measuring"):
                members = [(config, extraction)]
                members += [
                    (partner.config, _extract_of(partner, store, runtime, planned.view))
                    for partner in planned.partners
                ]
                measured = trainable.measure(members, planned.view)
            folder.write_measurement(
                planned.view,
                identity,
                measured,
                [partner.training_id for partner in planned.partners],
                data=planned.data,
                warnings=[sentence for sentence in said.so_far() if sentence not in said_before],
            )
        if split == "test" and not folder.pictures():
            _illustrate(config, work.label, folder, runtime, network, extraction, said)
    return list(why_not.values())


def _illustrate(
    config: TrainingConfig,
    label: str,
    folder: TrainingFolder,
    runtime: Runtime,
    network: Any,
    extraction: Any,
    said: CollectedWarnings,
) -> None:
    """Draw what the network does; a fault of drawing is kept in words and costs no training."""
    trainable = config.make_trainable()
    if not isinstance(trainable, Illustrates):
        return
    warning, said_before = "", said.so_far()
    try:
        folder.write_pictures(trainable.illustrate(config, runtime, network, extraction))
    except Exception as error:
        warning = as_message(f"not every picture could be drawn: {words_of(error)}")
        logger.info("%s: %s", label, warning)
    while_drawing = [text for text in said.so_far() if text not in said_before]
    folder.write_picture_warning("; ".join(filter(None, [warning, *while_drawing])))


def prepare_data(config: TrainingConfig, runtime: Runtime) -> None:
    """Make a config's data ready on this machine, where its method has anything to make ready.

    Raises:
        ValueError: what cannot be read.
    """
    trainable = config.make_trainable()
    if isinstance(trainable, PreparesData):
        trainable.prepare_data(config, runtime)


def _extract(
    trainable: Trainable,
    config: TrainingConfig,
    runtime: Runtime,
    network: Any,
    split: Split,
    views: Sequence[EvaluationView],
) -> Any:
    if not isinstance(trainable, ExtractsOnce):
        return network
    extraction = trainable.extract(config, runtime, network, split, views)
    memory_of(runtime.device).give_back()  # what follows is measured without it, while others may train there
    return extraction


def _extract_of(partner: Partner, store: Store, runtime: Runtime, view: EvaluationView) -> Any:
    trainable = partner.config.make_trainable()
    _check_measured(partner.config, view, partner.data, runtime)
    folder = store.training(partner.training_id)
    folder.check_weights()
    network = trainable.load(partner.config, runtime, folder.checkpoints)
    return _extract(trainable, partner.config, runtime, network, view.split, [view])


def watched_name(objective: Objective) -> str:
    """Name an objective among what an epoch reports."""
    return f"{objective.view.split}_{objective.metric.name}"


def _watch(
    work: Work,
    objective: Objective,
    trainable: Trainable,
    runtime: Runtime,
    report: EpochReport,
    network: Any,
) -> float | None:
    """Give what a pruner is told of an epoch; None where there is nothing to measure, and nothing was told."""
    view = objective.view
    if network is None:  # of a loop of somebody's own
        return report.metrics.get(watched_name(objective))
    if isinstance(trainable, TellsValues):
        return trainable.value_told(network, view, objective.metric)
    extraction = _extract(trainable, work.config, runtime, network, view.split, [view])
    return float(trainable.measure([(work.config, extraction)], view).metrics[objective.metric.name])


class SystemMeter:
    """Reads what this process used of the machine between two calls."""

    def __init__(self) -> None:
        """Start counting."""
        self._process = psutil.Process()
        self._wall_s = time.monotonic()
        self._cpu_s = self._used_cpu_s()

    def _used_cpu_s(self) -> float:
        times = self._process.cpu_times()
        return times.user + times.system

    def read(self) -> dict[str, float]:
        """Give the figures since the last call, named as MLflow's page of system metrics wants them."""
        wall_s, cpu_s = time.monotonic(), self._used_cpu_s()
        elapsed_s = max(wall_s - self._wall_s, 1e-3)
        used = {
            "system/process_cpu_percent": 100 * (cpu_s - self._cpu_s) / elapsed_s,
            "system/process_memory_bytes": float(self._process.memory_info().rss),
            "system/machine_memory_percent": float(psutil.virtual_memory().percent),
        }
        self._wall_s, self._cpu_s = wall_s, cpu_s
        return used
