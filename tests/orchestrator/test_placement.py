"""Which GPU of a machine of eight each training gets, on a real Ray; the GPUs are counted and need not be there."""

import pytest

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.on_ray.ray_backend import RayBackend
from tablewright.orchestrator.run import run_sweep
from tablewright.orchestrator.store.store import Store
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.retrieval.view import MAP, RetrievalView
from tests.placed_method import PlacedConfig, placements

GB = 1_000_000_000


@pytest.mark.slow
@pytest.mark.ray
def test_parts_of_gpus_are_given_by_hand_and_by_what_was_recorded(tmp_path):
    """What a quarter cannot hold gets a half; what is recorded then packs other seeds, and what is not starts alone."""
    from tests.rays import ray_here

    base = PlacedConfig(notes=str(tmp_path / "notes"), epochs=1)

    def sweep(gpus, rows, seeds):
        table = Ablation("t", "T", base, [Dataset("Toy")], rows, RetrievalView(), [MAP])
        before = len(placements(tmp_path / "notes")) if (tmp_path / "notes").exists() else 0
        result = run_sweep(
            [Study("toy_study", "Toy", "nowhere", seeds, [table])],
            store=Store(str(tmp_path / "runs")),
            runtime=Runtime(None, str(tmp_path / "cache")),
            backend=RayBackend(gpus=gpus),
            search_storage=f"sqlite:///{tmp_path}/optuna.db",
            listeners=lambda plan, statuses: [],
        )
        assert result.is_complete, [status.message for status in result.statuses]
        return placements(tmp_path / "notes")[before:]

    small, large = Row("small", {"holds_bytes": 8 * GB}), Row("large", {"holds_bytes": 30 * GB})
    new = Row("new", {"holds_bytes": 70 * GB})
    with ray_here(num_cpus=8, num_gpus=8, resources={"accelerator_type:H100": 1}):
        by_hand = sweep(0.25, [small, large], (0,))
        by_memory = sweep("auto", [small, large, new], (0, 1))
    known = {(note["holds_bytes"] // GB, note["share"], note["ran_out"]) for note in by_hand}
    assert {(8, 0.25, False), (30, 0.25, True), (30, 0.5, False)} == known
    packed = sorted((note["holds_bytes"] // GB, note["seed"], note["share"]) for note in by_memory)
    assert [(8, 1, 0.125), (30, 1, 0.5), (70, 0, 1.0), (70, 1, 1.0)] == packed
    for note in [*by_hand, *by_memory]:
        assert len(note["gpus"].split(",")) == 1
        together = [
            other["share"]
            for other in [*by_hand, *by_memory]
            if other["gpus"] == note["gpus"] and other["from_s"] <= note["from_s"] < other["to_s"]
        ]
        assert sum(together) <= 1


@pytest.mark.slow
def test_a_training_that_had_to_wait_is_offered_next():
    """Nothing that was drawn from the queue is lost where it is not yet known what it needs."""
    from tablewright.orchestrator.attempts.resources import Resources
    from tablewright.orchestrator.on_ray.drawn_work import DrawnWork
    from tablewright.orchestrator.on_ray.ray_bridge import QueueSearcher
    from tablewright.orchestrator.work import Work
    from tablewright.orchestrator.work_queue import WorkQueue

    config = PlacedConfig(notes="")
    data = config.make_trainable().describe_data(config, None)
    works = [Work(name, config, data, {}, name, "study") for name in ("first", "second")]
    answers = [None, Resources(1.0, 0.25), None, Resources(1.0, 1.0)]
    searcher = QueueSearcher(DrawnWork(WorkQueue(works), lambda work: answers.pop(0)))
    offered = [searcher.suggest("trial") for _ in range(4)]
    assert [None, "first", None, "second"] == [one and one["payload"].work.training_id for one in offered]
    assert [0.25, 1.0] == [one["share"].gpus for one in offered if one]
