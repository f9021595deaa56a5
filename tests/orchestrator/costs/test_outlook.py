"""What is left of a plan, before anything is recorded and after."""

import shutil
from dataclasses import dataclass, replace

import pytest

from tablewright.orchestrator.costs import device_rates, outlook
from tablewright.orchestrator.costs.counted_work import CountedWork
from tablewright.orchestrator.costs.device_rates import DEVICE_RATES, expected_s, rate_of
from tablewright.orchestrator.costs.outlook import Machines, look_ahead, room_for_checkpoints
from tablewright.orchestrator.costs.prices import Prices
from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.plans.plan import make_plan
from tablewright.orchestrator.plans.planning import describe_with
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.project.study_loading import load_study
from tablewright.orchestrator.status import TrainingStatus
from tablewright.orchestrator.store.holding import Holding
from tablewright.orchestrator.store.store import Store
from tablewright.search_spaces.mdpr_ablation import base_config
from tablewright.trainables.contract.run import FINAL_CHECKPOINT, Runtime
from tablewright.trainables.contract.size import TrainingWork
from tests.orchestrator.toy_sweep import a_study

HELD = Holding(held_s=60.0, cpus=1.0, gpus=1.0, device="NVIDIA L4")
HERE = Machines((), is_this_one=True)


@dataclass
class Counts:
    """Says what toy trainings compute, and how often it was asked."""

    num_asked: int = 0

    def __call__(self, config, data):
        self.num_asked += 1
        return TrainingWork(1e12 * config.learning_rate, "fp32", round(1e6 * config.learning_rate))


def statuses_of(rows, seeds=(0, 1)):
    study = a_study(rows, seeds=seeds)
    plan = make_plan([study], DataResolver(describe_with(Runtime(None, "/nowhere"))))
    return [TrainingStatus(training, "to train") for training in plan.trainings.values()]


def recorded(status, wall_s, store, checkpoint_bytes=0):
    """Let a training be done; its checkpoint, if any, is in the store."""
    if checkpoint_bytes:
        with store.training(status.training.training_id).checkpoints.open_to_write(FINAL_CHECKPOINT) as file:
            file.write(bytes(checkpoint_bytes))
    return replace(status, state="done", wall_s=wall_s, epoch=3, holding=HELD)


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "runs"))


ROWS = [Row("a"), Row("b", {"learning_rate": 0.2}), Row("c", {"learning_rate": 0.4})]


def test_nothing_is_counted_where_every_row_has_a_record(store):
    """Counting a network takes time, and recorded times of the same row say more."""
    counts, statuses = Counts(), statuses_of(ROWS)
    some = [recorded(one, 60.0 * (1 + place), store) for place, one in enumerate(statuses[:3])]
    found = look_ahead([*some, *statuses[3:]], counts, HERE)
    assert 0 == counts.num_asked
    assert (3, 3, 3) == (found.num_left, found.num_forecast, found.num_recorded)
    assert pytest.approx(360.0, rel=0.15) == found.wall_s.likely
    assert pytest.approx(180.0, rel=0.01) == found.longest_s


def test_a_row_without_a_record_is_forecast_by_its_operations(store):
    """And one that was begun by what is left of it."""
    statuses = statuses_of(ROWS, seeds=(0,))
    begun = replace(statuses[2], state="started", epoch=2)
    done = [recorded(one, wall_s, store) for one, wall_s in zip(statuses[:2], (100.0, 200.0), strict=True)]
    found = look_ahead([*done, begun], Counts(), HERE)
    assert pytest.approx(400.0 / 3, rel=0.15) == found.wall_s.likely


def test_records_of_another_device_are_left_out(store):
    """A slower card tells nothing of the one that most were trained on."""
    statuses = statuses_of(ROWS, seeds=(0, 1))
    done = [recorded(one, 100.0, store) for one in statuses[:3]]
    slow = replace(
        recorded(statuses[3], 900.0, store), holding=HELD.model_copy(update={"device": "Tesla T4"})
    )
    found = look_ahead([*done, slow, *statuses[4:]], Counts(), HERE)
    assert (2, 3, HELD) == (found.num_forecast, found.num_recorded, found.held)
    assert pytest.approx(200.0, rel=0.1) == found.wall_s.likely


def test_a_cancelled_training_costs_nothing_more(store):
    """Neither time nor room, until somebody asks for it again."""
    statuses = [replace(one, state="cancelled") for one in statuses_of(ROWS)]
    assert 0 == look_ahead(statuses, Counts(), HERE).num_left
    assert 0 == room_for_checkpoints(statuses, store, Counts()).left_bytes


def test_before_anything_is_recorded_operations_are_told(store, monkeypatch):
    """By the price list's cards, or by a probe of this machine; half precision needs a card."""
    statuses = statuses_of(ROWS, seeds=(0,))
    monkeypatch.setattr(outlook, "measured_core_flops_per_s", lambda: 1e10)
    here = look_ahead(statuses, Counts(), HERE)
    assert (None, 3, {}) == (here.wall_s, len(here.works), here.by_device_s)
    assert here.on_core_s.low < 0.7e12 / 1e10 < here.on_core_s.high
    there = look_ahead(statuses, Counts(), Machines(("NVIDIA L4", "a card of tomorrow")))
    assert (None, ["NVIDIA L4"]) == (there.on_core_s, [*there.by_device_s])


def test_what_cannot_be_counted_is_left_unknown(store):
    """Rather than forecast by something else."""
    found = look_ahead(statuses_of(ROWS), lambda config, data: None, HERE)
    assert (6, 6, (), None) == (found.num_left, found.num_uncounted, found.works, found.wall_s)


def test_a_first_forecast_of_the_papers_study_is_what_was_counted_elsewhere():
    """2.3e19 operations of mdpr_ablation are 45 to 80 hours of an H100 by whole counted steps, and 200 of an L4."""
    works = [TrainingWork(2.3e19, "fp16", 0)]
    hours = {name: expected_s(works, rate_of(name)) * (1 / 3600) for name in ("NVIDIA H100", "NVIDIA L4")}
    assert hours["NVIDIA H100"].low < 45 < 80 < hours["NVIDIA H100"].high
    assert hours["NVIDIA L4"].low < 200 < hours["NVIDIA L4"].high


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA H100 PCIe", "H100 PCIe"),
        ("NVIDIA A10G", "A10G"),
        ("NVIDIA L40S", "L40S"),
        ("Tesla T4", "T4"),
        ("NVIDIA L400", None),
    ],
)
def test_a_device_is_found_by_the_name_that_its_driver_gives(device, expected):
    """And an unknown one is not taken for one that sounds alike."""
    found = rate_of(device)
    assert expected == (None if found is None else found.name)
    assert all(rate.single_flops_per_s < rate.half_flops_per_s for rate in DEVICE_RATES)


def test_machines_are_guessed_from_what_is_known(monkeypatch):
    """This machine's GPU, else those with a price, else usual ones: on a cluster this machine says nothing."""
    prices = Prices("USD", {"NVIDIA A100": 3.0, "abacus": 0.1}, {})
    monkeypatch.setattr(outlook, "describe_machine", lambda: {"gpus": "NVIDIA L4"})
    assert ["NVIDIA L4"] == Machines.expected(None, is_elsewhere=False).gpus
    assert ["NVIDIA A100"] == Machines.expected(prices, is_elsewhere=True).gpus
    monkeypatch.setattr(outlook, "describe_machine", dict)
    assert Machines.expected(None, is_elsewhere=False).is_this_one
    assert not Machines.expected(None, is_elsewhere=True).is_this_one


def test_a_core_is_measured_in_its_own_time():
    """In operations a second of one core, whatever else runs."""
    assert 1e8 < device_rates.measured_core_flops_per_s() < 1e13


def test_room_is_counted_by_recorded_checkpoints_then_by_weights(store, monkeypatch):
    """And a disc with less is named before it is full."""
    statuses = statuses_of(ROWS)
    some = [recorded(statuses[0], 60.0, store, checkpoint_bytes=5000), *statuses[1:]]
    room = room_for_checkpoints(some, store, Counts())
    assert (5000, 5000 + 2 * (200_000 + 400_000), 0) == (room.kept_bytes, room.left_bytes, room.num_unknown)
    assert not room.is_too_little
    monkeypatch.setattr(shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(10, 9, 1))
    assert room_for_checkpoints(some, store, Counts()).is_too_little
    unknown = room_for_checkpoints(statuses, store, lambda config, data: None)
    assert (0, 6) == (unknown.left_bytes, unknown.num_unknown)


def test_a_row_is_counted_once_whatever_the_number_of_its_seeds(store):
    """A plan of a thousand cells asks no more than one of ten."""
    asked: list[int] = []
    for num_seeds in (1, 40):
        counts, statuses = Counts(), statuses_of(ROWS, seeds=range(num_seeds))
        look_ahead([recorded(statuses[0], 60.0, store), *statuses[1:]], counts, HERE)
        asked.append(counts.num_asked)
    assert asked[0] == asked[1]


@pytest.mark.slow
def test_a_network_is_counted_once_on_a_machine(tmp_path, monkeypatch):
    """Seeds share it, and so does the next command; a study of the papers costs no minutes."""
    config = base_config(Profile.DEMO)
    trainable = config.make_trainable()
    data = trainable.describe_data(config, Runtime(None, str(tmp_path)))
    work = CountedWork(str(tmp_path))(config, data)
    monkeypatch.setattr(type(trainable), "work", None)
    assert work == CountedWork(str(tmp_path))(config.model_copy(update={"seed": 7}), data)
    num_images = 4 * 64 * config.optimisation.num_epochs  # an epoch has every person once
    assert pytest.approx(6 * trainable.size(config).multiply_adds * num_images, rel=0.02) == work.flops


@pytest.mark.slow
def test_whole_papers_are_counted_by_what_they_compute(tmp_path):
    """On Market-1501 a training of MDPR is some 2e17 operations: 60 epochs of 12,936 images of 93 GFLOP, thrice."""
    study = load_study("mdpr_ablation", Profile.PAPER, None)
    config = base_config(Profile.PAPER)
    facts = a_market(config, tmp_path)
    assert study.profile is Profile.PAPER
    work = CountedWork(str(tmp_path))(config, facts)
    assert pytest.approx(60 * 12_936 * 3 * 93.4e9, rel=0.02) == work.flops
    assert ("fp16", pytest.approx(0.66e9, rel=0.02)) == (work.precision, work.checkpoint_bytes)


def a_market(config, cache_dir):
    demo = base_config(Profile.DEMO)
    facts = demo.make_trainable().describe_data(demo, Runtime(None, str(cache_dir)))
    return replace(facts, name=config.dataset_name(), num_images={"train": 12_936})
