"""Which training a config is: by the data that are there, or by what the store says of the last sweep.

A plan asks this of every config. On a machine with the data the answer follows from the config and the images
that are found; reading tables and states needs the store alone.

Records of earlier versions have ids that cover what is only measured on as well. They are found by these ids, so
that nothing that they hold is trained again.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tablewright.orchestrator.identity import digest_of, training_id, view_id
from tablewright.orchestrator.plans.recorded_config import versions_alike
from tablewright.orchestrator.store.accepted_change import AcceptedChange
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.data_records import KnownData, StudyData
from tablewright.orchestrator.store.parallel_reading import read_all
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_records import TrainingRecord
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.method import TrainingConfig
from tablewright.trainables.contract.view import EvaluationView
from tablewright.trainables.value.canonical import canonical

DescribeData = Callable[[TrainingConfig], DatasetFacts]
"""Finds a config's data set; the only thing a plan needs to know of the machine."""

NOT_RECORDED = "not recorded"
"""Stands for the fingerprint of data that nobody here has seen."""


@dataclass(frozen=True)
class Resolved:
    """The training that gives a config's weights, and the data that it is measured on.

    Attributes:
        training_id: of the training.
        config: of the training; that of the cell, but for fields that only measure.
        data: what trains.
        measuring: the config whose data are measured on.
        measured: these data.
        earlier_splits: of a record of an earlier version the splits that its measurements were made on and that
            are still what they were; None for any other training.
    """

    training_id: str
    config: TrainingConfig
    data: DatasetFacts
    measuring: TrainingConfig
    measured: DatasetFacts
    earlier_splits: tuple[str, ...] | None = None


def without_seed(config: TrainingConfig) -> TrainingConfig:
    """Give a config as all seeds of a row have it."""
    return config if config.seed == 0 else config.model_copy(update={"seed": 0})


def key_of(config: TrainingConfig) -> str:
    """Identify a config without its seed, whatever its data are."""
    # Other code of a method of one's own reads the same data.
    version = config.VERSION if isinstance(config.VERSION, int) else ""
    return digest_of([config.METHOD, version, canonical(without_seed(config))])


class _Recorded:
    """What a store has of trainings, read as it is asked for."""

    def __init__(self, store: Store | None) -> None:
        self._store = None if store is None else store.listed()
        self._ids = frozenset(() if self._store is None else self._store.training_ids())
        self._is_done: dict[str, bool] = {}
        self._accepted: list[AcceptedChange] | None = None
        self._views: dict[str, set[str]] = {}

    def is_done(self, identity: str) -> bool:
        """Say whether there is a record, readable or not."""
        if self._store is None or identity not in self._ids:
            return False
        if identity not in self._is_done:
            self._is_done[identity] = self._store.training(identity).is_done()
        return self._is_done[identity]

    def versions_alike(self, config: TrainingConfig) -> list[str]:
        """Give the other versions of a method's own code that were accepted as moving no number."""
        if self._store is None or isinstance(config.VERSION, int):
            return []
        if self._accepted is None:
            self._accepted = self._store.accepted_changes()
        return [*versions_alike(config.METHOD, config.VERSION, self._accepted)]

    def views(self, identity: str) -> set[str]:
        """Ids of its measured views."""
        if self._store is None:
            return set()
        if identity not in self._views:
            self._views[identity] = self._store.training(identity).measured_views()
        return self._views[identity]


class DataResolver:
    """Resolves configs by the data that are there.

    Args:
        describe_data: finds data sets on this machine.
        store: whose records of earlier versions are found; None looks for none.
    """

    def __init__(self, describe_data: DescribeData, store: Store | None = None) -> None:
        self._describe = describe_data
        self._recorded = _Recorded(store)
        self._facts: dict[TrainingConfig, DatasetFacts] = {}

    def describe(self, config: TrainingConfig) -> DatasetFacts:
        """Find a config's data set, whatever its seed; each is looked for once."""
        key = without_seed(config)
        if key not in self._facts:
            self._facts[key] = self._describe(key)
        return self._facts[key]

    def find_data(self, config: TrainingConfig) -> tuple[DatasetFacts, TrainingConfig, DatasetFacts]:
        """Find what a config is measured on, the config of its training, and what that trains on.

        Raises:
            ValueError: its data cannot be found.
        """
        measured, trained = self.describe(config), config.as_trained()
        return measured, trained, measured if trained == config else self.describe(trained)

    def resolve(self, config: TrainingConfig) -> Resolved:
        """Find the training of a config: one that is recorded, under whichever id, or the one to be made.

        Raises:
            ValueError: its data cannot be found.
        """
        first, *earlier = self.candidates(config)
        if self._recorded.is_done(first.training_id):
            return first
        return next((found for found in earlier if self._recorded.is_done(found.training_id)), first)

    def candidates(self, config: TrainingConfig) -> list[Resolved]:
        """Give the trainings that a config may be recorded as, the present one first, then those of earlier versions.

        Raises:
            ValueError: its data cannot be found.
        """
        measured, trained, data = self.find_data(config)
        found = [Resolved(training_id(trained, data.fingerprint), trained, data, config, measured)]
        found += [
            Resolved(training_id(trained, data.fingerprint, version), trained, data, config, measured)
            for version in self._recorded.versions_alike(trained)
        ]
        for candidate, facts in ((config, measured), (trained, data)):
            for fingerprint, splits in facts.earlier_fingerprints.items():
                identity = training_id(candidate, fingerprint)
                measured_then = splits if facts is measured else ()
                found.append(Resolved(identity, candidate, facts, config, measured, measured_then))
        return found

    def view_id(self, resolved: Resolved, view: EvaluationView, partner_ids: Sequence[str] = ()) -> str:
        """Identify a view of that training, by the id that an earlier version gave it where that is the same."""
        measured_on = resolved.measured.measured_on(view)
        identity = view_id(view, partner_ids, measured_on)
        if resolved.earlier_splits is None or not measured_on.keys() <= set(resolved.earlier_splits):
            return identity
        earlier, measured = view_id(view, partner_ids), self._recorded.views(resolved.training_id)
        return earlier if identity not in measured and earlier in measured else identity


class StoreResolver(DataResolver):
    """Resolves configs by what the store says, so that no data set need be there.

    In this order: what the last sweep of a study found; for other configs, such as those of stores of earlier
    versions, the data under which there is a record; what is on this machine, if the store knows nothing of a data
    set. A config of which nothing is known gets a training that nothing is recorded of.

    Args:
        store: of the records.
        describe_data: finds data sets on this machine, if they are there.
    """

    def __init__(self, store: Store, describe_data: DescribeData) -> None:
        store = store.listed()
        super().__init__(self._find, store)
        self._store, self._describe_here = store, describe_data
        self._known = {
            key: data.data[place].facts()
            for data in store.study_data().values()  # what cannot be used is said; the records tell most of it
            for key, place in data.of_config.items()
        }
        self._recorded_data: list[tuple[DatasetFacts, set[int]]] | None = None

    def _find(self, config: TrainingConfig) -> DatasetFacts:
        known = self._known.get(key_of(config)) or self._find_recorded(config)
        if known is not None:
            return known
        alike = [facts for facts in self._all_known() if facts.name == config.dataset_name()]
        if alike:
            return dataclasses.replace(alike[0], fingerprint=NOT_RECORDED, earlier_fingerprints={})
        try:
            return self._describe_here(config)
        except ValueError:
            absent = "it is not on this machine, and nothing of it is recorded"
            return DatasetFacts(
                config.dataset_name(), config.dataset_name(), NOT_RECORDED, False, {}, (absent,)
            )

    def _all_known(self) -> Iterable[DatasetFacts]:
        return [*self._known.values(), *(facts for facts, _ in self._recorded_data or ())]

    def _find_recorded(self, config: TrainingConfig) -> DatasetFacts | None:
        """Find the data under which a training of any seed of the config is recorded, the newest first."""
        if self._recorded_data is None:
            # What was swept last says more than a record, such as what has been added since to measure on.
            swept = {facts.fingerprint: facts for facts in self._known.values()}
            found = _recorded_data(self._store)
            self._recorded_data = [(swept.get(facts.fingerprint, facts), seeds) for facts, seeds in found]
            self._recorded_data.sort(key=lambda item: item[0].fingerprint not in swept)
        for facts, seeds in self._recorded_data:
            for seed in (
                seeds if facts.name in (config.dataset_name(), config.as_trained().dataset_name()) else ()
            ):
                of_seed = config.model_copy(update={"seed": seed})
                if any(
                    self._recorded.is_done(training_id(candidate, facts.fingerprint))
                    for candidate in (of_seed, of_seed.as_trained())
                ):
                    return facts
        return None


def _recorded_data(store: Store) -> list[tuple[DatasetFacts, set[int]]]:
    """Give the data sets of all records, with the seeds that trained on each; the newest first."""
    newest: dict[str, datetime.datetime] = {}
    found: dict[str, tuple[DatasetFacts, set[int]]] = {}

    def read(identity: str) -> TrainingRecord | None:
        try:
            return store.training(identity).record()
        except DamagedFile:
            return None  # whoever needs it is told

    for record in read_all(read, store.training_ids()):
        if record is None:
            continue
        facts, seeds = found.setdefault(record.data.fingerprint, (record.data.facts(), set()))
        seeds.add(int(record.config.get("seed", 0)))
        newest[facts.fingerprint] = max(newest.get(facts.fingerprint, record.ended_at), record.ended_at)
    return sorted(found.values(), key=lambda item: newest[item[0].fingerprint], reverse=True)


def remember_data(
    study: str, configs: Iterable[TrainingConfig], resolver: DataResolver, store: Store
) -> None:
    """Keep what the data of a study's configs are now, beside what is known of configs that it had once.

    Nothing is written where nothing has changed.
    """
    before = store.study_data_of(study) or StudyData()
    texts = {key: before.data[place].model_dump_json() for key, place in before.of_config.items()}
    texts |= {key_of(config): KnownData.of(resolver.describe(config)).model_dump_json() for config in configs}
    place_of = {text: place for place, text in enumerate(dict.fromkeys(texts.values()))}
    after = StudyData(
        data=tuple(KnownData.model_validate_json(text) for text in place_of),
        of_config={key: place_of[text] for key, text in texts.items()},
    )
    if after != before:
        store.write_study_data(study, after)
