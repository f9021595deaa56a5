"""How far a search is, read from the store alone.

A failed suggestion is tried once more in the next run, for its machine may have been at fault (a full disc,
a bad GPU) and not its parameters; what failed in two runs is taken to fail for good.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import cast

from tablewright.orchestrator.declared.budget import Spending
from tablewright.orchestrator.declared.changes import Changes, try_changes
from tablewright.orchestrator.declared.constraints import is_kept
from tablewright.orchestrator.declared.ranges import range_of
from tablewright.orchestrator.declared.row_search import RowSearch
from tablewright.orchestrator.declared.samplers import Sampler
from tablewright.orchestrator.declared.search import Objective, Search
from tablewright.orchestrator.plans.recorded_config import (
    ChangedDefault,
    ConfigChange,
    accepted_changes,
    config_changes,
    view_changes,
)
from tablewright.orchestrator.plans.resolution import NOT_RECORDED, DataResolver, Resolved
from tablewright.orchestrator.searches.pareto import front_of, knee_of
from tablewright.orchestrator.searches.search_end import SearchEnd, made_ids, search_end
from tablewright.orchestrator.searches.search_identity import find_search, find_search_id, made_by_other_code
from tablewright.orchestrator.searches.search_spending import SearchSpending, told_spending
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.search_records import LearntTrials, SearchTrialRecord, TrialPart
from tablewright.orchestrator.store.store import LEARNT_FILE, Store
from tablewright.orchestrator.store.training_records import TrainingRecord
from tablewright.trainables.contract.method import TrainingConfig


@dataclass(frozen=True)
class SearchState:
    """How far a search is.

    Attributes:
        num_trials: trainings that it is to make.
        num_made: trainings of its own, the declared config's among them, that are complete, pruned, or failed for good.
        num_complete: trainings that ended as they should, pruned and answered ones among them.
        num_answered: suggestions that the store has answered, and that do not count as made.
        num_refused: suggestions that a constraint or the method has refused.
        failed_ids: trainings that failed, those for good among them.
        recorded_ids: trainings that gave a suggestion its value, or a part of it.
        training_ids: trainings of all suggestions, whatever became of them.
        running_ids: of those, the ones that are being made, or are left open.
        pruned_ids: of those, the ones that the search gave up early.
        is_finished: whether nothing is left to suggest, to go on with or to try again; one that gave up is not.
        end: why nothing more is suggested; None where there is.
        why_refused: what the last of the refused suggestions was refused for.
        best: parameters of the best complete trial, of several objectives of the knee of the front; None while
            unfinished, or without a complete one.
        best_in_first: of several objectives, parameters of the trial that is best in the first, where it is not the
            knee.
        fault: why what is recorded of it cannot be used; empty where it can.
        changes: defaults that were changed since, where they are why.
        learnt: what it has learnt from elsewhere before its first trial, for people.
        by_other_code: of a search that has not begun, the trainings that it has made before its method's own code
            was changed.
        search_id: by which the store has it; empty where it has not begun.
        begun_by: the sampler that has begun it, in an earlier version, where another one goes on; None where none did.
        trials: every suggestion and what became of it, by number.
    """

    num_trials: int
    num_made: int = 0
    num_complete: int = 0
    num_answered: int = 0
    num_refused: int = 0
    failed_ids: tuple[str, ...] = ()
    recorded_ids: tuple[str, ...] = ()
    training_ids: tuple[str, ...] = ()
    running_ids: tuple[str, ...] = ()
    pruned_ids: tuple[str, ...] = ()
    is_finished: bool = False
    end: SearchEnd | None = None
    why_refused: str = ""
    best: Changes | None = None
    best_in_first: Changes | None = None
    fault: str = ""
    changes: tuple[ConfigChange, ...] = ()
    learnt: tuple[str, ...] = ()
    by_other_code: tuple[TrainingRecord, ...] = ()
    search_id: str = ""
    begun_by: Sampler | None = None
    trials: tuple[SearchTrialRecord, ...] = ()

    def __str__(self) -> str:
        """Say it in a line."""
        if self.fault:
            return f"refused: {self.fault}"
        learnt = f"; learnt from {' and '.join(self.learnt)}" if self.learnt else ""
        begun = (
            "" if self.begun_by is None else f"; begun by {self.begun_by}, the default of an earlier version"
        )
        return f"{self._made()}{learnt}{begun}"

    def _made(self) -> str:
        failed = self._further
        if self.has_given_up:
            return (
                f"gave up after {self.num_made} of {self.num_trials} trials{failed}: the last refused suggestion was "
                f"{self.why_refused}. Declare what the method asks for, constraints=[…], or narrow the ranges"
            )
        if not self.is_finished:
            anew = f"; it begins anew, as {len(self.by_other_code)} were made by other code of its method"
            made = f"{self.num_made} of {self.num_trials} trials made{failed}"
            return f"{made}{anew if self.by_other_code else ''}"
        none = "" if self.best is not None else "; none gave a value"
        why = f": {self.why_ended}" if self.why_ended else ""
        return f"finished with {self.num_complete} trials{failed}{none}{why}"

    @property
    def why_ended(self) -> str:
        """Say why nothing more is suggested before all trials are made; empty where they are, or something is."""
        return "" if self.end is None else self.end.text

    @property
    def has_given_up(self) -> bool:
        """Whether it ended since too many of its suggestions were refused."""
        return self.end is not None and self.end.kind == "gave up"

    @property
    def num_left(self) -> int:
        """How many trials are left to be made."""
        is_ended = self.end is not None and self.end.kind != "made"
        return 0 if is_ended else self.num_trials - self.num_made

    @property
    def _further(self) -> str:
        """Count what was suggested and not made, or went wrong."""
        counts = (
            (len(self.failed_ids), "failed"),
            (self.num_answered, "answered by the store"),
            (self.num_refused, "refused"),
        )
        return "".join(f", {number} {what}" for number, what in counts if number)


def read_search_state(search: Search, resolver: DataResolver, store: Store) -> SearchState:
    """Read how far a search is; one of whose files cannot be used, or is of another default, has no best.

    Raises:
        ValueError: its data cannot be found.
    """
    search_id, begun_by = find_search(search, resolver, store)
    try:
        trials = read_trials(search, resolver, store, search_id)
        learnt = read_learnt(search, resolver, store, search_id)
    except ChangedDefault as error:
        return SearchState(search.num_trials, fault=str(error), changes=error.changes)
    except DamagedFile as error:
        return SearchState(search.num_trials, fault=str(error))
    trials = _within_budget(search, trials)
    if not trials:
        return SearchState(search.num_trials, by_other_code=made_by_other_code(search, resolver, store))
    state = state_of(search, trials, SearchSpending(search, store).of(trials))
    return replace(state, search_id=search_id, begun_by=begun_by, learnt=learnt.lines if learnt else ())


def _within_budget(search: Search, trials: list[SearchTrialRecord]) -> list[SearchTrialRecord]:
    """Give the suggestions that count: of a row's search no more than every other row of its table has.

    The same search may be declared with more trials elsewhere; its later ones would give one row more tries.
    """
    if not isinstance(search, RowSearch):
        return trials
    tried: set[str] = set()
    for place, trial in enumerate(trials):
        tried |= {trial.training_id} - {""}
        if len(tried) > search.num_trials:
            return trials[:place]
    return trials


def read_learnt(
    search: Search, resolver: DataResolver, store: Store, search_id: str = ""
) -> LearntTrials | None:
    """Read what a search has learnt from elsewhere; None before it has begun, and where it learns nothing.

    Args:
        search: the declaration.
        resolver: says which training a config is.
        store: that has it.
        search_id: of the search, where it is known.

    Raises:
        DamagedFile: it cannot be read, or is lost.
    """
    if not search.learns_from:
        return None
    identity = search_id or find_search_id(search, resolver, store)
    found = store.learnt_trials(identity)
    if found is None and store.search_trial_numbers(identity):
        raise DamagedFile(
            f"searches/{identity}/{LEARNT_FILE}",
            "is not there, and its trials are",
            held=LearntTrials.HELD,
            next_step=LearntTrials.NEXT_STEP,
        )
    return found


def read_trials(
    search: Search, resolver: DataResolver, store: Store, search_id: str = ""
) -> list[SearchTrialRecord]:
    """Read every suggestion of a search; each value must be what its training measured.

    Args:
        search: the declaration.
        resolver: says which training a config is.
        store: that has it.
        search_id: of the search, where it is known.

    Raises:
        DamagedFile: a suggestion cannot be read, or has a value of its own.
        ChangedDefault: a suggestion's training was recorded under another default.
    """
    identity = search_id or find_search_id(search, resolver, store)
    trials = store.search_trials(identity)
    _refuse_lost(identity, trials)
    for trial in trials:
        _refuse_of_another_search(search, identity, trial, resolver, store)
        for part, (training, value) in enumerate(trial.told_values):
            if value is None:
                continue
            measured = measured_value(search, resolver, store, trial.params, part)
            if measured not in (None, value):  # a training that was removed since leaves its value behind
                raise _damaged(
                    identity,
                    trial.number,
                    f"has the value {value}, and its training {training[:8]} measured {measured}",
                )
        if trial.values and trial.values[0] != trial.value:
            raise _damaged(
                identity, trial.number, f"has the value {trial.value}, and the values {trial.values}"
            )
        if trial.parts and trial.value not in (None, mean_of(trial.parts)):
            fault = f"has the value {trial.value}, and the mean of its trainings is {mean_of(trial.parts)}"
            raise _damaged(identity, trial.number, fault)
    return trials


def mean_of(parts: Iterable[TrialPart]) -> float | None:
    """Give the value of a suggestion by those of its trainings, each data set counting alike; None while one lacks."""
    values = [part.value for part in parts]
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if values and len(known) == len(values) else None


def _damaged(identity: str, number: int, fault: str) -> DamagedFile:
    return DamagedFile(
        f"searches/{identity}/{number:06d}.json",
        fault,
        held=SearchTrialRecord.HELD,
        next_step=SearchTrialRecord.NEXT_STEP,
    )


def _refuse_lost(identity: str, trials: Sequence[SearchTrialRecord]) -> None:
    """Refuse a search of which a suggestion is lost: they are numbered one after the other, whoever makes them.

    Raises:
        DamagedFile: the first one that is not there.
    """
    for number, trial in enumerate(trials):
        if trial.number != number:
            raise _damaged(identity, number, "is not there, and later ones are")


def _refuse_of_another_search(
    search: Search, identity: str, trial: SearchTrialRecord, resolver: DataResolver, store: Store
) -> None:
    """Refuse a suggestion that was copied from another search, whose parameters mean another training.

    Raises:
        DamagedFile: its parameters do not give its training.
    """
    space = search.space
    foreign = [
        path
        for path, value in trial.params.items()
        if path not in space or not range_of(space[path]).contains(value)
    ]
    fault = f"suggests what is not in the space of this search ({', '.join(foreign)})" if foreign else ""
    if trial.training_ids and not foreign:  # the method has refused one without a training
        configs, named = search.trial_configs(trial.params), trial.training_ids
        if len(configs) != len(named):
            fault = f"names {len(named)} trainings, and a trial of this search is {len(configs)}"
        for config, training in zip(configs, named, strict=False):
            found = resolver.candidates(config)
            # Its training may have ended without a record.
            is_known = found[0].data.fingerprint != NOT_RECORDED
            is_given = training in {candidate.training_id for candidate in found}
            if is_known and not is_given and not _is_recorded_of(config, store.training(training).record()):
                fault = fault or f"names training {training[:8]}, which its parameters do not give"
    if fault:
        raise _damaged(identity, trial.number, fault)


def _is_recorded_of(config: TrainingConfig, record: TrainingRecord | None) -> bool:
    """Say whether a record is of this config, whose id was another when one of its values was a default."""
    planned = json.loads(config.model_dump_json())
    return record is not None and record.method == config.METHOD and record.config == planned


def measured_value(
    search: Search, resolver: DataResolver, store: Store, params: Changes, part: int = 0
) -> float | None:
    """Give the objective's value of a training of a suggestion; None where there is none, or none that is a number.

    Args:
        search: the declaration.
        resolver: says which training it is.
        store: of the measurement.
        params: of the suggestion.
        part: which of its trainings.

    Raises:
        DamagedFile: what was recorded of it cannot be used.
        ChangedDefault: it was recorded under another default, and nobody has accepted the change.
    """
    resolved = resolver.resolve(search.trial_config(params, search.parts[part]))
    return _measured_by(search.objective, resolved, resolver, store)


def measured_values(
    search: Search, resolver: DataResolver, store: Store, params: Changes, part: int = 0
) -> tuple[float, ...] | None:
    """Give the values of all objectives of a training of a suggestion; None where one is none, or no number.

    Raises:
        DamagedFile: what was recorded of it cannot be used.
        ChangedDefault: it was recorded under another default, and nobody has accepted the change.
    """
    resolved = resolver.resolve(search.trial_config(params, search.parts[part]))
    values: list[float] = []
    for one in search.objectives:
        if isinstance(one, Objective):
            value = _measured_by(one, resolved, resolver, store)
        elif one.is_counted:
            value = one.counted(resolved.config)
        else:
            record = store.training(resolved.training_id).record()
            value = None if record is None else record.train_wall_s
        if value is None:
            return None
        values.append(value)
    return tuple(values)


def _measured_by(
    objective: Objective, resolved: Resolved, resolver: DataResolver, store: Store
) -> float | None:
    view = objective.view
    folder = store.training(resolved.training_id)
    measurement, record = folder.measurement(resolver.view_id(resolved, view)), folder.record()
    if measurement is None or record is None:  # one that was killed between the two is measured again
        return None
    changes = [*config_changes(record, resolved.config), *view_changes(record, measurement, view)]
    refused, _ = accepted_changes(changes, store.accepted_changes() if changes else ())
    if refused:
        raise ChangedDefault(refused)
    value = measurement.view.in_todays_names(measurement.metrics)[objective.metric.name]
    return value if math.isfinite(value) else None


def state_of(
    search: Search, trials: Sequence[SearchTrialRecord], spending: Spending | None = None
) -> SearchState:
    """Say how far a search with these trials is.

    Args:
        search: the declaration.
        trials: by number.
        spending: of its own trainings; None takes what their records tell, of epochs alone.
    """
    states = Counter({trial.training_id: trial.state for trial in trials if trial.training_id}.values())
    counted = made_ids(search, trials)
    made = {trial.training_id for trial in trials if trial.is_final} & counted
    refused = [trial for trial in trials if trial.is_refused]
    end = search_end(search, trials, told_spending(trials) if spending is None else spending)
    is_finished = end is not None and end.kind != "gave up" and all(trial.is_final for trial in trials)
    return SearchState(
        num_trials=search.num_trials,
        num_made=len(made),
        num_complete=states["complete"] + states["pruned"],
        num_answered=sum(trial.is_answered and trial.training_id not in counted for trial in trials),
        num_refused=len(refused),
        failed_ids=_ids_in(trials, "fail", "fail"),
        recorded_ids=_ids_in(trials, "complete", "complete"),
        training_ids=tuple(dict.fromkeys(identity for trial in trials for identity in trial.training_ids)),
        running_ids=_ids_in(trials, "running", "running"),
        pruned_ids=_ids_in(trials, "pruned", "left"),
        is_finished=is_finished,
        end=end,
        why_refused=_why_refused(search, refused[-1]) if refused else "",
        best=_best(search, trials) if is_finished else None,
        best_in_first=_best_in_first(search, trials) if is_finished else None,
        trials=tuple(trials),
    )


def _ids_in(trials: Iterable[SearchTrialRecord], state: str, part_state: str) -> tuple[str, ...]:
    """Give the trainings of suggestions in a state, and of suggestions of several trainings those in one of theirs."""
    found: dict[str, None] = {}
    for trial in trials:
        if trial.parts:
            found |= dict.fromkeys(part.training_id for part in trial.parts if part.state == part_state)
        elif trial.state == state:
            found |= dict.fromkeys(trial.training_ids)
    return tuple(found)


def _why_refused(search: Search, trial: SearchTrialRecord) -> str:
    """Say what a suggestion was refused for, as far as its config tells."""
    params = ", ".join(f"{path} = {value!r}" for path, value in trial.params.items())
    violations = search.violations()(trial.params)
    broken = [
        str(constraint)
        for constraint, violation in zip(search.constraints, violations, strict=True)
        if not is_kept([violation])
    ]
    _, faults = try_changes(
        search.base, {**search.datasets[0].changes, **search.search_changes, **trial.params}
    )
    why = [*(f"it breaks {one}" for one in broken), *map(str, faults)]
    return f"({params}){', for ' if why else ''}{'; '.join(why)}"


def _best(search: Search, trials: Sequence[SearchTrialRecord]) -> Changes | None:
    if not search.against:
        return _best_by_value(search, trials)
    violations = search.violations()
    complete = [trial for trial in trials if trial.values and is_kept(violations(trial.params))]
    points, are_higher_better = [trial.values for trial in complete], search.are_higher_better
    front = front_of(points, are_higher_better)
    return complete[front[knee_of([points[it] for it in front], are_higher_better)]].params if front else None


def _best_in_first(search: Search, trials: Sequence[SearchTrialRecord]) -> Changes | None:
    first = _best_by_value(search, trials) if search.against else None
    return first if first != _best(search, trials) else None


def _best_by_value(search: Search, trials: Iterable[SearchTrialRecord]) -> Changes | None:
    """Give the best of the complete trials that keep the constraints, of which one may be newer than a trial."""
    violations = search.violations()
    complete = [trial for trial in trials if trial.value is not None and is_kept(violations(trial.params))]
    if not complete:
        return None
    sign = 1 if search.objective.metric.higher_is_better else -1
    return max(complete, key=lambda trial: (sign * cast(float, trial.value), -trial.number)).params
