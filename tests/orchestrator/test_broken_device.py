"""A machine whose GPU does not work, on a real Ray that believes it has one, as after a driver was lost."""

import pytest

from tablewright.orchestrator.attempts.device_probe import fault_of_device
from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Sweep
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.on_ray.ray_backend import RayBackend
from tablewright.orchestrator.run import run_sweep
from tablewright.orchestrator.store.store import Store
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.retrieval.view import MAP, RetrievalView
from tests.toy_method import ToyConfig


def test_a_device_is_known_to_work_by_trying_it():
    """By how a program that tries it ends, and its last words."""
    assert "" == fault_of_device(["true"])
    assert "no GPU" == fault_of_device(["sh", "-c", "echo begun; echo no GPU; exit 1"])


@pytest.mark.slow
@pytest.mark.ray
def test_a_machine_whose_gpu_is_gone_fails_no_training(tmp_path, caplog):
    """The sweep ends and says why; all trainings stay to be trained, however many there are."""
    from tests.rays import ray_here

    base = ToyConfig(fails_at_epoch=1)
    table = Ablation(
        "t",
        "T",
        base,
        [Dataset("Toy")],
        [Sweep("learning_rate", [0.1 + index / 100 for index in range(17)])],
        RetrievalView(),
        [MAP],
    )
    with ray_here(num_cpus=1, num_gpus=1):
        result = run_sweep(
            [Study("toy_study", "Toy", "nowhere", (0,), [table])],
            store=Store(str(tmp_path / "runs")),
            runtime=Runtime(None, str(tmp_path / "cache")),
            backend=RayBackend(gpus=1.0),
            search_storage=f"sqlite:///{tmp_path}/optuna.db",
            listeners=lambda plan, statuses: [],
        )
    assert 17 == len(result.statuses)
    assert not [status for status in result.statuses if status.state in ("failed", "done")]
    (line,) = [record.getMessage() for record in caplog.records if "no machine works" in record.getMessage()]
    assert "the device does not work" in line
