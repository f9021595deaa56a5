"""Claims: who does what, where any number of sweeps and agents share one store.

A claim is a file of the store that one process alone can create. Its owner writes it anew every `RENEW_EVERY_S` as
long as it lives, and removes it at the end. There is no daemon and no lock service: a claim whose owner is known
to be dead, or that somebody has watched for `EXPIRES_AFTER_S` without a sign of life, is dead, and the next one is
created beside it under a higher number, so that of several who find it dead one alone goes on. Clocks of two
machines are never compared.

    claims/<name>.<number>.json         the highest number counts

With its signs of life an owner tells what it is at, for people who ask what runs where (`signs_of_life`).

A claim spares work and keeps projections single; it decides nothing. Where two processes own one after all, as after
a machine has slept, both come to the same record, and the first one that ends stands.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import platform
import re
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from tablewright.orchestrator.running_processes import has_process
from tablewright.orchestrator.store.folder import Folder
from tablewright.orchestrator.store.store import Store
from tablewright.trainables.value.freezing import EMPTY

RENEW_EVERY_S = 15.0
EXPIRES_AFTER_S = 90.0
"""Without a sign of life for so long, as one who watches counts it, an owner on another machine is taken for dead."""
MAX_LOOKS = 100
"""At a claim that is listed and gone when it is read, one after the other."""
TRAINING = "training-"
"""Begins the name of a claim on a training."""
LOOK_AGAIN_S = 0.2
"""How often one who waits for a short claim looks again."""

_FILE = re.compile(r"(?P<name>.+)\.(?P<number>\d{1,9})\.json")

logger = logging.getLogger(__name__)


@functools.cache
def this_machine() -> str:
    """Name this machine, or container, as long as it runs: where its processes can be seen."""
    facts = [platform.node()]
    for link in (Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")):
        try:
            facts.append(
                str(link.readlink()) if link.is_symlink() else link.read_text(encoding="ascii").strip()
            )
        except OSError:  # no Linux
            continue
    return " ".join(facts if len(facts) > 1 else [*facts, str(int(psutil.boot_time()))])


def _start_of(pid: int) -> str:
    """Say when a process of this machine began, so that another one of the same number is told from it; "" if it ended.

    Not by the clock where that can be helped: it may be set while the process runs.
    """
    try:
        if not has_process(pid):
            return ""
        stat = Path(f"/proc/{pid}/stat")
        if stat.exists():
            return stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
        return f"{psutil.Process(pid).create_time():.0f}"
    except (psutil.NoSuchProcess, OSError, IndexError):
        return ""


@dataclass(frozen=True)
class Owner:
    """Whoever has made a claim.

    Attributes:
        token: random; no other claim has it.
        machine: see `this_machine`.
        host: name of the machine, for people.
        pid: of its process.
        began: when that process did, as its machine counts.
        sign: counts its signs of life.
        told: what it said of itself with the last one; of claims that older versions have made, nothing.
    """

    token: str
    machine: str
    host: str
    pid: int
    began: str
    sign: int = 0
    told: Mapping[str, Any] = field(default_factory=dict[str, Any], compare=False)

    @staticmethod
    def of_this_process(told: Mapping[str, Any] = EMPTY) -> Owner:
        """Make one for a new claim."""
        pid = os.getpid()
        return Owner(uuid.uuid4().hex, this_machine(), platform.node(), pid, _start_of(pid), told=dict(told))

    def is_known_to_be_dead(self) -> bool:
        """Say whether it ran on this machine and runs no more; of another machine nobody knows."""
        return self.machine == this_machine() and _start_of(self.pid) != self.began

    def __str__(self) -> str:
        """For people."""
        return f"process {self.pid} on {self.host}"


def _written(owner: Owner) -> bytes:
    return json.dumps(vars(owner)).encode()


def _read(content: bytes) -> Owner | None:
    """Read a claim; None where it is being written, or is none."""
    try:
        fields: Any = json.loads(content)
        owner = Owner(**{name: value for name, value in fields.items() if name in Owner.__annotations__})
        kinds = (str, str, str, int, str, int, dict)
        return owner if all(map(isinstance, vars(owner).values(), kinds)) else None
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


@dataclass
class Claim:
    """A claim that this process owns.

    Attributes:
        name: what is claimed.
        number: of the claim among those of its name.
        is_lost: whether another one has taken it over since, having seen no sign of life.
        tells: asked before each sign of life what its owner is at.
    """

    name: str
    number: int
    owner: Owner
    folder: Folder
    is_lost: bool = False
    tells: Callable[[], Mapping[str, Any]] = lambda: EMPTY
    _is_released: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def renew(self) -> None:
        """Give a sign of life, and see whether the claim was taken over."""
        with self._lock:
            if self._is_released or self.is_lost:
                return
            numbers = _numbers(self.folder).get(self.name, [])
            if max(numbers, default=self.number) > self.number:
                self.is_lost = True
                return
            try:
                told = dict(self.tells())
            except Exception as error:  # that it lives is what counts
                logger.info("what is at work at %s cannot be told: %s", self.name, error)
                told = self.owner.told
            self.owner = replace(self.owner, sign=self.owner.sign + 1, told=told)
            self.folder.write(_file_name(self.name, self.number), _written(self.owner))

    def release(self) -> None:
        """Give the claim up; a store that cannot be reached now lets it expire."""
        _OWNED.discard(self)
        with self._lock:
            self._is_released = True
            try:
                if not self.is_lost:
                    known = _numbers(self.folder).get(self.name, []) if self.number > 1 else []
                    earlier = [it for it in known if it < self.number]
                    self.folder.remove_files(*(_file_name(self.name, it) for it in [*earlier, self.number]))
            except Exception as error:  # each kind of store raises its own
                logger.info("the claim %s could not be removed, and expires: %s", self.name, error)

    def __hash__(self) -> int:
        """By identity, to be kept in a set."""
        return id(self)

    def __eq__(self, other: object) -> bool:
        """The same one."""
        return self is other


class _Renewal:
    """Gives the signs of life of all claims of this process, in one thread."""

    def __init__(self) -> None:
        self._claims: weakref.WeakSet[Claim] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._pid = 0

    def add(self, claim: Claim) -> None:
        with self._lock:
            if (
                self._pid != os.getpid()
            ):  # a forked process has no thread of its parent, and none of its claims
                self._claims, self._pid = weakref.WeakSet(), os.getpid()
                threading.Thread(target=self._run, name="claims", daemon=True).start()
            self._claims.add(claim)

    def discard(self, claim: Claim) -> None:
        with self._lock:
            self._claims.discard(claim)

    def _run(self) -> None:
        while True:
            time.sleep(RENEW_EVERY_S)
            with self._lock:
                claims = list(self._claims)
            for claim in claims:
                try:
                    claim.renew()
                except Exception as error:  # the next sign may get through; until then nothing is lost
                    logger.info("the claim %s could not be renewed: %s", claim.name, error)


_OWNED = _Renewal()


class Claims:
    """The claims of a store, as one process sees them.

    It remembers since when it has seen no sign of life of whom, so that one who waits keeps the same object.
    """

    def __init__(self, store: Store, folder: str = "claims") -> None:
        """Look at nothing yet.

        Args:
            store: in which they lie.
            folder: of it.
        """
        self._folder = store.root / folder
        self._seen: dict[tuple[str, int], tuple[bytes, float]] = {}

    def take(self, name: str, tells: Callable[[], Mapping[str, Any]] = lambda: EMPTY) -> Claim | None:
        """Claim something; None where a living process has it.

        Args:
            name: of what is claimed, such as `training-<id>`.
            tells: what the owner is at, as JSON can hold it, asked with each sign of life.

        Raises:
            OSError: the store cannot be written to.
        """
        number, content = self._highest(name)
        if content is not None and self._living_owner(name, number, content) is not None:
            return None
        owner = Owner.of_this_process(tells())
        if not self._folder.create(_file_name(name, number + 1), _written(owner)):
            return None
        claim = Claim(name, number + 1, owner, self._folder, tells=tells)
        if number and self._content(name, number) != content:
            # Another one has taken it over and ended since we looked, and somebody may have begun anew: as long as a
            # dead claim lies there, nobody can.
            self._folder.remove(_file_name(name, claim.number))
            return None
        if number:  # killed while it wrote a sign of life, it has left that beside its claim
            self._folder.remove_unfinished(_file_name(name, number))
        _OWNED.add(claim)
        return claim

    def take_new(self, tells: Callable[[], Mapping[str, Any]]) -> Claim:
        """Claim something under a name that nobody else has: for whoever only wants to be seen.

        Args:
            tells: as `take` has it.

        Raises:
            OSError: the store cannot be written to.
        """
        owner = Owner.of_this_process(tells())
        claim = Claim(owner.token, 1, owner, self._folder, tells=tells)
        self._folder.write(_file_name(claim.name, claim.number), _written(owner))
        _OWNED.add(claim)
        return claim

    @contextmanager
    def held(
        self,
        name: str,
        patience_s: float = 0.0,
        tells: Callable[[], Mapping[str, Any]] = lambda: EMPTY,
    ) -> Generator[Claim | None]:
        """Hold a claim inside, or None where another one has it; it is given up at the end.

        Args:
            name: of what is claimed.
            patience_s: for so long it is asked for again, where it is one that is held for a moment only.
            tells: as `take` has it.

        Raises:
            OSError: the store cannot be written to.
        """
        until_s = time.monotonic() + patience_s
        while (claim := self.take(name, tells)) is None and time.monotonic() < until_s:
            time.sleep(LOOK_AGAIN_S)
        try:
            yield claim
        finally:
            if claim is not None:
                claim.release()

    def names(self) -> set[str]:
        """Name everything that is claimed, by dead processes too."""
        return set(_numbers(self._folder))

    def last_owner(self, name: str) -> Owner | None:
        """Give who has claimed something, dead or alive; None where it is free, or who has it cannot be read."""
        number = max(_numbers(self._folder).get(name, [0]))
        content = self._content(name, number) if number else None
        return None if content is None else _read(content)

    def owner(self, name: str) -> Owner | None:
        """Give the living process that has claimed something, or None."""
        number, content = self._highest(name)
        return None if content is None else self._living_owner(name, number, content)

    def clear_dead(self, name: str) -> None:
        """Take away a claim whose owner is dead, so that one who has not watched it may take it."""
        claim = self.take(name)
        if claim is not None:
            claim.release()

    def clear_lost(self, name: str, host: str, pid: int) -> None:
        """Take away the claim of a process that its scheduler has lost, on whatever machine, without watching it.

        Where it lives all the same, cut off from the others, it learns at its next sign of life that it has lost it.

        Args:
            name: of what is claimed.
            host: name of the machine that the process was on.
            pid: of the process.
        """
        number, content = self._highest(name)
        owner = None if content is None else _read(content)
        if content is not None and owner is not None and (owner.host, owner.pid) == (host, pid):
            self._seen[name, number] = content, time.monotonic() - EXPIRES_AFTER_S
            self.clear_dead(name)

    def _content(self, name: str, number: int) -> bytes | None:
        try:
            return self._folder.read(_file_name(name, number))
        except FileNotFoundError:
            return None

    def _highest(self, name: str) -> tuple[int, bytes | None]:
        """Give the claim that counts, dead or alive; 0 and None where there is none."""
        number = 0
        for _ in range(MAX_LOOKS):
            number = max(_numbers(self._folder).get(name, [0]))
            if not number:
                return 0, None
            if (content := self._content(name, number)) is not None:
                return number, content  # else it was given up a moment ago
        return number, b""  # a link that leads nowhere, or the like

    def _living_owner(self, name: str, number: int, content: bytes) -> Owner | None:
        seen, since_s = self._seen.get((name, number), (b"", 0.0))
        if seen != content:
            since_s = time.monotonic()
            self._seen[name, number] = content, since_s
        owner = _read(content)
        is_silent = time.monotonic() - since_s >= EXPIRES_AFTER_S
        if is_silent or (owner is not None and owner.is_known_to_be_dead()):
            return None
        return owner or Owner("", "", "an unknown machine", 0, "")


def training_claim(training_id: str) -> str:
    """Name the claim on a training."""
    return f"{TRAINING}{training_id}"


def _file_name(name: str, number: int) -> str:
    return f"{name}.{number}.json"


def _numbers(folder: Folder) -> dict[str, list[int]]:
    """Give the numbers of the claims that there are, dead ones among them, by name."""
    found: dict[str, list[int]] = {}
    for file in folder.names():
        if match := _FILE.fullmatch(file):
            found.setdefault(match["name"], []).append(int(match["number"]))
    return found
