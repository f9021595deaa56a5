"""Reads a whole store and names every file that is not what it should be.

Each file is checked by itself (is it whole, does its checksum agree), by its place (are the ids in it those of the
folder and the file name), and by its neighbours (a measurement has its table of items, a suggestion's value is what its
training measured, a metric is the mean over its items). What was written before there were checksums is counted,
not blamed.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tablewright.orchestrator.identity import digest_of, training_id
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.plans.recorded_config import accepted_changes, config_changes, view_changes
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.item_table import measured_columns, measured_items
from tablewright.orchestrator.store.parallel_reading import read_all
from tablewright.orchestrator.store.search_records import SearchTrialRecord
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_folder import TrainingFolder, is_picture
from tablewright.orchestrator.store.training_records import Measurement, TrainingRecord
from tablewright.trainables.contract.recorded_view import UnknownView
from tablewright.trainables.contract.run import FINAL_CHECKPOINT

MEAN_TOLERANCE = 1e-9  # of a fraction; the order of adding up moves less


@dataclass(frozen=True)
class Verification:
    """What was read of a store.

    Attributes:
        num_trainings: folders of trainings, finished or not.
        num_records: of those, the finished ones.
        num_measurements: measured views.
        num_suggestions: of searches.
        num_without_checksums: finished trainings that are older than checksums.
        unknown_kinds: of views that nothing loaded can read, so that their metrics were not held against their items.
        faults: one sentence each, in the order of the files' names.
    """

    num_trainings: int
    num_records: int
    num_measurements: int
    num_suggestions: int
    num_without_checksums: int
    unknown_kinds: tuple[str, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True)
class _Read:
    """What was read of one training."""

    faults: tuple[str, ...]
    is_recorded: bool
    has_checksums: bool
    num_measurements: int
    unknown_kinds: tuple[str, ...]


def verify_store(store: Store, plan: Plan | None = None) -> Verification:
    """Read every file of a store.

    Args:
        store: to be read.
        plan: of studies whose configs are compared with their records as well; None compares none.
    """
    store = store.listed()
    read = read_all(lambda identity: _read_training(store.training(identity)), store.training_ids())
    faults = [store.fault] if store.fault else []
    faults += [fault for of_training in read for fault in of_training.faults]
    num_suggestions = 0
    for search_id in store.search_ids():
        numbers = store.search_trial_numbers(search_id)
        num_suggestions += len(numbers)
        for number in numbers:
            faults += _faults_of_suggestion(store, search_id, number)
        try:
            store.learnt_trials(search_id)
        except DamagedFile as error:
            faults.append(str(error))
    store.study_data(faults)
    store.accepted_changes(faults)
    if plan is not None:
        faults += _faults_of_plan(store, plan)
    return Verification(
        num_trainings=len(read),
        num_records=sum(of_training.is_recorded for of_training in read),
        num_measurements=sum(of_training.num_measurements for of_training in read),
        num_suggestions=num_suggestions,
        num_without_checksums=sum(item.is_recorded and not item.has_checksums for item in read),
        unknown_kinds=tuple(sorted({kind for of_training in read for kind in of_training.unknown_kinds})),
        faults=tuple(dict.fromkeys(faults)),
    )


def _faults_of(read: Callable[[], Any]) -> Iterator[str]:
    try:
        read()
    except DamagedFile as error:
        yield str(error)


def _read_training(folder: TrainingFolder) -> _Read:
    faults: list[str] = []
    record: TrainingRecord | None = None
    try:
        record = folder.record()
    except DamagedFile as error:
        faults.append(str(error))
    folder.attempts(faults)
    for read in (folder.failure, folder.cancellation, folder.epochs, folder.removed_weights):
        faults += _faults_of(read)
    if record is not None:
        faults += list(_faults_of_files(folder, record, " ".join(faults)))
    view_ids, unknown = sorted(folder.measured_views()), list[str]()
    for view_id in view_ids:
        faults += _faults_of_measurement(folder, view_id, unknown)
    for name in _pictures_of(folder, faults):
        faults += _faults_of(functools.partial(folder.picture, name))
    has_checksums = bool(record and record.files)
    return _Read(tuple(faults), record is not None, has_checksums, len(view_ids), tuple(unknown))


def _pictures_of(folder: TrainingFolder, faults: list[str]) -> list[str]:
    """Name the pictures that are there and those that were drawn; none where what was drawn cannot be read."""
    try:
        return sorted({*folder.pictures(), *folder.picture_checksums()})
    except DamagedFile as error:
        faults.append(str(error))
        return []


def _faults_of_files(folder: TrainingFolder, record: TrainingRecord, told: str) -> Iterator[str]:
    """Compare the files beside a record with their checksums, but for pictures and what was told to be damaged."""
    for name, expected in record.files.items():
        if f"{folder.place}/{name}" in told or is_picture(name):
            continue
        if name == f"checkpoint/{FINAL_CHECKPOINT}" and _is_removed_on_purpose(folder):
            continue
        found = folder.sha256_of(name)
        if found != expected:
            lost = (
                "is not there"
                if found is None
                else "is not the file that was recorded (its checksum differs)"
            )
            yield (
                f"in the store, {folder.place}/{name} {lost}. What was measured stands; get it back from a copy, or "
                "delete the training's folder to train it again"
            )


def _is_removed_on_purpose(folder: TrainingFolder) -> bool:
    try:
        return folder.removed_weights() is not None
    except DamagedFile:
        return True  # it is told what is wrong with the file that says so


def _faults_of_measurement(folder: TrainingFolder, view_id: str, unknown: list[str]) -> Iterator[str]:
    try:
        measurement = folder.measurement(view_id)
        table = folder.items(view_id, measurement)
    except DamagedFile as error:
        yield str(error)
        return
    except FileNotFoundError:
        return  # it was moved away meanwhile
    if measurement is None:
        return
    columns = {name: table[name].to_numpy() for name in table.column_names}
    names, _ = measured_items(columns)
    if measurement.items and measurement.items_sha256 != digest_of(names):
        yield (
            f"in the store, {folder.place}/queries/{view_id}.parquet names other items than were measured; move it and "
            "the view's file in measurements/ away, and the next run measures the view again"
        )
        return
    if isinstance(measurement.view, UnknownView):
        unknown.append(measurement.view.kind)
    yield from _faults_of_means(folder, measurement, measured_columns(columns))


def _faults_of_means(
    folder: TrainingFolder, measurement: Measurement, columns: Mapping[str, np.ndarray]
) -> Iterator[str]:
    """Tell which metrics are not the means of what their table of items holds."""
    view = measurement.view
    recorded = view.in_todays_names(measurement.metrics)
    for metric in view.metrics:
        scores = view.item_scores(metric, columns)
        if scores is None or not len(scores) or metric.name not in recorded:
            continue
        mean, value = float(scores.mean()), recorded[metric.name]
        if not math.isclose(mean, value, abs_tol=MEAN_TOLERANCE):
            yield (
                f"in the store, {folder.place}/measurements/{measurement.view_id}.json has {metric.name} {value:.6f}, "
                f"but the mean over its table of items is {mean:.6f}; move both away (measurements/ and queries/), and "
                "the next run measures the view again"
            )


def _faults_of_suggestion(store: Store, search_id: str, number: int) -> Iterator[str]:
    try:
        trial = store.search_trial(search_id, number)
    except DamagedFile as error:
        yield str(error)
        return
    for of_training, value in () if trial is None else trial.told_values:
        if value is not None:
            yield from _faults_of_value(store, f"searches/{search_id}/{number:06d}.json", of_training, value)


def _faults_of_value(store: Store, place: str, of_training: str, value: float) -> Iterator[str]:
    folder = store.training(of_training)
    values: set[float] = set()
    for view_id in folder.measured_views():
        try:
            measurement = folder.measurement(view_id)
        except DamagedFile:
            return  # it is told where it lies
        values |= set(measurement.metrics.values()) if measurement else set()
    if values and value not in values:
        yield (
            f"in the store, {place} has the value {value}, which is none that its training {of_training[:8]} measured; "
            f"{SearchTrialRecord.NEXT_STEP}"
        )


def _faults_of_plan(store: Store, plan: Plan) -> Iterator[str]:
    """Compare what the studies mean with what is recorded under the same ids."""
    accepted = store.accepted_changes()
    for planned in plan.trainings.values():
        try:
            record = store.training(planned.training_id).record()
        except DamagedFile:
            continue  # it is told already
        if record is None:
            continue
        yield from map(str, accepted_changes(config_changes(record, planned.config), accepted)[0])
        for view_id, asked in planned.views.items():
            try:
                measurement = store.training(planned.training_id).measurement(view_id)
            except DamagedFile:
                continue  # it is told already
            if measurement is not None:
                changes = view_changes(record, measurement, asked.view)
                yield from map(str, accepted_changes(changes, accepted)[0])
        identity = training_id(planned.config, record.data.fingerprint, record.method_version)
        if identity != record.training_id:
            yield (
                f"in the store, trainings/{record.training_id}/record.json is of other data than its id says; "
                f"{record.NEXT_STEP}"
            )
    yield from (state.fault for state in plan.searches.values() if state.fault)
