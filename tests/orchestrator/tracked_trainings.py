"""Trainings without a backend, told to a tracker as one tells them, and the store and database of their project."""

import shutil

from tablewright.orchestrator.attempts.attempt_end import Pruned
from tablewright.orchestrator.attempts.trial import run_trial
from tablewright.orchestrator.attempts.trial_hooks import TrialHooks
from tablewright.orchestrator.identity import training_id
from tablewright.orchestrator.projections.tracking import Tracker
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.work import Work
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.retrieval.view import RetrievalView
from tests.planned_views import planned_views
from tests.toy_method import ToyConfig

ALL = RetrievalView()
GLOBAL = RetrievalView(embeddings=("global",))


def a_work(*, views=(ALL,), watch=None, **changes):
    config = ToyConfig(**changes)
    data = config.make_trainable().describe_data(config, None)
    identity = training_id(config, data.fingerprint)
    return Work(
        identity,
        config,
        data,
        planned_views(config, data, *views),
        f"rate {config.learning_rate}",
        "toy",
        watch,
    )


def train(tracker, store, work, *, stop_after=None, prune_after=None):
    """One attempt, told to the tracker as a backend tells it."""
    reached = [0]

    def on_progress(progress):
        tracker.on_progress(work, progress)
        reached[0] = progress.report.epoch
        if reached[0] == prune_after:
            raise Pruned

    hooks = TrialHooks(on_progress, lambda: reached[0] == stop_after)
    tracker.on_start(work)
    outcome = run_trial(work, store, Runtime(None, "/nowhere"), hooks)
    tracker.on_end(work, outcome)
    return outcome


class Project:
    """A store with MLflow's database in it."""

    def __init__(self, folder, new_database):
        self.folder = folder
        self.store = Store(str(folder / "runs"))
        self.store.shared_id()  # starts it
        self.uri = f"sqlite:///{folder}/runs/mlflow.db"
        self._new_database = new_database
        self.lose_database()

    def lose_database(self):
        shutil.copy(self._new_database, self.folder / "runs/mlflow.db")

    def sweep(self, *works, name="toy", recorded=(), uri=None, tables=None, **how):
        tracker = Tracker(uri or self.uri, self.store)
        tracker.begin(name, {"trainings": len(works)})
        tracker.reconcile([work.training_id for work in recorded])
        outcomes = [train(tracker, self.store, work, **how) for work in works]
        tracker.log_tables(tables or {})
        tracker.end(succeeded=all(outcome.state == "done" for outcome in outcomes))
        return tracker

    def client(self, uri=None):
        from mlflow import MlflowClient

        return MlflowClient(uri or self.uri, uri or self.uri)

    def runs(self, uri=None):
        client = self.client(uri)
        experiment = client.get_experiment_by_name("tablewright")
        return list(client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"]))

    def parents(self, uri=None):
        return [run for run in self.runs(uri) if "mlflow.parentRunId" not in run.data.tags]

    def children(self, uri=None):
        return [run for run in self.runs(uri) if "mlflow.parentRunId" in run.data.tags]

    def steps(self, run, name, uri=None):
        return [point.step for point in self.client(uri).get_metric_history(run.info.run_id, name)]
