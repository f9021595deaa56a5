"""A projection of the store that a thread of its own writes, so that no training ever waits for a database.

The database may be away, locked, slow, full, or being made by somebody else: whatever fails is tried again, with all
that is there read anew, and what was not written in the end is written by the next run, from the store.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable

from tablewright.orchestrator.addresses import damage_of_database, refuse_irregular_database
from tablewright.trainables.value.secret import masked

FLUSH_EVERY_S = 2.0
MAX_FLUSH_S = 60.0
WAITS_TIMES = 10
"""As many times as long as it has been looking through all that its database has, a projection then waits."""
OPEN_AFTER_S = 10.0
"""How long the first training is waited for before the database is opened: its client takes seconds of a processor to
load, which that training's start has more use for."""
MAX_BACKOFF_S = 30.0
MAX_TRIES = 3
"""Of writing one thing to a database that answers; then it is left to the next sweep."""
END_PATIENCE_S = 60.0
"""At the end, the longest wait without anything delivered: importing MLflow and making its tables take 20 s
on a busy machine."""
FAILING_PATIENCE_S = 15.0
"""The same where the last try has failed."""

DATABASE_ENVIRONMENT = {"PGCONNECT_TIMEOUT": "10"}
"""Set for this process where the user has not: PostgreSQL's own drivers wait for ever for a host that is silent."""

logger = logging.getLogger(__name__)


class ProjectionThread(ABC):
    """Writes a projection behind the driver's back; never raises into it.

    Attributes:
        warnings: what could not be written, one sentence each; also told to `logging`.
    """

    def __init__(self, kind: str, url: str) -> None:
        """Open nothing yet.

        Args:
            kind: whose database it is, such as MLflow.
            url: of the database.
        """
        self.warnings: list[str] = []
        self.place = f"{kind} at {masked(url)}"
        self._lock = threading.Lock()
        self._wake, self._may_open = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._kind, self._url = kind, url
        self._is_ending = False
        self._is_damaged = False
        self._is_abandoned = False
        self._is_closed = False
        self._is_failing = False
        self._num_delivered = 0
        self._num_tries: Counter[str] = Counter()
        self._looked_s = 0.0

    # -- what a projection is made of; called by the thread, each raises whatever its database does

    @abstractmethod
    def _connect(self) -> None:
        """Reach the database, and read what it has."""

    @abstractmethod
    def _deliver(self) -> bool:
        """Write what waits; true where more is to be written at once."""

    @abstractmethod
    def _close(self) -> None:
        """Say that all is told."""

    @abstractmethod
    def _is_reachable(self) -> bool:
        """Say whether the database answers at all."""

    @abstractmethod
    def _why(self, error: Exception) -> str:
        """Say in our words why something was not written; the error's own may hold addresses with passwords."""

    # -- called by the driver

    @property
    def has_begun(self) -> bool:
        """Whether the thread was started."""
        return self._thread is not None

    def _start_thread(self) -> None:
        assert self._thread is None, "a projection follows one sweep"
        self._thread = threading.Thread(target=self._run, name=self._kind.lower(), daemon=True)
        self._thread.start()
        atexit.register(self._end_at_exit)

    def _open_soon(self) -> None:
        """Open the database now: the first training runs, or there is none."""
        self._may_open.set()

    def _end_thread(self) -> None:
        """Let it deliver what waits: as long as anything is delivered, and not long where the database is away."""
        if self._thread is None or self._is_ending:
            return
        self._is_ending = True
        self._may_open.set()
        self._wake.set()
        delivered, since_s = -1, time.monotonic()
        while self._thread.is_alive():
            self._thread.join(0.5 if self._num_delivered else 0.05)
            if delivered != self._num_delivered:
                delivered, since_s = self._num_delivered, time.monotonic()
            if time.monotonic() - since_s >= (FAILING_PATIENCE_S if self._is_failing else END_PATIENCE_S):
                break
        self._is_abandoned = True
        atexit.unregister(self._end_at_exit)
        if not self._is_closed and not self._is_damaged:
            self._warn(
                f"{self.place} has not heard of all of this sweep. Nothing is lost: run the same command "
                "again when it answers, and the rest is logged from the store."
            )

    def _end_at_exit(self) -> None:
        """End as a driver that raised does."""
        self._end_thread()

    def _warn(self, message: str) -> None:
        message = masked(message)
        self.warnings.append(message)
        logger.warning(message)

    # -- the thread

    def _note_look(self, looked_s: float) -> None:
        """Note how long it has taken to look through what the database has, which grows with every training."""
        self._looked_s = looked_s

    def _run(self) -> None:
        backoff_s, num_failures_at_end, is_connected = 1.0, 0, False
        self._may_open.wait(OPEN_AFTER_S)
        while not self._is_abandoned:
            is_last = self._is_ending  # read before anything is taken: what was told by then is delivered
            try:
                if not is_connected:
                    refuse_irregular_database(self._url)
                    self._connect()
                    is_connected = True
                    self._num_delivered += 1
                has_more = self._deliver()
                self._is_failing = False
                if is_last and not has_more:
                    self._close()
                    self._is_closed = True
                    return
                backoff_s = 1.0
                if not has_more:
                    self._wake.wait(min(max(FLUSH_EVERY_S, WAITS_TIMES * self._looked_s), MAX_FLUSH_S))
            except Exception as error:  # whatever it is, trainings go on without it
                if damage := damage_of_database(self._url, error):
                    self._is_damaged = True
                    self._warn(
                        f"{self.place} cannot be used: {damage}. No training needs it: move it away (or name another "
                        "one), and --mirror fills a new one from the store"
                    )
                    return
                is_connected, self._is_failing = False, True  # what the database has is read anew
                if not self.warnings:
                    self._warn(f"{self.place} cannot be written to for now: {self._why(error)}")
                num_failures_at_end += is_last
                if num_failures_at_end >= MAX_TRIES:
                    return
                (time.sleep if is_last else self._wake.wait)(1.0 if is_last else backoff_s)
                backoff_s = min(2 * backoff_s, MAX_BACKOFF_S)

    def _attempt(self, name: str, what: str, write: Callable[[], None]) -> None:
        """Write one thing; what a database in good health refuses again and again is passed over, and told.

        Args:
            name: of the thing, by which its tries are counted.
            what: it is, for people.
            write: writes it.
        """
        if self._num_tries[name] >= MAX_TRIES:
            return
        try:
            write()
        except Exception as error:
            self._count_tries([name], error)
            if self._num_tries[name] < MAX_TRIES:
                raise
            self._warn(f"{what} cannot be logged: {self._why(error)}")
            return
        self._num_delivered += 1
        self._num_tries.pop(name, None)

    def _count_tries(self, names: Iterable[str], error: Exception) -> None:
        """Note that things were refused, together or one alone, by a database that is in good health and answers."""
        if damage_of_database(self._url, error):
            raise error
        is_reachable = self._is_reachable()
        for name in names:
            self._num_tries[name] += is_reachable
