"""The files of studies: found, listed and built, with every slip named by file and line."""

import pytest

from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.project.project import Project
from tablewright.orchestrator.project.study_files import find_study_files, study_names
from tablewright.orchestrator.project.study_loading import load_study

CONFIG_CLASS = """from tests.toy_method import ToyConfig
class MyConfig(ToyConfig):
    {field}
"""
MAKE_CONFIG = """from tests.toy_method import ToyConfig

def make_study(profile):
    return {config}
"""


def test_an_unknown_study_suggests_the_nearest():
    """A misspelt study is answered with the one that was meant."""
    name = study_names()[0]
    with pytest.raises(ValueError, match=f"Did you mean '{name}'"):
        load_study(name[:-1] + "x", "demo")


@pytest.fixture
def study_files(tmp_path):
    """The studies of a project, whose files a test writes."""
    folder = tmp_path / "search_spaces"
    folder.mkdir()
    return folder


def own_titles(folder):
    files = find_study_files(Project(folder.parent))
    return {file.name: file.title for file in files if not file.is_built_in}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def make_study(profile)\n    pass\n", r"search_spaces/slip\.py:1: SyntaxError: .*make_study"),
        ("import nothing_like_it\n", r"slip\.py:1: ModuleNotFoundError: .*nothing_like_it"),
        ("def make_study(profile):\n    return Ablation()\n", r"slip\.py:2: NameError: .*Ablation"),
        ("", r"slip\.py declares no study"),
        ("x = 1\0", r"search_spaces/slip\.py: SyntaxError: .*null"),
        (
            "def make_study(): pass\n",
            r"slip\.py: make_study must return a Study; it returned None",
        ),
        (
            "def make_study(profile, scale): pass\n",
            r"slip\.py: make_study is a function of nothing, or of the profile alone; write def make_study",
        ),
        ("make_study = 3\n", r"slip\.py: make_study is a function of nothing, or of the profile alone"),
        ("def my_study(): pass\n", r"slip\.py declares no study; define make_study.* \(it has my_study\)"),
        (
            "def make_study(profile): raise SystemExit\n",
            r"slip\.py:1: this line ends the program; raise ValueError",
        ),
        (
            "def make_study(profile):\n    assert not profile\n",
            r"slip\.py:2: AssertionError in 'assert not profile'",
        ),
        (
            "import json\ndef make_study(profile): json.loads('{')\n",
            r"slip\.py:2: it is no JSON at line 1 column 2",
        ),
        (
            "from pydantic import TypeAdapter\ndef make_study(profile): TypeAdapter(int).validate_python('a')\n",
            r"slip\.py:2: int is refused:\n  - another value is needed; got 'a'",
        ),
        (
            "from tablewright.orchestrator.declared.study import Study\ndef make_study(profile): return Study\n",
            r"must return a Study; it returned the class Study, not one of it",
        ),
        ("def make_study(profile):\n    return 3\n", r"must return a Study; it returned int"),
        (
            "from tablewright.orchestrator.declared.study import Study\n\ndef make_study(profile):\n"
            "    return Study('slip', 'S', 'mine', ())\n",
            r"slip\.py:4: Study 'slip' is refused:\n.*at least one seed",
        ),
        (
            "import tablewright as tw\n\n\ndef make_study(profile):\n    return tw.Row('a', view_=None)\n",
            r"slip\.py:5: Row 'a' is refused:\n  - view_: Row has no such field; did you mean 'view'\?",
        ),
    ],
)
def test_a_slip_in_a_studys_file_is_named_by_file_and_line(study_files, source, message):
    """A person sees where to look, not forty lines of ours."""
    (study_files / "slip.py").write_text(source)
    with pytest.raises(ValueError, match=message):
        load_study("slip", Profile.DEMO, Project(study_files.parent))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            MAKE_CONFIG.format(config="ToyConfig(learning_rat=0.1, epochs=8.0)"),
            r"slip\.py:4: ToyConfig is refused:\n"
            r"  - epochs: a whole number is needed; got 8\.0\n"
            r"  - learning_rat: ToyConfig has no such field; did you mean 'learning_rate'\?",
        ),
        (
            MAKE_CONFIG.format(config="ToyConfig(network={'attention': {'guidance': 'yes'}})"),
            r"slip\.py:4: .*\n  - network\.attention\.guidance: True or False is needed; got 'yes'",
        ),
        (
            MAKE_CONFIG.format(config="ToyConfig().model_copy(update={'sed': 3})"),
            r"slip\.py:4: .*\n  - sed: ToyConfig has no such field; did you mean 'seed'",
        ),
        (
            MAKE_CONFIG.format(config="ToyConfig.model_validate_json('{')"),
            r"slip\.py:4: .*\n  - it is no JSON at line 1 column 1",
        ),
        (
            CONFIG_CLASS.format(field="widths: list[int] = [64, 128]"),
            r"slip\.py:2: The class MyConfig is refused:\n  - widths: list\[int\] .* write tuple\[int, \.\.\.\]",
        ),
        (
            "from pydantic import BaseModel\n\nclass Mine(BaseModel):\n    width: int\n\n"
            "def make_study(profile):\n    return Mine(width='a')\n",
            r"slip\.py:7: Mine is refused:\n  - width: another value is needed; got 'a'",
        ),
        (CONFIG_CLASS.format(field="width = 64"), r"slip\.py:2: width has a value and no type; write one"),
    ],
)
def test_no_words_of_a_dependency_reach_a_person(study_files, source, message):
    """A config that is built wrongly is told as a declaration is, with the place in the study's file."""
    (study_files / "slip.py").write_text(source)
    with pytest.raises(ValueError, match=message) as caught:
        load_study("slip", Profile.DEMO, Project(study_files.parent))
    assert "pydantic" not in str(caught.value)
    assert "Input should" not in str(caught.value)


def test_a_misspelt_profile_is_refused(study_files):
    """It is not taken for one of the two."""
    (study_files / "whole.py").write_text("")
    with pytest.raises(
        ValueError, match="a profile is one of 'demo', 'paper'; got 'dmeo'; did you mean 'demo'"
    ):
        load_study("whole", "dmeo", Project(study_files.parent))


def test_one_unreadable_file_does_not_hide_the_other_studies(study_files):
    """The list of studies names the broken one and goes on."""
    (study_files / "broken.py").write_text('"""Broken."""\ndef (\n')
    (study_files / "binary.py").write_bytes(b"\0")
    (study_files / "whole.py").write_text('"""A whole one, é."""\n', encoding="utf-8")
    titles = own_titles(study_files)
    assert "A whole one, é." == titles["whole"]
    assert "cannot be read: " in titles["binary"]
    assert "cannot be read: line 2" in titles["broken"]


def test_the_beginning_of_a_name_suggests_what_begins_so():
    """`mdpr` means the studies of MDPR."""
    with pytest.raises(ValueError, match="'mdpr_ablation' or 'mdpr_main'"):
        load_study("mdpr", Profile.DEMO)


@pytest.mark.parametrize("name", ["my-study", "my study", "Mine", "con", "all"])
def test_a_file_that_no_study_can_be_named_by_is_to_be_renamed(study_files, name):
    """Naming the study as its file would be refused in turn."""
    (study_files / f"{name}.py").touch()
    with pytest.raises(
        ValueError, match=rf"search_spaces/{name}\.py: a study has the name of its file, and .* rename"
    ):
        load_study(name, Profile.DEMO, Project(study_files.parent))


def test_a_link_that_leads_nowhere_does_not_hide_the_other_studies(study_files):
    """The list says of it that it cannot be read."""
    (study_files / "sound.py").write_text('"""Sound."""\n')
    (study_files / "lost.py").symlink_to(study_files / "nowhere.py")
    (study_files / "parts").mkdir()
    (study_files / "parts/__init__.py").touch()
    titles = own_titles(study_files)
    assert {"lost", "sound"} == set(titles)
    assert "Sound." == titles["sound"]
    assert titles["lost"].startswith("(cannot be read: there is no file of this name, or a link")
    with pytest.raises(ValueError, match=r"search_spaces/lost\.py: ModuleNotFoundError"):
        load_study("lost", Profile.DEMO, Project(study_files.parent))
