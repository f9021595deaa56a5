"""A project of one's own: the folder in which the command is given, whose modules are found here and on workers."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.machinery
import importlib.util
import io
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from pathlib import Path
from types import ModuleType

from tablewright.orchestrator.code.checkout import COMMIT_NOTE, commit_note
from tablewright.trainables.contract.program import OURS, PRODUCT, STUDIES_FOLDER

PARTS = ("orchestrator", "reports", "search_spaces", "trainables")
"""Our folders. Studies of before the one package `tablewright` import from them directly."""

SOURCE_ENDINGS = (".py", ".yaml", ".yml", ".json", ".toml", ".cfg", ".ini", ".txt", ".sh")
MAX_FILE_BYTES, MAX_PACKED_BYTES = 2**20, 50 * 2**20
"""A larger file is data; a project with more sources is none, but such as somebody's home."""


@dataclass(frozen=True)
class Project:
    """A folder with studies, methods and data of somebody's own.

    Attributes:
        folder: its topmost one.
    """

    folder: Path

    @property
    def studies_folder(self) -> Path:
        """Where its studies lie."""
        return self.folder / STUDIES_FOLDER

    @property
    def has_studies(self) -> bool:
        """Say whether it has studies of its own; a clone of this program has the built-in ones."""
        return self.studies_folder.is_dir() and not _is_ours(self.studies_folder)

    @property
    def is_ours(self) -> bool:
        """Say whether it is a clone of this program."""
        return self.studies_folder.is_dir() and _is_ours(self.studies_folder)

    def enter(self) -> None:
        """Make its modules importable in this process, by the same names wherever it is entered.

        Its studies need no `__init__.py`, and its folders may be called as ours are: what we import is below
        `tablewright`.
        """
        if _FINDER.project == self:
            return
        _FINDER.leave()
        _FINDER.project = self
        if _FINDER not in sys.meta_path:
            sys.meta_path.insert(0, _FINDER)
        if str(self.folder) not in sys.path[:1]:
            sys.path.insert(0, str(self.folder))

    def pack(self) -> bytes:
        """Give its source files as an archive, for machines that do not see its folder; no data and no results.

        Raises:
            ValueError: there is too much of them.
        """
        archive, size_bytes = io.BytesIO(), 0
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as packed:
            for path in _source_files(self.folder):
                size_bytes += path.stat().st_size
                if size_bytes > MAX_PACKED_BYTES:
                    raise ValueError(
                        f"the source files below {self.folder} are more than {MAX_PACKED_BYTES // 2**20} MB, too much "
                        "to be sent to the machines of a cluster; put the project on a folder that every machine "
                        "sees, or begin it in a folder of its own"
                    )
                packed.write(path, path.relative_to(self.folder))
            packed.writestr(COMMIT_NOTE, commit_note(self.folder))
        return archive.getvalue()


@dataclass(frozen=True)
class ProjectOnWorker:
    """A project as a worker is told of it.

    Attributes:
        folder: where it lies on the driver's machine.
        packed: its source files; empty where every worker is on that machine.
    """

    folder: str
    packed: bytes = b""

    def enter(self, cache_dir: str) -> None:
        """Enter it where it lies, or the copy that came along where this machine has no such folder."""
        folder = Path(self.folder)
        if self.packed and not folder.is_dir():
            folder = Path(cache_dir) / "projects" / hashlib.sha256(self.packed).hexdigest()
            if not folder.is_dir():
                folder.parent.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
                    unpacked = Path(scratch) / folder.name
                    zipfile.ZipFile(io.BytesIO(self.packed)).extractall(unpacked)
                    with contextlib.suppress(OSError):  # another worker was first
                        unpacked.rename(folder)
        Project(folder).enter()
        os.chdir(folder)  # paths in her code are meant from there, as where the command was given


def _source_files(folder: Path) -> Iterator[Path]:
    """Give the source files below a folder, but for hidden folders, environments and stores of results."""
    for place, folders, names in os.walk(folder):
        here = Path(place)
        if any((here / mark).is_file() for mark in ("pyvenv.cfg", "store.json")):
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        found = (here / name for name in sorted(names) if name.endswith(SOURCE_ENDINGS))
        yield from (path for path in found if path.is_file() and path.stat().st_size <= MAX_FILE_BYTES)


def _package_spec(name: str, folder: Path) -> importlib.machinery.ModuleSpec | None:
    """Describe a folder as a package, with an `__init__.py` or without."""
    start = folder / "__init__.py"
    if start.is_file():
        return importlib.util.spec_from_file_location(name, start, submodule_search_locations=[str(folder)])
    spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    return spec


def _has_modules(folder: Path) -> bool:
    return folder.is_dir() and not _is_ours(folder) and any(folder.rglob("*.py"))


def _is_module(place: Path) -> bool:
    is_there = place.is_dir() or place.with_suffix(".py").is_file()
    return is_there and not _is_ours(place.parent)


def _is_ours(folder: Path) -> bool:
    return folder.resolve() == OURS / folder.name


class _ProjectFinder(MetaPathFinder, Loader):
    """Finds what a project has by the name of a folder of ours, and what is ours by its former name.

    A clone on the path would hide the first. The second are our parts by the names that they had before they lay below
    `tablewright`: a study that was written then goes on to work, with the same classes and not a second copy of them.
    """

    def __init__(self) -> None:
        self.project: Project | None = None

    def leave(self) -> None:
        """Forget the modules of the project that was entered before."""
        if self.project is None:
            return
        if str(self.project.folder) in sys.path:
            sys.path.remove(str(self.project.folder))
        for name in [name for name, module in sys.modules.items() if self._is_own(name, module)]:
            del sys.modules[name]
        self.project = None

    def _is_own(self, name: str, module: ModuleType) -> bool:
        assert self.project is not None
        top = name.partition(".")[0]
        facts = vars(module)  # not its attributes: a module may answer to any name
        places = [Path(str(place)) for place in (facts.get("__file__"), *facts.get("__path__", ())) if place]
        is_below = any(
            place.is_relative_to(self.project.folder) and "site-packages" not in place.parts
            for place in places
        )
        return top in PARTS or (is_below and top not in (PRODUCT, "__main__"))

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a module of either kind."""
        top, *below = fullname.split(".")
        if self.project is None or not (OURS / top).is_dir():
            return None
        own = self.project.folder / top
        if not below and _has_modules(own):
            return _package_spec(top, own)
        if top not in PARTS or (below and _is_module(own / below[0])):
            return None
        found = importlib.util.find_spec(f"{PRODUCT}.{fullname}")
        return None if found is None else importlib.machinery.ModuleSpec(fullname, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """Give the one that there is."""
        module = importlib.import_module(f"{PRODUCT}.{spec.name}")
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Run nothing, and put back what the import system has replaced."""
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state


_FINDER = _ProjectFinder()


def leave_project() -> None:
    """Forget the modules of the project that was entered, in a process that goes on without it."""
    _FINDER.leave()


def entered_project() -> Project | None:
    """Give the project that was entered in this process."""
    return _FINDER.project
