"""Whole outputs, kept as files; `RENEW_SNAPSHOTS=1 pytest tests/reports` writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "snapshots"


def check_snapshot(name: str, text: str) -> None:
    """Compare a text with the file of that name, or replace the file where renewal was asked for."""
    file = FOLDER / name
    if os.environ.get("RENEW_SNAPSHOTS") == "1":
        file.write_text(text, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == text, f"{file} differs; renew it and read the difference"
