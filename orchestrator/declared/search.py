"""A search as it is declared: ranges on the paths of a config, what is made better, and how it is searched for."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, Field

from tablewright.orchestrator.declared.budget import Budget
from tablewright.orchestrator.declared.changes import Changes, apply_changes, try_changes, value_at
from tablewright.orchestrator.declared.constraints import Constraint, is_kept
from tablewright.orchestrator.declared.dataset import SEED, Dataset, without_own_seed
from tablewright.orchestrator.declared.declared_names import TableName, absent, twice
from tablewright.orchestrator.declared.pruner_faults import faults_of_pruner
from tablewright.orchestrator.declared.pruners import Pruner, Wilcoxon
from tablewright.orchestrator.declared.ranges import (
    FloatRange,
    IntRange,
    Range,
    When,
    draw_params,
    is_searched,
    range_of,
)
from tablewright.orchestrator.declared.samplers import Sampler, sampler_faults, suited_sampler
from tablewright.orchestrator.declared.search_cost import Cost
from tablewright.orchestrator.declared.table_columns import column_faults, no_view_fault, own_view
from tablewright.orchestrator.declared.teacher import Teacher
from tablewright.trainables.contract.method import Seed, TrainingConfig
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.recorded_view import fault_of_view
from tablewright.trainables.contract.view import METHODS_VIEW, EvaluationView
from tablewright.trainables.value.canonical import canonical
from tablewright.trainables.value.declaration import Declaration
from tablewright.trainables.value.freezing import EMPTY
from tablewright.trainables.value.refusal import Fault, guess, shown
from tablewright.trainables.value.secret import secrets_in
from tablewright.trainables.value.text import Text

COMPLETIONS_DRAWN = 100
"""An end of a range is tried with the declared values of the others, with each end of another, and with so many draws
of all of them, until a config is found that has it."""

CONSTRAINED_DRAWS = 2_000
"""A declaration is refused where none of so many draws keeps its constraints."""


@dataclass(frozen=True)
class Objective(Declaration):
    """What a search makes better: one metric of one view on the `val` split."""

    metric: Metric
    view: EvaluationView

    @property
    def watched_name(self) -> str:
        """Its name among what an epoch reports."""
        return f"{self.view.split}_{self.metric.name}"

    def find_faults(self) -> Iterator[Fault]:
        """Refuse to look at `test`, and a metric that the view does not give."""
        if fault := fault_of_view(self.view):
            yield Fault("view", fault)
        if self.view.split != "val":
            yield Fault(
                "view",
                f"it uses split={self.view.split!r}; a search may only see 'val'. Give it split='val'.",
            )
        measured = [metric.name for metric in self.view.metrics]
        if self.metric.name not in measured:
            yield Fault(
                "metric", f"the view gives no metric {self.metric.name!r}; it gives {', '.join(measured)}"
            )


@dataclass(frozen=True)
class SearchPart:
    """One of the trainings that a trial is made of.

    Attributes:
        dataset: on which it is trained.
        seed: with which it is trained.
    """

    dataset: Dataset
    seed: int


@dataclass(frozen=True)
class Search(Teacher):
    """Ranges on the paths of a config instead of rows, and the table of what was found.

    Attributes:
        name: letters, digits and underscores.
        caption: of the table that sets the found config beside the declared one on `test`.
        base: the config that the search varies; it is the first trial, and every trial has its seed, unless there are
            seeds. The table has the study's seeds.
        dataset: the data set it searches on; of several, a trial is trained on each, and its value is the mean.
        space: dotted path -> range, or `When` for a conditional range.
        objective: what is made better; of several the first.
        num_trials: trainings to make, of which the declared config is one, whoever has trained it. Other suggestions
            that the store answers do not count, nor do refused ones; too many of them end a search
            (`search_end.py`).
        view: how the table measures, on `test`.
        metrics: columns of the table.
        search_changes: apply while searching only, such as holding identities out of training.
        sampler: chooses what is tried next; None is the one that does best on what the space allows: `Gp()`, or `Tpe()`
            where a parameter is searched beside some values of another only.
        pruner: leaves trials before their training has ended; None lets every trial end.
        sampler_seed: of the sampler.
        constraints: what several parameters keep together; no suggestion breaks one.
        budget: ends the search where it is spent before `num_trials` are made; neither of the two decides what is
            suggested, so that a search goes on where one is raised.
        begin_with: points that are tried first, after the declared config; what one leaves out is as declared.
        learns_from: searches, ablations or studies of Optuna whose trials teach the sampler when the search begins;
            they are none of its own, and do not count.
        priority: its trials, and its table, are trained before what has a lower one, and after the rows of the same;
            None is that of the study.
        seeds: every trial is trained with each, and its value is the mean; none is the base's own alone.
        against: what else is made better, such as a cost. What is found is then a front of trials that none beats in
            everything; see `pareto.py`.
    """

    name: TableName
    caption: Text
    base: TrainingConfig
    dataset: Dataset | Sequence[Dataset]
    space: Mapping[str, Range | When]
    objective: Objective
    num_trials: Annotated[int, Field(ge=1)]
    view: EvaluationView = METHODS_VIEW
    metrics: Sequence[Metric] = ()
    search_changes: Changes = EMPTY
    sampler: Sampler | None = None
    pruner: Pruner | None = None
    sampler_seed: Seed = 0
    constraints: Sequence[Constraint] = ()
    budget: Budget | None = None
    priority: int | None = None
    begin_with: Sequence[Changes] = ()
    learns_from: Sequence[Teacher] = ()
    seeds: Sequence[Seed] = ()
    against: Sequence[Objective | Cost] = ()

    @property
    def objectives(self) -> tuple[Objective | Cost, ...]:
        """Everything that is made better, the objective first."""
        return (self.objective, *self.against)

    @property
    def chosen_sampler(self) -> Sampler:
        """What chooses what is tried next, declared or not."""
        return self.sampler or suited_sampler(self.space)

    @property
    def are_higher_better(self) -> tuple[bool, ...]:
        """Say of each of the objectives whether more of it is better."""
        return tuple(one.metric.higher_is_better for one in self.objectives)

    @property
    def views(self) -> tuple[EvaluationView, ...]:
        """What is measured of a trial, each once."""
        return tuple(dict.fromkeys(one.view for one in self.objectives if isinstance(one, Objective)))

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """The data sets that it searches on."""
        return (self.dataset,) if isinstance(self.dataset, Dataset) else tuple(self.dataset)

    @property
    def parts(self) -> tuple[SearchPart, ...]:
        """The trainings that a trial is made of, every data set with the first seed before any with the second."""
        seeds = self.seeds or (self.base.seed,)
        return tuple(SearchPart(dataset, seed) for seed in seeds for dataset in self.datasets)

    @property
    def label(self) -> str:
        """Name it to people, within its study."""
        return self.name

    @property
    def counts_answered(self) -> bool:
        """Whether a trial that the store answers counts as any other, so that equal budgets are equally many tries."""
        return False

    def declared_params(self) -> dict[str, Any]:
        """Give the declared config's own values on the searched paths: the first trial."""
        return self.filled(EMPTY)

    def first_points(self) -> list[dict[str, Any]]:
        """Give what is tried before the sampler is asked: the declared config, then the points to begin with."""
        return [self.declared_params(), *(self.filled(point) for point in self.begin_with)]

    def filled(self, point: Changes) -> dict[str, Any]:
        """Give a point with the declared values on the searched paths that it leaves out."""
        declared = self.trial_config({})
        params: dict[str, Any] = {}
        for path, searched in self.space_in_order():
            if is_searched(searched, params):
                params[path] = point[path] if path in point else value_at(declared, path)
        return params

    def space_in_order(self) -> list[tuple[str, Range | When]]:
        """Give the paths and ranges, each `When` after the path it depends on."""
        ordered: dict[str, Range | When] = {}
        while len(ordered) < len(self.space):
            ready = {
                path: declared
                for path, declared in self.space.items()
                if path not in ordered and (not isinstance(declared, When) or declared.path in ordered)
            }
            if not ready:
                raise ValueError(
                    f"{', '.join(path for path in self.space if path not in ordered)} depend on each other in a circle"
                )
            ordered |= ready
        return list(ordered.items())

    def trial_config(self, params: Changes, part: SearchPart | None = None) -> TrainingConfig:
        """Give the config of one trial of the search; of several trainings that of a part, or of the first."""
        part = part or self.parts[0]
        seed = {SEED: part.seed} if self.seeds else {}
        return apply_changes(self.base, {**seed, **part.dataset.changes, **self.search_changes, **params})

    def trial_configs(self, params: Changes) -> list[TrainingConfig]:
        """Give the configs of one trial of the search, one for each part."""
        return [self.trial_config(params, part) for part in self.parts]

    def violations(self) -> Callable[[Changes], tuple[float, ...]]:
        """Give what says by how much parameters break each constraint; at most 0 where they keep it.

        A path that is not searched, or not in a trial, has the value of the declared config.
        """
        declared = self.trial_config({}) if self.constraints else self.base
        of_declared = {path: value_at(declared, path) for it in self.constraints for path in it.paths}

        def of(params: Changes) -> tuple[float, ...]:
            off = [path for path, value in params.items() if value is None]

            def value_of(path: str) -> Any:
                is_off = any(path.startswith(f"{component}.") for component in off)
                return None if is_off else params.get(path, of_declared[path])

            return tuple(constraint.violation(value_of) for constraint in self.constraints)

        return of

    # -- faults

    def follows(self) -> Mapping[str, Any]:
        """Take the method's own view, and all that it measures, where none are named."""
        return own_view(self.base, self.view, self.metrics)

    def find_faults(self) -> Iterator[Fault]:
        """Find every fault, and build the config at both ends of each range."""
        faults = [
            *self._seed_faults(),
            *self._overlap_faults(),
            *self._condition_faults(),
            *self._part_faults(),
            *self._against_faults(),
        ]
        if not self.space:
            faults.append(Fault("space", "it is empty; name at least one path and its range"))
        faults += [] if faults else self._constraint_path_faults()
        tried: list[TrainingConfig] = []
        if not faults:
            faults += self._value_faults(tried)
        if not faults:
            faults += sampler_faults(self.chosen_sampler, self.space, self.num_trials, len(self.objectives))
        if not faults:
            faults += [*self._declared_faults(), *self._constraint_faults(), *self._trained_faults(tried)]
            faults += self._point_faults()
            faults += self._teacher_faults()
        yield from faults
        yield from self._column_faults()

    def _column_faults(self) -> Iterator[Fault]:
        """Find columns that its table cannot have."""
        if fault := no_view_fault(self.base, self.view, "Search"):
            yield fault
            return
        faults = [
            *twice("metric", [metric.name for metric in self.metrics]),
            *twice("metric label", [metric.label for metric in self.metrics]),
            *absent("metric", self.metrics),
            *(Fault("", text) for text in column_faults(self.view, self.metrics)),
        ]
        yield from (Fault("its table", str(fault)) for fault in faults)

    def _seed_faults(self) -> Iterator[Fault]:
        for name, paths in (("space", self.space), ("search_changes", self.search_changes)):
            for path in paths:
                if path.rpartition(".")[2] == SEED:
                    yield Fault(
                        name,
                        f"{path} would make luck a part of what is found; take it out, every trial has the base's seed",
                    )

    def _part_faults(self) -> Iterator[Fault]:
        """Find seeds and data sets over which there is no mean, and a pruner that does not go with them."""
        yield from (Fault("seeds", str(fault)) for fault in twice("seed", map(str, self.seeds)))
        if self.seeds and self.base.seed not in self.seeds and self.base != without_own_seed(self.base):
            yield Fault(
                "base",
                f"it sets seed to {self.base.seed}, but every trial is trained with seeds={list(self.seeds)}; leave it "
                "out of the base, or name it in seeds=…",
            )
        if not self.datasets:
            yield Fault("dataset", "it is empty; name the data set to search on, or several")
            return
        yield from (Fault("dataset", str(it)) for it in twice("label", [one.label for one in self.datasets]))
        for path in self.space:
            values = [one.changes.get(path) for one in self.datasets]
            if any(value != values[0] for value in values):
                yield Fault(
                    "dataset",
                    f"{path} is searched, and the data sets declare different values of it, "
                    f"{', '.join(map(shown, values))}: no trial would be the declared config; take it out of the "
                    "space, or out of the data sets",
                )
        num_parts = len(self.parts)
        for teacher in (self, *self.learns_from) if self.learns_from else ():
            if isinstance(teacher, Search) and (len(teacher.parts) > 1 or teacher.against):
                yield Fault(
                    "learns_from",
                    "what is learnt is one value of one training a trial; search "
                    f"{teacher.name!r} has several trainings a trial, or several objectives: leave it out",
                )
        if isinstance(self.pruner, Wilcoxon) and (fault := self.pruner.fault_of(num_parts)):
            yield Fault("pruner", fault)
        if self.pruner is not None and not isinstance(self.pruner, Wilcoxon) and num_parts > 1:
            yield Fault(
                "pruner",
                f"{type(self.pruner).__name__} ends one training between its epochs, and a trial is {num_parts} "
                "trainings here; take Wilcoxon(), which leaves a trial between its trainings, or None",
            )

    def _against_faults(self) -> Iterator[Fault]:
        """Find what cannot be weighed against the objective."""
        for place, one in enumerate(self.objectives):
            if one in self.objectives[:place]:
                yield Fault(
                    "against", f"{one.metric.name} is given twice; weigh the objective against something else"
                )
            if isinstance(one, Cost):
                yield from one.faults_for(self.base)
        if self.against and self.pruner is not None:
            yield Fault(
                "pruner",
                f"{type(self.pruner).__name__} asks which trial is worse, and of several objectives none is before its "
                "end; leave the pruner out, or against=…",
            )

    def _overlap_faults(self) -> Iterator[Fault]:
        for path in self.search_changes:
            if path in self.space:
                text = (
                    f"it sets {path}, which is searched, and would be overwritten; name it in one of the two"
                )
                yield Fault("search_changes", text)
        if self.view.split != "test":
            yield Fault(
                "view",
                f"it uses split={self.view.split!r}, on which the best was chosen; the table measures on 'test'",
            )

    def _condition_faults(self) -> Iterator[Fault]:
        """Find conditions that never hold."""
        for path, declared in self.space.items():
            if not isinstance(declared, When):
                continue
            if declared.path not in self.space:
                hint = guess(declared.path, self.space)
                yield Fault("space", f"{path} depends on {declared.path}, which is not in the space{hint}")
                continue
            met = range_of(self.space[declared.path])
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
            self.space_in_order()
        except ValueError as error:
            yield from [Fault("space", str(error))] if self._has_known_conditions() else []

    def _has_known_conditions(self) -> bool:
        return all(
            declared.path in self.space for declared in self.space.values() if isinstance(declared, When)
        )

    def _constraint_path_faults(self) -> Iterator[Fault]:
        """Find constraints of what is no number of the config, or not searched."""
        declared = self.trial_config({})
        for number, constraint in enumerate(self.constraints):
            place = f"constraints[{number}]"
            faults = [fault for path in constraint.paths if (fault := self._number_fault(declared, path))]
            yield from (Fault(place, fault) for fault in faults)
            if not faults and not any(path in self.space for path in constraint.paths):
                yield Fault(
                    place,
                    f"nothing of {constraint} is searched, so that it says the same of every trial; name a path of the "
                    f"space ({', '.join(self.space)}), or leave it out",
                )

    def _number_fault(self, declared: TrainingConfig, path: str) -> str:
        """Say why a path has no number that a constraint could compare; empty where it has."""
        searched = None if path not in self.space else range_of(self.space[path])
        if isinstance(searched, FloatRange | IntRange):
            return ""
        if searched is not None:
            odd = [value for value in searched.samples() if not _is_number(value) and value is not None]
            return "" if not odd else f"it compares numbers, and {path} may be {shown(odd[0])}"
        try:
            value = value_at(declared, path)
        except AttributeError:
            known = [*self.space, *_paths_of(declared)]
            return f"{path} names no field of {type(declared).__name__}{guess(path, known)}"
        if _is_number(value) or value is None:
            return ""
        return f"it compares numbers, and {path} is {shown(value)}"

    def _value_faults(self, tried: list[TrainingConfig]) -> Iterator[Fault]:
        """Find ranges whose values the config, or its views, refuse; what is said of several is told once.

        Args:
            tried: takes the configs that are not refused.
        """
        for path, declared in self.space.items():
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
        if isinstance(range_of(self.space[path]), FloatRange) and self._is_whole_at(path):
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
        violations = self.violations()
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
        others = [path for path in self.space if path not in fixed]
        for path in others:
            samples = range_of(self.space[path]).samples()
            for value in dict.fromkeys((samples[0], samples[-1])):
                if is_searched(self.space[path], fixed):
                    yield {**fixed, path: value}
        chance, space = random.Random(0), self.space_in_order()
        for _ in range(COMPLETIONS_DRAWN if others else 0):
            yield draw_params(space, chance, fixed)

    def _is_whole_at(self, path: str) -> bool:
        """Say whether the declared config has a whole number at a path, which may be misspelt."""
        value: Any = self.base
        for name in path.split("."):
            value = getattr(value, name, None)
        return type(value) is int

    def _conditions(self, declared: Range | When) -> Iterator[dict[str, Any]]:
        """Give what must be set for a range to be searched, once for each value of its own condition."""
        if not isinstance(declared, When):
            yield {}
            return
        outer = next(self._conditions(self.space[declared.path]))
        for value in declared.values:
            yield {**outer, declared.path: value}

    def _tried(self, params: Changes) -> tuple[TrainingConfig, list[Fault]]:
        """Give the config of a trial, and what is wrong with it on any of the data sets."""
        tried = [self._tried_on(dataset, params) for dataset in self.datasets]
        return next((one for one in tried if one[1]), tried[0])

    def _tried_on(self, dataset: Dataset, params: Changes) -> tuple[TrainingConfig, list[Fault]]:
        config, faults = try_changes(self.base, {**dataset.changes, **self.search_changes, **params})
        if faults:
            return config, faults
        try:
            for view in (*self.views, self.view):
                config.check_view(view)
        except ValueError as error:
            return config, [Fault("", str(error))]
        return config, [Fault(path, why) for path, why in secrets_in(config.model_dump(mode="json"))]

    def _declared_faults(self) -> Iterator[Fault]:
        for path, value in self.declared_params().items():
            searched = range_of(self.space[path])
            if not searched.contains(value):
                yield Fault(path, f"the declared {value!r} is the first trial, and lies outside {searched}")

    def _teacher_faults(self) -> Iterator[Fault]:
        """Find what measures something else, or tries nothing that this search tries."""
        for index, teacher in enumerate(self.learns_from):
            if not isinstance(teacher, Search):
                continue
            where, theirs = f"learns_from[{index}]", teacher.objective
            if type(teacher.base) is not type(self.base):
                text = f"search {teacher.name} trains {teacher.base.METHOD}, and this one {self.base.METHOD}"
                yield Fault(where, f"{text}; take it out")
            elif theirs.metric != self.objective.metric:
                ours = self.objective.metric
                text = (
                    f"search {teacher.name} makes {_told(theirs.metric)} better, and this one {_told(ours)}"
                )
                yield Fault(where, f"{text}; values of one say nothing of the other, take it out")
            elif (theirs.view, teacher.datasets[0].changes) != (
                self.objective.view,
                self.datasets[0].changes,
            ):
                text = f"search {teacher.name} measures otherwise, or on other data"
                yield Fault(where, f"{text}; its best points can be tried first with begin_with")
            elif not set(teacher.space) & set(self.space):
                searched = f"{', '.join(teacher.space)}, and this one {', '.join(self.space)}"
                yield Fault(where, f"search {teacher.name} searches {searched}; take it out")

    def _point_faults(self) -> Iterator[Fault]:
        """Find first points that are none of the space."""
        for index, point in enumerate(self.begin_with):
            where = f"begin_with[{index}]"
            unknown = [path for path in point if path not in self.space]
            for path in unknown:
                text = f"{path} is not searched{guess(path, self.space)} Searched are {', '.join(self.space)}"
                yield Fault(where, text)
            if unknown:
                continue
            params = self.filled(point)
            for path in point:
                if path not in params:
                    needed = self.space[path]
                    assert isinstance(needed, When)
                    values = " or ".join(map(repr, needed.values))
                    yield Fault(
                        where, f"{path} is searched only where {needed.path} is {values}; take it out"
                    )
            outside = {
                path: value
                for path, value in params.items()
                if not range_of(self.space[path]).contains(value)
            }
            for path, value in outside.items():
                searched = range_of(self.space[path])
                given = "it gives" if path in point else "it leaves out a value, and declared is"
                yield Fault(where, f"{given} {path} = {shown(value)}, which lies outside {searched}")
            if not outside:
                yield from (fault.below(where) for fault in self._tried(params)[1])
                found = zip(self.constraints, self.violations()(params), strict=True)
                broken = [str(constraint) for constraint, violation in found if not is_kept([violation])]
                yield from (Fault(where, f"it breaks {constraint}; change it") for constraint in broken)

    def _constraint_faults(self) -> Iterator[Fault]:
        """Find constraints that the declared config breaks, and those that hardly anything keeps."""
        declared = self.declared_params()
        broken = [not is_kept([violation]) for violation in self.violations()(declared)]
        for number, (constraint, is_broken) in enumerate(zip(self.constraints, broken, strict=True)):
            if is_broken:
                values = {path: self._declared_value(path) for path in constraint.paths}
                which = ", ".join(f"{path} = {shown(value)}" for path, value in values.items())
                yield Fault(
                    f"constraints[{number}]",
                    f"the declared config is the first trial, and breaks {constraint} with {which}; change the base, "
                    "or the constraint",
                )
        if not self.constraints or self._has_feasible(self.constraints, declared):
            return
        alone = [it for it in self.constraints if not self._has_feasible([it], declared)]
        which = "; ".join(map(str, alone or self.constraints))
        yield Fault(
            "constraints",
            f"nothing in the space keeps {which}{'' if alone or len(self.constraints) == 1 else ' together'}: none of "
            f"{CONSTRAINED_DRAWS} draws does; widen the ranges or the bounds, or search by one path less, as of "
            "weights that come to 1",
        )

    def _declared_value(self, path: str) -> Any:
        return value_at(self.trial_config({}), path)

    def _has_feasible(self, constraints: Sequence[Constraint], declared: Changes) -> bool:
        """Say whether a draw other than the declared config keeps constraints."""
        chance, space, violations = random.Random(0), self.space_in_order(), self.violations()
        counted_in = [it in constraints for it in self.constraints]
        for _ in range(CONSTRAINED_DRAWS):
            params = draw_params(space, chance)
            found = violations(params)
            kept = is_kept([one for one, counts in zip(found, counted_in, strict=True) if counts])
            if kept and params != declared:
                return True
        return False

    def _trained_faults(self, tried: Sequence[TrainingConfig]) -> Iterator[Fault]:
        """Find that all trials would be one training, and what the pruner cannot do with them."""
        declared = self.trial_config({})
        configs = [declared, *tried]
        if all(canonical(config) == canonical(declared) for config in configs):
            yield Fault(
                "space",
                "every trial would be the same training, for no range changes it; name a path with more than one "
                f"value (now {', '.join(self.space)})",
            )
        if self.pruner is not None:
            lengths = {config.known_epochs() for config in configs}
            yield from faults_of_pruner(self.pruner, self.num_trials, declared, lengths)


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
