"""A folder of one's own in a study: from a value in the file to the table, on the inline backend."""

import shutil
import typing
from dataclasses import dataclass, replace
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.changes import apply_changes
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.declared.size_table import SizeRow, SizeTable
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.inline_backend import InlineBackend
from tablewright.orchestrator.plans.planning import plan_as_recorded, plan_with_data
from tablewright.orchestrator.run import run_sweep
from tablewright.orchestrator.store.store import Store
from tablewright.reports.ablation_table import build_table
from tablewright.reports.frame import read_cells
from tablewright.reports.size_table import build_size_table
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.data.reid import DatasetName
from tablewright.trainables.mgn import demo_config
from tablewright.trainables.reidentification import method as reidentification
from tablewright.trainables.retrieval.view import MAP, RetrievalView
from tablewright.trainables.value.refusal import Refusal
from tests.trainables.tiny_folders import OCCLUDED_DUKE, VERI, save_jpeg, write_occluded_duke, write_veri
from tests.trainables.tiny_reid import TinyConfig, write_tiny_market

SHORT = {"optimisation.num_epochs": 1, "optimisation.warmup_steps": 0}


def a_study(*datasets):
    columns = [Dataset(one.label, {"data.dataset": one, **SHORT}) for one in datasets]
    table = Ablation("rows", "Two data sets", TinyConfig(), columns, [Row("tiny")], RetrievalView(), [MAP])
    return Study("own", "Own", "nowhere", (0,), [table])


@dataclass
class Folder:
    """A project with its data, its store and what is run in it."""

    root: Path

    @property
    def store(self):
        return Store(str(self.root / "runs"))

    @property
    def runtime(self):
        reidentification._load_once.cache_clear()  # as in a new process
        return Runtime(str(self.root / "data"), str(self.root / "cache"))

    def sweep(self, study):
        """Run it; gives how many trainings it made."""
        before = len(self.store.training_ids())
        result = run_sweep(
            [study],
            store=self.store,
            runtime=self.runtime,
            backend=InlineBackend(),
            search_storage=f"sqlite:///{self.root}/optuna.db",
            listeners=lambda plan, statuses: [],
        )
        assert result.is_complete
        return len(self.store.training_ids()) - before

    def table(self, study):
        """Read its table from the records alone."""
        plan = plan_as_recorded([study], self.store, Runtime(None, str(self.root / "cache")))
        return build_table(plan, study.name, "rows", read_cells(plan, self.store))


@pytest.fixture
def folder(tmp_path):
    write_occluded_duke(tmp_path / "data")
    write_veri(tmp_path / "data")
    return Folder(tmp_path)


@pytest.mark.slow
def test_two_folders_are_two_columns_of_a_table(folder):
    """A study's file is all there is; the table stands without the data, and its notes speak of nobody's numbers."""
    study = a_study(OCCLUDED_DUKE, VERI)
    assert 2 == folder.sweep(study)
    shutil.rmtree(folder.root / "data")
    table = folder.table(study)
    assert ["Occluded-Duke", "VeRi-776"] == [column.dataset for column in table.columns]
    assert ["done", "done"] == [cell.state for row in table.rows for cell in row.cells]
    assert "Two data sets" == table.caption
    assert "VeRi-776: 3 queries measured." in table.source_notes
    assert not any("published" in note for note in table.source_notes)


@pytest.mark.slow
def test_a_new_label_trains_and_measures_nothing_again(folder):
    """Whoever spells a data set otherwise in a later version of the paper has her numbers still."""
    assert 1 == folder.sweep(a_study(VERI))
    (training,) = (folder.store.training(identity) for identity in folder.store.training_ids())
    before = training.measured_views()
    relabelled = a_study(VERI.model_copy(update={"label": "VeRi"}))
    assert 0 == folder.sweep(relabelled)
    assert before == training.measured_views()
    assert ["done"] == [cell.state for row in folder.table(relabelled).rows for cell in row.cells]


@pytest.mark.slow
def test_images_that_are_only_measured_on_train_nothing_again(folder):
    """A gallery that grows is measured anew, by the weights that are there; other training images are trained on."""
    assert 1 == folder.sweep(a_study(VERI))
    (training,) = (folder.store.training(identity) for identity in folder.store.training_ids())
    save_jpeg(folder.root / "data/VeRi/image_test/0009_c001_00000001_0.jpg", 9)
    assert 0 == folder.sweep(a_study(VERI))
    assert 2 == len(training.measured_views())
    save_jpeg(folder.root / "data/VeRi/image_train/0001_c001_00000001_0.jpg", 1)
    assert 1 == folder.sweep(a_study(VERI))


def test_what_is_wrong_with_the_folders_of_a_study_is_told_at_once(folder):
    """A plan names every folder that is not there, and trains nothing."""
    absent = [one.model_copy(update={"folder": f"{one.folder}s"}) for one in (OCCLUDED_DUKE, VERI)]
    with pytest.raises(ValueError, match="is not in the data root") as refusal:
        plan_with_data([a_study(*absent)], folder.store, folder.runtime)
    assert ["Occluded-Duke", "VeRi-776"] == [line.split()[0] for line in str(refusal.value).splitlines()]
    assert "did you mean VeRi/?" in str(refusal.value)


def test_what_is_wrong_with_a_folder_is_told_of_its_column():
    """A label of a built-in data set is refused with the study, which knows where it stands."""
    with pytest.raises(Refusal, match="'Market-1501' is that of a built-in data set"):
        a_study(VERI.model_copy(update={"label": "Market-1501"}))


@pytest.mark.slow
def test_a_size_table_says_whose_number_of_people_it_counts():
    """Of a folder nobody has published any."""
    config = apply_changes(demo_config(), {"data.dataset": VERI})
    sizes = SizeTable("sizes", "Sizes", [SizeRow("MGN", config)])
    table = build_size_table(Study("own", "Own", "nowhere", (0,), [], sizes=[sizes]), sizes, ())
    assert (
        "Of the data set of “MGN” no number of classes is published: the classifiers are counted for Market-1501's "
        "751 people."
    ) == table.source_notes[-1]


@pytest.mark.slow
def test_optuna_shows_named_data_sets_by_name_and_folders_by_their_row(folder):
    """A name has the choices it always had, or databases of earlier versions would be left behind."""
    write_tiny_market(folder.root / "data")
    named = Dataset("Market", {"data.dataset": "market1501", **SHORT})
    own = a_study(VERI)
    table = replace(own.ablations[0], datasets=(named, *own.ablations[0].datasets))
    folder.sweep(replace(own, ablations=(table,)))
    trials = optuna.load_study(study_name="own", storage=f"sqlite:///{folder.root}/optuna.db").trials
    assert [("market1501", CategoricalDistribution(typing.get_args(DatasetName))), (None, None)] == [
        (trial.params.get("data.dataset"), trial.distributions.get("data.dataset")) for trial in trials
    ]
    assert "rows: tiny [VeRi-776] seed 0" == trials[1].user_attrs["row"]
