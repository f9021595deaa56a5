"""Optuna searches MDPR's recipe on the `val` split, then the best stands beside the published one on `test`.

Searched: learning rate, attention number, embedding size, circle margin and scale, triplet margin and the
loss weights. The ranges are ours; the paper states none. While searching, a tenth of the training identities
is held out as `val`; the best found is then trained on all of them, with every seed.
"""

from __future__ import annotations

from typing import Any

from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.declared.pruners import Halving
from tablewright.orchestrator.declared.ranges import Choice, FloatRange, Range
from tablewright.orchestrator.declared.search import Objective, Search
from tablewright.orchestrator.declared.study import Study
from tablewright.search_spaces.mdpr_ablation import EMBEDDING_SIZE, NUM_ATTENTIONS, base_config, data_sets
from tablewright.trainables.mdpr import MdprConfig
from tablewright.trainables.retrieval.view import MAP, RANK1, RetrievalView


def space(base: MdprConfig) -> dict[str, Range]:
    """Ranges around the published recipe."""
    size, learning_rate = base.network.embedding_size, base.optimisation.base_lr
    return {
        "optimisation.base_lr": FloatRange(learning_rate / 5, learning_rate * 5, log=True),
        NUM_ATTENTIONS: Choice((1, 2, 4, 8)),
        EMBEDDING_SIZE: Choice((size // 2, size, size * 3 // 2)),
        "losses.identity.margin": FloatRange(0.1, 0.5),
        "losses.identity.scale": FloatRange(8.0, 128.0, log=True),
        "losses.triplet.margin": FloatRange(0.01, 0.5, log=True),
        "losses.triplet.weight": FloatRange(0.1, 3.0, log=True),
        "losses.diversity.weight": FloatRange(0.1, 3.0, log=True),
        "losses.distillation.weight": FloatRange(0.1, 3.0, log=True),
    }


def search(dataset: Dataset, base: MdprConfig, profile: Profile) -> Search:
    """One search on one data set."""
    is_demo = Profile(profile).is_demo
    search_changes: dict[str, Any] = {} if is_demo else {"data.train_split": "train_without_val"}
    return Search(
        name=dataset.label.lower().replace("-", "_").replace(" ", "_"),
        caption=f"MDPR on {dataset.label}: the declared recipe and the best found on validation identities",
        base=base,
        dataset=dataset,
        space=space(base),
        objective=Objective(MAP, RetrievalView(split="val")),
        num_trials=12 if is_demo else 60,
        view=RetrievalView(split="test"),
        metrics=[MAP, RANK1],
        search_changes=search_changes,
        pruner=Halving(),
    )


def make_study(profile: Profile) -> Study:
    """Declare one search a data set."""
    base = base_config(profile).model_copy(update={"seed": 3407})  # of every trial; the code's
    searches = [search(dataset, base, profile) for dataset in data_sets(profile)]
    return Study("mdpr_search", "MDPR: search of its recipe", "MDPR", (3407, 3408, 3409), searches=searches)
