"""A search on two workers whose driver is killed again and again: it ends as one that was left alone."""

import pytest

from tablewright.orchestrator.declared.pruners import Halving
from tablewright.orchestrator.declared.samplers import Random
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.on_ray.ray_backend import RayBackend
from tablewright.orchestrator.searches.search_end import made_ids
from tablewright.trainables.contract.run import RESUME_CHECKPOINT
from tests.forks import forks
from tests.orchestrator.optuna_rows import expected, shown
from tests.orchestrator.toy_sweep import ToySweep, a_search
from tests.rays import cluster_of
from tests.toy_method import ToyConfig
from tests.waiting import PATIENCE_S, wait_for

pytestmark = [pytest.mark.ray, pytest.mark.slow]

NUM_EPOCHS, NUM_WORKERS = 9, 2


def the_search(epoch_s=0.1):
    """A search whose suggestions depend on their number alone, so that a disturbed one makes the same."""
    return a_search(
        base=ToyConfig(epochs=NUM_EPOCHS, epoch_s=epoch_s),
        num_trials=12,
        sampler=Random(),
        search_changes={"own_noise": 1},  # no trial is a row of its table
        pruner=Halving(first_epoch=1, factor=3),
    )


def a_study(epoch_s=0.1):
    return Study("s", "S", "nowhere", (0,), searches=[the_search(epoch_s)])


def drive(folder, address):
    backend = RayBackend(address=address, cpus=1, max_concurrent=NUM_WORKERS)
    result, _ = ToySweep(folder)(a_study(), backend=backend)
    assert result.is_complete


@pytest.fixture
def cluster(monkeypatch):
    """A machine with two slots, which outlives the drivers."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with cluster_of(num_cpus=NUM_WORKERS, num_gpus=0) as cluster:
        yield cluster


class Driven:
    """The sweep, and what the store has of its search."""

    def __init__(self, folder, address):
        self.folder, self.address, self.sweep = folder, address, ToySweep(folder)

    def start(self):
        driver = forks.Process(target=drive, args=(self.folder, self.address))
        driver.start()
        return driver

    def search_id(self):
        (identity,) = self.sweep.store().search_ids()
        return identity

    def trials(self):
        return self.sweep.store().search_trials(self.search_id()) if self.sweep.store().search_ids() else []

    def has_paused(self):
        return any(trial.state == "paused" for trial in self.trials())

    def goes_on_after_a_rung(self):
        return any(
            trial.state == "running"
            and trial.until_epoch != 1
            and max(trial.intermediate_values, default=0) > 1
            for trial in self.trials()
        )

    def ends_its_last(self):
        trials = self.trials()
        is_spent = len(made_ids(the_search(), trials)) >= the_search().num_trials
        return is_spent and any(trial.state == "running" for trial in trials)


def test_a_search_that_is_killed_three_times_ends_as_one_that_was_not(cluster, tmp_path):
    """Every trial is there once, none runs or rests, each is as its training is, and the best is no worse."""
    driven = Driven(tmp_path / "killed", cluster.address)
    for event in (driven.has_paused, driven.goes_on_after_a_rung, driven.ends_its_last):
        driver = driven.start()
        wait_for(lambda driver=driver, event=event: event() or not driver.is_alive())
        assert driver.is_alive()
        driver.kill()
        driver.join()
    last = driven.start()
    last.join(PATIENCE_S)
    assert 0 == last.exitcode
    store, trials = driven.sweep.store(), driven.trials()
    assert list(range(len(trials))) == [trial.number for trial in trials]
    assert 12 == len({trial.training_id for trial in trials})
    assert {"complete", "pruned"} == {trial.state for trial in trials}
    for trial in trials:
        training = store.training(trial.training_id)
        reached = [report.epoch for report in training.epochs()]
        assert list(range(1, len(reached) + 1)) == reached
        assert (trial.state == "complete") == training.is_done() == (len(reached) == NUM_EPOCHS)
        assert set(reached) <= set(trial.intermediate_values)  # the last may have been told, and not kept
        assert not training.checkpoints.exists(RESUME_CHECKPOINT)
    assert [] == (store.root / "claims").names()
    assert expected(store, driven.search_id()) == shown(driven.sweep.storage, "s/rate")
    ToySweep(tmp_path / "quiet")(a_study(epoch_s=0.0))
    assert best_of(store) >= best_of(ToySweep(tmp_path / "quiet").store())


def best_of(store):
    (identity,) = store.search_ids()
    return max(trial.value for trial in store.search_trials(identity) if trial.value is not None)
