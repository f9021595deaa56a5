"""Optuna's durable storage: every training of a sweep as a trial, for Optuna's dashboard and importances.

A mirror of the store: it decides nothing, may be lost, and is filled again by the next run. It is written by a thread
that no training waits for. Two kinds of Optuna study are kept:

* one for each `Search`, named `study/search/` and the first digits of its identity: its suggestions, from the moment
  when each is made;
* one for the tables of each `Study`, named as it is: the planned rows that have ended, with the values at the paths
  that any row changes as parameters, and the first metric of their first view as the value.

Any number of sweeps write to one storage: what a study lacks is looked up again, and written under a claim of the
store, whoever has begun it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence

import optuna
from optuna.storages import RDBStorage

from tablewright.orchestrator.addresses import (
    database_url,
    refuse_absent_driver,
    unreachable_database,
    why_unreachable,
)
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.projections.mirrored_study import (
    MirroredRows,
    MirroredSearch,
    MirroredStudy,
    RecordedSearch,
    Wanted,
)
from tablewright.orchestrator.projections.new_database import make_database, while_it_is_made
from tablewright.orchestrator.projections.optuna_rows import takes_many
from tablewright.orchestrator.projections.projection_thread import DATABASE_ENVIRONMENT, ProjectionThread
from tablewright.orchestrator.store.claims import RENEW_EVERY_S, Claims
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.work import Outcome, Progress, Work
from tablewright.trainables.value.secret import keep_secret

OPTION = "--search-storage"
CLAIM = "projection-optuna"
CLAIM_PATIENCE_S = 5.0
"""For so long the thread waits for another sweep that writes to the same storage, before it looks anew."""
MAX_TOGETHER = 100
"""New trials in one transaction, which keeps out whoever else writes to the database for some 50 ms."""
PROGRESS_EVERY_S = 10.0
"""How often the values that running trials tell are written, where nothing else is."""


def open_storage(url: str) -> RDBStorage:
    """Open Optuna's storage, and make its tables where there are none.

    Raises:
        ValueError: the database cannot be opened.
    """
    keep_secret(url)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for name, value in DATABASE_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        make_database(url, lambda aside: RDBStorage(aside).engine.dispose())
        return while_it_is_made(lambda: RDBStorage(database_url(url)))
    except Exception as error:  # SQLAlchemy raises one of many kinds
        raise unreachable_database(OPTION, url, error) from error


class OptunaMirror(ProjectionThread):
    """Keeps the trainings of a sweep in Optuna's storage; a `Listener` that never blocks the driver and never raises.

    Attributes:
        warnings: what could not be written, one sentence each; also told to `logging`.
        num_added: trials that were added.
    """

    def __init__(self, url: str, store: Store) -> None:
        """Open nothing yet.

        Args:
            url: of Optuna's database.
            store: of the records.

        Raises:
            ValueError: a package is absent without which the database cannot be reached.
        """
        super().__init__("Optuna's storage", url)
        refuse_absent_driver(OPTION, url)
        self.num_added = 0
        self._store, self._claims = store.keeping_nothing(), Claims(store)
        self._plan: Plan | None = None
        self._searches: list[RecordedSearch] = []
        self._ended: set[str] = set()
        self._is_rebuilt, self._rebuilt = False, set[str]()
        self._is_stale = True
        self._progress_told_s = time.monotonic()
        self._mirrored: list[MirroredStudy] = []

    # -- called by the driver

    def begin(
        self,
        plan: Plan,
        searches: Iterable[RecordedSearch],
        ended_ids: Iterable[str],
        *,
        is_rebuilt: bool = False,
    ) -> None:
        """Add what was recorded before and is not in the storage.

        Args:
            plan: whose planned rows are kept.
            searches: whose suggestions are kept.
            ended_ids: trainings of the plan that are recorded, or have failed.
            is_rebuilt: whether studies that are there are made anew, from the store alone.
        """
        self._searches, self._is_rebuilt = list(searches), is_rebuilt
        self.follow(plan, ended_ids)
        self._start_thread()

    def follow(self, plan: Plan, ended_ids: Iterable[str]) -> None:
        """Keep the rows of a plan that has grown."""
        with self._lock:
            self._plan, self._is_stale = plan, True
            self._ended.update(ended_ids)

    def on_start(self, work: Work) -> None:
        """Show a suggestion as one that runs."""
        self._open_soon()
        self._look_again()

    def on_progress(self, work: Work, progress: Progress) -> None:
        """Show now and then what a suggestion's training has told."""
        if progress.watched is not None and time.monotonic() - self._progress_told_s >= PROGRESS_EVERY_S:
            self._progress_told_s = time.monotonic()
            self._look_again()

    def on_end(self, work: Work, outcome: Outcome) -> None:
        """Show how a trial ended; a training that was merely stopped goes on later."""
        with self._lock:
            self._is_stale = True
            if outcome.state not in ("stopped", "paused"):
                self._ended.add(work.training_id)

    def _look_again(self) -> None:
        with self._lock:
            self._is_stale = True

    def end(self) -> None:
        """Write what waits, as long as anything is being written."""
        self._end_thread()

    # -- the thread

    def _connect(self) -> None:
        storage = open_storage(self._url)
        with self._lock:
            plan, self._is_stale = self._plan, True
        assert plan is not None, "begin gives the plan"
        owner = self._store.shared_id()
        self._mirrored = [MirroredSearch(search, self._store, owner, storage) for search in self._searches]
        self._mirrored += self._mirrored_rows(plan, owner, storage)
        self._connected = plan, owner, storage

    def _mirrored_rows(self, plan: Plan, owner: str, storage: RDBStorage) -> list[MirroredRows]:
        rows = (MirroredRows(study.name, plan, self._store, owner, storage) for study in plan.studies)
        return [mirrored for mirrored in rows if mirrored.has_any]

    def _deliver(self) -> bool:
        with self._lock:
            if not self._is_stale:
                return False
            plan, ended, self._is_stale = self._plan, set(self._ended), False
        try:
            connected, owner, storage = self._connected
            if plan is not None and plan is not connected:
                searches = [it for it in self._mirrored if isinstance(it, MirroredSearch)]
                self._mirrored = [*searches, *self._mirrored_rows(plan, owner, storage)]
                self._connected = plan, owner, storage
            is_whole = all([self._fill(mirrored, ended) for mirrored in self._mirrored])
        except BaseException:
            self._is_stale = True
            raise
        if not is_whole:
            self._is_stale = True
        return not is_whole

    def _fill(self, mirrored: MirroredStudy, ended: set[str]) -> bool:
        """Write what a study lacks; false where another sweep is writing now."""
        is_to_rebuild = self._is_rebuilt and mirrored.name not in self._rebuilt
        lacking = mirrored.lacking(ended)
        if not (is_to_rebuild or mirrored.must_begin_anew() or lacking):
            return True
        with self._claims.held(CLAIM, CLAIM_PATIENCE_S) as claim:
            if claim is None:
                return False
            began_s = time.thread_time()
            if mirrored.read_again():
                lacking = mirrored.lacking(ended)
            self._note_look(time.thread_time() - began_s)
            if is_to_rebuild or mirrored.must_begin_anew(lacking):
                mirrored.begin_anew()
                lacking = mirrored.lacking(ended)
            looked_s = time.monotonic()
            for some in self._parts(mirrored, lacking):
                if time.monotonic() - looked_s > RENEW_EVERY_S:  # it has slept, and another one may write now
                    claim.renew()
                    looked_s = time.monotonic()
                if claim.is_lost:
                    return False
                self._write(mirrored, some)
        self._rebuilt.add(mirrored.name)
        return True

    def _parts(self, mirrored: MirroredStudy, lacking: Sequence[Wanted]) -> Iterator[Sequence[Wanted]]:
        """Part what a study lacks into what is written at once: trials that are new, or one of another kind.

        One that has been refused, alone or among others, is written alone, so that it spoils no other.
        """
        at_once = MAX_TOGETHER if takes_many(self._connected[2]) else 1
        new: list[Wanted] = []
        for wanted in lacking:
            if mirrored.has(wanted) or self._num_tries[_named(mirrored, wanted)]:
                yield [wanted]
            else:
                new.append(wanted)
        yield from (new[start : start + at_once] for start in range(0, len(new), at_once))

    def _write(self, mirrored: MirroredStudy, some: Sequence[Wanted]) -> None:
        if len(some) == 1:
            self._write_one(mirrored, some[0])
            return
        try:
            mirrored.add(some)
        except Exception as error:
            self._count_tries([_named(mirrored, wanted) for wanted in some], error)
            raise
        self.num_added += len(some)
        self._num_delivered += len(some)

    def _write_one(self, mirrored: MirroredStudy, wanted: Wanted) -> None:
        def write() -> None:
            self.num_added += mirrored.write(wanted)

        what = _named(mirrored, wanted)
        self._attempt(what, what, write)

    def _close(self) -> None:
        self._connected[2].engine.dispose()

    def _is_reachable(self) -> bool:
        try:
            open_storage(self._url)
        except ValueError:
            return False
        return True

    def _why(self, error: Exception) -> str:
        return str(error) if isinstance(error, DamagedFile) else why_unreachable(self._url, error)


def _named(mirrored: MirroredStudy, wanted: Wanted) -> str:
    return f"{mirrored.what(wanted.key)} of {mirrored.name}"
