"""Optuna searches TASN's recipe on the `val` split, then the best stands beside the published one on `test`.

Seeds: not stated in the paper; three of ours for the final table, the first of them while searching.
"""

from __future__ import annotations

from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.declared.ranges import FloatRange, Range
from tablewright.orchestrator.declared.search import Objective, Search
from tablewright.orchestrator.declared.study import Study
from tablewright.search_spaces.tasn_ablation import MASTER, SEEDS, TEMPERATURE, WEIGHT, base_config, data_set
from tablewright.trainables.classification.view import TOP1


def space(rate: float) -> dict[str, Range]:
    """Ranges around the published recipe."""
    return {
        "optimisation.base_lr": FloatRange(rate / 5, rate * 5, log=True),
        TEMPERATURE: FloatRange(1.0, 20.0, log=True),
        WEIGHT: FloatRange(0.25, 8.0, log=True),
    }


def make_study(profile: Profile) -> Study:
    """Declare the search; on the demo data it is short, and its val images are outside of the training split."""
    base, is_demo = base_config(profile), Profile(profile).is_demo
    search = Search(
        "recipe",
        "Learning rate, temperature and weight of distillation",
        base,
        data_set(profile),
        space(base.optimisation.base_lr),
        Objective(TOP1, MASTER.model_copy(update={"split": "val"})),
        num_trials=12 if is_demo else 40,
        view=MASTER,
        metrics=[TOP1],
        search_changes={} if is_demo else {"data.train_split": "train_without_val"},
    )
    title = "TASN: search" + (" on the demo data" if is_demo else "")
    return Study("tasn_search", title, "TASN", SEEDS, searches=[search])
