"""The way to MLflow's server or database, and in our words why it did not take something."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from tablewright.orchestrator.addresses import (
    DATABASE_SCHEMES,
    causes_of,
    database_url,
    scheme_of,
    why_unreachable,
)
from tablewright.orchestrator.projections.new_database import make_database, while_it_is_made
from tablewright.orchestrator.projections.projection_thread import DATABASE_ENVIRONMENT

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "tablewright"
OPTION = "--tracking-uri"

ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds; stock is 120, and the last ones are waited for
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # the thread tries again itself, quietly
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # a line for each run
    **DATABASE_ENVIRONMENT,
}
"""Set for this process where the user has not."""


def set_environment() -> None:
    """Have MLflow give up soon and say little, where the user has not said otherwise."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def open_client(uri: str) -> MlflowClient:
    """Reach MLflow's server or database, and make the tables of a new database.

    Raises:
        Exception: whatever it raises that cannot be reached.
    """
    from mlflow import MlflowClient

    for name in ("alembic", "mlflow"):  # they tell of each table that they make, and log what they raise
        logging.getLogger(name).setLevel(logging.CRITICAL)

    def reach(address: str) -> MlflowClient:
        client = MlflowClient(tracking_uri=address, registry_uri=address)
        client.get_experiment_by_name(EXPERIMENT)
        return client

    make_database(uri, reach)
    if scheme_of(uri) in DATABASE_SCHEMES:
        _ask_once(uri)
    return while_it_is_made(lambda: reach(database_url(uri)))


def _ask_once(uri: str) -> None:
    """Raise where a database is away or locked; MLflow itself asks such a one for minutes."""
    from mlflow.store.db.utils import create_sqlalchemy_engine

    engine = create_sqlalchemy_engine(database_url(uri))
    try:
        with engine.connect() as connection:
            engine.dialect.has_table(connection, "experiments")
    finally:
        engine.dispose()


def why_refused(error: Exception, uri: str = "") -> str:
    """Say in our words why MLflow did not take something; its own may hold addresses with passwords."""
    causes = list(causes_of(error))
    if "out-of-date database schema" in str(error):
        return (
            "its tables are of another version of MLflow; run `mlflow db upgrade` for its database, or name "
            f"another one with {OPTION}"
        )
    if scheme_of(uri) in DATABASE_SCHEMES:
        return why_unreachable(uri, error)
    if any("Connection" in type(cause).__name__ or "Timeout" in type(cause).__name__ for cause in causes):
        return "it does not answer; see that the server runs, and that this machine may reach it"
    kinds = ", ".join(dict.fromkeys(type(cause).__name__ for cause in causes))
    return (
        f"it refused, or could not write ({kinds}); see that its database and its artifacts may be written to"
    )
