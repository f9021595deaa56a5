"""All that a study, or a method of one's own, needs: `import tablewright as tw`.

Names only; where each is explained stands in its own file.
"""

from orchestrator.design import Cumulative, Factorial, LeaveOneOut, Row, Sweep
from orchestrator.published import printed
from orchestrator.ranges import Choice, FloatRange, IntRange, When
from orchestrator.study import Ablation, Dataset, Objective, Search, Study, UntilDecided
from trainables.contract.metric import Metric
from trainables.function import method
from trainables.own_method import Config, Data, Measured

__all__ = [
    "Ablation",
    "Choice",
    "Config",
    "Cumulative",
    "Data",
    "Dataset",
    "Factorial",
    "FloatRange",
    "IntRange",
    "LeaveOneOut",
    "Measured",
    "Metric",
    "Objective",
    "Row",
    "Search",
    "Study",
    "Sweep",
    "UntilDecided",
    "When",
    "method",
    "printed",
]
