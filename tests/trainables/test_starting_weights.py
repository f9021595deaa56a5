"""The files a network starts from, as part of what identifies its data."""

import dataclasses
import hashlib

import pytest

from trainables.contract import DatasetFacts, RetrievalView
from trainables.layers.backbone import ATTENTION_NET, BACKBONE
from trainables.starting_weights import join_weights

VIEW = RetrievalView()
FACTS = DatasetFacts("toyset", "Toyset", "f" * 64, True, {"train": 10})


def fingerprint(folder, **contents):
    """Write a file a part and join them."""
    weights = {}
    for part, content in contents.items():
        weights[part] = folder / f"{part}_{content.decode()}.pth"
        weights[part].write_bytes(content)
    return join_weights(FACTS, weights).fingerprint


def test_without_files_the_facts_are_the_data_sets_own():
    """Nothing to start from leaves the fingerprint as it is."""
    assert FACTS == join_weights(FACTS, {})


def test_one_file_gives_the_fingerprint_that_records_have(tmp_path):
    """Pinned: trainings of methods with one file keep their ids."""
    by_definition = hashlib.sha256(f"{'f' * 64}/{hashlib.sha256(b'one').hexdigest()}".encode()).hexdigest()
    pinned = "6e5ea87d34a3bdc05c0343ebe66a832b7c473692f54f15615f7b084ed228e26c"
    assert pinned == by_definition == fingerprint(tmp_path, backbone=b"one")


@pytest.mark.parametrize("changed", [BACKBONE, ATTENTION_NET])
def test_other_bytes_in_either_file_are_another_training(tmp_path, changed):
    """The digest of every part's file is in the fingerprint."""
    files = {BACKBONE: b"one", ATTENTION_NET: b"two"}
    assert fingerprint(tmp_path, **files) != fingerprint(tmp_path, **(files | {changed: b"three"}))


def test_equal_files_count_once_and_swapped_ones_differ(tmp_path):
    """A file for two parts is one file; which part starts from which of two is told apart."""
    both = fingerprint(tmp_path, backbone=b"one", attention_net=b"one")
    assert fingerprint(tmp_path, backbone=b"one") == both
    swapped = fingerprint(tmp_path, backbone=b"two", attention_net=b"one")
    assert fingerprint(tmp_path, backbone=b"one", attention_net=b"two") != swapped


def test_starting_weights_leave_the_data_what_they_are(tmp_path):
    """Rows that start from other weights on the same files may stand in one column; other files may not."""
    (tmp_path / "a").write_bytes(b"a")
    joined = join_weights(FACTS, {"backbone": tmp_path / "a"})
    assert joined.fingerprint != FACTS.fingerprint
    assert joined.is_measured_like(FACTS, VIEW)
    assert FACTS.is_measured_like(joined, VIEW)
    assert not joined.is_measured_like(dataclasses.replace(FACTS, fingerprint="0" * 64), VIEW)
