"""The first project of somebody: a folder with one study that runs in a minute, to be changed into her own."""

from __future__ import annotations

from pathlib import Path

from tablewright.trainables.contract.program import OURS

EXAMPLE = OURS / "examples" / "spirals"
IGNORED = ".gitignore"
GIT_IGNORES = "/runs/\n__pycache__/\n"


def begin_project(folder: Path) -> list[Path]:
    """Write the files of a first project.

    Args:
        folder: made where it is not there; what lies in it already is left as it is.

    Returns:
        What was written.

    Raises:
        ValueError: one of its files is there already.
    """
    studies = {
        folder / path.relative_to(EXAMPLE): path.read_bytes()
        for path in sorted(EXAMPLE.rglob("*.py"))
        if "__pycache__" not in path.parts
    }
    if there := [str(path) for path in studies if path.exists()]:
        raise ValueError(
            f"init writes a first project, and {', '.join(there)} is there already; name another folder: init FOLDER"
        )
    contents = studies if (folder / IGNORED).exists() else studies | {folder / IGNORED: GIT_IGNORES.encode()}
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    except OSError as error:
        raise ValueError(f"init cannot write {error.filename or folder}: {error.strerror}") from error
    return list(contents)
