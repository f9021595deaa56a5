"""What a report was made of and what it said: one of which nothing has changed since is said again, and not made anew.

It was made of the files of the store, the declared studies, the code, the packages, and whatever other file was read on
the way. All of these are compared first, and so are the files that it wrote: where one of them is another, is new or is
gone, the report is made anew. What cannot be compared, such as data that only this machine has, is never left out.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import platform
import shutil
import sys
import sysconfig
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.identity import digest_of
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.record import Record
from tablewright.orchestrator.store.store import Store

FOLDER = "reports"
"""Of the store, in which it is kept what reports have said."""
OUTPUTS = ("tables", "costs")
"""Folders of the store that reports write."""
NOT_READ = (FOLDER, *OUTPUTS, "mlartifacts")
PROJECTIONS = ("mlflow.db", "optuna.db")
"""Databases in the store, of which no report is made; their names begin so."""
MAX_KEPT = 16
"""Reports of different commands that are kept, or of one in terminals of different widths."""
TOO_YOUNG_S = 2.0
"""A file that was written so shortly before it was looked at may be written again with nothing to tell it by."""
TEX = ("pdflatex", "lualatex", "xelatex", "latexmk", "tectonic")
"""Programs that a report uses where they are there."""
VARIABLES = ("TZ", "LANG", "LC_ALL", "PATH")
_PARTS = ("orchestrator", "reports", "search_spaces", "trainables")
_OURS = (
    Path(__file__).absolute().parents[2],
    *(Path(__file__).resolve().parents[2] / part for part in _PARTS),
)
"""Folders of this program: the package, and in a clone what its links lead to."""


class LastReport(Record):
    """What a report was made of, and what it said.

    Attributes:
        inputs: digest of all that it is made of and that is known before it is made.
        read: what else was read on the way: path -> SHA-256.
        outputs: digest of what it wrote.
        exit_code: that it gave.
        printed: what it said.
    """

    HELD: ClassVar[str] = "what a report has said"
    NEXT_STEP: ClassVar[str] = "delete it, and the next report is made anew"
    SAYS: ClassVar[tuple[str, ...]] = ("printed",)

    inputs: str
    read: dict[str, str]
    outputs: str
    exit_code: int
    printed: str


@dataclass
class Witness:
    """What happens while a report is made.

    Attributes:
        read: files that were opened.
        asks_machine: whether something was asked of this machine that no file tells.
        has_warned: whether something was said that is not in what it printed.
    """

    read: set[str] = field(default_factory=set[str])
    asks_machine: bool = False
    has_warned: bool = False

    def ask_machine(self) -> None:
        """Know that something was asked of this machine."""
        self.asks_machine = True


class ReportMemory:
    """Knows whether the report that a command asks for was made already, of the same."""

    def __init__(self, store: Store, studies: Sequence[Study], asked: Sequence[str]) -> None:
        """Look at all that the report is made of.

        Args:
            store: of the records.
            studies: that are reported, as they are declared now.
            asked: what else the command was given, and how it prints.
        """
        self._store = store
        versions = store.root.file_versions(leaves_out=(*NOT_READ, *PROJECTIONS))
        newest_s = max((version.changed_at_s for version in versions.values()), default=0.0)
        self._is_settled = newest_s < time.time() - TOO_YOUNG_S
        facts = [
            *asked,
            repr(studies),
            repr(_versions_of_methods(studies)),
            repr(sorted((name, version.text) for name, version in versions.items())),
            repr(_program()),
        ]
        self._inputs = digest_of([hashlib.sha256(fact.encode()).hexdigest() for fact in facts])
        self._name = f"{digest_of([*asked, *(study.name for study in studies)])[:32]}.json"

    def unchanged(self) -> LastReport | None:
        """Give what the last report of this command said, if it would say and write the same now."""
        folder = self._store.root / FOLDER
        try:
            last = folder.read_model(self._name, LastReport)
        except DamagedFile:
            return None
        if last is None or last.inputs != self._inputs or last.outputs != self._outputs():
            return None
        known = _project_modules()
        is_same = known <= last.read.keys() and all(
            _sha256_of(path) == digest for path, digest in last.read.items()
        )
        return last if is_same else None

    def remember(self, witness: Witness, exit_code: int, printed: str) -> None:
        """Keep what a report said, unless another one of the same may say something else."""
        if not self._is_settled or witness.asks_machine or witness.has_warned:
            return
        read = {path: digest for path in self._others(witness) if (digest := _sha256_of(path))}
        last = LastReport(
            inputs=self._inputs, read=read, outputs=self._outputs(), exit_code=exit_code, printed=printed
        )
        folder = self._store.root / FOLDER
        with contextlib.suppress(OSError):  # of a store that may only be read; the next report is made anew
            names = [name for name in folder.names() if name != self._name]
            if len(names) >= MAX_KEPT:
                folder.remove(*names)
            folder.write_model(self._name, last)

    def _outputs(self) -> str:
        folders = {name: (self._store.root / name).file_versions() for name in OUTPUTS}
        return digest_of(
            {
                f"{folder}/{name}": version.text
                for folder, files in folders.items()
                for name, version in files.items()
            }
        )

    def _others(self, witness: Witness) -> set[str]:
        """Name what was read on the way and is in no other digest: the project's own files, and what it points to."""
        store, known = self._store.root.local_path, (*_OURS, *map(Path, _installed()))
        above = tuple(f"{path}{os.sep}" for path in (*known, *(() if store is None else (store.resolve(),))))
        return {path for path in witness.read | _project_modules() if not path.startswith(above)}


@contextlib.contextmanager
def witnessed() -> Generator[Witness]:
    """Notice which files are opened, and whether something is warned of, while a report is made."""
    witness = Witness()
    handler, root = _Noticing(witness), logging.getLogger()
    root.addHandler(handler)
    _WITNESSES.append(witness)
    if not _hooked:
        sys.addaudithook(_notice)  # for as long as the process lives: it cannot be taken away
        _hooked.append(True)
    try:
        yield witness
    finally:
        _WITNESSES.remove(witness)
        root.removeHandler(handler)


_WITNESSES: list[Witness] = []
_hooked: list[bool] = []


def _notice(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _WITNESSES and isinstance(arguments[0], str | bytes | os.PathLike):
        path = str(Path(os.fsdecode(arguments[0])).absolute())
        for witness in _WITNESSES:
            witness.read.add(path)


class _Noticing(logging.Handler):
    """Notices that something is warned of, and lets it be printed as it would be without it."""

    def __init__(self, witness: Witness) -> None:
        super().__init__(logging.WARNING)
        self._witness = witness

    def emit(self, record: logging.LogRecord) -> None:
        self._witness.has_warned = True
        if logging.lastResort is not None and len(logging.getLogger().handlers) == 1:
            logging.lastResort.handle(record)


def _versions_of_methods(studies: Iterable[Study]) -> Mapping[str, str]:
    """Give the version of each method: of one's own code and of a script that is the digest of their files."""
    bases = [part.base for study in studies for part in (*study.ablations, *study.all_searches)]
    bases += [row.config for study in studies for size in study.sizes for row in size.rows if row.config]
    return {f"{type(base).__module__} {base.METHOD}": str(base.VERSION) for base in bases}


def _program() -> list[object]:
    """Identify this program and all that it runs on, by what is another after an update."""
    sources = {
        f"{path.parent.name}/{path.name}": (status.st_size, status.st_mtime_ns, status.st_ino)
        for folder in _OURS
        for path in folder.rglob("*")
        if path.suffix in (".py", ".jinja", ".yaml", ".json") and (status := path.stat())
    }
    packages = sorted(
        entry.name
        for folder in map(Path, dict.fromkeys(sys.path))
        if folder.is_dir()
        for entry in os.scandir(folder)
        if entry.name.endswith((".dist-info", ".egg-info", ".egg-link", ".pth"))
    )
    programs = {name: shutil.which(name) for name in TEX}
    variables = {name: os.environ.get(name) for name in VARIABLES}
    return [sources, packages, programs, variables, sys.version, platform.platform()]


def _installed() -> list[str]:
    """Name the folders of Python and of what is installed, whose versions tell what is in them, and of the system."""
    paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return [*sorted({str(Path(path).resolve()) for path in paths} | paths), "/proc", "/sys", "/dev"]


def _project_modules() -> set[str]:
    """Give the files of the modules that are loaded and are neither ours nor installed."""
    above = tuple(f"{path}{os.sep}" for path in (*_OURS, *_installed()))
    files = [file for file in map(_file_of, list(sys.modules.values())) if not file.startswith(above)]
    # torch names some that are none
    paths = {str(Path(file).absolute()) for file in files if file and Path(file).is_file()}
    return {path for path in paths if not path.startswith(above)}


def _file_of(module: Any) -> str:
    file = getattr(module, "__file__", None)
    return file if isinstance(file, str) else ""


def _sha256_of(path: str) -> str:
    """Digest a file; empty where there is none any more, as of what was written only on the way."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
