"""Optuna's genetic samplers, made to keep with trials what they keep in a database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from optuna import Study
from optuna.samplers import BaseGASampler, NSGAIIISampler, NSGAIISampler
from optuna.trial import FrozenTrial

from tablewright.orchestrator.declared.samplers import Nsga2, Nsga3
from tablewright.orchestrator.store.search_records import SearchTrialRecord

GENERATION, PARENTS = "generation", "parents"
"""What a trial keeps: its generation, and where it is the first of one, Optuna's numbers of the trials that it is bred
from: those of a generation grow when a paused trial ends later."""


class _KeepsParents(BaseGASampler):
    """Breeds a generation from the parents that its first trial had, whatever has ended since.

    Attributes:
        parents: generation -> Optuna's numbers of its parents.
        bred: generations whose parents were chosen now.
    """

    parents: dict[int, list[int]]
    bred: set[int]

    def get_parent_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        """Give the parents of a generation, chosen when it is asked for first."""
        if generation == 0:
            return []
        if generation not in self.parents:
            self.parents[generation] = [trial.number for trial in self.select_parent(study, generation)]
            self.bred.add(generation)
        chosen = set(self.parents[generation])
        return [trial for trial in study.get_trials(deepcopy=False) if trial.number in chosen]


class _RecordedNsga2(_KeepsParents, NSGAIISampler):
    pass


class _RecordedNsga3(_KeepsParents, NSGAIIISampler):
    pass


GeneticSampler = _RecordedNsga2 | _RecordedNsga3


def genetic_sampler(sampler: Nsga2 | Nsga3, trials: Iterable[SearchTrialRecord], seed: int) -> GeneticSampler:
    """Make Optuna's sampler, which knows the parents of every generation so far."""
    kind = _RecordedNsga2 if isinstance(sampler, Nsga2) else _RecordedNsga3
    made = kind(population_size=sampler.population_size, seed=seed)
    made.parents, made.bred = {}, set()
    for trial in trials:
        if PARENTS in trial.sampler_state:
            made.parents.setdefault(trial.sampler_state[GENERATION], trial.sampler_state[PARENTS])
    return made


def attributes_of(sampler: GeneticSampler, trial: SearchTrialRecord) -> dict[str, Any]:
    """Give what Optuna's sampler looks for in a trial; one that it has not drawn belongs to the first generation."""
    return {_generation_key(sampler): trial.sampler_state.get(GENERATION, 0)}


def kept_by(sampler: GeneticSampler, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a new trial is to keep, of what Optuna's sampler has given it."""
    generation = attributes[_generation_key(sampler)]
    is_first = generation in sampler.bred
    return {GENERATION: generation, **({PARENTS: sampler.parents[generation]} if is_first else {})}


def _generation_key(sampler: GeneticSampler) -> str:
    return f"{type(sampler).__name__}:generation"
