"""How an attempt talks to its backend."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.work import Progress, Work
from tablewright.trainables.contract.run import (
    Runtime,
)
from tablewright.trainables.value.long_work import Telling


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
