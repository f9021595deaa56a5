"""One search as it goes on: what it tries next, how far each trial may train, and when there is nothing more to try.

It keeps the records of the trials in memory and gives each record that it changes, for whoever writes it down: a
running search into the store, a replay nowhere.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np

from tablewright.orchestrator.declared.budget import Spending
from tablewright.orchestrator.declared.changes import Changes
from tablewright.orchestrator.declared.constraints import is_kept
from tablewright.orchestrator.declared.pruners import Halving, Hyperband, Wilcoxon, promoting
from tablewright.orchestrator.declared.samplers import BruteForce, Gp, Sampler, Tpe
from tablewright.orchestrator.declared.search import Search
from tablewright.orchestrator.searches.curve_forecast import forecast_finals, forecast_left
from tablewright.orchestrator.searches.finite_space import SearchSpace, cell_of
from tablewright.orchestrator.searches.optuna_sampler import Suggestion, suggest
from tablewright.orchestrator.searches.optuna_wilcoxon import is_surely_worse
from tablewright.orchestrator.searches.rungs import (
    Verdict,
    bracket_of,
    first_stop,
    promotion,
    rungs_of,
    verdict,
)
from tablewright.orchestrator.searches.search_end import SearchEnd, search_end
from tablewright.orchestrator.searches.search_spending import told_spending
from tablewright.orchestrator.searches.search_state import mean_of
from tablewright.orchestrator.store.record import now
from tablewright.orchestrator.store.search_records import LearntTrials, SearchTrialRecord, TrialPart

MAX_BROKEN_DRAWS = 50
"""Where a sampler has drawn so many that break a constraint, one is drawn that keeps it, by chance alone."""

NUM_DRAWS: Mapping[type[Sampler], int] = {BruteForce: 0, Gp: 1}
"""So often a sampler is asked for what was not tried yet; then any such cell of the space is taken. A Gaussian process
gives nearly the same again, and takes long to say so."""

NUM_DRAWS_OF_OTHERS = 5

Ended = Literal["complete", "pruned", "refused", "fail"]


class Suggester:
    """The trials of one search, and what follows from them.

    Attributes:
        trials: by number; each is the record as it is now.
    """

    def __init__(
        self,
        search: Search,
        clock: Callable[[], datetime.datetime] = now,
        learnt: LearntTrials | None = None,
        spending: Callable[[Sequence[SearchTrialRecord]], Spending] = told_spending,
    ) -> None:
        """Begin with no trial.

        Args:
            search: the declaration.
            clock: tells when something happened.
            learnt: what it has learnt from elsewhere.
            spending: tells what trials have taken of a budget; by what they have told, of epochs alone.
        """
        self._search, self._clock, self._spending = search, clock, spending
        self._violations = search.violations()
        self._learnt, self._first_points = _as_trials(learnt), search.first_points()
        self._first_points += learnt.points if learnt else ()
        self.trials: dict[int, SearchTrialRecord] = {}
        self._forecast: Mapping[int, float] | None = None

    @property
    def in_order(self) -> tuple[SearchTrialRecord, ...]:
        """Every trial so far, by number."""
        return tuple(self.trials[number] for number in sorted(self.trials))

    @property
    def is_spent(self) -> bool:
        """Whether no further suggestion is to be made."""
        return self.end is not None

    @property
    def end(self) -> SearchEnd | None:
        """Why no further suggestion is to be made; None where one is."""
        trials = self.in_order
        return search_end(self._search, trials, self._spending(trials))

    def take(self, trial: SearchTrialRecord) -> SearchTrialRecord:
        """Take a trial as it stands written, or as another has changed it."""
        self.trials[trial.number] = trial
        self._forecast = None
        return trial

    def suggested(self) -> SearchTrialRecord:
        """Give a suggestion, which is none of the trials before it is taken; its training is not known yet."""
        suggestion = self._next()
        return SearchTrialRecord(
            number=self.free_number(),
            params=dict(suggestion.params),
            training_id="",
            state="running" if self._keeps_constraints(suggestion.params) else "refused",
            sampler_state=dict(suggestion.sampler_state),
            suggested_at=self._clock(),
        )

    def _keeps_constraints(self, params: Changes) -> bool:
        """Say whether parameters break no constraint."""
        return is_kept(self._violations(params))

    def _next(self) -> Suggestion:
        """Give the first points in their order, and then what the sampler draws.

        Nothing is tried twice. What breaks a constraint is drawn again, and the sampler told of it.
        """
        tried = {cell_of(trial.params) for trial in self.trials.values()}
        for point in self._first_points:
            if cell_of(point) not in tried and self._keeps_constraints(point):
                return Suggestion(point, {})
        num_draws = NUM_DRAWS.get(type(self._search.chosen_sampler), NUM_DRAWS_OF_OTHERS)
        known = self._as_the_sampler_learns()
        num_repeated, broken = 0, list[Changes]()
        while num_repeated < num_draws and len(broken) < MAX_BROKEN_DRAWS:
            draw = num_repeated + len(broken)
            suggestion = suggest(self._search, known, self._learnt, draw, broken)
            if not self._keeps_constraints(suggestion.params):
                broken.append(suggestion.params)
            elif cell_of(suggestion.params) in tried:
                num_repeated += 1
            else:
                return suggestion
        random = np.random.default_rng((self._search.sampler_seed, self.free_number()))
        untried = SearchSpace(self._search.space).untried(tried, random, self._keeps_constraints)
        return Suggestion(untried, {})

    def _as_the_sampler_learns(self) -> tuple[SearchTrialRecord, ...]:
        """Give the trials; to a sampler that models values, those not complete as if they ended as forecast."""
        sampler = self._search.chosen_sampler
        finals = self._finals() if isinstance(sampler, Tpe | Gp) else {}
        if isinstance(sampler, Gp):  # it would come back to where those lie of which it hears nothing
            finals = {**forecast_left(self._search.space, self.in_order), **finals}
        return tuple(
            trial.model_copy(update={"state": "complete", "value": finals[trial.number]})
            if trial.state in ("running", "paused", "pruned") and trial.number in finals
            else trial
            for trial in self.in_order
        )

    def free_number(self) -> int:
        """Give the number of the next suggestion."""
        return max(self.trials, default=-1) + 1

    def bounded(self, trial: SearchTrialRecord, num_epochs: int) -> SearchTrialRecord:
        """Say of a trial how far it may train, once the length of its training is known."""
        bracket = bracket_of(self._search.pruner, num_epochs, trial.number)
        stop = first_stop(self._search.pruner, num_epochs, bracket)
        return trial.model_copy(update={"num_epochs": num_epochs, "bracket": bracket, "until_epoch": stop})

    def reported(self, number: int, values: Mapping[int, float], num_epochs: int) -> Verdict:
        """Take what a running trial has reached, epoch by epoch, and decide about it."""
        trial = self.trials[number]
        if trial.num_epochs is None:
            trial = self.bounded(trial, num_epochs)
        trial = trial.model_copy(update={"intermediate_values": {**trial.intermediate_values, **values}})
        self.take(trial)
        return self.verdict_on(number)

    def verdict_on(self, number: int) -> Verdict:
        """Decide about a running trial by what it has reached."""
        metric, pruner = self._search.objective.metric, self._search.pruner
        return verdict(
            pruner,
            self.in_order,
            self.trials[number],
            higher_is_better=metric.higher_is_better,
            finals={}
            if promoting(pruner)
            else self._finals(),  # what is promoted is decided when a slot is free
        )

    def reported_part(self, number: int, place: int, part: TrialPart) -> Ended | None:
        """Take what became of one of the trainings of a trial, and say how the trial ends by it; None: it goes on."""
        trial = self.trials[number]
        parts = (*trial.parts[:place], part, *trial.parts[place + 1 :])
        self.take(trial.model_copy(update={"parts": parts}))
        return self.end_by_parts(number)

    def end_by_parts(self, number: int) -> Ended | None:
        """Say how a trial ends by its trainings; None where the others are worth to be made.

        A mean over those that did not fail would be of something else, so that one that fails lets the trial fail.
        """
        trial, pruner = self.trials[number], self._search.pruner
        if any(part.state == "fail" for part in trial.parts):
            return "fail"
        if mean_of(trial.parts) is not None:
            return "complete"
        is_hopeless = isinstance(pruner, Wilcoxon) and is_surely_worse(
            pruner,
            self.in_order,
            trial,
            higher_is_better=self._search.objective.metric.higher_is_better,
        )
        return "pruned" if is_hopeless else None

    def next_part(self, number: int, at_work: Sequence[int]) -> int | None:
        """Give the place of the training of a trial that is made next; None where it waits for others.

        Args:
            number: of the trial.
            at_work: places of those that are being made.
        """
        parts, pruner = self.trials[number].parts, self._search.pruner
        if any(part.state == "fail" for part in parts):
            return None
        for place, part in enumerate(parts):
            if part.state == "running" and place not in at_work:
                waits = isinstance(pruner, Wilcoxon) and place >= pruner.num_startup_parts and bool(at_work)
                return None if waits else place
        return None

    def paused(self, number: int) -> SearchTrialRecord:
        """Let a trial rest where it is."""
        return self.take(self.trials[number].model_copy(update={"state": "paused"}))

    def promoted(self) -> SearchTrialRecord | None:
        """Let the best of the paused trials go on, where one of them may now."""
        found = self._next_promotion()
        if found is None:
            return None
        number, until_epoch = found
        update = {"state": "running", "until_epoch": until_epoch}
        return self.take(self.trials[number].model_copy(update=update))

    def _next_promotion(self) -> tuple[int, int | None] | None:
        end = self.end
        is_closing = end is not None and all(trial.state != "running" for trial in self.trials.values())
        return promotion(
            self._search.pruner,
            self.in_order,
            higher_is_better=self._search.objective.metric.higher_is_better,
            is_closing=is_closing,
            is_out_of_budget=end is not None and end.kind == "budget",
            finals=self._finals(),
        )

    def _finals(self) -> Mapping[int, float]:
        """Forecast what the trials will end with, where the pruner goes by that."""
        pruner = self._search.pruner
        if not isinstance(pruner, Halving | Hyperband) or not pruner.forecasts:
            return {}
        if self._forecast is None:
            finals: dict[int, float] = {}
            for num_epochs in sorted({trial.num_epochs or 0 for trial in self.trials.values()} - {0}):
                as_long = [trial for trial in self.in_order if trial.num_epochs == num_epochs]
                finals |= forecast_finals(self._search.space, as_long, rungs_of(pruner, num_epochs))
            self._forecast = finals
        return self._forecast

    def told(
        self, number: int, state: Ended, value: float | None = None, values: tuple[float, ...] = ()
    ) -> SearchTrialRecord:
        """Say how a trial has ended.

        Args:
            number: of the trial.
            state: in which it has ended.
            value: of the objective, where it is complete.
            values: of all objectives, where they are several.
        """
        trial = self.trials[number]
        num_failures = trial.num_failures + (state == "fail")
        parts = tuple(
            part.model_copy(update={"state": "left"}) if part.state == "running" else part
            for part in trial.parts
        )
        update = {"state": state, "value": value, "num_failures": num_failures, "ended_at": self._clock()}
        return self.take(trial.model_copy(update={**update, "parts": parts, "values": values}))

    @property
    def may_promote(self) -> bool:
        """Whether one of the paused trials may go on."""
        return self._next_promotion() is not None

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be tried, to go on with, or to be tried again; paused trials aside."""
        is_at_rest = all(trial.state == "paused" or trial.is_final for trial in self.trials.values())
        return self.is_spent and is_at_rest and not self.may_promote

    def closed(self) -> list[SearchTrialRecord]:
        """End the paused trials of a search that is over, and give them."""
        paused = [trial.number for trial in self.in_order if trial.state == "paused"]
        return [self.told(number, "pruned") for number in paused] if paused and self.is_over else []


def _as_trials(learnt: LearntTrials | None) -> Sequence[SearchTrialRecord]:
    """Give what was learnt as a sampler knows trials."""
    return [
        SearchTrialRecord(
            number=number, params=trial.params, training_id="", state="complete", value=trial.value
        )
        for number, trial in enumerate(learnt.trials if learnt else ())
    ]
