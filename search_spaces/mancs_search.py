"""Optuna searches Mancs's curriculum, margin and loss weights on the `val` split; the best then meets `test`.

Searched: t0, t1, a, b of the curriculum, the margin and the three λ. The paper states no ranges; ours lie around
its values. Those of t0 and t1 overlap, and t0 < t1 is a constraint, which the sampler learns from.
"""

from __future__ import annotations

from typing import Any

from tablewright.orchestrator.declared.constraints import Less
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.declared.pruners import Halving
from tablewright.orchestrator.declared.ranges import FloatRange, Range
from tablewright.orchestrator.declared.search import Objective, Search
from tablewright.orchestrator.declared.study import Study
from tablewright.search_spaces.mancs_ablation import CURRICULUM, VIEW, WEIGHTS, base_config, data_sets
from tablewright.trainables.mancs import MancsConfig
from tablewright.trainables.retrieval.view import MAP, RANK1


def space(base: MancsConfig) -> dict[str, Range]:
    """Ranges around the declared recipe; those of t0 and t1 overlap."""
    assert base.losses.rank is not None
    assert base.losses.rank.curriculum is not None
    curriculum = base.losses.rank.curriculum
    return {
        f"{CURRICULUM}.t0": FloatRange(curriculum.t0 / 5, curriculum.t1 * 0.95),
        f"{CURRICULUM}.t1": FloatRange(curriculum.t0 * 1.05, curriculum.t1 * 2),
        f"{CURRICULUM}.a": FloatRange(curriculum.a / 5, curriculum.a * 5, log=True),
        f"{CURRICULUM}.b": FloatRange(1e-4, 0.5, log=True),
        "losses.rank.margin": FloatRange(0.1, 2.0, log=True),
        WEIGHTS["rank"]: FloatRange(0.1, 3.0, log=True),
        WEIGHTS["classification"]: FloatRange(0.1, 3.0, log=True),
        WEIGHTS["attention"]: FloatRange(0.02, 2.0, log=True),
    }


def search(dataset: Dataset, profile: Profile) -> Search:
    """One search on one data set."""
    base, is_demo = base_config(profile), Profile(profile).is_demo
    search_changes: dict[str, Any] = {} if is_demo else {"data.train_split": "train_without_val"}
    return Search(
        name=dataset.label.lower().replace("-", "_").replace(" ", "_"),
        caption=f"Mancs on {dataset.label}: the declared recipe and the best found on validation identities",
        base=base,
        dataset=dataset,
        space=space(base),
        objective=Objective(MAP, VIEW.model_copy(update={"split": "val"})),
        num_trials=12 if is_demo else 60,
        view=VIEW,
        metrics=[MAP, RANK1],
        search_changes=search_changes,
        pruner=Halving(),
        constraints=[Less(f"{CURRICULUM}.t0", f"{CURRICULUM}.t1")],
    )


def make_study(profile: Profile) -> Study:
    """Declare one search a data set."""
    searches = [search(dataset, profile) for dataset in data_sets(profile)]
    return Study("mancs_search", "Mancs: search of its curriculum", "Mancs", (0, 1, 2), searches=searches)
