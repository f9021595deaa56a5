"""A search that runs: suggests work for the queue, and tells the store what became of it.

The store has every suggestion and what became of it; what is tried next follows from that alone, so that no
database decides what a search does, and a search goes on wherever its store is.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from tablewright.orchestrator.declared.changes import Changes
from tablewright.orchestrator.declared.pruners import Wilcoxon
from tablewright.orchestrator.declared.search import Search
from tablewright.orchestrator.other_hands import OtherHands
from tablewright.orchestrator.plans.place import trial_place
from tablewright.orchestrator.plans.plan import PlannedView
from tablewright.orchestrator.plans.resolution import DataResolver, Resolved
from tablewright.orchestrator.searches.learning import learn
from tablewright.orchestrator.searches.rungs import Verdict
from tablewright.orchestrator.searches.search_identity import find_search_id
from tablewright.orchestrator.searches.search_spending import SearchSpending
from tablewright.orchestrator.searches.search_state import mean_of, measured_values, read_learnt, read_trials
from tablewright.orchestrator.searches.suggester import Ended, Suggester
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.search_records import (
    RUNS_TO_FAIL_IN,
    LearntTrials,
    SearchTrialRecord,
    TrialPart,
)
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.work import Outcome, Progress, Work

LEARN_EVERY_S = 1.0
"""How often what other sweeps have suggested is read again, while it is waited for."""


class SearchSource:
    """One running search: suggests work and tells the store what became of it."""

    def __init__(
        self,
        study: str,
        search: Search,
        resolver: DataResolver,
        store: Store,
        *,
        max_open: Callable[[], int],
        others: OtherHands | None = None,
        priority: int = 0,
    ) -> None:
        """Open the search, and take up what an earlier run left open or saw failing.

        Args:
            study: name of the study that declares the search.
            search: the declaration.
            resolver: says which training a config is.
            store: keeps every suggestion.
            max_open: gives how many suggestions may be open at a time; a sampler learns nothing from
                open ones.
            others: who may search on the same store; None where nobody does.
            priority: of its suggestions among what else the sweep runs.

        Raises:
            DamagedFile: a suggestion that stands in the store cannot be used.
            ValueError: the data cannot be found, or what it is to learn from cannot be read.
        """
        self.search = search
        self.study_name = study
        self._resolver = resolver
        self.search_id = find_search_id(search, resolver, store)
        self._store = store
        self._max_open, self._others, self._priority = max_open, others, priority
        self._suggester = Suggester(
            search, learnt=self._what_was_learnt(), spending=SearchSpending(search, store).of
        )
        self._open: set[int] = set()
        self._at_work: set[tuple[int, int]] = set()  # number, and place among the trainings of the trial
        self._of_others: set[int] = set()
        self._learnt_at_s = time.monotonic()
        for trial in read_trials(search, resolver, store, self.search_id):
            if trial.state == "paused" or trial.is_final:
                self._suggester.take(trial)
            else:
                resolved = self._resolve(trial.params)  # an earlier version had another id for it
                trial = trial.model_copy(update={"state": "running", **self._trainings(resolved)})
                self._suggester.take(trial)
                is_of_others = others is not None and any(
                    others.owner_of(identity) is not None for identity in trial.training_ids
                )
                (self._of_others if is_of_others else self._open).add(trial.number)
        self._to_resume = sorted(self._open)

    @property
    def trials(self) -> tuple[SearchTrialRecord, ...]:
        """Every suggestion so far and what became of it, by number."""
        return self._suggester.in_order

    @property
    def _trials(self) -> Mapping[int, SearchTrialRecord]:
        return self._suggester.trials

    @property
    def priority(self) -> int:
        """Its suggestions come before planned work of a lower one."""
        return self._priority

    def __str__(self) -> str:
        """For people."""
        return f"search {self.study_name}/{self.search.label}"

    def _what_was_learnt(self) -> LearntTrials | None:
        """Give what it has learnt from elsewhere, which is read once, when it begins."""
        found = read_learnt(self.search, self._resolver, self._store, self.search_id)
        if found is None and self.search.learns_from:
            found = learn(self.search, self._resolver, self._store)
            if not self._store.create_learnt_trials(self.search_id, found):
                return read_learnt(self.search, self._resolver, self._store, self.search_id)
        return found

    # -- suggesting

    def next_work(self) -> Work | None:
        """Give the next suggestion that needs a training or a measurement.

        What was left open comes first, then a paused trial that is promoted, then a new one. Those that another sweep
        has made, and not ended, come last: they are its own as long as it lives.
        """
        if self._of_others and time.monotonic() - self._learnt_at_s >= LEARN_EVERY_S:
            self._learn()
        while self._to_resume:
            number = self._to_resume.pop(0)
            if number in self._open and not self._is_taken_up(number):
                return self._next_work_of(number)
        while self._num_at_work < self._max_open():
            if (further := self._further_work()) is not None:
                return further
            if (promoted := self._promote()) is not None:
                return self._next_work_of(promoted.number)
            if self._suggester.is_spent:
                break
            number = self._suggest()
            if number is not None and not self._is_answered(number):
                return self._next_work_of(number)
        if self._suggester.is_spent and self._of_others:
            self._to_resume = sorted(self._of_others)
            self._open |= self._of_others
            self._of_others.clear()
            return self.next_work()
        self._close()
        return None

    def is_finished(self) -> bool:
        """Say whether this run has nothing left to do for the search."""
        is_at_rest = not (self._open or self._of_others) and self._suggester.is_spent
        return is_at_rest and not self._suggester.may_promote and not self._may_close

    def still_wants(self, work: Work) -> bool:
        """Say whether a suggestion is open; one may be told by another of equal parameters, or in other hands."""
        for number, _ in self._places_of(work.training_id):
            self._learn_of(number)
        return bool(self._places_of(work.training_id))

    def _promote(self) -> SearchTrialRecord | None:
        """Let a paused trial go on, where one may now and no other sweep is at that."""
        if not self._suggester.may_promote:
            return None
        with self._alone() as is_alone:
            if not is_alone:
                return None
            self._learn()
            promoted = self._suggester.promoted()
            if promoted is not None:
                self._keep(promoted)
                self._open.add(promoted.number)
            return promoted

    @contextmanager
    def _alone(self) -> Generator[bool]:
        """Keep other sweeps from letting paused trials go on, or ending them, meanwhile; false where one does now."""
        if self._others is None:
            yield True
            return
        with self._others.held(f"search-{self.search_id}") as claim:
            yield claim is not None

    def _suggest(self) -> int | None:
        """Make a suggestion; None for one that a constraint or the method refuses, or that others have made."""
        self._learn()
        if self._suggester.is_spent:
            return None
        record = self._suggester.suggested()
        try:
            resolved = None if record.is_refused else self._resolve(record.params)
        except ValueError:
            resolved = None
        if resolved is None:
            record = record.model_copy(update={"state": "refused"})
        else:
            record = record.model_copy(update=self._trainings(resolved))
            is_known = all(self._store.training(identity).is_done() for identity in record.training_ids)
            record = record.model_copy(update={"is_answered": is_known})
            if (num_epochs := resolved[0].config.known_epochs()) is not None:
                record = self._suggester.bounded(record, num_epochs)
        while not self._store.create_search_trial(self.search_id, record):
            # Another sweep was first, and may have suggested the same, having learnt the same.
            self._learn()
            is_known = record.training_id in {known.training_id for known in self._trials.values()}
            if is_known or self._suggester.is_spent:
                return None
            record = record.model_copy(update={"number": self._suggester.free_number()})
        self._suggester.take(record)
        if resolved is None:
            return None
        self._open.add(record.number)
        return record.number

    def _learn(self) -> None:
        """Take up what other sweeps on this store have suggested, and what became of it."""
        self._learnt_at_s = time.monotonic()
        for number in self._store.search_trial_numbers(self.search_id):
            known = self._trials.get(number)
            if known is None or number in self._of_others or known.state == "paused":
                self._learn_of(number)

    def _learn_of(self, number: int) -> None:
        found = self._store.search_trial(self.search_id, number)
        known = self._trials.get(number)
        if found is None or found == known:
            return
        is_left_open = found.state != "paused" and not found.is_final
        if known is not None and number in self._open and is_left_open:
            # It is this sweep's to tell, and another may have had it meanwhile, and taken it beyond a rung.
            values = {**known.intermediate_values, **found.intermediate_values}
            parts = tuple(
                theirs if theirs.state == "complete" else ours
                for ours, theirs in zip(known.parts, found.parts, strict=True)
            )
            update = {"state": "running", "intermediate_values": values, "parts": parts}
            self._suggester.take(found.model_copy(update=update))
            return
        self._suggester.take(found)
        self._close_trial(number)
        if found.state == "running":
            self._of_others.add(number)

    def _resolve(self, params: Changes) -> list[Resolved]:
        """Give the trainings of a suggestion, mostly one."""
        return [self._resolver.resolve(config) for config in self.search.trial_configs(params)]

    def _trainings(self, resolved: Sequence[Resolved]) -> dict[str, Any]:
        """Give what the record of a suggestion says of its trainings before any is made."""
        identities = [one.training_id for one in resolved]
        parts = tuple(
            TrialPart(dataset=part.dataset.label, seed=part.seed, training_id=identity)
            for part, identity in zip(self.search.parts, identities, strict=True)
        )
        return {"training_id": identities[0], "parts": parts if len(parts) > 1 else ()}

    def _next_work_of(self, number: int) -> Work:
        """Give the next training of an open suggestion, which has one."""
        place = self._next_place(number)
        assert place is not None
        return self._work(number, place)

    def _next_place(self, number: int) -> int | None:
        at_work = [place for other, place in self._at_work if other == number]
        if self._trials[number].parts:
            return self._suggester.next_part(number, at_work)
        return None if at_work else 0

    def _further_work(self) -> Work | None:
        """Give a further training of a suggestion that has begun: its mean teaches more than a new one."""
        for number in sorted(self._open):
            while number in self._open and (place := self._next_place(number)) is not None:
                if not self._trials[number].parts or not self._is_told_by_store(number, place):
                    return self._work(number, place)
        return None

    def _work(self, number: int, place: int) -> Work:
        trial = self._trials[number]
        self._at_work.add((number, place))
        resolved = self._resolve(trial.params)[place]
        objective, label = self.search.objective, f"{self.search.label}: trial {number}"
        shown = trial_place(self.study_name, self.search, number)
        if trial.parts:
            part = trial.parts[place]
            label += f" [{part.dataset}] seed {part.seed}"
            shown = trial_place(self.study_name, self.search, number, part.dataset, part.seed)
        views = {
            self._resolver.view_id(resolved, view): PlannedView(view, resolved.measuring, resolved.measured)
            for view in self.search.views
        }
        return Work(
            training_id=trial.training_ids[place],
            config=resolved.config,
            data=resolved.data,
            views=views,
            label=label,
            study=self.study_name,
            watch=objective if self._watches else None,
            priority=self._priority,
            trial=shown,
        )

    @property
    def _watches(self) -> bool:
        """Whether it looks at a training between its epochs."""
        return self.search.pruner is not None and not isinstance(self.search.pruner, Wilcoxon)

    @property
    def _num_at_work(self) -> int:
        return sum(number in self._open for number, _ in self._at_work)

    # -- what is known without a training

    def _is_taken_up(self, number: int) -> bool:
        """Take up a suggestion that was left open; true where what was left of its training decides about it.

        Where another sweep is at that training, it decides, and is waited for.
        """
        self._learn_of(number)
        if number not in self._open or self._is_answered(number):
            return True
        if not self._watches:
            return False
        with self._left(number) as is_left:
            if not is_left:
                return False
            self._learn_of(number)  # whoever was at it may have decided since
            if number not in self._open:
                return True
            self._take_values(number)
            decided = self._suggester.verdict_on(number)
            if decided == "pause":
                self._pause(number)
            elif decided == "prune":
                self._store.training(self._trials[number].training_id).remove_resume_checkpoint()
                self._tell(number, "pruned", None)
            return decided != "go on"

    @contextmanager
    def _left(self, number: int) -> Generator[bool]:
        """Keep others from the training of a suggestion meanwhile; false where one is at it."""
        if self._others is None:
            yield True
            return
        with self._others.left(self._trials[number].training_id) as claim:
            yield claim is not None

    def _take_values(self, number: int) -> None:
        """Take what its training has told and nobody has heard, as of a sweep that was killed."""
        trial = self._trials[number]
        try:
            reports = self._store.training(trial.training_id).epochs() if self._watches else []
        except DamagedFile:
            return  # the training tells again what it repeats
        name = self.search.objective.watched_name
        unheard = {
            report.epoch: report.metrics[name]
            for report in reports
            if name in report.metrics and report.epoch not in trial.intermediate_values
        }
        if unheard:
            self._suggester.reported(number, unheard, reports[-1].num_epochs)

    def _is_answered(self, number: int) -> bool:
        """Answer a suggestion by the store: its training is measured, or an equal one was given up or rests."""
        identity = self._trials[number].training_id
        if self._trials[number].parts:
            places = range(len(self._trials[number].parts))
            if any([self._is_told_by_store(number, place) for place in places]) and number not in self._open:
                return True
        elif (value := self._measured(number)) is not None:
            self._tell(number, "complete", value)
            return True
        for trial in self._trials.values():
            is_equal = trial.training_id == identity and trial.number != number and not trial.is_answered
            is_over = trial.state == "paused" or (trial.state in ("pruned", "fail") and trial.is_final)
            if is_equal and is_over:
                has_failed = trial.state == "fail"
                self._suggester.take(
                    self._trials[number].model_copy(
                        update={
                            "is_answered": True,
                            "intermediate_values": trial.intermediate_values,
                            "parts": trial.parts,
                            "num_failures": trial.num_failures - has_failed,
                        }
                    )
                )
                self._tell(number, "fail" if has_failed else "pruned", None)
                return True
        return False

    def _is_told_by_store(self, number: int, place: int) -> bool:
        """Take the value of one of the trainings of an open suggestion, where it is measured."""
        if number not in self._open or (value := self._measured(number, place)) is None:
            return False
        self._tell_part(number, place, "complete", value)
        return True

    def _measured(self, number: int, place: int = 0) -> float | None:
        values = self._all_measured(number, place)
        return None if values is None else values[0]

    def _all_measured(self, number: int, place: int) -> tuple[float, ...] | None:
        """Give the values of all objectives of one of the trainings of a suggestion; None while one lacks."""
        params = self._trials[number].params
        return measured_values(self.search, self._resolver, self._store, params, place)

    def _means(self, number: int) -> tuple[float, ...]:
        """Give the values of all objectives of a complete suggestion, where they are several."""
        if not self.search.against:
            return ()
        found = [self._all_measured(number, place) for place in range(len(self.search.parts))]
        known = [values for values in found if values is not None]
        return tuple(math.fsum(of_one) / len(known) for of_one in zip(*known, strict=True))

    # -- learning

    def on_progress(self, work: Work, progress: Progress) -> Verdict:
        """Take the watched value of an epoch, and say whether the training goes on."""
        found: Verdict = "go on"
        if progress.watched is None:
            return found
        for number, _ in self._places_of(work.training_id):
            report = progress.report
            if report.epoch > 1 and report.epoch - 1 not in self._trials[number].intermediate_values:
                self._take_values(number)  # another sweep has heard them, and was killed
            decided = self._suggester.reported(number, {report.epoch: progress.watched}, report.num_epochs)
            self._keep(self._trials[number])
            found = decided if decided != "go on" else found
        return found

    def on_end(self, work: Work, outcome: Outcome) -> None:
        """Tell how a suggestion ended; one that was merely stopped stays open for the next run."""
        if outcome.state == "stopped":
            return
        for number, place in self._places_of(work.training_id):
            self._at_work.discard((number, place))
            self._take_values(number)
            value = self._measured(number, place) if outcome.state == "done" else None
            if self._trials[number].parts and outcome.state != "cancelled":
                self._tell_part(number, place, "fail" if value is None else "complete", value)
            elif value is not None:
                self._tell(number, "complete", value)
            elif outcome.state == "paused":
                self._pause(number)
            elif outcome.state == "cancelled":
                self._give_up(number)
            else:
                self._tell(number, "pruned" if outcome.state == "pruned" else "fail", None)

    def _tell_part(
        self, number: int, place: int, state: Literal["complete", "fail"], value: float | None
    ) -> None:
        """Tell how one of the trainings of a suggestion has ended; the suggestion ends where that decides it.

        One that failed waits for those that are being trained: the next run goes on with what they give.
        """
        if self._others is not None:
            self._learn_of(number)  # others may have told of its other trainings
            if number not in self._open:
                return
        part = self._trials[number].parts[place].model_copy(update={"state": state, "value": value})
        ended = self._suggester.reported_part(number, place, part)
        if ended is None or (ended == "fail" and any(other == number for other, _ in self._at_work)):
            self._keep(self._trials[number])
        else:
            self._tell(number, ended, mean_of(self._trials[number].parts) if ended == "complete" else None)

    def _pause(self, number: int) -> None:
        if self._is_told(number) or self._has_gone_on(number):
            return
        self._keep(self._suggester.paused(number))
        self._close_trial(number)

    def _give_up(self, number: int) -> None:
        """Tell of a suggestion that somebody has cancelled: it is not made again, unless it is retried."""
        failed_often = self._trials[number].model_copy(update={"num_failures": RUNS_TO_FAIL_IN - 1})
        self._suggester.take(failed_often)
        self._tell(number, "fail", None)

    def _close(self) -> None:
        """End what rests at a rung once nothing is left to be tried: nothing will go on from there."""
        if not self._may_close:
            return
        with self._alone() as is_alone:
            if not is_alone:
                return
            self._learn()  # another sweep may have let one of them go on
            for trial in self._suggester.closed():
                self._store.training(trial.training_id).remove_resume_checkpoint()
                self._keep(trial)

    @property
    def _may_close(self) -> bool:
        return self._suggester.is_over and any(trial.state == "paused" for trial in self._trials.values())

    def _close_trial(self, number: int) -> None:
        self._open.discard(number)
        self._of_others.discard(number)
        self._at_work = {(other, place) for other, place in self._at_work if other != number}

    def _places_of(self, identity: str) -> list[tuple[int, int]]:
        """Give the open suggestions that wait for a training, and its place among theirs."""
        return [
            (number, place)
            for number in sorted(self._open)
            for place, other in enumerate(self._trials[number].training_ids)
            if other == identity and not self._is_part_told(number, place)
        ]

    def _is_part_told(self, number: int, place: int) -> bool:
        parts = self._trials[number].parts
        return bool(parts) and parts[place].state != "running"

    def _tell(self, number: int, state: Ended, value: float | None) -> None:
        if self._is_told(number):
            return
        values = self._means(number) if state == "complete" else ()
        trial = self._suggester.told(number, state, value, values)
        self._keep(trial)
        is_given_up = (state == "fail" and trial.is_final) or (state == "pruned" and bool(trial.parts))
        at_work = {place for other, place in self._at_work if other == number}
        self._close_trial(number)
        for place, identity in enumerate(trial.training_ids):
            folder = self._store.training(identity)
            if is_given_up and place not in at_work and not folder.is_cancelled():
                folder.remove_resume_checkpoint()

    def _is_told(self, number: int) -> bool:
        """Take what another sweep has told of a suggestion's end; true where one has."""
        found = self._as_written(number)
        if found is None or not found.is_final:
            return False
        self._suggester.take(found)
        self._close_trial(number)
        return True

    def _has_gone_on(self, number: int) -> bool:
        """Take that another sweep has let a suggestion rest already, and go on since; true where one has."""
        found = self._as_written(number)
        if found is None or found.state != "running" or found.num_epochs is None:
            return False
        if found.until_epoch == self._trials[number].until_epoch:
            return False
        self._suggester.take(found)
        self._close_trial(number)
        self._of_others.add(number)
        return True

    def _as_written(self, number: int) -> SearchTrialRecord | None:
        """Give a suggestion as it stands in the store; None where no other sweep writes to it."""
        return None if self._others is None else self._store.search_trial(self.search_id, number)

    def _keep(self, trial: SearchTrialRecord) -> None:
        self._store.write_search_trial(self.search_id, trial)
