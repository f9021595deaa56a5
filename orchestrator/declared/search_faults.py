"""What is wrong with a search as it is declared: its ranges, constraints, parts, teachers and first points."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from tablewright.orchestrator.declared.changes import Changes, try_changes, value_at
from tablewright.orchestrator.declared.constraints import Constraint, is_kept
from tablewright.orchestrator.declared.dataset import SEED, Dataset, without_own_seed
from tablewright.orchestrator.declared.declared_names import absent, twice
from tablewright.orchestrator.declared.pruner_faults import faults_of_pruner
from tablewright.orchestrator.declared.pruners import Wilcoxon
from tablewright.orchestrator.declared.ranges import (
    FloatRange,
    IntRange,
    Range,
    When,
    draw_params,
    is_searched,
    range_of,
)
from tablewright.orchestrator.declared.samplers import sampler_faults
from tablewright.orchestrator.declared.search_cost import Cost
from tablewright.orchestrator.declared.table_columns import column_faults, no_view_fault
from tablewright.trainables.contract.method import TrainingConfig
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.value.canonical import canonical
from tablewright.trainables.value.refusal import Fault, guess, shown
from tablewright.trainables.value.secret import secrets_in

if TYPE_CHECKING:
    from tablewright.orchestrator.declared.search import Search

COMPLETIONS_DRAWN = 100
"""An end of a range is tried with the declared values of the others, with each end of another, and with so many draws
of all of them, until a config is found that has it."""

CONSTRAINED_DRAWS = 2_000
"""A declaration is refused where none of so many draws keeps its constraints."""


class SearchFaults:
    """Looks for the faults of a search."""

    def __init__(self, search: Search) -> None:
        self._search = search

    def found(self) -> Iterator[Fault]:
        """Find every fault; those of values only where the space itself has none."""
        faults = [
            *self._seed_faults(),
            *self._overlap_faults(),
            *self._condition_faults(),
            *self._part_faults(),
            *self._against_faults(),
        ]
        if not self._search.space:
            faults.append(Fault("space", "it is empty; name at least one path and its range"))
        faults += [] if faults else self._constraint_path_faults()
        tried: list[TrainingConfig] = []
        if not faults:
            faults += self._value_faults(tried)
        if not faults:
            faults += sampler_faults(
                self._search.chosen_sampler,
                self._search.space,
                self._search.num_trials,
                len(self._search.objectives),
            )
        if not faults:
            faults += [*self._declared_faults(), *self._constraint_faults(), *self._trained_faults(tried)]
            faults += self._point_faults()
            faults += self._teacher_faults()
        yield from faults
        yield from self._column_faults()

    def _column_faults(self) -> Iterator[Fault]:
        """Find columns that its table cannot have."""
        if fault := no_view_fault(self._search.base, self._search.view, "Search"):
            yield fault
            return
        faults = [
            *twice("metric", [metric.name for metric in self._search.metrics]),
            *twice("metric label", [metric.label for metric in self._search.metrics]),
            *absent("metric", self._search.metrics),
            *(Fault("", text) for text in column_faults(self._search.view, self._search.metrics)),
        ]
        yield from (Fault("its table", str(fault)) for fault in faults)

    def _seed_faults(self) -> Iterator[Fault]:
        for name, paths in (("space", self._search.space), ("search_changes", self._search.search_changes)):
            for path in paths:
                if path.rpartition(".")[2] == SEED:
                    yield Fault(
                        name,
                        f"{path} would make luck a part of what is found; take it out, every trial has the base's seed",
                    )

    def _part_faults(self) -> Iterator[Fault]:
        """Find seeds and data sets over which there is no mean, and a pruner that does not go with them."""
        yield from (Fault("seeds", str(fault)) for fault in twice("seed", map(str, self._search.seeds)))
        if (
            self._search.seeds
            and self._search.base.seed not in self._search.seeds
            and self._search.base != without_own_seed(self._search.base)
        ):
            yield Fault(
                "base",
                f"it sets seed to {self._search.base.seed}, but every trial is trained with "
                f"seeds={list(self._search.seeds)}; leave it out of the base, or name it in seeds=…",
            )
        if not self._search.datasets:
            yield Fault("dataset", "it is empty; name the data set to search on, or several")
            return
        yield from (
            Fault("dataset", str(it)) for it in twice("label", [one.label for one in self._search.datasets])
        )
        for path in self._search.space:
            values = [one.changes.get(path) for one in self._search.datasets]
            if any(value != values[0] for value in values):
                yield Fault(
                    "dataset",
                    f"{path} is searched, and the data sets declare different values of it, "
                    f"{', '.join(map(shown, values))}: no trial would be the declared config; take it out of the "
                    "space, or out of the data sets",
                )
        num_parts = len(self._search.parts)
        teachers = self._search.searches_learnt_from.values()
        for teacher in (self._search, *teachers) if self._search.learns_from else ():
            if len(teacher.parts) > 1 or teacher.against:
                yield Fault(
                    "learns_from",
                    "what is learnt is one value of one training a trial; search "
                    f"{teacher.name!r} has several trainings a trial, or several objectives: leave it out",
                )
        if isinstance(self._search.pruner, Wilcoxon) and (fault := self._search.pruner.fault_of(num_parts)):
            yield Fault("pruner", fault)
        if (
            self._search.pruner is not None
            and not isinstance(self._search.pruner, Wilcoxon)
            and num_parts > 1
        ):
            yield Fault(
                "pruner",
                f"{type(self._search.pruner).__name__} ends one training between its epochs, and a trial is "
                f"{num_parts} trainings here; take Wilcoxon(), which leaves a trial between its trainings, or None",
            )

    def _against_faults(self) -> Iterator[Fault]:
        """Find what cannot be weighed against the objective."""
        for place, one in enumerate(self._search.objectives):
            if one in self._search.objectives[:place]:
                yield Fault(
                    "against", f"{one.metric.name} is given twice; weigh the objective against something else"
                )
            if isinstance(one, Cost):
                yield from one.faults_for(self._search.base)
        if self._search.against and self._search.pruner is not None:
            yield Fault(
                "pruner",
                f"{type(self._search.pruner).__name__} asks which trial is worse, and of several objectives none is "
                "before its end; leave the pruner out, or against=…",
            )

    def _overlap_faults(self) -> Iterator[Fault]:
        for path in self._search.search_changes:
            if path in self._search.space:
                text = (
                    f"it sets {path}, which is searched, and would be overwritten; name it in one of the two"
                )
                yield Fault("search_changes", text)
        if self._search.view.split != "test":
            yield Fault(
                "view",
                f"it uses split={self._search.view.split!r}, on which the best was chosen; the table measures on "
                "'test'",
            )

    def _condition_faults(self) -> Iterator[Fault]:
        """Find conditions that never hold."""
        for path, declared in self._search.space.items():
            if not isinstance(declared, When):
                continue
            if declared.path not in self._search.space:
                hint = guess(declared.path, self._search.space)
                yield Fault("space", f"{path} depends on {declared.path}, which is not in the space{hint}")
                continue
            met = range_of(self._search.space[declared.path])
            for value in declared.values:
                if not met.can_be_met(value):
                    why = (
                        "a real number is never met again"
                        if isinstance(met, FloatRange)
                        else f"{met} has no such value"
                    )
                    yield Fault(
                        "space",
                        f"{path} is searched when {declared.path} is {value!r}, which never is: {why}",
                    )
        try:
            self._search.space_in_order()
        except ValueError as error:
            yield from [Fault("space", str(error))] if self._has_known_conditions() else []

    def _has_known_conditions(self) -> bool:
        return all(
            declared.path in self._search.space
            for declared in self._search.space.values()
            if isinstance(declared, When)
        )

    def _constraint_path_faults(self) -> Iterator[Fault]:
        """Find constraints of what is no number of the config, or not searched."""
        declared = self._search.trial_config({})
        for number, constraint in enumerate(self._search.constraints):
            place = f"constraints[{number}]"
            faults = [fault for path in constraint.paths if (fault := self._number_fault(declared, path))]
            yield from (Fault(place, fault) for fault in faults)
            if not faults and not any(path in self._search.space for path in constraint.paths):
                yield Fault(
                    place,
                    f"nothing of {constraint} is searched, so that it says the same of every trial; name a path of the "
                    f"space ({', '.join(self._search.space)}), or leave it out",
                )

    def _number_fault(self, declared: TrainingConfig, path: str) -> str:
        """Say why a path has no number that a constraint could compare; empty where it has."""
        searched = None if path not in self._search.space else range_of(self._search.space[path])
        if isinstance(searched, FloatRange | IntRange):
            return ""
        if searched is not None:
            odd = [value for value in searched.samples() if not _is_number(value) and value is not None]
            return "" if not odd else f"it compares numbers, and {path} may be {shown(odd[0])}"
        try:
            value = value_at(declared, path)
        except AttributeError:
            known = [*self._search.space, *_paths_of(declared)]
            return f"{path} names no field of {type(declared).__name__}{guess(path, known)}"
        if _is_number(value) or value is None:
            return ""
        return f"it compares numbers, and {path} is {shown(value)}"

    def _value_faults(self, tried: list[TrainingConfig]) -> Iterator[Fault]:
        """Find ranges whose values the config, or its views, refuse; what is said of several is told once.

        Args:
            tried: takes the configs that are not refused.
        """
        for path, declared in self._search.space.items():
            told: dict[str, Fault] = {}
            for condition in self._conditions(declared):
                for value in range_of(declared).samples():
                    for fault in self._end_faults({**condition, path: value}, told, tried):
                        text = self._refusal_at(path, fault)
                        told.setdefault(_gist(text), Fault(f"{path} = {shown(value)}", text))
            yield from told.values()

    def _refusal_at(self, path: str, fault: Fault) -> str:
        """Say what a config has against a value at a path."""
        text = fault.text if fault.path == path else str(fault)
        if isinstance(range_of(self._search.space[path]), FloatRange) and self._is_whole_at(path):
            text += "; a FloatRange gives real numbers, an IntRange whole ones"
        return text

    def _end_faults(
        self, end: Changes, told: Mapping[str, Fault], tried: list[TrainingConfig]
    ) -> list[Fault]:
        """Find what is wrong with one value whatever the others are: none of what was tried goes with it.

        With the declared values of the others it may be refused for their sake, as of t0 < t1.

        Args:
            end: the value, and what must be set for it to be searched.
            told: faults of the same range, by what they say; what is known of it is looked for once.
            tried: takes the config that is not refused.
        """
        path = next(reversed([*end]))
        violations = self._search.violations()
        faults: list[Fault] = []
        for params in self._completions(end):
            if not is_kept(violations(params)):
                continue  # it is never suggested
            config, found = self._tried(params)
            if not found:
                tried.append(config)
                return []
            faults = faults or found
            if all(_gist(self._refusal_at(path, fault)) in told for fault in faults):
                break
        return faults

    def _completions(self, fixed: Changes) -> Iterator[dict[str, Any]]:
        """Give parameters with some values as they are: the others as declared, one at an end, then all drawn."""
        yield dict(fixed)
        others = [path for path in self._search.space if path not in fixed]
        for path in others:
            samples = range_of(self._search.space[path]).samples()
            for value in dict.fromkeys((samples[0], samples[-1])):
                if is_searched(self._search.space[path], fixed):
                    yield {**fixed, path: value}
        chance, space = random.Random(0), self._search.space_in_order()
        for _ in range(COMPLETIONS_DRAWN if others else 0):
            yield draw_params(space, chance, fixed)

    def _is_whole_at(self, path: str) -> bool:
        """Say whether the declared config has a whole number at a path, which may be misspelt."""
        value: Any = self._search.base
        for name in path.split("."):
            value = getattr(value, name, None)
        return type(value) is int

    def _conditions(self, declared: Range | When) -> Iterator[dict[str, Any]]:
        """Give what must be set for a range to be searched, once for each value of its own condition."""
        if not isinstance(declared, When):
            yield {}
            return
        outer = next(self._conditions(self._search.space[declared.path]))
        for value in declared.values:
            yield {**outer, declared.path: value}

    def _tried(self, params: Changes) -> tuple[TrainingConfig, list[Fault]]:
        """Give the config of a trial, and what is wrong with it on any of the data sets."""
        tried = [self._tried_on(dataset, params) for dataset in self._search.datasets]
        return next((one for one in tried if one[1]), tried[0])

    def _tried_on(self, dataset: Dataset, params: Changes) -> tuple[TrainingConfig, list[Fault]]:
        config, faults = try_changes(
            self._search.base, {**dataset.changes, **self._search.search_changes, **params}
        )
        if faults:
            return config, faults
        try:
            for view in (*self._search.views, self._search.view):
                config.check_view(view)
        except ValueError as error:
            return config, [Fault("", str(error))]
        return config, [Fault(path, why) for path, why in secrets_in(config.model_dump(mode="json"))]

    def _declared_faults(self) -> Iterator[Fault]:
        for path, value in self._search.declared_params().items():
            searched = range_of(self._search.space[path])
            if not searched.contains(value):
                yield Fault(path, f"the declared {value!r} is the first trial, and lies outside {searched}")

    def _teacher_faults(self) -> Iterator[Fault]:
        """Find what measures something else, or tries nothing that this search tries."""
        for index, teacher in self._search.searches_learnt_from.items():
            where, theirs = f"learns_from[{index}]", teacher.objective
            if type(teacher.base) is not type(self._search.base):
                text = f"search {teacher.name} trains {teacher.base.METHOD}, and this one {self._search.base.METHOD}"
                yield Fault(where, f"{text}; take it out")
            elif theirs.metric != self._search.objective.metric:
                ours = self._search.objective.metric
                text = (
                    f"search {teacher.name} makes {_told(theirs.metric)} better, and this one {_told(ours)}"
                )
                yield Fault(where, f"{text}; values of one say nothing of the other, take it out")
            elif (theirs.view, teacher.datasets[0].changes) != (
                self._search.objective.view,
                self._search.datasets[0].changes,
            ):
                text = f"search {teacher.name} measures otherwise, or on other data"
                yield Fault(where, f"{text}; its best points can be tried first with begin_with")
            elif not set(teacher.space) & set(self._search.space):
                searched = f"{', '.join(teacher.space)}, and this one {', '.join(self._search.space)}"
                yield Fault(where, f"search {teacher.name} searches {searched}; take it out")

    def _point_faults(self) -> Iterator[Fault]:
        """Find first points that are none of the space."""
        for index, point in enumerate(self._search.begin_with):
            where = f"begin_with[{index}]"
            unknown = [path for path in point if path not in self._search.space]
            for path in unknown:
                hint, searched = guess(path, self._search.space), ", ".join(self._search.space)
                text = f"{path} is not searched{hint} Searched are {searched}"
                yield Fault(where, text)
            if unknown:
                continue
            params = self._search.filled(point)
            for path in point:
                if path not in params:
                    needed = self._search.space[path]
                    assert isinstance(needed, When)
                    values = " or ".join(map(repr, needed.values))
                    yield Fault(
                        where, f"{path} is searched only where {needed.path} is {values}; take it out"
                    )
            outside = {
                path: value
                for path, value in params.items()
                if not range_of(self._search.space[path]).contains(value)
            }
            for path, value in outside.items():
                searched = range_of(self._search.space[path])
                given = "it gives" if path in point else "it leaves out a value, and declared is"
                yield Fault(where, f"{given} {path} = {shown(value)}, which lies outside {searched}")
            if not outside:
                yield from (fault.below(where) for fault in self._tried(params)[1])
                found = zip(self._search.constraints, self._search.violations()(params), strict=True)
                broken = [str(constraint) for constraint, violation in found if not is_kept([violation])]
                yield from (Fault(where, f"it breaks {constraint}; change it") for constraint in broken)

    def _constraint_faults(self) -> Iterator[Fault]:
        """Find constraints that the declared config breaks, and those that hardly anything keeps."""
        declared = self._search.declared_params()
        broken = [not is_kept([violation]) for violation in self._search.violations()(declared)]
        for number, (constraint, is_broken) in enumerate(zip(self._search.constraints, broken, strict=True)):
            if is_broken:
                values = {path: self._declared_value(path) for path in constraint.paths}
                which = ", ".join(f"{path} = {shown(value)}" for path, value in values.items())
                yield Fault(
                    f"constraints[{number}]",
                    f"the declared config is the first trial, and breaks {constraint} with {which}; change the base, "
                    "or the constraint",
                )
        if not self._search.constraints or self._has_feasible(self._search.constraints, declared):
            return
        alone = [it for it in self._search.constraints if not self._has_feasible([it], declared)]
        which = "; ".join(map(str, alone or self._search.constraints))
        which += "" if alone or len(self._search.constraints) == 1 else " together"
        yield Fault(
            "constraints",
            f"nothing in the space keeps {which}: none of "
            f"{CONSTRAINED_DRAWS} draws does; widen the ranges or the bounds, or search by one path less, as of "
            "weights that come to 1",
        )

    def _declared_value(self, path: str) -> Any:
        return value_at(self._search.trial_config({}), path)

    def _has_feasible(self, constraints: Sequence[Constraint], declared: Changes) -> bool:
        """Say whether a draw other than the declared config keeps constraints."""
        chance, space, violations = random.Random(0), self._search.space_in_order(), self._search.violations()
        counted_in = [it in constraints for it in self._search.constraints]
        for _ in range(CONSTRAINED_DRAWS):
            params = draw_params(space, chance)
            found = violations(params)
            kept = is_kept([one for one, counts in zip(found, counted_in, strict=True) if counts])
            if kept and params != declared:
                return True
        return False

    def _trained_faults(self, tried: Sequence[TrainingConfig]) -> Iterator[Fault]:
        """Find that all trials would be one training, and what the pruner cannot do with them."""
        declared = self._search.trial_config({})
        configs = [declared, *tried]
        if all(canonical(config) == canonical(declared) for config in configs):
            yield Fault(
                "space",
                "every trial would be the same training, for no range changes it; name a path with more than one "
                f"value (now {', '.join(self._search.space)})",
            )
        if self._search.pruner is not None:
            lengths = {config.known_epochs() for config in configs}
            yield from faults_of_pruner(self._search.pruner, self._search.num_trials, declared, lengths)


def _told(metric: Metric) -> str:
    return f"{metric.name} ({'higher' if metric.higher_is_better else 'lower'} is better)"


def _gist(text: str) -> str:
    """Give what a fault says of every value that it is told of."""
    return text.partition("; got")[0]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _paths_of(config: BaseModel, prefix: str = "") -> Iterator[str]:
    """List the paths of a config's fields."""
    for name in type(config).model_fields:
        yield f"{prefix}{name}"
        value = getattr(config, name)
        if isinstance(value, BaseModel):
            yield from _paths_of(value, f"{prefix}{name}.")
