"""The Ray backend on real local clusters: warm workers, lost workers and nodes, fractions of a GPU."""

import platform

import psutil
import pytest

from orchestrator.ray_backend import RayBackend, Resources, return_memory
from orchestrator.records import Store
from orchestrator.run import run_sweep
from orchestrator.study import Ablation, Choice, Dataset, FloatRange, Objective, Row, Search, Study, Sweep
from tests.toy_method import ToyConfig
from trainables.contract import MAP, RetrievalView, Runtime

pytestmark = pytest.mark.ray

TEST, VAL = RetrievalView(split="test"), RetrievalView(split="val")


def a_study(rows, base=None, searches=()):
    table = Ablation("t", "T", base or ToyConfig(), [Dataset("Toy")], rows, TEST, [MAP])
    return Study("toy_study", "Toy", "nowhere", (0,), [table], searches)


class Events:
    def __init__(self):
        self.started, self.ended, self.most_at_once = [], [], 0
        self.running = set()

    def on_start(self, work):
        self.started.append(work.label)
        self.running.add(work.training_id)
        self.most_at_once = max(self.most_at_once, len(self.running))

    def on_progress(self, work, progress):
        pass

    def on_end(self, work, outcome):
        self.running.discard(work.training_id)
        self.ended.append((work, outcome))


@pytest.fixture
def sweep(tmp_path):
    def run(study, events, backend):
        return run_sweep(
            [study],
            store=Store(str(tmp_path / "runs")),
            runtime=Runtime(None, str(tmp_path / "cache")),
            backend=backend,
            search_storage=f"sqlite:///{tmp_path}/optuna.db",
            listeners=lambda plan, statuses: [events],
        )

    run.store = lambda: Store(str(tmp_path / "runs"))
    return run


@pytest.fixture(scope="module")
def two_cpus():
    """One machine of two CPUs, shared by the tests of this file that lose no machine."""
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


def test_workers_stay_warm_and_both_cpus_are_used(sweep, two_cpus, tmp_path):
    """Eight trainings run two at a time on few processes, each process serving several."""
    events = Events()
    rates = [0.1 + index / 100 for index in range(8)]
    result = sweep(a_study([Sweep("learning_rate", rates)], ToyConfig(epoch_s=0.7)), events, RayBackend())
    assert result.is_complete
    assert events.most_at_once >= 2
    records = [sweep.store().training(identity).record() for identity in result.plan.trainings]
    assert all(record.attempts == 1 for record in records)


def test_a_killed_worker_is_tried_again_from_its_checkpoint(sweep, two_cpus, tmp_path):
    """SIGKILL of a worker costs an attempt, not the training, and changes no number."""
    killing = {"kills_worker_once_at": str(tmp_path / "killed")}
    events = Events()
    result = sweep(a_study([Row("killed", killing), Row("fine")]), events, RayBackend())
    assert result.is_complete
    killed, fine = (sweep.store().training(cell.training_id) for cell in result.plan.cells)
    assert (killed.record().attempts, fine.record().attempts) == (2, 1)
    assert [report.metrics for report in killed.epochs()] == [report.metrics for report in fine.epochs()]


def test_a_failure_is_not_tried_again(sweep, two_cpus):
    """A fault of the training is recorded once; only lost workers are worth another attempt."""
    events = Events()
    result = sweep(a_study([Row("bad", {"fails_at_epoch": 2}), Row("good")]), events, RayBackend())
    assert not result.is_complete
    states = {work.label: outcome.state for work, outcome in events.ended}
    assert states == {"t: bad [Toy] seed 0": "failed", "t: good [Toy] seed 0": "done"}
    assert len(events.started) == 2


def test_a_search_prunes_on_running_workers(sweep, two_cpus):
    """The pruner's verdict reaches a worker between two epochs, and the worker goes on with other work."""
    search = Search(
        "rate",
        "Rate",
        ToyConfig(epochs=8),
        Dataset("Toy"),
        {"learning_rate": FloatRange(0.05, 0.45)},
        Objective(MAP, VAL),
        14,
        TEST,
        [MAP],
        sampler="random",
        pruner="median",
    )
    events = Events()
    result = sweep(a_study([Row("a")], searches=[search]), events, RayBackend())
    assert result.is_complete
    states = [outcome.state for _, outcome in events.ended]
    assert states.count("pruned") >= 1
    assert "failed" not in states


def test_equal_suggestions_never_run_at_the_same_time(sweep, two_cpus):
    """Two open suggestions of one config cost one training."""
    search = Search(
        "rate",
        "Rate",
        ToyConfig(epoch_s=0.1),
        Dataset("Toy"),
        {"learning_rate": Choice((0.1, 0.2))},
        Objective(MAP, VAL),
        4,
        TEST,
        [MAP],
        sampler="random",
    )
    events = Events()
    result = sweep(a_study([Row("a")], ToyConfig(epoch_s=0.1), [search]), events, RayBackend())
    assert result.is_complete
    store = sweep.store()
    assert len(store.training_ids()) == 2
    assert all(store.training(identity).record().attempts == 1 for identity in store.training_ids())


@pytest.mark.slow
def test_three_nodes_with_fractions_of_gpus_and_one_lost(sweep, tmp_path):
    """Half-GPU trainings fill two GPU nodes; when one is lost, its trainings end on the other."""
    import ray
    from ray.cluster_utils import Cluster

    ray.shutdown()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 0})
    # The driver joins while the head is alone, so that no node is lost under it.
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    nodes = [cluster.add_node(num_cpus=2, num_gpus=1) for _ in range(2)]

    class Losing(Events):
        def on_progress(self, work, progress):
            if len(self.running) == 4 and len(nodes) == 2:
                cluster.remove_node(nodes.pop(), allow_graceful=False)

    events = Losing()
    try:
        rates = [0.1 + index / 100 for index in range(6)]
        study = a_study([Sweep("learning_rate", rates)], ToyConfig(epochs=4, epoch_s=0.8))
        result = sweep(study, events, RayBackend(resources=Resources(cpus=0.5, gpus=0.5)))
        assert result.is_complete
        assert events.most_at_once == 4
        records = [sweep.store().training(identity).record() for identity in result.plan.trainings]
        assert max(record.attempts for record in records) >= 2
        assert {record.device for record in records} == {"cuda"}
    finally:
        ray.shutdown()
        cluster.shutdown()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries return memory by themselves")
def test_freed_memory_goes_back_to_the_system():
    """What a training has freed in many small pieces does not stay with the warm worker."""
    process = psutil.Process()
    pieces = [bytes(100_000) for _ in range(3_000)]
    kept = pieces[::300]  # without these the heap would shrink by itself
    grown_bytes = process.memory_info().rss
    del pieces
    return_memory()
    assert process.memory_info().rss < grown_bytes - 200_000_000
    assert len(kept) == 10
