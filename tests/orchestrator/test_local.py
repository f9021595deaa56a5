"""`--local`: several agents under one command, and which GPUs each of them sees."""

import pytest

from tablewright.orchestrator.agents import agent_backend
from tablewright.orchestrator.agents.agent_backend import AgentBackend, make_local, share_gpus
from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.settings import Settings
from tests.orchestrator.toy_sweep import Events, ToySweep, a_search, a_study


@pytest.mark.slow
def test_two_trainings_run_at_once_and_one_whose_process_is_killed_goes_on(tmp_path):
    """One ends while the other waits for it; a process that dies costs its own training an attempt, and no other."""
    gate = tmp_path / "gate"
    rows = [
        Row("waits", {"waits_for": str(gate)}),
        Row("killed", {"kills_worker_once_at": str(tmp_path / "mark"), "learning_rate": 0.2}),
    ]
    opener = Events()
    opener.on_end = lambda work, outcome: gate.touch() if "killed" in work.label else None
    backend = AgentBackend(num_slots=2, device="cpu", waits=True, holds_s=(0.0,))
    study = a_study(rows, searches=[a_search()])
    result, events = ToySweep(tmp_path)(study, backend=backend, listeners=[opener])
    assert result.is_complete
    ended = [work.label for work, _ in events.ended]
    assert [True, False] == ["killed" in label for label in ended if "killed" in label or "waits" in label]


@pytest.mark.parametrize(
    ("num_slots", "gpus", "num_gpus", "visible", "expected"),
    [
        (2, 1.0, 2, None, ["0", "1"]),
        (2, 1.0, 4, None, ["0", "1"]),
        (4, 0.5, 2, None, ["0", "1", "0", "1"]),
        (3, 0.25, 1, None, ["0", "0", "0"]),
        (2, 2.0, 4, None, ["0,1", "2,3"]),
        (2, 1.0, 2, "3,5", ["3", "5"]),
        (1, 1.0, 1, "GPU-8f2a", ["GPU-8f2a"]),
    ],
)
def test_every_agent_sees_the_gpus_that_are_its_own(num_slots, gpus, num_gpus, visible, expected):
    """Whole GPUs are nobody else's, parts are of the least busy one, and those that are named alone are used."""
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert expected == share_gpus(num_slots, gpus, num_gpus, environment)


@pytest.mark.parametrize(
    ("num_slots", "gpus", "num_gpus", "told"),
    [
        (3, 1.0, 2, r"this machine has 2 GPUs, on which 2 of 1 GPU each fit\. Give --local 2"),
        (2, 2.0, 3, r"on which 1 of 2 GPU each fit\. Give --local 1"),
        (5, 0.25, 1, r"this machine has 1 GPU, on which 4 of 0\.25 GPU each fit"),
    ],
)
def test_more_agents_than_the_gpus_hold_are_refused(num_slots, gpus, num_gpus, told):
    """What fits is named before anything trains."""
    with pytest.raises(ValueError, match=told):
        share_gpus(num_slots, gpus, num_gpus, {})


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"address": "local"}, "--address is for a sweep on Ray, and --local 2 trains on this machine"),
        ({"max_concurrent": 2}, "--max-concurrent is for a sweep on Ray.*--local says how many"),
        ({"gpus_per_training": "auto"}, r"--gpus-per-training auto is for .* such as 0\.5"),
    ],
)
def test_what_only_ray_has_is_refused_beside_it(more, told):
    """Such an option is not ignored."""
    with pytest.raises(ValueError, match=told):
        make_local(Settings(studies=("toy",), local=2, **more))


def test_more_processes_than_the_memory_holds_are_refused(monkeypatch):
    """A thousand would bring the machine down, so it is told how many fit."""
    monkeypatch.setattr(agent_backend, "PROCESS_BYTES", 2**50)
    with pytest.raises(ValueError, match=r"--local is 1000; this machine has .* at most 0 fit"):
        make_local(Settings(studies=("toy",), local=1000))
