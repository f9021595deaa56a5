"""One optimisation step of every distinct configuration, on tiny inputs: would the study train at all?"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Sequence

from tablewright.orchestrator.design import full_label
from tablewright.orchestrator.study import Study
from tablewright.trainables.contract.method import ChecksItself, TrainingConfig


def check_studies(studies: Sequence[Study]) -> Generator[tuple[str, str]]:
    """Try each distinct configuration once, whatever its seed.

    Yields:
        The label of the first row that declares it, and what it raised; empty where nothing was.
    """
    for config, label in _distinct_configs(studies).items():
        try:
            trainable = config.make_trainable()
            if isinstance(trainable, ChecksItself):
                trainable.check(config)
            yield label, ""
        except Exception as error:  # told to the user with the row it belongs to
            yield label, f"{type(error).__name__}: {error}"


def _distinct_configs(studies: Sequence[Study]) -> dict[TrainingConfig, str]:
    labels: dict[TrainingConfig, str] = {}
    for study in studies:
        for table in study.ablations:
            for row, dataset in itertools.product(table.trained_rows, table.datasets):
                label = f"{study.name}/{table.name}: {full_label(row)} [{dataset.label}]"
                for config in table.members(row, dataset, seed=0):
                    labels.setdefault(config, label)
        for search in study.searches:
            labels.setdefault(search.trial_config({"seed": 0}), f"{study.name}/{search.name}: declared")
    return labels
