"""Several sweeps on one store: the work is shared, nothing is done twice, and nothing is left when one dies."""

import os
import signal
import time
from functools import partial

import pytest

from tablewright.orchestrator import other_hands
from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.declared.pruners import Halving, Median
from tablewright.orchestrator.store import claims
from tablewright.orchestrator.store.store import Store
from tests.forks import forks
from tests.orchestrator.toy_sweep import ToySweep, a_search, a_study
from tests.waiting import PATIENCE_S, wait_for

pytestmark = pytest.mark.slow


class EpochsTold:
    """Counts on disk what is trained, whoever trains it."""

    def __init__(self, folder):
        self.folder = folder

    def on_start(self, work):
        pass

    def on_progress(self, work, progress):
        self.folder.mkdir(exist_ok=True)
        (
            self.folder / f"{work.training_id}-{progress.report.epoch}-{os.getpid()}-{time.monotonic_ns()}"
        ).touch()

    def on_end(self, work, outcome):
        pass

    def trained(self):
        """(training, epoch) of each epoch that was trained, as often as it was."""
        return sorted(tuple(path.name.split("-")[:2]) for path in self.folder.iterdir())


def eight_rows():
    return a_study(
        [Row(f"{number}", {"learning_rate": 0.1 + 0.01 * number, "epoch_s": 0.1}) for number in range(8)]
    )


def with_search(pruner):
    return a_study([Row("base")], searches=[a_search(pruner=pruner, num_trials=10)])


def one_row(**changes):
    return a_study([Row("one", changes)])


def look_often():
    """Read claims again as often as a test's trainings end."""
    other_hands.LOOK_EVERY_S = other_hands.READ_EVERY_S = 0.05


def sweep_in_process(folder, make_study, barrier, ends):
    look_often()
    barrier.wait(PATIENCE_S)
    result, events = ToySweep(folder)(make_study(), listeners=[EpochsTold(folder / "told")])
    ends.put(result.is_complete or [(work.label, outcome) for work, outcome in events.ended])


def run_at_once(folder, make_study, num_sweeps):
    """Start so many sweeps at the same moment; gives their processes and the queue of their ends."""
    barrier, ends = forks.Barrier(num_sweeps), forks.Queue()
    processes = [
        forks.Process(target=sweep_in_process, args=(folder, make_study, barrier, ends))
        for _ in range(num_sweeps)
    ]
    for process in processes:
        process.start()
    ends.barrier = barrier  # until the last process has come to it, somebody must hold it
    return processes, ends


def test_many_sweeps_share_the_trainings(tmp_path):
    """Eight sweeps on a new store train each of eight trainings once, and all of them end with every cell filled."""
    processes, ends = run_at_once(tmp_path, eight_rows, 8)
    assert [True] * 8 == [ends.get(timeout=PATIENCE_S) for _ in processes]
    for process in processes:
        process.join()
    trained = EpochsTold(tmp_path / "told").trained()
    assert 8 * 3 == len(trained)
    assert len(set(trained)) == len(trained)
    assert [] == (Store(str(tmp_path / "runs")).root / "claims").names()


@pytest.mark.parametrize("pruner", [None, Median(), Halving(first_epoch=1)], ids=str)
def test_searches_on_one_store_are_one_search(tmp_path, pruner):
    """Two sweeps of a search make as many trials as it asks for, together, and train each once."""
    make_study = partial(with_search, pruner)
    processes, ends = run_at_once(tmp_path, make_study, 2)
    assert [True] * 2 == [ends.get(timeout=PATIENCE_S) for _ in processes]
    sweep = ToySweep(tmp_path)
    result, events = sweep(make_study())
    assert [] == events.started
    state = result.plan.searches["toy_study", "rate"]
    assert (10, 10, True) == (state.num_made, state.num_trials, state.is_finished)
    trained = EpochsTold(tmp_path / "told").trained()
    assert len(set(trained)) == len(trained)
    (identity,) = sweep.store().search_ids()
    numbers = sweep.store().search_trial_numbers(identity)
    assert list(range(len(numbers))) == numbers


def test_what_a_killed_sweep_had_is_gone_on_with(tmp_path):
    """The other sweep waits for what is claimed, and takes it up where the killed one has left it."""
    gate = tmp_path / "gate"
    make_study = partial(one_row, waits_for=str(gate))
    (killed,), _ = run_at_once(tmp_path, make_study, 1)
    told = EpochsTold(tmp_path / "told")
    wait_for(lambda: told.folder.exists() and len(told.trained()) == 1)
    (other,), ends = run_at_once(tmp_path, make_study, 1)
    wait_for(lambda: (tmp_path / "runs" / "claims").exists())
    gate.touch()
    os.kill(killed.pid, signal.SIGKILL)
    killed.join()
    assert ends.get(timeout=PATIENCE_S) is True
    other.join()
    trained = told.trained()
    assert [1, 2, 3] == sorted({int(epoch) for _, epoch in trained})


def test_a_failure_in_other_hands_is_told_and_not_repeated(tmp_path):
    """A training that fails in one sweep has failed for the other one that waits for it too."""
    gate = tmp_path / "gate"
    make_study = partial(one_row, fails_at_epoch=2, waits_for=str(gate))
    (first,), first_ends = run_at_once(tmp_path, make_study, 1)
    told = EpochsTold(tmp_path / "told")
    wait_for(lambda: told.folder.exists() and len(told.trained()) == 1)
    (second,), second_ends = run_at_once(tmp_path, make_study, 1)
    time.sleep(
        1.0
    )  # the second one has come to wait; were it later still, nothing would be tested and all would hold
    gate.touch()
    for ends in (first_ends, second_ends):
        ((_, outcome),) = ends.get(timeout=PATIENCE_S)
        assert "failed" == outcome.state
    for process in (first, second):
        process.join()
    assert 1 == len(told.trained())


def test_a_claim_of_a_machine_that_fell_silent_expires(tmp_path, monkeypatch):
    """A sweep waits for the training of a machine that it cannot see, and makes it once its claim has expired."""
    monkeypatch.setattr(claims, "EXPIRES_AFTER_S", 0.5)
    monkeypatch.setattr(other_hands, "READ_EVERY_S", 0.1)
    sweep = ToySweep(tmp_path)
    study = a_study([Row("base")])
    result, _ = sweep(study)
    (identity,) = result.plan.trainings
    sweep.store().root.remove(f"trainings/{identity}")
    owner = claims.Owner("token", "another machine", "elsewhere", 17, "1")
    name = claims.training_claim(identity)
    sweep.store().root.write(f"claims/{name}.1.json", claims._written(owner))
    result, events = sweep(study)
    assert result.is_complete
    assert 1 == len(events.started)
    assert [] == (sweep.store().root / "claims").names()
