"""A classification data set of one's own: a folder for each split, in it one for each class, as torchvision reads it.

    ImageFolder("Oxford flowers", "flowers")                         # flowers/train/daisy/0001.jpg, flowers/test/…
    ImageFolder("ImageNet-100", "imagenet100", test="val")           # whose test images are not published

Either stands where a config names its data set: `Dataset("ImageNet-100", {"data.dataset": ImageFolder(…)})`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from pydantic import field_validator, model_validator

from tablewright.trainables.data.files_read import FilesRead, Look
from tablewright.trainables.data.labelled_images import (
    IMAGE_SUFFIXES,
    UNREAD_SUFFIXES,
    FoundImages,
    ImageFiles,
    LabelledImage,
    faults_of_links,
    faults_of_names,
    find_root,
    sizes_of_images,
    some,
)
from tablewright.trainables.data.own_folder import OwnFolder, faults_of_sides, require_folder
from tablewright.trainables.value.refusal import nearest


class ImageFolder(OwnFolder):
    """Images in folders named as their classes; labels count these from 0 on, in the order of their names.

    Attributes:
        label: of the data set, as papers print it.
        folder: its path below the data root, with `/` between parts.
        train: folder of the images to train on, below `folder`.
        test: likewise, of the images that a table is measured on.
        val: likewise, of images to measure on before that; without it `data.train_split` may leave some out of `train`.
    """

    train: str = "train"
    test: str = "test"
    val: str | None = None

    @field_validator("train", "test", "val")
    @classmethod
    def _lie_below_the_folder(cls, folder: str | None) -> str | None:
        return None if folder is None else require_folder(folder, "the data set's folder")

    @model_validator(mode="after")
    def _keep_test_images_apart(self) -> ImageFolder:
        faults = list(faults_of_sides(self.folder_of_split()))
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def folder_of_split(self) -> dict[str, str]:
        """Give the folder of each split that there is one of."""
        given = {"train": self.train, "test": self.test, "val": self.val}
        return {split: folder for split, folder in given.items() if folder is not None}

    def read(self, data_root: str | None) -> FoundImages:
        """Find the images; none is decoded.

        Raises:
            ValueError: folders that are missing, with those that are there; or all that is wrong in them.
        """
        folders = self.folder_of_split()
        how_to_get = (
            f"unpack it there, or correct folder, {' and '.join(folders)} of ImageFolder {self.label!r}"
        )
        expected = [f"{folder}/" for folder in folders.values()]
        root = find_root(data_root, self.label, self.folder, expected, how_to_get)
        look = Look(root, folders.values())
        found, lost = sizes_of_images(look, IMAGE_SUFFIXES | UNREAD_SUFFIXES)
        images_of = {
            split: [PurePosixPath(path) for path in sorted(found) if path.startswith(f"{folder}/")]
            for split, folder in folders.items()
        }
        classes_of = {split: _classes_in(root / folder) for split, folder in folders.items()}
        faults = [*faults_of_links(lost)]
        faults += [*faults_of_names(found)] or [*_faults(folders, classes_of, images_of)]
        if faults:
            raise ValueError(f"{root} cannot be read: " + "; ".join(faults))
        label_of = {name: label for label, name in enumerate(classes_of["train"])}
        return FoundImages(
            tuple(label_of),
            {
                split: tuple(
                    LabelledImage(str(path), label_of[_class_of(path, folders[split])]) for path in paths
                )
                for split, paths in images_of.items()
            },
            found.__getitem__,
            None,
            ImageFiles(root),
            FilesRead(root, look.folders, looked=look.state()),
        )


def _classes_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _class_of(path: PurePosixPath, folder: str) -> str:
    """Name the class of an image; empty where it lies in none's folder."""
    inner = path.relative_to(folder)
    return inner.parts[0] if len(inner.parts) > 1 else ""


def _faults(
    folders: Mapping[str, str],
    classes_of: Mapping[str, list[str]],
    images_of: Mapping[str, list[PurePosixPath]],
) -> Iterator[str]:
    paths = [path for images in images_of.values() for path in images]
    unread = [str(path) for path in paths if path.suffix.lower() in UNREAD_SUFFIXES]
    if unread:
        yield (
            f"{len(unread)} images are of a kind that is not read ({some(unread)}); convert them to .jpg or .png, or "
            "move them away"
        )
    stray = [
        str(path)
        for split, images in images_of.items()
        for path in images
        if not _class_of(path, folders[split])
    ]
    if stray:
        yield f"{len(stray)} images lie in no class's folder ({some(stray)}); put each into one named as its class"
    for split, folder in folders.items():
        if not images_of[split]:
            yield f"{folder}/ holds no image"
    trained, folder = classes_of["train"], folders["train"]
    if len(trained) < 2:
        yield f"{folder}/ holds {len(trained)} folders, one a class, and 2 or more are needed"
    filled = {_class_of(path, folder) for path in images_of["train"]}
    if empty := [f"{folder}/{name}" for name in trained if name not in filled]:
        yield f"{len(empty)} classes have no image to train on ({some(empty)})"
    for split, classes in classes_of.items():
        yield from _faults_of_classes(folder, trained, folders[split], classes)


def _faults_of_classes(folder: str, trained: list[str], other: str, classes: list[str]) -> Iterator[str]:
    """Say which classes only one of two splits has."""
    untrained = [name for name in classes if name not in set(trained)]
    if untrained:
        known = [(name, nearest(name, trained)) for name in untrained]
        names = [f"{name}, nearest is {meant}" if meant else name for name, meant in known]
        yield f"{len(untrained)} classes of {other}/ are not in {folder}/ ({some(names)})"
    untested = [name for name in trained if name not in set(classes)]
    if untested:
        yield (
            f"{len(untested)} classes of {folder}/ are not in {other}/ ({some(untested)}); a class that has no image "
            "there has an empty folder there"
        )
