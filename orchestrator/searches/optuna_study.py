"""The complete trials of a study that somebody has made with Optuna."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from tablewright.orchestrator.declared.teacher import OptunaStudy
from tablewright.trainables.value.refusal import guess
from tablewright.trainables.value.secret import masked

SQLITE = "sqlite:///"


def read_complete(declared: OptunaStudy, *, higher_is_better: bool) -> list[tuple[Mapping[str, Any], float]]:
    """Give parameters by dotted path, and the value, of each complete trial.

    Args:
        declared: where the study is.
        higher_is_better: what its direction must be.

    Raises:
        ValueError: it cannot be opened, or makes something else better.
    """
    where = f"study {declared.name!r} of Optuna at {masked(declared.url)}"
    try:
        study = _opened(declared, where)
        trials = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    except ValueError:
        raise
    except Exception as error:  # each driver of a database has errors of its own
        cause: BaseException = error
        while cause.__cause__ is not None:  # those around it say that something went wrong
            cause = cause.__cause__
        said = masked(" ".join(str(cause).split()))[:300]
        raise ValueError(
            f"{where} cannot be opened ({type(cause).__name__}: {said}); correct its url"
        ) from error
    directions = [direction.name.lower() for direction in study.directions]
    ours = "maximize" if higher_is_better else "minimize"
    if directions != [ours]:
        raise ValueError(
            f"{where} is told to {' and '.join(directions)}, and this search to {ours}; take it out"
        )
    return [
        ({declared.paths.get(name, name): value for name, value in trial.params.items()}, trial.values[0])
        for trial in trials
    ]


def _opened(declared: OptunaStudy, where: str) -> optuna.Study:
    file = declared.url.removeprefix(SQLITE)
    if declared.url.startswith(SQLITE) and not Path(file).is_file():
        raise ValueError(f"{where} cannot be opened: there is no file {file}, seen from {Path.cwd()}")
    storage = RDBStorage(declared.url, skip_table_creation=True)  # what is none of Optuna's stays as it is
    names = optuna.get_all_study_names(storage)
    if declared.name not in names:
        known = f"it has {', '.join(sorted(names)[:10])}" if names else "it has none"
        raise ValueError(f"{where} is not there{guess(declared.name, names)} In that database {known}")
    return optuna.load_study(study_name=declared.name, storage=storage)
