"""One optimisation step of every distinct configuration, on tiny inputs: would the study train at all?"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from tablewright.orchestrator.declared.design import full_label
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.resolution import without_seed
from tablewright.trainables.contract.method import ChecksItself, NotTried, TrainingConfig
from tablewright.trainables.contract.run import Runtime


@dataclass(frozen=True)
class Checked:
    """One distinct configuration.

    Attributes:
        label: of the first row that declares it.
        fault: what it raised; empty where nothing was.
        not_tried: why it was not tried, or what of it; empty where all was.
    """

    label: str
    fault: str = ""
    not_tried: str = ""


def check_studies(studies: Sequence[Study], runtime: Runtime) -> Generator[Checked]:
    """Try each distinct configuration once, whatever its seed."""
    for config, label in _distinct_configs(studies).items():
        try:
            trainable = config.make_trainable()
            if not isinstance(trainable, ChecksItself):
                raise NotTried(f"{config.METHOD} has no short trial")
            trainable.check(config, runtime)
            yield Checked(label)
        except NotTried as reason:
            yield Checked(label, not_tried=str(reason))
        except Exception as error:  # told to the user with the row it belongs to
            yield Checked(label, f"{type(error).__name__}: {error}")


def _distinct_configs(studies: Sequence[Study]) -> dict[TrainingConfig, str]:
    labels: dict[TrainingConfig, str] = {}
    for study in studies:
        for table in study.ablations:
            for row, dataset in itertools.product(table.trained_rows, table.datasets):
                label = f"{study.name}/{table.name}: {full_label(row)} [{dataset.label}]"
                for config in table.members(row, dataset, seed=0):
                    labels.setdefault(config, label)
        for search in study.all_searches:
            for part in search.parts:
                label = f"{study.name}/{search.label}: declared"
                label += f" [{part.dataset.label}]" if len(search.datasets) > 1 else ""
                labels.setdefault(without_seed(search.trial_config({}, part)), label)
    return labels
