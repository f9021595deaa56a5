"""The files in which studies are declared, and their titles; nothing of them is executed."""

from __future__ import annotations

import ast
import importlib
import importlib.resources
from dataclasses import dataclass
from pathlib import Path

from tablewright.orchestrator.project.project import Project
from tablewright.trainables.contract.program import STUDIES_FOLDER
from tablewright.trainables.value.regular_file import refuse_irregular

BUILT_IN = "tablewright.search_spaces"
"""Package of the studies that come with the program."""


@dataclass(frozen=True)
class StudyFile:
    """A file that declares a study.

    Attributes:
        path: of the file.
        module: dotted name by which it is imported.
        is_built_in: whether it comes with the program.
    """

    path: Path
    module: str
    is_built_in: bool

    @property
    def name(self) -> str:
        """Name of the study: that of its file."""
        return self.path.stem

    @property
    def place(self) -> str:
        """The file as people name it."""
        return f"{STUDIES_FOLDER}/{self.path.name}"

    @property
    def title(self) -> str:
        """First line of the file's docstring."""
        try:
            refuse_irregular(self.path)
            text = ast.get_docstring(ast.parse(self.path.read_bytes())) or ""
        except FileNotFoundError:
            return "(cannot be read: there is no file of this name, or a link that leads nowhere)"
        except OSError as error:
            return f"(cannot be read: {error.strerror})"
        except SyntaxError as error:
            return f"(cannot be read: line {error.lineno}: {error.msg})"
        except ValueError as error:  # a null character
            return f"(cannot be read: {error})"
        return text.partition("\n")[0]


def find_study_files(project: Project | None = None) -> list[StudyFile]:
    """List the files of studies: a project's own, then those that come with the program, each by name.

    Args:
        project: whose studies are found beside the built-in ones; None finds these alone.
    """
    built_in = Path(str(importlib.resources.files(BUILT_IN)))
    found = [StudyFile(path, f"{BUILT_IN}.{path.stem}", True) for path in _python_files(built_in)]
    if project is None or not project.has_studies:
        return found
    own = _python_files(project.studies_folder)
    return [*(StudyFile(path, f"{STUDIES_FOLDER}.{path.stem}", False) for path in own), *found]


def _python_files(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))
    return [path for path in found if path.is_file() or path.is_symlink()]


def study_names(project: Project | None = None) -> list[str]:
    """List the studies that `all` stands for: a project's own, or the built-in ones in a clone of this program.

    Raises:
        ValueError: the project is neither.
    """
    files = find_study_files(project)
    own = [file.name for file in files if not file.is_built_in]
    if project is not None and not own and not project.is_ours:
        raise ValueError(f"'all' stands for the studies of a project. {elsewhere(project)}")
    return own or [file.name for file in files]


def elsewhere(project: Project) -> str:
    """Say where studies of one's own would have been found, and where there are some."""
    above = next((folder for folder in project.folder.parents if Project(folder).has_studies), None)
    hint = "" if above is None else f"; there is one in {above}: go there"
    return f"Studies of your own are found in {project.studies_folder}, which is not there{hint}."
