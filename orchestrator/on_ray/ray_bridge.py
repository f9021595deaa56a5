"""What joins Tune to our queue: it draws trials from it, and its events become the queue's and the listeners'."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ray import tune
from ray._private.worker import global_worker
from ray.tune.experiment import Trial
from ray.tune.result import HOSTNAME, PID
from ray.tune.search import Searcher

from tablewright.orchestrator.attempts.dropped_attempts import DroppedAttempts
from tablewright.orchestrator.attempts.failed_attempt import end_as_failed, failure_of
from tablewright.orchestrator.attempts.lost_attempts import LostAttempts
from tablewright.orchestrator.attempts.messages import (
    failure_from_text,
    outcome_from_text,
    progress_from_text,
    telling_from_text,
)
from tablewright.orchestrator.attempts.packing import FixedShares
from tablewright.orchestrator.attempts.resources import Resources
from tablewright.orchestrator.attempts.worker_death import (
    actor_of,
    cause_of_death,
    count_killed_for_memory,
    is_cut_off,
    is_taken_back,
)
from tablewright.orchestrator.listeners import Listeners
from tablewright.orchestrator.on_ray.drawn_work import DrawnWork
from tablewright.orchestrator.on_ray.machine_types import MachineTypes, Starting, words_of_waiting
from tablewright.orchestrator.on_ray.ray_autoscaler import starting
from tablewright.orchestrator.on_ray.ray_cluster import gone_machines, machine_of, machines
from tablewright.orchestrator.on_ray.ray_worker import BEGIN_NONE, Payload, Signals
from tablewright.orchestrator.store.claims import Claims, training_claim
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_records import FailureRecord
from tablewright.orchestrator.work import Outcome, Work
from tablewright.orchestrator.work_queue import WorkQueue
from tablewright.trainables.value.counted import counted

IDLE_S = 0.25
"""How often it is asked whether others have left or ended what they had, while nothing runs here."""

NO_DEVICE_AFTER_S = 60.0
"""Nothing runs for so long, and devices do not work: no machine is left."""

WAITING_AFTER_S, BUSY_AFTER_S = 15.0, 60.0
"""A cluster that starts nothing for so long is said to wait: for a machine that is large enough, and for one
that is free; the first process on a machine takes half a minute to start."""

logger = logging.getLogger(__name__)


class _NotSaved:
    """Left out of the snapshots that Tune takes of its driver; the store is the state."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class QueueSearcher(_NotSaved, Searcher):
    """Lets Tune draw its trials from the queue."""

    def __init__(self, drawn: DrawnWork, has_room: Callable[[], bool] = lambda: True) -> None:
        super().__init__()
        self._drawn, self._has_room = drawn, has_room

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # pyright: ignore
        """Draw the first training of a trial, if there is one now."""
        if self._drawn.is_finished():
            return Searcher.FINISHED
        if not self._has_room() or (drawn := self._drawn.next()) is None:
            return None
        work, share = drawn
        return {"payload": Payload(work), "share": share}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """The bridge hears of it too, and knows the outcome."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the store is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the store is the state."""


class Bridge(_NotSaved, tune.Callback):
    """Turns Tune's events into the queue's and the listeners'."""

    def __init__(
        self,
        queue: WorkQueue,
        listeners: Listeners,
        store: Store,
        signals: Signals,
        shares: FixedShares,
        resources_for: Callable[[float], Resources],
        max_lost_workers: int,
        max_slots: Callable[[], int] = lambda: 1,
        growth: MachineTypes | None = None,
    ) -> None:
        self._max_slots, self._growth = max_slots, growth
        self._queue, self._listeners, self._store, self._signals = queue, listeners, store, signals
        self._shares, self._resources_for = shares, resources_for
        self._lost, self._dropped = LostAttempts(max_lost_workers), DroppedAttempts()
        self._given_back: dict[str, Work] = {}
        self._num_killed_before = count_killed_for_memory()
        self._handed_on: dict[str, Work] = {}
        self._running: set[str] = set()
        self._started: set[str] = set()
        self._machines: dict[str, str] = {}
        self._processes: dict[str, tuple[str, int]] = {}
        self._ended: set[str] = set()
        self._outcomes: dict[str, Outcome] = {}
        self._faults: dict[str, FailureRecord] = {}
        self._broken: dict[str, FailureRecord] = {}
        self._leaving: set[str] = set()
        self._trials: list[Trial] = []
        self._is_stop_sent = self._is_told_to_begin_none = self._was_left = False
        self._told_waiting, self._lack, self._looked_at_s = "", "", 0.0
        self._idle_since_s = time.monotonic()

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Look at what is asked of the sweep from outside."""
        # The queue is stopped from a signal handler, where no call to the cluster may be made.
        if self._queue.is_stopping and not self._is_stop_sent:
            self._signals.send("stop")
            self._is_stop_sent = True
        self._begin_none_once_spent()
        self._trials = trials
        if self._queue.is_out_of_grace and self._running:
            self._end_hard()
            raise GraceIsOver
        for work, outcome in self._queue.ended_elsewhere():
            self._listeners.on_end(work, outcome)
        if not self._running and all(trial.is_finished() for trial in trials):
            self._queue.tell_of_waiting()
            time.sleep(IDLE_S)  # Tune asks for more again and again
        if self._broken or self._leaving:
            self._end_without_machines()
        if self._running or not trials:
            self._idle_since_s = time.monotonic()
        elif any(trial.status == Trial.PENDING for trial in trials):
            self._tell_waiting(time.monotonic() - self._idle_since_s)
        self._queue.note_wait(*self._waits())

    def _waits(self) -> Iterator[str]:
        """Say why what was handed out does not run, for people who look at the store."""
        num_waiting = self._queue.counts()[0] - len(self._running) - len(self._dropped.waiting)
        if num_waiting:
            why = f"; {self._lack}" if self._lack and not self._running else ""
            yield f"waiting for a place in the cluster: {counted(num_waiting, 'training')}{why}"
        for work in self._dropped.waiting:
            yield f"Ray took its worker back before it began, and it is tried again: {work.label}"
        for failure in (*self._broken.values(), *self._faults.values()):
            yield (
                f"set aside after a fault of kind {failure.kind!r} on {failure.host}, and tried again: "
                f"{failure.label}: {failure.message}"
            )

    def _begin_none_once_spent(self) -> None:
        """Let workers begin nothing of what Tune has drawn ahead, once all is spent that may be."""
        if self._queue.starts_no_more and not self._is_told_to_begin_none:
            self._signals.send(BEGIN_NONE)
            self._is_told_to_begin_none = True

    def share_of(self, work: Work) -> Resources | None:
        """Say what a training gets of a machine; None where it is to wait until more is known of it."""
        gpus = self._shares.gpus_of(work)
        return None if gpus is None else self._resources_for(gpus)

    def give_back_due(self) -> None:
        """Have what Ray has dropped tried again, each once it has waited for long enough."""
        for work in self._dropped.take_due(math.inf if self._queue.starts_no_more else time.monotonic()):
            self._queue.give_back(work)

    def _end_without_machines(self) -> None:
        """Free the slots that are kept where nothing is left to be trained; end the sweep where no device works."""
        if self._running or self._queue.is_stopping:
            return
        if self._queue.is_finished():
            self._signals.send("stop")
            return
        idle_s = time.monotonic() - self._idle_since_s
        is_none_left = len(self._broken) >= self._max_slots() or idle_s >= NO_DEVICE_AFTER_S
        if self._broken and is_none_left:
            told = {failure.host: failure.message for failure in self._broken.values()}
            logger.warning(
                "no machine works, and the sweep ends; its trainings stay to be trained. %s. Mend that, and run the "
                "same command again",
                "; ".join(f"{host}: {message}" for host, message in told.items()),
            )
            self._queue.stop()

    def _keeps_slot(self, trial: Trial) -> bool:
        """Forget a trial that has kept a machine's slot, its training being another's; say whether it was one."""
        was_broken, was_leaving = trial.trial_id in self._broken, trial.trial_id in self._leaving
        self._broken.pop(trial.trial_id, None)
        self._leaving.discard(trial.trial_id)
        return was_broken or was_leaving

    def _tell_waiting(self, idle_s: float) -> None:
        """Say why nothing runs, and again where the reason is another one."""
        now_s = time.monotonic()
        if idle_s < WAITING_AFTER_S or now_s - self._looked_at_s < WAITING_AFTER_S:
            return
        self._looked_at_s = now_s
        there, needed = machines(), self._resources_for(self._shares.smallest())
        is_possible = any(needed.fit_into(machine) for machine in there)
        to_come = Starting() if is_possible else starting()
        words = words_of_waiting(needed, there, self._growth, to_come)
        if words == self._told_waiting or (is_possible and idle_s < BUSY_AFTER_S):
            return
        self._told_waiting = words
        have = " | ".join(map(str, there))
        self._lack = f"a training takes {needed}; the machines of the cluster have {have}{words}"
        logger.warning("waiting for resources: %s", self._lack)

    def may_end_now(self) -> bool:
        """Say whether the sweep is to end and no training has state to save; what waits is not waited for."""
        return (self._is_stop_sent or self._is_told_to_begin_none) and not self._running

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

    def _work(self, trial: Trial) -> Work:
        """Give what a trial's worker is at: what it was begun with, or what was handed on to it since."""
        return self._handed_on.get(trial.trial_id) or trial.config["payload"].work

    def end_training(self, trial: Trial, outcome: str) -> None:
        """Take it that a training has ended whose worker is free for another one.

        Raises:
            ValueError: the worker has told something else.
        """
        ended = outcome_from_text(outcome)
        if not self._keeps_slot(trial):
            self._end(trial, ended)

    def hand_on(self, trial: Trial, work: Work) -> None:
        """Have the worker of a trial whose training has ended begin another one."""
        self._signals.hand_on(trial.trial_id, Payload(work))
        self._handed_on[trial.trial_id] = work
        self._ended.discard(trial.trial_id)
        self._take_up(trial)

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A worker takes it up."""
        self._take_up(trial)

    def _take_up(self, trial: Trial) -> None:
        self._running.add(trial.trial_id)
        self._faults.pop(trial.trial_id, None)
        self._given_back.pop(self._work(trial).training_id, None)

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """A worker has told something."""
        try:
            self._on_message(self._work(trial), trial, result)
        except ValueError as error:
            logger.warning("%s: %s", self._work(trial).label, error)

    def _on_message(self, work: Work, trial: Trial, result: dict[str, Any]) -> None:
        if "begun" in result:
            self._started.add(work.training_id)
            self._dropped.on_begun(work.training_id)
            self._machines[trial.trial_id] = str(result["begun"])
            self._processes[trial.trial_id] = str(result[HOSTNAME]), int(result[PID])
            self._listeners.on_start(work)
        elif "outcome" in result:
            self._outcomes[trial.trial_id] = outcome_from_text(result["outcome"])
        elif "fault" in result:
            failure = failure_from_text(result["fault"])
            self._faults[trial.trial_id] = failure
            what = "it hung" if failure.kind == "stall" else f"machine {failure.host} has failed"
            logger.warning("%s: %s: %s", work.label, what, failure.message)
            if failure.kind == "device":
                self._broken[trial.trial_id] = failure
                self._idle_since_s = time.monotonic()
                self._give_back(trial)
        elif "leaving" in result:
            logger.warning(
                "%s: its machine is to go: %s. Its state is saved, and it goes on elsewhere",
                work.label,
                result["leaving"],
            )
            self._leaving.add(trial.trial_id)
            self._give_back(trial)
        elif "told" in result:
            self._listeners.on_told(work, telling_from_text(result["told"]))
        elif "progress" in result:
            progress = progress_from_text(result["progress"])
            self._lost.on_epoch(work.training_id, progress.report.epoch)
            self._listeners.on_progress(work, progress)
            if (verdict := self._queue.on_progress(work, progress)) != "go on":
                self._signals.send(f"verdict/{result['attempt']}", verdict)

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Its worker goes to another trial; one that has not told how its training ended was stopped."""
        if not self._keeps_slot(trial) and trial.trial_id not in self._ended:
            self._end(trial, Outcome("stopped"))

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """The training failed, or its machine did, or its worker was lost; Tune itself is told to try nothing again."""
        if self._keeps_slot(trial):
            return
        work, outcome = self._work(trial), self._outcomes.pop(trial.trial_id, None)
        fault = self._faults.get(trial.trial_id)
        if fault is not None and fault.kind == "memory":
            if not self._queue.is_stopping and self._shares.step_back(work, trial.config["share"].gpus):
                self._give_back(trial)
                return
            outcome = end_as_failed(work, self._store, fault)
        if outcome is None and self._is_dropped(trial):
            if not self._queue.is_stopping:
                self._let_wait(trial)
                return
            outcome = Outcome("stopped")
        if outcome is None:
            if why_given_up := self._why_given_up(trial):
                failure = self._faults.pop(trial.trial_id, None) or self._left_by_worker(work)
                outcome = end_as_failed(work, self._store, failure or self._death_of(trial, why_given_up))
            elif self._queue.is_stopping:
                outcome = Outcome("stopped")
            else:
                self._clear_claim(trial)
                self._give_back(trial)
                return
        elif outcome.state == "stopped" and not self._queue.is_stopping:  # a signal came to its worker alone
            self._give_back(trial)
            return
        elif outcome.unwritten is not None:
            outcome = end_as_failed(work, self._store, outcome.unwritten)
        self._end(trial, outcome)

    def _machine_of(self, trial: Trial) -> str:
        """Give the id of the machine that a trial was on, or was to begin on; empty where nobody knows."""
        return self._machines.get(trial.trial_id) or machine_of(actor_of(_text_of(trial.error_file)))

    def _is_dropped(self, trial: Trial) -> bool:
        """Say whether Ray took the worker of a trial back before it began, and not since its machine was lost."""
        is_begun = trial.trial_id in self._machines or trial.trial_id in self._faults
        return (
            not is_begun
            and is_taken_back(_text_of(trial.error_file))
            and self._machine_of(trial) not in gone_machines()
        )

    def _let_wait(self, trial: Trial) -> None:
        """Have a training tried again after a while, at no cost of its attempts."""
        work = self._work(trial)
        pause_s = self._dropped.on_dropped(work, time.monotonic())
        self._leave(trial)
        logger.warning(
            "%s: Ray took its worker back before it began, and no machine was lost; it is tried again in %.0f s",
            work.label,
            pause_s,
        )

    def _why_given_up(self, trial: Trial) -> str:
        """Say why a training is not tried again whose attempt has ended with its process; empty where it is."""
        work = self._work(trial)
        machine, was_cut_off = self._machine_of(trial), is_cut_off(_text_of(trial.error_file))
        gone = gone_machines()
        try:
            state = self._store.training(work.training_id).resume_version()
        except (OSError, ValueError):
            state = ""
        why_given_up = self._lost.on_lost(
            work.training_id, machine, is_cut_off=was_cut_off, gone=gone, state=state
        )
        if (was_cut_off or machine in gone) and not why_given_up:
            logger.warning("%s: its machine was lost; it goes on from its last state on another", work.label)
        return why_given_up

    def _clear_claim(self, trial: Trial) -> None:
        """Free a training of its lost worker: if that was elsewhere, all would wait until its claim expires."""
        host, pid = self._processes.get(trial.trial_id, ("", 0))
        try:
            Claims(self._store).clear_lost(training_claim(self._work(trial).training_id), host, pid)
        except OSError as error:
            logger.info("the claim on %s could not be cleared: %s", self._work(trial).label, error)

    def _death_of(self, trial: Trial, why_given_up: str) -> FailureRecord:
        """Describe the last of the deaths that a training's workers died."""
        told = _text_of(trial.error_file)
        num_killed = count_killed_for_memory() - self._num_killed_before
        cause, printed = cause_of_death(told, _folder_of_logs(), self._kept_output(trial), num_killed)
        message = f"{cause}; {why_given_up}"
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

    def _give_back(self, trial: Trial) -> None:
        """Have a training taken up again, at its turn, by a trial of its own."""
        work = self._work(trial)
        self._leave(trial)
        self._queue.give_back(work)

    def _leave(self, trial: Trial) -> None:
        """Have done with a trial whose training is not at its end."""
        work = self._work(trial)
        if work.training_id in self._started:
            self._given_back[work.training_id] = work
        self._shares.on_left(work)
        self._forget(trial)

    def _forget(self, trial: Trial) -> None:
        """Keep of a trial no more than that it has ended: there may be very many."""
        self._ended.add(trial.trial_id)
        self._running.discard(trial.trial_id)
        self._machines.pop(trial.trial_id, None)
        self._processes.pop(trial.trial_id, None)
        self._handed_on.pop(trial.trial_id, None)

    def on_experiment_end(self, trials: list[Trial], **info: Any) -> None:
        """Nothing runs any more."""
        for trial in trials:  # those that waited for a machine when the sweep was stopped
            if trial.trial_id not in self._ended:
                self._end(trial, Outcome("stopped"))
        for work in self._given_back.values():  # the sweep was stopped before their next attempt
            self._listeners.on_end(work, Outcome("stopped"))
        self._given_back.clear()

    def _end(self, trial: Trial, outcome: Outcome) -> None:
        work = self._work(trial)
        self._forget(trial)
        self._given_back.pop(work.training_id, None)
        self._shares.on_left(work)
        if outcome.state == "done":
            self._shares.on_done(work)
            self._lost.on_done(work.training_id)
        self._queue.on_end(work, outcome)
        self._begin_none_once_spent()  # before the worker that is free now is given the next one
        if work.training_id in self._started or outcome.state not in ("stopped", "claimed"):
            self._listeners.on_end(work, outcome)


class GraceIsOver(Exception):
    """Leaves Tune's loop, which would wait for what does not answer."""


def _text_of(path: str | None) -> str:
    try:
        return "" if path is None else Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _folder_of_logs() -> Path | None:
    node = global_worker.node
    return None if node is None else Path(str(node.get_logs_dir_path()))


class StopsWaiting(_NotSaved, tune.Stopper):
    """Ends the trials that still wait for a machine when the sweep is stopped."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """End no training by its results."""
        return False

    def stop_all(self) -> bool:
        """End the whole."""
        return self._bridge.may_end_now()
