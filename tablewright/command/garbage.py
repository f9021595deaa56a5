"""`--gc`: what of a store no study needs."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from tablewright.command.recorded import existing_store
from tablewright.command.screen import console
from tablewright.orchestrator.garbage import GarbageCollector
from tablewright.orchestrator.live_status import in_words
from tablewright.orchestrator.plans.named_trainings import named_by_project, studies_in
from tablewright.orchestrator.plans.needed_images import needed_images
from tablewright.orchestrator.project.study_loading import load_every_study
from tablewright.orchestrator.settings import Settings
from tablewright.orchestrator.store.store import Store
from tablewright.trainables.data.image_garbage import KEPT_DAYS, Unneeded, find_unneeded, holds_shapes, remove
from tablewright.trainables.value.counted import counted
from tablewright.trainables.value.name_list import some


def unneeded_images(
    settings: Settings, store: Store, *, takes_recent: bool, removes: bool
) -> tuple[list[Unneeded], list[str]]:
    """Find, print and, if asked, remove the images that this machine keeps and that no study needs.

    Args:
        settings: of the command.
        store: of the project.
        takes_recent: also what was used so lately that another project may need it.
        removes: what is found.

    Returns:
        Those that are, or would be, removed, and what a person is to know of the others.
    """
    studies = load_every_study(settings.project, studies_in(store)).values()
    needed = needed_images(studies, store, settings.runtime())
    cache_dir = settings.runtime().cache_dir
    found = find_unneeded(cache_dir, needed.fingerprints_of, needed.unknown_shapes)
    used = [one for one in found if one.is_in_use]
    recent = [one for one in found if one.may_be_of_others and not takes_recent and not one.is_in_use]
    images = [one for one in found if one not in recent and not one.is_in_use]
    if removes:
        gone = [one for one in images if remove(one)]
        used += [one for one in images if one not in gone]
        images = gone
    if images:
        grid = Table(
            f"images of {cache_dir} that no study here needs",
            "last used",
            "MB",
            box=None,
            header_style="bold",
        )
        for one in images:
            grid.add_row(
                Text(one.paths[0].name), f"{in_words(one.used_s_ago)} ago", f"{one.num_bytes / 1e6:.1f}"
            )
        console.print(grid)
    notes = [
        "Images are kept for every project of this --cache-dir; one that needs some of these makes them ready anew"
    ]
    notes = notes if images else []
    if recent:
        megabytes = sum(one.num_bytes for one in recent) / 1e6
        notes.append(
            f"{counted(len(recent), 'file')} of images, {megabytes:.1f} MB, that no study here needs, used "
            f"within {KEPT_DAYS} days, stay, as another project of this --cache-dir may need them; "
            "--images takes them too"
        )
    if used:
        notes.append(f"{counted(len(used), 'file')} of images that processes have opened stay")
    if needed.unknown_data and holds_shapes(cache_dir, needed.unknown_shapes):
        notes.append(
            f"Images at {', '.join(sorted(needed.unknown_shapes))} stay, as it is not known here which of them "
            f"{some(sorted(needed.unknown_data))} needs: give --data-root to have it looked at"
        )
    return images, notes


def collect_garbage(settings: Settings, *, takes_trainings: bool, takes_images: bool, removes: bool) -> int:
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
    images, image_notes = unneeded_images(settings, store, takes_recent=takes_images, removes=removes)
    for note in image_notes:
        console.print(Text(f"{note}."))
    num_files = found.num_files() + sum(len(one.paths) for one in images)
    num_bytes = found.num_bytes() + sum(one.num_bytes for one in images)
    in_all = f"{counted(num_files, 'file')}, {num_bytes / 1e6:.1f} MB ({num_bytes} bytes)"
    if not found.files and not images:
        console.print("Nothing is there that no study needs.")
    elif removes:
        console.print(f"Removed {in_all}.")
    else:
        console.print(f"{in_all} would be removed; nothing was. Give --yes too to remove them.")
    return 0
