"""Reading somebody else's experiment in MLflow, to be kept as a file."""

from __future__ import annotations

from typing import Any

from tablewright.orchestrator.addresses import sqlite_path
from tablewright.orchestrator.foreign_runs import ForeignRun
from tablewright.orchestrator.projections.mlflow_client import open_client, set_environment, why_refused
from tablewright.trainables.value.refusal import guess
from tablewright.trainables.value.secret import keep_secret, masked


def read_experiment(uri: str, name: str) -> list[ForeignRun]:
    """Read the runs of an experiment, the first begun first, to be kept as a file.

    Args:
        uri: of MLflow's server or database.
        name: of the experiment.

    Raises:
        ValueError: MLflow cannot be reached, or has no such experiment; the nearest is suggested.
    """
    keep_secret(uri)
    set_environment()
    if (path := sqlite_path(uri)) is not None and not path.is_file():
        raise ValueError(f"{masked(uri)} is no file; nothing was copied, and no database is begun there")
    try:
        client = open_client(uri)
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            names = [other.name for other in client.search_experiments()]
            text = f"MLflow at {masked(uri)} has no experiment {name!r}{guess(name, names)} It has "
            raise ValueError(text + (", ".join(map(repr, names)) or "none"))
        found: list[Any] = []
        token: str | None = ""
        while token is not None:
            page = client.search_runs(
                [experiment.experiment_id], order_by=["attributes.start_time ASC"], page_token=token or None
            )
            found += page
            token = page.token or None
    except ValueError:
        raise
    except Exception as error:  # each kind of server has its own
        raise ValueError(f"MLflow at {masked(uri)} cannot be read: {why_refused(error, uri)}") from error
    return [
        ForeignRun(
            run_id=run.info.run_id,
            name=run.info.run_name or "",
            state=run.info.status,
            params=dict(run.data.params),
            metrics=dict(run.data.metrics),
        )
        for run in found
    ]
