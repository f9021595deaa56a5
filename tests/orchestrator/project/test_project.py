"""A project of somebody's own: whatever its folders are called, its modules are found and ours are not hidden."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path
from textwrap import dedent

import pytest

from tablewright.orchestrator.code.checkout import COMMIT_NOTE, code_of
from tablewright.orchestrator.project.project import PARTS, Project, ProjectOnWorker
from tablewright.orchestrator.project.study_files import find_study_files, study_names
from tablewright.orchestrator.project.study_loading import load_study
from tablewright.orchestrator.settings import Settings
from tablewright.trainables.contract.program import OURS
from tests.toy_studies import ROOT

STUDY = '''"""Named by its file."""
import tablewright as tw
{imports}

class Sized(tw.Config):
    size: int = 1


def measure(config, model, split):
    return {{"top1": 0.5}}


@tw.method(Sized, metrics=[tw.Metric("top1", "Top-1")], measure=measure, data=tw.Data("None"))
def train(config):
    return config.size


def make_study():
    table = tw.Ablation("sizes", "Sizes", Sized(), [tw.Dataset("None")], [tw.Sweep("size", (1, 2))])
    return tw.Study("mine", "Mine", "mine", seeds=(0,), ablations=[table])
'''


def write(folder, name="mine", imports=""):
    (folder / "search_spaces").mkdir(exist_ok=True)
    (folder / f"search_spaces/{name}.py").write_text(STUDY.format(imports=imports))
    return Project(folder)


def run_python(folder, code):
    """Run code in a process of its own that stands in the folder; gives what it printed."""
    start = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
    process = subprocess.run(
        [sys.executable, "-c", start + dedent(code)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert 0 == process.returncode, process.stderr
    return process.stdout.strip()


@pytest.mark.slow
def test_studies_are_found_beside_the_built_in_ones(tmp_path):
    """By path, without an `__init__.py`; `all` stands for a project's own."""
    project = write(tmp_path)
    names = [file.name for file in find_study_files(project)]
    assert {"mine", "mdpr_ablation"} <= set(names)
    assert ["mine"] == study_names(project)
    study = load_study("mine", "demo", project)
    assert ("mine", None) == (study.name, study.profile)
    assert "demo" == load_study("mdpr_ablation", "demo", project).profile


@pytest.mark.slow
def test_a_profile_is_for_studies_that_have_profiles(tmp_path):
    """Nobody else is asked for published data, or told of demo data."""
    project = write(tmp_path)
    with pytest.raises(ValueError, match=r"^--profile is paper, and none of these studies has profiles"):
        Settings(("mine",), profile="paper", project=project).load_studies()
    settings = Settings(("mine",), project=project)
    assert not settings.is_demo_by_default(settings.load_studies())
    with pytest.raises(ValueError, match=r"^--profile paper needs the published data sets"):
        Settings(("mdpr_main",), profile="paper", project=project).load_studies()


def test_a_name_in_both_is_refused_with_both_paths(tmp_path):
    """Nothing says which is meant."""
    project = write(tmp_path, "mdpr_ablation")
    with pytest.raises(ValueError, match="two studies 'mdpr_ablation'") as caught:
        load_study("mdpr_ablation", "demo", project)
    assert str(tmp_path / "search_spaces/mdpr_ablation.py") in str(caught.value)
    assert "mdpr_main" == load_study("mdpr_main", "demo", project).name


def test_a_clone_has_the_built_in_studies_alone():
    """Its own `search_spaces/` is not found a second time."""
    files = find_study_files(Project(ROOT))
    assert all(file.is_built_in for file in files)
    assert len(files) == len({file.name for file in files})


def test_who_has_no_folder_of_studies_is_told_where_it_would_be(tmp_path):
    """An unknown name may be a study of hers that lies elsewhere."""
    with pytest.raises(ValueError, match=rf"Studies of your own are found in {tmp_path}/search_spaces"):
        load_study("mine", "demo", Project(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("has_start", [False, True])
def test_folders_of_any_name_hide_nothing_and_are_found(tmp_path, has_start):
    """A study imports from each, and all that runs a study goes on to be ours."""
    parts, imports = [*PARTS, "tests", "benchmarks", "examples"], []
    for part in parts:
        (tmp_path / part).mkdir()
        if has_start:
            (tmp_path / part / "__init__.py").write_text("from .net import WIDTH\n")
            imports.append(f"from {part} import WIDTH as OF_{part}")
        (tmp_path / part / "net.py").write_text("WIDTH = 7\n")
        imports.append(f"from {part}.net import WIDTH")
    write(tmp_path, imports="\n".join(imports))
    code = f"""
        from pathlib import Path
        from tablewright.orchestrator.project.project import Project
        from tablewright.orchestrator.project.study_loading import load_study
        study = load_study("mine", "demo", Project(Path.cwd()))
        import sys
        print(sys.modules["search_spaces.mine"].WIDTH, *(sys.modules[part].__path__[0] for part in {parts!r}))
        import tablewright.orchestrator.run, tablewright.reports.table_files, tablewright.trainables.mdpr
    """
    assert " ".join(["7", *(str(tmp_path / part) for part in parts)]) == run_python(tmp_path, code)


def test_studies_of_before_the_one_package_go_on_to_work(tmp_path):
    """Our parts are found by their former names, as the same modules; what is hers by such a name comes first."""
    (tmp_path / "trainables").mkdir()
    (tmp_path / "trainables/net.py").write_text("WIDTH = 7\n")
    imports = (
        "from orchestrator.declared.design import Row, Sweep\nfrom orchestrator.declared.study import Study\n"
        "from search_spaces.mdpr_ablation import base_config\nfrom trainables.retrieval.view import RetrievalView\n"
        "from trainables.net import WIDTH\nimport trainables.retrieval.ranking as ranking"
    )
    load_study("mine", "demo", write(tmp_path, imports=imports))
    import tablewright.orchestrator.declared.design
    import tablewright.trainables.retrieval.ranking
    import tablewright.trainables.retrieval.view as view

    module = sys.modules["search_spaces.mine"]
    assert tablewright.orchestrator.declared.design.Row is module.Row
    assert view.RetrievalView is module.RetrievalView
    assert tablewright.trainables.retrieval.ranking is module.ranking
    assert "tablewright.trainables.retrieval.ranking" == module.ranking.__spec__.name
    assert 7 == module.WIDTH


def test_another_project_takes_the_place_of_the_first(tmp_path):
    """A study of one is not taken for that of the other."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, imports=f"PLACE = {name!r}")
        load_study("mine", "demo", Project(tmp_path / name))
        assert name == sys.modules["search_spaces.mine"].PLACE
    assert str(tmp_path / "a") not in sys.path


def test_a_slip_is_named_in_the_file_that_it_is_in(tmp_path):
    """In a module that the study imports, not in the line that imports it."""
    (tmp_path / "digits_cnn.py").write_text("import math\n\nWIDTH = math.pie\n")
    project = write(tmp_path, imports="import digits_cnn")
    with pytest.raises(ValueError, match=r"^digits_cnn\.py:3: AttributeError"):
        load_study("mine", "demo", project)
    (tmp_path / "digits_cnn.py").write_text("def (\n")
    with pytest.raises(ValueError, match=r"^digits_cnn\.py:1: SyntaxError"):
        load_study("mine", "demo", project)


def test_source_files_are_packed_and_nothing_else(tmp_path):
    """No data, no results, no environment, nothing hidden."""
    write(tmp_path)
    for name in ("src/net.py", "conf/a.yaml", "train.sh"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x = 1")
    for name in (
        "runs/store.json",
        "runs/trainings/a/record.json",
        "env/pyvenv.cfg",
        "env/lib/x.py",
        ".git/x.py",
        "a.npy",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "large.json").write_bytes(b" " * (2**20 + 1))
    packed = zipfile.ZipFile(io.BytesIO(Project(tmp_path).pack()))
    assert [COMMIT_NOTE, "conf/a.yaml", "search_spaces/mine.py", "src/net.py", "train.sh"] == sorted(
        packed.namelist()
    )


def test_a_worker_enters_a_copy_where_the_folder_is_not_there(tmp_path):
    """Its studies are found in it, by the same names; a second worker takes the same copy."""
    project = tmp_path / "project"
    project.mkdir()
    write(project, imports="import helper")
    (project / "helper.py").write_text("")
    packed = Project(project).pack()
    project.rename(tmp_path / "elsewhere")
    for _ in range(2):
        ProjectOnWorker(str(project), packed).enter(str(tmp_path / "cache"))
        (copy,) = (tmp_path / "cache/projects").iterdir()
        assert str(copy) == sys.path[0]
        assert ["mine"] == study_names(Project(copy))
    assert "mine" == load_study("mine", "demo", Project(copy)).name


def test_a_copy_on_another_machine_is_of_the_same_commit(tmp_path):
    """With the same word on what is not in it, though no checkout is there."""
    project, cache = tmp_path / "project", tmp_path / "cache"
    project.mkdir()
    write(project)
    (project / "new.py").write_text("")
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "search_spaces"], [*identity, "commit", "-qm", "first"]):
        subprocess.run(["git", "-C", project, *command], check=True)
    expected = [code_of(str(project), files).commit for files in (("search_spaces/mine.py",), ("new.py",))]
    packed = Project(project).pack()
    project.rename(tmp_path / "elsewhere")
    ProjectOnWorker(str(project), packed).enter(str(cache))
    (copy,) = (cache / "projects").iterdir()
    found = [code_of(str(copy), files).commit for files in (("search_spaces/mine.py",), ("new.py",))]
    assert expected == found
    assert [False, True] == [commit.endswith("-dirty") for commit in found]


def test_what_would_be_sent_has_a_bound(tmp_path, monkeypatch):
    """A home folder is not taken for a project."""
    monkeypatch.setattr("tablewright.orchestrator.project.project.MAX_PACKED_BYTES", 10)
    write(tmp_path)
    with pytest.raises(ValueError, match="too much to be sent to the machines of a cluster"):
        Project(tmp_path).pack()


def test_the_parts_lie_where_they_are_said_to():
    """The names that are kept for ours are those of folders of ours."""
    assert all((OURS / part).is_dir() for part in PARTS)


def test_all_is_refused_where_there_is_no_project(tmp_path):
    """It is not taken for every table of the five papers; a project above is named."""
    write(tmp_path)
    (tmp_path / "below").mkdir()
    with pytest.raises(ValueError, match=rf"'all' stands for .* there is one in {tmp_path}: go there"):
        study_names(Project(tmp_path / "below"))
    assert "mdpr_main" in study_names(Project(ROOT))


@pytest.mark.parametrize("name", ["search_spaces", "mine.py", "."])
def test_a_path_in_the_place_of_a_name_is_told(tmp_path, name):
    """It is the most natural mistake."""
    with pytest.raises(ValueError, match=r"A study is named as its file, without search_spaces/ and \.py"):
        load_study(name, "demo", write(tmp_path))


def test_a_worker_stands_in_the_project(tmp_path, monkeypatch):
    """Paths in her code mean the same there as where the command was given."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p").mkdir()
    write(tmp_path / "p")
    ProjectOnWorker(str(tmp_path / "p")).enter("")
    assert tmp_path / "p" == Path.cwd()
