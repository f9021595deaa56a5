"""How much of a GPU a training gets, what is recorded of its memory, and what becomes of one that runs out of it."""

import dataclasses
import json

import pytest

from tablewright.orchestrator.attempts.attempt_end import MachineFault
from tablewright.orchestrator.attempts.cards import MIB, cards_here, cards_of_nodes
from tablewright.orchestrator.attempts.fault_kind import kind_of
from tablewright.orchestrator.attempts.packing import FixedShares, MemoryShares, share_for
from tablewright.orchestrator.attempts.trial import run_trial
from tablewright.orchestrator.attempts.trial_hooks import TrialHooks
from tablewright.orchestrator.plans.memory_need import (
    ALLOWANCE_BYTES,
    MemoryNeed,
    memory_shape,
    need_of,
    recorded_needs,
    refuse_small_cards,
)
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.work import Work
from tablewright.trainables.contract.memory import CONTEXT_BYTES, Card, StepMemory
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.retrieval.view import RetrievalView
from tablewright.trainables.training import gpu_memory
from tablewright.trainables.training.gpu_memory import GpuMemory
from tablewright.trainables.training.host_memory import HostMemory
from tests.placed_method import H100, OutOfMemoryError, PlacedConfig, PlacedTrainable, answer_as
from tests.planned_views import planned_views
from tests.toy_method import ToyTrainable
from tests.waiting import wait_for

GB = 1_000_000_000
L4 = Card("NVIDIA L4", 24 * GB)
QUIET = TrialHooks(on_progress=lambda progress: None, should_stop=lambda: False)


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store; what this process's GPU is made to answer ends with the test."""
    monkeypatch.setattr(gpu_memory, "_torch", gpu_memory._torch)
    return Store(str(tmp_path / "runs"))


def a_work(tmp_path, **fields):
    config = PlacedConfig(notes=str(tmp_path / "notes"), **fields)
    data = config.make_trainable().describe_data(config, None)
    views = planned_views(config, data, RetrievalView(split="test"))
    return Work(f"{config.seed:064d}", config, data, views, "a training", "study")


def on_gpu(tmp_path, share=1.0):
    return Runtime(None, str(tmp_path / "cache"), device="cuda", gpus=share)


# -- which part of a GPU


@pytest.mark.parametrize(
    ("num_bytes", "share"),
    [(4 * GB, 0.125), (17 * GB, 0.25), (18 * GB, 0.375), (27 * GB, 0.5), (60 * GB, 0.875), (90 * GB, 1.0)],
)
def test_a_training_gets_what_it_needs_and_a_margin(num_bytes, share):
    """In eighths of a GPU, and never more than a whole one."""
    need = MemoryNeed.counted(StepMemory(0, 0, num_bytes - ALLOWANCE_BYTES))
    assert share == share_for(need.enough_bytes, H100.memory_bytes)
    assert share == 1.0 or share * H100.memory_bytes >= 1.15 * num_bytes


def test_a_part_that_was_too_small_is_doubled_up_to_a_whole_gpu(tmp_path):
    """For the training and for all of its shape; a whole one has no larger part."""
    shares, work, alike = FixedShares(0.25), a_work(tmp_path), a_work(tmp_path, seed=1)
    other = a_work(tmp_path, learning_rate=0.3)
    assert shares.step_back(work, 0.25)
    assert [0.5, 0.5, 0.25] == [shares.gpus_of(one) for one in (work, alike, other)]
    assert shares.step_back(alike, 0.25)  # it had started before
    assert 0.5 == shares.gpus_of(work)
    assert shares.step_back(work, 0.5)
    assert 1.0 == shares.gpus_of(work)
    assert not shares.step_back(work, 1.0)
    assert not FixedShares(0.0).step_back(work, 0.0)


def test_other_seeds_are_packed_by_what_one_has_held(tmp_path, store):
    """What is recorded of a shape decides for all of it, in this sweep and in the next."""
    work = a_work(tmp_path, holds_bytes=17 * GB)
    shares = MemoryShares(store, str(tmp_path), lambda: [H100, L4], lambda: 8)
    assert 1.0 == shares.gpus_of(work)
    assert "done" == run_trial(work, store, on_gpu(tmp_path), QUIET).state
    shares.on_left(work)
    shares.on_done(work)
    record = store.training(work.training_id).record()
    assert (17 * GB + CONTEXT_BYTES, H100.memory_bytes) == (
        record.peak_memory_bytes,
        record.device_memory_bytes,
    )
    other_seed = a_work(tmp_path, holds_bytes=17 * GB, seed=1)
    other_row = a_work(tmp_path, holds_bytes=18 * GB)
    assert (0.875, 1.0) == (
        shares.gpus_of(other_seed),
        shares.gpus_of(other_row),
    )  # of the smaller of the two GPUs
    again = MemoryShares(store, str(tmp_path), lambda: [H100], lambda: 8)
    assert (0.375, 1.0) == (again.gpus_of(other_seed), again.gpus_of(other_row))
    assert 0.375 == again.smallest()


def test_what_was_enough_is_given_again(tmp_path, store):
    """torch keeps what it may: a training that has filled its part must not get a larger one each time."""
    part_bytes = H100.memory_bytes // 4
    work = a_work(tmp_path, holds_bytes=part_bytes - CONTEXT_BYTES)
    assert "done" == run_trial(work, store, on_gpu(tmp_path, 0.25), QUIET).state
    record = store.training(work.training_id).record()
    assert (part_bytes, part_bytes) == (record.peak_memory_bytes, record.memory_limit_bytes)
    shares = MemoryShares(store, str(tmp_path), lambda: [H100], lambda: 8)
    assert 0.25 == shares.gpus_of(a_work(tmp_path, holds_bytes=part_bytes - CONTEXT_BYTES, seed=1))


def test_what_is_unknown_waits_once_all_gpus_are_taken(tmp_path, store):
    """One more than there are GPUs is offered; the others may be known once one has ended."""
    works = [a_work(tmp_path, seed=seed) for seed in range(4)]
    shares = MemoryShares(store, str(tmp_path), lambda: [H100], lambda: 2)
    assert [1.0, 1.0, 1.0, None] == [shares.gpus_of(work) for work in works]
    shares.on_left(works[0])
    assert 1.0 == shares.gpus_of(works[3])


def test_where_no_gpu_is_known_by_its_kind_the_one_that_was_seen_counts(tmp_path, store):
    """A worker knows its GPU, though Ray may not."""
    work = a_work(tmp_path, holds_bytes=17 * GB)
    shares = MemoryShares(store, str(tmp_path), list, lambda: 1)
    assert 1.0 == shares.gpus_of(work)
    run_trial(work, store, on_gpu(tmp_path), QUIET)
    shares.on_done(work)
    assert 0.375 == shares.gpus_of(a_work(tmp_path, holds_bytes=17 * GB, seed=1))


# -- counted memory


class CountedConfig(PlacedConfig):
    METHOD = "counted"

    def make_trainable(self):
        return CountedTrainable()


class CountedTrainable(PlacedTrainable):
    """Its step takes 100 GB times its rate."""

    num_counted = 0

    def of_equal_memory(self, config):
        return config.model_copy(update={"seed": 0, "epochs": 1})

    def step_memory(self, config):
        CountedTrainable.num_counted += 1
        if config.learning_rate > 1:
            raise NotImplementedError("no such operation on fake tensors")
        return StepMemory(GB, 0, int(100 * GB * config.learning_rate))


def test_a_counted_training_needs_no_run_to_be_packed(tmp_path, store):
    """It is counted once a shape on a machine, with an allowance for what tensors are not."""
    config = CountedConfig(notes=str(tmp_path), learning_rate=0.13)
    need = need_of(config, {}, str(tmp_path))
    assert (17 * GB, False, "about 17 GB") == (need.num_bytes, need.is_recorded, str(need))
    longer = config.model_copy(update={"seed": 3, "epochs": 9})
    assert memory_shape(config) == memory_shape(longer)
    before = CountedTrainable.num_counted
    assert need == need_of(longer, {}, str(tmp_path))
    assert before == CountedTrainable.num_counted
    (kept,) = (tmp_path / "step_memory").iterdir()
    assert dataclasses.asdict(StepMemory(GB, 0, 13 * GB)) == json.loads(kept.read_text())
    seen = MemoryNeed(20 * GB, 23 * GB, is_recorded=True)
    recorded = need_of(config, {memory_shape(config): seen}, str(tmp_path))
    assert (20 * GB, True, "20 GB") == (recorded.num_bytes, recorded.is_recorded, str(recorded))


def test_a_training_waits_while_its_memory_is_counted(tmp_path, store):
    """Nothing else of the sweep does; then it gets what was counted."""
    config = CountedConfig(notes=str(tmp_path), learning_rate=0.14)
    work = dataclasses.replace(a_work(tmp_path), config=config)
    shares = MemoryShares(store, str(tmp_path), lambda: [H100], lambda: 1)
    given = []
    wait_for(lambda: given.append(shares.gpus_of(work)) or given[-1] is not None)
    assert [None, 0.375] == [given[0], given[-1]]


def test_a_method_that_cannot_be_counted_is_only_unknown(tmp_path, caplog):
    """What counting fails in is said, and nothing is refused for it."""
    config = CountedConfig(notes=str(tmp_path), learning_rate=2.0)
    assert need_of(config, {}, str(tmp_path)) is None
    refuse_small_cards([config], [L4], str(tmp_path))
    assert "no such operation on fake tensors" in caplog.text


def test_a_gpu_that_is_too_small_is_refused_before_anything_runs(tmp_path):
    """By the largest there is, and in words that say what would do."""
    fits, too_large = (
        CountedConfig(notes=str(tmp_path), learning_rate=rate, seed=seed)
        for rate, seed in ((0.2, 0), (0.235, 1))
    )
    refuse_small_cards([too_large], [], str(tmp_path))
    refuse_small_cards([too_large], [L4, H100], str(tmp_path))
    refuse_small_cards([fits, too_large], [L4], str(tmp_path))  # the worker tells of the other one
    with pytest.raises(
        ValueError, match="counted takes about 28 GB of a GPU's memory, and NVIDIA L4 has 24 GB: use"
    ):
        refuse_small_cards([too_large, fits], [L4], str(tmp_path))


def test_a_worker_with_too_small_a_gpu_says_so(tmp_path, store):
    """Where the driver did not know the GPUs, as of a cluster that starts its machines later."""
    config = CountedConfig(notes=str(tmp_path / "notes"), learning_rate=0.24)
    work = dataclasses.replace(a_work(tmp_path), config=config)
    answer_as(L4)
    outcome = run_trial(work, store, on_gpu(tmp_path), QUIET)
    assert "failed" == outcome.state
    assert "counted takes about 28 GB of a GPU's memory, and NVIDIA L4 has 24 GB" in outcome.message
    assert not (tmp_path / "notes").exists()


def test_the_gpus_of_a_machine_and_of_a_cluster_are_known():
    """By the driver's program, and by what Ray calls its machines."""
    here = cards_here(["printf", "NVIDIA L4, 23034\\nNVIDIA H100 80GB HBM3, 81559\\n"])
    assert [Card("NVIDIA L4", 23034 * MIB), Card("NVIDIA H100 80GB HBM3", 81559 * MIB)] == here
    assert [] == cards_here(["sh", "-c", "echo NVIDIA-SMI has failed; exit 9"])
    assert [] == cards_here(["/nowhere/nvidia-smi"])
    nodes = [
        {"Alive": True, "Resources": {"CPU": 8.0, "GPU": 1.0, "accelerator_type:L4": 1.0}},
        {"Alive": True, "Resources": {"CPU": 8.0, "GPU": 1.0, "accelerator_type:L4": 1.0}},
        {"Alive": False, "Resources": {"GPU": 1.0, "accelerator_type:H100": 1.0}},
        {"Alive": True, "Resources": {"CPU": 8.0, "accelerator_type:unheard-of": 1.0}},
    ]
    assert [Card("NVIDIA L4", 23034 * MIB)] == cards_of_nodes(nodes)


# -- what a process may hold, and has held


def test_a_share_is_a_limit_that_holds_cudas_own_memory_too(store, monkeypatch):
    """torch gets less than the share by what CUDA takes beside it; a whole GPU has no limit."""
    answer_as(H100)
    limits = []
    torch = gpu_memory._torch()
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", limits.append)
    monkeypatch.setattr(gpu_memory, "_torch", lambda needs_it=False: torch)
    for share in (0.25, 1.0, 2.0):
        GpuMemory().begin(share)
    assert [0.25 - CONTEXT_BYTES / H100.memory_bytes, 1.0, 1.0] == limits


def test_the_share_of_an_attempt_is_its_limit(tmp_path, store, monkeypatch):
    """Fractions that a person gave are limits as well, and are set before the training begins."""
    begun = []
    monkeypatch.setattr(GpuMemory, "begin", lambda self, share: begun.append(share))
    monkeypatch.setattr(ToyTrainable, "fit", lambda self, *_: begun.append("fit") or 0.1)
    monkeypatch.setattr(ToyTrainable, "load", lambda self, *_: 0.1)
    run_trial(a_work(tmp_path), store, on_gpu(tmp_path, 0.25), QUIET)
    assert [0.25, "fit"] == begun


def test_memory_goes_back_between_extraction_and_measuring(tmp_path, store, monkeypatch):
    """Ranking needs none of the GPU's, and others on it may."""
    order = []
    monkeypatch.setattr(GpuMemory, "give_back", lambda self: order.append("given back"))
    for name in ("extract", "measure"):
        plain = getattr(ToyTrainable, name)

        def noted(self, *arguments, name=name, plain=plain):
            order.append(name)
            return plain(self, *arguments)

        monkeypatch.setattr(ToyTrainable, name, noted)
    run_trial(a_work(tmp_path), store, on_gpu(tmp_path), QUIET)
    assert ["extract", "given back", "measure"] == order[:3]


def test_a_cpu_tells_what_the_process_has_held():
    """Of one training after another, each its own peak."""
    memory = HostMemory()
    memory.begin(1.0)
    before_bytes = memory.peak_bytes()
    held = bytearray(200_000_000)
    assert memory.peak_bytes() >= before_bytes + 150_000_000
    del held
    memory.begin(1.0)
    assert memory.peak_bytes() < before_bytes + 100_000_000
    assert (None, 0) == (memory.card(), memory.others_bytes())


def test_a_peak_is_of_the_attempt_that_has_trained(tmp_path, store, monkeypatch):
    """One that only measures what an earlier attempt trained has held less, and says nothing of it."""
    work = a_work(tmp_path, holds_bytes=17 * GB)
    measure = ToyTrainable.measure
    monkeypatch.setattr("tablewright.orchestrator.attempts.failed_attempt.fault_of_device", lambda: "")
    monkeypatch.setattr(ToyTrainable, "measure", lambda *_: 1 / 0)
    assert "failed" == run_trial(work, store, on_gpu(tmp_path), QUIET).state
    monkeypatch.setattr(ToyTrainable, "measure", measure)
    assert "done" == run_trial(work, store, on_gpu(tmp_path), QUIET).state
    assert 0 == store.training(work.training_id).record().peak_memory_bytes
    assert {} == recorded_needs(store)


# -- out of memory


@pytest.mark.parametrize(
    ("share", "others_bytes", "kind", "told"),
    [
        (0.5, 30 * GB, "memory", "CUDA out of memory"),
        (1.0, 30 * GB, "machine", "other processes, which are none of this sweep's, hold 30 GB of it"),
        (1.0, GB // 2, "memory", "it had the whole of NVIDIA H100, 80 GB"),
    ],
)
def test_whose_fault_it_is_that_memory_ran_out(tmp_path, store, monkeypatch, share, others_bytes, kind, told):
    """A part may be too small, a neighbour may have the rest, or the training is too large for the whole."""

    def fit(self, *arguments):
        raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(PlacedTrainable, "fit", fit)
    answer_as(H100, peak_bytes=40 * GB, others_bytes=others_bytes)
    with pytest.raises(MachineFault) as caught:
        run_trial(a_work(tmp_path), store, on_gpu(tmp_path, share), QUIET)
    assert kind == caught.value.failure.kind
    assert told in caught.value.failure.message
    assert "2.00 GiB were asked for" in caught.value.failure.message


def raised_from(cause):
    error = RuntimeError("the training step failed")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        raised_from(OutOfMemoryError("CUDA out of memory")),
        type("AcceleratorError", (RuntimeError,), {})("CUDA error: out of memory"),
        RuntimeError("python train.py … ended with exit code 1: torch.OutOfMemoryError: CUDA out of memory."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        type("XlaRuntimeError", (RuntimeError,), {})("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes."),
    ],
)
def test_a_device_that_is_full_is_known_in_every_librarys_words(error):
    """Wrapped in another error, printed by a script, told by CUDA, cuBLAS or JAX."""
    assert "memory" == kind_of(error)[0]


@pytest.mark.slow
def test_a_gpu_that_is_not_there_tells_nothing():
    """And stops nothing: what is wrong with it the training says itself."""
    memory = GpuMemory()
    memory.begin(0.5)
    memory.give_back()
    assert (0, None, 0) == (memory.peak_bytes(), memory.card(), memory.others_bytes())
