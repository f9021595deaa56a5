"""What is said of a file that does not fill a part: what is wrong with it, what it most likely is, and what to do."""

import re

import pytest
import torch
from torch import nn

from tablewright.trainables.layers.architectures import KNOWN_ARCHITECTURES, build_stages, published_part
from tablewright.trainables.layers.misfit import describe_misfit
from tablewright.trainables.layers.name_matching import find_matches
from tablewright.trainables.layers.weight_file import entry_of
from tests.trainables.published_weights import prefixed, zeros_of

ZERO = torch.zeros(1)
FC = {"fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}
R50 = zeros_of("resnet50")


def describe(architecture, content, publisher="the publisher"):
    part, entries = published_part(architecture), {name: entry_of(value) for name, value in content.items()}
    return describe_misfit(part, entries, find_matches(part, None, entries), publisher)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (ours, theirs)
        for ours in ("resnet50", "resnet101_ibn_a", "mobilenet_v2", "vgg19")
        for theirs in KNOWN_ARCHITECTURES
        if theirs != ours
    ],
)
def test_another_architecture_of_ours_is_recognised(ours, theirs):
    """By its names and shapes, under any prefix; where a config could ask for it, it is told how."""
    said = describe(ours, prefixed("module.", zeros_of(theirs, counters=False)))
    assert f"It is a file of {theirs}: " in said
    assert f"take the file of {ours}, from the publisher" in said
    both_resnets = ours.startswith("resnet") and theirs.startswith("resnet")
    assert both_resnets == (f"set the architecture to {theirs!r}" in said)


def test_counts_and_first_names_of_each_fault_are_given():
    """What is missing, unlike and left over, the first three names of each, and the place in the file."""
    content = {name: value for name, value in R50.items() if not name.startswith("layer4.2.")}
    content |= {"conv1.weight": torch.zeros(64, 1, 7, 7), "bn1.gate": ZERO, "fc.weight": ZERO}
    said = describe("resnet50", prefixed("model.", content) | {"queue": ZERO})
    assert said.startswith(
        "does not fill resnet50. Under 'model.', missing in the file: 15 of 265 parameters and buffers "
        "(layer4.2.conv1.weight, layer4.2.bn1.weight, layer4.2.bn1.bias and 12 more); "
        "unlike: 1 (conv1.weight is 64×1×7×7 for 64×3×7×7); "
        "left over: 1 of the file's 303 entries (model.bn1.gate). "
    )


SEQUENTIAL = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}
OPTIMIZER = {
    f"state.{index}.{name}": ZERO for index in range(3) for name in ("step", "exp_avg", "exp_avg_sq")
}
CAUSES = {
    "renamed": (
        {f"{SEQUENTIAL[name.partition('.')[0]]}.{name.partition('.')[2]}": value for name, value in R50.items()},
        "It has the shapes of resnet50 under other names, 0.weight for conv1.weight, .* save it under the published",
    ),
    "renamed, of another architecture": (
        {f"body.{index}": value for index, value in enumerate(zeros_of("resnet18").values())},
        "It has the shapes of resnet18 under other names, body.0 for conv1.weight",
    ),
    "cut": (
        {("base." if name < "layer4" else "b1.") + name: value for name, value in R50.items()},
        "What is missing lies elsewhere in it, under 'b1': the network was cut .* save it whole",
    ),
    "optimizer": (OPTIMIZER, "It holds the state of an optimizer and no network"),
    "momentum": ({"optimizer.state.0.momentum_buffer": ZERO}, "It holds the state of an optimizer and no network"),
    "classifier": (FC, "It holds the head of a network without its backbone"),
    "detector's heads": (
        {"rpn.head.conv.weight": ZERO, "roi_heads.box_head.fc6.weight": ZERO},
        "It holds the head of a network without its backbone",
    ),
    "transformers": (
        {"resnet.embedder.embedder.convolution.weight": torch.zeros(64, 3, 7, 7)},
        "Its names are as Hugging Face's transformers spells them: convert it to the published names",
    ),
    "detectron2": ({"backbone.bottom_up.res2.0.conv1.weight": ZERO}, "Its names are as Detectron2 spells them"),
    "paddle": ({"bn1._mean": ZERO, "conv1.weight": torch.zeros(64, 3, 7, 7)}, "Its names are as PaddlePaddle spells"),
    "flax": ({"params.conv1.kernel": ZERO}, "Its names are as Keras, TensorFlow or Flax spells them"),
    "transformer": ({"cls_token": ZERO, "blocks.0.attn.qkv.weight": ZERO}, "It is a file of a vision transformer"),
    "whole numbers": (
        {name: value.to(torch.int8) for name, value in R50.items()},
        "It holds values that are no real numbers, as after quantisation",
    ),
    "grey images": (
        R50 | {"conv1.weight": torch.zeros(64, 1, 7, 7)},
        "It has the names of resnet50 and not the shapes, .* images of another number of channels",
    ),
    "extended": (R50 | {"layer1.0.se.fc1.weight": ZERO}, "It has layers that resnet50 has not"),
    "saved in part": (
        {name: value for name, value in R50.items() if "running" not in name},
        "Of 318 entries 212 agree, as in a network that was saved in part",
    ),
    "nearer to another": (
        {name: value for name, value in zeros_of("resnet34").items() if name != "bn1.bias"},
        "It comes nearest to resnet34, of whose 216 entries 215 agree",
    ),
    "unknown": ({"encoder.0.weight": ZERO}, "It names nothing of resnet50 nor of .*; its first entries are encoder.0"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "message"), CAUSES.values(), ids=CAUSES)
def test_the_likeliest_cause_is_named_with_what_to_do(content, message):
    """One cause, in words for who did not write this, and the way to a file that fits."""
    said = describe("resnet50", content)
    assert re.search(message, said), said
    assert said.endswith("take the file of resnet50, from the publisher")


def test_without_a_publisher_the_way_on_has_no_address():
    """A part of a method of one's own has no published file."""
    assert describe("resnet50", FC, publisher="").endswith(": take the file of resnet50")


def test_a_network_taken_apart_by_torch_itself_is_recognised():
    """As `nn.Sequential(*children)` leaves it, which many programs save."""
    stages = build_stages("resnet18", last_stride=1)
    stem = [stages.stem.conv1, stages.stem.bn1, stages.stem.relu, stages.stem.maxpool]
    apart = nn.Sequential(*stem, stages.layer1, stages.layer2, stages.layer3, stages.layer4)
    assert "It has the shapes of resnet18 under other names" in describe("resnet18", apart.state_dict())
