"""What Git says of the code that trains: its commit, and what differs from it in files that can change a number.

Whatever keeps Git from answering (it is not installed, the folder is in no checkout, or in one of another user) makes
the commit unknown and stops nothing. Git is asked once a process, without taking a lock.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tablewright.trainables.contract.program import OURS
from tablewright.trainables.value.secret import masked

DIRTY = "-dirty"
COMMIT_NOTE = ".tablewright_commit"
"""File in a copy of a project that is outside its checkout: what Git says of the project."""
OUR_PARTS = ("orchestrator", "trainables")
"""Folders of this program that can change what a training comes to; tables are made anew from what they recorded."""
CODE_ENDINGS = (".py", ".pyx", ".c", ".cpp", ".cu", ".cuh", ".h", ".sh", ".bash")
SETTINGS_ENDINGS = (".yaml", ".yml", ".toml", ".json", ".cfg", ".ini", ".gin", ".conf")
NO_NUMBER = ("tests", "test", "docs", "doc", "benchmarks")
"""Folders in which nothing changes a number."""
PACKAGES_FOLDERS = ("site-packages", "dist-packages")
MAX_DIFF_CHARACTERS = 2**20
GIT_TIMEOUT_S = 10.0
_SAYS_NOTHING_ELSE = ("--no-color", "--no-ext-diff", "--no-textconv", "--no-renames")


@dataclass(frozen=True)
class Code:
    """The code that a training was made by.

    Attributes:
        commit: with `-dirty` behind it where files that can change a number differ from it; empty where it is unknown.
        diff: of these files, without secrets, cut where it is very long; empty where there is none.
    """

    commit: str = ""
    diff: str = ""

    @property
    def diff_sha256(self) -> str:
        """Name of the diff in a store; empty where there is none."""
        return hashlib.sha256(self.diff.encode(errors="backslashreplace")).hexdigest() if self.diff else ""


@functools.cache
def code_of(folder: str | None = None, files: tuple[str, ...] = ()) -> Code:
    """Say by which code something is made.

    Args:
        folder: of the project; None is this program's.
        files: that it is made of, relative to the folder; one that is not in the commit makes it dirty too.
    """
    where = folder or str(OURS)
    if (Path(where) / COMMIT_NOTE).is_file():
        return _code_of_copy(Path(where), files)
    if folder is None and _unknown(where, ["orchestrator/checkout.py"]):
        return Code()  # it is installed in a folder of somebody else's checkout
    if not (commit := _commit(where)):
        return Code()
    imported = _imported_below(where)
    needed = [name for name in imported if _is_ours(name)] if folder is None else [*files, *imported]
    changed = [name for name in _changed(where) if _matters(name, folder, {*needed})]
    unknown = _unknown(where, needed)
    new = "".join(_whole(Path(where), name) for name in unknown)
    return _code(commit, bool(changed or unknown), _diff(where, changed) + new)


def _code_of_copy(copy: Path, files: Sequence[str]) -> Code:
    commit, known, diffs = json.loads((copy / COMMIT_NOTE).read_text(encoding="utf-8"))
    if not commit:
        return Code()
    unknown = [name for name in files if name not in known]
    changed = [text for name, text in diffs.items() if _matters(name, str(copy), {*files})]
    return _code(
        commit, bool(changed or unknown), "".join([*changed, *(_whole(copy, name) for name in unknown)])
    )


def _code(commit: str, is_dirty: bool, diff: str) -> Code:
    return Code(f"{commit}{DIRTY}", _cut(masked(diff))) if is_dirty else Code(commit)


def commit_note(folder: Path) -> str:
    """Say of a project what a copy must know to be of the same commit: that, the files in it, and what differs."""
    where = str(folder)
    names = [name for name in _changed(where) if name.endswith((*CODE_ENDINGS, *SETTINGS_ENDINGS))]
    diffs = {name: _diff(where, [name]) for name in names}
    return json.dumps([_commit(where), _lines(_git(where, "ls-files", "-z")), diffs])


def _matters(name: str, folder: str | None, needed: set[str]) -> bool:
    """Say whether a file can change a number: code that is used, or settings that may be read."""
    if folder is None:
        return _is_ours(name) and name.endswith((*CODE_ENDINGS, *SETTINGS_ENDINGS))
    if name in needed:
        return True
    parents = Path(name).parts[:-1]
    is_aside = any(part in NO_NUMBER or (part.startswith(".") and part != "..") for part in parents)
    return not is_aside and name.endswith(SETTINGS_ENDINGS)


def _is_ours(name: str) -> bool:
    return name.partition("/")[0] in OUR_PARTS


def _imported_below(folder: str) -> list[str]:
    """List the files of modules that this process has imported from a folder."""
    root = Path(folder).resolve()
    found: dict[str, None] = {}
    for module in [*sys.modules.values()]:
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or not file.endswith(".py"):
            continue
        path = Path(file).resolve()
        if path.is_relative_to(root) and not any(part in PACKAGES_FOLDERS for part in path.parts):
            found[path.relative_to(root).as_posix()] = None
    return list(found)


def _whole(folder: Path, name: str) -> str:
    """Show a file that is in no commit as one that is new."""
    try:
        lines = (folder / name).read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    except OSError:
        return ""
    return "".join(_ended(difflib.unified_diff([], lines, "/dev/null", f"b/{name}")))


def _ended(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield line if line.endswith("\n") else f"{line}\n"


def _cut(diff: str) -> str:
    if len(diff) <= MAX_DIFF_CHARACTERS:
        return diff
    return (
        f"{diff[:MAX_DIFF_CHARACTERS]}\n[… {len(diff) - MAX_DIFF_CHARACTERS} characters more are left out]\n"
    )


# -- Git ---------------------------------------------------------------------------------------------


def _commit(folder: str) -> str:
    return (_git(folder, "rev-parse", "--verify", "-q", "HEAD") or "").strip()


def _changed(folder: str) -> list[str]:
    """List the files of the commit that differ from it, relative to the folder."""
    return _lines(
        _git(folder, "diff", "HEAD", "--name-only", "-z", "--relative", *_SAYS_NOTHING_ELSE, "--", ".")
    )


def _diff(folder: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    return (
        _git(folder, "diff", "HEAD", "--relative", *_SAYS_NOTHING_ELSE, "--", *map(_literally, names)) or ""
    )


def _literally(name: str) -> str:
    """Name a file so that no sign in it stands for others."""
    return f":(literal){name}"


def _unknown(folder: str, names: Sequence[str]) -> list[str]:
    """List those of some files that Git does not know; all, where it cannot be asked."""
    if not names:
        return []
    known = {*_lines(_git(folder, "ls-files", "-z", "--", *map(_literally, names)))}
    return [name for name in dict.fromkeys(names) if name not in known]


def _lines(text: str | None) -> list[str]:
    return [name for name in (text or "").split("\0") if name]


def _git(folder: str, *arguments: str) -> str | None:
    """Ask Git; None where it cannot answer."""
    # A hook of Git that starts a sweep has told it of another checkout.
    environment = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    # No program that a stranger's checkout names is run, and no lock is taken that another may wait for.
    words = ["git", "-C", folder, "-c", "core.fsmonitor=false", "--no-optional-locks", *arguments]
    try:
        found = subprocess.run(words, capture_output=True, check=True, timeout=GIT_TIMEOUT_S, env=environment)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.decode(errors="surrogateescape")
