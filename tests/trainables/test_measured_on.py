"""Images that are only measured on: added after a training, they are measured, and nothing is trained again."""

import dataclasses
import shutil

import pytest
from PIL import Image

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.inline_backend import InlineBackend
from tablewright.orchestrator.plans.planning import plan_as_recorded
from tablewright.orchestrator.run import run_sweep
from tablewright.orchestrator.status import read_status
from tablewright.orchestrator.store.store import Store
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.reidentification import method as reidentification
from tablewright.trainables.retrieval.view import MAP, RANK1, RetrievalView
from tests.orchestrator.toy_sweep import Events
from tests.trainables.tiny_reid import TinyConfig, tiny_runtime

MARKET = Dataset("Market-1501")
WITH_DISTRACTORS = Dataset("Market-1501+500k", {"data.dataset": "market1501_500k"})
SINGLE, MULTIPLE = RetrievalView(), RetrievalView(query="multiple")


def a_study(datasets, view=SINGLE):
    table = Ablation("plain", "Plain", TinyConfig(), datasets, [Row("tiny")], view, [MAP, RANK1])
    return Study("tiny", "Tiny", "nowhere", (0,), [table])


class Sweeps:
    """Sweeps one data root into one store, each time as a new process would."""

    def __init__(self, folder):
        self.runtime = tiny_runtime(folder)
        self.store = Store(str(folder / "runs"))
        self.market = folder / "data" / "Market-1501-v15.09.15"
        self._storage = f"sqlite:///{folder}/optuna.db"

    def __call__(self, *studies):
        reidentification._load_once.cache_clear()  # a process reads a data set once
        events = Events()
        result = run_sweep(
            studies,
            store=self.store,
            runtime=self.runtime,
            backend=InlineBackend(),
            search_storage=self._storage,
            listeners=lambda plan, statuses: [events],
        )
        assert result.is_complete
        return result, events

    def add(self, folder, name):
        """Write an image of one colour."""
        (self.market / folder).mkdir(exist_ok=True)
        Image.new("RGB", (16, 32), (90, 10, 30)).save(self.market / folder / name)


@pytest.fixture
def sweeps(tmp_path):
    return Sweeps(tmp_path)


def measured(store, result):
    """Each cell's data set, its training and how many queries it was measured on."""
    found = []
    for cell in result.plan.cells:
        measurement = store.training(cell.training_id).measurement(cell.view_id)
        found.append((cell.dataset, cell.training_id, measurement.num_measured, measurement.data_label))
    return found


@pytest.mark.slow
def test_columns_that_train_on_the_same_images_train_once(sweeps):
    """Market-1501 with its distractors is Market-1501 as far as a training goes."""
    sweeps.add("images", "0000_c1s1_000001_00.jpg")
    result, events = sweeps(a_study([MARKET, WITH_DISTRACTORS]))
    assert 1 == len(result.plan.trainings)
    assert 1 == len(events.started)
    (plain, large) = measured(sweeps.store, result)
    assert plain[1] == large[1]
    assert ("Market-1501", "Market-1501+500k") == (plain[3], large[3])


@pytest.mark.slow
def test_distractors_that_are_added_later_are_measured_and_train_nothing(sweeps):
    """The training stays; its further column is measured from its weights."""
    first, _ = sweeps(a_study([MARKET]))
    sweeps.add("images", "0000_c1s1_000001_00.jpg")
    later, events = sweeps(a_study([MARKET, WITH_DISTRACTORS]))
    assert list(first.plan.trainings) == list(later.plan.trainings)
    assert [] == events.epochs
    sweeps.add("images", "0000_c2s1_000002_00.jpg")
    last, events = sweeps(a_study([MARKET, WITH_DISTRACTORS]))
    assert [] == events.epochs
    assert later.plan.cells[0].view_id == last.plan.cells[0].view_id
    assert later.plan.cells[1].view_id != last.plan.cells[1].view_id


@pytest.mark.slow
def test_hand_drawn_boxes_that_are_added_later_are_measured_and_train_nothing(sweeps):
    """They make other multiple queries; single queries are what they were."""
    studies = [a_study([MARKET]), dataclasses.replace(a_study([MARKET], MULTIPLE), name="tiny_multiple")]
    first, _ = sweeps(*studies)
    sweeps.add("gt_bbox", "0007_c1s1_000900_00.jpg")
    later, events = sweeps(*studies)
    assert [] == events.epochs
    single, multiple = ({plan.cells[place].view_id for plan in (first.plan, later.plan)} for place in (0, 1))
    assert (1, 2) == (len(single), len(multiple))


@pytest.mark.slow
def test_another_query_image_is_measured_and_trains_nothing(sweeps):
    """What is tested on is no part of what was trained."""
    sweeps(a_study([MARKET]))
    sweeps.add("query", "0008_c2s1_000777_00.jpg")
    result, events = sweeps(a_study([MARKET]))
    assert [] == events.epochs
    assert [("Market-1501", result.plan.cells[0].training_id, 4, "Market-1501")] == measured(
        sweeps.store, result
    )


@pytest.mark.slow
def test_another_training_image_trains_again(sweeps):
    """What is trained on is."""
    first, _ = sweeps(a_study([MARKET]))
    sweeps.add("bounding_box_train", "0003_c1s1_000777_00.jpg")
    later, events = sweeps(a_study([MARKET]))
    assert set(first.plan.trainings).isdisjoint(later.plan.trainings)
    assert events.epochs


@pytest.mark.slow
def test_a_finished_store_is_read_where_there_is_no_data(sweeps, tmp_path):
    """States and ids come from the store, with a data root that is empty, and with none."""
    result, _ = sweeps(a_study([MARKET]))
    shutil.rmtree(tmp_path / "data")
    reidentification._load_once.cache_clear()
    for data_root in (str(tmp_path), None):
        plan = plan_as_recorded(
            [a_study([MARKET])], sweeps.store, Runtime(data_root, str(tmp_path / "elsewhere"))
        )
        assert result.plan.cells == plan.cells
        assert ["done"] == [status.state for status in read_status(plan, sweeps.store)]
