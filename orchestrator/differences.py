"""In what two trainings of a store differ, read from their records alone.

No study need be there: a record says what it was made of. Of a training that has none, as it has not ended, there is
only what its folder holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tablewright.orchestrator.finding import find_by_id, label_of
from tablewright.orchestrator.plans.recorded_config import differences, differing_definitions
from tablewright.orchestrator.store.data_records import DataRecord
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_folder import TrainingFolder
from tablewright.orchestrator.store.training_records import Measurement, TrainingRecord
from tablewright.trainables.contract.recorded_view import recorded_view
from tablewright.trainables.value.secret import masked

SHORT_DIGITS = 8
"""Of an id or a digest, as a person reads it."""
MAX_CHARACTERS = 60
"""Of a value that is shown."""
MAX_DEFINITIONS = 20
ABSENT = "absent"
"""Stands where one of the two has no such field."""


@dataclass(frozen=True)
class Difference:
    """One thing in which two trainings differ.

    Attributes:
        name: of it, such as `network.width`.
        text: what it is in the first and in the second.
    """

    name: str
    text: str


@dataclass(frozen=True)
class Compared:
    """One of two trainings that are compared.

    Attributes:
        training_id: of it.
        label: for people; empty where nothing that is left of it says so.
        state: how far it is.
        record: None where it has not ended.
    """

    training_id: str
    label: str
    state: str
    record: TrainingRecord | None

    @property
    def in_words(self) -> str:
        """Say which it is, and how far."""
        study = "" if self.record is None else f"{self.record.study}: "
        return f"{study}{self.label or '(its label is not recorded)'}, {self.state}"


@dataclass(frozen=True)
class Comparison:
    """Two trainings beside each other.

    Attributes:
        first: of them.
        second: of them.
        causes: group -> differences in what decides their numbers; empty ones are equal. There are none where one of
            the two has no record, which is what says it.
        outcome: group -> how they went and what was measured.
    """

    first: Compared
    second: Compared
    causes: Mapping[str, tuple[Difference, ...]]
    outcome: Mapping[str, tuple[Difference, ...]]

    @property
    def conclusion(self) -> str:
        """Say what is equal."""
        if self.first.training_id == self.second.training_id:
            return "Both are one training."
        if not self.causes:
            return "What decides the numbers can be compared once both have a record."
        equal = [name for name, found in self.causes.items() if not found]
        if len(equal) == len(self.causes):
            return f"Equal in {', '.join(equal)}: nothing that decides their numbers differs."
        return f"Equal: {', '.join(equal)}." if equal else "Nothing is equal."


def compare_trainings(store: Store, first: str, second: str) -> Comparison:
    """Compare two trainings.

    Args:
        store: that has both.
        first: its id, or the beginning of it.
        second: likewise.

    Raises:
        ValueError: a beginning is that of no training, or of several; both are told at once.
        DamagedFile: a record cannot be used.
    """
    found, faults = list[str](), list[str]()
    for text in (first, second):
        try:
            found.append(find_by_id(store, text, "--diff"))
        except ValueError as error:
            faults.append(str(error))
    if faults:
        raise ValueError("\n".join(faults))
    folders = [store.training(identity) for identity in found]
    one, other = (_read(store, folder) for folder in folders)
    causes = {} if one.record is None or other.record is None else _causes(one.record, other.record)
    outcome = {"progress": tuple(_progress(one, other)), "metrics": tuple(_metrics(*folders))}
    return Comparison(one, other, causes, outcome)


def _read(store: Store, folder: TrainingFolder) -> Compared:
    record = folder.record()
    if record is not None:
        return Compared(folder.training_id, record.label, "finished", record)
    message = folder.failure_message()
    if message is not None:
        state = f"failed, without a record: {message}"
    else:
        state = f"not finished, without a record: begun {folder.num_attempts()} times"
    return Compared(folder.training_id, label_of(store, folder.training_id), state, None)


# -- what decides the numbers ------------------------------------------------------------------------


def _causes(first: TrainingRecord, second: TrainingRecord) -> dict[str, tuple[Difference, ...]]:
    both = (first, second)
    seeds, configs = zip(*(_parted(record.config) for record in both), strict=True)
    environments = [
        {"device": record.device, "host": record.host, **record.machine, **record.environment}
        for record in both
    ]
    return {
        "config": tuple(_of_values(*configs)),
        "seed": tuple(_of_values(*seeds)),
        "code": tuple(_of_code(first, second)),
        "data": tuple(_of_values(*(_data_values(record.data) for record in both))),
        "environment": (
            *_of_values(*environments),
            *_of_values(
                *({f"version of {name}": text for name, text in one.versions.items()} for one in both)
            ),
        ),
    }


def _parted(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part a config into its seed and the rest."""
    seed = {name: value for name, value in config.items() if name == "seed"}
    return seed, {name: value for name, value in config.items() if name not in seed}


def _of_values(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Difference]:
    for path, one, other in differences(first, second):
        yield Difference(path, f"{_short(one) or ABSENT} → {_short(other) or ABSENT}")


def _short(text: str) -> str:
    text = masked(text)  # a config of before secrets were refused
    bare = text[1:-1] if text.startswith('"') and text.endswith('"') else text
    return bare if len(bare) <= MAX_CHARACTERS else f"{bare[: MAX_CHARACTERS - 1]}…"


def _of_code(first: TrainingRecord, second: TrainingRecord) -> Iterator[Difference]:
    yield from _of_values(*({"method": record.method} for record in (first, second)))
    yield from _of_values(
        *({"version": _version(record.method_version)} for record in (first, second)),
    )
    if first.method == second.method:  # of two methods every definition would be new
        found = differing_definitions(first.source, second.source)
        for name, what in list(found.items())[:MAX_DEFINITIONS]:
            yield Difference(name, what)
        if len(found) > MAX_DEFINITIONS:
            yield Difference(f"{len(found) - MAX_DEFINITIONS} more definitions", "changed")
    yield from _of_values(*({"Git commit": record.git_commit or "none"} for record in (first, second)))
    yield from _of_uncommitted(first.diff_sha256, second.diff_sha256)


def _of_uncommitted(first: str, second: str) -> Iterator[Difference]:
    """Name what was not committed, which says more than two commits do."""
    if first == second:
        return
    if first and second:
        text = f"both had some, and others: compare provenance/{first}.diff with provenance/{second}.diff in the store"
    else:
        which = "first" if first else "second"
        text = f"the {which} alone had some: provenance/{first or second}.diff in the store"
    yield Difference("uncommitted changes", text)


def _version(version: int | str) -> int | str:
    return version[:SHORT_DIGITS] if isinstance(version, str) else version


def _data_values(data: DataRecord) -> dict[str, Any]:
    """Give what a record says of its data, digests in short and without what they alone would repeat."""
    return {
        "name": data.label,
        "fingerprint": data.fingerprint[:SHORT_DIGITS],
        **({"files": data.files_fingerprint[:SHORT_DIGITS]} if data.files_fingerprint else {}),
        "images": data.num_images,
        "split": {name: digest[:SHORT_DIGITS] for name, digest in data.split_fingerprints.items()},
        "starting weights": {
            weights.part: f"{weights.file}, SHA-256 {weights.sha256[:SHORT_DIGITS]}"
            for weights in data.starting_weights
        },
        "warnings": list(data.warnings),
    }


# -- how they went -----------------------------------------------------------------------------------


def _progress(one: Compared, other: Compared) -> Iterator[Difference]:
    """Compare the two records; nothing where one is not finished, which its state says."""
    first, second = one.record, other.record
    if first is None or second is None:
        return
    figures: dict[str, Callable[[TrainingRecord], Any]] = {
        "epochs": lambda record: record.num_epochs,
        "attempts": lambda record: record.attempts,
        "training": lambda record: f"{record.train_wall_s:.1f} s",
        "measuring": lambda record: f"{record.measure_wall_s:.1f} s",
        "command": lambda record: record.command_line or "not recorded",
        "ended": lambda record: f"{record.ended_at:%Y-%m-%d %H:%M}",
    }
    yield from _of_values(*({name: of(one) for name, of in figures.items()} for one in (first, second)))
    for name, here, there in (
        ("warned of by the first alone", first, second),
        ("warned of by the second alone", second, first),
    ):
        for text in dict.fromkeys(here.warnings):
            if text not in there.warnings:
                yield Difference(name, text)


def _metrics(first: TrainingFolder, second: TrainingFolder) -> Iterator[Difference]:
    """Give every metric of every view; those of equal value too, which say that a change made no difference."""
    ours, theirs = _measurements(first), _measurements(second)
    named = _names_of([*ours, *theirs])
    pairs = list(_pairs(ours, theirs))
    for one, other in pairs:
        name = named[_key(one)]
        if one.measured_on != other.measured_on or one.items_sha256 != other.items_sha256:
            yield Difference(name, "measured on other data")
        yield from _of_metrics(name, one, other)
    paired = [id(item) for pair in pairs for item in pair]
    for which, some in (("first", ours), ("second", theirs)):
        for item in some:
            if id(item) not in paired:
                values = ", ".join(f"{name} {value:.6g}" for name, value in _values(item).items())
                yield Difference(named[_key(item)], f"{values} (the {which} alone was measured by this view)")


def _measurements(folder: TrainingFolder) -> list[Measurement]:
    """Give the newest measurement by each view: what it is measured on may have changed since the first."""
    found: dict[str, Measurement] = {}
    for view_id in sorted(folder.measured_views()):
        item = folder.measurement(view_id)
        if item is None:
            continue
        key = _key(item)
        if key not in found or found[key].measured_at <= item.measured_at:
            found[key] = item
    return list(found.values())


def _key(item: Measurement) -> str:
    """Tell views apart: how it is measured, and with how many others."""
    fields = recorded_view(item.view)
    return repr([sorted((name, repr(value)) for name, value in fields.items()), len(item.partner_ids)])


def _pairs(
    ours: Sequence[Measurement], theirs: Sequence[Measurement]
) -> Iterator[tuple[Measurement, Measurement]]:
    """Pair equal views; then those of one kind and split, where each training has a single one left."""
    by_key = {_key(item): item for item in theirs}
    left_of_ours: list[Measurement] = []
    for item in ours:
        if (equal := by_key.pop(_key(item), None)) is None:
            left_of_ours.append(item)
        else:
            yield item, equal
    for item in left_of_ours:
        rivals = [other for other in left_of_ours if _family(other) == _family(item)]
        alike = [other for other in by_key.values() if _family(other) == _family(item)]
        if len(rivals) == len(alike) == 1:
            yield item, alike[0]


def _family(item: Measurement) -> tuple[Any, ...]:
    fields = recorded_view(item.view)
    return fields.get("kind"), fields.get("method"), item.view.split, len(item.partner_ids)


def _names_of(items: Iterable[Measurement]) -> dict[str, str]:
    """Name each view by its split and, where that is that of several, by the fields in which they differ."""
    views = {_key(item): (item, recorded_view(item.view)) for item in items}
    names: dict[str, str] = {}
    for key, (item, fields) in views.items():
        others = [other for _, other in views.values()]
        telling = [
            f"{name} {_short(str(value))}"
            for name, value in fields.items()
            if name not in ("split", "gives", "says") and any(other.get(name) != value for other in others)
        ]
        ensemble = [f"ensemble of {len(item.partner_ids) + 1}"] if item.partner_ids else []
        names[key] = ", ".join([item.view.split, *ensemble, *telling])
    return names


def _values(item: Measurement) -> Mapping[str, float]:
    return item.view.in_todays_names(item.metrics)


def _of_metrics(view: str, one: Measurement, other: Measurement) -> Iterator[Difference]:
    first, second = _values(one), _values(other)
    for metric in dict.fromkeys([*first, *second]):
        here, there = first.get(metric), second.get(metric)
        if here is None or there is None:
            text = (
                f"{ABSENT if here is None else f'{here:.6g}'} → {ABSENT if there is None else f'{there:.6g}'}"
            )
        elif here == there:
            text = f"{here:.6g} in both"
        else:
            text = f"{here:.6g} → {there:.6g} ({there - here:+.3g})"
        yield Difference(f"{view}: {metric}", text)
