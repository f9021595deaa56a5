r"""A re-identification data set of one's own, laid out as Market-1501 or with other names of folders and files.

    ReidFolder("Occluded-Duke", "Occluded_Duke", file_name=DUKE_FILE_NAME)
    ReidFolder(
        "VeRi-776", "VeRi", train="image_train", query="image_query", gallery="image_test",
        file_name=r"(?P<pid>\d{4})_c(?P<camid>\d{3})_\d{8}_\d\.jpg",
    )

Either stands where a config names its data set: `Dataset("VeRi-776", {"data.dataset": ReidFolder(…)})`.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from pydantic import field_validator, model_validator

from tablewright.trainables.data.labelled_images import find_root
from tablewright.trainables.data.market_layout import GALLERY, MARKET_FILE_NAME, QUERY, TRAIN, read_layout
from tablewright.trainables.data.own_folder import OwnFolder, faults_of_sides, require_folder
from tablewright.trainables.data.reid_images import FoundImages
from tablewright.trainables.value.refusal import shown

GROUPS = ("pid", "camid")


class ReidFolder(OwnFolder):
    r"""Images of people, vehicles or whatever is told apart, in one folder each for training, queries and gallery.

    Attributes:
        label: of the data set, as papers print it.
        folder: its path below the data root, with `/` between parts.
        file_name: regular expression of a file's whole name, which gives the numbers of person and camera by its groups
            `pid` and `camid`; a compiled one may be given. Person 0 is a distractor and -1 junk, which is left out;
            either lies in a gallery only.
        train: folder of the images to train on, below `folder`. Nothing within it in folders of their own is read.
        query: likewise, of the queries.
        gallery: likewise.
    """

    file_name: str = MARKET_FILE_NAME.pattern
    train: str = TRAIN
    query: str = QUERY
    gallery: str = GALLERY

    @field_validator("file_name", mode="before")
    @classmethod
    def _keep_the_pattern(cls, given: Any) -> Any:
        """Take a compiled expression for its text, which says all of it but for flags."""
        if not isinstance(given, re.Pattern):
            return given
        if isinstance(given.pattern, bytes) or given.flags & ~re.UNICODE:
            raise ValueError(
                f"a regular expression of text, without flags, is needed; got {given!r}; write flags into it, as (?i)"
            )
        return given.pattern

    @field_validator("file_name")
    @classmethod
    def _find_person_and_camera(cls, file_name: str) -> str:
        example = rf"such as {MARKET_FILE_NAME.pattern!r}, Market-1501's"
        try:
            groups = re.compile(file_name).groupindex
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(
                f"a regular expression is needed, {example}; got {shown(file_name)}, which is none: {error}"
            ) from None
        lacking = [f"(?P<{group}>…)" for group in GROUPS if group not in groups]
        if lacking:
            raise ValueError(
                f"person and camera are read by the groups pid and camid, {example}; got {shown(file_name)}, "
                f"which lacks {' and '.join(lacking)}"
            )
        return file_name

    @field_validator("train", "query", "gallery")
    @classmethod
    def _lie_below_the_folder(cls, folder: str) -> str:
        return require_folder(folder, "the data set's folder")

    @model_validator(mode="after")
    def _keep_test_people_apart(self) -> ReidFolder:
        sides = {"train": self.train, "query": self.query, "gallery": self.gallery}
        faults = list(faults_of_sides(sides, may_be_one=("query", "gallery")))
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def read(self, data_root: str | None) -> FoundImages:
        """Find the images; no pixel is read.

        Raises:
            ValueError: folders that are missing, with those that are there; all that is wrong in names.
        """
        splits = {"train": (self.train,), "query": (self.query,), "gallery": (self.gallery,)}
        expected = dict.fromkeys(f"{folder}/" for (folder,) in splits.values())
        how_to_get = (
            f"unpack it there, or correct folder, train, query and gallery of ReidFolder {self.label!r}"
        )
        root = find_root(data_root, self.label, self.folder, list(expected), how_to_get)
        found = read_layout(root, splits, re.compile(self.file_name))
        return dataclasses.replace(found, earlier_fingerprints={})  # no earlier version knew this folder
