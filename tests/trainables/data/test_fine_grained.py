import pytest

from tablewright.trainables.data.demo_details import dataset as demo_dataset
from tablewright.trainables.data.fine_grained import (
    FineGrainedAugmentation,
    FineGrainedData,
    load_fine_grained,
    published_num_classes,
)
from tablewright.trainables.value.refusal import Refusal
from tests.trainables.tiny_fine_grained import WRITERS

COUNTS = {
    "cub200": {"train": 7, "test": 3},
    "cars196": {"train": 6, "test": 3},
    "inat2017": {"train": 6, "test": 3},
    "fashion_mnist": {"train": 30, "test": 10},
}


@pytest.fixture
def load(tmp_path):
    """Write a data set and load it."""

    def write_and_load(name, **options):
        if not (tmp_path / name).exists():
            (tmp_path / name).mkdir()
            WRITERS[name](tmp_path / name)
        return load_fine_grained(name, str(tmp_path / name), str(tmp_path / "cache"), **options)

    return write_and_load


@pytest.mark.parametrize("name", list(WRITERS))
def test_differing_counts_are_warnings(load, name):
    """A copy that is not the published one is used, and every difference is told in the facts."""
    dataset = load(name)
    facts = dataset.facts()
    assert COUNTS[name] == dict(facts.num_images)
    published = {
        "cub200": ("CUB-200-2011", 200, 5994, 5794),
        "cars196": ("Stanford Cars", 196, 8144, 8041),
        "inat2017": ("iNaturalist-2017", 5089, 579184, 95986),
        "fashion_mnist": ("Fashion-MNIST", 10, 60000, 10000),
    }
    label, *counts = published[name]
    found = [len(dataset.class_names), *COUNTS[name].values()]
    assert (
        tuple(
            f"{label} has {count} {what}, published are {expected}"
            for what, count, expected in zip(("classes", "train", "test"), found, counts, strict=True)
            if count != expected
        )
        == facts.warnings
    )
    assert (name, label, name == "fashion_mnist") == (facts.name, facts.label, facts.is_demo)


def test_held_out_images_are_in_val_alone(load):
    """`train_without_val` moves a tenth of each class, at least one, the same ones each time."""
    whole, held_out = load("fashion_mnist"), load("fashion_mnist", train_split="train_without_val")
    train, val = held_out.splits["train"], held_out.splits["val"]
    assert list(range(10)) == sorted(image.label for image in val)
    assert sorted(i.name for i in whole.splits["train"]) == sorted(i.name for i in train + val)
    assert whole.splits["test"] == held_out.splits["test"]
    assert whole.split_fingerprints["test"] == held_out.split_fingerprints["test"]
    assert whole.split_fingerprints["train"] != held_out.split_fingerprints["train"]
    assert held_out.splits == load("fashion_mnist", train_split="train_without_val").splits


def test_every_class_keeps_an_image_to_train_on(load):
    """A class of one image stays in train whole."""
    train = load("cars196", train_split="train_without_val").splits["train"]
    assert {0, 1, 2} == {image.label for image in train}


def test_the_data_root_is_asked_for(tmp_path):
    """Real data is never replaced by demo data: without it, what is expected and what is there is told."""
    with pytest.raises(ValueError, match=r"CUB_200_2011/classes\.txt, .* with --data-root"):
        load_fine_grained("cub200", None, str(tmp_path))
    (tmp_path / "birds").mkdir()
    with pytest.raises(ValueError, match=r"missing inaturalist2017/train2017\.json, .* holds birds/"):
        load_fine_grained("inat2017", str(tmp_path), str(tmp_path))
    with pytest.raises(ValueError, match="nowhere does not exist"):
        load_fine_grained("cars196", str(tmp_path / "nowhere"), str(tmp_path))


def test_unknown_name_lists_the_known(tmp_path):
    """A data set that does not exist is refused with the names of those that do."""
    with pytest.raises(ValueError, match="'cub'; there are cub200, cars196"):
        load_fine_grained("cub", None, str(tmp_path))


@pytest.mark.slow
def test_the_demo_set_brings_its_own_val(tmp_path, monkeypatch):
    """Its pictures need no data root, and its val pictures are in no other split."""
    monkeypatch.setattr(demo_dataset, "IMAGES_PER_CLASS", {"train": 3, "val": 1, "test": 2})
    dataset = load_fine_grained("demo_details", None, str(tmp_path))
    assert {"train": 60, "val": 20, "test": 40} == dict(dataset.facts().num_images)
    names = [image.name for images in dataset.splits.values() for image in images]
    assert len(names) == len(set(names))
    assert (True, ()) == (dataset.is_demo, dataset.warnings)


def test_val_of_a_set_trained_on_whole_is_refused():
    """Val images of a real data set were trained on unless the config leaves them out."""
    with pytest.raises(ValueError, match=r"Set data\.train_split to 'train_without_val'"):
        FineGrainedData(dataset="cub200").require_split("val")
    FineGrainedData(dataset="cub200").require_split("test")
    FineGrainedData(dataset="cub200", train_split="train_without_val").require_split("val")
    FineGrainedData(dataset="demo_details").require_split("val")


def test_defaults_are_the_official_codes():
    """Sizes, batch and augmentation that nobody sets are TASN's."""
    data = FineGrainedData(dataset="cub200")
    assert (512, 512, 96) == (data.shorter_side_px, data.crop_px, data.batch_size)
    assert {
        "random_crop": True,
        "rotation_deg": 30.0,
        "flip_probability": 0.5,
        "brightness": 0.4,
        "contrast": 0.4,
        "saturation": 0.4,
        "pca_noise": 0.1,
    } == data.augmentation.model_dump()


@pytest.mark.parametrize(
    ("model", "fields", "message"),
    [
        (FineGrainedData, {"dataset": "birds"}, "cub200"),
        (FineGrainedData, {"dataset": "cub200", "shorter_side_px": 256}, "a crop of 512 px does not fit"),
        (
            FineGrainedData,
            {"dataset": "demo_details", "train_split": "train_without_val"},
            r"leave data\.train_split at 'train'",
        ),
        (
            FineGrainedAugmentation,
            {"brightness": 0.0},
            "brightness: a finite number above 0 and at most 1 or None is needed; got 0.0",
        ),
        (FineGrainedAugmentation, {"rotation": 3}, "rotation: FineGrainedAugmentation has no such field"),
    ],
)
def test_impossible_settings_are_refused(model, fields, message):
    """A config that cannot be meant does not exist; None is the only way to switch a part off."""
    with pytest.raises(Refusal, match=message):
        model(**fields)


def test_a_number_of_classes_that_stands_in_for_another_says_whose_it_is():
    """A network for data that nobody has published is as wide as one for CUB-200-2011, and that is told."""
    assert (196, "") == published_num_classes("cars196")
    assert (200, "CUB-200-2011's 200 classes") == published_num_classes("demo_details")
