"""Which search of a store a declared one is: its id, or that by which an earlier version has begun it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from tablewright.orchestrator.declared.constraints import Constraint
from tablewright.orchestrator.declared.pruners import Pruner
from tablewright.orchestrator.declared.ranges import Choice, FloatRange, Range, When
from tablewright.orchestrator.declared.samplers import Sampler, Tpe
from tablewright.orchestrator.declared.search import Objective, Search
from tablewright.orchestrator.declared.teacher import OptunaStudy
from tablewright.orchestrator.identity import digest_of, training_id, view_id
from tablewright.orchestrator.plans.resolution import DataResolver, Resolved
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_records import TrainingRecord
from tablewright.trainables.contract.method import HasSource
from tablewright.trainables.value.secret import masked

PRUNERS_OF_EARLIER_VERSIONS = ("median", "hyperband")
"""Named so, without settings: a search that has one now goes on with what it had made under such a name."""

DEFAULT_SAMPLER_OF_EARLIER_VERSIONS = Tpe()
"""Written by its name alone: a search that declares none goes on with what it had made by it, by today's default."""


def find_search_id(search: Search, resolver: DataResolver, store: Store) -> str:
    """Identify a search by everything that decides its suggestions, but not by how many it makes.

    Where the store has it under the id of an earlier version, it is that one.

    Raises:
        ValueError: its data cannot be found.
    """
    return find_search(search, resolver, store).search_id


class IdentifiedSearch(NamedTuple):
    """A search of the store.

    Attributes:
        search_id: by which the store has it, or will.
        begun_by: the sampler that has begun it, where it is not the one that goes on.
    """

    search_id: str
    begun_by: Sampler | None


def find_search(search: Search, resolver: DataResolver, store: Store) -> IdentifiedSearch:
    """Find a search in the store, as `find_search_id` does; likewise what it was begun by.

    Raises:
        ValueError: its data cannot be found.
    """
    known = set(store.search_ids())
    taught_by = _taught_by(search, resolver, store)
    of_parts = [resolver.candidates(config) for config in search.trial_configs({})]
    searches = (
        IdentifiedSearch(
            _search_id(search, [found[min(place, len(found) - 1)] for found in of_parts], key, taught_by),
            key.sampler_before,
        )
        for key in _keys(search)
        for place in range(len(of_parts[0]))
    )
    first = next(searches)
    return (
        first if first.search_id in known else next((it for it in searches if it.search_id in known), first)
    )


class _Key(NamedTuple):
    """What of a search's id has changed with a version, or may be added to a search that has begun.

    Attributes:
        sampler: as the id has it.
        pruner: likewise.
        constraints: likewise.
        sampler_before: by which a search of this id was begun, where it is not the one that goes on.
    """

    sampler: Any
    pruner: Any
    constraints: list[Any]
    sampler_before: Sampler | None = None


def _keys(search: Search) -> Iterator[_Key]:
    """Give today's key of a search, then those under which an earlier version may have begun it."""
    sampler, before = search.chosen_sampler, DEFAULT_SAMPLER_OF_EARLIER_VERSIONS
    samplers: list[tuple[Any, Sampler | None]] = [(_sampler_key(sampler), None)]
    if search.sampler in (None, before):
        samplers.append((_name_of(before), None if sampler == before else before))
    pruners = [_pruner_key(search), *(PRUNERS_OF_EARLIER_VERSIONS if search.pruner else ())]
    constraints = [_constraints_key(search)]
    if search.constraints:  # one that is added goes on with what was made without it
        constraints.append([])
    for constrained in constraints:
        for sampled, sampler_before in samplers:
            for pruned in pruners:
                yield _Key(sampled, pruned, constrained, sampler_before)


def _taught_by(search: Search, resolver: DataResolver, store: Store) -> list[Any]:
    """Name what a search learns from: by its id where that is a search, else by the names that people gave it."""
    keys: list[Any] = []
    for teacher in search.learns_from:
        if isinstance(teacher, Search):
            keys.append(["search", find_search_id(teacher, resolver, store)])
        elif isinstance(teacher, OptunaStudy):
            keys.append(["optuna", masked(teacher.url), teacher.name, dict(teacher.paths)])
        else:
            keys.append(["ablation", getattr(teacher, "name", "")])
    return keys


def _search_id(search: Search, parts: Sequence[Resolved], key: _Key, taught_by: Sequence[Any]) -> str:
    declared, *others = parts
    space = {
        path: [declared_range.path, list(declared_range.values), *_range_key(declared_range.range)]
        if isinstance(declared_range, When)
        else _range_key(declared_range)
        for path, declared_range in search.space.items()
    }
    view = search.objective.view
    is_earlier = declared.earlier_splits is not None
    measured_on = {} if is_earlier else declared.measured.measured_on(view)
    objective = [search.objective.metric.name, view_id(view, (), measured_on)]
    sampler = [key.sampler, key.pruner, search.sampler_seed]
    begun = [list(map(dict, search.begin_with)), *taught_by] if search.begin_with or taught_by else []
    more = [["parts", *(part.training_id for part in others)]] if others else []
    for one in search.against:
        of_view = (
            [view_id(one.view, (), {} if is_earlier else declared.measured.measured_on(one.view))]
            if isinstance(one, Objective)
            else []
        )
        more.append(["against", one.metric.name, *of_view])
    constrained = [key.constraints] if key.constraints else []
    return digest_of([declared.training_id, space, objective, sampler, *begun, *constrained, *more])


def _constraints_key(search: Search) -> list[Any]:
    return [_settings(one) for one in search.constraints]


def _pruner_key(search: Search) -> list[Any] | None:
    return None if search.pruner is None else _settings(search.pruner)


def _sampler_key(sampler: Sampler) -> Any:
    """Give the name alone of one without settings of its own; that of an earlier default says no more than that."""
    is_plain = sampler == type(sampler)() and sampler != DEFAULT_SAMPLER_OF_EARLIER_VERSIONS
    return _name_of(sampler) if is_plain else _settings(sampler)


def _name_of(sampler: Sampler) -> str:
    return type(sampler).__name__.lower()


def _settings(declared: Sampler | Pruner | Constraint) -> list[Any]:
    return [type(declared).__name__, *([name, value] for name, value in sorted(vars(declared).items()))]


def _range_key(declared: Range) -> list[Any]:
    if isinstance(declared, Choice):
        return ["choice", list(declared.values)]
    if isinstance(declared, FloatRange):
        steps = [] if declared.step is None else [declared.step]
        return ["float", declared.low, declared.high, declared.log, *steps]
    # A range without a logarithm has the key that it had when there were no others.
    return ["int", declared.low, declared.high, declared.step, *(["log"] if declared.log else [])]


def made_by_other_code(search: Search, resolver: DataResolver, store: Store) -> tuple[TrainingRecord, ...]:
    """Find what the search has made before its method's code was changed: its id was another by the VERSION alone."""
    config = search.trial_config({})
    if not isinstance(config.make_trainable(), HasSource):
        return ()
    declared = [resolver.candidates(one)[0] for one in search.trial_configs({})]
    taught_by = _taught_by(search, resolver, store)
    for identity in store.search_ids():
        records: list[TrainingRecord] = []
        for number in store.search_trial_numbers(identity):
            try:
                trial = store.search_trial(identity, number)
                record = None if trial is None else store.training(trial.training_id).record()
            except DamagedFile:
                continue  # --verify tells it
            if record is not None and record.method == config.METHOD:
                records.append(record)
        for version in {record.method_version for record in records}:
            before = [
                replace(part, training_id=training_id(part.config, part.data.fingerprint, version))
                for part in declared
            ]
            if identity in {_search_id(search, before, key, taught_by) for key in _keys(search)}:
                return tuple(record for record in records if record.method_version != config.VERSION)
    return ()
