"""Small sound declarations of the toy method, for tests to spoil in one place at a time."""

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.declared.ranges import FloatRange
from tablewright.orchestrator.declared.search import Objective, Search
from tablewright.orchestrator.declared.study import Study
from tablewright.trainables.retrieval.view import MAP, RetrievalView
from tests.toy_method import ToyConfig

TEST, VAL = RetrievalView(split="test"), RetrievalView(split="val")
M = "network.attention.num_attentions"
RATE = "learning_rate"


def table(rows=None, **changes):
    """Give an ablation."""
    arguments = {
        "name": "t",
        "caption": "T",
        "base": ToyConfig(),
        "datasets": [Dataset("Toy")],
        "rows": [Row("a")] if rows is None else rows,
        "view": TEST,
        "metrics": [MAP],
    }
    return Ablation(**{**arguments, **changes})


def search(**changes):
    """Give a search."""
    arguments = {
        "name": "s",
        "caption": "S",
        "base": ToyConfig(),
        "dataset": Dataset("Toy"),
        "space": {RATE: FloatRange(0.01, 1, log=True)},
        "objective": Objective(MAP, VAL),
        "num_trials": 2,
        "view": TEST,
        "metrics": [MAP],
    }
    return Search(**{**arguments, **changes})


def study(**changes):
    """Give a study of one table."""
    arguments = {"name": "st", "title": "S", "source": "nowhere", "seeds": (0,), "ablations": [table()]}
    return Study(**{**arguments, **changes})
