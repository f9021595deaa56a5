"""What runs where, read from the store: of whom, how far, and whether whoever runs it still lives."""

import dataclasses
import datetime
import json
import os
import threading

import pytest

from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.live_status import in_words, read_live
from tablewright.orchestrator.plans.planning import plan_with_data
from tablewright.orchestrator.status import read_status
from tablewright.orchestrator.store import signs_of_life
from tablewright.orchestrator.store.claims import Claims, Owner, this_machine, training_claim
from tablewright.orchestrator.store.record import now
from tablewright.orchestrator.store.signs_of_life import (
    SWEEPS,
    AttemptSigns,
    SweepSign,
    TrainingSign,
    announced,
    sign_from,
    told_of,
)
from tablewright.orchestrator.store.store import Store
from tablewright.trainables.contract.run import EpochReport, Runtime
from tests.orchestrator.toy_sweep import ToySweep, a_study

IDENTITY = "a" * 64
RUNTIME = Runtime(None, "/cache")


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "runs"))


def a_sign(**changes):
    sign = TrainingSign("rates: 0.1", "toy", "anna", "sweep.py toy", "GPU 3", now(), now(), 2 * 10**9)
    return dataclasses.replace(sign, **changes)


def a_sweep(**changes):
    sign = SweepSign(("toy",), "anna", "sweep.py toy --agent", now(), now(), 1, 7, 2, ("no place",))
    return dataclasses.replace(sign, **changes)


def write_claim(store, told, *, machine="another machine", pid=17, name=None, folder="claims"):
    owner = Owner("token", machine, "node-3", pid, "1", 4, told)
    store.root.write(f"{folder}/{name or training_claim(IDENTITY)}.1.json", json.dumps(vars(owner)).encode())


def test_a_training_on_another_machine_is_shown_with_all_that_is_known_of_it(store):
    """Machine, GPU and process; how far, how fast and how long still; its memory; when it was last heard of."""
    now_at = now()
    sign = a_sign(
        started_at=now_at - datetime.timedelta(minutes=38),
        signed_at=now_at - datetime.timedelta(seconds=7),
        gpu_memory_bytes=14_200_000_000,
    )
    write_claim(store, told_of(sign))
    store.training(IDENTITY).write_epochs([EpochReport(epoch, 60, {}, 30.0) for epoch in range(1, 11)])
    (found,) = read_live(store, {"toy"}, ()).trainings
    seen = dataclasses.replace(found, read_at=now_at)
    assert ("node-3 GPU 3, process 17", "2.0 GB, GPU 14.2 GB") == (seen.where, seen.memory)
    assert (10, 60, 30.0, 1500.0) == (seen.epoch, seen.num_epochs, seen.epoch_s, seen.left_s)
    assert ("38 min", "7 s ago") == (in_words(seen.runs_since_s), seen.signed)


@pytest.mark.parametrize(
    ("age_s", "machine", "said"),
    [(100.0, "another machine", "100 s ago, as if dead"), (1.0, None, "its process has ended")],
)
def test_who_is_silent_or_dead_is_said_to_be(store, age_s, machine, said):
    """Of a process of this machine that has ended at once; of another machine's after a minute and a half."""
    now_at = now()
    sign = a_sign(signed_at=now_at - datetime.timedelta(seconds=age_s))
    write_claim(store, told_of(sign), machine=machine or this_machine())
    (seen,) = read_live(store, {"toy"}, ()).trainings
    assert said == dataclasses.replace(seen, read_at=now_at).signed


def test_a_claim_of_an_older_version_is_shown_with_what_it_says(store):
    """Its machine and process; nothing of it is guessed, and it counts where its training is planned."""
    write_claim(store, {})
    live = read_live(store, {"toy"}, {IDENTITY})
    assert ["node-3, process 17"] == [item.where for item in live.trainings]
    assert ("told nothing", "", None) == (
        live.trainings[0].signed,
        live.trainings[0].memory,
        live.trainings[0].left_s,
    )


def test_trainings_of_other_studies_are_counted(store):
    """They are not listed: their studies' own status does that."""
    write_claim(store, told_of(a_sign(study="another")))
    live = read_live(store, {"toy"}, ())
    assert ((), 1) == (live.trainings, live.num_others)
    assert "0 trainings running; of other studies 1 more" == live.in_words


def test_a_sweep_announces_itself_and_what_it_waits_for(store):
    """As long as it runs; what sweeps have left that were killed is removed, and those of others stay."""
    write_claim(store, told_of(a_sweep()), machine=this_machine(), name="killed", folder=SWEEPS)
    old = a_sweep(signed_at=now() - datetime.timedelta(days=2))
    write_claim(store, told_of(old), name="old", folder=SWEEPS)
    write_claim(store, told_of(a_sweep()), name="theirs", folder=SWEEPS)
    with announced(store, a_sweep):
        sweeps = read_live(store, {"toy"}, ()).sweeps
        assert {os.getpid(), 17} == {sweep.owner.pid for sweep in sweeps}
        ours = next(sweep for sweep in sweeps if sweep.owner.pid == os.getpid())
        assert (True, ("no place",)) == (ours.is_alive, ours.sign.waits_for)
        assert "agent of anna, process" in str(ours)
        assert "1 training in hand, 7 waiting for their turn, 2 in other hands" in str(ours)
    assert ["theirs.1.json"] == (store.root / SWEEPS).names()


def test_a_sign_that_cannot_be_told_is_given_all_the_same(store, monkeypatch):
    """Whoever watches the claim must see that its owner lives, whatever is wrong with what it tells."""

    def fails():
        raise RuntimeError("no such device")

    with Claims(store).held("training-1") as claim:
        claim.tells = fails
        claim.renew()
        assert 1 == Claims(store).last_owner("training-1").sign


def test_an_attempt_hears_of_its_cancellation_once(store):
    """With the sign after it; the first sign asks nothing of the store."""
    heard = []
    asked = threading.Event()

    class Training:
        def is_cancelled(self):
            asked.set()
            return True

    runtime = Runtime(None, "/cache", cpus=2.0, owner="anna")
    signs = AttemptSigns(Training(), "label", "toy", runtime, lambda: heard.append(1))
    first = sign_from(signs(), TrainingSign)
    assert (False, False, "2 CPU") == (asked.is_set(), signs.is_cancelled, first.device)
    signs()
    signs()
    assert (True, [1]) == (signs.is_cancelled, heard)


@pytest.mark.parametrize(
    ("visible", "gpus", "said"),
    [("3", 1.0, "GPU 3"), ("2", 0.25, "GPU 2 (a part of 0.25)"), ("0,1", 2.0, "GPU 0,1")],
)
def test_a_gpu_is_named_by_its_number_on_its_machine(store, monkeypatch, visible, gpus, said):
    """As Ray or a scheduler has given it to the process."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    runtime = Runtime(None, "/cache", "cuda", gpus=gpus)
    told = AttemptSigns(store.training(IDENTITY), "label", "toy", runtime, lambda: None)()
    assert said == sign_from(told, TrainingSign).device
    assert signs_of_life.told_of(sign_from(told, TrainingSign)) == told


def test_a_running_training_is_running_in_the_plan(tmp_path):
    """And one that was begun and left is not."""
    sweep = ToySweep(tmp_path)
    study = a_study([Row("a"), Row("b", {"learning_rate": 0.2})])
    plan = plan_with_data((study,), sweep.store(), RUNTIME)
    first, _ = plan.trainings
    with Claims(sweep.store()).held(training_claim(first)):
        live = read_live(sweep.store(), {"toy_study"}, plan.trainings)
        assert ["running", "to train"] == list(map(live.state_of, read_status(plan, sweep.store())))
