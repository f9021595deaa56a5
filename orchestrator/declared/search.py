"""A search as it is declared: ranges on the paths of a config, what is made better, and how it is searched for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from tablewright.orchestrator.declared.budget import Budget
from tablewright.orchestrator.declared.changes import Changes, apply_changes, value_at
from tablewright.orchestrator.declared.constraints import Constraint
from tablewright.orchestrator.declared.dataset import SEED, Dataset
from tablewright.orchestrator.declared.declared_names import TableName
from tablewright.orchestrator.declared.pruners import Pruner
from tablewright.orchestrator.declared.ranges import (
    Range,
    When,
    is_searched,
)
from tablewright.orchestrator.declared.samplers import Sampler, suited_sampler
from tablewright.orchestrator.declared.search_cost import Cost
from tablewright.orchestrator.declared.search_faults import SearchFaults
from tablewright.orchestrator.declared.table_columns import own_view
from tablewright.orchestrator.declared.teacher import Teacher
from tablewright.trainables.contract.method import Seed, TrainingConfig
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.recorded_view import fault_of_view
from tablewright.trainables.contract.view import METHODS_VIEW, EvaluationView
from tablewright.trainables.value.declaration import Declaration
from tablewright.trainables.value.freezing import EMPTY
from tablewright.trainables.value.refusal import Fault
from tablewright.trainables.value.text import Text


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

    @property
    def searches_learnt_from(self) -> dict[int, Search]:
        """Those of its teachers that are searches, by their place in `learns_from`."""
        return {place: one for place, one in enumerate(self.learns_from) if isinstance(one, Search)}

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
        return SearchFaults(self).found()
