"""`init`: a first project that can be planned at once; it overwrites nothing."""

import pytest

from tablewright.orchestrator.project.first_project import begin_project
from tablewright.orchestrator.project.project import Project
from tablewright.orchestrator.project.study_files import study_names
from tablewright.orchestrator.project.study_loading import load_study


def test_a_first_project_can_be_loaded(tmp_path):
    """It has a study, and results are left out of Git."""
    written = begin_project(tmp_path / "new")
    assert {"spirals.py", ".gitignore"} == {path.name for path in written}
    project = Project(tmp_path / "new")
    (name,) = study_names(project)
    assert name == load_study(name, "demo", project).name


def test_nothing_is_overwritten(tmp_path):
    """What is there already is named; a list of ignored files is left as it is."""
    (tmp_path / ".gitignore").write_text("mine\n")
    begin_project(tmp_path)
    assert "mine\n" == (tmp_path / ".gitignore").read_text()
    with pytest.raises(ValueError, match=r"spirals\.py is there already; name another folder: init FOLDER"):
        begin_project(tmp_path)


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path):
    """In words, without a traceback."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(ValueError, match=r"init cannot write .*taken"):
        begin_project(tmp_path / "taken")
