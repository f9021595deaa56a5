"""What Git says of the code that trains: its commit, and what differs from it in files that can change a number.

Whatever keeps Git from answering makes the commit unknown and stops nothing; where there is a checkout, it is said. Git
is asked twice for each checkout in a process, and once more where a file is not in its commit; never for each training.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tablewright.orchestrator.code.git import GitSilent, ask_git
from tablewright.trainables.contract.program import OURS
from tablewright.trainables.value.secret import masked

DIRTY = "-dirty"
COMMIT_NOTE = ".tablewright_commit"
"""File in a copy of a project, or of this program in an image, that is outside its checkout: what Git says of it."""
OUR_PARTS = ("orchestrator", "trainables")
"""Folders of this program that can change what a training comes to; tables are made anew from what they recorded."""
NO_TRAINING_OF_OURS = ("reports", "tests", "sweep.py", "conftest.py")
CODE_ENDINGS = (".py", ".pyx", ".c", ".cpp", ".cu", ".cuh", ".h", ".sh", ".bash")
SETTINGS_ENDINGS = (".yaml", ".yml", ".toml", ".json", ".cfg", ".ini", ".gin", ".conf")
ENDINGS = (*CODE_ENDINGS, *SETTINGS_ENDINGS)
NO_NUMBER = ("tests", "test", "docs", "doc", "benchmarks")
"""Folders in which nothing changes a number."""
PACKAGES_FOLDERS = ("site-packages", "dist-packages")
MAX_DIFF_CHARACTERS = 2**20

_DIFF = (
    *("diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--submodule=diff"),
    *("--ignore-submodules=untracked", "--src-prefix=a/", "--dst-prefix=b/", "--"),
)
_SECTION = re.compile(r"^(?=diff --git |Submodule |\* Unmerged path )", re.MULTILINE)
_HEADER = re.compile(
    r"diff --git (?P<quote>\"?)a/(?P<name>.+)(?P=quote) (?P=quote)b/(?P=name)(?P=quote)\n"
    r"|\* Unmerged path (?P<unmerged>.+)\n|Submodule (?P<absent>.+) [0-9a-f]+\.\.\.?[0-9a-f]+ \((?:commits )?not .*\n"
)
_ESCAPED = re.compile(r"\\([0-7]{3}|.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_SUBMODULE = re.compile(r"^\s*path\s*=\s*(.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Code:
    """The code that a training was made by.

    Attributes:
        commit: with `-dirty` behind it where files that can change a number differ from it; empty where it is unknown.
        diff: of these files, without secrets, cut where it is very long; empty where there is none.
        fault: why the commit of a checkout is unknown; empty where it is known, or there is no checkout.
    """

    commit: str = ""
    diff: str = ""
    fault: str = ""

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
    where = Path(folder or OURS).resolve()
    if (where / COMMIT_NOTE).is_file():
        return _code_of_copy(where, files, is_ours=folder is None)
    top = _top_of(where)
    if top is None or (folder is None and any(part in PACKAGES_FOLDERS for part in where.parts)):
        return Code()
    prefix = where.relative_to(top).as_posix()
    needed = [_below(prefix, name) for name in [*_without_links(where, files), *_imported_below(where)]]
    if folder is None:
        needed = [name for name in needed if _is_ours(name, prefix)]
    checkout = _checkout_at(top)
    checkout.begin(needed)
    if not checkout.commit:
        return Code(fault=checkout.fault)
    unknown = checkout.unknown(needed)
    if folder is None and _below(prefix, "orchestrator/code/checkout.py") in unknown:
        return Code()  # it is installed in a folder of somebody else's checkout
    matters = functools.partial(_matters, prefix=prefix, needed={*needed}, is_ours=folder is None)
    found = checkout.differences(needed).items()
    texts = {name: text for name, text in found if matters(name, text)}
    if checkout.fault:
        return Code(fault=checkout.fault)
    return _code(checkout.commit, {**texts, **{name: _whole(top, name) for name in unknown}})


def commit_note(folder: Path) -> str:
    """Say of a project what a copy must know to be of the same commit: that, the files in it, and what differs."""
    where = folder.resolve()
    top = _top_of(where)
    if top is None:
        return json.dumps(["", [], {}, ""])
    checkout = _checkout_at(top)
    checkout.begin(())
    known, texts = checkout.all_names(), checkout.differences(())
    prefix = where.relative_to(top).as_posix()

    def seen_from_it(name: str) -> str:
        return os.path.relpath(name, prefix)

    diffs = {seen_from_it(name): _cut(text) for name, text in texts.items()}
    commit = "" if checkout.fault else checkout.commit
    return json.dumps([commit, [seen_from_it(name) for name in known], diffs, checkout.fault])


def _code_of_copy(copy: Path, files: Sequence[str], *, is_ours: bool) -> Code:
    commit, names, diffs, fault = json.loads((copy / COMMIT_NOTE).read_text(encoding="utf-8"))
    if not commit:
        return Code(fault=fault)
    needed = [_below(".", name) for name in [*_without_links(copy, files), *_imported_below(copy)]]
    known = {*names}
    if is_ours:
        needed = [name for name in needed if _is_ours(name, ".")]
    matters = functools.partial(_matters, prefix=".", needed={*needed}, is_ours=is_ours)
    texts = {name: text for name, text in diffs.items() if matters(name, text)}
    lacking = {name: _whole(copy, name) for name in needed if name not in known}
    return _code(commit, {**texts, **lacking})


def _code(commit: str, texts: dict[str, str]) -> Code:
    if not texts:
        return Code(commit)
    diff = "".join(texts.values())
    # A secret that is cut here is cut away below as well; without bound, masking would take minutes.
    bounded = diff if len(diff) <= 2 * MAX_DIFF_CHARACTERS else diff[: 2 * MAX_DIFF_CHARACTERS]
    return Code(f"{commit}{DIRTY}", _cut(masked(bounded), len(diff)))


def _cut(text: str, num_characters: int | None = None) -> str:
    """Cut a text that is too long, and say by how much.

    Args:
        text: of which the beginning is kept.
        num_characters: of it and of what was cut from it before.
    """
    if len(text) <= MAX_DIFF_CHARACTERS:
        return text
    more = max(num_characters or 0, len(text)) - MAX_DIFF_CHARACTERS
    return f"{text[:MAX_DIFF_CHARACTERS]}\n[… {more} characters more are left out]\n"


# -- which files matter ------------------------------------------------------------------------------


def _below(prefix: str, name: str) -> str:
    """Name a file as the checkout does that a project is a folder of; it may lie beside the project."""
    return PurePosixPath(os.path.normpath(f"{prefix}/{name}")).as_posix()


def _without_links(project: Path, files: Iterable[str]) -> Iterator[str]:
    """Name files of a project as Git does where a folder of it is a link to another, as each of `tablewright/` is."""
    for name in files:
        place = (project / name).parent.resolve()
        yield os.path.relpath(place / PurePosixPath(name).name, project)


def _matters(name: str, difference: str, *, prefix: str, needed: set[str], is_ours: bool) -> bool:
    """Say whether a file that differs can change a number; of a submodule whose commit is absent any file may."""
    if name in needed or any(one.startswith(f"{name}/") for one in needed):
        return True
    return _is_ours(name, prefix) if is_ours else _may_be_read(name, prefix, difference)


def _is_ours(name: str, prefix: str) -> bool:
    """Say whether a file is of this program and can change a number."""
    return name.endswith(ENDINGS) and any(name.startswith(f"{_below(prefix, part)}/") for part in OUR_PARTS)


def _may_be_read(name: str, prefix: str, difference: str) -> bool:
    """Say whether a file that nobody names may be settings that a training reads; one that is gone was not read.

    A copy for a cluster lacks what its maker left out of it.
    """
    if prefix != "." and not name.startswith(f"{prefix}/"):
        return False
    parents = Path(name).relative_to(prefix).parts[:-1]
    is_aside = any(part in NO_NUMBER or part.startswith(".") for part in parents)
    is_gone = "\ndeleted file mode " in difference[: difference.find("\n@@")]
    return name.endswith(SETTINGS_ENDINGS) and not is_aside and not is_gone


def _imported_below(folder: Path) -> list[str]:
    """List the files of modules that this process has imported from a folder."""
    found: dict[str, None] = {}
    for module in [*sys.modules.values()]:
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or not file.endswith(".py") or not file.startswith("/"):
            continue  # torch names modules that have no file as if they lay where it stands: _ops.py
        place, _, name = file.rpartition("/")
        parent = _real(place)
        if parent is None or not parent.is_relative_to(folder):
            continue
        # Of this program's own parts, what makes tables is imported by one of its commands and not by another.
        of_ours = parent.relative_to(OURS).parts if parent.is_relative_to(OURS) else ()
        if (of_ours or (name if parent == OURS else "",))[0] not in NO_TRAINING_OF_OURS:
            found[(parent / name).relative_to(folder).as_posix()] = None
    return list(found)


@functools.cache
def _real(folder: str) -> Path | None:
    """Give a folder of modules without links; None where packages are installed. There are few, and a path is slow."""
    found = Path(folder).resolve()
    return None if any(part in PACKAGES_FOLDERS for part in found.parts) else found


def _whole(folder: Path, name: str) -> str:
    """Show a file that is in no commit as one that is new."""
    try:
        with (folder / name).open(encoding="utf-8", errors="replace") as file:
            text = file.read(MAX_DIFF_CHARACTERS + 1)
    except OSError:
        return ""
    if "\0" in text:
        return f"Binary files /dev/null and b/{name} differ\n"
    return "".join(_ended(difflib.unified_diff([], text.splitlines(keepends=True), "/dev/null", f"b/{name}")))


def _ended(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield line if line.endswith("\n") else f"{line}\n"


# -- Git ---------------------------------------------------------------------------------------------


def _top_of(folder: Path) -> Path | None:
    """Find the topmost folder of the checkout that a folder is in; None where it is in none."""
    return next((place for place in (folder, *folder.parents) if (place / ".git").exists()), None)


def forget_checkouts() -> None:
    """Ask Git anew from now on: a process that edits what it trains by is a test."""
    code_of.cache_clear()
    _checkout_at.cache_clear()


@functools.cache
def _checkout_at(top: Path) -> _Checkout:
    return _Checkout(top)


class _Checkout:
    """A checkout as it was when it was first asked about; files are named as seen from its top.

    Attributes:
        commit: that is checked out; empty where there is none, or it is unknown.
        fault: why Git says nothing more; empty while it answers.
    """

    def __init__(self, top: Path) -> None:
        """Ask nothing yet."""
        self._top, self.commit, self.fault = top, "", ""
        self._in_commit: set[str] | None = None
        self._listed: list[str] | None = None
        self._differences: dict[str, str] | None = None
        self._looked_at: set[str] = set()

    def begin(self, needed: Sequence[str]) -> None:
        """Ask for the commit, and which of some files it has, unless that was done."""
        if self._in_commit is not None:
            return
        self._in_commit = set()
        names = [name for name in dict.fromkeys(needed) if "\n" not in name and not name.startswith("../")]
        objects = ["HEAD", *(f"HEAD:{name}" for name in names)]
        answer = self._ask("cat-file", "--batch-check", given="".join(f"{one}\n" for one in objects))
        first, *others = answer.splitlines() or [""]
        digits, _, rest = first.partition(" ")
        if rest.startswith("commit "):
            self.commit = digits
            pairs = zip(names, others, strict=True)
            self._in_commit |= {name for name, line in pairs if not line.endswith(" missing")}

    def _ask(self, *arguments: str, given: str = "") -> str:
        if self.fault:
            return ""
        try:
            return ask_git(str(self._top), *arguments, given=given)
        except GitSilent as error:
            self.fault = masked(f"{error}, so that records name no commit of {self._top}")
            return ""

    def all_names(self) -> list[str]:
        """List all files that Git knows, those of submodules too."""
        if self._listed is None:
            self._listed = self._ask("ls-files", "-z", "--recurse-submodules").split("\0")[:-1]
        return self._listed

    def unknown(self, names: Sequence[str]) -> list[str]:
        """List those of some files that are not in the commit and were not added to it."""
        in_commit = self._in_commit or ()
        missing = [name for name in dict.fromkeys(names) if name not in in_commit]
        known = {*self.all_names()} if missing else ()
        return [name for name in missing if name not in known]

    def differences(self, needed: Sequence[str]) -> dict[str, str]:
        """Show what differs from the commit, by file: in code, in settings, and in the files that are needed."""
        unusual = [name for name in needed if not name.endswith(ENDINGS) and name not in self._looked_at]
        self._looked_at |= {*unusual}
        # Only these are looked at: there may be a million pictures beside them.
        paths = [f":(top,literal){name}" for name in unusual]
        if self._differences is None:
            self._differences = {}
            paths += [f":(top,glob)**/*{ending}" for ending in ENDINGS]
            paths += [f":(top,literal){name}" for name in self._submodules()]
        if paths:
            text = self._ask(*_DIFF, *paths)
            self._differences |= dict(_by_file(text))
        return self._differences

    def _submodules(self) -> list[str]:
        try:
            return _SUBMODULE.findall(
                (self._top / ".gitmodules").read_text(encoding="utf-8", errors="replace")
            )
        except OSError:
            return []


def _by_file(text: str) -> Iterator[tuple[str, str]]:
    """Part a diff into those of its files."""
    sections: dict[str, str] = {}
    for section in _SECTION.split(text):
        if (found := _HEADER.match(section)) is None:
            continue
        name = found["name"] or found["unmerged"] or found["absent"]
        name = _unquoted(name) if found["quote"] else name
        sections[name] = sections.get(name, "") + section  # a file that became a link is in two
    yield from sections.items()


def _unquoted(name: str) -> str:
    """Read a name as Git spells one with quotes, backslashes or control signs in it."""
    return _ESCAPED.sub(
        lambda found: chr(int(found[1], 8)) if found[1].isdigit() else _ESCAPES.get(found[1], found[1]), name
    )
