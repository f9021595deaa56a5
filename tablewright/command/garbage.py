"""`--gc`: what of a store no study needs."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from tablewright.command.recorded import existing_store
from tablewright.command.screen import console
from tablewright.orchestrator.garbage import GarbageCollector
from tablewright.orchestrator.named_trainings import named_by_project
from tablewright.orchestrator.settings import Settings
from tablewright.trainables.value.counted import counted


def collect_garbage(settings: Settings, *, takes_trainings: bool, removes: bool) -> int:
    """`--gc`."""
    store = existing_store(settings)
    if not store.is_there:
        return 0
    named = named_by_project(settings.project, store, settings.runtime())
    collector = GarbageCollector(settings.open_store(), named, takes_trainings=takes_trainings)
    found = collector.remove() if removes else collector.find()
    grid = Table("what", "files", "MB", box=None, header_style="bold")
    for kind in found.files:
        grid.add_row(Text(kind), str(found.num_files(kind)), f"{found.num_bytes(kind) / 1e6:.1f}")
    if found.files:
        console.print(grid)
    for note in found.notes:
        console.print(Text(f"{note}."))
    in_all = (
        f"{counted(found.num_files(), 'file')}, {found.num_bytes() / 1e6:.1f} MB ({found.num_bytes()} bytes)"
    )
    if not found.files:
        console.print("Nothing is there that no study needs.")
    elif removes:
        console.print(f"Removed {in_all}.")
    else:
        console.print(f"{in_all} would be removed; nothing was. Give --yes too to remove them.")
    return 0
