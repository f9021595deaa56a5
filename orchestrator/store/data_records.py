"""What is recorded of the data sets that trainings saw and that studies found."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from tablewright.orchestrator.store.record import Record
from tablewright.trainables.contract.data import DatasetFacts, StartingWeights
from tablewright.trainables.value.frozen_model import ClosedModel


class DataRecord(ClosedModel):
    """The data set that a training saw; see `DatasetFacts`.

    Attributes:
        split_fingerprints: empty in records of version 1, whose `fingerprint` is of all files.
        starting_weights: of each part of the network that starts from a file; not in records of version 1.
    """

    name: str
    label: str
    fingerprint: str
    is_demo: bool
    num_images: dict[str, int]
    warnings: tuple[str, ...] = ()
    files_fingerprint: str = ""
    split_fingerprints: dict[str, str] = Field(default_factory=dict[str, str])
    starting_weights: tuple[StartingWeights, ...] = ()

    @classmethod
    def of(cls, facts: DatasetFacts) -> Self:
        """Keep what was found."""
        return cls.model_validate({name: getattr(facts, name) for name in cls.model_fields})

    def facts(self) -> DatasetFacts:
        """Give it as a plan has it."""
        return DatasetFacts(**{name: getattr(self, name) for name in type(self).model_fields})


class KnownData(DataRecord):
    """A data set as the sweep of a study found it."""

    earlier_fingerprints: dict[str, tuple[str, ...]] = Field(default_factory=dict[str, tuple[str, ...]])


class StudyData(Record):
    """What the data sets of a study's configs were when it was last swept: tables are read without them.

    Attributes:
        data: different ones.
        of_config: digest of a config without its seed -> place in `data`.
    """

    HELD: ClassVar[str] = "what the data sets were in the last sweep of a study"
    NEXT_STEP: ClassVar[str] = "move it away, and run the study where its data are"
    SAYS: ClassVar[tuple[str, ...]] = ("data.warnings",)
    SINCE_CHECKSUMS: ClassVar[str] = "of_config"

    data: tuple[KnownData, ...] = ()
    of_config: dict[str, int] = Field(default_factory=dict[str, int])

    @model_validator(mode="after")
    def _refuse_places_that_are_none(self) -> Self:
        if any(place not in range(len(self.data)) for place in self.of_config.values()):
            raise ValueError(f"of_config names places in data beyond the {len(self.data)} that it has")
        return self
