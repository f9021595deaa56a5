"""The names of `import tablewright as tw`; where each is explained stands in its own file."""

import importlib
from typing import TYPE_CHECKING, Any

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.best_of import best_of
from tablewright.orchestrator.declared.budget import Budget
from tablewright.orchestrator.declared.constraints import Less, Product, WeightedSum
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Cumulative, Factorial, LeaveOneOut, Row, Sweep
from tablewright.orchestrator.declared.imported import imported
from tablewright.orchestrator.declared.paper_table import PaperTable
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.declared.pruners import Halving, Hyperband, Median, Patience, Wilcoxon
from tablewright.orchestrator.declared.published import printed
from tablewright.orchestrator.declared.ranges import Choice, FloatRange, IntRange, When
from tablewright.orchestrator.declared.samplers import BruteForce, CmaEs, Gp, Nsga2, Nsga3, Qmc, Random, Tpe
from tablewright.orchestrator.declared.search import Objective, Search
from tablewright.orchestrator.declared.search_cost import Cost
from tablewright.orchestrator.declared.study import Study, UntilDecided
from tablewright.orchestrator.declared.teacher import OptunaStudy
from tablewright.orchestrator.declared.venue import Venue
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.own.declaration import Config, Data, Measured
from tablewright.trainables.own.function import method
from tablewright.trainables.own.script import script
from tablewright.trainables.value.frozen_model import FrozenModel

if TYPE_CHECKING:
    from tablewright.notebook import results, table
    from tablewright.trainables.own.function_run import Run

__all__ = [
    "Ablation",
    "BruteForce",
    "Budget",
    "Choice",
    "CmaEs",
    "Config",
    "Cost",
    "Cumulative",
    "Data",
    "Dataset",
    "Factorial",
    "FloatRange",
    "FrozenModel",
    "Gp",
    "Halving",
    "Hyperband",
    "IntRange",
    "LeaveOneOut",
    "Less",
    "Measured",
    "Median",
    "Metric",
    "Nsga2",
    "Nsga3",
    "Objective",
    "OptunaStudy",
    "PaperTable",
    "Patience",
    "Product",
    "Profile",
    "Qmc",
    "Random",
    "Row",
    "Run",
    "Search",
    "Study",
    "Sweep",
    "Tpe",
    "UntilDecided",
    "Venue",
    "WeightedSum",
    "When",
    "Wilcoxon",
    "best_of",
    "imported",
    "method",
    "printed",
    "results",
    "script",
    "table",
]


_OF_MODULE = {
    "Run": "tablewright.trainables.own.function_run",  # needs torch
    "results": "tablewright.notebook",
    "table": "tablewright.notebook",
}


def __getattr__(name: str) -> Any:
    """Give what needs more than a declaration does, once somebody names it."""
    if name not in _OF_MODULE:
        raise AttributeError(f"module 'tablewright' has no attribute {name!r}")
    return getattr(importlib.import_module(_OF_MODULE[name]), name)
