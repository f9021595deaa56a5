"""What is known of a data set that was found, and of the weights that a network starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tablewright.trainables.contract.view import EvaluationView
from tablewright.trainables.value.name_list import some


@dataclass(frozen=True)
class StartingWeights:
    """The file that a part of a network started from, and what of either went unused.

    Attributes:
        part: of the network.
        file: its name, without the folder.
        sha256: of the file.
        fresh: entries of the part that the file did not give, by an exception that the network names.
        unused: entries of the file that went nowhere, likewise.
        remarks: what else is to be known of it, one sentence each without the final stop.
    """

    part: str
    file: str
    sha256: str
    fresh: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def describe(self) -> str:
        """Say it in one line, with the first few names of many."""
        lists = [
            f"{what}: {len(names)} ({some(names, 3)})"
            for names, what in ((self.fresh, "starting fresh"), (self.unused, "unused of the file"))
            if names
        ]
        return "; ".join([f"{self.part}: {self.file}, SHA-256 {self.sha256[:8]}", *lists, *self.remarks])


@dataclass(frozen=True)
class DatasetFacts:
    """What a plan and a caption need to know of a data set that was found on disk.

    What trains and what is measured on have fingerprints of their own, so that images which are only measured
    on may be added or changed without making anything train again.

    Attributes:
        name: as configs name it, such as `market1501`.
        label: as papers print it, such as `Market-1501`.
        fingerprint: SHA-256 of all that changes the weights: the images that are trained on, and the weights
            that a network starts from; part of every training id.
        is_demo: numbers on it are not comparable with any paper.
        num_images: images by split.
        warnings: what differs from the published data set, and what a reader is to know of the starting weights; one
            sentence each.
        files_fingerprint: that of the images alone; empty where nothing else is in the fingerprint.
        split_fingerprints: SHA-256 by split, as `EvaluationView.reads` names them. A method that gives none has
            everything in `fingerprint`.
        earlier_fingerprints: what earlier versions of this program took for `fingerprint`, each with the splits
            that were in it: records of theirs are found by it.
        starting_weights: of each part of the network that starts from a file.
    """

    name: str
    label: str
    fingerprint: str
    is_demo: bool
    num_images: Mapping[str, int]
    warnings: tuple[str, ...] = ()
    files_fingerprint: str = ""
    split_fingerprints: Mapping[str, str] = field(default_factory=dict[str, str])
    earlier_fingerprints: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    starting_weights: tuple[StartingWeights, ...] = ()

    def measured_on(self, view: EvaluationView) -> dict[str, str]:
        """Give the fingerprints of the splits that a view reads, of those that are there."""
        known = self.split_fingerprints
        return {name: known[name] for name in view.reads if name in known}

    def is_measured_like(self, other: DatasetFacts, view: EvaluationView) -> bool:
        """Say whether rows on both may stand in one column, whatever they were trained on."""
        ours, theirs = self.measured_on(view), other.measured_on(view)
        if ours and theirs:
            return ours == theirs
        # A record of an earlier version, or a method that tells nothing apart: all files must agree.
        ours, theirs = (facts.files_fingerprint or facts.fingerprint for facts in (self, other))
        return ours == theirs
