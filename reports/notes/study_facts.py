"""What the records of a study say of how its numbers came about: machines, time, software, data, warnings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from tablewright.orchestrator.costs.cost import CostSheet, cost_sheet
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.data_records import DataRecord
from tablewright.orchestrator.store.parallel_reading import read_all
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_records import Measurement, TrainingRecord


@dataclass(frozen=True)
class MeasuredFacts:
    """Over what the views of a study were measured.

    Attributes:
        data: label of the data.
        items: what the values are means over, in the plural.
        num_measured: how many of them.
        left_out: reason -> how many others.
    """

    data: str
    items: str
    num_measured: int
    left_out: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class StudyFacts:
    """What is recorded of the trainings of one study, those of its searches among them.

    Attributes:
        num_planned: trainings that its tables need.
        num_of_searches: further ones that its searches have asked for.
        records: of those that have ended, by training id.
        num_damaged: records that cannot be read.
        cost: what all of them have held of machines, attempts that were lost too.
        measured: over what, each once.
        warnings: what trainings and measuring had to say -> by how many it was said.
    """

    num_planned: int
    num_of_searches: int
    records: Mapping[str, TrainingRecord]
    num_damaged: int
    cost: CostSheet
    measured: tuple[MeasuredFacts, ...] = ()
    warnings: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def train_wall_s(self) -> list[float]:
        """How long each training took, in order of length, measuring left out."""
        return sorted(record.train_wall_s for record in self.records.values())

    @property
    def devices(self) -> Counter[str]:
        """What was trained on -> by how many trainings."""
        return Counter(
            record.holdings[-1].device if record.holdings else record.device
            for record in self.records.values()
        )

    @property
    def versions(self) -> dict[str, Counter[str]]:
        """Package -> version -> by how many trainings it was used."""
        found: dict[str, Counter[str]] = {}
        for record in self.records.values():
            for name, version in record.versions.items():
                found.setdefault(name, Counter())[version] += 1
        return dict(sorted(found.items()))

    @property
    def data(self) -> list[DataRecord]:
        """The data that were trained on, each once."""
        once = {(record.data.name, record.data.fingerprint): record.data for record in self.records.values()}
        return [once[key] for key in sorted(once)]

    def said(self, name: str) -> Counter[str]:
        """Give the values of one field of `machine`, such as `python` -> by how many trainings."""
        return Counter(value for record in self.records.values() if (value := record.machine.get(name)))


def read_study_facts(plan: Plan, study: Study, store: Store) -> StudyFacts:
    """Read every record of one study.

    Args:
        plan: of the study.
        study: one of the plan's.
        store: of the records.
    """
    store = store.listed()
    views: dict[str, set[str]] = {}
    for cell in plan.cells:
        if cell.study == study.name:
            views.setdefault(cell.training_id, set()).add(cell.view_id)
            for partner_id in cell.partner_ids:
                views.setdefault(partner_id, set())
    num_planned = len(views)
    for search in study.all_searches:
        for trial in plan.searches[study.name, search.name].trials:
            for identity in trial.training_ids:
                views.setdefault(identity, set())

    def read(identity: str) -> tuple[TrainingRecord | None, list[Measurement], bool]:
        folder = store.training(identity)
        try:
            record = folder.record()
            found = [folder.measurement(view_id) for view_id in sorted(views[identity])] if record else []
        except DamagedFile:
            return None, [], True
        return record, [one for one in found if one is not None], False

    readings = dict(zip(views, read_all(read, views), strict=True))
    records = {
        identity: record for identity, (record, _, _) in sorted(readings.items()) if record is not None
    }
    measurements = [one for _, (_, found, _) in sorted(readings.items()) for one in found]
    return StudyFacts(
        num_planned,
        len(views) - num_planned,
        records,
        sum(is_damaged for _, _, is_damaged in readings.values()),
        cost_sheet(plan, store, study=study.name),
        _measured_facts(measurements, records),
        _warnings(records.values(), measurements),
    )


def _measured_facts(
    measurements: Sequence[Measurement], records: Mapping[str, TrainingRecord]
) -> tuple[MeasuredFacts, ...]:
    found = {
        MeasuredFacts(
            one.data_label or records[one.training_id].data.label,
            one.items,
            one.num_measured,
            tuple(sorted(one.left_out.items())),
        )
        for one in measurements
        if one.items and one.training_id in records
    }
    return tuple(sorted(found, key=lambda facts: (facts.data, facts.items, facts.num_measured)))


def _warnings(records: Collection[TrainingRecord], measurements: Sequence[Measurement]) -> dict[str, int]:
    said: Counter[str] = Counter()
    for one in (*records, *measurements):
        said.update(set(one.warnings))
    for record in records:
        said.update(set(record.data.warnings))
    return dict(sorted(said.items()))
