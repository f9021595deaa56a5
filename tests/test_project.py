"""The project's own files: every dependency declared and pinned, and a Makefile that hides no failure."""

from __future__ import annotations

import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.test_import_rules import RULES

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DISTRIBUTION_OF = {
    "grpc": "grpcio",
    "yaml": "pyyaml",
    "PIL": "pillow",
}  # where the import's name is not the package's
TARGETS = ("demo", "test", "check", "bench", "real", "clean")


def read_pins() -> dict[str, Version]:
    """The pinned version of each package."""
    pins: dict[str, Version] = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, version = line.split("==")
            pins[canonicalize_name(name)] = Version(version)
    return pins


def declared(*extras: str) -> list[Requirement]:
    """What pyproject.toml asks for, with these extras."""
    lines = [*PROJECT["dependencies"]]
    for extra in extras:
        lines += PROJECT["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


def installed_needs(requirements: list[Requirement]) -> dict[str, Version]:
    """Each installed package that these need, theirs included, with its version.

    torch's CUDA packages are left out: its build pins them itself.
    """
    versions: dict[str, Version] = {}
    seen: set[tuple[str, str]] = set()
    queue = [(requirement, extra) for requirement in requirements for extra in ("", *requirement.extras)]
    while queue:
        requirement, extra = queue.pop()
        name = canonicalize_name(requirement.name)
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        found = distribution(name)
        versions[name] = Version(found.version)
        for line in found.requires or []:
            need = Requirement(line)
            is_needed = need.marker is None or need.marker.evaluate({"extra": extra})
            is_pinned_by_torch = name == "torch" and str(need.specifier).startswith("==")
            if is_needed and not is_pinned_by_torch:
                queue += [(need, inner) for inner in ("", *need.extras)]
    return versions


@pytest.mark.slow
def test_every_needed_package_is_pinned_at_the_version_that_is_tested() -> None:
    """The versions in this environment are those of constraints.txt, down to the last dependency."""
    pins = read_pins()
    differ = {
        name: (str(pins.get(name)), version.public)
        for name, version in installed_needs(declared("dev")).items()
        if pins.get(name) != Version(version.public)
    }
    assert {} == differ


def test_every_declared_range_admits_its_pin() -> None:
    """pyproject.toml and constraints.txt can be met together, the AWS extra included."""
    pins = read_pins()
    unmet = [
        str(requirement)
        for requirement in declared(*PROJECT["optional-dependencies"])
        if pins.get(canonicalize_name(requirement.name)) not in requirement.specifier
    ]
    assert [] == unmet


def test_what_the_code_imports_is_declared() -> None:
    """No package is imported only because another one happens to bring it."""
    names = {canonicalize_name(requirement.name) for requirement in declared("cuhk03")}
    imported = {name for rule in RULES.values() for name in (*rule.outside, *rule.only_in)}
    assert set() == {DISTRIBUTION_OF.get(name, name) for name in imported} - names


@pytest.mark.parametrize("name", ["torchvision", "timm", "opencv-python", "opencv-python-headless"])
def test_what_does_not_fit_the_pins_is_absent(name: str) -> None:
    """The packages that clash with the pinned torch, or that nothing needs, are not installed."""
    with pytest.raises(PackageNotFoundError):
        distribution(name)


@pytest.mark.parametrize("target", TARGETS)
def test_every_promised_target_exists(target: str) -> None:
    """`make TARGET` is known, and has something to do."""
    process = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (0, "") == (process.returncode, process.stderr)
    assert "Nothing to be done" not in process.stdout


@pytest.mark.parametrize("file", ["Makefile", ".ci/run"])
def test_no_check_is_allowed_to_fail(file: str) -> None:
    """Nothing turns a failure into a success."""
    text = (ROOT / file).read_text()
    assert [] == [word for word in ("|| true", "|| :", "set +e", "--exit-zero") if word in text]


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("bench_*.py")), ids=lambda path: path.stem)
def test_a_benchmark_finds_what_it_shares_when_it_is_run_from_the_command_line(path: Path) -> None:
    """Python looks beside the file alone, and the tests and the other benchmarks are not installed."""
    text = path.read_text(encoding="utf-8")
    if "from tests." in text or "from benchmarks." in text:
        assert "sys.path" in text or '"PYTHONPATH": str(ROOT)' in text


def test_an_older_python_is_refused_by_name() -> None:
    """With a Python that is too old the first target says which one is needed, and makes nothing."""
    process = subprocess.run(
        ["make", "--always-make", "VENV=does-not-exist", "PYTHON=", "does-not-exist/bin/pip"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 2 == process.returncode
    assert "Python 3.11 or newer is needed" in process.stderr
    assert not (ROOT / "does-not-exist").exists()
