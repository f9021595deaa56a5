"""A small study and a small search of the toy method, and what a sweep of them tells its listeners."""

import dataclasses

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.ranges import FloatRange
from tablewright.orchestrator.declared.search import Objective, Search
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.inline_backend import InlineBackend
from tablewright.orchestrator.plans.planning import first_seeds_alone
from tablewright.orchestrator.run import run_sweep
from tablewright.orchestrator.store.store import Store
from tablewright.trainables.contract.process import Process
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.retrieval.view import MAP, RANK1, RetrievalView
from tablewright.trainables.value.freezing import EMPTY
from tests.toy_method import ToyConfig

TEST = RetrievalView(split="test")
VAL = RetrievalView(split="val")


def a_study(rows, *, seeds=(0,), base=None, searches=()):
    table = Ablation("width", "Width", base or ToyConfig(), [Dataset("Toy")], rows, TEST, [MAP, RANK1])
    return Study("toy_study", "Toy", "nowhere", seeds, [table], searches)


def a_search(**changes):
    search = Search(
        "rate",
        "Learning rate",
        ToyConfig(),
        Dataset("Toy"),
        {"learning_rate": FloatRange(0.05, 0.45)},
        Objective(MAP, VAL),
        6,
        TEST,
        [MAP],
    )
    return dataclasses.replace(search, **changes)


class Events:
    """Keeps what it hears."""

    def __init__(self):
        self.started, self.ended, self.epochs = [], [], []

    def on_start(self, work):
        self.started.append(work)

    def on_progress(self, work, progress):
        self.epochs.append((work.label, progress.report.epoch))

    def on_end(self, work, outcome):
        self.ended.append((work, outcome))


class ToySweep:
    """Runs studies on the inline backend, always on one store and one Optuna storage."""

    def __init__(self, folder, seed_rule=first_seeds_alone):
        self.folder = folder / "runs"
        self._seed_rule = seed_rule
        self.storage = f"sqlite:///{folder}/optuna.db"
        self._cache = str(folder / "cache")

    def store(self):
        return Store(str(self.folder))

    def __call__(self, *studies, backend=None, listeners=(), holds=EMPTY, num_processes=1, **more):
        events = Events()
        result = run_sweep(
            studies,
            store=self.store(),
            runtime=Runtime(None, self._cache, process=Process(num_processes=num_processes), **holds),
            backend=backend or InlineBackend(),
            search_storage=self.storage,
            listeners=lambda plan, statuses: [events, *listeners],
            seed_rule=self._seed_rule,
            **more,
        )
        return result, events


class StopAfter(InlineBackend):
    """A backend that is told to stop when so many epochs were reported."""

    def __init__(self, num_epochs):
        super().__init__()
        self._num_epochs = num_epochs

    def run(self, queue, listeners, store, runtime):
        class Stopper(Events):
            def on_progress(_, work, progress):
                self._num_epochs -= 1
                if self._num_epochs <= 0:
                    queue.stop()

        super().run(queue, [*listeners, Stopper()], store, runtime)
