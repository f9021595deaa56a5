"""Agents: sweeps without Ray, in a process beside them that may die."""

import json
import multiprocessing
import signal

import pytest

from tablewright.command import agent as agent_command
from tablewright.command.agent import run_agent
from tablewright.orchestrator.agents import agent_slot
from tablewright.orchestrator.agents.agent_backend import AgentBackend
from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.declared.pruners import Median
from tablewright.orchestrator.settings import Settings
from tablewright.orchestrator.signals import EXIT_STOPPED
from tablewright.orchestrator.store.claims import Claims, Owner, _written, training_claim
from tests.metadata_service import metadata_service
from tests.orchestrator.toy_sweep import Events, ToySweep, a_search, a_study
from tests.waiting import wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def agent():
    return AgentBackend(device="cpu", holds_s=(0.0,))


def test_an_agent_fills_a_study_with_a_search(tmp_path, agent):
    """What it records, and which suggestions a search makes, are those of a sweep, and one process is enough."""
    study = a_study(
        [Row("a"), Row("b", {"learning_rate": 0.2})], searches=[a_search(pruner=Median(warmup=0.0))]
    )
    result, events = ToySweep(tmp_path / "agent")(study, backend=agent)
    expected, _ = ToySweep(tmp_path / "inline")(study)
    assert result.is_complete
    assert list(expected.plan.trainings) == list(result.plan.trainings)
    stores = [ToySweep(tmp_path / name).store() for name in ("agent", "inline")]
    for identity in result.plan.trainings:
        epochs = [store.training(identity).epochs() for store in stores]
        assert epochs[0] == epochs[1]
    (search_id,) = stores[0].search_ids()
    params = [[trial.params for trial in store.search_trials(search_id)] for store in stores]
    assert params[0] == params[1]
    assert len(events.started) == len(events.ended)


def test_a_killed_process_is_replaced_and_the_training_goes_on(tmp_path, agent):
    """As where the kernel runs out of memory: the agent lives, and the training resumes from its checkpoint."""
    row = Row("killed", {"kills_worker_once_at": str(tmp_path / "mark")})
    result, events = ToySweep(tmp_path)(a_study([row]), backend=agent)
    assert result.is_complete
    assert [1, 2, 3] == [epoch for _, epoch in events.epochs]


def test_a_process_that_dies_again_and_again_fails_its_training_alone(tmp_path, agent, monkeypatch):
    """The failure says by which signal, and the next training is made."""
    monkeypatch.setattr(agent_slot, "MAX_LOST_PROCESSES", 1)
    rows = [Row("dies", {"dies_by": int(signal.SIGABRT)}), Row("good", {"learning_rate": 0.2})]
    result, _ = ToySweep(tmp_path)(a_study(rows), backend=agent)
    assert ["failed", "done"] == [status.state for status in result.statuses]
    assert "SIGABRT" in result.statuses[0].message


def test_an_agent_leaves_what_others_have(tmp_path, agent):
    """It ends when all that is left is claimed, and waits for nobody."""
    sweep = ToySweep(tmp_path)
    study = a_study([Row("theirs"), Row("free", {"learning_rate": 0.2})])
    planned, _ = ToySweep(tmp_path / "other")(study)
    theirs = next(iter(planned.plan.trainings))
    owner = Owner("token", "another machine", "elsewhere", 17, "1")
    sweep.store().root.write(f"claims/{training_claim(theirs)}.1.json", _written(owner))
    result, events = sweep(study, backend=agent)
    assert ["to train", "done"] == [status.state for status in result.statuses]
    assert 1 == len(events.started)


def test_a_stopped_agent_saves_what_runs(tmp_path, agent):
    """The training goes on in the next run, and its claim is given up."""
    sweep = ToySweep(tmp_path)
    study = a_study([Row("a", {"waits_for": str(tmp_path / "gate")})])
    result, events = sweep(study, backend=StopsAtFirstEpoch(agent))
    assert ["started"] == [status.state for status in result.statuses]
    assert ["stopped"] == [outcome.state for _, outcome in events.ended]
    assert [] == (sweep.store().root / "claims").names()


def test_an_agent_whose_machine_is_to_go_saves_and_leaves_the_rest_to_others(tmp_path, monkeypatch, caplog):
    """A spot machine's training goes on from its state elsewhere, and nothing more is begun on that machine."""
    study = a_study([Row("a", {"waits_for": str(tmp_path / "gate")}), Row("b", {"learning_rate": 0.2})])
    with metadata_service("amazon") as service:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.url)
        service.facts["/latest/meta-data/spot/instance-action"] = json.dumps(
            {"action": "terminate", "time": "2026-11-26T15:02:00Z"}
        )
        result, _ = ToySweep(tmp_path)(study, backend=AgentBackend(device="cpu"))
    assert ["started", "to train"] == [status.state for status in result.statuses]
    assert "Amazon takes this spot machine back (terminate at 2026-11-26T15:02:00Z)" in caplog.text
    (tmp_path / "gate").touch()
    result, events = ToySweep(tmp_path)(study, backend=AgentBackend(device="cpu"))
    assert result.is_complete
    assert [2, 3] == [epoch for label, epoch in events.epochs if label == "width: a [Toy] seed 0"]


def test_an_agent_whose_machine_may_go_saves_and_goes_on(tmp_path, monkeypatch):
    """It may stay for days; what is gained is a state to go on from."""
    study = a_study([Row("a", {"epoch_s": 0.3})])
    with metadata_service("amazon") as service:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.url)
        service.facts["/latest/meta-data/events/recommendations/rebalance"] = json.dumps(
            {"noticeTime": "2026-11-26T15:02:00Z"}
        )
        result, _ = ToySweep(tmp_path)(study, backend=AgentBackend(device="cpu"))
    (training,) = result.plan.trainings
    assert result.is_complete
    assert 2 == ToySweep(tmp_path).store().training(training).record().attempts


class StopsAtFirstEpoch:
    """An agent that is told to stop when an epoch was reported."""

    def __init__(self, agent):
        self._agent = agent
        self.connect, self.max_slots, self.links = agent.connect, agent.max_slots, agent.links

    def run(self, queue, listeners, store, runtime):
        events = Events()
        events.on_progress = lambda work, progress: self._end(queue)
        self._agent.run(queue, [*listeners, events], store, runtime)

    @staticmethod
    def _end(queue):
        queue.stop()


class OthersTakeOver(StopsAtFirstEpoch):
    """An agent that is told to stop, and whose training another machine takes up at once."""

    def run(self, queue, listeners, store, runtime):
        super().run(queue, listeners, store, runtime)
        for identity in store.training_ids():
            owner = Owner("token", "another machine", "elsewhere", 17, "1")
            store.root.write(f"claims/{training_claim(identity)}.1.json", _written(owner))


def test_an_agent_that_was_stopped_does_not_say_that_it_was_done(tmp_path, agent, monkeypatch):
    """A scheduler goes by its exit code, whether others are at what it has left or not."""
    monkeypatch.setattr(agent_command, "make_agent", lambda settings: OthersTakeOver(agent))
    study = a_study([Row("a", {"waits_for": str(tmp_path / "gate")})])
    settings = Settings(studies=("toy",), store=str(tmp_path / "runs"), tracking_uri="none")
    assert EXIT_STOPPED == run_agent(settings, [study])


class EndsItsGrace(StopsAtFirstEpoch):
    """An agent whose grace is over at once."""

    @staticmethod
    def _end(queue):
        queue.end_grace()


def test_a_training_that_does_not_save_within_the_grace_is_ended(tmp_path, agent, caplog):
    """An agent that is to end waits for no process that hangs, and names its training."""
    study = a_study([Row("hangs", {"dies_by": int(signal.SIGSTOP)})])
    result, events = ToySweep(tmp_path)(study, backend=EndsItsGrace(agent))
    assert ["started"] == [status.state for status in result.statuses]
    assert ["stopped"] == [outcome.state for _, outcome in events.ended]
    assert "hangs" in caplog.text
    assert "did not save within the grace" in caplog.text


class KillsAtEnd:
    """Kills an agent's process whenever a training has ended."""

    def __init__(self, backend):
        self.backend = backend

    def on_start(self, work):
        pass

    def on_progress(self, work, progress):
        pass

    def on_end(self, work, outcome):
        self.backend._slots[0]._process.kill()


def test_a_process_that_died_between_two_trainings_costs_neither(tmp_path, agent):
    """It is replaced, and nobody is told a traceback."""
    study = a_study([Row("a"), Row("b", {"learning_rate": 0.2})])
    result, _ = ToySweep(tmp_path)(study, backend=agent, listeners=[KillsAtEnd(agent)])
    assert result.is_complete


def run_an_agent(folder):
    row = Row("a", {"waits_for": str(folder / "gate")})
    ToySweep(folder)(a_study([row]), backend=AgentBackend(device="cpu"))


def test_the_training_of_a_killed_agent_saves_its_state(tmp_path):
    """The process beside it hears of its end, writes a checkpoint, and gives the claim up."""
    process = multiprocessing.get_context("spawn").Process(target=run_an_agent, args=(tmp_path,))
    process.start()
    sweep = ToySweep(tmp_path)

    def is_at_epoch_1():
        return any(sweep.store().training(identity).epochs() for identity in sweep.store().training_ids())

    wait_for(is_at_epoch_1)
    process.kill()
    process.join()
    (identity,) = sweep.store().training_ids()
    wait_for(lambda: Claims(sweep.store()).owner(training_claim(identity)) is None)
    wait_for(lambda: [] == (sweep.store().root / "claims").names())
    assert sweep.store().training(identity).checkpoints.exists("resume.pt")
