"""The files a network starts from, as part of what identifies its data, and what is known of them."""

import dataclasses
import hashlib

import pytest
import torch
from torch import nn

from tablewright.trainables.contract.data import DatasetFacts, StartingWeights
from tablewright.trainables.layers.backbone import ATTENTION_NET, BACKBONE
from tablewright.trainables.layers.pretrained import StartingFile
from tablewright.trainables.layers.published_part import part_of
from tablewright.trainables.retrieval.view import RetrievalView
from tablewright.trainables.training.starting_weights import join_weights
from tests.trainables.published_weights import file_for, prefixed, save, zeros_of

VIEW = RetrievalView()
FACTS = DatasetFacts("toyset", "Toyset", "f" * 64, True, {"train": 10}, ("it is a toy",))
PART = part_of("line", nn.Linear(2, 1))
LUPERSON = {
    "state_dict": prefixed("module.encoder_q.", zeros_of("resnet18", dtype=torch.float16)),
    "epoch": 200,
}


def line_file(path, value):
    """A file for a line of two weights and a bias, which are all one value."""
    return StartingFile(
        save(path, {"weight": torch.full((1, 2), value), "bias": torch.full((1,), value)}), PART
    )


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fingerprint(folder, **values):
    """Write a file a part and join them."""
    weights = {part: line_file(folder / f"{value}/{part}.pth", value) for part, value in values.items()}
    return join_weights(FACTS, weights).fingerprint


def test_without_files_the_facts_are_the_data_sets_own():
    """Nothing to start from leaves the fingerprint as it is."""
    assert FACTS == join_weights(FACTS, {})


def test_one_file_gives_the_fingerprint_that_records_have(tmp_path):
    """Pinned: trainings of methods with one file keep their ids."""
    header = b'{"bias":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
    header += b'"weight":{"dtype":"F32","shape":[1,2],"data_offsets":[4,12]}}'
    path = tmp_path / "weights.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(12))
    by_definition = hashlib.sha256(f"{'f' * 64}/{sha256(path)}".encode()).hexdigest()
    pinned = "d1f036880fa7656f097be2da6766fbfd88416b749293e29d55bfe8667b4256e1"
    assert pinned == by_definition == join_weights(FACTS, {BACKBONE: StartingFile(path, PART)}).fingerprint


@pytest.mark.parametrize("changed", [BACKBONE, ATTENTION_NET])
def test_other_bytes_in_either_file_are_another_training(tmp_path, changed):
    """The digest of every part's file is in the fingerprint."""
    files = {BACKBONE: 1.0, ATTENTION_NET: 2.0}
    assert fingerprint(tmp_path, **files) != fingerprint(tmp_path, **(files | {changed: 3.0}))


def test_equal_files_count_once_and_swapped_ones_differ(tmp_path):
    """A file for two parts is one file; which part starts from which of two is told apart."""
    both = fingerprint(tmp_path, backbone=1.0, attention_net=1.0)
    assert fingerprint(tmp_path, backbone=1.0) == both
    swapped = fingerprint(tmp_path, backbone=2.0, attention_net=1.0)
    assert fingerprint(tmp_path, backbone=1.0, attention_net=2.0) != swapped


def test_starting_weights_leave_the_data_what_they_are(tmp_path):
    """Rows that start from other weights on the same files may stand in one column; other files may not."""
    joined = join_weights(FACTS, {"backbone": line_file(tmp_path / "a.pth", 1.0)})
    assert joined.fingerprint != FACTS.fingerprint
    assert joined.is_measured_like(FACTS, VIEW)
    assert FACTS.is_measured_like(joined, VIEW)
    assert not joined.is_measured_like(dataclasses.replace(FACTS, fingerprint="0" * 64), VIEW)


def test_what_each_part_starts_from_is_in_the_facts(tmp_path):
    """File, digest, what starts fresh and what goes unused, by their whole names; and nothing to warn of."""
    path = save(tmp_path / "resnet18.pth", zeros_of("resnet18", counters=False) | {"fc.bias": torch.zeros(9)})
    facts = join_weights(FACTS, {BACKBONE: file_for("resnet18", path)})
    (weights,) = facts.starting_weights
    assert (BACKBONE, "resnet18.pth", sha256(path)) == (weights.part, weights.file, weights.sha256)
    assert (20, ("fc.bias",), ()) == (len(weights.fresh), weights.unused, weights.remarks)
    assert "layer4.1.bn2.num_batches_tracked" in weights.fresh
    assert FACTS.warnings == facts.warnings
    assert (
        f"backbone: resnet18.pth, SHA-256 {weights.sha256[:8]}; starting fresh: 20 (bn1.num_batches_tracked, "
        "layer1.0.bn1.num_batches_tracked, layer1.0.bn2.num_batches_tracked and 17 more); unused of the file: 1 "
        "(fc.bias)"
    ) == weights.describe()


def test_what_is_allowed_and_to_be_known_is_a_warning_of_the_data(tmp_path):
    """Fresh norms and widened values stand beside the data set's own warnings, each a sentence, and in the remarks."""
    path = save(tmp_path / "lup_moco_r18.pth", LUPERSON)
    facts = join_weights(FACTS, {BACKBONE: file_for("resnet18_ibn_a", path, ibn_init="fresh")})
    assert (
        "it is a toy",
        "backbone starts from lup_moco_r18.pth, which has plain norms: the 6 norms that resnet18_ibn_a splits start "
        "fresh",
        "backbone starts from lup_moco_r18.pth, which holds values in float16, which start as float32",
    ) == facts.warnings
    assert (
        "lup_moco_r18.pth has the entries under 'state_dict.module.encoder_q.'"
        == facts.starting_weights[0].remarks[0]
    )
    assert 3 == len(facts.starting_weights[0].remarks)


def test_a_file_that_only_has_the_published_ones_place_is_told_apart(tmp_path):
    """Weights of one's own are allowed under a published name, and said; the published file itself is not."""
    path = save(tmp_path / "resnet18-f37072fd.pth", zeros_of("resnet18"))
    other = file_for("resnet18", path, published_sha256="f37072fd")
    (warning,) = join_weights(FACTS, {BACKBONE: other}).warnings[1:]
    digest = sha256(path)[:8]
    assert (
        "backbone starts from resnet18-f37072fd.pth, which is not the published file: its SHA-256 begins with "
        f"{digest} and not with f37072fd"
    ) == warning
    same = file_for("resnet18", path, published_sha256=digest)
    assert FACTS.warnings == join_weights(FACTS, {BACKBONE: same}).warnings


def test_all_files_that_do_not_fit_are_named_at_once(tmp_path):
    """Two parts, two faults, one error, each with its part."""
    page = tmp_path / "page.pth"
    page.write_text("<html>", encoding="utf-8")
    weights = {
        BACKBONE: file_for("resnet50", save(tmp_path / "a.pth", zeros_of("resnet34"))),
        ATTENTION_NET: file_for("resnet18", page),
    }
    with pytest.raises(ValueError, match="attention_net") as fault:
        join_weights(FACTS, weights)
    first, second = str(fault.value).splitlines()
    assert first.startswith(f"starting weights of attention_net: {page} is a web page")
    assert second.startswith(f"starting weights of backbone: {tmp_path}/a.pth does not fill resnet50. ")


def test_a_plan_of_many_configs_reads_each_file_once(tmp_path, monkeypatch):
    """34 configs that share two files read and digest each of them once."""
    weights = {
        BACKBONE: file_for("resnet50", save(tmp_path / "a.pth", zeros_of("resnet50"))),
        ATTENTION_NET: file_for("resnet18", save(tmp_path / "b.pth", zeros_of("resnet18"))),
    }
    num_loads, num_digests, load, digest = [], [], torch.load, hashlib.file_digest
    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: num_loads.append(1) or load(*args, **kwargs))
    monkeypatch.setattr(hashlib, "file_digest", lambda *args: num_digests.append(1) or digest(*args))
    facts = [join_weights(FACTS, weights) for _ in range(34)]
    assert (2, 2) == (len(num_loads), len(num_digests))
    assert facts[:1] * 34 == facts
    assert isinstance(facts[0].starting_weights[0], StartingWeights)
