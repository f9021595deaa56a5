"""MLflow: a projection of the store that people browse.

One sweep is one parent run, one training one run below it, found again by their tags whenever the sweep
is run again. MLflow decides nothing: while its server is away trainings go on, and what it has missed, or
lost altogether, is written again from the store.

    experiment `tablewright`
      <sweep>                         tag tablewright.sweep; artifacts `tables/…`
        <training's label>            tag tablewright.training_id; parameters: the config by dotted path;
                                      data set; git commit; metrics by epoch, `system/…` among them;
                                      measurements such as `test.map`, `test.attended.flip.rank1`,
                                      `test.ensemble-3-1a2b3c.map`, `test.num_measured`;
                                      artifacts `pictures/…`

All calls of MLflow are made by one thread, which the driver never waits for before the end of the sweep. Any
number of sweeps of one store write to it: what is to be made is looked up again first, under a claim of the store,
and each training's run is written by the one driver that its tag names, as long as that lives.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from tablewright.orchestrator.addresses import refuse_absent_driver
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.plans.training_places import TrainingPlaces, training_places
from tablewright.orchestrator.projections.mlflow_client import (
    EXPERIMENT,
    OPTION,
    set_environment,
    why_refused,
)
from tablewright.orchestrator.projections.mlflow_found import FoundRuns
from tablewright.orchestrator.projections.mlflow_page import NAME as MLFLOW_PAGE
from tablewright.orchestrator.projections.mlflow_page import mlflow_page
from tablewright.orchestrator.projections.mlflow_runs import MlflowRuns
from tablewright.orchestrator.projections.mlflow_sweep_run import SweepRun
from tablewright.orchestrator.projections.mlflow_training import (
    FAILED,
    FINISHED,
    KILLED,
    ToldTraining,
    now_ms,
)
from tablewright.orchestrator.projections.projection_thread import FLUSH_EVERY_S, ProjectionThread
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.work import Outcome, Progress, Work
from tablewright.trainables.value.freezing import EMPTY
from tablewright.trainables.value.secret import keep_secret

MAX_WAITING_EPOCHS = 10_000
"""Kept in memory while the server is away; the store has the others."""
MAX_TOGETHER, MAX_TOGETHER_S = 250, 1.0
"""Trainings in one transaction, and how long it lasts: other writers of the database, and sweeps of the store, wait."""
GIVE_WAY_S = 0.3
"""The pause behind it, in which one of those finds that it may."""


class Tracker(ProjectionThread):
    """Follows a sweep for MLflow; a `Listener` that never blocks the driver and never raises.

    Attributes:
        warnings: what could not be logged, one sentence each; also told to `logging`.
    """

    def __init__(self, tracking_uri: str, store: Store, *, experiment: str = EXPERIMENT) -> None:
        """Open nothing yet.

        Args:
            tracking_uri: of MLflow's server or database.
            store: the records that MLflow is to show.
            experiment: the experiment in MLflow that holds all runs.

        Raises:
            ValueError: a package is absent without which the database cannot be reached.
        """
        keep_secret(tracking_uri)
        super().__init__("MLflow", tracking_uri)
        refuse_absent_driver(OPTION, tracking_uri)
        self._store, self._experiment = store, experiment
        self._waiting: dict[str, ToldTraining] = {}
        self._num_waiting_epochs = 0
        self._active: set[str] = set()
        self._recorded: dict[str, None] = {}
        self._unchecked: dict[str, None] = {}
        self._sweep_name = ""
        self._parameters: dict[str, str] = {}
        self._begun_at_ms = 0
        self._was_stopped = False
        self._is_complete: bool | None = False
        self._table_files: Mapping[str, str] = {}
        self._numbers: Mapping[tuple[str, ...], float] = {}
        self._shown: tuple[Plan, bool] | None = None
        self._places: TrainingPlaces | None = None
        self._misplaced: dict[str, None] = {}
        self._projection: MlflowRuns | None = None
        self._changed_ids: set[str] = set()

    # -- called by the driver

    def begin(self, sweep_name: str, parameters: Mapping[str, object]) -> None:
        """Open or continue the run of a sweep, and put right what a killed driver has left behind.

        Args:
            sweep_name: the sweep's run is found again by it.
            parameters: what to say of the sweep; they may be others the next time.
        """
        set_environment()
        self._lead_to_mlflow()
        self._sweep_name, self._begun_at_ms = sweep_name, now_ms()
        self._parameters = {f"tablewright.{name}": str(value) for name, value in parameters.items()}
        self._start_thread()

    def _lead_to_mlflow(self) -> None:
        """Have the page in the store that tables link to, before they are written and MLflow is reached."""
        root = self._store.root
        with suppress(OSError):  # whatever is wrong with the store, its trainings will say
            if not root.exists(MLFLOW_PAGE):
                root.write(MLFLOW_PAGE, mlflow_page(self._url, "", self._store.shared_id(), self._store.url))

    def show(self, plan: Plan, *, is_final: bool = False) -> None:
        """Have the runs say where in a plan's tables their trainings stand.

        Args:
            plan: of the sweep.
            is_final: whether the sweep has ended: what runs say of its tables beside is taken away then.
        """
        with self._lock:
            self._shown = plan, is_final

    def reconcile(self, training_ids: Iterable[str]) -> None:
        """Log from the store what MLflow lacks of recorded trainings."""
        with self._lock:
            new = [identity for identity in training_ids if identity not in self._recorded]
            self._recorded.update(dict.fromkeys(new))
            self._unchecked.update(dict.fromkeys(new))

    def on_start(self, work: Work) -> None:
        """An attempt begins."""
        self._open_soon()
        with self._lock:
            self._active.add(work.training_id)
            self._add(ToldTraining(work, now_ms()))

    def on_progress(self, work: Work, progress: Progress) -> None:
        """An epoch ended."""
        with self._lock:
            if self._num_waiting_epochs < MAX_WAITING_EPOCHS:
                self._num_waiting_epochs += 1
                self._add(ToldTraining(work, now_ms(), {progress.report.epoch: (now_ms(), progress)}))

    def on_end(self, work: Work, outcome: Outcome) -> None:
        """No further attempt is made in this sweep."""
        with self._lock:
            self._active.discard(work.training_id)
            self._was_stopped |= outcome.state == "stopped"
            if outcome.state == "done":
                self._recorded[work.training_id] = None
            self._add(ToldTraining(work, now_ms(), outcome=outcome, ended_at_ms=now_ms()))

    def log_tables(self, files: Mapping[str, str], numbers: Mapping[tuple[str, ...], float] = EMPTY) -> None:
        """Attach finished tables to the sweep's run when it ends.

        Args:
            files: artifact path -> path or URL.
            numbers: of the tables, by study, table, row, data set, metric and statistic.
        """
        self._table_files, self._numbers = dict(files), dict(numbers)

    def end(self, *, succeeded: bool | None) -> None:
        """Deliver what waits and end the sweep's run.

        Waits as long as runs are being delivered, and gives up soon where the server is away.

        Args:
            succeeded: whether every cell is filled; None where nobody has looked, and a run that is there keeps
                its state.
        """
        self._is_complete = succeeded
        self._end_thread()

    @property
    def num_changed(self) -> int:
        """Runs that were made or written to."""
        return len(self._changed_ids)

    def _end_at_exit(self) -> None:
        """End the runs of a sweep whose driver raised, so that none stays RUNNING."""
        self._was_stopped = True
        self.end(succeeded=False)

    # -- shared by the driver and the thread

    def _add(self, later: ToldTraining) -> None:
        earlier = self._waiting.get(later.work.training_id)
        self._waiting[later.work.training_id] = later if earlier is None else earlier.followed_by(later)

    def _take(self) -> dict[str, ToldTraining]:
        with self._lock:
            taken, self._waiting = self._waiting, {}
            self._num_waiting_epochs = 0
            return taken

    def _give_back(self, untold: Iterable[ToldTraining]) -> None:
        with self._lock:
            for waiting in untold:
                identity = waiting.work.training_id
                later = self._waiting.get(identity)
                self._waiting[identity] = waiting if later is None else waiting.followed_by(later)
                self._num_waiting_epochs += len(waiting.epochs)

    # -- the thread

    def _connect(self) -> None:
        found = FoundRuns(self._url, self._store, self._experiment, self._changed_ids)
        sweep = SweepRun(found, self._sweep_name, self._parameters, self._begun_at_ms, self._warn)
        projection = MlflowRuns(found, sweep, self._warn)
        with self._lock:
            live = self._active | set(self._waiting)
            self._unchecked = dict(self._recorded)
        projection.end_left_behind(live)
        self._projection = projection
        self._show_places(projection, self._places)

    @property
    def _connected(self) -> MlflowRuns:
        assert self._projection is not None, "it is connected before anything is delivered"
        return self._projection

    def _show_places(self, projection: MlflowRuns, places: TrainingPlaces | None) -> None:
        projection.places = self._places = places
        self._misplaced = dict.fromkeys(projection.misplaced())

    def _deliver(self) -> bool:
        with self._lock:
            shown, self._shown = self._shown, None
        if shown is not None:
            plan, is_final = shown
            self._show_places(self._connected, training_places(plan, is_final=is_final))
        projection = self._connected
        taken = self._take()
        try:
            while taken:
                self._write_some(taken, lambda training_id: projection.write(taken[training_id]))
        finally:
            self._give_back(taken.values())
        self._pass_over_shown(projection)
        self._write_a_while(self._unchecked, self._check)
        self._write_a_while(self._misplaced, projection.place)
        return bool(self._unchecked or self._misplaced)

    def _pass_over_shown(self, projection: MlflowRuns) -> None:
        """Write nothing, a claim neither, for recorded trainings of which nothing is lacking."""
        until_s = time.monotonic() + FLUSH_EVERY_S
        for training_id in list(self._unchecked):
            if time.monotonic() > until_s:
                break
            if projection.is_shown(training_id):
                del self._unchecked[training_id]
                self._num_delivered += 1

    def _check(self, training_id: str) -> None:
        """Log again what MLflow lacks of a recorded training."""
        with self._lock:
            is_live = training_id in self._active or training_id in self._waiting
        if not is_live:
            self._connected.reconcile(training_id)

    def _write_a_while(self, waiting: dict[str, Any], write: Callable[[str], None]) -> None:
        """Write what was there before the sweep, as long as nothing newer waits."""
        until_s = time.monotonic() + FLUSH_EVERY_S
        while waiting and time.monotonic() < until_s:
            self._write_some(waiting, write)

    def _write_some(self, waiting: dict[str, Any], write: Callable[[str], None]) -> None:
        """Write the first trainings that wait, as many as make one transaction, and take them away.

        One that has been refused is written alone, by MLflow's own sessions, so that it spoils no other.
        """
        some = list(itertools.islice(tuple(waiting), MAX_TOGETHER))  # the driver may add to it
        first, written = some[0], 0
        if self._num_tries[first]:
            with self._connected.writing_one():
                self._attempt(first, f"the run of training {first[:8]}", lambda: write(first))
            del waiting[first]
            return
        try:
            with self._connected.writing(some):
                until_s = time.monotonic() + MAX_TOGETHER_S
                for training_id in some:
                    if self._num_tries[training_id] or time.monotonic() > until_s:
                        break
                    write(training_id)
                    written += 1
        except Exception as error:
            self._count_tries([some[min(written, len(some) - 1)]], error)
            raise
        for training_id in some[:written]:
            del waiting[training_id]
        self._num_delivered += written
        if waiting:
            time.sleep(GIVE_WAY_S)

    def _close(self) -> None:
        if self._active:  # their backend raised
            with self._connected.writing(self._active):
                for training_id in self._active:
                    self._connected.settle(training_id)
        status = FINISHED if self._is_complete else KILLED if self._was_stopped else FAILED
        self._connected.close(
            None if self._is_complete is None else status,
            self._table_files,
            self._numbers,
            len(self._recorded),
        )

    def _is_reachable(self) -> bool:
        return self._connected.is_reachable()

    def _why(self, error: Exception) -> str:
        return why_refused(error, self._url)
