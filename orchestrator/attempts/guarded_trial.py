"""An attempt in a process that is its own for as long: what it prints is kept, and it is ended where it hangs."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace

from tablewright.orchestrator.attempts.attempt_end import MachineFault
from tablewright.orchestrator.attempts.failed_attempt import failure_of
from tablewright.orchestrator.attempts.stall_watch import StallWatch, end_process
from tablewright.orchestrator.attempts.termination_notice import NoticeWatch
from tablewright.orchestrator.attempts.training_output import TrainingOutput, kept_output
from tablewright.orchestrator.attempts.trial import run_trial
from tablewright.orchestrator.attempts.trial_hooks import TrialHooks
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.work import Outcome, Work
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.value.cpus import use_cpus
from tablewright.trainables.value.printed_text import ATTEMPT_LINE, TIMEOUT_LINE

CANCEL_GRACE_S = 120.0
"""How long a training may take to save its state once it has seen that it is cancelled."""


@dataclass
class _Guard:
    """What stands around an attempt once the training is its own."""

    output: TrainingOutput | None = None
    watch: StallWatch | None = None
    end: threading.Timer | None = None

    def sign(self) -> None:
        if self.watch is not None:
            self.watch.sign()

    def part(self, name: str) -> AbstractContextManager[None]:
        return nullcontext() if self.watch is None else self.watch.part(name)

    def on_cancelled(self) -> None:
        """End the process of a training that is cancelled and does not ask whether it is to stop."""
        self.end = threading.Timer(CANCEL_GRACE_S, _end_cancelled)
        self.end.daemon = True
        self.end.start()

    def close(self) -> None:
        if self.end is not None:
            self.end.cancel()

    def printed(self, printed: bytes) -> None:
        if self.output is not None:
            self.output.write(printed)


def run_on_worker(
    work: Work, store_url: str, store_id: str, runtime: Runtime, hooks: TrialHooks, notices: NoticeWatch
) -> Outcome:
    """Run an attempt, and watch it, on the driver's store as this process sees it.

    On a machine that is to go it saves its state and ends as stopped, or is not begun; on one that may go it saves
    its state, and goes on.

    Raises:
        MachineFault: as `run_trial`, or the store cannot be reached from here.
    """
    try:
        store = Store.join(store_url, store_id)
    except ValueError as error:
        return Outcome("failed", str(error), failure_of(work, str(error)))
    except OSError as error:
        message = f"{type(error).__name__}: {error}"
        raise MachineFault(failure_of(work, message, kind="machine")) from error
    if runtime.cpus is not None:
        use_cpus(runtime.cpus)

    def should_stop() -> bool:
        return hooks.should_stop() or notices.asks_to_save()

    while notices.notice is None:
        outcome = run_guarded_trial(work, store, runtime, replace(hooks, should_stop=should_stop))
        if outcome.state != "stopped" or hooks.should_stop():
            return outcome
        notices.follow()
    return Outcome("stopped")


def run_guarded_trial(work: Work, store: Store, runtime: Runtime, hooks: TrialHooks) -> Outcome:
    """Run an attempt, and watch it; only for a process that nobody misses when it is ended.

    Raises:
        MachineFault: as `run_trial`.
    """
    guard = _Guard()

    def should_stop() -> bool:
        guard.sign()
        return hooks.should_stop()

    try:
        with ExitStack() as around:
            around.callback(guard.close)

            def on_begin() -> None:
                around.enter_context(_guarded(guard, work, store, runtime, hooks.sweep))
                hooks.on_begin()

            guarded = replace(
                hooks,
                on_begin=on_begin,
                should_stop=should_stop,
                part=guard.part,
                printed=guard.printed,
                on_cancelled=guard.on_cancelled,
            )
            return run_trial(work, store, runtime, guarded)
    except OSError as error:  # its output cannot be kept: whatever else it leaves could not be either
        message = f"{type(error).__name__}: {error}"
        raise MachineFault(failure_of(work, message, kind="machine")) from error


def _end_cancelled() -> None:
    sys.stderr.write(
        f"\nit was cancelled, has not saved its state within {CANCEL_GRACE_S:.0f} s, and its process was ended\n"
    )
    end_process()


@contextmanager
def _guarded(guard: _Guard, work: Work, store: Store, runtime: Runtime, sweep: str) -> Generator[None]:
    training = store.training(work.training_id)
    with kept_output(training, runtime.cache_dir, training.num_attempts()) as output, output.captured():
        _tell_earlier_stall(work, store, output)
        with StallWatch(runtime.stall_s, _teller(work, store, sweep)) as watch:
            guard.output, guard.watch = output, watch
            yield


def _teller(work: Work, store: Store, sweep: str) -> Callable[[str, str], None]:
    def tell(message: str, stacks: str) -> None:
        training = store.training(work.training_id)
        stall = failure_of(work, message, f"{message}\n{stacks}", kind="stall")
        training.write_failure(stall)
        if not training.is_done():
            training.mark_stalled(stall, sweep=sweep)

    return tell


def _tell_earlier_stall(work: Work, store: Store, output: TrainingOutput) -> None:
    """Record that the attempt before this one hung and held Python's lock, so that it could not do so itself."""
    printed = output.printed_before
    begins = [0, *(found.end() for found in ATTEMPT_LINE.finditer(printed))]
    own = printed[begins[-1] :]
    dumped = TIMEOUT_LINE.search(own)
    training = store.training(work.training_id)
    if dumped is None or training.is_done():
        return
    stacks = own[dumped.start() :].decode(errors="replace")
    innermost = re.findall(r"\(most recent call first\):\n\s*File (.*)", stacks)
    waiting = ("threading.py", "stall_watch.py", "psutil", "claims.py")  # threads of ours that want the lock
    computing = [line for line in innermost if not any(name in line for name in waiting)]
    where = (computing or innermost or ["code that no stack names"])[0]
    message = (
        "nothing was seen of it for too long, and its process was ended; it hung, and held Python's lock, in "
        f"{where}"
    )
    training.mark_stalled(failure_of(work, message, stacks, kind="stall"))
