"""One attempt on a worker of Ray's, and the words that pass between it and the driver beside Tune's reports."""

from __future__ import annotations

import ctypes
import dataclasses
import functools
import gc
import os
import pickle
import platform
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import ray
from ray import cloudpickle, tune
from ray._private.state import state as ray_state
from ray.experimental.internal_kv import _internal_kv_del as kv_del  # pyright: ignore[reportPrivateUsage]
from ray.experimental.internal_kv import _internal_kv_exists as kv_exists  # pyright: ignore[reportPrivateUsage]
from ray.experimental.internal_kv import _internal_kv_get as kv_get  # pyright: ignore[reportPrivateUsage]
from ray.experimental.internal_kv import _internal_kv_put as kv_put  # pyright: ignore[reportPrivateUsage]

from tablewright.orchestrator.attempts.attempt_end import BackendEnded, MachineFault, raise_verdict
from tablewright.orchestrator.attempts.device_probe import fault_of_device
from tablewright.orchestrator.attempts.failed_attempt import failure_of
from tablewright.orchestrator.attempts.guarded_trial import run_on_worker
from tablewright.orchestrator.attempts.messages import (
    failure_to_text,
    outcome_to_text,
    progress_to_text,
    telling_to_text,
)
from tablewright.orchestrator.attempts.resources import Resources
from tablewright.orchestrator.attempts.termination_notice import Notice, NoticeWatch
from tablewright.orchestrator.attempts.trial_hooks import TrialHooks
from tablewright.orchestrator.attempts.worker_death import ENDED_ITSELF
from tablewright.orchestrator.masked_streams import mask_streams
from tablewright.orchestrator.on_ray.ray_ranks import beside_on_ray
from tablewright.orchestrator.project.project import ProjectOnWorker
from tablewright.orchestrator.searches.rungs import Verdict
from tablewright.orchestrator.signals import SavingOnSignals
from tablewright.orchestrator.work import Outcome, Progress, Work
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.value.long_work import Telling

STOP_POLL_S = 1.0
"""How often a running training asks whether the sweep is ending."""

KV_NAMESPACE = b"tablewright"

ENDED = "ended"
"""Under which a worker that is free for another training tells how its last one has ended."""

BEGIN_NONE = "begin none"
"""What workers are told once all is spent that may be: what Tune has drawn from the queue ahead is not begun."""

MAX_HOLD_S, MAX_HOLD_ALONE_S = 300.0, 30.0
"""The longest that a machine that failed keeps its slot; with no other machine there is less to gain."""

END_THREAD_S = 60
"""How long the last training of a worker may take to leave it to the next one; Tune's two seconds are few where a
machine is busy."""

ENVIRONMENT = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # her code stands in her project
    "TUNE_FUNCTION_THREAD_TIMEOUT_S": str(END_THREAD_S),
    "PL_DISABLE_FORK": "1",  # as Tune says it: Lightning must not fork beside Ray's threads
}
"""Of every worker, where nothing else is said."""

TRY_DEVICE_EVERY_S = 60.0
"""How often a device that does not work is tried again, while its slot is kept."""


class Payload:
    """Carries work through Tune, which copies and prints configs.

    A worker can read it only once it has entered the project whose classes are in it.
    """

    def __init__(self, work: Work) -> None:
        self.training_id, self.label = work.training_id, work.label
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
        """Pickle once, however often it is copied."""
        dumped = self._pickled or cloudpickle.dumps(self._work)  # pyright: ignore[reportPrivateImportUsage]
        return {**vars(self), "_work": None, "_pickled": dumped}

    def __repr__(self) -> str:
        """For logs."""
        return self.training_id[:8]

    def __deepcopy__(self, memo: Any) -> Payload:
        """Nothing changes it."""
        return self


class Signals:
    """Words from the driver to running trainings, kept by the cluster's head until the driver ends.

    Ray offers its key-value store under private names only; an actor for it would cost a process.
    """

    def __init__(self, sweep: str) -> None:
        self._sweep = sweep

    def _key(self, word: str) -> bytes:
        return f"{self._sweep}/{word}".encode()

    def send(self, word: str, text: str = "1") -> None:
        """Say a word."""
        kv_put(self._key(word), text.encode(), namespace=KV_NAMESPACE)

    def verdict(self, word: str) -> Verdict:
        """Give what was decided about a training, under a word of its own."""
        text = (kv_get(self._key(word), namespace=KV_NAMESPACE) or b"").decode()
        return "prune" if text == "prune" else "pause" if text == "pause" else "go on"

    def hand_on(self, trial_id: str, payload: Payload) -> None:
        """Leave for the worker of a trial what it is to go on with."""
        kv_put(self._key(f"next/{trial_id}"), pickle.dumps(payload), namespace=KV_NAMESPACE)

    def handed_on(self, trial_id: str) -> Payload:
        """Give what a worker is to go on with."""
        return pickle.loads(kv_get(self._key(f"next/{trial_id}"), namespace=KV_NAMESPACE) or b"")

    def is_sent(self, word: str) -> bool:
        """Say whether a word was said."""
        return kv_exists(self._key(word), namespace=KV_NAMESPACE)

    def count(self, word: str) -> int:
        """Count one more of a word."""
        number = int(kv_get(self._key(word), namespace=KV_NAMESPACE) or b"0") + 1
        kv_put(self._key(word), str(number).encode(), namespace=KV_NAMESPACE)
        return number

    def forget(self, word: str) -> None:
        """Take a word back."""
        kv_del(self._key(word), namespace=KV_NAMESPACE)

    def clear(self) -> None:
        """Take all words of the sweep back."""
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
class Place:
    """Where the attempts of one sweep run, and by which rules.

    Attributes:
        sweep: names its words in the cluster.
        store_id: of the driver's store.
        first_hold_s: how long a machine that has failed keeps its slot at first.
        project: whose modules the work is made of; None where it is of ours alone.
        cpus: that a training was promised; None is its part of the machine's. See `Resources.cpus_to_use`.
    """

    sweep: str
    store_url: str
    store_id: str
    runtime: Runtime
    first_hold_s: float
    project: ProjectOnWorker | None
    cpus: float | None = None

    def runtime_of(self, share: Resources) -> Runtime:
        """Give the settings of an attempt, with what it holds of this worker's machine."""
        here = ray.get_runtime_context().get_node_id()
        machine = next((node["Resources"] for node in ray.nodes() if node["NodeID"] == here), {})
        cpus = share.cpus_to_use(self.cpus, Resources.of(machine))
        return dataclasses.replace(self.runtime, cpus=cpus, gpus=share.gpus)


_SAVING = SavingOnSignals()
"""Of this worker's process."""


def _drained() -> Notice | None:
    """Hear that Ray drains this machine, as its autoscaler does before it ends one, and `ray drain-node` on demand."""
    draining = ray_state.get_draining_nodes()
    ends_at_ms = draining.get(ray.get_runtime_context().get_node_id())
    if ends_at_ms is None:
        return None
    when = f", until {time.strftime('%H:%M:%S', time.localtime(ends_at_ms / 1000))}" if ends_at_ms else ""
    return Notice(f"Ray drains it{when}")


_NOTICES = NoticeWatch([_drained])
"""Of this worker's machine."""


def take_signals(trainable: type) -> type:
    """Let the processes of a trainable save on signals; Tune builds it in the main thread, where alone that can be."""

    class ImplicitFunc(trainable):  # pyright: ignore[reportUntypedBaseClass]  # Tune's own name for it, by which its processes are known
        def __init__(self, *arguments: Any, **options: Any) -> None:
            _begin_worker()
            super().__init__(*arguments, **options)

    return ImplicitFunc


def _begin_worker() -> None:
    """Take what is global from the module: the class above travels with copies of its own."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
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


def attempts(config: dict[str, Any], *, place: Place) -> None:
    """Make attempts on a worker, one after the other; what Tune calls a function trainable.

    After any failure the process ends: a device whose context is broken fails whatever comes next in it.
    """
    mask_streams()
    payload: Payload = config["payload"]
    while True:
        outcome = in_own_thread(functools.partial(attempt, payload, config["share"], place))
        spoiled = outcome.message if outcome.state == "failed" else ""
        if _SAVING.asked_by is not None:
            spoiled = spoiled or f"{_SAVING.asked_by} came; the training has saved its state"
        if spoiled:
            tune.report({"outcome": outcome_to_text(outcome)})
            raise _ProcessSpoiled(spoiled)
        tune.report({ENDED: outcome_to_text(outcome)})  # returns only where another is handed on
        payload = Signals(place.sweep).handed_on(tune.get_context().get_trial_id())


def in_own_thread(call: Callable[[], Outcome]) -> Outcome:
    """Make an attempt in a thread of its own, so that what a thread keeps, such as torch's modes, ends with it."""
    kept: Future[Outcome] = Future()

    def run() -> None:
        try:
            kept.set_result(call())
        except BaseException as error:
            kept.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return kept.result()


def attempt(payload: Payload, share: Resources, place: Place) -> Outcome:
    """Make one attempt on a worker.

    Raises:
        _ProcessSpoiled: the process cannot be used again.
        BackendEnded: Tune has ended it.
    """
    signals = Signals(place.sweep)
    is_told = _Polled(lambda: signals.is_sent("stop"), STOP_POLL_S)

    def should_stop() -> bool:
        return _SAVING.asked_by is not None or is_told()

    attempt_id, here = uuid.uuid4().hex, ray.get_runtime_context().get_node_id()
    faults = f"faults/{here}"

    def on_progress(progress: Progress) -> None:
        # Returns once the driver has dealt with the report, so that its verdict is there to be read.
        try:
            tune.report({"progress": progress_to_text(progress), "attempt": attempt_id})
        except SystemExit:  # Tune's, and none of the method's
            raise BackendEnded from None
        if payload.work.watch is not None:
            raise_verdict(signals.verdict(f"verdict/{attempt_id}"))

    def on_begin() -> None:
        tune.report({"begun": here})

    def on_told(telling: Telling) -> None:
        try:
            tune.report({"told": telling_to_text(telling)})
        except SystemExit:
            raise BackendEnded from None

    try:
        if should_stop() or signals.is_sent(BEGIN_NONE):
            outcome = Outcome("stopped")
        else:
            work, runtime = _loaded(payload, place), place.runtime_of(share)
            processes = beside_on_ray(share, place.project)
            hooks = TrialHooks(
                on_progress, should_stop, on_begin, sweep=place.sweep, processes=processes, on_told=on_told
            )
            outcome = run_on_worker(work, place.store_url, place.store_id, runtime, hooks, _NOTICES)
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
    if outcome.state in ("done", "pruned", "paused"):
        signals.forget(faults)
    return_memory()
    if outcome.state == "stopped" and not should_stop() and (notice := _NOTICES.notice) is not None:
        tune.report({"leaving": notice.text})
        _hold_while_leaving(should_stop)
    return outcome


def _loaded(payload: Payload, place: Place) -> Work:
    """Load the work, by the modules of its project.

    Raises:
        MachineFault: they are not here, or others than where the sweep was started.
    """
    try:
        if place.project is not None:
            place.project.enter(place.runtime.cache_dir)
        return payload.work
    except Exception as error:
        message = (
            f"machine {platform.node()} cannot load the training ({type(error).__name__}: {error}); see that the same "
            "packages are installed there as here, and that modules of yours stand in the project's folder"
        )
        raise MachineFault(failure_of(payload, message, traceback.format_exc(), kind="machine")) from error


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


def _hold_while_leaving(should_stop: Callable[[], bool]) -> None:
    """Keep the slot of a machine that is to go until it does, so that nothing is begun there."""
    while _NOTICES.notice is not None and not should_stop():
        time.sleep(STOP_POLL_S)


def return_memory() -> None:
    """Give back what a training took: a warm worker must not carry it into the next one.

    glibc keeps freed memory for itself, which grew workers by gigabytes over a sweep; other C libraries have no
    such call, and need none.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
