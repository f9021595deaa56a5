"""Reading all images of a split by as many threads as there are cores, and telling which cannot be read."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from tablewright.trainables.data.labelled_images import UNREADABLE, why_unreadable
from tablewright.trainables.value.cpus import num_cpus
from tablewright.trainables.value.long_work import told

_NAMES_SHOWN = 10
_IMAGES_AT_ONCE = 32  # a task each would take a gigabyte for the 675,170 images of iNaturalist


def unreadable_of(names: Sequence[str], read: Callable[[int], object], what: str) -> Iterator[str]:
    """Do something with the image at each place; yields what cannot be read, and why.

    Args:
        names: of the images.
        read: is given a place among them; what Pillow raises of a damaged image is caught.
        what: is done, for whoever waits.
    """

    def try_to_read(places: range) -> list[str]:
        return [_fault_of(place) for place in places]

    def _fault_of(place: int) -> str:
        try:
            read(place)
        except UNREADABLE as error:
            return f"{names[place]} ({why_unreadable(error)})"
        return ""

    some = [
        range(start, min(start + _IMAGES_AT_ONCE, len(names)))
        for start in range(0, len(names), _IMAGES_AT_ONCE)
    ]
    with ThreadPoolExecutor(num_cpus()) as threads:
        faults = itertools.chain.from_iterable(threads.map(try_to_read, some))
        yield from filter(None, told(faults, what, len(names)))


def refuse_unreadable(faults: Iterable[str]) -> None:
    """Name what cannot be read.

    Raises:
        ValueError: there is something.
    """
    unreadable = list(faults)
    if unreadable:
        shown = "; ".join(unreadable[:_NAMES_SHOWN])
        more = len(unreadable) - _NAMES_SHOWN
        raise ValueError(
            f"{len(unreadable)} images cannot be read: {shown}"
            f"{f'; and {more} more' if more > 0 else ''}. Get them again from the publisher"
        )
