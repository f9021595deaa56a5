"""How many seeds each row of a study with `UntilDecided` needs by what is recorded: rules for planning.

Legend: C tested columns, R rows, K contrasts.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd

from tablewright.orchestrator.declared.study import UntilDecided
from tablewright.orchestrator.plans.plan import Plan, SeedCounts
from tablewright.orchestrator.store.store import Store
from tablewright.reports.frame import read_cells
from tablewright.reports.statistics.seed import seeds_by_place
from tablewright.reports.statistics.table_statistics import decided_seeds
from tablewright.reports.statistics.table_values import table_values


def seeds_until_decided(plan: Plan, store: Store) -> SeedCounts:
    """Say how many seeds each row needs now: one more than it has where a comparison of its is open.

    Args:
        plan: of all the seeds that rows may get.
        store: of the records.
    """
    return _seed_counts(plan, store, is_upper_bound=False)


def seeds_at_most(plan: Plan, store: Store) -> SeedCounts:
    """Say how many seeds each row gets at most: all where a comparison of its is open, else those it has."""
    return _seed_counts(plan, store, is_upper_bound=True)


def _seed_counts(plan: Plan, store: Store, *, is_upper_bound: bool) -> SeedCounts:
    frame = read_cells(plan, store)
    counts: dict[tuple[str, str, str, str], int] = {}
    for (name, table), ablation in plan.tables.items():
        study = next(candidate for candidate in plan.studies if candidate.name == name)
        if not isinstance(study.seeds, UntilDecided) or not ablation.contrasts:
            continue
        mine = cast(pd.DataFrame, frame[(frame["study"] == name) & (frame["table"] == table)])
        values = table_values(ablation, seeds_by_place(mine), study.all_seeds)
        tested = values.places_of(ablation.tested_metrics)
        decided = decided_seeds(study.seeds, values, tested)
        needed_CR = decided.num_seeds_CR
        if is_upper_bound:
            is_open_CR = (decided.is_open_CK[..., None] & (values.weights_KR != 0)).any(1)
            needed_CR = np.where(is_open_CR, study.seeds.most, needed_CR)
        needed_CR = needed_CR[:, values.first_R]  # a row that repeats another has its seeds
        for place, needed_R in zip(tested, needed_CR.tolist(), strict=True):
            for row, needed in zip(values.rows, needed_R, strict=True):
                key = name, table, row, values.columns[place].dataset
                counts[key] = max(counts.get(key, 0), needed)
    return counts
