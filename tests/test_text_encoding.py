"""Text files are UTF-8 on every machine, whatever its locale."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.toy_studies import ROOT, write_project

FOLDERS = ("benchmarks", "orchestrator", "reports", "search_spaces", "trainables")
SOURCES = [
    ROOT / "sweep.py",
    *sorted((ROOT / "tablewright/command").glob("*.py")),
    *(path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))),
]
OPENERS = ("open", "fdopen", "TemporaryFile", "NamedTemporaryFile")
OTHER_OPENS = ("Image", "os", "tarfile")
"""Modules whose `open` is of something else than text."""
ASCII_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "utf-8"}
"""A machine that reads and writes files as ASCII; what is printed goes elsewhere, and is not what is tested."""


def faults_of(source: str) -> Iterator[int]:
    """Give the lines of calls that read or write text in the encoding of the locale."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        owner, _, called = ast.unparse(node.func).rpartition(".")
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        constants = [
            str(item.value) for item in [*node.args, *given.values()] if isinstance(item, ast.Constant)
        ]
        is_binary = any(set(text) <= set("rwxab+") and "b" in text for text in constants)
        opens = called in OPENERS and not is_binary and (owner not in OTHER_OPENS or called == "fdopen")
        reads = called == "read_text" and not node.args
        writes = called == "write_text" and len(node.args) < 2
        runs = any(name in given for name in ("text", "universal_newlines"))
        if (opens or reads or writes or runs) and "encoding" not in given:
            yield node.lineno


@pytest.mark.parametrize(
    ("call", "is_fault"),
    [
        ("path.read_text()", True),
        ("path.write_text(text)", True),
        ("path.read_text(encoding='utf-8')", False),
        ("path.open()", True),
        ("path.open('a')", True),
        ("path.open(newline='')", True),
        ("path.open('rb')", False),
        ("filesystem.open(name, 'rb')", False),
        ("tempfile.TemporaryFile('w+')", True),
        ("open(name, 'w')", True),
        ("open(name, mode)", True),
        ("open(name, 'wb')", False),
        ("os.fdopen(descriptor, 'w')", True),
        ("os.open(name, flags)", False),
        ("tarfile.open(name)", False),
        ("subprocess.run(command, text=True)", True),
        ("subprocess.run(command, text=True, encoding='utf-8')", False),
        ("subprocess.run(command, capture_output=True)", False),
    ],
)
def test_a_call_in_the_locales_encoding_is_found(call: str, is_fault: bool):
    """Every way to read or write text is known to the test below."""
    assert is_fault == bool(list(faults_of(call)))


@pytest.mark.slow
@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_text_is_read_and_written_as_utf_8(path: Path):
    """No file of ours leaves the encoding of a text to the machine."""
    assert [] == list(faults_of(path.read_text(encoding="utf-8")))


def run_in_ascii(folder: Path, *arguments: str) -> tuple[int, str]:
    process = subprocess.run(
        [sys.executable, "sweep.py", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120", **ASCII_LOCALE},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    return process.returncode, process.stdout


@pytest.mark.slow
def test_studies_are_read_and_tables_written_in_any_locale(tmp_path: Path):
    """Letters beyond ASCII in a study's file come whole into the list of studies and into every table."""
    write_project(tmp_path, rows='[Row("λ = 1 ✓"), Row("λ = ½", {"learning_rate": 0.2})]')
    study = tmp_path / "search_spaces/toy.py"
    text = study.read_text(encoding="utf-8").replace("A toy study", "Weights λ ✓").replace('"rate"', '"λ"')
    study.write_text(text, encoding="utf-8")
    code, printed = run_in_ascii(tmp_path)
    assert (0, True) == (code, "Weights λ ✓" in printed)
    code, printed = run_in_ascii(tmp_path, "toy", "--report")
    assert 1 == code, printed  # nothing is trained yet
    tables = tmp_path / "runs/tables/demo/toy"
    for name in ("rates.md", "rates.html"):
        written = (tables / name).read_text(encoding="utf-8")
        assert all(label in written for label in ("λ = 1 ✓", "λ = ½", "—"))
    latex = (tables / "rates.tex").read_text(encoding="utf-8")
    assert r"{\ensuremath{\lambda}} = 1 \checkmark{}" in latex


READ_CUB = """
from tablewright.trainables.data.fine_grained import load_fine_grained
try:
    print(load_fine_grained("cub200", "data", "cache").split_fingerprints["train"])
except ValueError as error:
    print(ascii(str(error)))
"""


def read_cub(folder: Path, **environment: str) -> str:
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], **environment}
    command = [sys.executable, "-c", READ_CUB]
    process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return process.stdout.strip()


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """A data set whose files have letters beyond ASCII in their names."""
    root = tmp_path / "data/CUB_200_2011"
    names = ["001.Älster/ä_1.jpg", "001.Älster/ä_2.jpg"]
    for name in names:
        (root / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "images" / name).touch()
    lists = {
        "classes.txt": "1 001.Älster\n",
        "images.txt": "".join(f"{number} {name}\n" for number, name in enumerate(names, 1)),
        "image_class_labels.txt": "1 1\n2 1\n",
        "train_test_split.txt": "1 1\n2 0\n",
    }
    for name, text in lists.items():
        (root / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_a_data_set_has_one_fingerprint_in_every_locale(birds: Path):
    """Where names of files are read as UTF-8 it is the same; elsewhere they are refused, not read as another text."""
    fingerprint = read_cub(birds, LC_ALL="C.UTF-8")
    assert 64 == len(fingerprint)
    assert fingerprint == read_cub(birds, LC_ALL="C", PYTHONUTF8="1")
    told = read_cub(birds, **ASCII_LOCALE)
    assert "2 images have letters beyond ASCII in their names" in told
    assert "read as ascii here; set PYTHONUTF8=1 and run the same command again" in told
    assert "listed and not there" not in told


@pytest.mark.slow
def test_a_name_that_is_no_utf_8_is_refused(birds: Path):
    """A file that Latin-1 named cannot stand in a fingerprint; which one it is, is told."""
    (birds / "data/CUB_200_2011/images/x").mkdir()
    Path(os.fsdecode(bytes(birds / "data/CUB_200_2011/images/x") + b"/\xe4.jpg")).touch()
    told = read_cub(birds, LC_ALL="C.UTF-8")
    assert "1 images have letters beyond ASCII in their names" in told
    assert "the name is no UTF-8; rename it" in told


@pytest.mark.slow
def test_a_store_is_refused_where_its_name_cannot_be_read(tmp_path: Path):
    """Databases and records would have another name for it than the folder has."""
    write_project(tmp_path)
    code, printed = run_in_ascii(tmp_path, "toy", "--plan", "--store", "störe")
    assert 2 == code, printed
    assert "and names of files are read as ascii here; set PYTHONUTF8=1" in " ".join(printed.split())
