"""Many new trials in one transaction of Optuna's database: all of them are there, or none.

Optuna makes each trial in a transaction of its own, which waits for the disc, and asks for the trial anew before each
of its parts. Trials that are new, of which nobody else can know yet, need none of that: they are rows of its tables,
made by its models and added with one statement a table, as long as these tables have the columns that are known here.
Whatever else concerns a trial, and all in another version of Optuna, is written by its calls.
"""

from __future__ import annotations

import functools
import importlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    check_distribution_compatibility,
    distribution_to_json,
    json_to_distribution,
)
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial

KNOWN_COLUMNS = {
    "trials": "trial_id number study_id state datetime_start datetime_complete",
    "trial_values": "trial_value_id trial_id objective value value_type",
    "trial_params": "param_id trial_id param_name param_value distribution_json",
    "trial_user_attributes": "trial_user_attribute_id trial_id key value_json",
    "trial_system_attributes": "trial_system_attribute_id trial_id key value_json",
    "trial_intermediate_values": "trial_intermediate_value_id trial_id step intermediate_value "
    "intermediate_value_type",
}
"""Of Optuna 5.0."""


@functools.cache
def _models() -> Any:
    """Load the models, and SQLAlchemy with them, when a database is there; they are private, and may move."""
    return importlib.import_module("optuna.storages._rdb.models")


def takes_many(storage: RDBStorage) -> bool:
    """Say whether a storage's tables are as they are known here."""
    try:
        tables = _models().BaseModel.metadata.tables
    except (ImportError, AttributeError):
        return False
    columns = {name: () if name not in tables else tables[name].c.keys() for name in KNOWN_COLUMNS}
    is_known = all(set(columns[name]) == set(known.split()) for name, known in KNOWN_COLUMNS.items())
    return is_known and type(storage) is RDBStorage


def count_trials(storage: RDBStorage, study_id: int) -> int:
    """Count the trials of a study; Optuna reads all of them for that."""
    models = _models()
    with storage.scoped_session() as session:
        study = models.StudyModel.find_or_raise_by_id(study_id, session)
        return models.TrialModel.count(session, study)


def add_trials(storage: RDBStorage, study_id: int, trials: Sequence[FrozenTrial]) -> None:
    """Add trials to a study of a storage that takes many, numbered in their order after those that it has.

    Raises:
        ValueError: a parameter's distribution is none that the study's trials may have.
        Exception: whatever the database raises. In every case nothing is written then.
    """
    models = _models()
    with storage.scoped_session() as session, session.begin():
        # As Optuna does it: whoever adds to the study waits here, and on SQLite from the first row on.
        models.StudyModel.find_or_raise_by_id(study_id, session, for_update=True)
        rows = [
            models.TrialModel(
                study_id=study_id,
                state=trial.state,
                datetime_start=trial.datetime_start,
                datetime_complete=trial.datetime_complete,
            )
            for trial in trials
        ]
        session.add_all(rows)
        session.flush()
        num_before = rows[0].count_past_trials(session)
        for place, row in enumerate(rows):
            row.number = num_before + place
        known = _Distributions(session, study_id)
        parts: defaultdict[Any, list[dict[str, Any]]] = defaultdict(list)
        for row, trial in zip(rows, trials, strict=True):
            for model, part in _parts(trial, known):
                parts[model].append({"trial_id": row.trial_id, **part})
        for model, of_all in parts.items():
            session.execute(model.__table__.insert(), of_all)


class _Distributions:
    """The distributions that a study's parameters have had first, each of which binds the later ones."""

    def __init__(self, session: Any, study_id: int) -> None:
        self._session, self._study_id = session, study_id
        self._known: dict[str, BaseDistribution] = {}

    def check(self, name: str, distribution: BaseDistribution) -> None:
        """Refuse one that is not compatible.

        Raises:
            ValueError: it is not.
        """
        known = self._known.get(name) or self._recorded(name)
        if known is not None:
            check_distribution_compatibility(known, distribution)
        self._known[name] = known or distribution

    def _recorded(self, name: str) -> BaseDistribution | None:
        params, trials = _models().TrialParamModel, _models().TrialModel
        row = (
            self._session.query(params.distribution_json)
            .join(trials)
            .filter(trials.study_id == self._study_id, params.param_name == name)
            .first()
        )
        return None if row is None else json_to_distribution(row[0])


def _parts(trial: FrozenTrial, known: _Distributions) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Give the rows of all that a trial has beside itself, each with the model that it is of."""
    models = _models()
    for objective, number in enumerate(trial.values or ()):
        value, kind = models.TrialValueModel.value_to_stored_repr(number)
        yield models.TrialValueModel, {"objective": objective, "value": value, "value_type": kind}
    for name, value in trial.params.items():
        distribution = trial.distributions[name]
        known.check(name, distribution)
        param = {
            "param_name": name,
            "param_value": distribution.to_internal_repr(value),
            "distribution_json": distribution_to_json(distribution),
        }
        yield models.TrialParamModel, param
    for model, attributes in (
        (models.TrialUserAttributeModel, trial.user_attrs),
        (models.TrialSystemAttributeModel, trial.system_attrs),
    ):
        for key, value in attributes.items():
            yield model, {"key": key, "value_json": json.dumps(value)}
    of_step = models.TrialIntermediateValueModel
    for step, number in trial.intermediate_values.items():
        value, kind = of_step.intermediate_value_to_stored_repr(number)
        yield of_step, {"step": step, "intermediate_value": value, "intermediate_value_type": kind}
