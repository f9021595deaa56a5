"""A re-identification data set of one's own is a value in the study, read as the built-in ones are."""

import re
import shutil

import pytest

from tablewright.orchestrator.identity import training_id
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.data.market_layout import DUKE_FILE_NAME
from tablewright.trainables.data.reid import ReidData, load_dataset, published_num_pids
from tablewright.trainables.data.reid_folder import ReidFolder
from tablewright.trainables.reidentification import method as reidentification
from tablewright.trainables.retrieval.view import RetrievalView
from tablewright.trainables.value.refusal import Refusal
from tests.trainables.tiny_folders import (
    OCCLUDED_DUKE,
    SHOTS,
    VERI,
    save_jpeg,
    write_occluded_duke,
    write_veri,
)
from tests.trainables.tiny_reid import Journal, LocalFolder, TinyConfig, fit_through


@pytest.fixture
def data_root(tmp_path):
    root = tmp_path / "data"
    write_occluded_duke(root)
    write_veri(root)
    return root


def tiny(dataset, **changes):
    """The tiny method on a folder, two steps long."""
    config = TinyConfig()
    data = config.data.model_copy(update={"dataset": dataset, **changes})
    optimisation = config.optimisation.model_copy(update={"num_epochs": 1, "warmup_steps": 0})
    return config.model_copy(update={"data": data, "optimisation": optimisation})


@pytest.mark.slow
@pytest.mark.parametrize("dataset", [OCCLUDED_DUKE, VERI], ids=lambda dataset: dataset.label)
def test_a_folder_is_found_trained_on_and_measured(data_root, tmp_path, dataset):
    """From file names to a metric: nothing but the value in the config says which data set it is."""
    config, runtime = tiny(dataset), Runtime(str(data_root), str(tmp_path / "cache"))
    trainable = config.make_trainable()
    facts = trainable.describe_data(config, runtime)
    assert (f"{dataset.folder}/", dataset.label, False, ()) == (
        facts.name,
        facts.label,
        facts.is_demo,
        facts.warnings,
    )
    assert config.dataset_name() == facts.name
    trainable.prepare_data(config, runtime)
    network = fit_through(config, runtime, LocalFolder(tmp_path / "checkpoints"), Journal())
    view = RetrievalView()
    extraction = trainable.extract(config, runtime, network, "test", [view])
    result = trainable.measure([(config, extraction)], view)
    assert 3 == len(extraction.query.names)
    assert all(0 < result.metrics[name] <= 1 for name in ("map", "rank1"))


def test_names_give_person_and_camera(data_root, tmp_path):
    """By the pattern's groups: a zero-padded camera of two digits, a distractor of the gallery; lists are no images."""
    veri = load_dataset(VERI, str(data_root), str(tmp_path))
    assert [(1, 17), (1, 18), (1, 19), (1, 20)] == [(r.pid, r.camid) for r in veri.splits["train"][:SHOTS]]
    duke = load_dataset(OCCLUDED_DUKE, str(data_root), str(tmp_path))
    assert [0, *([7] * SHOTS), *([8] * SHOTS), *([9] * SHOTS)] == [r.pid for r in duke.splits["gallery"]]


def test_junk_is_left_out_by_a_pattern_of_ones_own(data_root, tmp_path):
    """Person -1 is measured by nobody, as in Market-1501."""
    before = load_dataset(VERI, str(data_root), str(tmp_path)).splits
    save_jpeg(data_root / "VeRi/image_test/-1_c002_00000001_0.jpg", 1)
    pattern = VERI.file_name.replace(r"\d{4}", r"-1|\d{4}")
    assert (
        before
        == load_dataset(VERI.model_copy(update={"file_name": pattern}), str(data_root), str(tmp_path)).splits
    )


def test_a_folder_may_have_any_name(data_root, tmp_path):
    """One that holds distractors in Market-1501, such as `images/`, holds people here; query and gallery may be one."""
    before = load_dataset(VERI, str(data_root), str(tmp_path)).splits
    for old, new in (("image_train", "images"), ("image_test", "test/gt_bbox")):
        (data_root / "VeRi" / new).parent.mkdir(exist_ok=True)
        (data_root / "VeRi" / old).rename(data_root / "VeRi" / new)
    moved = VERI.model_copy(update={"train": "images", "query": "test/gt_bbox", "gallery": "test/gt_bbox"})
    after = load_dataset(moved, str(data_root), str(tmp_path)).splits
    assert {split: [record.pid for record in before[split]] for split in ("train", "gallery")} == {
        split: [record.pid for record in after[split]] for split in ("train", "gallery")
    }
    assert after["query"] == after["gallery"]


def test_people_are_held_out_as_from_a_named_data_set(data_root, tmp_path):
    """`train_without_val` leaves the same share of people out, and they can be measured on."""
    dataset = load_dataset(VERI, str(data_root), str(tmp_path), train_split="train_without_val")
    people = {split: {record.pid for record in records} for split, records in dataset.splits.items()}
    assert 2 == len(people["val_query"])
    assert set(range(1, 7)) == people["train"] | people["val_query"]
    assert set() == people["train"] & people["val_query"]
    with pytest.raises(ValueError, match=r"split 'val' of VeRi/ cannot be measured"):
        ReidData(dataset=VERI).require_split("val")
    ReidData(dataset=VERI, train_split="train_without_val").require_split("val")


def test_another_label_is_the_same_training(data_root, tmp_path):
    """A label is printed and changes no weight; another folder or other images are another training."""

    def trained(dataset):
        config = tiny(dataset).as_trained()
        facts = config.make_trainable().describe_data(config, Runtime(str(data_root), str(tmp_path)))
        return training_id(config, facts.fingerprint)

    relabelled = VERI.model_copy(update={"label": "VeRi"})
    assert trained(VERI) == trained(relabelled)
    assert tiny(VERI) != tiny(relabelled)
    assert tiny(VERI).dataset_name() == tiny(relabelled).dataset_name()
    assert tiny(VERI).as_trained() == tiny(VERI).as_trained().as_trained()
    shutil.copytree(data_root / "VeRi", data_root / "VeRi_copy")
    copy = VERI.model_copy(update={"folder": "VeRi_copy"})
    assert trained(VERI) != trained(copy)
    before = trained(copy)
    save_jpeg(data_root / "VeRi_copy/image_train/0001_c005_00000001_0.jpg", 1)
    reidentification._load_once.cache_clear()  # as in a new process
    assert before != trained(copy)


def test_a_folder_survives_being_written_as_json():
    """A record's config is read back as the value that it was."""
    data = ReidData(dataset=OCCLUDED_DUKE)
    assert data == ReidData.model_validate_json(data.model_dump_json())
    assert ReidData(dataset="dukemtmc") == ReidData.model_validate_json('{"dataset": "dukemtmc"}')


def test_a_compiled_pattern_is_its_text():
    """Two spellings of one pattern are one training; a pattern's flags are never lost in silence."""
    spelt = ReidFolder(label="x", folder="y", file_name=DUKE_FILE_NAME.pattern)
    assert spelt == ReidFolder("x", "y", file_name=DUKE_FILE_NAME)
    for pattern in (re.compile(DUKE_FILE_NAME.pattern, re.IGNORECASE), re.compile(rb"(?P<pid>)(?P<camid>)")):
        with pytest.raises(Refusal, match="of text, without flags, is needed"):
            ReidFolder("x", "y", file_name=pattern)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"file_name": r"(?P<pid>\d+)_c(\d)\.jpg"},
            r"file_name: .*groups pid and camid.* lacks \(\?P<camid>…\)",
        ),
        ({"file_name": r"\d+\.jpg"}, r"lacks \(\?P<pid>…\) and \(\?P<camid>…\)"),
        ({"file_name": r"(?P<pid>\d+"}, r"which is none: missing \), unterminated subpattern at position 0"),
        ({"file_name": 3}, "file_name: a string is needed; got 3"),
        ({"folder": "/data/VeRi"}, r"folder: a path below the data root is needed.*place on one machine"),
        ({"folder": "~/VeRi"}, "place on one machine"),
        ({"folder": "C:/VeRi"}, "place on one machine"),
        ({"folder": "VeRi\\images"}, "has a backslash"),
        ({"folder": "../VeRi"}, "leads out of it"),
        ({"folder": "a/../../VeRi"}, "leads out of it"),
        ({"folder": ""}, "has an empty part"),
        ({"folder": "VeRi/"}, "has an empty part"),
        ({"folder": "."}, r"one that is '\.'"),
        ({"folder": "Ve\nRi"}, "is a line break"),
        ({"folder": "V" * 200}, "has 200 signs or more"),
        ({"train": "/images"}, "train: a path below the data set's folder is needed"),
        ({"query": "../query"}, "query: .*leads out of it"),
        ({"gallery": "a\\b"}, "gallery: .*has a backslash"),
        ({"train": "query"}, "train and query are both 'query'"),
        ({"gallery": "query/all"}, "query 'query' and gallery 'query/all' lie within each other"),
        ({"label": " "}, "label: a label is printed"),
        ({"galery": "test"}, "did you mean 'gallery'"),
    ],
)
def test_what_cannot_be_meant_is_refused_where_it_is_written(fields, message):
    """A pattern, a path or a label is refused before anything is looked for."""
    with pytest.raises(Refusal, match=message):
        ReidFolder(**{"label": "VeRi-776", "folder": "VeRi", **fields})


@pytest.mark.parametrize("label", ["Market-1501", "market1501", "Demo pedestrians"])
def test_the_label_of_a_built_in_data_set_is_not_taken(label):
    """A table would show other images under a published data set's name."""
    with pytest.raises(Refusal, match=f"'{label}' is that of a built-in data set"):
        ReidData(dataset=ReidFolder(label, "somewhere"))


def test_a_name_that_is_no_data_sets_is_told_that_a_folder_may_stand_there():
    """Whoever writes the name of her data set learns what to write."""
    with pytest.raises(Refusal, match="or a ReidFolder is needed; got 'veri'"):
        ReidData(dataset="veri")
    with pytest.raises(Refusal, match="VeRi/ has one split"):
        ReidData(dataset=VERI, fold=3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"folder": "Veri"},
            r"missing Veri/image_train/, .*data holds Occluded_Duke/, VeRi/ \(did you mean VeRi/\?\)",
        ),
        (
            {"folder": "VeRi/images"},
            r"VeRi holds image_query/, .*To get the data set, unpack it there, or correct",
        ),
        ({"query": "images_query"}, r"missing VeRi/images_query/; .*did you mean image_query/\?"),
    ],
)
def test_a_missing_folder_is_named_with_what_is_there(data_root, tmp_path, changes, message):
    """What was meant is guessed where it can be."""
    with pytest.raises(ValueError, match=message):
        load_dataset(VERI.model_copy(update=changes), str(data_root), str(tmp_path))


def test_a_pattern_that_fits_no_name_is_told_with_the_one_that_does(data_root, tmp_path):
    """How many images, which first, what was expected, and whose names they are."""
    with pytest.raises(ValueError, match="cannot be read") as refusal:
        load_dataset(ReidFolder("Occluded-Duke", "Occluded_Duke"), str(data_root), str(tmp_path))
    message = str(refusal.value)
    assert "24 images (bounding_box_train/0001_c1_f0046985.jpg, " in message
    assert "and 19 more) not named as (?P<pid>-1|" in message
    assert 3 == message.count("and no other beside them is; they are named as DUKE_FILE_NAME")


def test_a_pattern_that_fits_some_names_only_is_told_with_how_many(data_root, tmp_path):
    """Images that it misses are never left out in silence."""
    save_jpeg(data_root / "VeRi/image_query/0007_c3.jpg", 7)
    with pytest.raises(
        ValueError,
        match=r"1 image \(image_query/0007_c3.jpg\) not named as .* while 3 others beside them are",
    ):
        load_dataset(VERI, str(data_root), str(tmp_path))


@pytest.mark.parametrize(
    ("pattern", "name", "told"),
    [
        (r"(?P<pid>\w+?)_c(?P<camid>\d+)_.*", "anna_c2_1.jpg", "of pid 'anna' and camid '2'"),
        (r"(?P<pid>\d+)_c(?P<camid>\w+?)_.*", "0007_cB_1.jpg", "of pid '0007' and camid 'B'"),
        (r"(?P<pid>-?\d+)_c(?P<camid>\d+)_.*", "-3_c2_1.jpg", "of pid '-3' and camid '2'"),
        (r"(?P<pid>\d+)(_c(?P<camid>\d+))?_.*", "0007_1.jpg", "of pid '0007' and camid None"),
        (r"(?P<pid>\d+)_c(?P<camid>\d+)_.*", f"{'9' * 30}_c2_1.jpg", f"of pid '{'9' * 30}' and camid '2'"),
    ],
)
def test_groups_that_give_no_number_are_told(data_root, tmp_path, pattern, name, told):
    """A person or a camera is a whole number of 64 bits, and is not made up."""
    save_jpeg(data_root / "VeRi/image_test" / name, 7)
    with pytest.raises(ValueError, match="whole numbers are needed") as refusal:
        load_dataset(VERI.model_copy(update={"file_name": pattern}), str(data_root), str(tmp_path))
    assert f"1 image (image_test/{name} {told})" in str(refusal.value)


def test_a_network_of_a_folder_is_counted_for_a_published_number_of_people():
    """Nothing is published of it, and the table says whose number stands in."""
    assert (751, "Market-1501's 751 people") == published_num_pids(VERI)
