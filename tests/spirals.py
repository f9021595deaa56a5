"""The example of a method of one's own, as a project beside a copy of the command line."""

import shutil

from tests.toy_studies import ROOT

STUDY = (ROOT / "examples/spirals/search_spaces/spirals.py").read_text(encoding="utf-8")
POINTS = STUDY[STUDY.index("def points(split):") : STUDY.index("def measure(")]
"""Its function that makes the data."""


def write_spirals(folder, *changes):
    """Write the example into a folder, with texts replaced by others."""
    text = STUDY
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    (folder / "search_spaces").mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "sweep.py", folder / "sweep.py")
    (folder / "search_spaces/spirals.py").write_text(text, encoding="utf-8")
