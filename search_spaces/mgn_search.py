"""Optuna searches MGN's recipe on the `val` split, then the best stands beside the published one on `test`.

Searched: learning rate, margin, width of the embeddings, how the loss terms are combined and what a triplet
term weighs beside a softmax term. The ranges are ours; the paper states none. While searching, a tenth of the
training identities is held out as `val`; the best found is then trained on all of them, with every seed.
"""

from __future__ import annotations

from typing import Any

from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.declared.pruners import Halving
from tablewright.orchestrator.declared.ranges import Choice, FloatRange, Range
from tablewright.orchestrator.declared.search import Objective, Search
from tablewright.orchestrator.declared.study import Study
from tablewright.search_spaces.mgn_ablation import (
    COMBINATION,
    MARGIN,
    REDUCTION_SIZE,
    SEEDS,
    base_config,
    data_sets,
    view,
)
from tablewright.trainables.mgn import MgnConfig, MgnNetworkConfig
from tablewright.trainables.retrieval.view import MAP, RANK1


def space(base: MgnConfig) -> dict[str, Range]:
    """Ranges around the published recipe."""
    assert isinstance(base.network, MgnNetworkConfig)
    size, learning_rate = base.network.reduction_size, base.optimisation.base_lr
    return {
        "optimisation.base_lr": FloatRange(learning_rate / 5, learning_rate * 5, log=True),
        MARGIN: FloatRange(0.1, 3.0, log=True),
        REDUCTION_SIZE: Choice((size // 2, size, size * 2)),
        COMBINATION: Choice(("mean", "mean_by_kind")),
        "losses.triplet.weight": FloatRange(0.1, 10.0, log=True),
    }


def search(dataset: Dataset, base: MgnConfig, profile: Profile) -> Search:
    """One search on one data set."""
    is_demo = Profile(profile).is_demo
    search_changes: dict[str, Any] = {} if is_demo else {"data.train_split": "train_without_val"}
    return Search(
        name=dataset.label.lower().replace("-", "_").replace(" ", "_"),
        caption=f"MGN on {dataset.label}: the declared recipe and the best found on validation identities",
        base=base,
        dataset=dataset,
        space=space(base),
        objective=Objective(MAP, view("all").model_copy(update={"split": "val"})),
        num_trials=12 if is_demo else 60,
        view=view("all"),
        metrics=[RANK1, MAP],
        search_changes=search_changes,
        pruner=Halving(),
    )


def make_study(profile: Profile) -> Study:
    """Declare one search a data set."""
    base = base_config(profile)
    searches = [search(dataset, base, profile) for dataset in data_sets(profile)]
    return Study("mgn_search", "MGN: search of its recipe", "MGN", SEEDS, searches=searches)
