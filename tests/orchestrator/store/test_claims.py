"""Claims: one owner at a time, whoever dies, and without comparing two clocks."""

import json
import os
import random
import signal
import threading
import time

import pytest

from tablewright.orchestrator.store import claims as module
from tablewright.orchestrator.store.claims import Claims, Owner, this_machine
from tablewright.orchestrator.store.store import Store
from tests.forks import forks
from tests.waiting import PATIENCE_S, wait_for

NAME = "training-1"


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "runs"))


def a_foreign_claim(store, *, number=1, sign=0, machine="another machine"):
    """What a process on another machine has written."""
    owner = Owner("token", machine, "elsewhere", 17, "1", sign)
    store.root.write(f"claims/{NAME}.{number}.json", json.dumps(vars(owner)).encode())


def take_and_tell(url, barrier, answers):
    store = Store(url)
    barrier.wait()
    claim = Claims(store).take(NAME)
    answers.put(None if claim is None else claim.number)
    barrier.wait()  # nobody ends, and so is known to be dead, before all have asked


@pytest.mark.slow
@pytest.mark.parametrize("leaves_dead", [False, True])
def test_of_many_processes_one_alone_has_a_claim(store, leaves_dead):
    """Eight that ask at the same moment, of something free or of something whose owner died, get one claim in all."""
    if leaves_dead:
        a_foreign_claim(store, machine=this_machine())
    barrier, answers = forks.Barrier(8), forks.Queue()
    processes = [forks.Process(target=take_and_tell, args=(store.url, barrier, answers)) for _ in range(8)]
    for process in processes:
        process.start()
    told = [answers.get(timeout=PATIENCE_S) for _ in processes]
    for process in processes:
        process.join()
    assert [2 if leaves_dead else 1] == [number for number in told if number is not None]


def take_and_give_up(url, guard, num_times, faults):
    claims, num_faults = Claims(Store(url)), 0
    for _ in range(num_times):
        while (claim := claims.take(NAME)) is None:
            pass
        try:
            guard.touch(exist_ok=False)
        except FileExistsError:
            num_faults += 1
        time.sleep(0.005 * random.random())  # long enough for the others to look
        guard.unlink(missing_ok=True)
        claim.release()
    faults.put(num_faults)


@pytest.mark.slow
def test_no_two_have_a_claim_that_goes_from_hand_to_hand(store, tmp_path):
    """However quickly it is given up and taken, and whoever looked in between, one alone has it at a time."""
    faults = forks.Queue()
    processes = [
        forks.Process(target=take_and_give_up, args=(store.url, tmp_path / "guard", 200, faults))
        for _ in range(3)
    ]
    for process in processes:
        process.start()
    assert [0, 0, 0] == [faults.get(timeout=PATIENCE_S) for _ in processes]
    for process in processes:
        process.join()


def test_what_is_given_up_can_be_taken_and_leaves_nothing(store):
    """A claim lasts as long as it is held, and no file of it longer."""
    with Claims(store).held(NAME) as claim:
        assert claim is not None
        assert Claims(store).owner(NAME) is not None
        with Claims(store).held(NAME) as other:
            assert other is None
    assert Claims(store).owner(NAME) is None
    assert [] == (store.root / "claims").names()


def take_and_wait(url, has_taken):
    assert Claims(Store(url)).take(NAME) is not None
    has_taken.set()
    signal.pause()


@pytest.mark.slow
def test_a_killed_owner_of_this_machine_is_known_at_once(store):
    """Running the same command again after a kill waits for nothing."""
    has_taken = forks.Event()
    process = forks.Process(target=take_and_wait, args=(store.url, has_taken))
    process.start()
    assert has_taken.wait(PATIENCE_S)
    assert Claims(store).take(NAME) is None
    os.kill(process.pid, signal.SIGKILL)  # not waited for: it stays as a zombie
    wait_for(lambda: Claims(store).owner(NAME) is None)
    claim = Claims(store).take(NAME)
    assert claim is not None
    claim.release()
    process.join()
    assert [] == (store.root / "claims").names()


def take_and_hang_in_renewing(url, is_writing):
    claim = Claims(Store(url)).take(NAME)
    os.fsync = lambda descriptor: (is_writing.set(), signal.pause())
    claim.renew()


@pytest.mark.slow
@pytest.mark.parametrize(
    "clears", [lambda claims: claims.take(NAME).release(), lambda claims: claims.clear_dead(NAME)]
)
def test_nothing_is_left_of_an_owner_that_is_killed_while_it_gives_a_sign_of_life(store, clears):
    """Whoever takes the claim next, or clears it away, takes what was half written too; of other claims nothing."""
    is_writing = forks.Event()
    process = forks.Process(target=take_and_hang_in_renewing, args=(store.url, is_writing))
    process.start()
    assert is_writing.wait(PATIENCE_S)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    place = store.root.local_path / "claims"
    half_written = {path.name for path in place.glob(".*")}
    assert 1 == len(half_written)
    others = place / f".{NAME}1.1.json.0123456789ab"
    others.touch()
    clears(Claims(store))
    assert [others] == [*place.iterdir()]


def test_a_silent_owner_elsewhere_expires_for_those_who_watched(store, monkeypatch):
    """An owner on another machine is dead once it was watched without a sign for as long as a claim lasts."""
    clock = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    a_foreign_claim(store)
    watching = Claims(store)
    assert watching.take(NAME) is None
    clock[0] += module.EXPIRES_AFTER_S - 1
    a_foreign_claim(store, sign=1)  # it lives
    assert watching.take(NAME) is None
    clock[0] += module.EXPIRES_AFTER_S - 1
    assert watching.take(NAME) is None
    clock[0] += 2
    assert Claims(store).take(NAME) is None  # who has only come now has not watched
    watching.clear_dead(NAME)
    assert Claims(store).take(NAME) is not None


def test_the_claim_of_a_process_that_its_scheduler_has_lost_is_free_at_once(store, monkeypatch):
    """On another machine as well; that of any other process is left alone."""
    monkeypatch.setattr(module, "this_machine", lambda: "another machine")
    claim = Claims(store).take(NAME)
    monkeypatch.undo()
    owner = claim.owner
    for host, pid in (("elsewhere", owner.pid), (owner.host, owner.pid + 1)):
        Claims(store).clear_lost(NAME, host, pid)
        assert Claims(store).take(NAME) is None
    Claims(store).clear_lost(NAME, owner.host, owner.pid)
    assert Claims(store).take(NAME) is not None
    Claims(store).clear_lost("what nobody has claimed", owner.host, owner.pid)


def test_an_owner_that_was_taken_for_dead_learns_of_it(store):
    """Who has slept through its claim is told, and gives up nothing that is another's."""
    slept = Claims(store).take(NAME)
    a_foreign_claim(store, number=2)
    slept.renew()
    assert slept.is_lost
    slept.release()
    assert Claims(store).owner(NAME) is not None


def test_the_first_of_two_that_find_one_dead_keeps_it(store, monkeypatch):
    """One who looked before all was given up and claimed anew does not take it from the new owner."""
    a_foreign_claim(store, machine=this_machine())  # dead
    late, create = Claims(store), module.Folder.create

    def after_another(folder, name, content):
        monkeypatch.setattr(module.Folder, "create", create)
        Claims(store).clear_dead(NAME)
        assert 1 == Claims(store).take(NAME).number
        return create(folder, name, content)

    monkeypatch.setattr(module.Folder, "create", after_another)
    assert late.take(NAME) is None
    assert [f"{NAME}.1.json"] == (store.root / "claims").names()


def test_a_claim_is_renewed_while_its_owner_lives(store, monkeypatch):
    """Signs of life are given by a thread, whatever the training does."""
    monkeypatch.setattr(module, "RENEW_EVERY_S", 0.01)
    monkeypatch.setattr(module, "_OWNED", module._Renewal())
    claim = Claims(store).take(NAME)
    wait_for(lambda: claim.owner.sign >= 2)
    claim.release()


def test_file_systems_without_links_have_claims_too(store, monkeypatch):
    """Where no link can be made, a file that must not exist yet is opened instead."""

    def no_links(*paths, **_):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    takes = [Claims(store).take(NAME) for _ in range(2)]
    assert takes[0] is not None
    assert takes[1] is None


@pytest.mark.slow
def test_one_of_many_creates_a_file_of_an_object_store(s3_bucket):
    """On S3 a conditional put decides, and one whose answer was lost knows its own file."""
    store = Store(f"{s3_bucket}/runs")
    answers, go = [], threading.Barrier(8)

    def create(content):
        go.wait()
        answers.append((store.root.create("claims/a", content), content))

    threads = [threading.Thread(target=create, args=(b"%d" % number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [store.root.read("claims/a")] == [content for is_mine, content in answers if is_mine]
    assert store.root.create("claims/a", store.root.read("claims/a"))
    with Claims(store).held(NAME) as claim, Claims(store).held(NAME) as other:
        assert claim is not None
        assert other is None


@pytest.mark.slow
def test_what_is_given_up_while_it_is_asked_for_is_asked_for_again(s3_bucket, monkeypatch):
    """A bucket refuses what is there; where it is gone a moment later, nobody has it and no sweep ends by that."""
    store = Store(f"{s3_bucket}/runs")
    folder = store.root / "claims"
    filesystem, given_up = folder._filesystem, []
    put = filesystem.pipe_file

    def refused_at_first(path, value, mode):
        if not given_up:
            given_up.append(path)
            raise FileExistsError("at least one of the pre-conditions did not hold")
        put(path, value, mode=mode)

    monkeypatch.setattr(filesystem, "pipe_file", refused_at_first)
    assert folder.create("a", b"mine")
    assert b"mine" == folder.read("a")
    assert not folder.create("a", b"another's")
