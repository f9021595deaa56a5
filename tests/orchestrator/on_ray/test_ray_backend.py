"""The Ray backend on real local clusters: warm workers, lost workers and nodes, fractions of a GPU."""

import os
import platform
import signal
import threading
import time

import psutil
import pytest
import ray
from ray._private.state import state as ray_state
from ray._raylet import ActorID

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row, Sweep
from tablewright.orchestrator.declared.pruners import Median
from tablewright.orchestrator.declared.ranges import Choice, FloatRange
from tablewright.orchestrator.declared.samplers import Random
from tablewright.orchestrator.declared.search import Objective, Search
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.on_ray import ray_tune
from tablewright.orchestrator.on_ray.ray_backend import RayBackend, _error_of_ray
from tablewright.orchestrator.on_ray.ray_worker import Signals, return_memory
from tablewright.orchestrator.run import run_sweep
from tablewright.orchestrator.store.store import Store
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.retrieval.view import MAP, RetrievalView
from tests.faulty_method import FaultyConfig
from tests.rays import ray_here, workers_below
from tests.toy_method import ToyConfig
from tests.toy_studies import write_project
from tests.waiting import PATIENCE_S, wait_for
from tests.warm_command import WarmCommand, run_warm

pytestmark = pytest.mark.ray

TEST, VAL = RetrievalView(split="test"), RetrievalView(split="val")


def a_study(rows, base=None, searches=()):
    table = Ablation("t", "T", base or ToyConfig(), [Dataset("Toy")], rows, TEST, [MAP])
    return Study("toy_study", "Toy", "nowhere", (0,), [table], searches)


def a_pruned_search():
    return Search(
        "rate",
        "Rate",
        ToyConfig(epochs=8),
        Dataset("Toy"),
        {"learning_rate": FloatRange(0.05, 0.45)},
        Objective(MAP, VAL),
        14,
        TEST,
        [MAP],
        sampler=Random(),
        pruner=Median(warmup=0.0),
    )


class StoppingBackend(RayBackend):
    """Is told to stop, as Ctrl-C tells it, a while after something has happened."""

    def __init__(self, happened, *, while_s, **settings):
        super().__init__(**settings)
        self.happened, self.while_s = happened, while_s

    def run(self, queue, listeners, store, runtime):
        def stop():
            try:
                wait_for(self.happened)
                time.sleep(self.while_s)
            finally:
                queue.stop()

        threading.Thread(target=stop).start()
        super().run(queue, listeners, store, runtime)


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
    def run(study, events, backend, **more):
        return run_sweep(
            [study],
            store=Store(str(tmp_path / "runs")),
            runtime=Runtime(None, str(tmp_path / "cache")),
            backend=backend,
            search_storage=f"sqlite:///{tmp_path}/optuna.db",
            listeners=lambda plan, statuses: [events],
            **more,
        )

    run.store = lambda: Store(str(tmp_path / "runs"))
    return run


@pytest.fixture(scope="module")
def two_cpus():
    """One machine of two CPUs, shared by the tests of this file that lose no machine."""
    with ray_here(num_cpus=2):
        yield


def test_workers_stay_warm_and_both_cpus_are_used(sweep, two_cpus, tmp_path):
    """Eight trainings run two at a time on few processes, each process serving several."""
    events = Events()
    rates = [0.1 + index / 100 for index in range(8)]
    base = ToyConfig(meets_in=str(tmp_path / "met"))
    result = sweep(a_study([Sweep("learning_rate", rates)], base), events, RayBackend())
    assert result.is_complete
    assert events.most_at_once >= 2
    records = [sweep.store().training(identity).record() for identity in result.plan.trainings]
    assert all(record.attempts == 1 for record in records)


class OddWorkers(RayBackend):
    """Has its workers made by another class."""

    def __init__(self, make_class, **more):
        super().__init__(**more)
        self.make_class = make_class

    def run(self, *arguments):
        take = ray_tune.take_signals
        ray_tune.take_signals = lambda trainable: self.make_class(take(trainable))
        try:
            super().run(*arguments)
        finally:
            ray_tune.take_signals = take


def is_first(mark):
    """Say whether nobody has asked so before."""
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def test_trainings_shorter_than_the_start_of_a_worker_fill_both_slots(sweep, two_cpus, tmp_path):
    """A worker that is being started is kept for the next training, and trainings begin in the order of the plan."""
    mark = str(tmp_path / "started")

    def slow_but_for_one(trainable):
        class ImplicitFunc(trainable):
            def setup(self, config, **parameters):
                time.sleep(0.0 if is_first(mark) else 3.0)
                super().setup(config, **parameters)

        return ImplicitFunc

    study = a_study([Sweep("learning_rate", [0.1 + index / 1000 for index in range(40)])])
    events = Events()
    result = sweep(study, events, OddWorkers(slow_but_for_one))
    assert result.is_complete
    assert events.most_at_once == 2
    planned = [training.label for training in result.plan.trainings.values()]
    begun = [planned.index(label) for label in events.started if label not in planned[:2]]
    assert all(abs(index - place) <= 1 for index, place in zip(begun, range(2, 40), strict=True)), begun


def test_a_worker_that_cannot_be_used_again_costs_no_training(sweep, two_cpus, tmp_path):
    """Tune ends the trial that it was to take over without a word; the training is handed out again."""
    mark = str(tmp_path / "asked")

    def refusing_once(trainable):
        class ImplicitFunc(trainable):
            def reset_config(self, new_config):
                return not is_first(mark) and super().reset_config(new_config)

        return ImplicitFunc

    study = a_study([Sweep("learning_rate", [0.1, 0.2, 0.3, 0.4])])
    events = Events()
    # Two trials wait for a place, so that a worker goes from one trial to the next.
    assert sweep(study, events, OddWorkers(refusing_once, max_concurrent=4)).is_complete
    assert not is_first(mark)
    assert ["done"] * 4 == [outcome.state for _, outcome in events.ended]


def test_what_ray_has_drawn_ahead_is_not_begun_once_the_hours_are_spent(sweep, two_cpus, tmp_path):
    """Two run at a time and end; of the six that wait for their places none takes one, and more hours go on."""
    base = ToyConfig(meets_in=str(tmp_path / "met"))
    study = a_study([Sweep("learning_rate", [0.1 + index / 100 for index in range(8)])], base)
    events = Events()
    result = sweep(study, events, RayBackend(), max_cpu_hours=1e-9)
    assert len(events.started) <= 2
    assert ["done"] * len(events.started) == [outcome.state for _, outcome in events.ended]
    assert "CPU-hours" in result.reached_cap
    assert sweep(study, Events(), RayBackend(max_concurrent=1), max_cpu_hours=1.0).is_complete


def test_a_killed_worker_is_tried_again_from_its_checkpoint(sweep, two_cpus, tmp_path):
    """SIGKILL of a worker costs an attempt, not the training, and changes no number."""
    killing = {"kills_worker_once_at": str(tmp_path / "killed")}
    events = Events()
    result = sweep(a_study([Row("killed", killing), Row("fine")]), events, RayBackend(max_concurrent=1))
    assert result.is_complete
    killed, fine = (sweep.store().training(cell.training_id) for cell in result.plan.cells)
    assert (killed.record().attempts, fine.record().attempts) == (2, 1)
    assert [report.metrics for report in killed.epochs()] == [report.metrics for report in fine.epochs()]


def test_a_worker_lost_between_two_trainings_costs_neither(sweep, two_cpus):
    """Tune takes it for a fault of the next training, which it never tries again; the queue does."""

    class Killing(Events):
        def on_end(self, work, outcome):
            super().on_end(work, outcome)
            if len(self.ended) == 1:
                workers = workers_below(os.getpid())
                for process in workers:
                    process.kill()
                self.lost, _ = psutil.wait_procs(workers, timeout=PATIENCE_S)

    events = Killing()
    rows = [Row(str(index), {"learning_rate": index / 10}) for index in range(1, 4)]
    result = sweep(a_study(rows), events, RayBackend(max_concurrent=1))
    assert events.lost
    assert ["done"] * 3 == [outcome.state for _, outcome in events.ended]
    assert result.is_complete


class TakingBackBackend(RayBackend):
    """Has Ray take the first worker back while it is still to begin."""

    def run(self, queue, listeners, store, runtime):
        def to_begin():
            return [actor for actor in list_actors() if actor["State"] == "PENDING_CREATION"]

        def take_back():
            wait_for(to_begin)
            ray._private.worker.global_worker.core_worker.kill_actor(
                ActorID.from_hex(to_begin()[0]["ActorID"]), True
            )

        threading.Thread(target=take_back).start()
        super().run(queue, listeners, store, runtime)


def list_actors():
    return ray_state.actor_table(None).values()


def test_a_worker_that_ray_takes_back_before_it_begins_costs_no_attempt(sweep, two_cpus, caplog):
    """No process and no machine has failed: the training waits a moment, is tried again, and it is told why."""
    result = sweep(a_study([Row("a")]), Events(), TakingBackBackend(max_lost_workers=0))
    assert [""] == [status.message for status in result.statuses]
    assert result.is_complete
    assert "Ray took its worker back before it began, and no machine was lost" in caplog.text
    assert "its machine was lost" not in caplog.text


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
        sampler=Random(),
    )
    events = Events()
    result = sweep(a_study([Row("a")], ToyConfig(epoch_s=0.1), [search]), events, RayBackend())
    assert result.is_complete
    store = sweep.store()
    assert len(store.training_ids()) == 2
    assert all(store.training(identity).record().attempts == 1 for identity in store.training_ids())


def test_a_broken_device_costs_no_other_training(sweep, two_cpus, tmp_path):
    """A process whose device is broken ends with its attempt: the training and all behind it get another."""
    breaking = {"breaks_device_once_at": str(tmp_path / "broken")}
    rows = [Row("breaks", breaking), *(Row(str(i), {"learning_rate": 0.1 + i / 100}) for i in range(1, 5))]
    events = Events()
    backend = RayBackend(max_concurrent=1, first_hold_s=0.1)
    result = sweep(a_study(rows, FaultyConfig()), events, backend)
    assert ["done"] * 5 == [status.state for status in result.statuses]
    attempts = [sweep.store().training(identity).record().attempts for identity in result.plan.trainings]
    assert [2, 1, 1, 1, 1] == attempts


def test_a_training_that_fails_takes_its_process_with_it(sweep, two_cpus):
    """It is not tried again, as only lost workers are; its code may have broken the device: the next loses no try."""
    rows = [Row("bad", {"has_bad_labels": True}), *(Row(str(i), {"learning_rate": i / 10}) for i in (2, 3))]
    events = Events()
    result = sweep(a_study(rows, FaultyConfig()), events, RayBackend(max_concurrent=1))
    assert ["failed", "done", "done"] == [status.state for status in result.statuses]
    assert len(events.started) == 3
    records = [sweep.store().training(cell.training_id).record() for cell in result.plan.cells[1:]]
    assert [1, 1] == [record.attempts for record in records]


def test_a_worker_that_dies_says_why(sweep, two_cpus):
    """The record has the signal or the exit code, and what the process printed last; the sweep goes on."""
    rows = [Row("abort", {"dies_by": "abort"}), Row("exit", {"dies_by": "exit"}), Row("fine")]
    result = sweep(a_study(rows, FaultyConfig()), Events(), RayBackend(max_lost_workers=0))
    assert ["failed", "failed", "done"] == [status.state for status in result.statuses]
    failures = [sweep.store().training(cell.training_id).failure() for cell in result.plan.cells[:2]]
    assert "crashed: " in failures[0].message
    assert "ABRT" in failures[0].message or "Aborted" in failures[0].message
    assert "ended itself: os._exit(3); given up after 1 attempt" in failures[1].message
    assert "last words" in failures[1].traceback


def test_a_ray_that_does_not_start_is_told_in_words(monkeypatch, caplog):
    """It is tried once more, and then refused in a sentence that says why."""
    import ray

    def fail(**settings):
        raise Exception("The current node timed out during startup")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", fail)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    with pytest.raises(
        ValueError, match=r"does not start on this machine, in 2 tries .*timed out during startup"
    ):
        RayBackend().connect().__enter__()
    assert caplog.text.count("it is tried once more") == 1


def test_a_full_disc_is_tried_again_and_recorded_after_the_last_try(sweep, two_cpus, tmp_path):
    """A fault of a machine costs tries, each in a process of its own; the sweep goes on behind it."""
    full = tmp_path / "full"
    full.touch()
    rows = [Row("full", {"disc_is_full_while": str(full)}), Row("fine")]
    events = Events()
    backend = RayBackend(max_lost_workers=2, first_hold_s=0.1)
    result = sweep(a_study(rows, FaultyConfig()), events, backend)
    assert ["failed", "done"] == [status.state for status in result.statuses]
    processes = (tmp_path / "full.attempts").read_text().split()
    assert (3, 3) == (len(processes), len(set(processes)))
    failure = sweep.store().training(result.plan.cells[0].training_id).failure()
    assert failure.message == "OSError: [Errno 28] No space left on device"
    assert failure.host == platform.node()
    full.unlink()
    assert sweep(a_study(rows, FaultyConfig()), Events(), RayBackend()).is_complete


def test_a_machine_that_failed_keeps_its_slot_for_a_while(sweep, two_cpus, tmp_path):
    """So that the queue goes to the others; Ctrl-C is not kept waiting by it."""
    (tmp_path / "full").touch()
    study = a_study([Row("full", {"disc_is_full_while": str(tmp_path / "full")})], FaultyConfig())
    attempts = tmp_path / "full.attempts"
    backend = StoppingBackend(attempts.exists, while_s=1.5, first_hold_s=600.0)
    events = Events()
    result = sweep(study, events, backend)
    assert result.was_stopped
    assert ["stopped"] == [outcome.state for _, outcome in events.ended]
    assert len(attempts.read_text().split()) == 1


class FromElsewhere(RayBackend):
    """A backend whose workers see another store under the path of the driver's."""

    def run(self, queue, listeners, store, runtime):
        class Other(Store):
            def shared_id(self):
                return "that of another machine"

        super().run(queue, listeners, Other(store.url), runtime)


def test_a_store_that_is_not_shared_is_refused_before_anything_trains(sweep, two_cpus):
    """A worker that sees another store under the same path would train for nobody."""
    events = Events()
    result = sweep(a_study([Row("a")]), events, FromElsewhere(max_concurrent=1))
    assert ["failed"] == [status.state for status in result.statuses]
    assert all("is not shared with machine" in status.message for status in result.statuses)
    assert all("--store" in status.message for status in result.statuses)
    assert (0, 1) == (len(events.started), len(events.ended))


def test_a_search_prunes_on_running_workers_one_attempt_each(sweep, two_cpus, monkeypatch):
    """The pruner's verdict reaches a worker between two epochs, and never the next attempt at the same training."""
    sent, events = [], Events()
    send = Signals.send

    def spy(self, word, *text):
        sent.append(word)
        send(self, word, *text)

    monkeypatch.setattr(Signals, "send", spy)
    study = a_study([Row("a")], searches=[a_pruned_search()])
    result = sweep(study, events, RayBackend(max_concurrent=1))
    assert result.is_complete
    states = [outcome.state for _, outcome in events.ended]
    assert states.count("pruned") >= 1
    assert "failed" not in states
    words = [word for word in sent if word.startswith("verdict/")]
    assert words
    known = set(sweep.store().training_ids())
    assert not any(word.removeprefix("verdict/") in known for word in words)


def test_waiting_trainings_end_with_the_sweep(sweep, two_cpus, monkeypatch, caplog):
    """Where no machine is large enough the log says so once, and Ctrl-C waits for no machine."""
    monkeypatch.setattr("tablewright.orchestrator.on_ray.ray_bridge.WAITING_AFTER_S", 1.0)
    backend = StoppingBackend(
        lambda: "waiting for resources" in caplog.text,
        while_s=3.0,
        address="auto",
        gpus=1.0,
    )
    events = Events()
    result = sweep(a_study([Row("a"), Row("b", {"learning_rate": 0.2})]), events, backend)
    assert result.was_stopped
    assert ["to train"] * 2 == [status.state for status in result.statuses]
    assert ([], []) == (events.started, events.ended)
    assert caplog.text.count("waiting for resources: a training takes 1 CPU and 1 GPU") == 1
    assert "2 CPU and 0 GPU, none of them enough" in caplog.text


@pytest.mark.slow
def test_ctrl_c_waits_for_no_machine(two_cpus, tmp_path):
    """On a cluster that may still start a machine with a GPU the command waits, says so, and ends when told."""
    import ray

    write_project(tmp_path)
    address = ray.get_runtime_context().gcs_address
    options = ("--address", address, "--gpus-per-training", "1", "--tracking-uri", "none")
    command = WarmCommand(tmp_path, "toy", *options)
    wait_for(lambda: "waiting for resources" in command.printed() or command.has_ended())
    os.kill(command.pid, signal.SIGINT)
    code, printed = command.end()
    assert 130 == code, printed
    assert "4 to train" in printed.partition("waiting for resources")[2]


def test_more_cores_than_the_machine_has_are_refused(tmp_path):
    """A training that could never start is an error in words, not a sweep that waits for ever."""
    write_project(tmp_path)
    code, printed = run_warm(
        tmp_path, "toy", "--gpus-per-training", "0", "--cpus-per-training", "999", "--tracking-uri", "none"
    )
    assert code == 2, printed
    assert "a training takes 999 CPU and 0 GPU, and this machine has" in printed
    assert "Give --gpus-per-training of at most" in printed
    assert not (tmp_path / "runs/trainings").exists()


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


def test_what_ray_itself_fails_in_is_told_in_a_line():
    """It is known beneath what Tune makes of it; a fault of ours is not taken for one."""
    error = RuntimeError("Caught unexpected exception")
    error.__cause__ = ray.exceptions.OutOfMemoryError("2 workers were killed\nMemory usage exceeded")
    assert "OutOfMemoryError: 2 workers were killed" == _error_of_ray(error)
    assert _error_of_ray(ValueError("of ours")) is None
