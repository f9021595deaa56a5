"""Where this program lies, and what it is called: what tells its own code from that of somebody who uses it."""

from __future__ import annotations

from pathlib import Path

PRODUCT = __name__.partition(".")[0]
"""Name of the one package that is installed."""

OURS = Path(__file__).resolve().parent.parent.parent
"""The folder that holds its parts: a clone, or the installed package."""

STUDIES_FOLDER = "search_spaces"
"""Folder of a project, and of this program, in which studies lie; name of the package that they are modules of."""
