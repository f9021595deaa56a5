"""What a record says of the code: by real checkouts of every kind."""

import importlib.util
import os
import shutil
import subprocess
import sys

import pytest
import torch  # noqa: F401 -- registers modules that have no file

from tablewright.orchestrator.code import git as git_module
from tablewright.orchestrator.code.checkout import (
    COMMIT_NOTE,
    MAX_DIFF_CHARACTERS,
    Code,
    code_of,
    commit_note,
    forget_checkouts,
)
from tablewright.orchestrator.store.store import Store
from tests.toy_studies import ROOT

IDENTITY = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "protocol.file.allow=always")
FILES = ("mine.py",)


@pytest.fixture(autouse=True)
def _asked_anew():
    forget_checkouts()
    yield
    forget_checkouts()


def git(folder, *words):
    """Run Git in a folder; gives what it prints."""
    done = subprocess.run(
        ["git", "-C", str(folder), *IDENTITY, *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit_all(folder):
    """Commit all files of a folder; gives the commit."""
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "one")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def project(tmp_path):
    """A project with a method, a library, settings, tests and documentation, not yet committed."""
    folder = tmp_path / "project"
    for name in (
        "mine.py",
        "lib/net.py",
        "conf/a.yaml",
        "tests/test_mine.py",
        "tests/a.yaml",
        "docs/conf.py",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("a: 1\n" if name.endswith("yaml") else "a = 1\n")
    git(tmp_path, "init", "-q", str(folder))
    return folder


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Every question to Git, by a program of that name that is first on PATH."""
    log, real = tmp_path / "asked.log", shutil.which("git")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/git"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {log}\n[ -e {tmp_path}/is_slow ] && exec sleep 60\nexec {real} "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return lambda: log.read_text().splitlines() if log.exists() else []


def imported(path, name, monkeypatch):
    """Import a file as a module."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)


# -- what makes a commit dirty -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "is_dirty"),
    [
        ("mine.py", True),
        ("conf/a.yaml", True),
        ("lib/net.py", False),
        ("tests/test_mine.py", False),
        ("tests/a.yaml", False),
        ("docs/conf.py", False),
    ],
)
def test_a_commit_is_dirty_by_what_trains_and_by_settings(project, name, is_dirty):
    """What was edited in other files, in tests or documentation moves no number; the diff is of the file alone."""
    commit = commit_all(project)
    (project / name).write_text("a = 2\n")
    (project / "docs/conf.py").write_text("b = 3\n")
    code = code_of(str(project), FILES)
    assert commit + "-dirty" * is_dirty == code.commit
    assert is_dirty == (f"+++ b/{name}" in code.diff)
    assert 1 * is_dirty == code.diff.count("diff --git ")


def test_a_copy_without_tests_and_other_folders_is_clean(project):
    """As a cluster gets it: what its maker left out was not read by a training."""
    commit = commit_all(project)
    for name in ("tests", "docs", "conf"):
        shutil.rmtree(project / name)
    (project / "mine.py").chmod(0o755)  # nor is a file another by its permissions
    assert Code(commit) == code_of(str(project), FILES)


@pytest.mark.slow
def test_this_program_as_ray_up_copies_it_is_clean_and_dirty_when_edited(tmp_path):
    """The folders of `cluster.yaml` and `.git`, and no others; where a method is edited, that is said."""
    copy, parts = (
        tmp_path / "copy",
        ("orchestrator", "trainables", "search_spaces", "tablewright", "sweep.py"),
    )
    whole = tmp_path / "whole"
    for part in parts:
        if (ROOT / part).is_file():
            shutil.copy(ROOT / part, whole / part)
        else:
            ignored = shutil.ignore_patterns("__pycache__", "*.xz", "data")
            shutil.copytree(ROOT / part, whole / part, symlinks=True, ignore=ignored)
    (whole / "tests").mkdir()
    (whole / "tests/test_a.py").touch()
    git(tmp_path, "init", "-q", str(whole))
    commit = commit_all(whole)
    copy.mkdir()
    for part in (*parts, ".git"):
        subprocess.run(["cp", "-r", whole / part, copy / part], check=True)
    ask = "from tablewright.orchestrator.code.provenance import git_commit; print(git_commit())"

    def commit_in_copy():
        return subprocess.run(
            [sys.executable, "-c", ask], cwd=copy, capture_output=True, text=True, check=True
        ).stdout.strip()

    assert commit == commit_in_copy()
    (copy / "trainables/mdpr.py").write_text((copy / "trainables/mdpr.py").read_text() + "\n# edited\n")
    assert f"{commit}-dirty" == commit_in_copy()


def test_an_imported_file_that_is_in_no_commit_makes_it_dirty(project, monkeypatch):
    """It is shown whole, as a file that is new; one that nobody imported is not."""
    commit = commit_all(project)
    (project / "new.py").write_text("b = 1\nc = 2")
    (project / "unused.py").write_text("")
    assert Code(commit) == code_of(str(project), FILES)
    imported(project / "new.py", "new_in_no_commit", monkeypatch)
    forget_checkouts()
    code = code_of(str(project), FILES)
    assert f"{commit}-dirty" == code.commit
    assert "--- /dev/null\n+++ b/new.py\n@@ -0,0 +1,2 @@\n+b = 1\n+c = 2\n" == code.diff


def test_modules_without_a_file_are_not_looked_for_where_one_stands(project, monkeypatch):
    """torch names some of its own by a file that there is nowhere; a worker that stands in the project is clean."""
    commit = commit_all(project)
    monkeypatch.chdir(project)
    assert "_ops.py" == sys.modules["torch.ops"].__file__
    assert Code(commit) == code_of(str(project), FILES)
    copy = project.parent / "copy"
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns(".git"))
    (copy / COMMIT_NOTE).write_text(commit_note(project))
    monkeypatch.chdir(copy)
    forget_checkouts()
    assert Code(commit) == code_of(str(copy), FILES)


def test_a_file_that_is_found_through_a_link_is_the_one_that_git_has(project):
    """As `tablewright/search_spaces` is one to the folder beside it, in a checkout and in a copy of it."""
    (project / "linked").symlink_to("lib")
    commit = commit_all(project)
    assert Code(commit) == code_of(str(project), ("linked/net.py",))
    copy = project.parent / "copy"
    shutil.copytree(project, copy, symlinks=True, ignore=shutil.ignore_patterns(".git"))
    (copy / COMMIT_NOTE).write_text(commit_note(project))
    assert Code(commit) == code_of(str(copy), ("linked/net.py",))
    (project / "lib/net.py").write_text("edited = 1\n")
    forget_checkouts()
    assert f"{commit}-dirty" == code_of(str(project), ("linked/net.py",)).commit


def test_an_added_file_is_shown_once(project):
    """One that waits to be committed differs from the commit, and Git knows it."""
    commit = commit_all(project)
    (project / "new.py").write_text("b = 1\n")
    git(project, "add", "new.py")
    code = code_of(str(project), ("mine.py", "new.py"))
    assert (f"{commit}-dirty", 1) == (code.commit, code.diff.count("+b = 1"))


@pytest.mark.parametrize("name", ["a b.py", "ä.py", 'quote".py', "tab\t.py", "[x]*.py", "run", "-x.py"])
def test_a_file_of_any_name_is_found(project, name):
    """Whatever Git would spell otherwise, or take for a pattern; of a script there may be no ending."""
    (project / name).write_text("a = 1\n")
    commit = commit_all(project)
    assert Code(commit) == code_of(str(project), (name,))
    (project / name).write_text("a = 2\n")
    forget_checkouts()
    code = code_of(str(project), (name,))
    assert (f"{commit}-dirty", True) == (code.commit, "+a = 2\n" in code.diff)


def test_a_library_beside_the_project_counts_and_settings_there_do_not(project):
    """A project may be a folder of a checkout whose other folders are its libraries."""
    (project / "sub").mkdir()
    (project / "sub/method.py").write_text("a = 1\n")
    commit = commit_all(project)
    files = ("method.py", "../lib/net.py")
    (project / "conf/a.yaml").write_text("a: 2\n")
    assert Code(commit) == code_of(str(project / "sub"), files)
    (project / "lib/net.py").write_text("a = 2\n")
    forget_checkouts()
    assert f"{commit}-dirty" == code_of(str(project / "sub"), files).commit


# -- kinds of checkouts ------------------------------------------------------------------------------


def test_worktrees_shallow_and_detached_checkouts_have_their_commit(project, tmp_path):
    """Each its own, and their edits."""
    first = commit_all(project)
    (project / "mine.py").write_text("a = 2\n")
    second = commit_all(project)
    git(project, "worktree", "add", "-q", "--detach", str(tmp_path / "worktree"), first)
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{project}", str(tmp_path / "shallow"))
    found = [code_of(str(tmp_path / name), FILES) for name in ("worktree", "shallow", "project")]
    assert [Code(first), Code(second), Code(second)] == found
    (tmp_path / "worktree/mine.py").write_text("a = 3\n")
    forget_checkouts()
    assert f"{first}-dirty" == code_of(str(tmp_path / "worktree"), FILES).commit


@pytest.mark.slow
def test_a_submodule_is_part_of_the_commit(project, tmp_path):
    """Its files are known by the commit that the project names, and are dirty where they are edited."""
    library = tmp_path / "library"
    library.mkdir()
    (library / "net.py").write_text("a = 1\n")
    git(tmp_path, "init", "-q", str(library))
    commit_all(library)
    git(project, "submodule", "--quiet", "add", str(library), "libs")
    commit, files = commit_all(project), ("mine.py", "libs/net.py")
    (project / "libs/cache.py").touch()  # in no commit, and not needed
    assert Code(commit) == code_of(str(project), files)
    (project / "libs/net.py").write_text("a = 2\n")
    forget_checkouts()
    code = code_of(str(project), files)
    assert (f"{commit}-dirty", 1) == (code.commit, code.diff.count("+a = 2"))
    commit_all(project / "libs")
    forget_checkouts()
    assert (f"{commit}-dirty", 1) == (code.commit, code_of(str(project), files).diff.count("+a = 2"))


def test_folders_without_a_commit_have_none_and_nothing_is_said(project, tmp_path):
    """A folder in no checkout, a bare repository, a checkout in which nothing was committed."""
    assert Code() == code_of(str(project), FILES)
    commit_all(project)
    git(tmp_path, "clone", "-q", "--bare", str(project), str(tmp_path / "bare"))
    (tmp_path / "folder").mkdir()
    assert [Code(), Code()] == [code_of(str(tmp_path / name), FILES) for name in ("bare", "folder")]


def test_git_that_cannot_be_asked_is_said_and_stops_nothing(project, tmp_path, monkeypatch):
    """It is not installed, or the copy of a worktree has lost what it was one of."""
    commit_all(project)
    monkeypatch.setenv("PATH", str(tmp_path))
    code = code_of(str(project), FILES)
    assert (
        Code(fault=f"Git is not installed on this machine, so that records name no commit of {project}")
        == code
    )
    monkeypatch.undo()
    (tmp_path / "lost").mkdir()
    (tmp_path / "lost/.git").write_text("gitdir: /no/where\n")
    code = code_of(str(tmp_path / "lost"), FILES)
    assert ("", True) == (code.commit, code.fault.startswith("Git refuses: fatal: not a git repository"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_checkout_of_another_user_is_unknown_until_it_is_trusted(project, tmp_path, monkeypatch):
    """Git refuses it, since it may name programs; variables that trust it reach Git."""
    commit = commit_all(project)
    subprocess.run(["chown", "-R", "12345:12345", project], check=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    code = code_of(str(project), FILES)
    assert ("", True) == (code.commit, "dubious ownership" in code.fault)
    forget_checkouts()
    for name, text in (("COUNT", "1"), ("KEY_0", "safe.directory"), ("VALUE_0", str(project))):
        monkeypatch.setenv(f"GIT_CONFIG_{name}", text)
    assert Code(commit) == code_of(str(project), FILES)


def test_another_checkout_that_a_hook_names_is_not_taken(project, tmp_path, monkeypatch):
    """Git tells a hook of its checkout by variables."""
    commit = commit_all(project)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path))
    assert Code(commit) == code_of(str(project), FILES)


# -- how often Git is asked, and how long ------------------------------------------------------------


def test_git_is_asked_twice_for_a_checkout_and_never_for_a_training(project, asked):
    """Once more where a file is not in the commit; never again, for however many methods."""
    (project / "other.py").touch()
    commit_all(project)
    begun = len(asked())
    for _ in range(3):
        code_of(str(project), FILES)
    assert 2 == len(asked()) - begun
    for name in ("other.py", "lib/net.py", "conf/a.yaml"):
        code_of(str(project), (name,))
    (project / "new.py").touch()
    code_of(str(project), ("new.py",))
    commit_note(project)
    assert 3 == len(asked()) - begun
    assert 5 >= len(asked()) - begun + 2  # those of this program's own checkout


def test_git_that_needs_too_long_is_said_once(project, asked, tmp_path, monkeypatch):
    """A training ends all the same, and names no commit, since nobody knows whether it differs."""
    commit_all(project)
    begun = len(asked())
    monkeypatch.setattr(git_module, "TIMEOUT_S", 0.2)
    (tmp_path / "is_slow").touch()
    found = [code_of(str(project), (name,)) for name in ("mine.py", "lib/net.py")]
    fault = f"Git gave no answer within 0.2 s, so that records name no commit of {project}"
    assert [Code(fault=fault)] * 2 == found
    assert 1 == len(asked()) - begun


# -- the diff ----------------------------------------------------------------------------------------


def test_a_diff_is_stored_once_as_git_shows_it_and_names_itself(project, tmp_path):
    """It can be applied to the commit, and gives what trained."""
    commit_all(project)
    (project / "mine.py").write_text("a = 2\n")
    shown = git(project, "diff", "HEAD") + "\n"
    store, code = Store(str(tmp_path / "runs")), code_of(str(project), FILES)
    names = {store.keep_diff(code) for _ in range(2)}
    (file,) = (tmp_path / "runs/provenance").iterdir()
    assert ({file.stem}, shown) == (names, file.read_text())
    git(project, "checkout", "-q", "mine.py")
    git(project, "apply", str(file))
    assert "a = 2\n" == (project / "mine.py").read_text()
    assert "" == store.keep_diff(Code("c" * 40))


def test_a_diff_has_no_secrets(project, monkeypatch):
    """Those of the environment, those that stand where passwords do, and those that are long and on several lines."""
    commit_all(project)
    monkeypatch.setenv("MY_PASSWORD", "env-5ecret-1")
    key = "-----BEGIN PRIVATE KEY-----\nMIIE5ecret\n-----END PRIVATE KEY-----"
    (project / "mine.py").write_text(
        f'a = "env-5ecret-1"\nurl = "https://me:url-5ecret@host"\nk = """{key}"""\n'
    )
    (project / "conf/a.yaml").write_text("password: yaml5ecret\n")
    (project / "new.py").write_text("t = 'ghp_new5ecret0123456789012'\n")
    diff = code_of(str(project), ("mine.py", "new.py")).diff
    assert ("5ecret" not in diff, 5) == (True, diff.count("…"))


@pytest.mark.slow
def test_an_enormous_diff_is_cut_and_said_to_be(project):
    """Of a file that is larger still, only that it differs is kept."""
    (project / "large.json").write_text("1\n")
    commit_all(project)
    (project / "mine.py").write_text("a = 12345678\n" * 300_000)
    (project / "large.json").write_text("[1, 2, 3, 4, 5, 6]\n" * 2**20)
    code = code_of(str(project), FILES)
    assert "Binary files a/large.json and b/large.json differ\n" in code.diff
    assert MAX_DIFF_CHARACTERS <= len(code.diff) < MAX_DIFF_CHARACTERS + 100
    assert code.diff.endswith("characters more are left out]\n")


def test_a_copy_on_another_machine_says_the_same(project, tmp_path):
    """Its commit, its diff, and why nothing is known."""
    commit_all(project)
    (project / "conf/a.yaml").write_text("a: 2\n")
    (project / "new.py").write_text("b = 1\n")
    copy = tmp_path / "copy"
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns(".git", "tests"))
    (copy / COMMIT_NOTE).write_text(commit_note(project))
    for files in (FILES, ("mine.py", "new.py")):
        assert code_of(str(project), files) == code_of(str(copy), files)
    (copy / COMMIT_NOTE).write_text(commit_note(tmp_path))
    forget_checkouts()
    assert Code() == code_of(str(copy), FILES)
