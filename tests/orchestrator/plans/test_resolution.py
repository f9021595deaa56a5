"""Which training a config is: by the data that are there, by records of earlier versions, by the store alone."""

import dataclasses
import datetime

import pytest

from tablewright.orchestrator.identity import training_id, view_id
from tablewright.orchestrator.plans.resolution import DataResolver, StoreResolver, remember_data
from tablewright.orchestrator.store.data_records import DataRecord
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_records import TrainingRecord
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.view import ViewResult
from tablewright.trainables.retrieval.view import RetrievalView
from tests.toy_method import ToyConfig

VIEW = RetrievalView()
MULTIPLE = RetrievalView(query="multiple")
NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
SPLITS = {"train": "t1", "query": "q1", "gallery": "g1"}
FACTS = DatasetFacts(
    "toyset",
    "Toyset",
    "t1",
    True,
    {"train": 10, "query": 3},
    split_fingerprints=SPLITS,
    earlier_fingerprints={"whole": ("train", "query", "gallery")},
)


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "runs"))


def refuse(config):
    raise ValueError(f"{config.dataset_name()} is not there")


def changed(**splits):
    return dataclasses.replace(
        FACTS,
        fingerprint=splits.get("train", "t1"),
        split_fingerprints={**SPLITS, **splits},
        earlier_fingerprints={},
    )


def record(store, config, fingerprint, *views, **facts):
    """Write a finished training by hand, as an earlier version named it; gives its id."""
    identity = training_id(config, fingerprint)
    folder = store.training(identity)
    for view in views:
        folder.write_measurement(view, view_id(view), ViewResult({"map": 0.5}, {}))
    data = DataRecord(
        name="toyset", label="Toyset", fingerprint=fingerprint, is_demo=True, num_images={}, **facts
    )
    folder.write_record(
        TrainingRecord(
            training_id=identity,
            method=config.METHOD,
            method_version=config.VERSION,
            label="toy",
            study="toy",
            config=config.model_dump(mode="json"),
            data=data,
            started_at=NOW,
            ended_at=NOW,
            attempts=1,
            num_epochs=3,
            train_wall_s=1.0,
            measure_wall_s=1.0,
            host="here",
            device="cpu",
            git_commit="",
            versions={},
        )
    )
    return identity


def ids(resolver, config=None, view=VIEW):
    resolved = resolver.resolve(config or ToyConfig())
    return resolved.training_id, resolver.view_id(resolved, view)


# -- by the data that are there


def test_other_images_to_measure_on_are_another_measurement_of_the_same_training():
    """A gallery that has grown is measured on again, and trains nothing."""
    before, after = (
        ids(DataResolver(lambda config, facts=facts: facts)) for facts in (FACTS, changed(gallery="g2"))
    )
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_a_view_is_the_same_whatever_it_does_not_read():
    """Hand-drawn boxes are of multiple queries alone."""
    with_boxes = changed(multiple_query="m1")
    before, after = (DataResolver(lambda config, facts=facts: facts) for facts in (FACTS, with_boxes))
    assert ids(before) == ids(after)
    assert ids(before, view=MULTIPLE) != ids(after, view=MULTIPLE)


def test_other_images_to_train_on_are_another_training():
    """An id says what was trained on."""
    before, after = (
        ids(DataResolver(lambda config, facts=facts: facts)) for facts in (FACTS, changed(train="t2"))
    )
    assert before[0] != after[0]


# -- records of earlier versions


def test_a_record_of_an_earlier_version_is_found_with_its_measurements(store):
    """Its id covered all files; as long as these are there it is neither trained nor measured again."""
    earlier = record(store, ToyConfig(), "whole", VIEW)
    assert (earlier, view_id(VIEW)) == ids(DataResolver(lambda config: FACTS, store))


def test_a_view_that_reads_more_than_an_earlier_version_had_is_measured_anew(store):
    """Boxes that were added since make other multiple queries, of the same training."""
    earlier = record(store, ToyConfig(), "whole", VIEW, MULTIPLE)
    facts = dataclasses.replace(FACTS, split_fingerprints={**SPLITS, "multiple_query": "m1"})
    resolver = DataResolver(lambda config: facts, store)
    assert (earlier, view_id(VIEW)) == ids(resolver)
    assert (earlier, view_id(MULTIPLE)) != ids(resolver, view=MULTIPLE)
    assert earlier == ids(resolver, view=MULTIPLE)[0]


def test_a_record_of_this_version_goes_before_an_earlier_one(store):
    """Of two records of one config the one that says what it trained on is the training."""
    record(store, ToyConfig(), "whole", VIEW)
    own = record(store, ToyConfig(), "t1")
    assert own == ids(DataResolver(lambda config: FACTS, store))[0]


# -- by the store alone


def test_what_a_sweep_found_is_read_without_the_data(store):
    """After a sweep every id is known on a machine that has no data set, and one that has another."""
    with_data = DataResolver(lambda config: FACTS, store)
    remember_data("toy", [ToyConfig()], with_data, store)
    for describe in (refuse, lambda config: changed(train="t9", gallery="g9")):
        assert ids(with_data, ToyConfig(seed=7)) == ids(StoreResolver(store, describe), ToyConfig(seed=7))


def test_remembering_the_same_writes_nothing(store, tmp_path):
    """Running again changes no file."""
    resolver = DataResolver(lambda config: FACTS, store)
    remember_data("toy", [ToyConfig()], resolver, store)
    (file,) = (tmp_path / "runs/data").iterdir()
    before = file.stat().st_mtime_ns
    remember_data("toy", [ToyConfig()], resolver, store)
    assert before == file.stat().st_mtime_ns


def test_what_is_remembered_of_rows_that_a_study_had_once_stays(store):
    """A row that is taken out and put back finds its records without the data."""
    row = ToyConfig(learning_rate=0.3)
    with_data = DataResolver(lambda config: FACTS, store)
    remember_data("toy", [ToyConfig(), row], with_data, store)
    remember_data("toy", [ToyConfig()], with_data, store)
    assert ids(with_data, row) == ids(StoreResolver(store, refuse), row)


def test_a_store_of_an_earlier_version_is_read_without_the_data(store):
    """Its records say under which data they were made, the newest first."""
    recorded = ToyConfig(seed=3)
    identity = record(store, recorded, "whole", VIEW)
    assert (identity, view_id(VIEW)) == ids(StoreResolver(store, refuse), recorded)


def test_a_config_that_nothing_is_known_of_is_a_hole(store):
    """A row that was never swept has a training that nobody has recorded; reading goes on."""
    record(store, ToyConfig(), "whole", VIEW)
    unknown = ids(StoreResolver(store, refuse), ToyConfig(learning_rate=0.9))[0]
    assert not store.training(unknown).is_done()


def test_a_damaged_note_of_the_data_stops_nobody(store, tmp_path):
    """Without it the records themselves are asked."""
    identity = record(store, ToyConfig(), "whole", VIEW)
    remember_data("toy", [ToyConfig()], DataResolver(lambda config: FACTS, store), store)
    (file,) = (tmp_path / "runs/data").iterdir()
    file.write_text(file.read_text(encoding="utf-8")[:40], encoding="utf-8")
    assert identity == ids(StoreResolver(store, refuse))[0]
