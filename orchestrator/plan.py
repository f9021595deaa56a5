"""From studies to work: the unique trainings that the declared tables need, and the cells they fill.

A plan is pure. It can be printed before a GPU is used, and the same studies on the same data give the
same plan on every machine.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.design import full_label
from orchestrator.identity import training_id, view_id
from orchestrator.search_state import SearchState
from orchestrator.study import Ablation, Study
from trainables.contract import AnyView, DatasetFacts, TrainingConfig

DescribeData = Callable[[TrainingConfig], DatasetFacts]
"""Finds a config's data set; the only thing a plan needs to know of the machine."""


@dataclass(frozen=True)
class Partner:
    """A further training of an ensemble."""

    training_id: str
    config: TrainingConfig


@dataclass(frozen=True)
class PlannedTraining:
    """One training and every view that any cell asks of it.

    Attributes:
        training_id: identity, 64 hexadecimal digits.
        config: what is trained.
        data: the data set found for it.
        views: by view id.
        partners: of the views of ensembles that this training is the first of, by view id.
        label: the first cell that asked for it, `table: row [data set] seed`, for people.
        study: the first study that asked for it.
    """

    training_id: str
    config: TrainingConfig
    data: DatasetFacts
    views: Mapping[str, AnyView]
    partners: Mapping[str, tuple[Partner, ...]]
    label: str
    study: str


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
        searches: by (study, search) name, how far each is.
    """

    studies: tuple[Study, ...]
    tables: Mapping[tuple[str, str], Ablation]
    trainings: Mapping[str, PlannedTraining]
    cells: tuple[Cell, ...]
    searches: Mapping[tuple[str, str], SearchState]

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
    describe_data: DescribeData,
    searches: Mapping[tuple[str, str], SearchState] | None = None,
) -> Plan:
    """Work out the unique trainings that the studies' tables need.

    Trainings are ordered by seed first, so that every cell has its first seed before any has its second.

    Args:
        studies: declared studies; equal configs are shared between them.
        describe_data: raises ValueError where a data set is missing.
        searches: how far they are, by (study, search) name; one that is left out has not begun.

    Raises:
        ValueError: every data set that could not be found, and every column of a table that would mix
            data, told at once.
    """
    states: dict[tuple[str, str], SearchState] = {}
    tables: dict[tuple[str, str], Ablation] = {}
    for study in studies:
        for ablation in study.ablations:
            tables[study.name, ablation.name] = ablation
        for search in study.searches:
            key = study.name, search.name
            states[key] = (searches or {}).get(key) or SearchState(search.num_trials)
            tables[key] = search.table(states[key].best, states[key].num_complete, str(states[key]))

    facts = _describe_all(tables, describe_data)
    trainings: dict[str, PlannedTraining] = {}
    wanted: dict[str, tuple[dict[str, AnyView], dict[str, tuple[Partner, ...]]]] = {}
    cells: list[Cell] = []
    seeds = sorted((index, study.name, seed) for study in studies for index, seed in enumerate(study.seeds))
    for _, study_name, seed in seeds:
        for table_name, ablation in _tables_of(study_name, tables):
            for row, dataset in itertools.product(ablation.trained_rows, ablation.datasets):
                label = f"{table_name}: {full_label(row)} [{dataset.label}] seed {seed}"
                members = ablation.members(row, dataset, seed)
                first, *others = [
                    _training_of(
                        config,
                        facts[_without_seed(config)],
                        f"{label}, member {number}" if row.ensemble else label,
                        study_name,
                        trainings,
                    )
                    for number, config in enumerate(members, start=1)
                ]
                partners = tuple(Partner(other.training_id, other.config) for other in others)
                partner_ids = tuple(partner.training_id for partner in partners)
                view = row.view or ablation.view
                identity = view_id(view, partner_ids)
                views, partners_of = wanted.setdefault(first.training_id, ({}, {}))
                views[identity] = view
                if partners:
                    partners_of[identity] = partners
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
        identity: replace(training, views=views, partners=partners)
        for identity, training in trainings.items()
        for views, partners in [wanted.get(identity, ({}, {}))]
    }
    _refuse_mixed_data(cells, planned)
    return Plan(tuple(studies), tables, planned, tuple(cells), states)


def _training_of(
    config: TrainingConfig, data: DatasetFacts, label: str, study: str, known: dict[str, PlannedTraining]
) -> PlannedTraining:
    identity = training_id(config, data.fingerprint)
    return known.setdefault(identity, PlannedTraining(identity, config, data, {}, {}, label, study))


def _refuse_mixed_data(cells: Sequence[Cell], trainings: Mapping[str, PlannedTraining]) -> None:
    first: dict[tuple[str, str, str], Cell] = {}
    faults: list[str] = []
    for cell in cells:
        other = first.setdefault((cell.study, cell.table, cell.dataset), cell)
        ours, theirs = trainings[cell.training_id].data, trainings[other.training_id].data
        if not ours.has_same_files(theirs):
            fault = (
                f"Table {cell.table!r}: the rows under {cell.dataset!r} are measured on different data, "
                f"{theirs.label} and, in row {cell.row!r}, {ours.label}. Give each its own Dataset."
            )
            faults += [] if fault in faults else [fault]
    if faults:
        raise ValueError("\n".join(faults))


def _tables_of(study: str, tables: Mapping[tuple[str, str], Ablation]) -> list[tuple[str, Ablation]]:
    return [(table, ablation) for (owner, table), ablation in tables.items() if owner == study]


def _without_seed(config: TrainingConfig) -> TrainingConfig:
    return config.model_copy(update={"seed": 0})


def _describe_all(
    tables: Mapping[tuple[str, str], Ablation], describe_data: DescribeData
) -> dict[TrainingConfig, DatasetFacts]:
    facts: dict[TrainingConfig, DatasetFacts] = {}
    faults: list[str] = []
    for ablation in tables.values():
        for row, dataset in itertools.product(ablation.trained_rows, ablation.datasets):
            for config in map(_without_seed, ablation.members(row, dataset)):
                if config in facts:
                    continue
                try:
                    facts[config] = describe_data(config)
                except ValueError as error:
                    if str(error) not in faults:
                        faults.append(str(error))
    if faults:
        raise ValueError("\n".join(faults))
    return facts
