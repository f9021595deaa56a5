"""What there is to fill, where no study is named."""

from __future__ import annotations

from rich.text import Text

from tablewright.command.screen import console
from tablewright.orchestrator.project.project import Project
from tablewright.orchestrator.project.study_files import elsewhere, find_study_files


def list_studies(project: Project) -> None:
    """No study at all: what there is."""
    files = find_study_files(project)
    if not project.has_studies and not project.is_ours:
        console.print(f"{elsewhere(project)} `init` begins a project.")
    is_mixed = len({file.is_built_in for file in files}) > 1
    for is_built_in, head in ((False, f"in {project.studies_folder}"), (True, "built in")):
        if is_mixed:
            console.print(Text(head, style="italic"))
        for file in files:
            if file.is_built_in == is_built_in:
                console.print(Text(f"{file.name:24} ", style="bold") + Text(file.title))
