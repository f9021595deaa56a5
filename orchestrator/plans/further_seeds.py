"""Seeds that are recorded of a study beyond those that are asked for: what `--seeds +N` would take in."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.identity import training_id
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.store.store import Store


def further_seeds(study: Study, plan: Plan, store: Store) -> list[int]:
    """Give the seeds after the greatest of a study in which a row of any of its tables is recorded.

    One row a table is looked at, that of its first cell: the rows of a table are trained over the same seeds.

    Args:
        study: of the plan.
        plan: of the seeds that are asked for.
        store: of the records.
    """
    first_of = {(cell.study, cell.table): cell.training_id for cell in reversed(plan.cells)}
    identities = {identity for (name, _), identity in first_of.items() if name == study.name}
    found = [set(_recorded_after(study, plan, store, identity)) for identity in identities]
    return sorted(set().union(*found))


def _recorded_after(study: Study, plan: Plan, store: Store, identity: str) -> Iterator[int]:
    planned = plan.trainings[identity]
    for seed in itertools.count(max(study.all_seeds) + 1):
        config = planned.config.model_copy(update={"seed": seed})
        if not store.training(training_id(config, planned.data.fingerprint)).is_done():
            return
        yield seed
