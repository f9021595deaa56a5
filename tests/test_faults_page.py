"""The page of faults: each row is shown by a test that there is."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROWS = re.findall(r"^\|.*\|$", (ROOT / "docs/faults.md").read_text(encoding="utf-8"), re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)` \|$")


def test_each_row_names_a_test_that_there_is():
    """A row without a test, or of one that was renamed, promises what nobody looks at."""
    rows = [row for row in ROWS if not row.startswith(("| fault", "|:--"))]
    named = [TEST.search(row) for row in rows]
    assert [] == [row for row, test in zip(rows, named, strict=True) if test is None]
    absent = [
        f"{test[1]}::{test[2]}"
        for test in named
        if test and f"def {test[2]}(" not in (ROOT / test[1]).read_text(encoding="utf-8")
    ]
    assert [] == absent
    assert len(rows) >= 40
