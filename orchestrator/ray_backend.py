"""Ray and Ray Tune: where and when work runs. The only file that imports ray.

All unique trainings of a sweep are trials of one Tune run, so that workers stay warm from one training to
the next. Tune places them, counts fractions of a GPU and tries again what a lost machine was running. What
is done is decided by the store alone, so Tune's own checkpoints, snapshots and loggers are not used.
"""

from __future__ import annotations

import ctypes
import dataclasses
import gc
import logging
import os
import pickle
import platform
import socket
import tempfile
import threading
import time
import uuid
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray import cloudpickle, tune
from ray._private import ray_constants
from ray._private import worker as ray_worker
from ray._private.authentication import authentication_token_setup as token_setup
from ray._private.worker import global_worker
from ray._raylet import AuthenticationTokenLoader  # pyright: ignore
from ray.experimental.internal_kv import _internal_kv_del as kv_del  # pyright: ignore[reportPrivateUsage]
from ray.experimental.internal_kv import _internal_kv_exists as kv_exists  # pyright: ignore[reportPrivateUsage]
from ray.experimental.internal_kv import _internal_kv_get as kv_get  # pyright: ignore[reportPrivateUsage]
from ray.experimental.internal_kv import _internal_kv_put as kv_put  # pyright: ignore[reportPrivateUsage]
from ray.tune.execution import class_cache
from ray.tune.experiment import Trial
from ray.tune.search import Searcher
from ray.tune.trainable.function_trainable import wrap_function

from tablewright.orchestrator.addresses import causes_of
from tablewright.orchestrator.device_probe import fault_of_device
from tablewright.orchestrator.guarded_trial import run_on_worker
from tablewright.orchestrator.listeners import Listeners
from tablewright.orchestrator.masked_streams import mask_streams
from tablewright.orchestrator.messages import (
    failure_from_text,
    failure_to_text,
    outcome_from_text,
    outcome_to_text,
    progress_from_text,
    progress_to_text,
)
from tablewright.orchestrator.project import Project, ProjectOnWorker
from tablewright.orchestrator.ray_session import private_session
from tablewright.orchestrator.records import FailureRecord, Store
from tablewright.orchestrator.settings import Settings
from tablewright.orchestrator.signals import SavingOnSignals, signals_held_back
from tablewright.orchestrator.supervisor import Link
from tablewright.orchestrator.trial import (
    BackendEnded,
    Listener,
    MachineFault,
    Outcome,
    Progress,
    Pruned,
    TrialHooks,
    Work,
    end_as_failed,
    failure_of,
)
from tablewright.orchestrator.work_queue import WorkQueue
from tablewright.orchestrator.worker_death import ENDED_ITSELF, cause_of_death, count_killed_for_memory
from tablewright.trainables.contract.run import Device, Runtime
from tablewright.trainables.value.counted import counted

CONNECT_S = 10.0
"""How long an address may take to answer."""

NUM_STARTS = 2
"""How often Ray is started on this machine before the command gives up."""

WATCH_S = 0.5
"""How often the processes of a Ray on this machine are looked at."""

STOP_POLL_S = 1.0
"""How often a running training asks whether the sweep is ending."""

MAX_PENDING_TRIALS = 64
"""Trials offered to the cluster beyond the running ones: an autoscaler sees the demand, and Tune keeps as
many workers warm as there are trials waiting."""

IDLE_S = 0.25
"""How often it is asked whether others have left or ended what they had, while nothing runs here."""

KV_NAMESPACE = b"tablewright"

FIRST_HOLD_S, MAX_HOLD_S, MAX_HOLD_ALONE_S = 10.0, 300.0, 30.0
"""A machine that failed keeps its slot for so long, twice as long each time until something succeeds there,
so that one with a full disc does not draw the queue to itself; with no other machine there is less to gain."""

TRY_DEVICE_EVERY_S = 60.0
"""How often a device that does not work is tried again, while its slot is kept."""
NO_DEVICE_AFTER_S = 60.0
"""Nothing runs for so long, and devices do not work: no machine is left."""

WAITING_AFTER_S, BUSY_AFTER_S = 15.0, 60.0
"""A cluster that starts nothing for so long is said to wait: for a machine that is large enough, and for one
that is free; the first process on a machine takes half a minute to start."""

logger = logging.getLogger(__name__)

ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the store and MLflow hold what these would write
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C lets running trainings save their state first
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",  # a snapshot of the whole experiment that nobody reads
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_MAX_PENDING_TRIALS_PG": str(MAX_PENDING_TRIALS),
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # the failure record has it
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # her code stands in her project
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


FORWARDED_BY_TUNE = frozenset({"RAY_CHDIR_TO_TRIAL_DIR", "RAY_AIR_LOCAL_CACHE_DIR"})
"""Variables that Tune may hand on to workers through Ray, which logs them; credentials are not among them. Workers of
this machine have the environment anyway, those of a cluster that of their machine."""


class Unwatched:
    """Nobody watches."""

    def on_connecting(self) -> None:
        """Tell nobody."""

    def on_connected(self) -> None:
        """Tell nobody."""

    def keeps(self, path: str) -> None:
        """Tell nobody."""

    def on_lost(self, part: str) -> None:
        """Tell nobody; Ray ends this process by itself."""


@dataclasses.dataclass(frozen=True)
class Resources:
    """What one training takes of a machine.

    Attributes:
        cpus: processor cores.
        gpus: whole GPUs or a fraction of one; 0 trains on the CPU.
    """

    cpus: float = 1.0
    gpus: float = 0.0

    @staticmethod
    def of(named: Mapping[str, float]) -> Resources:
        """Read what Ray says that a machine or a cluster has."""
        return Resources(named.get("CPU", 0.0), named.get("GPU", 0.0))

    def fit_into(self, machine: Resources) -> bool:
        """Say whether a machine can ever run a training."""
        return self.cpus <= machine.cpus and self.gpus <= machine.gpus

    def __str__(self) -> str:
        """For people."""
        return f"{self.cpus:g} CPU and {self.gpus:g} GPU"


class _Payload:
    """Carries work through Tune, which copies and prints configs.

    A worker can read it only once it has entered the project whose classes are in it.
    """

    def __init__(self, work: Work) -> None:
        self._work: Work | None = work
        self._pickled = b""

    @property
    def work(self) -> Work:
        """The work itself."""
        if self._work is None:
            self._work = pickle.loads(self._pickled)
        assert self._work is not None
        return self._work

    def __getstate__(self) -> dict[str, Any]:
        dumped = self._pickled or cloudpickle.dumps(self._work)  # pyright: ignore[reportPrivateImportUsage]
        return {"_work": None, "_pickled": dumped}

    def __repr__(self) -> str:
        return self.work.training_id[:8]

    def __deepcopy__(self, memo: Any) -> _Payload:
        return self


class _Signals:
    """Words from the driver to running trainings, kept by the cluster's head until the driver ends.

    Ray offers its key-value store under private names only; an actor for it would cost a process.
    """

    def __init__(self, sweep: str) -> None:
        self._sweep = sweep

    def _key(self, word: str) -> bytes:
        return f"{self._sweep}/{word}".encode()

    def send(self, word: str) -> None:
        kv_put(self._key(word), b"1", namespace=KV_NAMESPACE)

    def is_sent(self, word: str) -> bool:
        return kv_exists(self._key(word), namespace=KV_NAMESPACE)

    def count(self, word: str) -> int:
        """Count one more of a word."""
        number = int(kv_get(self._key(word), namespace=KV_NAMESPACE) or b"0") + 1
        kv_put(self._key(word), str(number).encode(), namespace=KV_NAMESPACE)
        return number

    def forget(self, word: str) -> None:
        kv_del(self._key(word), namespace=KV_NAMESPACE)

    def clear(self) -> None:
        kv_del(self._key(""), del_by_prefix=True, namespace=KV_NAMESPACE)


class _Polled:
    """A question that is cheap to ask in every step, and asked for real once in a while."""

    def __init__(self, ask: Callable[[], bool], every_s: float) -> None:
        self._ask, self._every_s = ask, every_s
        self._asked_at_s = float("-inf")
        self._answer = False

    def __call__(self) -> bool:
        if not self._answer and time.monotonic() - self._asked_at_s >= self._every_s:
            self._answer = self._ask()
            self._asked_at_s = time.monotonic()
        return self._answer


class _ProcessSpoiled(Exception):
    """Ends a process together with its attempt; Tune reuses only the processes of attempts that return."""


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where the attempts of one sweep run, and by which rules.

    Attributes:
        sweep: names its words in the cluster.
        store_id: of the driver's store.
        first_hold_s: see `FIRST_HOLD_S`.
        project: whose modules the work is made of; None where it is of ours alone.
    """

    sweep: str
    store_url: str
    store_id: str
    runtime: Runtime
    first_hold_s: float
    project: ProjectOnWorker | None


_SAVING = SavingOnSignals()
"""Of this worker's process."""


def _take_signals(trainable: type) -> type:
    """Let the processes of a trainable save on signals; Tune builds it in the main thread, where alone that can be."""

    class ImplicitFunc(trainable):  # pyright: ignore[reportUntypedBaseClass]  # Tune's own name for it, by which its processes are known
        def setup(self, config: dict[str, Any], **parameters: Any) -> None:
            _begin_worker()
            super().setup(config, **parameters)

    return ImplicitFunc


def _begin_worker() -> None:
    """Take what is global from the module: the class above travels with copies of its own."""
    _SAVING.install()
    _tell_when_ended()


def _tell_when_ended() -> None:
    """Print a word where code ends this process behind Python's back, so that it is known why it died."""
    end, process_id = os._exit, os.getpid()
    if getattr(end, "tells", False):
        return

    def told_end(code: int) -> None:
        if os.getpid() == process_id:  # and no process that was forked off
            os.write(2, f"{ENDED_ITSELF.format(code=code)}\n".encode())
        end(code)

    told_end.tells = True  # pyright: ignore[reportFunctionMemberAccess]
    os._exit = told_end  # pyright: ignore[reportAttributeAccessIssue]


def _attempt(config: dict[str, Any], *, place: _Place) -> None:
    """Run one attempt on a worker; what Tune calls a function trainable.

    After any failure the process ends: a device whose context is broken fails whatever comes next in it.
    """
    mask_streams()
    if place.project is not None:
        place.project.enter(place.runtime.cache_dir)
    work: Work = config["payload"].work
    signals = _Signals(place.sweep)
    is_told = _Polled(lambda: signals.is_sent("stop"), STOP_POLL_S)

    def should_stop() -> bool:
        return _SAVING.asked_by is not None or is_told()

    attempt = uuid.uuid4().hex
    faults = f"faults/{ray.get_runtime_context().get_node_id()}"

    def on_progress(progress: Progress) -> None:
        # Returns once the driver has dealt with the report, so that its verdict is there to be read.
        try:
            tune.report({"progress": progress_to_text(progress), "attempt": attempt})
        except SystemExit:  # Tune's, and none of the method's
            raise BackendEnded from None
        if work.watch is not None and signals.is_sent(f"prune/{attempt}"):
            raise Pruned

    def on_begin() -> None:
        tune.report({"begun": True})

    try:
        if should_stop():
            outcome = Outcome("stopped")
        else:
            hooks = TrialHooks(on_progress, should_stop, on_begin, sweep=place.sweep)
            outcome = run_on_worker(work, place.store_url, place.store_id, place.runtime, hooks)
    except MachineFault as fault:
        tune.report({"fault": failure_to_text(fault.failure)})
        kind = fault.failure.kind
        if kind == "device":
            is_stopped = _hold_while_broken(should_stop)
        elif kind == "machine":
            is_stopped = _hold(place.first_hold_s, signals.count(faults), should_stop)
        else:
            is_stopped = False
        if not is_stopped:
            raise _ProcessSpoiled(fault.failure.message) from None
        outcome = Outcome("stopped")
    if outcome.state in ("done", "pruned"):
        signals.forget(faults)
    return_memory()
    tune.report({"outcome": outcome_to_text(outcome)})
    if outcome.state == "failed":
        raise _ProcessSpoiled(outcome.message)
    if _SAVING.asked_by is not None:
        raise _ProcessSpoiled(f"{_SAVING.asked_by} came; the training has saved its state")


def _hold(first_hold_s: float, num_faults: int, should_stop: Callable[[], bool]) -> bool:
    """Keep this machine's slot for a while; true where the sweep was stopped meanwhile."""
    is_alone = sum(bool(node["Alive"]) for node in ray.nodes()) == 1
    hold_s = min(first_hold_s * 2 ** min(num_faults - 1, 30), MAX_HOLD_ALONE_S if is_alone else MAX_HOLD_S)
    until_s = time.monotonic() + hold_s
    while time.monotonic() < until_s:
        if should_stop():
            return True
        time.sleep(min(STOP_POLL_S, hold_s))
    return False


def _hold_while_broken(should_stop: Callable[[], bool]) -> bool:
    """Keep the slot of a device that does not work until it does; true where the sweep was stopped meanwhile."""
    while True:
        until_s = time.monotonic() + TRY_DEVICE_EVERY_S
        while time.monotonic() < until_s:
            if should_stop():
                return True
            time.sleep(STOP_POLL_S)
        if not fault_of_device():
            return False


def return_memory() -> None:
    """Give back what a training took: a warm worker must not carry it into the next one.

    glibc keeps freed memory for itself, which grew workers by gigabytes over a sweep; other C libraries have no
    such call, and need none.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class _NotSaved:
    """Left out of the snapshots that Tune takes of its driver; the store is the state."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _QueueSearcher(_NotSaved, Searcher):
    """Lets Tune draw its trials from the queue."""

    def __init__(self, queue: WorkQueue, gpus_of: Callable[[Work], float]) -> None:
        super().__init__()
        self._queue, self._gpus_of = queue, gpus_of

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # pyright: ignore
        if self._queue.is_finished():
            return Searcher.FINISHED
        work = self._queue.next_work()
        return None if work is None else {"payload": _Payload(work), "gpus": self._gpus_of(work)}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """The bridge hears of it too, and knows the outcome."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the store is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the store is the state."""


class _Bridge(_NotSaved, tune.Callback):
    """Turns Tune's events into the queue's and the listeners'."""

    def __init__(
        self,
        queue: WorkQueue,
        listeners: Listeners,
        store: Store,
        signals: _Signals,
        resources: Resources,
        max_lost_workers: int,
        num_slots: Callable[[], int] = lambda: 1,
    ) -> None:
        self._num_slots = num_slots
        self._queue, self._listeners, self._store, self._signals = queue, listeners, store, signals
        self._resources, self._max_lost_workers = resources, max_lost_workers
        self._num_given_back: Counter[str] = Counter()
        self._given_back: dict[str, Work] = {}
        self._num_killed_before = count_killed_for_memory()
        self._running: set[str] = set()
        self._started: set[str] = set()
        self._ended: set[str] = set()
        self._outcomes: dict[str, Outcome] = {}
        self._faults: dict[str, FailureRecord] = {}
        self._broken: dict[str, FailureRecord] = {}
        self._need_whole_device: set[str] = set()
        self._trials: list[Trial] = []
        self._is_stop_sent = self._was_left = False
        self._is_waiting_told = False
        self._idle_since_s = time.monotonic()

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        # The queue is stopped from a signal handler, where no call to the cluster may be made.
        if self._queue.is_stopping and not self._is_stop_sent:
            self._signals.send("stop")
            self._is_stop_sent = True
        self._trials = trials
        if self._queue.is_out_of_grace and self._running:
            self._end_hard()
            raise _GraceIsOver
        for work, outcome in self._queue.ended_elsewhere():
            self._listeners.on_end(work, outcome)
        if not self._running and all(trial.is_finished() for trial in trials):
            self._queue.tell_of_waiting()
            time.sleep(IDLE_S)  # Tune asks for more again and again
        if self._broken:
            self._end_without_devices()
        if self._running or not trials:
            self._idle_since_s = time.monotonic()
        elif not self._is_waiting_told:
            self._tell_waiting(time.monotonic() - self._idle_since_s)

    def gpus_of(self, work: Work) -> float:
        """Say how much of a GPU a training gets: the whole one where a part was too small for it."""
        return 1.0 if work.training_id in self._need_whole_device else self._resources.gpus

    def _end_without_devices(self) -> None:
        """End the sweep where nothing can run, as devices do not work; and free their slots where nothing is left."""
        if self._running or self._queue.is_stopping:
            return
        if self._queue.is_finished():
            self._signals.send("stop")
            return
        idle_s = time.monotonic() - self._idle_since_s
        if len(self._broken) >= self._num_slots() or idle_s >= NO_DEVICE_AFTER_S:
            told = {failure.host: failure.message for failure in self._broken.values()}
            logger.warning(
                "no machine works, and the sweep ends; its trainings stay to be trained. %s. Mend that, and run the "
                "same command again",
                "; ".join(f"{host}: {message}" for host, message in told.items()),
            )
            self._queue.stop()

    def _leave_machine(self, trial: Trial, failure: FailureRecord) -> None:
        """Hand a training to another machine, while this trial keeps the slot of a device that does not work."""
        self._broken[trial.trial_id] = failure
        self._ended.add(trial.trial_id)
        self._running.discard(trial.trial_id)
        trial.max_failures = 0
        self._idle_since_s = time.monotonic()
        self._queue.give_back(self._work(trial))

    def _tell_waiting(self, idle_s: float) -> None:
        if idle_s < WAITING_AFTER_S:
            return
        machines = [Resources.of(node["Resources"]) for node in ray.nodes() if node["Alive"]]
        is_possible = any(self._resources.fit_into(machine) for machine in machines)
        if is_possible and idle_s < BUSY_AFTER_S:
            return
        self._is_waiting_told = True
        logger.warning(
            "waiting for resources: a training takes %s; the machines of the cluster have %s%s",
            self._resources,
            " | ".join(map(str, machines)),
            ", which are busy or still starting" if is_possible else ", none of them enough",
        )

    def may_end_now(self) -> bool:
        """Say whether the sweep is to end and no training has state to save; what waits is not waited for."""
        return self._is_stop_sent and not self._running

    @property
    def was_left(self) -> bool:
        """Whether Tune was left with trainings that did not end within the grace."""
        return self._was_left

    def _end_hard(self) -> None:
        """Tell of what still runs when the grace is over; its processes end with this Ray, or with this job."""
        self._was_left = True
        for trial in [trial for trial in self._trials if trial.trial_id in self._running]:
            work = self._work(trial)
            logger.warning(
                "%s: did not save within the grace and is ended; what it did since its last checkpoint is lost",
                work.label,
            )
            self._end(trial, Outcome("stopped"))

    @staticmethod
    def _work(trial: Trial) -> Work:
        return trial.config["payload"].work

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._running.add(trial.trial_id)
        self._faults.pop(trial.trial_id, None)
        self._given_back.pop(self._work(trial).training_id, None)

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        try:
            self._on_message(self._work(trial), trial, result)
        except ValueError as error:
            logger.warning("%s: %s", self._work(trial).label, error)

    def _on_message(self, work: Work, trial: Trial, result: dict[str, Any]) -> None:
        if "begun" in result:
            self._started.add(trial.trial_id)
            self._listeners.on_start(work)
        elif "outcome" in result:
            outcome = outcome_from_text(result["outcome"])
            self._outcomes[trial.trial_id] = outcome
            if outcome.state in ("failed", "stopped"):
                trial.max_failures = 0  # its process is about to end, which is no reason to try again
        elif "fault" in result:
            failure = failure_from_text(result["fault"])
            self._faults[trial.trial_id] = failure
            if failure.kind == "memory":
                trial.max_failures = 0
            what = "it hung" if failure.kind == "stall" else f"machine {failure.host} has failed"
            logger.warning("%s: %s: %s", work.label, what, failure.message)
            if failure.kind == "device":
                self._leave_machine(trial, failure)
        elif "progress" in result:
            progress = progress_from_text(result["progress"])
            self._listeners.on_progress(work, progress)
            if self._queue.on_progress(work, progress):
                self._signals.send(f"prune/{result['attempt']}")

    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._running.discard(trial.trial_id)

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        if self._broken.pop(trial.trial_id, None) is None:
            self._end(trial, self._outcomes.pop(trial.trial_id, Outcome("stopped")))

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """The training failed; or its machine did, or was lost, more often than Tune was told to try."""
        if self._broken.pop(trial.trial_id, None) is not None:
            return  # its training was handed to another machine before
        work, outcome = self._work(trial), self._outcomes.pop(trial.trial_id, None)
        fault = self._faults.get(trial.trial_id)
        if fault is not None and fault.kind == "memory":
            if 0 < self.gpus_of(work) < 1 and not self._queue.is_stopping:
                self._need_whole_device.add(work.training_id)
                self._give_back(trial)
                return
            outcome = end_as_failed(work, self._store, fault)
        if outcome is None and self._is_given_up_early(trial):
            if not self._queue.is_stopping:
                self._give_back(trial)
                return
            outcome = Outcome("stopped")
        elif outcome is None:
            failure = self._faults.pop(trial.trial_id, None) or self._left_by_worker(work)
            outcome = end_as_failed(work, self._store, failure or self._death_of(trial))
        elif outcome.state == "stopped" and not self._queue.is_stopping:  # a signal came to its worker alone
            self._give_back(trial)
            return
        elif outcome.unwritten is not None:
            outcome = end_as_failed(work, self._store, outcome.unwritten)
        self._end(trial, outcome)

    def _death_of(self, trial: Trial) -> FailureRecord:
        """Describe the last of the deaths that a training's workers died."""
        told = _text_of(trial.error_file)
        num_killed = count_killed_for_memory() - self._num_killed_before
        cause, printed = cause_of_death(told, _folder_of_logs(), self._kept_output(trial), num_killed)
        num_attempts = self._max_lost_workers + 1
        message = f"{cause}; given up after {counted(num_attempts, 'attempt')}"
        parts = [message, f"It printed last:\n{printed}" if printed else "", f"Ray says:\n{told}"]
        return failure_of(self._work(trial), message, "\n\n".join(filter(None, parts)))

    def _kept_output(self, trial: Trial) -> str:
        try:
            return "\n".join(self._store.training(self._work(trial).training_id).output_tail())
        except (OSError, ValueError):
            return ""

    def _left_by_worker(self, work: Work) -> FailureRecord | None:
        """Give what a process that has died wrote of its death; a start forgets what was there before."""
        try:
            return self._store.training(work.training_id).failure()
        except (OSError, ValueError):
            return None

    def _is_given_up_early(self, trial: Trial) -> bool:
        """Say whether Tune gave a training up before its tries were spent.

        It does where a warm worker was lost before its next training began in it: what it reports then it takes for a
        fault of a training that it knows to be pending, and those it does not try again.
        """
        num_given_back = self._num_given_back[self._work(trial).training_id]
        return max(trial.run_metadata.num_failures - 1, num_given_back) < self._max_lost_workers

    def _give_back(self, trial: Trial) -> None:
        work = self._work(trial)
        self._num_given_back[work.training_id] += 1
        self._given_back[work.training_id] = work
        self._ended.add(trial.trial_id)
        self._running.discard(trial.trial_id)
        self._queue.give_back(work)

    def on_experiment_end(self, trials: list[Trial], **info: Any) -> None:
        for trial in trials:  # those that waited for a machine when the sweep was stopped
            if trial.trial_id not in self._ended:
                self._end(trial, Outcome("stopped"))
        for work in self._given_back.values():  # the sweep was stopped before their next attempt
            self._listeners.on_end(work, Outcome("stopped"))
        self._given_back.clear()

    def _end(self, trial: Trial, outcome: Outcome) -> None:
        work = self._work(trial)
        self._ended.add(trial.trial_id)
        self._running.discard(trial.trial_id)
        self._queue.on_end(work, outcome)
        if trial.trial_id in self._started or outcome.state not in ("stopped", "claimed"):
            self._listeners.on_end(work, outcome)


class _GraceIsOver(Exception):
    """Leaves Tune's loop, which would wait for what does not answer."""


def _text_of(path: str | None) -> str:
    try:
        return "" if path is None else Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _folder_of_logs() -> Path | None:
    node = global_worker.node
    return None if node is None else Path(str(node.get_logs_dir_path()))


class _StopsWaiting(_NotSaved, tune.Stopper):
    """Ends the trials that still wait for a machine when the sweep is stopped."""

    def __init__(self, bridge: _Bridge) -> None:
        self._bridge = bridge

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._bridge.may_end_now()


class RayBackend:
    """Runs work on the Ray cluster at an address, or on one that it starts on this machine."""

    def __init__(
        self,
        *,
        address: str | None = None,
        resources: Resources | None = None,
        max_concurrent: int | None = None,
        max_lost_workers: int = 3,
        first_hold_s: float = FIRST_HOLD_S,
        project: Project | None = None,
        watcher: Link | None = None,
    ) -> None:
        """Connect nothing yet.

        Args:
            address: of a running cluster; None starts one on this machine.
            resources: of one training; None is one CPU, and one GPU where the cluster has any.
            max_concurrent: trainings at a time; None is as many as fit.
            max_lost_workers: how often a training is tried again after its worker was lost, or its machine
                failed.
            first_hold_s: how long a machine that failed keeps its slot; see `FIRST_HOLD_S`.
            project: whose modules workers must find; its source files are sent to those of another cluster.
            watcher: told how far Ray is.
        """
        self._watcher = watcher or Unwatched()
        self._folder: Path | None = None
        self._project = project
        self._address = address
        self._resources = resources
        self._max_concurrent = max_concurrent
        self._max_lost_workers = max_lost_workers
        self._first_hold_s = first_hold_s

    @contextmanager
    def connect(self) -> Generator[Device]:
        """Join the cluster, or start one on this machine that ends with the sweep.

        A process that has joined one already, as a test has, keeps it.

        Raises:
            ValueError: the address does not answer, or this machine alone can never run a training. Of a given
                cluster nobody knows: it may start machines when they are asked for.
        """
        os.environ.update({name: os.environ.get(name, value) for name, value in ENVIRONMENT.items()})
        logging.getLogger("ray").setLevel(logging.ERROR)
        logging.getLogger("ray.tune.tune").setLevel(logging.CRITICAL)  # it names trials that have failed
        self._check_address()
        class_cache.ENV_VARS_TO_PROPAGATE = FORWARDED_BY_TUNE
        ray_worker._worker_logs_enabled = False  # pyright: ignore  # a raylet that has died is told in our words
        if ray.is_initialized():
            yield self._device()
            return
        self._watcher.on_connecting()
        with self._started_here() if self._address is None else self._joined(self._address):
            self._watcher.on_connected()
            yield self._device()

    def _device(self) -> Device:
        return "cuda" if self._needed().gpus else "cpu"

    @contextmanager
    def _joined(self, address: str) -> Generator[None]:
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # of a cluster that is absent, of another version, or shut to us
            raise ValueError(
                f"--address {address} is no cluster that can be joined ({type(error).__name__}); see that "
                f"one runs there, with Ray {ray.__version__} and Python {platform.python_version()} as here, "
                "or leave --address out to start a cluster here"
            ) from error
        try:
            yield
        finally:
            ray.shutdown()

    @contextmanager
    def _started_here(self) -> Generator[None]:
        """Start a Ray that listens to this machine alone and keeps its files in a folder of the user's."""
        is_over = threading.Event()
        with private_session(self._watcher.keeps) as folder:
            self._folder = folder
            can_cluster, ray_constants.ENABLE_RAY_CLUSTER = ray_constants.ENABLE_RAY_CLUSTER, False
            AuthenticationTokenLoader.instance().reset_cache()
            if os.environ.get("RAY_AUTH_MODE", "").lower() == "token":
                token_setup._enable_token_auth()  # pyright: ignore[reportPrivateUsage]
            try:
                _start_ray(folder / "r")
                self._check_machine()
                threading.Thread(target=self._watch_over_ray, args=(is_over,), daemon=True).start()
                yield
            finally:
                is_over.set()
                ray.shutdown()
                ray_constants.ENABLE_RAY_CLUSTER = can_cluster
                self._folder = None

    def _watch_over_ray(self, is_over: threading.Event) -> None:
        """See within a second that a part of Ray has died; Ray itself notices after a minute, or never."""
        node = global_worker.node
        parts = {"raylet": "Ray's raylet", "gcs_server": "Ray's head service"}
        while node is not None and not is_over.wait(WATCH_S):
            for kind, in_words in parts.items():
                processes: Any = node.all_processes.get(kind, [])
                if any(info.process.poll() is not None for info in processes) and not is_over.is_set():
                    self._watcher.on_lost(in_words)

    def _check_address(self) -> None:
        """Ray itself tries an address that does not answer for many minutes."""
        host, _, port = (self._address or "").removeprefix("ray://").rpartition(":")
        if not host or not port.isdigit():
            return  # `auto` or `local`, which are answered at once
        try:
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
        except OSError as error:
            raise ValueError(
                f"--address {self._address} does not answer ({error.strerror or type(error).__name__}); give "
                "the host and port that `ray status` shows on the cluster, `auto` on one of its machines, or nothing "
                "to start a cluster here"
            ) from error

    def _check_machine(self) -> None:
        needed, machine = self._needed(), Resources.of(ray.cluster_resources())
        if not needed.fit_into(machine):
            raise ValueError(
                f"a training takes {needed}, and this machine has {machine}; no training could ever start. "
                f"Give --gpus-per-training of at most {machine.gpus:g} (0 trains on the CPU), or --address of a "
                "cluster that has more"
            )

    def _needed(self) -> Resources:
        return self._resources or default_resources()

    def num_slots(self) -> int:
        """Count the trainings that fit at a time, on the cluster as it is now; at least one."""
        if self._max_concurrent is not None:
            return self._max_concurrent
        resources, has = self._needed(), ray.cluster_resources()
        fits = [has.get("CPU", 0) / resources.cpus] if resources.cpus else []
        fits += [has.get("GPU", 0) / resources.gpus] if resources.gpus else []
        return max(1, int(min(fits, default=1)))

    def run(self, queue: WorkQueue, listeners: Sequence[Listener], store: Store, runtime: Runtime) -> None:
        """Run until the queue is finished, or told to stop and every running training has saved its state."""
        resources = self._needed()
        place = _Place(
            uuid.uuid4().hex,
            store.url,
            store.shared_id(),
            runtime,
            self._first_hold_s,
            self._project_on_worker(),
        )
        signals = _Signals(place.sweep)
        bridge = _Bridge(
            queue, Listeners(listeners), store, signals, resources, self._max_lost_workers, self.num_slots
        )
        attempt = wrap_function(tune.with_parameters(_attempt, place=place))

        def resources_of(config: dict[str, Any]) -> tune.PlacementGroupFactory:
            return tune.PlacementGroupFactory([{"CPU": resources.cpus, "GPU": config["gpus"]}])

        with (
            tempfile.TemporaryDirectory(prefix="tablewright-tune-", dir=self._folder) as scratch,
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")  # Ray warns of its own deprecations
            tuner = tune.Tuner(
                _take_signals(tune.with_resources(attempt, resources_of)),
                tune_config=tune.TuneConfig(
                    search_alg=_QueueSearcher(queue, bridge.gpus_of),
                    num_samples=-1,
                    max_concurrent_trials=self._max_concurrent,
                    reuse_actors=True,
                    trial_dirname_creator=lambda trial: trial.trial_id,
                    trial_name_creator=lambda trial: trial.trial_id,
                ),
                run_config=tune.RunConfig(
                    name="sweep",
                    storage_path=scratch,
                    callbacks=[bridge],
                    stop=_StopsWaiting(bridge),
                    failure_config=tune.FailureConfig(max_failures=self._max_lost_workers),
                    checkpoint_config=None,
                    verbose=0,
                ),
            )
            try:
                tuner.fit()
            except Exception as error:
                if not bridge.was_left:
                    if (of_ray := _error_of_ray(error)) is not None:
                        self._watcher.on_lost(f"Ray's run of the trainings ({of_ray})")
                    raise
            finally:
                signals.clear()

    def _project_on_worker(self) -> ProjectOnWorker | None:
        if self._project is None:
            return None
        packed = self._project.pack() if self._address is not None and self._project.has_studies else b""
        return ProjectOnWorker(str(self._project.folder), packed)


def _error_of_ray(error: Exception) -> str | None:
    """Say in a line what Ray itself has failed in, such as workers that it could not start for want of memory."""
    for cause in causes_of(error):
        if type(cause).__module__.partition(".")[0] == "ray":
            return f"{type(cause).__name__}: {next(iter(str(cause).splitlines()), '')[:200]}"
    return None


def _start_ray(folder: Path) -> None:
    """Start Ray, and once more where that fails, as it does on a machine that is very busy.

    Raises:
        ValueError: it does not start; with Ray's own words.
    """
    for start in range(1, NUM_STARTS + 1):
        try:
            with signals_held_back():
                ray.init(
                    address="local",
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    _temp_dir=str(folder),
                )
            return
        except Exception as error:  # Ray raises one of many kinds, a bare Exception among them
            ray.shutdown()
            why = f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"
            if start == NUM_STARTS:
                raise ValueError(
                    f"Ray does not start on this machine, in {NUM_STARTS} tries ({why}). See that no RAY_ variable is "
                    "set that you do not mean and that the machine has memory, disc and processes left; then run the "
                    "same command again"
                ) from error
            logger.warning("Ray did not start (%s); it is tried once more", why)


def default_resources() -> Resources:
    """One CPU a training, and one GPU where the connected cluster has any."""
    has_gpus = ray.cluster_resources().get("GPU", 0) > 0
    return Resources(gpus=1.0 if has_gpus else 0.0)


def make_backend(settings: Settings, watcher: Link | None = None) -> RayBackend:
    """Give the backend that the command line asks for, told of by `watcher`."""
    gpus = settings.gpus_per_training
    return RayBackend(
        address=settings.address,
        resources=None if gpus is None else Resources(gpus=gpus),
        max_concurrent=settings.max_concurrent,
        project=settings.project,
        watcher=watcher,
    )
