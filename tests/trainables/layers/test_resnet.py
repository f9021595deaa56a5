"""ResNets of our own against what is published of them."""

import pytest
import torch
from torch import nn

from tablewright.trainables.layers.backbone import Backbone, build_backbone
from tablewright.trainables.layers.complexity import count_parameters
from tablewright.trainables.layers.resnet import InstanceBatchNorm, build_resnet_stages


@pytest.mark.parametrize(
    ("depth", "num_parameters"), [(18, 11_176_512), (34, 21_284_672), (50, 23_508_032), (101, 42_500_160)]
)
@pytest.mark.parametrize("ibn", [False, True])
def test_parameters_are_the_published_ones_without_classifier(depth, num_parameters, ibn):
    """A ResNet has the published number of parameters, and IBN-a has as many."""
    with torch.device("meta"):
        stages = build_resnet_stages(depth, ibn=ibn, last_stride=1)
    assert num_parameters == count_parameters(stages)


def test_keys_are_torchvisions():
    """Names and shapes of the entries are those of torchvision's ResNet-50 file."""
    with torch.device("meta"):
        stages = build_resnet_stages(50, ibn=False, last_stride=2)
    published = {stages.published_name(key): tuple(value.shape) for key, value in stages.state_dict().items()}
    assert len(published) == 318  # 320 entries in the file, two of them the classifier's
    assert published["conv1.weight"] == (64, 3, 7, 7)
    assert published["bn1.running_var"] == (64,)
    assert published["layer1.0.conv3.weight"] == (256, 64, 1, 1)
    assert published["layer3.5.bn2.num_batches_tracked"] == ()
    assert published["layer4.0.downsample.0.weight"] == (2048, 1024, 1, 1)
    assert published["layer4.0.downsample.1.bias"] == (2048,)


def test_resnet101_ibn_has_thirty_split_norms_and_none_in_the_last_stage():
    """IBN-a splits the first norm of every block of layer1 .. layer3."""
    with torch.device("meta"):
        stages = build_resnet_stages(101, ibn=True, last_stride=1)
    names = [name for name, module in stages.named_modules() if isinstance(module, InstanceBatchNorm)]
    assert len(names) == 30
    assert all(name.startswith(("layer1.", "layer2.", "layer3.")) and name.endswith(".bn1") for name in names)


def test_split_norm_treats_its_halves_apart():
    """The first half is normalised by image, the second over the batch."""
    norm = InstanceBatchNorm(4)
    map_BCHW = torch.randn(5, 4, 6, 3, generator=torch.Generator().manual_seed(0)) * 7 + 2
    out_BCHW = norm(map_BCHW)
    torch.testing.assert_close(out_BCHW[:, :2].mean((2, 3)), torch.zeros(5, 2), atol=1e-5, rtol=0)
    torch.testing.assert_close(out_BCHW[:, 2:].mean((0, 2, 3)), torch.zeros(2), atol=1e-5, rtol=0)
    assert out_BCHW[:, 2:].mean((2, 3)).abs().max() > 0.05


@pytest.mark.slow
@pytest.mark.parametrize("training", [False, True])
def test_every_convolution_of_a_split_resnet_gets_channels_last(training):
    """Split norms keep the memory format that GPU kernels want, in all 53 convolutions."""
    stages = build_resnet_stages(50, ibn=True, last_stride=1).train(training)
    seen = []
    for name, module in stages.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_pre_hook(
                lambda _, inputs, name=name: seen.append(
                    (name, inputs[0].is_contiguous(memory_format=torch.channels_last))
                )
            )
    with torch.no_grad():
        stages(torch.rand(2, 3, 64, 32).contiguous(memory_format=torch.channels_last))
    assert 53 == len(seen)
    assert [] == [name for name, is_channels_last in seen if not is_channels_last]


@pytest.mark.parametrize(("last_stride", "size"), [(1, (4, 2)), (2, (2, 1))])
def test_sizes_of_the_maps(last_stride, size):
    """The stem divides by 4, layer3 ends at 1/16, and layer4 keeps that size at stride 1."""
    stages = build_resnet_stages(18, ibn=False, last_stride=last_stride).eval()
    images_BCHW = torch.zeros(1, 3, 64, 32)
    assert stages.stem(images_BCHW).shape == (1, 64, 16, 8)
    assert stages(images_BCHW).shape == (1, 512, *size)


def test_bottleneck_strides_in_its_window():
    """The stride is in the 3x3 convolution, as in torchvision and in the authors' code."""
    with torch.device("meta"):
        block = build_resnet_stages(50, ibn=False, last_stride=1).layer2[0]
    assert [block.conv1.stride, block.conv2.stride, block.conv3.stride] == [(1, 1), (2, 2), (1, 1)]


@pytest.mark.parametrize(
    ("stem_pool", "maxima"), [("unpadded", [2.0, 4.0, 6.0, 7.0]), ("padded", [1.0, 3.0, 5.0, 7.0])]
)
def test_windows_of_the_stems_pool(stem_pool, maxima):
    """Unpadded windows start at the first pixel and the size is rounded up; padded ones start before it."""
    backbone = Backbone(architecture="resnet18", stem_pool=stem_pool)
    pool = build_backbone(backbone, None).stem.maxpool
    row_BCHW = torch.arange(8.0).expand(1, 1, 8, 8)
    assert maxima == pool(row_BCHW)[0, 0, 0].tolist()


def test_a_stem_without_a_pool_has_no_setting_of_it():
    """Two spellings of one MobileNetV2 would be two trainings."""
    (fault,) = Backbone(architecture="mobilenet_v2", stem_pool="padded").find_faults()
    assert "leave network.backbone.stem_pool at 'unpadded'" in fault
    assert [] == Backbone(architecture="resnet18", stem_pool="padded").find_faults()


def test_initialisation_spreads_by_fan_out():
    """Convolutions start at N(0, sqrt(2 / (k² out))), norms at 1 and 0."""
    torch.manual_seed(0)
    stages = build_resnet_stages(18, ibn=False, last_stride=1)
    weight = stages.layer4[1].conv2.weight
    assert weight.std().item() == pytest.approx((2 / (9 * 512)) ** 0.5, rel=0.01)
    norms = [module for module in stages.modules() if isinstance(module, nn.BatchNorm2d)]
    assert all((norm.weight == 1).all() and (norm.bias == 0).all() for norm in norms)
