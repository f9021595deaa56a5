"""Optuna searches HA-CNN's recipe on the `val` split, then the best stands beside the published one on `test`.

Searched: learning rate, number of regions T, reduction r, weight decay, label smoothing. The paper states no
ranges; ours lie around its values. A region's height stays a fourth of the map's, whatever T. While searching,
a tenth of the training identities is held out as `val`; the best found is then trained on all of them.
"""

from __future__ import annotations

from typing import Any

from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.declared.pruners import Halving
from tablewright.orchestrator.declared.ranges import Choice, FloatRange, Range
from tablewright.orchestrator.declared.search import Objective, Search
from tablewright.orchestrator.declared.study import Study
from tablewright.search_spaces.hacnn_ablation import (
    NUM_REGIONS,
    REDUCTION,
    SEEDS,
    base_config,
    data_sets,
    view,
)
from tablewright.trainables.hacnn import HacnnConfig
from tablewright.trainables.retrieval.view import MAP, RANK1


def space(base: HacnnConfig) -> dict[str, Range]:
    """Ranges around the declared recipe."""
    learning_rate, decay = base.optimisation.base_lr, base.optimisation.weight_decay
    return {
        "optimisation.base_lr": FloatRange(learning_rate / 5, learning_rate * 5, log=True),
        "optimisation.weight_decay": FloatRange(decay / 10, decay * 10, log=True),
        NUM_REGIONS: Choice((2, 4, 6, 8)),
        REDUCTION: Choice((4, 8, 16)),
        "losses.label_smoothing": FloatRange(0.0, 0.2),
    }


def search(dataset: Dataset, base: HacnnConfig, profile: Profile) -> Search:
    """One search on one data set."""
    is_demo = Profile(profile).is_demo
    search_changes: dict[str, Any] = {} if is_demo else {"data.train_split": "train_without_val"}
    return Search(
        name=dataset.label.lower().replace("-", "_").replace(" ", "_"),
        caption=f"HA-CNN on {dataset.label}: the declared recipe and the best found on validation identities",
        base=base,
        dataset=dataset,
        space=space(base),
        objective=Objective(MAP, view("all", split="val")),
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
    return Study("hacnn_search", "HA-CNN: search of its recipe", "HA-CNN", SEEDS, searches=searches)
