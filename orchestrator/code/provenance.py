"""By which code a training is made: the commit of it, and the versions of the packages that it needs."""

from __future__ import annotations

import functools
import importlib.metadata
import inspect
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tablewright.orchestrator.code.checkout import COMMIT_NOTE, Code, code_of
from tablewright.trainables.contract.method import HasSource, ImportsPackages, Trainable, TrainingConfig
from tablewright.trainables.contract.program import OURS, PRODUCT

RECORDED_PACKAGES = ("torch", "numpy", "pillow", "ray", "optuna", "mlflow")
"""Of any method; what a method of one's own imports beside is added."""
NO_VERSION = "no version"
"""Of a module that is imported from outside the project and belongs to no package that is installed."""
SHORT_COMMIT_DIGITS = 12


def versions_of(trainable: Trainable) -> dict[str, str]:
    """Give the versions of the packages that can change a number of a method, and this program's, by their names."""
    found = {name: _installed_version(name) for name in RECORDED_PACKAGES}
    modules = trainable.imported_modules() if isinstance(trainable, ImportsPackages) else ()
    for module in modules:
        packages = _packages_by_module().get(module, ())
        found |= {_plain(name): _installed_version(name) for name in packages} or {module: NO_VERSION}
    return {**found, PRODUCT: product_version()}


@functools.cache
def _installed_version(package: str) -> str:
    """Give a package's version: what has been imported stays what it is, and to read seven takes 40 ms a training."""
    return importlib.metadata.version(package)


@functools.cache
def _packages_by_module() -> Mapping[str, Sequence[str]]:
    return importlib.metadata.packages_distributions()


def _plain(package: str) -> str:
    """Spell a package's name as package indexes do, whatever it calls itself."""
    return re.sub(r"[-_.]+", "-", package).lower()


def product_version() -> str:
    """Give this program's version, with the commit where it runs from a checkout: `0.1.0 (e28190f4f8ca)`.

    An image has no checkout; the commit that it was built from is said to be that: `0.1.0 (image of e28190f4f8ca)`.
    """
    try:
        version = _installed_version(PRODUCT)
    except importlib.metadata.PackageNotFoundError:
        version = "not installed"
    digits, dash, rest = git_commit().partition("-")
    source = "image of " if (OURS / COMMIT_NOTE).is_file() else ""
    return f"{version} ({source}{digits[:SHORT_COMMIT_DIGITS]}{dash}{rest})" if digits else version


def code_that_trains(config: TrainingConfig) -> Code:
    """Give the code that trains: of a method of one's own that of its own project."""
    trainable = config.make_trainable()
    if not isinstance(trainable, HasSource):
        file = Path(inspect.getfile(type(config))).resolve()
        is_ours = file.is_relative_to(OURS)
        return code_of() if is_ours else code_of(str(file.parent), (file.name,))
    files = dict.fromkeys(name.partition(": ")[0] for name in trainable.definitions())
    return code_of(trainable.project_folder(), tuple(files))


def git_commit() -> str:
    """Give the commit of this program; see `Code.commit`."""
    return code_of().commit
