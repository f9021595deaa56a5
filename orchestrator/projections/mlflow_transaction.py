"""Many trainings in one transaction of MLflow's database: all of them are there, or none.

MLflow opens a session of SQLAlchemy for each call, and further ones inside it: ten commits a training, each of which
waits for the disc, and what one session has read of a run the next reads again. Inside `in_one_transaction` all calls
of its thread share one session, so that MLflow still decides what is written, and how.

Runs that are new, of which nobody else can know yet, need none of what MLflow looks up beforehand. They are rows of its
tables, added at the end with one statement a table, as long as these tables have the columns that are known here. In
another version of MLflow they are written by its calls, like everything that concerns a run that is there. A server has
sessions of its own: nothing changes there.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tablewright.orchestrator.projections.mlflow_batch import RunBatch, written_tags
from tablewright.orchestrator.projections.mlflow_names import RUN_NAME

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Experiment, Metric

RUNS, TAGS, PARAMS, METRICS, LATEST_METRICS, DATASETS, INPUTS, INPUT_TAGS = (
    *("runs", "tags", "params", "metrics", "latest_metrics", "datasets", "inputs", "input_tags"),
)
_OF_METRIC = "run_uuid key value timestamp step is_nan"
KNOWN_COLUMNS = {
    RUNS: "run_uuid name source_type source_name entry_point_name user_id status start_time end_time deleted_time "
    "source_version lifecycle_stage artifact_uri experiment_id",
    TAGS: "run_uuid key value",
    PARAMS: "run_uuid key value",
    METRICS: _OF_METRIC,
    LATEST_METRICS: _OF_METRIC,
    DATASETS: "dataset_uuid experiment_id name digest dataset_source_type dataset_source dataset_schema "
    "dataset_profile",
    INPUTS: "input_uuid source_type source_id destination_type destination_id step",
    INPUT_TAGS: "input_uuid name value",
}
"""Of MLflow 3.17, and in the order in which rows refer to each other."""


_ONE_AT_A_TIME = threading.Lock()


class TransactionLost(Exception):
    """MLflow took back what a call had begun to write, and with it all that was written before it."""


@dataclass(frozen=True)
class NewRun:
    """A run that is to be made.

    Attributes:
        ended_at_ms: None while it runs.
        batch: all that is known of it, its tags among them.
    """

    name: str
    status: str
    started_at_ms: int
    ended_at_ms: int | None
    batch: RunBatch


class NewRows:
    """Rows of runs that are new, until they are added together."""

    def __init__(self, store: Any, session: Any, tables: Mapping[str, Any]) -> None:
        """Begin without rows.

        Args:
            store: MLflow's own, of the database.
            session: of SQLAlchemy, in which they are added.
            tables: by name.
        """
        self._store, self._session, self._tables = store, session, tables
        self._rows: dict[str, list[dict[str, Any]]] = {name: [] for name in KNOWN_COLUMNS}
        self._dataset_ids: dict[tuple[str, str], str] = {}

    def known_among(self, tag: str, texts: Collection[str]) -> set[str]:
        """Say which texts any run is tagged with."""
        tags = self._tables[TAGS]
        said = tags.select().where(tags.c.key == tag, tags.c.value.in_(texts))
        return {row.value for row in self._session.execute(said)}

    def add_run(self, experiment: Experiment, run: NewRun) -> tuple[str, str]:
        """Have a run made; give its id, and where its files lie."""
        from mlflow.utils.uri import append_to_uri_path

        run_id, tags = uuid.uuid4().hex, written_tags({**run.batch.tags, RUN_NAME: run.name})
        artifact_uri: str = append_to_uri_path(experiment.artifact_location, run_id, "artifacts")
        self._rows[RUNS].append(
            {
                "run_uuid": run_id,
                "name": tags[RUN_NAME],
                "source_type": "UNKNOWN",
                "source_name": "",
                "entry_point_name": "",
                "user_id": tags.get("mlflow.user", "unknown"),
                "status": run.status,
                "start_time": run.started_at_ms,
                "end_time": run.ended_at_ms,
                "deleted_time": None,
                "source_version": "",
                "lifecycle_stage": "active",
                "artifact_uri": artifact_uri,
                "experiment_id": int(experiment.experiment_id),
            }
        )
        for table, texts in ((TAGS, tags), (PARAMS, run.batch.params)):
            self._rows[table] += [
                {"run_uuid": run_id, "key": key, "value": text} for key, text in texts.items()
            ]
        self._add_metrics(run_id, [metric for group in run.batch.metrics for metric in group])
        if run.batch.data is not None:
            self._add_data(experiment.experiment_id, run_id, run.batch.data)
        return run_id, artifact_uri

    def _add_metrics(self, run_id: str, metrics: Sequence[Metric]) -> None:
        each: dict[tuple[Any, ...], dict[str, Any]] = {}
        latest: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {}
        for metric in metrics:
            is_nan, value = self._store.sanitize_metric_value(metric.value)
            moment = (metric.step, metric.timestamp, value)
            row = {
                "run_uuid": run_id,
                "key": metric.key,
                "value": value,
                "timestamp": metric.timestamp,
                "step": metric.step,
                "is_nan": is_nan,
            }
            each[metric.key, is_nan, *moment] = row
            if metric.key not in latest or latest[metric.key][0] < moment:
                latest[metric.key] = moment, row
        self._rows[METRICS] += each.values()
        self._rows[LATEST_METRICS] += [row for _, row in latest.values()]

    def _add_data(self, experiment_id: str, run_id: str, used: DatasetInput) -> None:
        input_id = uuid.uuid4().hex
        self._rows[INPUTS].append(
            {
                "input_uuid": input_id,
                "source_type": "DATASET",
                "source_id": self._dataset_id(experiment_id, used),
                "destination_type": "RUN",
                "destination_id": run_id,
                "step": 0,
            }
        )
        self._rows[INPUT_TAGS] += [
            {"input_uuid": input_id, "name": tag.key, "value": tag.value} for tag in used.tags
        ]

    def _dataset_id(self, experiment_id: str, used: DatasetInput) -> str:
        """Find a data set, which all runs of an experiment share, or have it made."""
        data, datasets = used.dataset, self._tables[DATASETS]
        if (data.name, data.digest) not in self._dataset_ids:
            wanted = {"experiment_id": int(experiment_id), "name": data.name, "digest": data.digest}
            same = datasets.select().where(*(datasets.c[column] == value for column, value in wanted.items()))
            found = self._session.execute(same).first()
            dataset_id: str = uuid.uuid4().hex if found is None else found.dataset_uuid
            self._dataset_ids[data.name, data.digest] = dataset_id
            if found is None:
                row = {
                    "dataset_uuid": dataset_id,
                    **wanted,
                    "dataset_source_type": data.source_type,
                    "dataset_source": data.source,
                    "dataset_schema": data.schema,
                    "dataset_profile": data.profile,
                }
                try:
                    with self._session.begin_nested():
                        self._session.execute(datasets.insert(), [row])
                except Exception:  # another store's sweep may just have made it
                    found = self._session.execute(same).first()
                    if found is None:
                        raise
                    self._dataset_ids[data.name, data.digest] = found.dataset_uuid
        return self._dataset_ids[data.name, data.digest]

    def insert(self) -> None:
        """Add all of them."""
        for name, rows in self._rows.items():
            if rows:
                self._session.execute(self._tables[name].insert(), rows)


@contextmanager
def in_one_transaction(client: MlflowClient) -> Generator[NewRows | None]:
    """Have what is written inside committed at the end, or not at all where anything raises.

    Yields:
        where rows of new runs are gathered; None where they are written by MLflow's calls.

    Raises:
        Exception: whatever MLflow raises; what was written inside is not there then.
    """
    store: Any = client._tracking_client.store  # pyright: ignore[reportPrivateUsage]
    sessions = _sessions_of(store)
    if sessions is None:  # a server's, or a version that has its sessions elsewhere
        yield None
        return
    tables = _known_tables(store)
    with sessions(read_only=False) as session:
        session.commit, session.rollback = session.flush, _refuse_rollback
        rows = None if tables is None else NewRows(store, session, tables)
        try:
            with sessions.shared_by_this_thread(session):
                yield rows
            if rows is not None:
                rows.insert()
        finally:
            del session.commit, session.rollback


class _Sessions:
    """Gives a thread the session that its calls share, and any other thread one of its own.

    A process has one store for each database, whoever asks MLflow for it: a user's own code, too.
    """

    def __init__(self, open_session: Callable[..., AbstractContextManager[Any]]) -> None:
        self._open_session, self._of_thread = open_session, threading.local()

    def __call__(self, read_only: bool = True) -> AbstractContextManager[Any]:
        shared = getattr(self._of_thread, "session", None)
        return self._open_session(read_only=read_only) if shared is None else nullcontext(shared)

    @contextmanager
    def shared_by_this_thread(self, session: Any) -> Generator[None]:
        self._of_thread.session = session
        try:
            yield
        finally:
            del self._of_thread.session


def _sessions_of(store: Any) -> _Sessions | None:
    """Have a store of a database open its sessions as a thread needs them, from now on; None for any other store."""
    with _ONE_AT_A_TIME:
        open_session = getattr(store, "ManagedSessionMaker", None)
        if open_session is not None and not isinstance(open_session, _Sessions):
            open_session = store.ManagedSessionMaker = _Sessions(open_session)
        return open_session


def _refuse_rollback() -> None:
    raise TransactionLost


def _known_tables(store: Any) -> dict[str, Any] | None:
    """Give MLflow's tables, if they are as they are known here, in a store that has them for itself."""
    from mlflow.store.db.base_sql_model import Base
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    if type(store) is not SqlAlchemyStore:
        return None
    tables: dict[str, Any] = {name: Base.metadata.tables.get(name) for name in KNOWN_COLUMNS}
    columns = {name: () if table is None else table.c.keys() for name, table in tables.items()}
    is_known = all(set(columns[name]) == set(known.split()) for name, known in KNOWN_COLUMNS.items())
    return tables if is_known else None
