"""By which code a training is made: the commit of it, and the versions of the packages that it needs."""

from __future__ import annotations

import functools
import importlib.metadata
import inspect
import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tablewright.trainables.contract.method import HasSource, ImportsPackages, Trainable, TrainingConfig
from tablewright.trainables.contract.program import OURS, PRODUCT

RECORDED_PACKAGES = ("torch", "numpy", "pillow", "ray", "optuna", "mlflow")
"""Of any method; what a method of one's own imports beside is added."""
NO_VERSION = "no version"
"""Of a module that is imported from outside the project and belongs to no package that is installed."""
SHORT_COMMIT_DIGITS = 12
DIRTY = "-dirty"
COMMIT_NOTE = ".tablewright_commit"
"""File in a copy of a project that is outside its checkout: the commit, and the files that are in it."""


def versions_of(trainable: Trainable) -> dict[str, str]:
    """Give the versions of the packages that can change a number of a method, and this program's, by their names."""
    found = {name: importlib.metadata.version(name) for name in RECORDED_PACKAGES}
    modules = trainable.imported_modules() if isinstance(trainable, ImportsPackages) else ()
    for module in modules:
        packages = _packages_by_module().get(module, ())
        found |= {_plain(name): importlib.metadata.version(name) for name in packages} or {module: NO_VERSION}
    return {**found, PRODUCT: product_version()}


@functools.cache
def _packages_by_module() -> Mapping[str, Sequence[str]]:
    return importlib.metadata.packages_distributions()


def _plain(package: str) -> str:
    """Spell a package's name as package indexes do, whatever it calls itself."""
    return re.sub(r"[-_.]+", "-", package).lower()


def product_version() -> str:
    """Give this program's version, with the commit where it runs from a checkout: `0.1.0 (e28190f4f8ca)`."""
    try:
        version = importlib.metadata.version(PRODUCT)
    except importlib.metadata.PackageNotFoundError:
        version = "not installed"
    digits, dash, rest = git_commit().partition("-")
    return f"{version} ({digits[:SHORT_COMMIT_DIGITS]}{dash}{rest})" if digits else version


def commit_of(config: TrainingConfig) -> str:
    """Give the commit of the code that trains: of a method of one's own that of its own project."""
    trainable = config.make_trainable()
    if not isinstance(trainable, HasSource):
        file = Path(inspect.getfile(type(config))).resolve()
        is_ours = file.is_relative_to(OURS)
        return git_commit() if is_ours else git_commit(str(file.parent), (file.name,))
    files = dict.fromkeys(name.partition(": ")[0] for name in trainable.definitions())
    return git_commit(trainable.project_folder(), tuple(files))


@functools.cache
def git_commit(folder: str | None = None, files: tuple[str, ...] = ()) -> str:
    """Give the commit of the code, with `-dirty` behind it if it was edited; empty outside a checkout.

    Args:
        folder: in the checkout; None is this program's.
        files: that must be in the commit, relative to the folder; one that Git does not know makes it dirty too.
    """
    here = Path(__file__)
    where = folder or str(here.parent)
    if folder is None and _git(where, "ls-files", "--error-unmatch", "--", here.name) is None:
        return ""  # it is installed in a folder of somebody else's checkout
    note = Path(where) / COMMIT_NOTE
    if note.is_file():
        commit, known = json.loads(note.read_text(encoding="utf-8"))
        is_known = {*files} <= {*known}
    else:
        commit = _described(where)
        is_known = not files or _git(where, "ls-files", "--error-unmatch", "--", *files) is not None
    return commit if is_known or not commit or commit.endswith(DIRTY) else f"{commit}{DIRTY}"


def commit_note(folder: Path) -> str:
    """Say of a project what a copy of its files must know to be of the same commit."""
    known = _git(str(folder), "ls-files", "-z") or ""
    return json.dumps([_described(str(folder)), known.strip("\0").split("\0")])


def _described(folder: str) -> str:
    return _git(folder, "describe", "--always", f"--dirty={DIRTY}", "--abbrev=40", "--exclude=*") or ""


def _git(folder: str, *arguments: str) -> str | None:
    """Ask Git; None where it cannot answer."""
    try:
        found = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.decode().strip()
