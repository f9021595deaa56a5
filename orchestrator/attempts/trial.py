"""One attempt at one training on one worker: fit, extract, measure, record.

It runs in a process that the backend chose and knows nothing of who else runs. Everything it learns is
in the store before it says so, so that it can be killed anywhere and be tried again.
"""

from __future__ import annotations

import signal
import threading
from dataclasses import replace

from tablewright.orchestrator.attempts.as_planned import check_card, check_code
from tablewright.orchestrator.attempts.attempt import Attempt
from tablewright.orchestrator.attempts.attempt_end import BackendEnded, MachineFault, Paused, Pruned
from tablewright.orchestrator.attempts.collected_warnings import collected_warnings
from tablewright.orchestrator.attempts.failed_attempt import (
    StalledTooOften,
    end_as_failed,
    end_by,
    failure_of,
)
from tablewright.orchestrator.attempts.measuring import measure_views
from tablewright.orchestrator.attempts.training import TakenOver, train
from tablewright.orchestrator.attempts.trial_hooks import TrialHooks
from tablewright.orchestrator.plans.lost_weights import WeightsGone
from tablewright.orchestrator.store.claims import Claim, Claims, training_claim
from tablewright.orchestrator.store.signs_of_life import AttemptSigns
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_folder import TrainingFolder
from tablewright.orchestrator.work import Outcome, Progress, Work
from tablewright.trainables.contract.device_memory import memory_of
from tablewright.trainables.contract.run import (
    Runtime,
    TrainingStopped,
)
from tablewright.trainables.value.long_work import Telling, listening


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
        return _run_claimed(Attempt(work, store, folder, claim, runtime, hooks), signs)
    finally:
        if claim is not None:
            claim.release()


def _run_claimed(attempt: Attempt, signs: AttemptSigns) -> Outcome:
    work, store, folder, claim = attempt.work, attempt.store, attempt.folder, attempt.claim
    runtime, hooks = attempt.runtime, attempt.hooks
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
                if why_not := measure_views(attempt, None, said):
                    raise WeightsGone(why_not[0])
                folder.clear_failure()
            else:
                claimed = replace(hooks, should_stop=should_stop, on_progress=on_progress)
                train(replace(attempt, hooks=claimed), said)
        told = [*said.so_far(), folder.picture_warning()]
        return Outcome("done", "; ".join(dict.fromkeys(filter(None, told))))
    except TakenOver:
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
            return _run_claimed(attempt, signs)
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
