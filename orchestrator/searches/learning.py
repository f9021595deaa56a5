"""What a search learns before its first trial: from another search, a study of Optuna, rows that are recorded.

A trial of elsewhere fits if its config is one that this search could try itself: it differs from the declared one on
searched paths only, by values of their ranges. Seeds aside: luck is no other recipe.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.changes import apply_changes, value_at
from tablewright.orchestrator.declared.ranges import range_of
from tablewright.orchestrator.declared.search import Search, is_searched
from tablewright.orchestrator.declared.teacher import OptunaStudy, Teacher
from tablewright.orchestrator.plans.resolution import DataResolver, without_seed
from tablewright.orchestrator.searches.optuna_study import read_complete
from tablewright.orchestrator.searches.search_state import measured_value, read_trials
from tablewright.orchestrator.store.search_records import LearntTrial, LearntTrials
from tablewright.orchestrator.store.store import Store
from tablewright.trainables.contract.method import TrainingConfig
from tablewright.trainables.value.refusal import shown

REASONS_SHOWN = 3
"""So many reasons why trials do not fit are told, the commonest first."""


class DoesNotFit(Exception):
    """Why a trial of elsewhere is none that the search could make."""


@dataclass
class _Lesson:
    """What one teacher gives.

    Attributes:
        of: what it has, such as `trials of search wide`.
        trials: that fit.
        points: parameters of recorded rows that are not measured on `val` yet.
        misfits: why others do not fit.
    """

    of: str
    trials: list[LearntTrial] = field(default_factory=list[LearntTrial])
    points: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    misfits: Counter[str] = field(default_factory=Counter[str])

    def __str__(self) -> str:
        """Say what is learnt, and what is not and why."""
        num_others = self.misfits.total()
        if not num_others:
            return f"{len(self.trials)} {self.of}"
        reasons = [
            f"{why}{f', {count} times' if count > 1 else ''}"
            for why, count in self.misfits.most_common(REASONS_SHOWN)
        ]
        return f"{len(self.trials)} {self.of} ({num_others} do not fit: {'; '.join(reasons)})"


def learn(search: Search, resolver: DataResolver, store: Store) -> LearntTrials:
    """Learn what a search declares to learn from, as it is now.

    Raises:
        ValueError: a study that cannot be opened, and what teaches nothing; all that is wrong, told at once.
    """
    lessons: list[_Lesson] = []
    faults: list[str] = []
    for teacher in search.learns_from:
        try:
            lessons.append(_lesson(search, teacher, resolver, store))
        except ValueError as error:
            faults.append(str(error))
    if faults:
        raise ValueError("\n".join(f"Search {search.name!r}: {fault}" for fault in faults))
    return LearntTrials(
        lines=tuple(str(lesson) for lesson in lessons),
        trials=tuple(trial for lesson in lessons for trial in lesson.trials),
        points=tuple(point for lesson in lessons for point in lesson.points),
    )


def _lesson(search: Search, teacher: Teacher, resolver: DataResolver, store: Store) -> _Lesson:
    if isinstance(teacher, Ablation):
        return _of_rows(search, teacher, resolver, store)
    if isinstance(teacher, Search):
        lesson = _of_search(search, teacher, resolver, store)
        next_step = f"run {teacher.name} before, or take it out of learns_from"
    else:
        assert isinstance(teacher, OptunaStudy), f"nobody learns from {teacher}"
        lesson = _of_optuna(search, teacher)
        next_step = "give its parameters' paths, or take it out of learns_from"
    if not lesson.trials:
        raise ValueError(f"it would learn from {lesson}, which is nothing; {next_step}")
    return lesson


def _of_search(search: Search, other: Search, resolver: DataResolver, store: Store) -> _Lesson:
    lesson = _Lesson(f"complete trials of search {other.name}")
    for trial in read_trials(other, resolver, store):
        if trial.value is not None:
            _take(lesson, search, other.trial_config(trial.params), trial.value)
    return lesson


def _of_optuna(search: Search, teacher: OptunaStudy) -> _Lesson:
    lesson = _Lesson(f"complete trials of Optuna's study {teacher.name}")
    is_maximised = search.objective.metric.higher_is_better
    for params, value in read_complete(teacher, higher_is_better=is_maximised):
        missing = [path for path in _searched_paths(search, params) if path not in params]
        if missing:
            others = ", ".join(sorted(path for path in params if path not in search.space))
            instead = f", and {others} is not searched" if others else ""
            lesson.misfits[f"nothing is known of {', '.join(missing)}{instead}"] += 1
            continue
        try:
            config = apply_changes(search.trial_config({}), params)
        except ValueError as error:
            lesson.misfits[" ".join(str(error).split())] += 1
            continue
        _take(lesson, search, config, value)
    return lesson


def _of_rows(search: Search, ablation: Ablation, resolver: DataResolver, store: Store) -> _Lesson:
    """Learn from the rows with the search's own seed: each is a training that the search could make."""
    if all(dataset.changes != search.datasets[0].changes for dataset in ablation.datasets):
        text = f"it would learn from table {ablation.name}, which has no column of {search.datasets[0].label}"
        raise ValueError(
            f"{text}; it has {', '.join(dataset.label for dataset in ablation.datasets)}; take it out"
        )
    lesson = _Lesson(f"recorded rows of table {ablation.name}")
    for config in _rows_of(search, ablation):
        if not store.training(resolver.resolve(config).training_id).is_done():
            continue
        try:
            params = params_of(search, config)
        except DoesNotFit as why:
            lesson.misfits[str(why)] += 1
            continue
        value = measured_value(search, resolver, store, params)
        if value is None:
            lesson.points.append(params)
        else:
            lesson.trials.append(LearntTrial(params=params, value=value))
    return lesson


def _rows_of(search: Search, ablation: Ablation) -> Iterator[TrainingConfig]:
    seed = search.trial_config({}).seed
    for dataset in ablation.datasets:
        if dataset.changes != search.datasets[0].changes:
            continue
        for row in ablation.trained_rows:
            members = ablation.members(row, dataset, seed)
            if len(members) == 1:
                yield members[0]


def _take(lesson: _Lesson, search: Search, config: TrainingConfig, value: float) -> None:
    try:
        lesson.trials.append(LearntTrial(params=params_of(search, config), value=value))
    except DoesNotFit as why:
        lesson.misfits[str(why)] += 1


def params_of(search: Search, config: TrainingConfig) -> dict[str, Any]:
    """Give the parameters with which a search would try a config, its seed aside.

    Raises:
        DoesNotFit: no parameters of its space make that config.
    """
    if type(config) is not type(search.base):
        raise DoesNotFit(f"it is of method {config.METHOD}, and this search of {search.base.METHOD}")
    params: dict[str, Any] = {}
    for path, declared in search.space_in_order():
        if not is_searched(declared, params):
            continue
        value, searched = value_at(config, path), range_of(declared)
        if not searched.contains(value):
            raise DoesNotFit(f"{path} = {shown(value)} lies outside {searched}")
        params[path] = value
    try:
        ours = search.trial_config(params)
    except ValueError as error:
        raise DoesNotFit(" ".join(str(error).split())) from error
    if differences := _differences(config, ours):
        path, (there, here) = next(iter(differences.items()))
        raise DoesNotFit(f"{path} is {shown(there)} there and {shown(here)} here, and is not searched")
    return params


def _searched_paths(search: Search, params: Mapping[str, Any]) -> list[str]:
    return [path for path, declared in search.space_in_order() if is_searched(declared, params)]


def _differences(config: TrainingConfig, other: TrainingConfig) -> dict[str, tuple[Any, Any]]:
    """Give the dotted paths of the fields in which two configs differ, with both values."""
    first, second = (_flat(without_seed(one).model_dump(mode="json")) for one in (config, other))
    return {
        path: (first.get(path), second.get(path))
        for path in {**first, **second}
        if first.get(path) != second.get(path)
    }


def _flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in content.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{prefix}{name}.")  # pyright: ignore[reportUnknownArgumentType]
        else:
            found[prefix + name] = value
    return found
