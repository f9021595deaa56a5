"""One search as it goes on: what it tries next, how far each trial may train, and when there is nothing more to try.

It keeps the records of the trials in memory and gives each record that it changes, for whoever writes it down: a
running search into the store, a replay nowhere.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from tablewright.orchestrator.budget import Spending
from tablewright.orchestrator.changes import Changes
from tablewright.orchestrator.constraints import is_kept
from tablewright.orchestrator.optuna_sampler import Suggestion, suggest
from tablewright.orchestrator.ranges import draw_params
from tablewright.orchestrator.records import SearchTrialRecord, now
from tablewright.orchestrator.rungs import Verdict, bracket_of, first_stop, promotion, verdict
from tablewright.orchestrator.search import Search
from tablewright.orchestrator.search_end import SearchEnd, search_end
from tablewright.orchestrator.search_spending import told_spending
from tablewright.orchestrator.search_state import is_final

MAX_BROKEN_DRAWS = 50
"""Where a sampler has drawn so many that break a constraint, one is drawn that keeps it, by chance alone."""

MAX_CHANCE_DRAWS = 10_000
"""Where so many keep none, the suggestion is refused."""

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
        spending: Callable[[Sequence[SearchTrialRecord]], Spending] = told_spending,
    ) -> None:
        """Begin with no trial.

        Args:
            search: the declaration.
            clock: tells when something happened.
            spending: tells what trials have taken of a budget; by what they have told, of epochs alone.
        """
        self._search, self._clock, self._spending = search, clock, spending
        self._violations = search.violations()
        self.trials: dict[int, SearchTrialRecord] = {}

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
        return trial

    def suggested(self) -> SearchTrialRecord:
        """Give a suggestion, which is none of the trials before it is taken; its training is not known yet."""
        number = self.free_number()
        params: Mapping[str, Any]
        sampler_state: Mapping[str, Any] = {}
        if not self.trials:
            params = self._search.declared_params()
        else:
            suggestion = self._drawn(number)
            params, sampler_state = suggestion.params, suggestion.sampler_state
        return SearchTrialRecord(
            number=number,
            params=dict(params),
            training_id="",
            state="running" if self.keeps_constraints(params) else "refused",
            sampler_state=dict(sampler_state),
            suggested_at=self._clock(),
        )

    def keeps_constraints(self, params: Changes) -> bool:
        """Say whether parameters break no constraint."""
        return is_kept(self._violations(params))

    def _drawn(self, number: int) -> Suggestion:
        """Ask the sampler until it draws what keeps the constraints, and tell it of each draw that does not."""
        broken: list[Changes] = []
        trials = self.in_order
        while len(broken) < MAX_BROKEN_DRAWS:
            suggestion = suggest(self._search, trials, broken)
            if self.keeps_constraints(suggestion.params):
                return suggestion
            broken.append(suggestion.params)
        chance, space = random.Random(f"{self._search.sampler_seed} {number}"), self._search.space_in_order()
        draws = (draw_params(space, chance) for _ in range(MAX_CHANCE_DRAWS))
        params = next((draw for draw in draws if self.keeps_constraints(draw)), broken[-1])
        return Suggestion(params, {})

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
        metric = self._search.objective.metric
        return verdict(
            self._search.pruner,
            self.in_order,
            self.trials[number],
            higher_is_better=metric.higher_is_better,
        )

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
        )

    def told(self, number: int, state: Ended, value: float | None = None) -> SearchTrialRecord:
        """Say how a trial has ended."""
        trial = self.trials[number]
        num_failures = trial.num_failures + (state == "fail")
        update = {"state": state, "value": value, "num_failures": num_failures, "ended_at": self._clock()}
        return self.take(trial.model_copy(update=update))

    @property
    def may_promote(self) -> bool:
        """Whether one of the paused trials may go on."""
        return self._next_promotion() is not None

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be tried, to go on with, or to be tried again; paused trials aside."""
        is_at_rest = all(trial.state == "paused" or is_final(trial) for trial in self.trials.values())
        return self.is_spent and is_at_rest and not self.may_promote

    def closed(self) -> list[SearchTrialRecord]:
        """End the paused trials of a search that is over, and give them."""
        paused = [trial.number for trial in self.in_order if trial.state == "paused"]
        return [self.told(number, "pruned") for number in paused] if paused and self.is_over else []
