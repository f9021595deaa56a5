"""A training in several processes of this machine: started, watched, recorded by the first, ended with it."""

import dataclasses

import pytest

from tablewright.orchestrator.agents.agent_backend import AgentBackend
from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.inline_backend import InlineBackend
from tablewright.trainables.contract.process import Process
from tests.orchestrator.shared_training import NUM_EPOCHS, Shared, Whole
from tests.orchestrator.toy_sweep import ToySweep, a_study

pytestmark = pytest.mark.slow


class InProcesses:
    """A backend whose trainings are made by two processes each."""

    def __init__(self, backend, num_processes=2):
        self._backend, self._process = backend, Process(num_processes=num_processes)

    def __getattr__(self, name):
        return getattr(self._backend, name)

    def run(self, queue, listeners, store, runtime):
        self._backend.run(queue, listeners, store, dataclasses.replace(runtime, process=self._process))


def study_of(*rows, base=None):
    table = Ablation("t", "T", base or Shared(), [Dataset("Shared")], rows or [Row("a")])
    return Study("shared", "Shared", "nowhere", (0,), [table])


def losses_and_record(sweep):
    (training_id,) = sweep.store().training_ids()
    training = sweep.store().training(training_id)
    return [report.metrics["loss"] for report in training.epochs()], training.record()


def test_a_function_shares_its_training_among_processes(tmp_path):
    """Torch finds the others by itself; what the first reports and returns is recorded once, and how many they were."""
    made = []
    for num_processes in (1, 2):
        sweep = ToySweep(tmp_path / str(num_processes))
        result, _ = sweep(study_of(), backend=InProcesses(InlineBackend(), num_processes))
        assert result.is_complete
        made.append(losses_and_record(sweep))
    (alone, record_alone), (beside, record_beside) = made
    assert NUM_EPOCHS == len(alone) == len(beside)
    assert alone == pytest.approx(beside, rel=1e-12)
    assert "processes" not in record_alone.environment
    assert "2" == record_beside.environment["processes"]


def test_what_another_process_fails_in_fails_the_training_by_name(tmp_path):
    """Not by the connection that broke, which is all that the first process sees of it."""
    result, _ = ToySweep(tmp_path)(
        study_of(Row("a", {"fault": "raises"})), backend=InProcesses(InlineBackend())
    )
    (status,) = result.statuses
    assert "process 1 of the training: ValueError: its share of the data is empty" in status.message


def test_a_process_that_dies_costs_its_training_an_attempt(tmp_path):
    """As a worker that is lost: the training goes on from its checkpoint, in two processes again."""
    row = Row("a", {"fault": "dies once", "mark": str(tmp_path / "mark")})
    sweep = ToySweep(tmp_path)
    result, _ = sweep(study_of(row), backend=InProcesses(AgentBackend(device="cpu", holds_s=(0.0,))))
    assert result.is_complete
    losses, record = losses_and_record(sweep)
    assert NUM_EPOCHS == len(losses)
    assert 2 == record.attempts


def test_trainings_that_processes_cannot_share_are_refused_before_anything_trains(tmp_path):
    """All at once, each with its reason: a function that was not declared for it, a method that cannot at all."""
    sweep = ToySweep(tmp_path)
    with pytest.raises(ValueError, match="2 would each train the whole") as refused:
        sweep(study_of(base=Whole()), a_study([Row("a")]), num_processes=2)
    lines = str(refused.value).splitlines()
    assert "fit_whole trains in one process, and 2 would each train the whole" in lines[0]
    assert "its trainings are made by one process; leave --processes-per-training out" in lines[1]
    assert [] == sweep.store().training_ids()
