"""The digest of a method's code: what is meant by a change, and what is none."""

import textwrap

import pytest

from tablewright.trainables.own.source import source_of

CODE = '''
"""What this file is for."""
import torch
from helper import scale

RATE = 0.1
UNUSED = 1


class Mine:
    lr: float = 0.05

    def is_fast(self):
        return self.lr > RATE


def inner(x):
    """Doc."""
    return scale(x) * 2


def measure(config, model, split):
    return {"top1": model}


METRICS = ["Top-1"]


@tw.method(Mine, metrics=METRICS, measure=measure)
def fit(config, run):
    # a comment
    return inner(config.lr)


def make_study(profile):
    return [RATE, UNUSED]
'''
HELPER = "def scale(x):\n    return x + 1\n\n\ndef other():\n    return 0\n"


@pytest.fixture
def project(tmp_path):
    """Writes the two files, with texts replaced, and gives the source of the method."""
    (tmp_path / "pyproject.toml").touch()

    def write(*changes, helper=HELPER, code=CODE):
        for before, after in changes:
            assert before in code
            code = code.replace(before, after)
        (tmp_path / "mine.py").write_text(code)
        (tmp_path / "helper.py").write_text(helper)
        return source_of(tmp_path / "mine.py", ["fit"], ["Mine"])

    return write


@pytest.mark.parametrize(
    "change",
    [
        ("    # a comment\n", "    # another\n\n"),
        ('    """Doc."""\n', ""),
        ('"""What this file is for."""', '"""Something else."""'),
        ("return scale(x) * 2", "return (scale(x)\n        * 2)"),
        ("UNUSED = 1", "UNUSED = 2"),
        ('METRICS = ["Top-1"]', 'METRICS = ["Top-1 (%)"]'),
        ("measure=measure)", "measure=measure, says='single crop')"),
        ("return [RATE, UNUSED]", "return [RATE, UNUSED, 'another row']"),
        (
            "lr: float = 0.05",
            "lr: float = 0.04",
        ),  # a value of the config, which the config's own comparison tells
    ],
)
def test_what_moves_no_number_changes_nothing(project, change):
    """Comments, layout, docstrings, what the functions do not refer to, and values that the config holds."""
    assert project() == project(change)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (("* 2", "* 3"), "mine.py: inner"),
        (("RATE = 0.1", "RATE = 0.2"), "mine.py: RATE"),
        (('{"top1": model}', '{"top1": -model}'), "mine.py: measure"),
        (("return self.lr > RATE", "return self.lr < RATE"), "mine.py: Mine"),
        (("def fit(config, run):", "def fit(config, run=None):"), "mine.py: fit"),
        (("import torch", "import torch as t"), None),  # nothing refers to it
        (("UNUSED = 1", "UNUSED = 1\nprint('at import')"), "mine.py: (what runs when it is imported)"),
    ],
)
def test_a_changed_definition_is_named(project, change, name):
    """That one alone, with its file."""
    before, after = project().definitions, project(change).definitions
    changed = {key for key in {*before, *after} if before.get(key) != after.get(key)}
    assert ({name} if name else set()) == changed
    assert (project().digest != project(change).digest) == bool(name)


def test_another_measuring_function_is_a_change(project):
    """By whichever name, or none."""
    after = project(("measure=measure", "measure=lambda config, model, split: {}"))
    assert project().definitions["mine.py: fit"] != after.definitions["mine.py: fit"]
    assert "mine.py: measure" not in after.definitions


def test_a_function_that_is_in_no_file_is_refused(tmp_path):
    """Nobody could say what was trained by it."""
    (tmp_path / "mine.py").write_text("other = 1\n")
    with pytest.raises(ValueError, match=r"fit is not defined there by that name"):
        source_of(tmp_path / "mine.py", ["fit"])


def test_modules_of_the_project_count_as_a_whole(project):
    """What is imported from beside her file is her code too; what is installed is not."""
    before = project()
    after = project(helper=HELPER.replace("x + 1", "x + 2"))
    assert {"helper.py: scale"} == {
        name for name in before.definitions if before.definitions[name] != after.definitions[name]
    }
    assert not any(name.startswith("torch") for name in before.definitions)


def test_packages_and_relative_imports_are_followed(tmp_path):
    """Down to the module that a package's file takes a function from."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "lab/nets").mkdir(parents=True)
    (tmp_path / "lab/__init__.py").write_text("")
    (tmp_path / "lab/nets/__init__.py").write_text("from .deep import build\n")
    (tmp_path / "lab/nets/deep.py").write_text("def build():\n    return 1\n")
    (tmp_path / "mine.py").write_text(
        textwrap.dedent("""
        def fit(config):
            from lab.nets import build

            return build()
        """)
    )
    found = source_of(tmp_path / "mine.py", ["fit"])
    assert {"mine.py: fit", "lab/nets/__init__.py: build", "lab/nets/deep.py: build"} == set(
        found.definitions
    )


def test_a_file_that_cannot_be_parsed_is_named_with_its_line(project):
    """Before anything is trained by it."""
    with pytest.raises(ValueError, match=r"helper\.py:1 cannot be parsed"):
        project(helper="def scale(x:\n")
