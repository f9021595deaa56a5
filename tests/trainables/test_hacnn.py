"""HA-CNN against its specification: shapes, sizes, switches, regions, losses and errors.

Sizes and shapes are those measured on the published code at 160x64 with 751 identities; they are counted on
the meta device, where the full network takes no memory and no time.

Legend: B images, C channels, H W height and width of a map, T regions, D embedding, I identities.
"""

import itertools
import math

import pytest
import torch
from torch.nn import functional

from tablewright.trainables.contract.size import NetworkSize
from tablewright.trainables.data.reid import ReidData
from tablewright.trainables.hacnn import (
    ChannelAttention,
    Hacnn,
    HacnnConfig,
    HacnnLosses,
    HacnnNetworkConfig,
    InceptionA,
    InceptionB,
    LocalBranch,
    SoftChannel,
    SpatialAttention,
    code_recipe,
    crop_regions,
    paper_config,
    stripe_biases,
)
from tablewright.trainables.layers.complexity import count_multiply_adds, count_parameters
from tablewright.trainables.retrieval.view import RetrievalView
from tablewright.trainables.training.optimisation import Optimisation, learning_rate
from tablewright.trainables.value.refusal import Refusal
from tests.trainables.network_probe import NetworkProbe, record_shapes


def make_alive(network):
    """Give it the statistics of a batch, or its units would be dead in inference."""
    with torch.no_grad():
        network.train()(PROBE.images(seed=9))


PROBE = NetworkProbe(Hacnn(), [0, 0, 3, 3], (64, 32), settle=make_alive)
NUM_PIDS, LABELS_B = PROBE.num_classes, PROBE.labels_B
images, build, terms_of, redrawn = PROBE.images, PROBE.build, PROBE.terms_of, PROBE.redrawn
NO_SOFT = {"soft_spatial": False, "soft_channel": None}


def small_config(*, network=None, losses=None, data=None, local=None):
    """Make a config at 64x32 with an eighth of the channels and embeddings of 24."""
    parts = {"widths": (16, 32, 48), "embedding_size": 24}
    if local is not None:
        parts["local"] = LocalBranch(**local)
    return HacnnConfig(
        data=ReidData(
            dataset="market1501",
            height_px=64,
            width_px=32,
            num_identities=2,
            num_instances=2,
            **(data or {}),
        ),
        network=HacnnNetworkConfig(**(parts | (network or {}))),
        losses=HacnnLosses(**(losses or {})),
        optimisation=Optimisation(num_epochs=2, precision="fp32"),
    )


def build_alike(config, donor):
    """Build a network with a donor's values wherever both have a parameter or buffer of that name."""
    network = build(config, seed=1)
    shared = {name: value for name, value in donor.state_dict().items() if name in network.state_dict()}
    network.load_state_dict(shared, strict=False)
    return network


def keys(config):
    """Name every parameter and buffer."""
    return set(PROBE.entries(config))


def full_network(**network):
    """Build the full network of the paper on the meta device."""
    config = paper_config("market1501")
    config = config.model_copy(update={"network": HacnnNetworkConfig(**network)})
    with torch.device("meta"):
        return config, Hacnn().build_network(config, 751, {}).eval()


def meta_images():
    """One image of the paper's size that has no pixels."""
    return torch.empty(1, 3, 160, 64, device="meta")


# --- Section 1: shapes at 160x64 -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shapes():
    """Sizes (C, H, W) or (D,) of what each part of the full network puts out; inputs under `in:`."""
    _, network = full_network()
    seen, (outputs, maps) = record_shapes(
        network, lambda: (network(meta_images()), network.whole(meta_images()))
    )
    for level, (attention, centres) in enumerate(
        zip(outputs.attention_BCHW, outputs.centres_BT2, strict=True), start=1
    ):
        seen[f"attention:{level}"] = tuple(attention.shape[1:])
        seen[f"theta:{level}"] = tuple(centres.shape[1:])
    for level, source in enumerate(maps.sources_BCHW):
        seen[f"source:{level}"] = tuple(source.shape[1:])
    return seen


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tensor", "shape"),
    [
        ("whole.stem", (32, 80, 32)),
        ("whole.levels.0.0", (128, 80, 32)),
        ("whole.levels.0", (128, 40, 16)),
        ("whole.levels.1.0", (256, 40, 16)),
        ("whole.levels.1", (256, 20, 8)),
        ("whole.levels.2.0", (384, 20, 8)),
        ("whole.levels.2", (384, 10, 4)),
        ("whole.soft.0.spatial.reduce", (1, 20, 8)),
        ("whole.soft.0.spatial", (1, 40, 16)),
        ("whole.soft.0.channel.squeeze", (8, 1, 1)),
        ("whole.soft.1.channel.squeeze", (16, 1, 1)),
        ("whole.soft.2.channel.squeeze", (24, 1, 1)),
        ("whole.soft.2.channel", (384, 1, 1)),
        ("attention:1", (128, 40, 16)),
        ("attention:2", (256, 20, 8)),
        ("attention:3", (384, 10, 4)),
        ("theta:1", (4, 2)),
        ("theta:2", (4, 2)),
        ("theta:3", (4, 2)),
        ("source:0", (32, 80, 32)),
        ("source:1", (128, 40, 16)),
        ("source:2", (256, 20, 8)),
        ("source:3", (384, 10, 4)),
        ("in:whole.embed", (384,)),
        ("whole.embed", (512,)),
        ("in:local.levels.0", (32, 24, 28)),
        ("local.levels.0", (128, 12, 14)),
        ("in:local.levels.1", (128, 12, 14)),
        ("local.levels.1", (256, 6, 7)),
        ("in:local.levels.2", (256, 6, 7)),
        ("local.levels.2", (384, 3, 4)),
        ("calls:local.levels.2", (4,)),
        ("in:local.embed", (1536,)),
        ("local.embed", (512,)),
        ("classifiers.global", (751,)),
        ("classifiers.local", (751,)),
    ],
)
def test_shape_at_the_papers_size(shapes, tensor, shape):
    """Every tensor of the specification's table has the stated shape."""
    assert shape == shapes[tensor]


@pytest.mark.slow
def test_the_descriptor_has_1024_values():
    """Both branches give 512."""
    config, network = full_network()
    assert config.embedding_widths() == {"global": 512, "local": 512}
    assert {name: value.shape[1] for name, value in network.embed(meta_images()).items()} == {
        "global": 512,
        "local": 512,
    }


# --- Section 4: sizes ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_sizes_of_the_full_network():
    """Parameters and compute are those of the published code, to the last one; 2.7 M is without fusion."""
    _, network = full_network()
    assert count_parameters(network) == 3_699_638
    deployed = count_parameters(network) - count_parameters(network.classifiers)
    assert deployed == 2_929_112
    assert deployed - sum(count_parameters(soft.fuse) for soft in network.whole.soft) == 2_697_432
    assert count_multiply_adds(network, lambda: network.embed(meta_images())) == 543_994_538


@pytest.mark.slow
def test_a_config_says_its_size():
    """What a size table prints are these counts; 2 multiply-adds are the paper's 1.09e9 FLOPs."""
    config = paper_config("market1501")
    assert config.make_trainable().size(config) == NetworkSize(3_699_638, 2_929_112, 543_994_538, 27)


@pytest.mark.parametrize(
    ("part", "channels"), [(SpatialAttention(), 1), (ChannelAttention(128, 16), 128), (InceptionA(8, 16), 16)]
)
def test_attention_weighs_as_little_as_the_paper_says(part, channels):
    """10 weights of convolutions in spatial, 2c²/r in channel attention; Inception-A keeps a map's size."""
    weights = sum(p.numel() for p in part.parameters() if p.dim() == 4)
    expected = {
        SpatialAttention: 9 + 1,
        ChannelAttention: 2 * 128 * 128 // 16,
        InceptionA: 4 * (8 * 4) + 3 * (9 * 4 * 4),
    }
    assert expected[type(part)] == weights
    assert part.eval()(torch.rand(2, 128 if channels == 128 else 8, 10, 6)).shape[1] == channels


def test_inception_b_halves_odd_sides_up():
    """A side of 7 becomes 4, as at the last local level."""
    assert InceptionB(8, 16).eval()(torch.rand(1, 8, 6, 7)).shape == (1, 16, 3, 4)


# --- Section 2: soft attention ---------------------------------------------------------------------------


def test_attention_lies_between_a_half_and_one_and_reaches_a_half():
    """A ReLU stands before the sigmoid."""
    network = build(small_config()).train()
    for attention_BCHW in network(images()).attention_BCHW:
        assert 0.5 == attention_BCHW.min().item()
        assert 0.5 < attention_BCHW.max().item() < 1.0


def test_soft_attention_is_the_formula():
    """A is the sigmoid of the mixed outer product of both attentions, and multiplies the map."""
    network = build(small_config()).eval()
    soft, level = network.whole.soft[0], network.whole.levels[0]
    map_BCHW = torch.rand(2, 16, 8, 4)
    spatial = soft.spatial(map_BCHW)
    channel = soft.channel(map_BCHW)
    product = torch.einsum("bhw,bc->bchw", spatial[:, 0], channel[:, :, 0, 0])
    expected = torch.sigmoid(soft.fuse(product))
    torch.testing.assert_close(soft(map_BCHW), expected)
    maps = network.whole(network.pixels(images()))
    attended = level(maps.sources_BCHW[0]) * maps.attention_BCHW[0]
    torch.testing.assert_close(maps.sources_BCHW[1], attended)


def test_spatial_attention_reads_the_mean_over_channels():
    """Maps of equal channel means get one attention; it is resized with aligned corners."""
    part = SpatialAttention().eval()
    map_BCHW = torch.rand(2, 4, 8, 6)
    torch.testing.assert_close(part(map_BCHW), part(map_BCHW.flip(1)))
    reduced = part.reduce(map_BCHW.mean(1, keepdim=True))
    resized = functional.interpolate(reduced, scale_factor=2, mode="bilinear", align_corners=True)
    torch.testing.assert_close(part(map_BCHW), part.scale(resized))


# --- Section 2: regions ----------------------------------------------------------------------------------


def test_regions_start_as_four_stripes():
    """Centres are tanh of -0.75, -0.25, 0.25 and 0.75 from the top down, for every image and level."""
    expected = torch.tensor([[0.0, math.tanh(y)] for y in (-0.75, -0.25, 0.25, 0.75)])
    for centres_BT2 in build(small_config()).eval()(images()).centres_BT2:
        torch.testing.assert_close(centres_BT2, expected.expand(4, -1, -1))


@pytest.mark.parametrize("num_regions", [1, 2, 4, 8])
def test_stripes_of_any_number_are_spread_evenly(num_regions):
    """Before the tanh, T stripes of height 1/T would tile the map."""
    x_T, y_T = stripe_biases(num_regions).unbind(1)
    edges = [-1 + 2 * number / num_regions for number in range(num_regions + 1)]
    assert x_T.tolist() == [0.0] * num_regions
    assert y_T.tolist() == [(a + b) / 2 for a, b in itertools.pairwise(edges)]


def test_regions_follow_the_map_once_trained():
    """The places of regions depend on the image when the linear layer has weights."""
    network = build(small_config()).eval()
    for hard in network.whole.hard:
        torch.nn.init.normal_(hard.locate.weight, 0.0, 0.5)
    for centres_BT2 in network(images()).centres_BT2:
        assert not torch.equal(centres_BT2[0], centres_BT2[1])
        assert centres_BT2.abs().max() < 1


def loop_over_region(map_CHW, centre, local, height, width):
    """Cut one region by its definition: sample every pixel of a full grid, then resize, with loops."""
    channels, rows, columns = map_CHW.shape

    def value(c, y, x):
        return map_CHW[c, y, x].item() if 0 <= y < rows and 0 <= x < columns else 0.0

    def position(index, size, scale, shift):
        if local.align_corners:
            coordinate = scale * (2 * index / (size - 1) - 1) + shift
            return (coordinate + 1) * (size - 1) / 2
        coordinate = scale * ((2 * index + 1) / size - 1) + shift
        return ((coordinate + 1) * size - 1) / 2

    def bilinear(read, c, y, x):
        top, left = math.floor(y), math.floor(x)
        return sum(
            (1 - abs(y - i)) * (1 - abs(x - j)) * read(c, i, j)
            for i in (top, top + 1)
            for j in (left, left + 1)
            if abs(y - i) < 1 and abs(x - j) < 1
        )

    sampled = torch.zeros(channels, rows, columns, dtype=torch.float64)
    for c in range(channels):
        for i in range(rows):
            for j in range(columns):
                y = position(i, rows, local.region_height, centre[1])
                x = position(j, columns, local.region_width, centre[0])
                sampled[c, i, j] = bilinear(value, c, y, x)
    out = torch.zeros(channels, height, width, dtype=torch.float64)
    for c in range(channels):
        for i in range(height):
            for j in range(width):
                y, x = i * (rows - 1) / (height - 1), j * (columns - 1) / (width - 1)
                out[c, i, j] = bilinear(lambda *place: sampled[place].item(), c, y, x)
    return out


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("scales", [(0.25, 1.0), (0.6, 0.5)])
def test_a_region_is_what_a_slow_loop_cuts(align_corners, scales):
    """Both steps together give the definition's values, parts outside of the map as zeros."""
    local = LocalBranch(align_corners=align_corners, region_height=scales[0], region_width=scales[1])
    map_BCHW = torch.rand(1, 2, 10, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    centres = [(0.0, -0.635), (0.31, 0.9), (-0.87, 0.2)]
    regions = crop_regions(map_BCHW, torch.tensor([centres], dtype=torch.float64), local, 6, 7)
    for number, centre in enumerate(centres):
        expected = loop_over_region(map_BCHW[0], centre, local, 6, 7)
        torch.testing.assert_close(regions[0, number], expected)


@pytest.mark.parametrize("align_corners", [True, False])
def test_regions_and_their_gradients_are_those_of_a_sampled_grid(align_corners):
    """torch's affine_grid, grid_sample and interpolate give the same values and gradients."""
    local = LocalBranch(align_corners=align_corners)
    generator = torch.Generator().manual_seed(0)
    map_BCHW = torch.rand(2, 3, 20, 8, dtype=torch.float64, generator=generator).requires_grad_()
    centres_BT2 = (1.6 * torch.rand(2, 4, 2, dtype=torch.float64, generator=generator) - 0.8).requires_grad_()
    pull = torch.rand(2, 4, 3, 6, 7, dtype=torch.float64, generator=generator)

    def sample(centre_B2):
        theta_B23 = torch.zeros(2, 2, 3, dtype=torch.float64)
        theta_B23[:, 0, 0], theta_B23[:, 1, 1] = local.region_width, local.region_height
        theta_B23 = theta_B23 + torch.nn.functional.pad(centre_B2[..., None], (2, 0))
        grid = functional.affine_grid(theta_B23, list(map_BCHW.shape), align_corners=align_corners)
        sampled = functional.grid_sample(map_BCHW, grid, align_corners=align_corners)
        return functional.interpolate(sampled, (6, 7), mode="bilinear", align_corners=True)

    expected = torch.stack([sample(centre_B2) for centre_B2 in centres_BT2.unbind(1)], dim=1)
    actual = crop_regions(map_BCHW, centres_BT2, local, 6, 7)
    torch.testing.assert_close(actual, expected)
    inputs = (map_BCHW, centres_BT2)
    expected_gradients = torch.autograd.grad((expected * pull).sum(), inputs)
    for gradient, wanted in zip(
        torch.autograd.grad((actual * pull).sum(), inputs), expected_gradients, strict=True
    ):
        torch.testing.assert_close(gradient, wanted)


@pytest.mark.slow
def test_the_meaning_of_a_corner_changes_regions_and_no_weight():
    """`align_corners` is a setting of sampling alone."""
    aligned, outer = small_config(), small_config(local={"align_corners": False})
    network = build(aligned)
    other = build_alike(outer, network)
    assert keys(aligned) == keys(outer)
    first, second = network.eval().embed(images()), other.eval().embed(images())
    assert torch.equal(first["global"], second["global"])
    assert not torch.equal(first["local"], second["local"])


# --- Section 5: switches ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_each_soft_attention_goes_alone():
    """Without spatial (channel) attention its own weights are missing, and no others."""
    full = keys(small_config())
    for switch, part in (({"soft_spatial": False}, "spatial"), ({"soft_channel": None}, "channel")):
        less = keys(small_config(network=switch))
        assert less < full
        assert all(f".{part}." in name for name in full - less)


@pytest.mark.slow
def test_without_both_soft_attentions_maps_stay_as_they_are():
    """A is 1, and the fusing convolution goes with them."""
    config = small_config(network=NO_SOFT)
    assert keys(small_config()) - keys(config) == {
        name for name in keys(small_config()) if name.startswith("whole.soft.")
    }
    network = build(config).eval()
    outputs = network(images())
    maps = network.whole(network.pixels(images()))
    assert outputs.attention_BCHW == []
    torch.testing.assert_close(maps.sources_BCHW[1], network.whole.levels[0](maps.sources_BCHW[0]))


@pytest.mark.parametrize("switch", [{"soft_spatial": False}, {"soft_channel": None}])
def test_a_lone_soft_attention_takes_the_other_as_one(switch):
    """S = 1 leaves an attention that is equal everywhere; C = 1 one that mixes equal channels."""
    config = small_config(network=switch)
    network = build(config).eval()
    soft = network.whole.soft[0]
    map_BCHW = torch.rand(2, 16, 8, 4)
    factor = soft.channel(map_BCHW) if soft.spatial is None else soft.spatial(map_BCHW)
    expected = torch.sigmoid(soft.fuse(torch.ones_like(map_BCHW) * factor))
    torch.testing.assert_close(soft(map_BCHW), expected)
    if soft.spatial is None:
        assert torch.equal(expected, expected[:, :, :1, :1].expand_as(expected))


@pytest.mark.slow
def test_without_hard_attention_regions_stay_where_they_start():
    """Before training nothing differs; learned regions then get a gradient, fixed ones have no weight."""
    learned, fixed = small_config(), small_config(local={"learns_regions": False})
    network = build(learned)
    stripes = build_alike(fixed, network)
    assert keys(learned) - keys(fixed) == {
        f"whole.hard.{level}.locate.{kind}" for level in range(3) for kind in ("weight", "bias")
    }
    for name, value in network.eval().embed(images()).items():
        torch.testing.assert_close(stripes.eval().embed(images())[name], value)
    terms = terms_of(learned, network)
    terms["identity/local"].backward()
    for hard in network.whole.hard:
        assert hard.locate.bias.grad.abs().sum() > 0
        assert hard.locate.weight.grad.abs().sum() > 0


@pytest.mark.slow
def test_the_other_reading_of_no_hard_attention_trains_the_global_branch_alone():
    """Without a local branch there is one embedding, one loss at full weight, and no region."""
    config = small_config(network={"local": None})
    full = build(small_config())
    network = build_alike(config, full)
    assert {"global": 24} == config.embedding_widths()
    assert {"all": ("global",)} == config.embedding_groups()
    assert all(
        name.startswith(("local.", "whole.hard.", "classifiers.local."))
        for name in keys(small_config()) - keys(config)
    )
    outputs = network.eval()(images())
    assert outputs.centres_BT2 == []
    torch.testing.assert_close(outputs.embeddings_BD["global"], full.eval()(images()).embeddings_BD["global"])
    ((name, loss),) = terms_of(config, network).items()
    expected = functional.cross_entropy(network.train()(images()).logits_BI["global"], LABELS_B)
    assert name == "identity/global"
    torch.testing.assert_close(loss, expected)


def test_interaction_adds_regions_of_attended_maps_at_levels_two_and_three():
    """L2 is given L1 plus regions of X1' at theta2, L3 likewise of X2' at theta3."""
    config = small_config()
    local = config.network.local
    network = build(config).eval()
    for hard in network.whole.hard:
        torch.nn.init.normal_(hard.locate.weight, 0.0, 0.5)
    given, made = {}, {}
    for number, level in enumerate(network.local.levels):
        given[number], made[number] = [], []

        def remember(_, inputs, output, number=number):
            given[number].append(inputs[0])
            made[number].append(output)

        level.register_forward_hook(remember)
    maps = network.whole(network.pixels(images()))
    network.local(maps)
    for number, (height, width) in enumerate([(24, 28), (12, 14), (6, 7)]):
        taken = crop_regions(maps.sources_BCHW[number], maps.centres_BT2[number], local, height, width)
        for region in range(4):
            own = made[number - 1][region] if number else 0
            torch.testing.assert_close(given[number][region], own + taken[:, region])


@pytest.mark.slow
def test_without_interaction_only_the_first_level_is_given_regions():
    """Later levels see the level before them alone; their regions' weights are missing, and no others."""
    config = small_config(local={"interaction": False})
    full = build(small_config())
    network = build_alike(config, full)
    assert keys(small_config()) - keys(config) == {
        f"whole.hard.{level}.locate.{kind}" for level in (1, 2) for kind in ("weight", "bias")
    }
    outputs, full_outputs = network.eval()(images()), full.eval()(images())
    assert len(outputs.centres_BT2) == 1
    assert torch.equal(outputs.embeddings_BD["global"], full_outputs.embeddings_BD["global"])
    assert not torch.equal(outputs.embeddings_BD["local"], full_outputs.embeddings_BD["local"])
    levels, local = network.local.levels, config.network.local
    maps = network.whole(network.pixels(images()))
    regions = crop_regions(maps.sources_BCHW[0], maps.centres_BT2[0], local, 24, 28).unbind(1)
    pooled = [levels[2](levels[1](levels[0](region))).mean((2, 3)) for region in regions]
    torch.testing.assert_close(outputs.embeddings_BD["local"], network.local.embed(torch.cat(pooled, 1)))


@pytest.mark.parametrize(("interaction", "reaches"), [(True, True), (False, False)])
def test_the_local_loss_reaches_the_global_levels_through_interaction_only(interaction, reaches):
    """With fixed regions, level 1 of the global branch learns from the local loss by interaction alone."""
    config = small_config(local={"interaction": interaction, "learns_regions": False})
    network = build(config)
    terms = terms_of(config, network)
    terms["identity/local"].backward()
    gradients = [parameter.grad for parameter in network.whole.levels[0].parameters()]
    assert reaches == all(gradient is not None for gradient in gradients)
    assert network.whole.stem[0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("num_regions", [1, 2, 6])
@pytest.mark.slow
def test_the_number_of_regions_is_free(num_regions):
    """T regions give T pairs of coordinates and a local layer T times as wide; nothing else changes."""
    config = small_config(local={"num_regions": num_regions, "region_height": 1 / num_regions})
    network = build(config).eval()
    outputs = network(images())
    assert [centres.shape for centres in outputs.centres_BT2] == [(4, num_regions, 2)] * 3
    assert network.local.embed[0].in_features == 48 * num_regions
    assert keys(config) == keys(small_config())


def test_the_region_height_is_what_is_cut():
    """A region of the whole map's size at its centre is the map."""
    local = LocalBranch(region_height=1.0)
    map_BCHW = torch.rand(1, 2, 10, 4)
    region = crop_regions(map_BCHW, torch.zeros(1, 1, 2), local, 10, 4)
    torch.testing.assert_close(region[:, 0], map_BCHW)


def test_the_reduction_narrows_the_hidden_layer_alone():
    """r = 4 has four times the hidden channels of r = 16."""
    wide, narrow = (
        build(small_config(network={"soft_channel": SoftChannel(reduction=r)})).state_dict() for r in (4, 16)
    )
    assert set(wide) == set(narrow)
    changed = {name for name in wide if wide[name].shape != narrow[name].shape}
    assert changed != set()
    assert all(".channel." in name for name in changed)
    name = "whole.soft.0.channel.squeeze.0.weight"
    assert (4, 1) == (len(wide[name]), len(narrow[name]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "own"),
    [
        (small_config(network={"soft_spatial": False}), ()),
        (small_config(network={"soft_channel": None}), ()),
        (small_config(network=NO_SOFT), ()),
        (small_config(network={"local": None}), ()),
        (small_config(local={"learns_regions": False}), ()),
        (small_config(local={"interaction": False}), ()),
        (small_config(local={"region_height": 0.5}), ()),
        (small_config(losses={"combination": "sum"}), ()),
        # A layer before or behind that is wider or narrower gives the bias of the same width another range.
        (small_config(local={"num_regions": 2}), ("local.embed.0.bias",)),
        (
            small_config(network={"soft_channel": SoftChannel(reduction=8)}),
            tuple(f"whole.soft.{level}.channel.excite.0.bias" for level in range(3)),
        ),
    ],
)
def test_a_switch_redraws_nothing_that_it_leaves_in_place(changed, own):
    """Two rows of an ablation start alike under one seed wherever they have a weight in common."""
    assert set(own) == redrawn(small_config(), changed)


# --- Section 3: losses, embeddings -----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("combination", "weight"), [("mean", 0.5), ("sum", 1.0)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_losses_by_hand(combination, weight, smoothing):
    """Each branch's cross-entropy is to 1 - ε + ε/I at the label and ε/I elsewhere, averaged or summed."""
    config = small_config(losses={"combination": combination, "label_smoothing": smoothing})
    network = build(config)
    terms = terms_of(config, network)
    logits_BI = build(config).train()(images()).logits_BI
    assert ["identity/global", "identity/local"] == list(terms)
    for name in ("global", "local"):
        expected = 0.0
        for row, label in zip(logits_BI[name].detach().double(), LABELS_B.tolist(), strict=True):
            log_probabilities = row - math.log(sum(math.exp(value) for value in row.tolist()))
            for pid, value in enumerate(log_probabilities.tolist()):
                target = smoothing / NUM_PIDS + (1 - smoothing) * (pid == label)
                expected -= target * value / len(LABELS_B)
        assert terms[f"identity/{name}"].item() == pytest.approx(weight * expected, rel=1e-5)


def test_each_embedding_has_length_one_and_both_weigh_the_same():
    """`embed` gives the features behind the ReLU, each branch normalised; the joined one is √2 long."""
    network = build(small_config()).eval()
    with torch.no_grad():
        embeddings, features = network.embed(images()), network(images()).embeddings_BD
    for name, embedding_BD in embeddings.items():
        torch.testing.assert_close(embedding_BD, features[name] / features[name].norm(dim=1, keepdim=True))
        assert features[name].min() >= 0
    joined = torch.cat(list(embeddings.values()), dim=1)
    torch.testing.assert_close(joined.norm(dim=1), torch.full((4,), math.sqrt(2)))


def test_embedding_makes_no_logits():
    """At test the classifiers are not computed."""
    network = build(small_config()).eval()
    ran = []
    for classifier in network.classifiers.values():
        classifier.register_forward_hook(lambda *_: ran.append(1))
    network.embed(images())
    assert ran == []
    network(images())
    assert ran == [1, 1]


def test_regions_are_standardised_one_after_the_other():
    """Running statistics of the shared local levels count each region of a step."""
    network = Hacnn().build_network(small_config(), NUM_PIDS, {}).train()
    network(images())
    assert network.local.levels[0].streams[0][0][1].num_batches_tracked == 4
    assert network.whole.levels[0][0].streams[0][0][1].num_batches_tracked == 1


def test_half_precision_keeps_what_regions_need():
    """Under autocast regions and their places are those of float32 to the last bit, and loss terms are float32."""
    config = small_config()
    local = config.network.local
    network = build(config).train()
    hard = network.whole.hard[0]
    torch.nn.init.normal_(hard.locate.weight, 0.0, 0.5)
    map_BCHW = torch.rand(4, 16, 20, 9, generator=torch.Generator().manual_seed(1))

    def cut():
        centres_BT2 = hard(map_BCHW)
        return centres_BT2, crop_regions(map_BCHW, centres_BT2, local, 10, 7)

    expected = cut()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = cut()
        (terms,) = Hacnn().loss_terms(config, network, [images()], [LABELS_B], epoch=0)
    assert torch.equal(expected[0], actual[0])
    assert torch.equal(expected[1], actual[1])
    assert {torch.float32} == {term.dtype for term in terms.values()}


def test_a_region_inside_of_a_white_map_is_white_in_half_precision():
    """What a pixel is given of its neighbours adds up to 1, also where it lies between them."""
    local = LocalBranch(region_height=0.37, region_width=0.61)
    centres_BT2 = torch.tensor([[[0.13, -0.29], [-0.31, 0.57]]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        region = crop_regions(torch.ones(1, 3, 20, 9), centres_BT2, local, 12, 14)
    torch.testing.assert_close(region, torch.ones_like(region), atol=1e-6, rtol=0)


def test_terms_that_are_closed_late_leave_no_half_precision_behind():
    """After a backward pass that failed, the loop's autocast is off, whenever the generator is closed."""
    config = small_config()
    terms = Hacnn().loss_terms(config, build(config).train(), [images()], [LABELS_B], epoch=0)
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            next(terms)
        terms.close()
        assert not torch.is_autocast_enabled("cpu")
    finally:
        torch.set_autocast_enabled("cpu", False)


# --- Pictures --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_panels_show_every_attention_there_is():
    """Three soft maps and three sets of four boxes; the boxes are the stripes at the start."""
    config = small_config()
    network = build(config).eval()
    panels = Hacnn().panels(config, network, images())
    assert [f"{kind}\nlevel {level}" for kind in ("soft", "regions") for level in (1, 2, 3)] == [
        panel.label for panel in panels
    ]
    centres = [(math.tanh(y) + 1) / 2 for y in (-0.75, -0.25, 0.25, 0.75)]
    expected = torch.tensor([[0.0, centre - 0.125, 1.0, centre + 0.125] for centre in centres])
    torch.testing.assert_close(panels[3].boxes_BN4, expected.expand(4, -1, -1))
    off = small_config(network=NO_SOFT | {"local": None})
    assert [] == Hacnn().panels(off, build(off).eval(), images())


# --- Configuration ---------------------------------------------------------------------------------------


def test_faults_are_collected_and_say_what_to_set():
    """All impossible combinations are named in one error."""
    with pytest.raises(Refusal) as caught:
        small_config(network={"widths": (16, 30, 48), "local": None}, losses={"combination": "sum"})
    message = str(caught.value)
    for advice in (
        "set network.widths",
        "set network.soft_channel.reduction",
        "set losses.combination to 'mean'",
    ):
        assert advice in message


def test_a_view_of_a_branch_that_is_off_is_refused():
    """The local embedding exists with the local branch only."""
    view = RetrievalView(embeddings=("local",))
    small_config().check_view(view)
    with pytest.raises(ValueError, match="offers no embedding 'local'"):
        small_config(network={"local": None}).check_view(view)


def test_the_papers_recipe():
    """From scratch at 160x64: Adam at a constant 5e-4, 32 images, 150 epochs, no augmentation."""
    config = paper_config("market1501")
    data, optimisation = config.data, config.optimisation
    assert (config.dataset_name(), config.planned_epochs()) == ("market1501", 150)
    assert (data.height_px, data.width_px, data.num_identities, data.num_instances) == (160, 64, 32, 1)
    assert data.sampling == "images"
    assert set(data.augmentation.model_dump().values()) == {None}
    assert (optimisation.optimizer, optimisation.base_lr, optimisation.betas) == ("adam", 5e-4, (0.9, 0.999))
    assert (optimisation.schedule, optimisation.decay_epochs, optimisation.warmup_steps) == ("steps", (), 0)
    assert config.network == HacnnNetworkConfig()
    assert config.losses == HacnnLosses(combination="mean", label_smoothing=0.0)
    assert {} == Hacnn().weights_files(config, None)


def test_the_published_codes_recipe():
    """SGD at 0.03 for 300 epochs, a tenth from 150 and from 225 on; the network is the paper's."""
    paper = paper_config("market1501")
    config = HacnnConfig.model_validate(code_recipe(paper).model_dump())
    optimisation, augmentation = config.optimisation, config.data.augmentation
    rates = [learning_rate(optimisation, epoch, 1) for epoch in (0, 149, 150, 224, 225, 299)]
    assert optimisation.optimizer == "sgd"
    assert rates == pytest.approx([0.03, 0.03, 0.003, 0.003, 0.0003, 0.0003])
    assert (augmentation.flip_probability, augmentation.enlarge_crop.factor) == (0.5, 1.125)
    assert (config.network, config.losses.label_smoothing) == (paper.network, 0.1)
