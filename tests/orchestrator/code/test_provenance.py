"""By which code a record says that it was made."""

import importlib.metadata
import shutil
import subprocess
import sys

import pytest

from tablewright.orchestrator.code.checkout import code_of, forget_checkouts
from tablewright.orchestrator.code.provenance import (
    NO_VERSION,
    RECORDED_PACKAGES,
    product_version,
    versions_of,
)
from tests.toy_method import ToyTrainable
from tests.toy_studies import ROOT


class Importing(ToyTrainable):
    """A method that imports what it is told."""

    def __init__(self, *modules):
        self._modules = modules

    def imported_modules(self):
        return self._modules


@pytest.mark.slow
def test_packages_are_recorded_under_their_own_names():
    """Those that are imported by another name too; a module that is of none is said to be so."""
    before = versions_of(ToyTrainable())
    assert {*RECORDED_PACKAGES, "tablewright"} == {*before}
    added = dict(versions_of(Importing("yaml", "PIL", "mine_alone")).items() - before.items())
    assert {"pyyaml": importlib.metadata.version("PyYAML"), "mine_alone": NO_VERSION} == added


@pytest.mark.slow
def test_a_package_is_found_by_the_module_that_it_installs(tmp_path, monkeypatch):
    """scikit-learn is imported as sklearn; its name is spelt as package indexes do."""
    information = tmp_path / "Scikit_Learn-1.5.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: Scikit_Learn\nVersion: 1.5\n")
    (information / "top_level.txt").write_text("sklearn\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    from tablewright.orchestrator.code import provenance

    provenance._packages_by_module.cache_clear()
    try:
        assert "1.5" == versions_of(Importing("sklearn"))["scikit-learn"]
    finally:
        provenance._packages_by_module.cache_clear()


@pytest.mark.slow
def test_the_commit_is_not_that_of_a_checkout_around_an_installed_program(tmp_path):
    """Installed in an environment that lies in somebody's project, it has a version and no commit."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "a").touch()
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "add", "a"], check=True)
    subprocess.run([*git, "commit", "-qm", "a"], check=True)
    for name in ("orchestrator", "trainables"):
        shutil.copytree(
            ROOT / name, tmp_path / "env/tablewright" / name, ignore=shutil.ignore_patterns("*.xz", "data")
        )
    (tmp_path / "env/tablewright/__init__.py").touch()
    code = "from tablewright.orchestrator.code import provenance as p; print(p.__file__, p.product_version())"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "env", capture_output=True, text=True, check=True
    )
    file, version = found.stdout.split()
    assert (
        str(tmp_path / "env/tablewright/orchestrator/code/provenance.py"),
        product_version().partition(" ")[0],
    ) == (
        file,
        version,
    )


def test_a_commit_that_lacks_a_file_of_the_method_is_dirty(tmp_path):
    """A caption never names a commit that does not contain what trained; neither does one that was edited since."""

    def git(*arguments):
        subprocess.run(
            ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *arguments], check=True
        )

    git("init", "-q")
    (tmp_path / "mine.py").write_text("a = 1\n")
    git("add", "mine.py")
    git("commit", "-qm", "one")
    clean = code_of(str(tmp_path), ("mine.py",)).commit
    assert (40, False) == (len(clean), clean.endswith("-dirty"))
    (tmp_path / "new.py").write_text("b = 1\n")
    assert f"{clean}-dirty" == code_of(str(tmp_path), ("mine.py", "new.py")).commit
    (tmp_path / "mine.py").write_text("a = 2\n")
    forget_checkouts()
    assert f"{clean}-dirty" == code_of(str(tmp_path), ("mine.py",)).commit
