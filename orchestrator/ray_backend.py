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
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import ray
from ray import tune
from ray.experimental.internal_kv import _internal_kv_del as kv_del  # pyright: ignore[reportPrivateUsage]
from ray.experimental.internal_kv import _internal_kv_exists as kv_exists  # pyright: ignore[reportPrivateUsage]
from ray.experimental.internal_kv import _internal_kv_put as kv_put  # pyright: ignore[reportPrivateUsage]
from ray.tune.experiment import Trial
from ray.tune.search import Searcher

from orchestrator.records import FailureRecord, Store, now
from orchestrator.settings import Settings
from orchestrator.trial import Listener, Outcome, Progress, Pruned, TrialHooks, Work, run_trial
from orchestrator.work_queue import WorkQueue
from trainables.contract import Device, Runtime

STOP_POLL_S = 1.0
"""How often a running training asks whether the sweep is ending."""

MAX_PENDING_TRIALS = 64
"""Trials offered to the cluster beyond the running ones: an autoscaler sees the demand, and Tune keeps as
many workers warm as there are trials waiting."""

KV_NAMESPACE = b"tablewright"

ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the store and MLflow hold what these would write
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C lets running trainings save their state first
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",  # a snapshot of the whole experiment that nobody reads
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_MAX_PENDING_TRIALS_PG": str(MAX_PENDING_TRIALS),
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@dataclasses.dataclass(frozen=True)
class Resources:
    """What one training takes of a machine.

    Attributes:
        cpus: processor cores.
        gpus: whole GPUs or a fraction of one; 0 trains on the CPU.
    """

    cpus: float = 1.0
    gpus: float = 0.0


class _Payload:
    """Carries work through Tune, which copies and prints configs."""

    def __init__(self, work: Work) -> None:
        self.work = work

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


def _attempt(config: dict[str, Any], *, sweep: str, store_url: str, runtime: Runtime) -> None:
    """Run one attempt on a worker; what Tune calls a function trainable."""
    work: Work = config["payload"].work
    signals = _Signals(sweep)
    should_stop = _Polled(lambda: signals.is_sent("stop"), STOP_POLL_S)

    def on_progress(progress: Progress) -> None:
        # Returns once the driver has dealt with the report, so that its verdict is there to be read.
        tune.report({"progress": pickle.dumps(progress)})
        if work.watch is not None and signals.is_sent(f"prune/{work.training_id}"):
            raise Pruned

    if should_stop():
        outcome = Outcome("stopped")
    else:
        outcome = run_trial(work, Store(store_url), runtime, TrialHooks(on_progress, should_stop))
    return_memory()
    tune.report({"outcome": pickle.dumps(outcome)})


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

    def __init__(self, queue: WorkQueue) -> None:
        super().__init__()
        self._queue = queue

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # pyright: ignore
        if self._queue.is_finished():
            return Searcher.FINISHED
        work = self._queue.next_work()
        return None if work is None else {"payload": _Payload(work)}

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
        self, queue: WorkQueue, listeners: Sequence[Listener], store: Store, signals: _Signals
    ) -> None:
        self._queue, self._listeners, self._store, self._signals = queue, listeners, store, signals
        self._outcomes: dict[str, Outcome] = {}
        self._is_stop_sent = False

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        # The queue is stopped from a signal handler, where no call to the cluster may be made.
        if self._queue.is_stopping and not self._is_stop_sent:
            self._signals.send("stop")
            self._is_stop_sent = True

    @staticmethod
    def _work(trial: Trial) -> Work:
        return trial.config["payload"].work

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        for listener in self._listeners:
            listener.on_start(self._work(trial))

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        work = self._work(trial)
        if "outcome" in result:
            self._outcomes[trial.trial_id] = pickle.loads(result["outcome"])
        elif "progress" in result:
            progress: Progress = pickle.loads(result["progress"])
            for listener in self._listeners:
                listener.on_progress(work, progress)
            if self._queue.on_progress(work, progress):
                self._signals.send(f"prune/{work.training_id}")

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._end(trial, self._outcomes.pop(trial.trial_id, Outcome("stopped")))

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A worker or its machine was lost more often than Tune was told to try."""
        work = self._work(trial)
        error = trial.get_error()
        message = f"the worker was lost: {' '.join(str(error).split())}"
        failure = FailureRecord(
            training_id=work.training_id,
            label=work.label,
            message=message,
            traceback=str(error),
            host="",
            failed_at=now(),
        )
        self._store.training(work.training_id).write_failure(failure)
        self._end(trial, Outcome("failed", message))

    def _end(self, trial: Trial, outcome: Outcome) -> None:
        work = self._work(trial)
        self._queue.on_end(work, outcome)
        for listener in self._listeners:
            listener.on_end(work, outcome)


class RayBackend:
    """Runs work on the Ray cluster at an address, or on one that it starts on this machine."""

    def __init__(
        self,
        *,
        address: str | None = None,
        resources: Resources | None = None,
        max_concurrent: int | None = None,
        max_lost_workers: int = 3,
    ) -> None:
        """Connect nothing yet.

        Args:
            address: of a running cluster; None starts one on this machine.
            resources: of one training; None is one CPU, and one GPU where the cluster has any.
            max_concurrent: trainings at a time; None is as many as fit.
            max_lost_workers: how often a training is tried again after its worker was lost.
        """
        self._address = address
        self._resources = resources
        self._max_concurrent = max_concurrent
        self._max_lost_workers = max_lost_workers

    @contextmanager
    def connect(self) -> Generator[Device]:
        """Join the cluster, or start one on this machine that ends with the sweep.

        A process that has joined one already, as a test has, keeps it.
        """
        os.environ.update({name: os.environ.get(name, value) for name, value in ENVIRONMENT.items()})
        logging.getLogger("ray").setLevel(logging.ERROR)
        is_ours = not ray.is_initialized()
        if is_ours:
            ray.init(
                address=self._address or "local",
                include_dashboard=False if self._address is None else None,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        try:
            yield "cuda" if self._needed().gpus else "cpu"
        finally:
            if is_ours:
                ray.shutdown()

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
        sweep = uuid.uuid4().hex
        signals = _Signals(sweep)
        attempt = tune.with_parameters(_attempt, sweep=sweep, store_url=store.url, runtime=runtime)
        with tempfile.TemporaryDirectory(prefix="tablewright-tune-") as scratch, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Ray warns of its own deprecations
            tuner = tune.Tuner(
                tune.with_resources(attempt, {"cpu": resources.cpus, "gpu": resources.gpus}),
                tune_config=tune.TuneConfig(
                    search_alg=_QueueSearcher(queue),
                    num_samples=-1,
                    max_concurrent_trials=self._max_concurrent,
                    reuse_actors=True,
                    trial_dirname_creator=lambda trial: trial.trial_id,
                    trial_name_creator=lambda trial: trial.trial_id,
                ),
                run_config=tune.RunConfig(
                    name="sweep",
                    storage_path=scratch,
                    callbacks=[_Bridge(queue, listeners, store, signals)],
                    failure_config=tune.FailureConfig(max_failures=self._max_lost_workers),
                    checkpoint_config=None,
                    verbose=0,
                ),
            )
            try:
                tuner.fit()
            finally:
                signals.clear()


def default_resources() -> Resources:
    """One CPU a training, and one GPU where the connected cluster has any."""
    has_gpus = ray.cluster_resources().get("GPU", 0) > 0
    return Resources(gpus=1.0 if has_gpus else 0.0)


def make_backend(settings: Settings) -> RayBackend:
    """Give the backend that the command line asks for."""
    gpus = settings.gpus_per_training
    return RayBackend(
        address=settings.address,
        resources=None if gpus is None else Resources(gpus=gpus),
        max_concurrent=settings.max_concurrent,
    )
