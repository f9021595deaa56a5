"""Where all trainings of a plan stand: each cell that shows one, and each trial of a search that one is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.place import Place, trial_place
from tablewright.orchestrator.plans.plan import Cell, Plan


@dataclass(frozen=True)
class TrainingPlaces:
    """Where the trainings of a plan stand.

    Attributes:
        plan: it is read from.
        of: training id -> its places, sorted.
        is_final: whether nothing is searched or added any more, so that what stands elsewhere stands there no more.
    """

    plan: Plan
    of: Mapping[str, tuple[Place, ...]]
    is_final: bool

    def of_trial(self, place: Place) -> Place:
        """Give the place of a trial that its search has named without the profile of the study."""
        study = self._study(place.study)
        return place if study is None else _with_profile(place, study)

    def _study(self, name: str) -> Study | None:
        return next((study for study in self.plan.studies if study.name == name), None)

    def decides(self, place: Place) -> bool:
        """Say whether the plan would name this place, were it one still.

        It does not for studies and tables that it lacks, nor for data sets and seeds that were not asked for.
        """
        study = self._study(place.study)
        if study is None or (study.profile or "") != place.profile or not self.is_final:
            return False
        if place.table in study.left_out:
            return False
        key = study.name, place.table
        if place.is_trial:
            state = self.plan.searches.get(key)
            return state is None or not state.fault
        table = self.plan.tables.get(key)
        if table is None:
            return True
        labels = {dataset.label for dataset in table.datasets}
        return place.dataset in labels and place.seed in study.all_seeds


def training_places(plan: Plan, *, is_final: bool) -> TrainingPlaces:
    """Find where each training of a plan stands.

    Args:
        plan: of the studies.
        is_final: whether it is that of a sweep that has ended.
    """
    found: defaultdict[str, set[Place]] = defaultdict(set)
    studies = {study.name: study for study in plan.studies}
    for cell in plan.cells:
        members = (cell.training_id, *cell.partner_ids)
        for number, identity in enumerate(members, start=1):
            member = f", member {number} of {len(members)}" if len(members) > 1 else ""
            found[identity].add(_of_cell(cell, studies[cell.study], member))
    for study, search, state in plan.searched():
        for trial in state.trials:
            if trial.parts:
                for part in trial.parts:
                    place = trial_place(study.name, search, trial.number, part.dataset, part.seed)
                    found[part.training_id].add(_with_profile(place, study))
            elif trial.training_id:
                place = trial_place(study.name, search, trial.number)
                found[trial.training_id].add(_with_profile(place, study))
    return TrainingPlaces(
        plan, {identity: tuple(sorted(some, key=in_order)) for identity, some in found.items()}, is_final
    )


def in_order(place: Place) -> tuple[bool, str, str, str, int]:
    """Sort places, trials behind cells; the same whichever sweep has found them."""
    return place.is_trial, place.table_key, place.row, place.dataset, place.seed


def _of_cell(cell: Cell, study: Study, member: str) -> Place:
    row = f"{cell.group} / {cell.row}" if cell.group else cell.row
    return Place(
        False, study.profile or "", study.name, cell.table, f"{row}{member}", cell.dataset, cell.seed
    )


def table_keys(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Give (key among all tables of a store, study, table) of each table of a plan, in the order of declaration."""
    keys = {study.name: _key_of(study) for study in plan.studies}
    for study, table in plan.tables:
        yield f"{keys[study]}/{table}", study, table


def _with_profile(place: Place, study: Study) -> Place:
    return replace(place, profile=study.profile or "")


def _key_of(study: Study) -> str:
    return f"{study.profile}/{study.name}" if study.profile else study.name
