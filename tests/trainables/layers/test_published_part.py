"""What a weight file must hold for a part of a network."""

import pytest
import torch
from torch import nn

from tablewright.trainables.layers.architectures import KNOWN_ARCHITECTURES, build_stages, published_part
from tablewright.trainables.layers.published_part import Source, part_of
from tablewright.trainables.layers.weight_file import Entry


def test_a_module_of_ones_own_is_a_part_under_its_own_names():
    """Every parameter and buffer is wanted, and there are no exceptions but those that all networks have."""
    part = part_of("mine", nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)))
    names = ["0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"]
    assert [*names, "1.num_batches_tracked"] == list(part.entries)
    assert Entry((3, 2), torch.float32) == part.entries["0.weight"]
    assert ((), {}, False) == (part.heads, dict(part.split_norms), part.is_head("fc.weight"))


def test_resnet101s_thirty_split_norms_leave_180_entries_and_30_counters_fresh():
    """The counts are those of the authors' loader, which says nothing of counters; 150 of the file go unused."""
    part = published_part("resnet101_ibn_a")
    split, plain = part.layouts("fresh")
    assert (dict(part.entries), ()) == (dict(split.wanted), split.fresh)
    assert dict(published_part("resnet101").entries) == dict(plain.wanted)
    counters = [name for name in plain.fresh if name.endswith("num_batches_tracked")]
    assert (210, 30) == (len(plain.fresh), len(counters))
    assert 150 == len(plain.wanted.keys() - {source.name for source in plain.sources.values()})
    assert {"IN", "BN"} == {name.split(".")[-2] for name in plain.fresh}


def test_batch_halves_are_cut_behind_the_instance_halves():
    """`from_plain_bn` gives the batch norm the plain channels from the middle on; the instance norm stays fresh."""
    _, plain = published_part("resnet18_ibn_a").layouts("from_plain_bn")
    assert Source("layer2.0.bn1.running_var", 64) == plain.sources["layer2.0.bn1.BN.running_var"]
    assert {"IN"} == {name.split(".")[-2] for name in plain.fresh}
    assert 2 * 6 == len(plain.fresh)


def test_plain_norms_are_no_layout_where_they_are_not_allowed():
    """A network without split norms, or one whose published file has them, is held in one way only."""
    assert 1 == len(list(published_part("resnet50").layouts("fresh")))
    assert 1 == len(list(published_part("resnet50_ibn_a").layouts(None)))


@pytest.mark.parametrize("architecture", KNOWN_ARCHITECTURES)
@pytest.mark.slow
def test_parts_are_known_without_memory_or_random_numbers(architecture):
    """A part is described from the meta device, once a process, and no later draw of weights is moved by it."""
    before = torch.get_rng_state()
    published_part.cache_clear()
    part = published_part(architecture)
    assert torch.equal(before, torch.get_rng_state())
    assert part is published_part(architecture)
    assert len(part.entries) > 30


@pytest.mark.parametrize("architecture", ["resnet18", "resnet50_ibn_a", "mobilenet_v2", "mobilenet_v2_short"])
def test_the_meta_device_has_the_entries_of_the_network(architecture):
    """What is described is what is built."""
    stages = build_stages(architecture, last_stride=2)
    assert dict(published_part(architecture).entries) == dict(part_of("built", stages).entries)
