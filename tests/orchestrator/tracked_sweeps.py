"""Small studies whose tables share trainings, and sweeps of them that MLflow follows as the command line has it."""

import json

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row, Sweep
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.inline_backend import InlineBackend
from tablewright.orchestrator.projections.tracking import Tracker
from tablewright.orchestrator.run import recorded_ids, run_sweep
from tablewright.orchestrator.store.store import Store
from tablewright.reports.table.table_numbers import numbers_of
from tablewright.reports.table_files import write_tables
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.retrieval.view import MAP, RetrievalView
from tests.toy_method import ToyConfig


def table(name, *rows, base=None):
    return Ablation(name, name.title(), base or ToyConfig(), [Dataset("Toy")], rows, RetrievalView(), [MAP])


PARTS = table("parts", Row("full"), Row("w/o attention", {"network.attention": None}))
RATES = table("rates", Sweep("learning_rate", (0.1, 0.2)))


def study(*tables, name="toy", seeds=(0,), searches=()):
    return Study(name, "Toy", "nowhere", seeds, tables, searches)


class Sweeps:
    """Sweeps of one store, as the command line makes them, with their database."""

    def __init__(self, folder, uri):
        self.folder, self.uri = folder, uri

    def __call__(self, *studies, has_numbers=False):
        store = Store(str(self.folder / "runs"))
        tracker = Tracker(self.uri, store)

        def listeners(plan, statuses):
            tracker.begin("+".join(it.name for it in studies), {})
            tracker.show(plan)
            tracker.reconcile(recorded_ids(plan, statuses))
            return [tracker]

        result = run_sweep(
            studies,
            store=store,
            runtime=Runtime(None, str(self.folder / "cache")),
            backend=InlineBackend(),
            search_storage=f"sqlite:///{self.folder}/optuna.db",
            listeners=listeners,
        )
        if not tracker.has_begun:  # nothing was to be trained
            listeners(result.plan, result.statuses)
        tracker.show(result.plan, is_final=True)
        written = write_tables(result.plan, store, writes=False).tables if has_numbers else ()
        tracker.log_tables({}, numbers_of(it.table for it in written))
        tracker.end(succeeded=result.is_complete)
        assert [] == tracker.warnings
        return tracker

    @property
    def client(self):
        from mlflow import MlflowClient

        return MlflowClient(self.uri, self.uri)

    def experiment(self):
        return self.client.get_experiment_by_name("tablewright")

    def runs(self):
        """Run of each training, by its name."""
        found = self.client.search_runs([self.experiment().experiment_id])
        return {run.info.run_name: run for run in found if "mlflow.parentRunId" in run.data.tags}

    def parent(self):
        found = self.client.search_runs([self.experiment().experiment_id])
        return next(run for run in found if "mlflow.parentRunId" not in run.data.tags)

    def views(self):
        tags = self.experiment().tags
        return sorted(json.loads(text)["name"] for tag, text in tags.items() if "sharedViewState" in tag)
