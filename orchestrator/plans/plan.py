"""From studies to work: the unique trainings that the declared tables need, and the cells they fill.

A plan is pure. It can be printed before a GPU is used, and the same studies on the same data give the
same plan on every machine.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row, full_label
from tablewright.orchestrator.declared.search import Search
from tablewright.orchestrator.declared.search_table import search_table
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.resolution import NOT_RECORDED, DataResolver, Resolved, without_seed
from tablewright.orchestrator.searches.search_state import SearchState
from tablewright.orchestrator.searches.tuned_rows import TunedRows, tuned_rows
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.method import TrainingConfig
from tablewright.trainables.contract.view import EvaluationView
from tablewright.trainables.value.freezing import EMPTY

SeedCounts = Mapping[tuple[str, str, str, str], int]
"""(study, table, row with its group in front, data set) -> seeds."""


@dataclass(frozen=True)
class Partner:
    """A further training of an ensemble.

    Attributes:
        training_id: identity.
        config: whose data are measured on.
        data: these data.
    """

    training_id: str
    config: TrainingConfig
    data: DatasetFacts


@dataclass(frozen=True)
class PlannedView:
    """One way in which a training is measured.

    Attributes:
        view: the way.
        config: whose data are measured on; the training's own, but for fields that only measure.
        data: these data.
        partners: the other trainings of an ensemble.
    """

    view: EvaluationView
    config: TrainingConfig
    data: DatasetFacts
    partners: tuple[Partner, ...] = ()


@dataclass(frozen=True)
class PlannedTraining:
    """One training and every view that any cell asks of it.

    Attributes:
        training_id: identity, 64 hexadecimal digits.
        config: what is trained.
        data: the data set found for it.
        views: by view id.
        label: the first cell that asked for it, `table: row [data set] seed`, for people.
        study: the first study that asked for it.
        priority: the highest of the rows that ask for it.
    """

    training_id: str
    config: TrainingConfig
    data: DatasetFacts
    views: Mapping[str, PlannedView]
    label: str
    study: str
    priority: int = 0


@dataclass(frozen=True)
class Cell:
    """Where one measured training stands in print: table, row, data set and seed.

    Attributes:
        partner_ids: the other trainings of an ensemble.
    """

    study: str
    table: str
    group: str
    row: str
    dataset: str
    seed: int
    training_id: str
    view_id: str
    partner_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What the declared tables need.

    Attributes:
        studies: as declared, with the seeds that are run.
        tables: by (study, table) name; the tables of searches among them.
        trainings: unique, by training id, in the order in which cells ask for them.
        cells: every (table, row, data set, seed).
        searches: by (study, search) name, how far each is; those of tuned rows among them.
        tuned: by (study, table) name, what the rows of tuned tables are trained with.
    """

    studies: tuple[Study, ...]
    tables: Mapping[tuple[str, str], Ablation]
    trainings: Mapping[str, PlannedTraining]
    cells: tuple[Cell, ...]
    searches: Mapping[tuple[str, str], SearchState]
    tuned: Mapping[tuple[str, str], TunedRows] = EMPTY

    def searched(self) -> Iterator[tuple[Study, Search, SearchState]]:
        """Give every search with how far it is."""
        for study in self.studies:
            for search in study.all_searches:
                yield study, search, self.searches[study.name, search.name]

    @property
    def num_waiting_cells(self) -> int:
        """Count the cells of tuned rows that are planned once their searches have ended."""
        first_seeds = {study.name: study.num_first_seeds for study in self.studies}
        return sum(
            len(one.search.rows) * first_seeds[study]
            for (study, _), tuned in self.tuned.items()
            for one in tuned.rows
            if one.waits_for
        )

    @property
    def num_further_views(self) -> int:
        """Count the cells that measure, in a view of their own, a training that another cell has."""
        return len({(cell.training_id, cell.view_id) for cell in self.cells}) - len(
            {cell.training_id for cell in self.cells}
        )

    @property
    def num_equal_cells(self) -> int:
        """Count the cells that are another cell once more: the same training in the same view."""
        return len(self.cells) - len({(cell.training_id, cell.view_id) for cell in self.cells})

    @property
    def unfilled_searches(self) -> dict[tuple[str, str], SearchState]:
        """The searches that have no best trial yet; their tables have a hole."""
        return {key: state for key, state in self.searches.items() if state.best is None}


def make_plan(
    studies: Sequence[Study],
    resolver: DataResolver,
    searches: Mapping[tuple[str, str], SearchState] | None = None,
    seed_counts: SeedCounts | None = EMPTY,
) -> Plan:
    """Work out the unique trainings that the studies' tables need.

    Trainings are ordered by seed first, so that every cell has its first seed before any has its second; a sweep
    runs those of higher priority before others.

    Args:
        studies: declared studies; equal configs are shared between them.
        resolver: says which training a config is.
        searches: how far they are, by (study, search) name; one that is left out has not begun.
        seed_counts: how many seeds rows of `UntilDecided` studies have; one that is left out has the first ones.
            None gives every row all the seeds that it may get.

    Raises:
        ValueError: every data set that could not be found, and every column of a table that would mix
            data, told at once.
    """
    states: dict[tuple[str, str], SearchState] = {}
    tables: dict[tuple[str, str], Ablation] = {}
    for study in studies:
        for search in study.all_searches:
            key = study.name, search.name
            states[key] = (searches or {}).get(key) or SearchState(search.num_trials)
        for ablation in study.ablations:
            tables[study.name, ablation.name] = ablation
        for search in study.searches:
            key = study.name, search.name
            states[key] = (searches or {}).get(key) or SearchState(search.num_trials)
            state = states[key]
            tables[key] = search_table(
                search, state.best, state.num_complete, str(state), state.best_in_first
            )

    _refuse_absent_data(configs_of(tables.values()), resolver)
    tuned: dict[tuple[str, str], TunedRows] = {}
    for (owner, table_name), ablation in tables.items():
        if ablation.tuned:
            of_rows = [states[owner, search.name] for search in ablation.row_searches]
            tuned[owner, table_name] = tuned_rows(ablation, of_rows, resolver)
    _refuse_absent_data(configs_of(tuned.values()), resolver)
    trainings: dict[str, PlannedTraining] = {}
    views: dict[str, dict[str, PlannedView]] = {}
    priorities: dict[str, int] = {}
    cells: list[Cell] = []
    seeds = sorted(
        ((index, study, seed) for study in studies for index, seed in enumerate(study.all_seeds)),
        key=lambda item: (item[0], item[1].name),
    )
    for index, study, seed in seeds:
        study_name = study.name
        for table_name, ablation in _tables_of(study_name, tables):
            for row, dataset in itertools.product(ablation.trained_rows, ablation.datasets):
                place = study_name, table_name, full_label(row), dataset.label
                if seed_counts is not None and index >= seed_counts.get(place, study.num_first_seeds):
                    continue
                label = f"{table_name}: {full_label(row)} [{dataset.label}] seed {seed}"
                members = [
                    resolver.resolve(config)
                    for config in _members(ablation, row, dataset, seed, tuned.get((study_name, table_name)))
                ]
                if not members:
                    continue  # the row waits for its search
                for number, member in enumerate(members, start=1):
                    of_member = f"{label}, member {number}" if row.ensemble else label
                    trainings.setdefault(member.training_id, _planned(member, of_member, study_name))
                    priority = study.priority_of(ablation, row)
                    priorities[member.training_id] = max(
                        priority, priorities.get(member.training_id, priority)
                    )
                first, *others = members
                partners = tuple(
                    Partner(other.training_id, other.measuring, other.measured) for other in others
                )
                partner_ids = tuple(partner.training_id for partner in partners)
                view = row.view or ablation.view
                identity = resolver.view_id(first, view, partner_ids)
                asked = views.setdefault(first.training_id, {})
                asked[identity] = PlannedView(view, first.measuring, first.measured, partners)
                cells.append(
                    Cell(
                        study=study_name,
                        table=table_name,
                        group=row.group,
                        row=row.label,
                        dataset=dataset.label,
                        seed=seed,
                        training_id=first.training_id,
                        view_id=identity,
                        partner_ids=partner_ids,
                    )
                )
    planned = {
        identity: replace(training, views=views.get(identity, {}), priority=priorities[identity])
        for identity, training in trainings.items()
    }
    _refuse_mixed_data(cells, planned)
    return Plan(tuple(studies), tables, planned, tuple(cells), states, tuned)


def _members(
    ablation: Ablation, row: Row, dataset: Dataset, seed: int, tuned: TunedRows | None
) -> tuple[TrainingConfig, ...]:
    return ablation.members(row, dataset, seed) if tuned is None else tuned.members(row, dataset, seed)


def _planned(member: Resolved, label: str, study: str) -> PlannedTraining:
    return PlannedTraining(member.training_id, member.config, member.data, {}, label, study)


def _refuse_mixed_data(cells: Sequence[Cell], trainings: Mapping[str, PlannedTraining]) -> None:
    first: dict[tuple[str, str, str], PlannedView] = {}
    faults: dict[str, None] = {}
    for cell in cells:
        ours = trainings[cell.training_id].views[cell.view_id]
        if ours.data.fingerprint == NOT_RECORDED:
            continue  # a row without a record, read without its data, which are unknown and not others
        theirs = first.setdefault((cell.study, cell.table, cell.dataset), ours)
        if not ours.data.is_measured_like(theirs.data, ours.view):
            faults[
                f"Table {cell.table!r}: the rows under {cell.dataset!r} are measured on different data, "
                f"{theirs.data.label} and, in row {cell.row!r}, {ours.data.label}. Give each its own Dataset."
            ] = None
    if faults:
        raise ValueError("\n".join(faults))


def _tables_of(study: str, tables: Mapping[tuple[str, str], Ablation]) -> list[tuple[str, Ablation]]:
    return [(table, ablation) for (owner, table), ablation in tables.items() if owner == study]


def _refuse_absent_data(configs: Sequence[TrainingConfig], resolver: DataResolver) -> None:
    faults: dict[str, None] = {}
    for config in configs:
        try:
            resolver.find_data(config)
        except ValueError as error:
            faults[str(error)] = None
    if faults:
        raise ValueError("\n".join(faults))


def configs_of(tables: Iterable[Ablation | TunedRows]) -> list[TrainingConfig]:
    """List the different configs of tables' rows, as they are declared and as they are tuned, without their seeds."""
    return list(
        dict.fromkeys(
            without_seed(config)
            for of_rows in tables
            for row, dataset in _trained_places(of_rows)
            for config in of_rows.members(row, dataset)
        )
    )


def _trained_places(of_rows: Ablation | TunedRows) -> Iterator[tuple[Row, Dataset]]:
    ablation = of_rows.ablation if isinstance(of_rows, TunedRows) else of_rows
    return itertools.product(ablation.trained_rows, ablation.datasets)
