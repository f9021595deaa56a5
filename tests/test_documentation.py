"""The documentation: it is whole, and no link in it leads nowhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import tablewright as tw

ROOT = Path(__file__).parent.parent


def test_every_name_of_a_study_is_explained():
    """What `import tablewright as tw` gives stands on the page of names, once, and nothing else does."""
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert sorted(tw.__all__) == sorted(
        re.findall(r"^\.\. auto(?:class|function):: (\w+)", page, re.MULTILINE)
    )


def test_every_page_is_reached_from_the_first():
    """A page that no table of contents names would be found by nobody."""
    listed = re.findall(r"^\w+$", (ROOT / "docs" / "index.md").read_text(encoding="utf-8"), re.MULTILINE)
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")} - {"index"}
    assert pages <= set(listed), f"index.md does not list {pages - set(listed)}"


@pytest.mark.slow
def test_the_documentation_is_built_without_a_warning(tmp_path):
    """A link, a name or a heading that is not there ends `make docs`."""
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-b",
        "html",
        "docs",
        str(tmp_path),
    ]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert 0 == built.returncode, built.stderr
    assert "UntilDecided" in (tmp_path / "api.html").read_text(encoding="utf-8")
