"""clusters/Dockerfile: made of all that a sweep needs, pinned, without root, and of a commit that records name."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib

import pytest
import typer

from tablewright import sweep
from tablewright.orchestrator.code.provenance import product_version
from tests.toy_studies import ROOT

TEXT = (ROOT / "clusters/Dockerfile").read_text()


def instructions():
    """The file's instructions as (stage, word, the rest), with lines joined as a builder joins them."""
    lines = [line for line in TEXT.splitlines() if not line.lstrip().startswith("#")]
    stage, found = 0, []
    for line in re.sub(r"\\\n", "", "\n".join(lines)).splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            stage += word == "FROM"
            found.append((stage, word, rest))
    return found


def moved():
    """What comes into the image, of the checkout and of what is made of it."""
    return set(re.search(r"&& mv (.+?) /code", " ".join(TEXT.replace("\\\n", "").split()))[1].split())


def test_the_image_has_every_part_of_the_program():
    """Each package, the command line, what `init` writes, and the note that says of which commit it all is."""
    needed = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    needed |= {path.readlink().name for path in (ROOT / "tablewright").iterdir() if path.is_symlink()}
    assert needed | {".tablewright_commit"} == moved()


def test_packages_are_pinned_and_installed_before_any_code_is_there():
    """So that an edited study installs nothing again; and each extra that is asked for is declared."""
    first = [(word, rest) for stage, word, rest in instructions() if stage == 1]
    assert ["pyproject.toml constraints.txt ./"] == [rest for word, rest in first if word in ("COPY", "ADD")]
    installs = re.findall(r"pip install (.+?)(?:&&|$)", " ".join(rest for _, rest in first))
    assert 2 == len(installs)
    assert all("-c constraints.txt" in install for install in installs)
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set() == {*re.search(r"'\.\[(.+)\]'", installs[0])[1].split(",")} - {*declared}


def test_no_user_of_the_image_is_root_and_signals_reach_the_sweep():
    """A number, as Kubernetes wants it; no shell stands between a signal and the command."""
    last = [(word, rest) for stage, word, rest in instructions() if stage == instructions()[-1][0]]
    assert ["1000"] == [rest for word, rest in last if word == "USER"]
    assert [["tini", "--", "tablewright"]] == [
        json.loads(rest) for word, rest in last if word == "ENTRYPOINT"
    ]
    variables = dict(pair.split("=", 1) for word, rest in last if word == "ENV" for pair in shlex.split(rest))
    known = {getattr(parameter, "envvar", None) for parameter in typer.main.get_command(sweep.app).params}
    assert {"TABLEWRIGHT_CACHE_DIR"} == {
        name for name in variables if name.startswith("TABLEWRIGHT_")
    } & known
    assert {"HOME", "USER"} < {*variables}  # of a user whom the image does not know


@pytest.mark.slow
def test_what_runs_in_an_image_names_the_commit_that_it_was_built_from(tmp_path):
    """And says that it is an image of it; with what differed when it was built, although there is no checkout."""
    checkout, image = tmp_path / "checkout", tmp_path / "code"
    checkout.mkdir()
    for name in moved() - {".tablewright_commit"}:
        if (ROOT / name).is_dir():
            left_out = shutil.ignore_patterns("__pycache__", "*.xz", "*.csv")
            shutil.copytree(ROOT / name, checkout / name, symlinks=True, ignore=left_out)
        else:
            shutil.copy(ROOT / name, checkout / name)
    shutil.copytree(ROOT / "docs", checkout / "docs")
    git = ["git", "-C", str(checkout), "-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
        subprocess.run([*git, *arguments], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout
    (step,) = [rest for _, word, rest in instructions() if word == "RUN" and "commit_note" in rest]
    step = step.replace("/code", str(image)).replace("python ", f"{sys.executable} ")
    asks = "from tablewright.orchestrator.code.provenance import product_version as p; print(p())"
    version = product_version().partition(" ")[0]
    for change, ending in (("docs/faults.md", ""), ("trainables/mgn.py", "-dirty")):
        with (checkout / change).open("a") as file:
            file.write("# edited\n")
        built = tmp_path / "built"
        shutil.rmtree(image, ignore_errors=True)
        shutil.copytree(checkout, built, symlinks=True)
        subprocess.run(["sh", "-ec", step], cwd=built, check=True)
        shutil.rmtree(built)
        told = subprocess.run(
            [sys.executable, "-c", asks], cwd=image, capture_output=True, text=True, check=True
        )
        assert f"{version} (image of {commit[:12]}{ending})" == told.stdout.strip()
        assert not (image / ".git").exists()
