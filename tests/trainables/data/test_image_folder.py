"""A classification data set of one's own is a value in the study, read as the built-in ones are."""

import os
import shutil
from pathlib import Path

import pytest

from tablewright.orchestrator.identity import training_id
from tablewright.trainables.classification.view import ClassificationView
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.data.fine_grained import FineGrainedData, load_fine_grained, published_num_classes
from tablewright.trainables.data.image_folder import ImageFolder
from tablewright.trainables.tasn import demo_config
from tablewright.trainables.value.refusal import Refusal
from tests.trainables.tiny_classification import TinyClassifierConfig
from tests.trainables.tiny_folders import CLASSES, FLOWERS, save_jpeg, write_flowers
from tests.trainables.tiny_reid import Journal, LocalFolder, fit_through


@pytest.fixture
def data_root(tmp_path):
    write_flowers(tmp_path / "data")
    return tmp_path / "data"


def tiny(dataset, **changes):
    """The tiny classifier on a folder, six steps long."""
    config = TinyClassifierConfig()
    data = config.data.model_copy(update={"dataset": dataset, **changes})
    optimisation = config.optimisation.model_copy(update={"num_epochs": 1, "warmup_steps": 0})
    return config.model_copy(update={"data": data, "optimisation": optimisation})


def test_a_folder_is_found_trained_on_and_measured(data_root, tmp_path):
    """From the names of folders to a metric; the number of classes is found, and nobody declares it."""
    config, runtime = tiny(FLOWERS), Runtime(str(data_root), str(tmp_path / "cache"))
    trainable = config.make_trainable()
    facts = trainable.describe_data(config, runtime)
    assert ("flowers/", "Flowers", False, ()) == (facts.name, facts.label, facts.is_demo, facts.warnings)
    assert ({"train": 12, "test": 6}, {}) == (dict(facts.num_images), dict(facts.earlier_fingerprints))
    trainable.prepare_data(config, runtime)
    network = fit_through(config, runtime, LocalFolder(tmp_path / "checkpoints"), Journal())
    view = ClassificationView()
    extraction = trainable.extract(config, runtime, network, "test", [view])
    assert (6, len(CLASSES)) == extraction.logits["master"].shape
    assert 0 <= trainable.measure([(config, extraction)], view).metrics["top1"] <= 1


def test_labels_follow_the_names_of_folders(data_root, tmp_path):
    """As torchvision's do, whatever the order on disk, and at any depth below the class."""
    dataset = load_fine_grained(FLOWERS, str(data_root), str(tmp_path))
    assert CLASSES == dataset.class_names
    assert {
        f"test/{name}/{file}": label
        for label, name in enumerate(CLASSES)
        for file in ("0.JPEG", "more/1.JPEG")
    } == {image.name: image.label for image in dataset.splits["test"]}


def test_val_is_a_folder_or_held_out(data_root, tmp_path):
    """One spelling each: a folder that brings val images has them, another leaves some of `train` out."""
    held_out = load_fine_grained(FLOWERS, str(data_root), str(tmp_path), train_split="train_without_val")
    assert {"train": 9, "test": 6, "val": 3} == dict(held_out.facts().num_images)
    write_flowers(data_root, ["val"])
    with_val = FLOWERS.model_copy(update={"val": "val"})
    assert {"train": 12, "test": 6, "val": 6} == dict(
        load_fine_grained(with_val, str(data_root), str(tmp_path)).facts().num_images
    )
    FineGrainedData(dataset=with_val).require_split("val")
    with pytest.raises(ValueError, match=r"split 'val' of flowers/ cannot be measured"):
        FineGrainedData(dataset=FLOWERS).require_split("val")
    with pytest.raises(Refusal, match="flowers/ has val images outside of its train split"):
        FineGrainedData(dataset=with_val, train_split="train_without_val")


@pytest.mark.parametrize("config", [tiny(FLOWERS), demo_config()], ids=["tiny", "tasn"])
def test_another_label_is_the_same_training(data_root, config):
    """A label is printed and changes no weight; another folder is another training."""

    def trained(dataset):
        data = config.data.model_copy(update={"dataset": dataset})
        return training_id(config.model_copy(update={"data": data}).as_trained(), "0" * 64)

    relabelled, moved = (FLOWERS.model_copy(update=change) for change in ({"label": "F"}, {"folder": "f"}))
    assert trained(FLOWERS) == trained(relabelled)
    assert trained(FLOWERS) != trained(moved)


def test_a_folder_survives_being_written_as_json():
    """A record's config is read back as the value that it was."""
    data = FineGrainedData(dataset=FLOWERS)
    assert data == FineGrainedData.model_validate_json(data.model_dump_json())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"folder": "/data/flowers"}, "folder: a path below the data root is needed"),
        ({"test": "../test"}, "test: .*leads out of it"),
        ({"val": "a\\b"}, "val: .*has a backslash"),
        ({"test": "train"}, "train and test are both 'train'"),
        (
            {"train": "images", "val": "images/val"},
            "train 'images' and val 'images/val' lie within each other",
        ),
        ({"label": ""}, "label: a label is printed"),
        ({"tests": "test"}, "did you mean 'test'"),
    ],
)
def test_what_cannot_be_meant_is_refused_where_it_is_written(fields, message):
    """A path or a label is refused before anything is looked for."""
    with pytest.raises(Refusal, match=message):
        ImageFolder(**{"label": "Flowers", "folder": "flowers", **fields})


def test_the_label_of_a_built_in_data_set_is_not_taken():
    """A table would show other images under a published data set's name."""
    with pytest.raises(Refusal, match="'Stanford Cars' is that of a built-in data set"):
        FineGrainedData(dataset=ImageFolder("Stanford Cars", "cars"))
    with pytest.raises(Refusal, match="or an ImageFolder is needed; got 'cars'"):
        FineGrainedData(dataset="cars")


def add(name):
    return lambda folder: save_jpeg(folder / name, 1)


def make(name):
    return lambda folder: (folder / name).mkdir(parents=True)


def drop(name):
    return lambda folder: shutil.rmtree(folder / name)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (drop("test/rose"), r"1 classes of train/ are not in test/ \(rose\)"),
        (add("test/roses/0.jpg"), r"1 classes of test/ are not in train/ \(roses, nearest is rose\)"),
        (make("test/oak"), r"1 classes of test/ are not in train/ \(oak\)"),
        (make("train/oak"), r"1 classes have no image to train on \(train/oak\)"),
        (add("train/7.jpg"), r"1 images lie in no class's folder \(train/7.jpg\); put each into one"),
        (
            lambda folder: (folder / "test/rose/9.webp").write_bytes(b"RIFF"),
            r"1 images are of a kind that is not read \(test/rose/9\.webp\); convert them",
        ),
        (lambda folder: (folder / "train/rose/l.jpg").symlink_to("nowhere.jpg"), r"1 links lead nowhere"),
        (
            lambda folder: Path(os.fsdecode(bytes(folder) + b"/test/rose/\xe4.jpg")).touch(),
            "the name is no UTF-8",
        ),
        (
            lambda folder: [
                drop(f"{side}/{name}")(folder) for side in ("train", "test") for name in CLASSES[1:]
            ],
            r"train/ holds 1 folders, one a class, and 2 or more are needed",
        ),
        (lambda folder: (drop("test")(folder), make("test")(folder)), "test/ holds no image"),
        (
            drop("test"),
            r"missing flowers/test/; .*flowers holds train/\. To get the data set, unpack it there",
        ),
    ],
)
def test_what_is_wrong_in_a_folder_is_told(data_root, tmp_path, change, told):
    """Before anything is trained, with the names."""
    change(data_root / "flowers")
    with pytest.raises(ValueError, match=told):
        load_fine_grained(FLOWERS, str(data_root), str(tmp_path))


def test_an_empty_folder_says_that_a_class_is_not_tested(data_root, tmp_path):
    """It is not measured, and every table says so."""
    drop("test/rose")(data_root / "flowers")
    make("test/rose")(data_root / "flowers")
    facts = load_fine_grained(FLOWERS, str(data_root), str(tmp_path)).facts()
    assert ("Flowers: 1 of 3 classes have no image in test and are not measured (rose)",) == facts.warnings


def test_a_broken_image_stops_the_training_before_it_starts(data_root, tmp_path):
    """Preparing decodes everything, and names what it cannot read."""
    config, broken = tiny(FLOWERS), data_root / "flowers/test/tulip/0.JPEG"
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"test/tulip/0\.JPEG"):
        config.make_trainable().prepare_data(config, Runtime(str(data_root), str(tmp_path / "cache")))


def test_a_network_of_a_folder_is_counted_for_a_published_number_of_classes():
    """Nothing is published of it, and the table says whose number stands in."""
    assert (200, "CUB-200-2011's 200 classes") == published_num_classes(FLOWERS)
