"""Reading MATLAB files of version 5 to 7, which scipy knows; files of version 7.3 are HDF5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import scipy.io


def read_matlab(path: Path) -> dict[str, Any]:
    """Give the variables of a file; cells and structs as lists and dicts.

    Raises:
        ValueError: it cannot be read as one, and why.
    """
    try:
        return scipy.io.loadmat(path, simplify_cells=True)
    except Exception as error:  # scipy raises whatever its parser stumbles over
        why = "it may be cut off, or of version 7.3, which is another kind of file"
        raise ValueError(f"cannot be read as a MATLAB file of version 5 to 7 ({why})") from error
