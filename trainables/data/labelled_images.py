"""What a reader of a classification data set finds: images by split, each with its class; no pixel is read.

A reader knows one published layout. It collects every fault of it, then raises once.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
import json
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
from PIL import Image, UnidentifiedImageError

from tablewright.trainables.data.files_read import FilesRead, Look
from tablewright.trainables.data.name_table import NameTable
from tablewright.trainables.value.file_name import why_not_the_same_everywhere
from tablewright.trainables.value.name_list import some
from tablewright.trainables.value.refusal import nearest
from tablewright.trainables.value.regular_file import refuse_irregular

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
"""Pillow raises each of them on images that cannot be decoded."""

_LINES_AT_A_TIME = 4096

UNREAD_SUFFIXES = frozenset({".bmp", ".gif", ".jfif", ".jp2", ".ppm", ".tif", ".tiff", ".webp"})
"""Of images too; passing them over would measure fewer images than there are."""


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """One image of a data set.

    Attributes:
        name: its path relative to the data set's folder, with `/` between parts, or its place in an array.
        label: index of its class, from 0 on.
    """

    name: str
    label: int


class LabelledImages(Sequence[LabelledImage]):
    """The images of a split, in little memory: an image is made when it is asked for.

    Attributes:
        names: of the images.
        labels_N: of the images, int64.
    """

    def __init__(self, names: NameTable, labels_N: np.ndarray) -> None:
        """Join names and labels."""
        self.names, self.labels_N = names, labels_N

    @classmethod
    def of(cls, images: Sequence[LabelledImage]) -> LabelledImages:
        """Make one of images; one that is one stays."""
        if isinstance(images, LabelledImages):
            return images
        labels = (image.label for image in images)
        return cls(NameTable.of(image.name for image in images), np.fromiter(labels, np.int64, len(images)))

    def chosen(self, places_N: np.ndarray) -> LabelledImages:
        """Give some of them, in the order of their places."""
        return LabelledImages(self.names.chosen(places_N), self.labels_N[places_N])

    def __len__(self) -> int:
        """Count them."""
        return len(self.names)

    @overload
    def __getitem__(self, place: int) -> LabelledImage: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[LabelledImage, ...]: ...

    def __getitem__(self, place: int | slice) -> LabelledImage | tuple[LabelledImage, ...]:
        """Give an image, or several."""
        if isinstance(place, slice):
            return tuple(self[one] for one in range(*place.indices(len(self))))
        return LabelledImage(self.names[place], int(self.labels_N[place]))

    def __iter__(self) -> Iterator[LabelledImage]:
        """Give all of them, of which no list is made."""
        return map(LabelledImage, self.names, self.labels_N.tolist())

    def __add__(self, others: Iterable[LabelledImage]) -> tuple[LabelledImage, ...]:
        """Give these and others behind them."""
        return (*self, *others)

    def __radd__(self, others: Iterable[LabelledImage]) -> tuple[LabelledImage, ...]:
        """Give others and these behind them."""
        return (*others, *self)

    def __eq__(self, other: object) -> bool:
        """Compare all images."""
        if not isinstance(other, LabelledImages):
            return NotImplemented
        return self.names == other.names and np.array_equal(self.labels_N, other.labels_N)

    __hash__ = None  # pyright: ignore[reportAssignmentType]


@dataclass(frozen=True)
class FoundImages:
    """A data set as it was found on disk.

    Attributes:
        class_names: by label.
        splits: images of `train`, `test` and, where the data set brings one, `val`.
        version_of: tells versions of an image apart: its size in bytes, or what it was made from.
        earlier_fingerprint: what earlier versions of this program knew the data set as a whole by; None of one that
            they did not know.
        open_image: gives the image of a name, not decoded yet; Pillow raises what is wrong with it.
        read_from: the files that say all of it; None where images are no files of their own.
    """

    class_names: tuple[str, ...]
    splits: Mapping[str, Sequence[LabelledImage]]
    version_of: Callable[[str], int | str]
    earlier_fingerprint: str | None
    open_image: Callable[[str], Image.Image]
    read_from: FilesRead | None = None


def find_root(
    data_root: str | None,
    label: str,
    folder: str,
    expected: Sequence[str],
    how_to_get: str = "download it from its authors and unpack it there",
) -> Path:
    """Give the folder of a data set under the data root.

    Args:
        data_root: of the runtime.
        label: of the data set, for people.
        folder: its name under the data root.
        expected: files and folders (ending in `/`) that must be in it.
        how_to_get: the data set.

    Raises:
        ValueError: no data root is given, or something expected is missing: all of it, and what is there.
    """
    names = ", ".join(f"{folder}/{name}" for name in expected)
    if data_root is None:
        raise ValueError(
            f"{label} needs a data root, and none is given. Name the folder that holds {names} with --data-root; "
            f"to get the data set, {how_to_get}"
        )
    base = Path(data_root).expanduser()
    root = base / folder
    missing = [f"{folder}/{name}" for name in expected if not _is_there(root / name, name)]
    if not missing:
        return root
    if all(_is_there(base / name, name) for name in expected):
        raise ValueError(f"{label} is the data root {base} itself; name the folder above it: {base.parent}")
    looked_in = root
    while looked_in != base and not looked_in.is_dir():
        looked_in = looked_in.parent
    if looked_in.is_dir():
        there = sorted(f"{path.name}/" if path.is_dir() else path.name for path in looked_in.iterdir())
        found = f"{looked_in} holds {some(there, 20) if there else 'nothing'}"
        absent = [name.removeprefix(f"{folder}/") for name in missing]
        sought = absent if looked_in == root else [f"{root.relative_to(looked_in).parts[0]}/"]
        unclaimed = [name for name in there if name not in expected]
        meant = [near for name in sought if (near := nearest(name, unclaimed))]
        found += f" (did you mean {', '.join(dict.fromkeys(meant))}?)" if meant else ""
    else:
        found = f"{looked_in} does not exist"
    all_of_it = "" if len(missing) == len(expected) else f"expected {names}, "
    raise ValueError(
        f"{label} is not in the data root {base}: {all_of_it}missing {', '.join(missing)}; {found}. "
        f"To get the data set, {how_to_get}"
    )


def _is_there(path: Path, name: str) -> bool:
    return path.is_dir() if name.endswith("/") else path.is_file()


def read_listed_images(
    root: Path,
    class_names: tuple[str, ...],
    splits: Mapping[str, LabelledImages],
    *,
    folders: Iterable[str],
    lists: Iterable[Path],
    mentioned: Iterable[str] | None,
    faults: Sequence[str],
) -> FoundImages:
    """Compare the lists of a data set with the image files that are there.

    Args:
        root: of the data set.
        class_names: by label.
        splits: as the lists say.
        folders: under `root`, searched for images at any depth.
        lists: the files that say which images there are; part of the fingerprint by their contents.
        mentioned: every image the lists name, with a class and a split or without; None where a list could not be
            read, so that nothing can be said of images that are in no list.
        faults: found in the lists already.

    Raises:
        ValueError: all faults at once: those given; images listed and not there, there and not listed, or
            listed twice; classes that are tested and not trained.
    """
    look, lists = Look(root, folders), tuple(lists)
    sizes_bytes, lost = sizes_of_images(look)
    names = sorted(sizes_bytes)
    sizes_bytes_N = array("q", map(sizes_bytes.__getitem__, names))
    del sizes_bytes  # of 675,170 files it takes as much memory as their names
    place_of = dict(zip(names, range(len(names)), strict=True))
    listed = _ListedPlaces(splits, place_of)
    unreadable = [*faults_of_names(names)]
    faults = [
        *faults,
        *_faults_of_lists(splits, class_names, listed.twice(names)),
        *faults_of_links(lost),
        *(unreadable or _faults_of_files(listed, names, set(lost), mentioned)),
    ]
    if faults:
        raise unreadable_lists(root, [path.relative_to(root).as_posix() for path in lists], faults)
    digest = hashlib.sha256()
    for path in lists:
        with path.open("rb") as file:
            digest.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    for block in _blocks(f"{name}\0{size}" for name, size in zip(names, sizes_bytes_N, strict=True)):
        digest.update(block)
    return FoundImages(
        class_names,
        {split: images.chosen(np.argsort(listed.places[split])) for split, images in splits.items()},
        lambda name: sizes_bytes_N[place_of[name]],
        digest.hexdigest(),
        ImageFiles(root),
        FilesRead(
            root, look.folders, tuple(path.relative_to(root).as_posix() for path in lists), look.state()
        ),
    )


def unreadable_lists(root: Path, lists: Iterable[str], faults: Iterable[str]) -> ValueError:
    """Say what is wrong in a data set with lists, and in which files a person finds what is listed."""
    return ValueError(f"{root} cannot be read: {'; '.join(faults)}. Its lists are {', '.join(lists)}")


class ImageFiles:
    """Opens the image files of a folder.

    Attributes:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        """Open none yet."""
        self.root = root

    def __call__(self, name: str) -> Image.Image:
        """Give the image of a name, not decoded yet."""
        refuse_irregular(self.root / name)
        return Image.open(self.root / name)

    def content(self, name: str) -> bytes:
        """Give the bytes of its file."""
        refuse_irregular(self.root / name)
        return (self.root / name).read_bytes()


class _ListedPlaces:
    """Where listed images stand among the files that are there.

    Attributes:
        places: of the images of each split, int64; -1 of one that is not there.
        missing: names of those, as often as they are listed.
    """

    def __init__(self, splits: Mapping[str, LabelledImages], place_of: Mapping[str, int]) -> None:
        self.places = {
            split: np.fromiter((place_of.get(name, -1) for name in images.names), np.int64, len(images))
            for split, images in splits.items()
        }
        self.missing = [
            images.names[int(place)]
            for split, images in splits.items()
            for place in np.flatnonzero(self.places[split] < 0)
        ]
        found = [places[places >= 0] for places in self.places.values()]
        self.times_N = np.bincount(np.concatenate(found), minlength=len(place_of))

    def twice(self, names: Sequence[str]) -> list[str]:
        """Name the images that are listed more than once, given the names of files by their places."""
        of_missing = [name for name, times in Counter(self.missing).items() if times > 1]
        return sorted([*of_missing, *(names[place] for place in np.flatnonzero(self.times_N > 1).tolist())])


def _faults_of_lists(
    splits: Mapping[str, LabelledImages], class_names: Sequence[str], twice: Sequence[str]
) -> Iterator[str]:
    if twice:
        yield f"{len(twice)} listed more than once ({some(twice)})"
    everywhere = np.concatenate([images.labels_N for images in splits.values()])
    untrained = np.setdiff1d(everywhere, splits["train"].labels_N).tolist()
    if untrained:
        shown = some([class_names[int(label)] for label in untrained])
        yield f"{len(untrained)} classes have images to test on and none to train on ({shown})"
    yield from (f"no image of split {split!r} is listed" for split, images in splits.items() if not images)


def _faults_of_files(
    listed: _ListedPlaces, names: Sequence[str], lost: Set[str], mentioned: Iterable[str] | None
) -> Iterator[str]:
    missing = sorted(set(listed.missing) - lost)
    if missing:
        yield f"{len(missing)} images are listed and not there ({some(missing)})"
    unlisted = {names[place] for place in np.flatnonzero(listed.times_N == 0).tolist()}
    unlisted |= lost - set(listed.missing)
    if unlisted and mentioned is not None:
        unlisted -= set(mentioned)
        if unlisted:
            yield f"{len(unlisted)} images are there and in no list ({some(sorted(unlisted))})"


def sizes_of_images(look: Look, suffixes: Set[str] = IMAGE_SUFFIXES) -> tuple[dict[str, int], list[str]]:
    """Find every image; files whose name begins with a point are none, nor is what lies in such folders.

    Args:
        look: at the folders that may hold images.
        suffixes: of the names of images, in small letters.

    Returns:
        Size in bytes by path, and the paths of links that lead nowhere, or back to a folder that they lie in.
    """
    sizes_bytes: dict[str, int] = {}
    lost: list[str] = []
    endings = tuple(suffixes)
    for folder in look:
        if folder.is_hidden:
            continue
        if folder.is_lost:
            lost.append(folder.name)
        for name, size in folder.sizes.items():
            # One that begins with a point is such as the `._0001.jpg` that macOS writes beside a file.
            if name.startswith(".") or not name.lower().endswith(endings):
                continue
            if size is None:
                lost.append(f"{folder.name}/{name}")
            else:
                sizes_bytes[f"{folder.name}/{name}"] = size
    return sizes_bytes, lost


def suffix_of(name: str) -> str:
    """Give the suffix of a file's name in small letters; a `Path` for each of 675,170 files would take seconds."""
    return "".join(name.rpartition(".")[1:]).lower()


def faults_of_links(lost: Iterable[str]) -> Iterator[str]:
    """Name the links that lead nowhere."""
    names = sorted(lost)
    if names:
        yield f"{len(names)} links lead nowhere or in a circle ({some(names)}); copy the images that they stand for"


def faults_of_names(paths: Iterable[str]) -> Iterator[str]:
    """Find files that have another name on another machine, so that neither a list nor a fingerprint could hold it."""
    found: dict[str, list[str]] = {}
    for path in paths:
        if (why := why_not_the_same_everywhere(path)) is not None:
            found.setdefault(why, []).append(ascii(path))
    for why, unreadable in found.items():
        names = some(sorted(unreadable))
        yield f"{len(unreadable)} images have letters beyond ASCII in their names ({names}), and {why}"


def fingerprint_of(lines: Iterable[str]) -> str:
    """Give the SHA-256 of what tells two versions of a split apart, a line an image, in any order."""
    return _digest_of(sorted(lines))


def fingerprint_of_sorted(lines: Iterable[str], *others: str) -> str:
    """Give the same of lines in ascending order, of which no list is made, and of a few others."""
    return _digest_of(heapq.merge(lines, sorted(others)))


def _digest_of(lines: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for block in _blocks(lines):
        digest.update(block)
    return digest.hexdigest()


def _blocks(lines: Iterable[str]) -> Iterator[bytes]:
    """Join lines, some at a time: to digest them one by one would take as long as making them."""
    lines = iter(lines)
    while some_lines := list(itertools.islice(lines, _LINES_AT_A_TIME)):
        yield ("\n".join(some_lines) + "\n").encode()


def read_list(path: Path) -> str:
    """Read a text that lists images; a byte-order mark at its head, as Windows writes it, is no part of it.

    Raises:
        ValueError: it is no UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"is no text in UTF-8 (at byte {error.start}); save it as such") from error


def read_json(path: Path, keys: Set[str] | None = None) -> Any:
    """Read a list that is JSON.

    Args:
        path: of the file.
        keys: of objects, that are kept; None keeps all.

    Raises:
        ValueError: it is none, and where that is seen.
    """
    text = read_list(path)

    def keep(entry: dict[str, Any]) -> dict[str, Any]:
        return entry if keys is None else {key: value for key, value in entry.items() if key in keys}

    try:
        return json.loads(text, object_hook=None if keys is None else keep)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise ValueError(f"cannot be read as JSON (at {where}; it may be cut off)") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(
            "cannot be read as JSON (it is nested too deeply, or has a number too long)"
        ) from error


def why_unreadable(error: Exception) -> str:
    """Say in a phrase why an image cannot be decoded.

    Args:
        error: of `UNREADABLE`.
    """
    if isinstance(error, UnidentifiedImageError):
        return "no image, or of a kind that is not read"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if isinstance(error, Image.DecompressionBombError):
        return "of so many pixels that it is refused"
    return "cut off or damaged"
