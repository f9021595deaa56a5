"""MobileNetV2 cut into five stages."""

import pytest
import torch

from tablewright.trainables.layers.complexity import count_parameters
from tablewright.trainables.layers.mobilenet import build_mobilenet_stages
from tablewright.trainables.layers.pretrained import load_weights
from tablewright.trainables.layers.published_files import find_starting_file


def test_stages_have_the_stated_sizes_and_widths():
    """The cut is at 1/2, 1/4, 1/8, 1/16 and 1/16 of the image's size."""
    stages = build_mobilenet_stages(last_stride=1).eval()
    map_BCHW = torch.zeros(1, 3, 64, 32)
    shapes = []
    for stage in (stages.stem, stages.layer1, stages.layer2, stages.layer3, stages.layer4):
        map_BCHW = stage(map_BCHW)
        assert stage.out_channels == map_BCHW.shape[1]
        shapes.append(tuple(map_BCHW.shape[1:]))
    assert shapes == [(16, 32, 16), (24, 16, 8), (32, 8, 4), (96, 4, 2), (320, 4, 2)]


def test_last_stride_two_halves_the_last_map():
    """With the published stride the last map is at 1/32."""
    assert build_mobilenet_stages(last_stride=2).eval()(torch.zeros(1, 3, 64, 32)).shape == (1, 320, 2, 1)


def test_parameters_are_the_published_ones_without_the_last_convolution():
    """MobileNetV2 has 2,223,872 parameters without its classifier, 412,160 of them in features.18."""
    with torch.device("meta"):
        stages = build_mobilenet_stages(last_stride=1)
    assert 2_223_872 - 412_160 == count_parameters(stages)


def test_published_names_are_the_features_in_order():
    """Our entries are named features.0 to features.17, all different."""
    with torch.device("meta"):
        stages = build_mobilenet_stages(last_stride=1)
    published = [stages.published_name(key) for key in stages.state_dict()]
    assert len(published) == len(set(published))
    assert {int(name.split(".")[1]) for name in published} == set(range(18))


@pytest.mark.parametrize(("index", "stride"), [("2", 2), ("4", 2), ("7", 2), ("11", 1), ("14", 1), ("17", 1)])
def test_strides_of_the_first_blocks(index, stride):
    """Each group of blocks strides where Table 2 says, but for the last reduction."""
    with torch.device("meta"):
        stages = build_mobilenet_stages(last_stride=1)
    block = next(module for name, module in stages.named_modules() if name.split(".")[1:] == [index])
    assert block.conv[3].stride == (stride, stride)


def test_the_short_one_is_the_beginning_of_the_whole_one():
    """It ends behind features.13, has the same weights up to there from the same file, and knows the rest as a head."""
    short, whole = (build_mobilenet_stages(last_stride=1, is_short=is_short) for is_short in (True, False))
    assert set(range(14)) == {int(short.published_name(key).split(".")[1]) for key in short.state_dict()}
    load_weights(short, find_starting_file("imagenet_mobilenet", "mobilenet_v2_short", None))
    load_weights(whole, find_starting_file("imagenet_mobilenet", "mobilenet_v2", None))
    of_whole = {whole.published_name(key): value for key, value in whole.state_dict().items()}
    assert all(
        torch.equal(value, of_whole[short.published_name(key)]) for key, value in short.state_dict().items()
    )
    map_BCHW = short.eval()(torch.zeros(1, 3, 64, 32))
    assert (1, short.layer4.out_channels, 4, 2) == map_BCHW.shape
    assert (64, 96) == (short.layer3.out_channels, short.layer4.out_channels)


def test_the_short_one_halves_its_last_map_too():
    """With stride 2 its layer4 is at 1/32."""
    stages = build_mobilenet_stages(last_stride=2, is_short=True).eval()
    assert (1, 96, 2, 1) == stages(torch.zeros(1, 3, 64, 32)).shape
