import shutil

import pytest

from tablewright.trainables.data.reid import (
    Augmentation,
    RandomErasing,
    RandomPatch,
    ReidData,
    load_dataset,
    published_num_pids,
)
from tablewright.trainables.value.refusal import Refusal


def test_differing_counts_are_warnings(data_root, tmp_path):
    """A copy that is not the published one is used, and every difference is told in the facts."""
    facts = load_dataset("market1501", str(data_root), str(tmp_path)).facts()
    assert (
        "Market-1501 has 5 train pids, published are 751",
        "Market-1501 has 9 train, published are 12936",
        "Market-1501 has 3 query, published are 3368",
        "Market-1501 has 4 gallery, published are 15913",
        "Market-1501 has 2 gallery junk, published are 3819",
    ) == facts.warnings
    assert {"train": 9, "query": 3, "gallery": 4, "multiple_query": 4} == dict(facts.num_images)
    assert not facts.is_demo


def test_hand_drawn_boxes_of_the_queries_make_multiple_queries(data_root, tmp_path, add_images):
    """They are of the queries' people under their cameras; a query that is no box itself is added."""
    add_images("query", "0003_c4s1_000001_00.jpg")
    dataset = load_dataset("market1501", str(data_root), str(tmp_path), train_split="train_without_val")
    expected = (
        "gt_bbox/0001_c1s1_001051_00.jpg",
        "gt_bbox/0001_c1s1_001076_00.jpg",
        "gt_bbox/0001_c2s1_000301_00.jpg",
        "gt_bbox/0003_c3s3_064744_00.jpg",
        "query/0003_c4s1_000001_00.jpg",
    )
    assert "multiple_query" == dataset.multiple_query("test")
    assert expected == tuple(record.path for record in dataset.splits["multiple_query"])
    val_keys = {(record.pid, record.camid) for record in dataset.splits["val_query"]}
    val_boxes = dataset.splits[dataset.multiple_query("val")]
    assert val_keys == {(record.pid, record.camid) for record in val_boxes}


def test_missing_hand_drawn_boxes_are_a_warning(data_root, tmp_path):
    """Without them multiple queries are said to be made otherwise; nothing else is another."""
    whole = load_dataset("market1501", str(data_root), str(tmp_path))
    shutil.rmtree(data_root / "Market-1501-v15.09.15" / "gt_bbox")
    without = load_dataset("market1501", str(data_root), str(tmp_path))
    assert without.multiple_query("test") is None
    assert whole.split_fingerprints == {
        **without.split_fingerprints,
        "multiple_query": whole.split_fingerprints["multiple_query"],
    }
    assert "Market-1501 has no gt_bbox/, of which its multiple queries are made" in without.warnings[0]
    assert without.splits["gallery"] == whole.splits["gallery"]


def test_people_in_train_and_query_are_a_warning(data_root, tmp_path, add_images):
    """Testing on people that were trained on is never silent."""
    add_images("query", "0007_c1s1_000001_00.jpg")
    facts = load_dataset("market1501", str(data_root), str(tmp_path)).facts()
    assert "Market-1501 has 1 people both in train and in query, such as 7" in facts.warnings


def test_labels_count_people_from_zero(data_root, tmp_path):
    """Class indices are 0, 1, 2 … in the order of the pids."""
    dataset = load_dataset("market1501", str(data_root), str(tmp_path))
    assert {2: 0, 7: 1, 10: 2, 11: 3, 12: 4} == dataset.train_label_of


def test_no_data_root_is_an_error_that_names_what_to_give(tmp_path):
    """Real data is never replaced by demo data."""
    with pytest.raises(ValueError, match=r"Market-1501-v15\.09\.15/bounding_box_train/.*--data-root"):
        load_dataset("market1501", None, str(tmp_path))


def test_wrong_data_root_names_expected_and_found(data_root, tmp_path):
    """One error names the folders expected, those missing, and what lies in the data root."""
    wrong = tmp_path / "pictures"
    (wrong / "cats").mkdir(parents=True)
    (wrong / "list.txt").touch()
    with pytest.raises(ValueError, match="is not in the data root") as raised:
        load_dataset("dukemtmc", str(wrong), str(tmp_path))
    assert "DukeMTMC-reID/query/" in str(raised.value)
    assert "holds cats/, list.txt" in str(raised.value)
    with pytest.raises(ValueError, match="nowhere does not exist"):
        load_dataset("dukemtmc", str(tmp_path / "nowhere"), str(tmp_path))
    query = data_root / "DukeMTMC-reID" / "query"
    query.rename(query.with_name("queries"))
    with pytest.raises(ValueError, match=r"missing DukeMTMC-reID/query/; .* bounding_box_train/, queries/"):
        load_dataset("dukemtmc", str(data_root), str(tmp_path))


def test_missing_real_pedestrians_say_how_to_get_them(tmp_path):
    """The cut images are made by a command, which the error names."""
    with pytest.raises(ValueError, match="make real"):
        load_dataset("real_pedestrians", str(tmp_path), str(tmp_path))


def test_unknown_name_lists_the_known(tmp_path):
    """A data set that does not exist is refused with the names of those that do."""
    with pytest.raises(ValueError, match="'market'; there are market1501, market1501_500k, dukemtmc"):
        load_dataset("market", None, str(tmp_path))


def test_held_out_people_are_in_val_alone(data_root, tmp_path):
    """`train_without_val` moves whole people from train to val, the same ones each time."""

    def load(train_split):
        return load_dataset("market1501", str(data_root), str(tmp_path), train_split=train_split)

    whole, held_out = load("train"), load("train_without_val")
    val = held_out.splits["val_query"] + held_out.splits["val_gallery"]
    val_pids = {record.pid for record in val}
    assert 2 == len(val_pids)
    assert set() == val_pids & {record.pid for record in held_out.splits["train"]}
    assert sorted(r.path for r in whole.splits["train"]) == sorted(
        r.path for r in val + held_out.splits["train"]
    )
    assert [0, 1, 2] == list(held_out.train_label_of.values())
    assert whole.splits["query"] == held_out.splits["query"]
    assert held_out.splits == load("train_without_val").splits
    assert whole.split_fingerprints["gallery"] == held_out.split_fingerprints["gallery"]
    assert whole.split_fingerprints["train"] != held_out.split_fingerprints["train"]


def test_val_has_one_query_a_person_and_camera(data_root, tmp_path):
    """The first image of each held-out person under each camera is a query."""
    dataset = load_dataset("market1501", str(data_root), str(tmp_path), train_split="train_without_val")
    query = [(record.pid, record.camid) for record in dataset.splits["val_query"]]
    both = dataset.splits["val_query"] + dataset.splits["val_gallery"]
    assert sorted(set(query)) == sorted(query)
    assert {(record.pid, record.camid) for record in both} == set(query)


def test_too_few_people_to_hold_out(data_root, tmp_path):
    """Holding people out must leave a batch of two."""
    with pytest.raises(ValueError, match="dukemtmc has 2 people to train on"):
        load_dataset("dukemtmc", str(data_root), str(tmp_path), train_split="train_without_val")


def test_val_of_a_set_trained_on_whole_is_refused(data_root, tmp_path):
    """Val people of a real data set were trained on unless the config leaves them out."""
    dataset = load_dataset("market1501", str(data_root), str(tmp_path))
    assert ("query", "gallery") == dataset.query_and_gallery("test")
    with pytest.raises(ValueError, match=r"Set data\.train_split to 'train_without_val'"):
        dataset.query_and_gallery("val")
    with pytest.raises(ValueError, match=r"Set data\.train_split to 'train_without_val'"):
        ReidData(dataset="market1501").require_split("val")
    ReidData(dataset="market1501", train_split="train_without_val").require_split("val")


def test_a_fold_of_what_has_one_split_is_refused():
    """Two spellings of one training would be trained twice; there are 20 folds."""
    assert 19 == ReidData(dataset="cuhk03_classic_detected", fold=19).fold
    with pytest.raises(Refusal, match="cuhk03_detected has one split"):
        ReidData(dataset="cuhk03_detected", fold=1)
    with pytest.raises(Refusal):
        ReidData(dataset="cuhk03_classic_detected", fold=20)


def test_the_demo_set_has_one_spelling_and_its_own_val():
    """Two spellings of one training would be trained twice."""
    ReidData(dataset="demo_pedestrians").require_split("val")
    with pytest.raises(Refusal, match=r"leave data\.train_split at 'train'"):
        ReidData(dataset="demo_pedestrians", train_split="train_without_val")


def test_a_batch_of_any_images_has_one_spelling():
    """As many images in other factors would be another id of the same training."""
    with pytest.raises(Refusal, match=r"got data\.num_instances 4, set it to 1 and data\.num_identities to"):
        ReidData(dataset="market1501", sampling="images", num_identities=8, num_instances=4)
    assert (
        32
        == ReidData(
            dataset="market1501", sampling="images", num_identities=32, num_instances=1
        ).num_identities
    )


@pytest.mark.parametrize("sampling", ["identities", "identities_once"])
def test_a_batch_of_people_has_several_images_of_each(sampling):
    """One image of each is no pair."""
    with pytest.raises(Refusal, match=r"got data\.num_instances 1; set it to 2 or more"):
        ReidData(dataset="market1501", sampling=sampling, num_instances=1)


def test_defaults_are_the_papers():
    """Sizes, batch and augmentation that nobody sets are MDPR's, on one device."""
    data = ReidData(dataset="market1501")
    assert (384, 192, 4, 16, 1) == (
        data.height_px,
        data.width_px,
        data.num_identities,
        data.num_instances,
        data.num_ranks,
    )
    assert (10, 0.5) == (data.augmentation.pad_crop_px, data.augmentation.flip_probability)
    assert (0.5, 0.02, 0.33, 0.3, 3.3) == tuple(data.augmentation.erasing.model_dump().values())
    assert (0.5, 1000, 100, 0.01, 0.5, 0.1, 10.0, 0.5) == tuple(data.augmentation.patch.model_dump().values())


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (ReidData, {"dataset": "market"}),
        (ReidData, {"dataset": "market1501", "num_identities": 1}),
        (Augmentation, {"flip_probability": 0.0}),
        (Augmentation, {"crop": 10}),
        (RandomErasing, {"min_area": 0.5, "max_area": 0.1}),
        (RandomPatch, {"pool_size": 10}),
    ],
)
def test_impossible_settings_are_refused(model, fields):
    """A config that cannot be meant does not exist; None is the only way to switch a part off."""
    with pytest.raises(Refusal):
        model(**fields)


def test_queries_that_nothing_can_be_found_for_are_a_warning(data_root, tmp_path, add_images):
    """They are in no mean, which is told when the sweep is planned."""
    add_images("query", "0099_c1s1_000001_00.jpg")
    facts = load_dataset("market1501", str(data_root), str(tmp_path)).facts()
    (told,) = [warning for warning in facts.warnings if "not measured" in warning]
    assert "of 4 images of query have no gallery image of their person under another camera" in told


def test_a_number_of_people_that_stands_in_for_another_says_whose_it_is():
    """A network for data that nobody has published is as wide as one for Market-1501, and that is told."""
    assert (702, "") == published_num_pids("dukemtmc")
    assert (751, "Market-1501's 751 people") == published_num_pids("real_pedestrians")
