"""Which epoch's model is kept, where a method says that it is not the last one's."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tablewright.trainables.contract.metric import Metric, metric_reported, split_reported
from tablewright.trainables.contract.run import BEST_EPOCH
from tablewright.trainables.value.refusal import Fault, guess, shown

LOSS = "loss"

Direction = Literal["lowest", "highest"]


@dataclass(frozen=True)
class BestEpoch:
    """The rule: the first epoch whose reported value is the best one.

    Attributes:
        name: as the epochs report it.
        direction: which value is the best.
        label: of the value, for captions.
    """

    name: str
    direction: Direction
    label: str

    @property
    def says(self) -> str:
        """Say it in words, for the caption."""
        return f"the model of the epoch with the {self.direction} {self.label}"

    def is_better(self, value: float, than: float | None) -> bool:
        """Compare two values; one that is not finite is never better, and of equal ones the first stays."""
        if not math.isfinite(value):
            return False
        return than is None or (value < than if self.direction == "lowest" else value > than)


def read_best_epoch(declared: Any, metrics: Sequence[Metric], faults: list[Fault]) -> BestEpoch | None:
    """Understand what was declared; None where it cannot be understood.

    Args:
        declared: the name that epochs report, or (name, "lowest" or "highest").
        metrics: of the method, which know their direction.
        faults: gets what is wrong with it.
    """
    match declared:
        case str(name) if name:
            direction = None
        case (str(name), ("lowest" | "highest") as direction) if name:
            pass
        case _:
            example = '"val_loss", or ("val_score", "highest")'
            text = f"a name that the epochs report is needed, such as {example}; got {shown(declared)}"
            faults.append(Fault(BEST_EPOCH, text))
            return None
    split, bare = split_reported(name)
    metric, of_split = metric_reported(name, metrics)
    known = _direction_of(bare, metric)
    chosen = direction or known
    if split == "test":
        text = f"{name!r} is of the test split, which is for tables only; choose on val"
    elif chosen is None:
        text = (
            f"whether {name!r} is better low or high is known of losses and of declared metrics alone; write "
            f'({name!r}, "lowest") or ({name!r}, "highest")'
        )
    elif known is not None and chosen != known:
        text = f"the {chosen} {name!r} is the worst one, as its Metric declares it; write {name!r} alone"
    else:
        label = bare if metric is None else metric.label
        return BestEpoch(name, chosen, f"{label} on {of_split}" if of_split else label)
    faults.append(Fault(BEST_EPOCH, text))
    return None


def _direction_of(bare: str, metric: Metric | None) -> Direction | None:
    if metric is not None:
        return "highest" if metric.higher_is_better else "lowest"
    return "lowest" if bare == LOSS else None


class KeptModel:
    """The best epoch so far, and a copy of its model's state.

    Attributes:
        epoch: which one it is; None before one has reported a finite value.
        state: of its model.
    """

    def __init__(self, rule: BestEpoch) -> None:
        """Keep nothing yet."""
        self._rule = rule
        self._value: float | None = None
        self.epoch: int | None = None
        self.state: Any = None

    def offer(self, epoch: int, reported: Mapping[str, float], state: Any) -> None:
        """Keep an epoch's model if it is the best so far; one that did not report the value is not asked."""
        value = reported.get(self._rule.name)
        if value is not None and self._rule.is_better(value, self._value):
            self.epoch, self._value, self.state = epoch, value, copy.deepcopy(state)

    def check_first(self, reported: Mapping[str, float]) -> None:
        """Refuse a first epoch that did not report the value: a misspelt name is told before hours of training.

        Raises:
            ValueError: names what it reported.
        """
        name = self._rule.name
        if name not in reported:
            raise ValueError(
                f"{BEST_EPOCH} is chosen by {name!r}, which the first epoch did not report{guess(name, reported)} It "
                f"reported {', '.join(reported) or 'nothing'}; call run.report({name}=…) in it, so that a misspelt "
                "name is told at once. Later epochs may leave it out"
            )

    def check_kept(self) -> None:
        """Refuse a training without a best epoch.

        Raises:
            ValueError: no epoch reported a finite value.
        """
        if self.epoch is None:
            raise ValueError(
                f"{BEST_EPOCH} is chosen by {self._rule.name!r}, and no epoch reported a finite one, so that no model "
                "is the best; see that run.epochs(…) is run through and that the training does not diverge, or leave "
                f"{BEST_EPOCH} out"
            )

    def state_dict(self) -> dict[str, Any]:
        """Give what going on needs."""
        return {"epoch": self.epoch, "value": self._value, "state": self.state}

    def load_state_dict(self, kept: Mapping[str, Any]) -> None:
        """Go on from it."""
        self.epoch, self._value, self.state = kept["epoch"], kept["value"], kept["state"]
