"""What a search tries next: Optuna's samplers and pruners, asked through a study in memory.

The store has every suggestion and what became of it; the study in memory is made from that, so that no
database decides what a search does, and a search goes on wherever its store is.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any, Literal

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState

from tablewright.orchestrator.changes import Changes
from tablewright.orchestrator.other_hands import OtherHands
from tablewright.orchestrator.plan import PlannedView
from tablewright.orchestrator.ranges import Choice, FloatRange, Range, range_of
from tablewright.orchestrator.records import SearchTrialRecord, Store
from tablewright.orchestrator.resolution import DataResolver, Resolved
from tablewright.orchestrator.search import Search, is_searched
from tablewright.orchestrator.search_state import (
    RUNS_TO_FAIL_IN,
    find_search_id,
    is_final,
    is_spent,
    measured_value,
    read_trials,
)
from tablewright.orchestrator.trial import Outcome, Progress, Work
from tablewright.trainables.contract.method import SEED_LIMIT

OPTUNA_STATES = {
    "running": TrialState.RUNNING,
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "fail": TrialState.FAIL,
}

TRAINING_ID = "training_id"
"""User attribute of an Optuna trial that names its training."""

Ended = Literal["complete", "pruned", "fail"]

LEARN_EVERY_S = 1.0
"""How often what other sweeps have suggested is read again, while it is waited for."""


def frozen_trial(search: Search, trial: SearchTrialRecord) -> FrozenTrial:
    """Give a suggestion as Optuna keeps it."""
    return optuna.trial.create_trial(
        state=OPTUNA_STATES[trial.state],
        value=trial.value,
        params=trial.params,
        distributions={path: _distribution(range_of(search.space[path])) for path in trial.params},
        user_attrs={TRAINING_ID: trial.training_id},
        intermediate_values=trial.intermediate_values,
    )


def _distribution(declared: Range) -> BaseDistribution:
    if isinstance(declared, Choice):
        return CategoricalDistribution(tuple(declared.values))
    if isinstance(declared, FloatRange):
        return FloatDistribution(declared.low, declared.high, log=declared.log)
    return IntDistribution(declared.low, declared.high, log=declared.log, step=declared.step)


def _suggest(trial: Trial, path: str, declared: Range) -> Any:
    if isinstance(declared, Choice):
        return trial.suggest_categorical(path, tuple(declared.values))
    if isinstance(declared, FloatRange):
        return trial.suggest_float(path, declared.low, declared.high, log=declared.log)
    return trial.suggest_int(path, declared.low, declared.high, log=declared.log, step=declared.step)


def _sampler(search: Search, num_trials_so_far: int) -> BaseSampler:
    # A search that goes on must not draw its first random numbers again.
    seed = (search.sampler_seed * 1_000_003 + num_trials_so_far) % SEED_LIMIT
    if search.sampler == "random":
        return RandomSampler(seed=seed)
    if search.sampler == "gp":
        return GPSampler(seed=seed)
    return TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)


def _pruner(name: Literal["median", "hyperband"] | None) -> optuna.pruners.BasePruner:
    if name == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1)
    return optuna.pruners.HyperbandPruner() if name == "hyperband" else optuna.pruners.NopPruner()


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
            ValueError: the data cannot be found.
        """
        self.search = search
        self.study_name = study
        self._resolver = resolver
        self.search_id = find_search_id(search, resolver, store)
        self._store = store
        self._max_open, self._others, self._priority = max_open, others, priority
        self._trials: dict[int, SearchTrialRecord] = {}
        self._live: dict[int, Trial] = {}
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        self._optuna = optuna.create_study(
            study_name=self.search_id,  # Hyperband divides trials among its brackets by it
            direction="maximize" if search.objective.metric.higher_is_better else "minimize",
            pruner=_pruner(search.pruner),
        )
        self._open: set[int] = set()
        self._of_others: set[int] = set()
        self._learnt_at_s = time.monotonic()
        for trial in read_trials(search, resolver, store):
            if is_final(trial):
                self._add(trial)
            else:
                identity = self._resolve(trial.params).training_id  # an earlier version had another id for it
                self._add(trial.model_copy(update={"state": "running", "training_id": identity}))
                is_of_others = others is not None and others.owner_of(identity) is not None
                (self._of_others if is_of_others else self._open).add(trial.number)
        self._to_resume = sorted(self._open)

    @property
    def trials(self) -> tuple[SearchTrialRecord, ...]:
        """Every suggestion so far and what became of it, by number."""
        return tuple(self._trials[number] for number in sorted(self._trials))

    @property
    def priority(self) -> int:
        """Its suggestions come before planned work of a lower one."""
        return self._priority

    def __str__(self) -> str:
        """For people."""
        return f"search {self.study_name}/{self.search.name}"

    # -- suggesting

    def next_work(self) -> Work | None:
        """Give the next suggestion that needs a training or a measurement.

        Those that another sweep has made, and not ended, come last: they are its own as long as it lives.
        """
        if self._of_others and time.monotonic() - self._learnt_at_s >= LEARN_EVERY_S:
            self._learn()
        while self._to_resume:
            number = self._to_resume.pop(0)
            if number in self._open and not self._is_answered(number):
                return self._work(self._trials[number])
        while len(self._open) < self._max_open() and not is_spent(self.search, self.trials):
            number = self._suggest()
            if number is not None and not self._is_answered(number):
                return self._work(self._trials[number])
        if is_spent(self.search, self.trials) and self._of_others:
            self._to_resume = sorted(self._of_others)
            self._open |= self._of_others
            self._of_others.clear()
            return self.next_work()
        return None

    def is_finished(self) -> bool:
        """Say whether this run has nothing left to do for the search."""
        return not (self._open or self._of_others) and is_spent(self.search, self.trials)

    def still_wants(self, work: Work) -> bool:
        """Say whether a suggestion is open; one may be told by another of equal parameters."""
        return bool(self._numbers_of(work.training_id))

    def _suggest(self) -> int | None:
        """Ask for a suggestion; None for one that the method refuses, such as t0 >= t1, or that others have made."""
        self._learn()
        if is_spent(self.search, self.trials):
            return None
        if not self._trials:
            params, trial = self.search.declared_params(), None
        else:
            self._optuna.sampler = _sampler(self.search, len(self._trials))
            trial = self._optuna.ask()
            params = self._ask_params(trial)
        try:
            identity = self._resolve(params).training_id
        except ValueError:
            identity = ""
        record = SearchTrialRecord(
            number=self._free_number(),
            params=params,
            training_id=identity,
            state="running" if identity else "fail",
        )
        while not self._store.create_search_trial(self.search_id, record):
            # Another sweep was first, and may have suggested the same, having learnt the same.
            self._learn()
            is_known = identity in {known.training_id for known in self._trials.values()}
            if is_known or is_spent(self.search, self.trials):
                if trial is not None:
                    self._optuna.tell(trial, state=TrialState.FAIL)
                return None
            record = record.model_copy(update={"number": self._free_number()})
        number = record.number
        if trial is None:
            self._add(record)
        else:
            self._trials[number], self._live[number] = record, trial
        if not identity:
            if trial is not None:
                self._optuna.tell(self._live.pop(number), state=TrialState.FAIL)
            return None
        self._open.add(number)
        return number

    def _free_number(self) -> int:
        return max(self._trials, default=-1) + 1

    def _learn(self) -> None:
        """Take up what other sweeps on this store have suggested, and what became of it."""
        self._learnt_at_s = time.monotonic()
        for number in self._store.search_trial_numbers(self.search_id):
            if number not in self._trials or number in self._of_others:
                found = self._store.search_trial(self.search_id, number)
                if found is None:
                    continue
                if number in self._of_others:
                    self._adopt(found)
                else:
                    self._add(found)
                    if found.state == "running":
                        self._of_others.add(number)

    def _adopt(self, found: SearchTrialRecord) -> None:
        """Take over what another sweep has written of a suggestion that is open here."""
        number, known = found.number, self._trials[found.number]
        for epoch, value in found.intermediate_values.items():
            if epoch not in known.intermediate_values:
                self._live[number].report(value, epoch)
        self._trials[number] = found
        if found.state != "running":
            self._open.discard(number)
            self._of_others.discard(number)
            self._optuna.tell(self._live.pop(number), found.value, state=OPTUNA_STATES[found.state])

    def _ask_params(self, trial: Trial) -> dict[str, Any]:
        params: dict[str, Any] = {}
        for path, declared in self.search.space_in_order():
            if is_searched(declared, params):
                params[path] = _suggest(trial, path, range_of(declared))
        return params

    def _resolve(self, params: Changes) -> Resolved:
        return self._resolver.resolve(self.search.trial_config(params))

    def _work(self, trial: SearchTrialRecord) -> Work:
        resolved = self._resolve(trial.params)
        objective = self.search.objective
        view_id = self._resolver.view_id(resolved, objective.view)
        return Work(
            training_id=trial.training_id,
            config=resolved.config,
            data=resolved.data,
            views={view_id: PlannedView(objective.view, resolved.measuring, resolved.measured)},
            label=f"{self.search.name}: trial {trial.number}",
            study=self.study_name,
            watch=objective if self.search.pruner else None,
            priority=self._priority,
        )

    def _is_answered(self, number: int) -> bool:
        """Answer a suggestion by the store: its training is measured, or an equal one was given up."""
        identity = self._trials[number].training_id
        if (value := self._measured(number)) is not None:
            self._tell(number, "complete", value)
            return True
        for trial in self._trials.values():
            is_equal = trial.training_id == identity and trial.number != number
            if is_equal and trial.state in ("pruned", "fail") and is_final(trial):
                self._trials[number] = self._trials[number].model_copy(
                    update={
                        "intermediate_values": trial.intermediate_values,
                        "num_failures": trial.num_failures - (trial.state == "fail"),
                    }
                )
                self._tell(number, "pruned" if trial.state == "pruned" else "fail", None)
                return True
        return False

    def _measured(self, number: int) -> float | None:
        return measured_value(self.search, self._resolver, self._store, self._trials[number].params)

    # -- learning

    def on_progress(self, work: Work, progress: Progress) -> bool:
        """Report the watched value; true where the pruner has given the trial up."""
        if progress.watched is None:
            return False
        is_hopeless = False
        for number in self._numbers_of(work.training_id):
            kept = self._trials[number]
            values = {**kept.intermediate_values, progress.report.epoch: progress.watched}
            self._keep(kept.model_copy(update={"intermediate_values": values}))
            trial = self._live[number]
            trial.report(progress.watched, progress.report.epoch)
            is_last = progress.report.epoch >= progress.report.num_epochs
            is_hopeless = is_hopeless or (trial.should_prune() and not is_last)
        return is_hopeless

    def on_end(self, work: Work, outcome: Outcome) -> None:
        """Tell how a suggestion ended; one that was merely stopped stays open for the next run."""
        if outcome.state == "stopped":
            return
        for number in self._numbers_of(work.training_id):
            value = self._measured(number) if outcome.state == "done" else None
            if value is not None:
                self._tell(number, "complete", value)
            elif outcome.state == "cancelled":
                self._give_up(number)
            else:
                self._tell(number, "pruned" if outcome.state == "pruned" else "fail", None)

    def _give_up(self, number: int) -> None:
        """Tell of a suggestion that somebody has cancelled: it is not made again, unless it is retried."""
        failed_often = self._trials[number].model_copy(update={"num_failures": RUNS_TO_FAIL_IN - 1})
        self._trials[number] = failed_often
        self._tell(number, "fail", None)

    def _numbers_of(self, identity: str) -> list[int]:
        return [number for number in sorted(self._open) if self._trials[number].training_id == identity]

    def _tell(self, number: int, state: Ended, value: float | None) -> None:
        if self._others is not None:
            found = self._store.search_trial(self.search_id, number)
            if found is not None and found.state != "running" and is_final(found):
                self._adopt(found)  # another sweep has told it already
                return
        trial = self._trials[number]
        num_failures = trial.num_failures + (state == "fail")
        self._keep(trial.model_copy(update={"state": state, "value": value, "num_failures": num_failures}))
        self._open.discard(number)
        folder = self._store.training(trial.training_id)
        if state == "fail" and is_final(self._trials[number]) and not folder.is_cancelled():
            folder.remove_resume_checkpoint()
        self._optuna.tell(self._live.pop(number), value, state=OPTUNA_STATES[state])

    def _keep(self, trial: SearchTrialRecord) -> None:
        self._store.write_search_trial(self.search_id, trial)
        self._trials[trial.number] = trial

    def _add(self, trial: SearchTrialRecord) -> None:
        """Take a suggestion that stands in the store into the study in memory."""
        self._trials[trial.number] = trial
        self._optuna.add_trial(frozen_trial(self.search, trial))
        if trial.state == "running":
            added = self._optuna.get_trials(deepcopy=False)[-1]
            self._live[trial.number] = Trial(self._optuna, added._trial_id)  # pyright: ignore[reportPrivateUsage]
