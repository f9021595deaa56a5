"""MLflow's database, whose tables take seconds to make: once for all tests of a process."""

import pytest

from tests.orchestrator.tracked_trainings import Project


@pytest.fixture(scope="session")
def new_database(tmp_path_factory):
    """Give a database with MLflow's tables, to be copied."""
    from mlflow import MlflowClient

    folder = tmp_path_factory.mktemp("database")
    MlflowClient(f"sqlite:///{folder}/mlflow.db", f"sqlite:///{folder}/mlflow.db").search_experiments()
    return folder / "mlflow.db"


@pytest.fixture
def project(tmp_path, new_database):
    """Give a store with MLflow's database in it."""
    return Project(tmp_path, new_database)
