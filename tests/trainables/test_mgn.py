"""MGN against its specification: sizes, shapes, switches, terms, errors, and resuming.

Sizes are those measured on the re-implementation that the specification names, at 384x128 with 751 identities,
counted on the meta device.

Legend: B images, C channels, H W height and width of a map, D embedding, I identities.
"""

import math

import pytest
import torch
from torch.nn import functional

from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.data.reid import ReidData
from tablewright.trainables.layers.backbone import Backbone
from tablewright.trainables.layers.complexity import count_multiply_adds, count_parameters
from tablewright.trainables.layers.gem import GeM
from tablewright.trainables.losses.triplet import batch_hard_triplet_loss
from tablewright.trainables.mgn import (
    BaselineNetworkConfig,
    Branch,
    Mgn,
    MgnConfig,
    MgnLosses,
    MgnNetworkConfig,
    MgnOutputs,
    Pool,
    Softmax,
    Triplet,
    cut_stripes,
    demo_config,
    make_loss_terms,
    paper_config,
)
from tablewright.trainables.retrieval.view import RetrievalView
from tablewright.trainables.training.optimisation import Optimisation
from tablewright.trainables.value.refusal import Refusal
from tests.trainables.network_probe import NetworkProbe, assert_only_these_differ, record_shapes
from tests.trainables.tiny_reid import (
    Journal,
    LocalFolder,
    assert_equal_states,
    fit_through,
    tiny_runtime,
)

PROBE = NetworkProbe(Mgn(), [0, 0, 3, 3], (96, 32))
NUM_PIDS, LABELS_B = PROBE.num_classes, PROBE.labels_B
images, build, terms_of, redrawn = PROBE.images, PROBE.build, PROBE.terms_of, PROBE.redrawn
EMBEDDINGS = [
    *("global_whole", "part2_whole", "part3_whole", "part2_stripe_1", "part2_stripe_2"),
    *("part3_stripe_1", "part3_stripe_2", "part3_stripe_3"),
]
WHOLES, STRIPES = EMBEDDINGS[:3], EMBEDDINGS[3:]
MOBILENET = Backbone(architecture="mobilenet_v2")
BASELINE = BaselineNetworkConfig(backbone=Backbone(architecture="mobilenet_v2", last_stride=2))
ONLY_GLOBAL = {"part2": None, "part3": None}
ONLY_PART2 = {"global_branch": None, "part3": None}
ONLY_PART3 = {"global_branch": None, "part2": None}


def small_config(network=None, losses=None, data=None):
    """Make a config of MGN on an untrained MobileNetV2 at 96x32 with embeddings of 8."""
    sizes = {"height_px": 96, "width_px": 32, "num_identities": 2, "num_instances": 2}
    if not isinstance(network, BaselineNetworkConfig):
        network = MgnNetworkConfig(**({"backbone": MOBILENET, "reduction_size": 8} | (network or {})))
    return MgnConfig(
        data=ReidData(**{"dataset": "market1501", **sizes, **(data or {})}),
        network=network,
        losses=MgnLosses(**(losses or {})),
        optimisation=Optimisation(
            num_epochs=2,
            base_lr=1e-2,
            warmup_steps=0,
            schedule="steps",
            decay_epochs=(1,),
            optimizer="sgd",
            precision="fp32",
        ),
    )


def full_network(**network):
    """Build the paper's network on the meta device."""
    config = paper_config("market1501")
    config = config.model_copy(update={"network": config.network.model_copy(update=network)})
    return config, counted_network(config)


def counted_network(config):
    """Build a network of 751 identities without memory."""
    with torch.device("meta"):
        return Mgn().build_network(config, 751, {}).eval()


def meta_images(height=384, width=128):
    """One image that has no pixels."""
    return torch.empty(1, 3, height, width, device="meta")


# --- Sizes ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_sizes_of_the_full_network():
    """Parameters of the whole, the trunk and each branch, and the compute, are the specification's."""
    _, network = full_network()
    assert 74_389_176 == count_parameters(network)
    assert 2_957_376 == count_parameters(network.trunk)
    for branch in network.branches.values():
        assert 20_550_656 == count_parameters(branch.layer3) + count_parameters(branch.layer4)
    assert 11_884_822_528 == count_multiply_adds(network, lambda: network.embed(meta_images()))


@pytest.mark.slow
def test_sizes_of_the_deployed_network():
    """Without its classifiers it has the specification's size, and embeds as before."""
    config, network = full_network()
    network.drop_training_parts()
    assert 68_807_744 == count_parameters(network)
    assert 11_884_822_528 == count_multiply_adds(network, lambda: network(meta_images()))
    assert {name: (1, 256) for name in EMBEDDINGS} == {
        name: tuple(value.shape) for name, value in network.embed(meta_images()).items()
    }
    assert 2048 == sum(config.embedding_widths().values())


@pytest.mark.parametrize(
    ("architecture", "parameters"), [("resnet50", 23_508_032), ("resnet101", 42_500_160)]
)
def test_sizes_of_the_baselines(architecture, parameters):
    """A baseline is the published backbone and one classifier of 2048 x 751."""
    network = BaselineNetworkConfig(backbone=Backbone(architecture=architecture, last_stride=2))
    counted = counted_network(paper_config("market1501").model_copy(update={"network": network}))
    assert parameters + 751 * 2048 + 751 == count_parameters(counted)
    counted.drop_training_parts()
    assert parameters == count_parameters(counted)


# --- Shapes -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shapes():
    """Sizes (C, H, W) or (D,) of what each part of the full network puts out; inputs under `in:`."""
    _, network = full_network()
    seen, _ = record_shapes(network, lambda: network(meta_images()))
    return seen


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tensor", "shape"),
    [
        ("trunk", (1024, 24, 8)),
        ("branches.global.layer3", (1024, 24, 8)),
        ("branches.global.layer4", (2048, 12, 4)),
        ("branches.part2.layer4", (2048, 24, 8)),
        ("branches.part3.layer4", (2048, 24, 8)),
        ("in:branches.global.whole", (2048, 12, 4)),
        ("in:branches.part2.whole", (2048, 24, 8)),
        ("in:branches.part3.whole", (2048, 24, 8)),
        ("in:branches.part2.stripes.0", (2048, 12, 8)),
        ("in:branches.part2.stripes.1", (2048, 12, 8)),
        ("in:branches.part3.stripes.0", (2048, 8, 8)),
        ("in:branches.part3.stripes.2", (2048, 8, 8)),
        ("branches.part3.stripes.2.pool", (2048,)),
        *((f"in:classifiers.{name}", (2048,)) for name in WHOLES),
        *((f"in:classifiers.{name}", (256,)) for name in STRIPES),
        *((f"classifiers.{name}", (751,)) for name in EMBEDDINGS),
    ],
)
def test_shape_at_the_papers_size(shapes, tensor, shape):
    """Every tensor of the specification's table has the stated shape."""
    assert shape == shapes[tensor]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "channels"),
    [("resnet101", 1024), ("resnet18", 256), ("mobilenet_v2", 64), ("mobilenet_v2_short", 64)],
)
def test_the_trunk_ends_behind_the_first_block_of_layer3(architecture, channels):
    """On other backbones the trunk is cut at the same place, and the branches have the rest."""
    backbone = Backbone(architecture=architecture)
    config, network = full_network(backbone=backbone)
    assert (1, channels, 24, 8) == tuple(network.trunk(meta_images()).shape)
    assert config.embedding_widths() == {n: v.shape[1] for n, v in network.embed(meta_images()).items()}
    whole = BaselineNetworkConfig(backbone=backbone)
    plain = counted_network(config.model_copy(update={"network": whole}))
    plain.drop_training_parts()
    branch = network.branches["part2"]
    ends = count_parameters(branch.layer3) + count_parameters(branch.layer4)
    assert count_parameters(plain) == count_parameters(network.trunk) + ends
    assert whole.embedding_widths() == {n: v.shape[1] for n, v in plain.embed(meta_images()).items()}


@pytest.mark.parametrize(
    ("height", "num_stripes", "rows"),
    [
        (24, 2, [(0, 12), (12, 24)]),
        (24, 3, [(0, 8), (8, 16), (16, 24)]),
        (16, 3, [(0, 6), (5, 11), (10, 16)]),
        (8, 3, [(0, 3), (2, 6), (5, 8)]),
    ],
)
def test_stripes_are_the_windows_of_adaptive_pooling(height, num_stripes, rows):
    """Stripes lie end to end where they divide the map, and share a row where they do not."""
    map_BCHW = torch.rand(2, 3, height, 4)
    stripes = cut_stripes(map_BCHW, num_stripes)
    for (first, end), stripe_BCHW in zip(rows, stripes, strict=True):
        assert torch.equal(map_BCHW[:, :, first:end], stripe_BCHW)
    pooled_BCP = functional.adaptive_max_pool2d(map_BCHW, (num_stripes, 1)).squeeze(3)
    ours_BCP = torch.stack([Pool("max")(stripe_BCHW) for stripe_BCHW in stripes], dim=2)
    assert torch.equal(pooled_BCP, ours_BCP)


def test_poolings_by_hand():
    """Of 1, 2, 3 and 4: the maximum is 4, the mean 2.5, and GeM with exponent 3 the cube root of 25."""
    map_BCHW = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    pooled = {pooling: Pool(pooling)(map_BCHW).item() for pooling in ("max", "avg", "gem")}
    assert {"max": 4.0, "avg": 2.5} == {name: pooled[name] for name in ("max", "avg")}
    assert math.isclose(25 ** (1 / 3), pooled["gem"], rel_tol=1e-6)


# --- How it starts ----------------------------------------------------------------------------------------


def test_branches_start_alike_and_share_nothing():
    """Branches are copies of one pretrained end, whatever their strides; training one leaves the others."""
    network = build(small_config())
    ends = {
        name: {k: v for k, v in branch.state_dict().items() if k.startswith("layer")}
        for name, branch in network.branches.items()
    }
    assert_equal_states(ends["global"], ends["part2"])
    assert_equal_states(ends["part2"], ends["part3"])
    pointers = [p.data_ptr() for p in network.parameters()]
    assert len(pointers) == len(set(pointers))


@pytest.mark.slow
def test_published_weights_reach_the_trunk_and_every_branch():
    """With ImageNet weights, trunk and branches together hold the backbone's own weights."""
    backbone = MOBILENET.model_copy(update={"weights": "imagenet_mobilenet"})
    config = small_config(network={"backbone": backbone})
    network = Mgn().build_network(config, NUM_PIDS, Mgn().weights_files(config, None))
    whole = small_config(network=BASELINE.model_copy(update={"backbone": backbone}))
    plain = Mgn().build_network(whole, NUM_PIDS, Mgn().weights_files(whole, None))
    expected = list(plain.trunk.stages.state_dict().values())
    for branch in network.branches.values():
        parts = [network.trunk.stages, branch.layer3, branch.layer4]
        held = [value for part in parts for value in part.state_dict().values()]
        assert len(expected) == len(held)
        assert all(torch.equal(e, h) for e, h in zip(expected, held, strict=True))


@pytest.mark.slow
def test_heads_start_as_the_code_starts_them():
    """Reductions at Kaiming fan-in, their norms around 1, classifiers at N(0, 0.001) with bias 0."""
    network = build(small_config(network={"reduction_size": 256}))
    head = network.branches["part2"].stripes[0]
    assert math.isclose((2 / 320) ** 0.5, head.reduce.weight.std().item(), rel_tol=0.02)
    assert math.isclose(0.02, head.norm.weight.std().item(), rel_tol=0.2)
    assert math.isclose(1.0, head.norm.weight.mean().item(), rel_tol=0.02)
    classifier = network.classifiers["part2_whole"]
    assert math.isclose(0.001, classifier.weight.std().item(), rel_tol=0.1)
    assert 0 == classifier.bias.abs().sum() == head.norm.bias.abs().sum()


# --- Losses -----------------------------------------------------------------------------------------------


def made_outputs():
    """Two embeddings a kind, and logits, whose losses are known by hand."""
    points_BD = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0], [0.0, 2.0]])
    return MgnOutputs(
        wholes_BD={"global_whole": points_BD, "part2_whole": points_BD * 2},
        stripes_BD={"global": [], "part2": [points_BD * 3, points_BD * 0]},
        logits_BI={"global_whole": torch.zeros(4, 5), "part2_stripe_1": torch.zeros(4, 2)},
    )


def by_hand(scale, margin=1.2):
    """Triplet loss of `made_outputs`, whose points are multiplied by `scale`.

    Labels 0 0 1 1. Farthest positive: 5, 5, 1, 1. Nearest negative: 1, √13, 1, 2 (times the scale).
    """
    pairs = [(5, 1), (5, 13**0.5), (1, 1), (1, 2)]
    return sum(max(0.0, scale * (far - near) + margin) for far, near in pairs) / 4


LABELS_OF_MADE = torch.tensor([0, 0, 1, 1])
CE5, CE2 = math.log(5), math.log(2)


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        (
            MgnLosses(),
            {
                "softmax/global_whole": CE5 / 4,
                "softmax/part2_stripe_1": CE2 / 4,
                "triplet/global_whole": by_hand(1) / 4,
                "triplet/part2_whole": by_hand(2) / 4,
            },
        ),
        (
            MgnLosses(triplet=None),
            {"softmax/global_whole": CE5 / 2, "softmax/part2_stripe_1": CE2 / 2},
        ),
        (
            MgnLosses(combination="mean_by_kind", softmax=Softmax(weight=2.0), triplet=Triplet(margin=0.5)),
            {
                "softmax/global_whole": CE5,
                "softmax/part2_stripe_1": CE2,
                "triplet/global_whole": by_hand(1, 0.5) / 2,
                "triplet/part2_whole": by_hand(2, 0.5) / 2,
            },
        ),
        (
            MgnLosses(combination="sum", softmax=Softmax(weight=0.125), triplet=Triplet(weight=0.2)),
            {
                "softmax/global_whole": CE5 * 0.125,
                "softmax/part2_stripe_1": CE2 * 0.125,
                "triplet/global_whole": by_hand(1) * 0.2,
                "triplet/part2_whole": by_hand(2) * 0.2,
            },
        ),
        (
            MgnLosses(combination="sum", triplet=Triplet(of_stripes="each")),
            {
                "softmax/global_whole": CE5,
                "softmax/part2_stripe_1": CE2,
                "triplet/global_whole": by_hand(1),
                "triplet/part2_whole": by_hand(2),
                "triplet/part2_stripe_1": by_hand(3),
                "triplet/part2_stripe_2": 1.2,
            },
        ),
        (
            MgnLosses(combination="sum", triplet=Triplet(of_stripes="joined")),
            {
                "softmax/global_whole": CE5,
                "softmax/part2_stripe_1": CE2,
                "triplet/global_whole": by_hand(1),
                "triplet/part2_whole": by_hand(2),
                "triplet/part2_stripes": by_hand(3),
            },
        ),
    ],
    ids=["mean", "without triplets", "mean by kind", "sum", "each stripe", "joined stripes"],
)
def test_terms_by_hand(losses, expected):
    """Terms are combined and weighted as their reading says."""
    terms = make_loss_terms(losses, made_outputs(), LABELS_OF_MADE)
    assert expected.keys() == terms.keys()
    for name, value in expected.items():
        assert math.isclose(value, terms[name].item(), rel_tol=1e-5)


@pytest.mark.slow
def test_the_full_network_has_eight_softmax_and_three_triplet_terms():
    """Every embedding has a softmax term and wholes a triplet term, each an eleventh of its loss."""
    config = small_config()
    network = build(config)
    terms = terms_of(config, network)
    assert [f"softmax/{n}" for n in EMBEDDINGS] + [f"triplet/{n}" for n in WHOLES] == list(terms)
    outputs = network.train()(images())  # batch statistics alone are used, so a second pass gives the same
    triplet = batch_hard_triplet_loss(outputs.wholes_BD["part3_whole"], LABELS_B, margin=1.2)
    softmax = functional.cross_entropy(outputs.logits_BI["part2_stripe_2"], LABELS_B)
    torch.testing.assert_close(triplet / 11, terms["triplet/part3_whole"])
    torch.testing.assert_close(softmax / 11, terms["softmax/part2_stripe_2"])


def gradient_names(config):
    """Name the parameters that a batch moves."""
    network = build(config)
    sum(terms_of(config, network).values()).backward()
    return {name for name, p in network.named_parameters() if p.grad is not None and p.grad.any()}


@pytest.mark.slow
def test_without_triplets_nothing_trains_the_reductions_of_wholes():
    """Softmax is on the pooled channels of wholes; put on their reductions it trains them."""
    lost = gradient_names(small_config()) - gradient_names(small_config(losses={"triplet": None}))
    assert lost == {
        f"branches.{branch}.whole.{name}"
        for branch in ("global", "part2", "part3")
        for name in ("reduce.weight", "norm.weight", "norm.bias")
    }
    reduced = small_config(losses={"triplet": None, "softmax": Softmax(of_wholes="reduced")})
    assert {name for name, _ in build(reduced).named_parameters()} == gradient_names(reduced)


@pytest.mark.slow
def test_frozen_stages_keep_weights_and_statistics():
    """A training step moves nothing of the first three stages, and the block of layer3 behind them."""
    frozen = MOBILENET.model_copy(update={"num_frozen_stages": 3})
    config = small_config(network={"backbone": frozen})
    network = build(config)
    before = {name: value.clone() for name, value in network.trunk.stages[:3].state_dict().items()}
    sum(terms_of(config, network).values()).backward()
    assert_equal_states(before, network.trunk.stages[:3].state_dict())
    assert all(p.grad is None for p in network.trunk.stages[:3].parameters())
    assert all(p.grad is not None for p in network.trunk.stages[3].parameters())


# --- Switches ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "prefixes"),
    [
        (small_config({"global_branch": None}), ("branches.global.", "classifiers.global_whole.")),
        (small_config({"part2": None}), ("branches.part2.", "classifiers.part2_")),
        (small_config({"part3": None}), ("branches.part3.", "classifiers.part3_")),
        (small_config({"part4": Branch()}), ("branches.part4.", "classifiers.part4_")),
        (
            small_config({"pooling": "gem"}),
            tuple(
                f"branches.{head}.pool.gem.exponent"
                for head in (
                    *("global.whole", "part2.whole", "part3.whole", "part2.stripes.0", "part2.stripes.1"),
                    *("part3.stripes.0", "part3.stripes.1", "part3.stripes.2"),
                )
            ),
        ),
        (small_config(losses={"softmax": Softmax(of_wholes="reduced")}), ("classifiers.",)),
        (small_config({"pooling": "avg"}), ()),
        (small_config({"reduction_relu": False}), ()),
        (small_config({"global_branch": Branch()}), ()),
        (small_config(losses={"triplet": None}), ()),
        (small_config(losses={"triplet": Triplet(of_stripes="each")}), ()),
        (small_config(losses={"combination": "sum"}), ()),
    ],
)
@pytest.mark.slow
def test_a_switch_changes_its_own_modules_only(changed, prefixes):
    """Entries that a switch adds, removes or reshapes are all of its own part, and each part is touched."""
    assert_only_these_differ(PROBE.entries(small_config()), PROBE.entries(changed), prefixes)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changed",
    [
        *(small_config(network) for network in (ONLY_GLOBAL, ONLY_PART2, ONLY_PART3, BASELINE)),
        small_config({"part2": None}),
        small_config({"part4": Branch()}),
        small_config({"global_branch": Branch()}),
        small_config({"reduction_size": 12}),
        small_config({"pooling": "gem"}),
        small_config({"reduction_relu": False}),
        small_config(losses={"triplet": None}),
        small_config(losses={"softmax": Softmax(of_wholes="reduced")}),
    ],
)
def test_a_switch_redraws_nothing_that_it_leaves_in_place(changed):
    """Two rows of an ablation start alike under one seed wherever they have a weight in common."""
    assert set() == redrawn(small_config(), changed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "changed_embeddings"),
    [
        ({"pooling": "avg"}, set(EMBEDDINGS)),
        ({"reduction_relu": False}, set(EMBEDDINGS)),
        ({"global_branch": Branch()}, {"global_whole"}),
        ({"part2": Branch(last_stride=2)}, {"part2_whole", "part2_stripe_1", "part2_stripe_2"}),
    ],
)
def test_a_switch_without_weights_changes_its_own_embeddings_only(network, changed_embeddings):
    """With equal weights, only the embeddings that a switch is of differ."""
    left, right = build(small_config()).eval(), build(small_config(network), seed=1).eval()
    right.load_state_dict(left.state_dict())
    with torch.no_grad():
        before, after = left.embed(images()), right.embed(images())
    assert changed_embeddings == {name for name in EMBEDDINGS if not torch.equal(before[name], after[name])}


@pytest.mark.slow
@pytest.mark.parametrize(
    "losses", [{"triplet": None}, {"combination": "sum"}, {"triplet": Triplet(margin=0.3)}]
)
def test_losses_do_not_change_how_a_network_starts(losses):
    """Rows that differ in losses start from the same weights under one seed."""
    assert_equal_states(build(small_config()).state_dict(), build(small_config(losses=losses)).state_dict())


@pytest.mark.slow
def test_the_relu_behind_the_reduction_keeps_embeddings_from_being_negative():
    """With it no embedding is negative, without it some are."""
    for relu in (True, False):
        network = build(small_config({"reduction_relu": relu})).eval()
        with torch.no_grad():
            smallest = min(value.min().item() for value in network.embed(images()).values())
        assert relu == (smallest >= 0)


@pytest.mark.slow
def test_what_is_embedded_is_what_losses_see():
    """`embed` gives what `forward` gives, in joining order, and leaves the images alone."""
    for config in (small_config(), small_config({"part4": Branch()}), small_config(BASELINE)):
        network, batch = build(config).eval(), images()
        with torch.no_grad():
            outputs, embeddings = network(batch), network.embed(batch)
        assert list(config.embedding_widths()) == list(embeddings)
        assert_equal_states(dict(outputs.embeddings_BD()), embeddings)
        assert torch.equal(images(), batch)


# --- Names ------------------------------------------------------------------------------------------------


def test_names_in_joining_order_and_groups():
    """Eight embeddings in the code's order, and a group for each branch."""
    config = paper_config("market1501")
    assert EMBEDDINGS == list(config.embedding_widths())
    groups = config.embedding_groups()
    assert {
        "all": tuple(EMBEDDINGS),
        "global": ("global_whole",),
        "part2": ("part2_whole", "part2_stripe_1", "part2_stripe_2"),
        "part3": ("part3_whole", "part3_stripe_1", "part3_stripe_2", "part3_stripe_3"),
    } == groups
    assert [256, 768, 1024] == [
        sum(config.embedding_widths()[name] for name in groups[branch])
        for branch in ("global", "part2", "part3")
    ]


@pytest.mark.parametrize(
    ("network", "embeddings"),
    [
        (ONLY_GLOBAL, ["global_whole"]),
        (ONLY_PART2, ["part2_whole", "part2_stripe_1", "part2_stripe_2"]),
        (ONLY_PART3, ["part3_whole", "part3_stripe_1", "part3_stripe_2", "part3_stripe_3"]),
        (BASELINE, ["pooled"]),
    ],
)
def test_a_single_network_offers_its_own_embeddings(network, embeddings):
    """A branch alone has its own embeddings, terms and nothing else; other branches' views are refused."""
    config = small_config(network)
    assert embeddings == list(config.embedding_widths()) == list(build(config).embed(images()))
    assert [f"softmax/{name}" for name in embeddings] + [f"triplet/{embeddings[0]}"] == list(terms_of(config))
    config.check_view(RetrievalView(embeddings=("all",)))
    with pytest.raises(ValueError, match="mgn offers no embedding 'part4'"):
        config.check_view(RetrievalView(embeddings=("part4",)))


def test_a_single_network_is_its_branch_of_the_full_one():
    """With the weights of the full network, a single network embeds as its branch does."""
    full, single = build(small_config()).eval(), build(small_config(ONLY_PART3), seed=1).eval()
    weights = full.state_dict()
    single.load_state_dict({name: weights[name] for name in single.state_dict()})
    with torch.no_grad():
        branch, alone = full.embed(images()), single.embed(images())
    for name, value in alone.items():
        assert torch.equal(branch[name], value)


# --- Errors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "losses", "message"),
    [
        ({"global_branch": None, "part2": None, "part3": None}, {}, "needs a branch; set network.global_br"),
        ({"backbone": Backbone(last_stride=2)}, {}, "set last_stride of the branch"),
        ({"backbone": Backbone(weights="imagenet_mobilenet")}, {}, "fit architecture 'mobilenet_v2' and"),
        ({"part4": Branch(last_stride=2)}, {}, "got data.height_px 96, set it to 128 or more"),
        (ONLY_GLOBAL, {"triplet": Triplet(of_stripes="each")}, "there are no stripes"),
        (BASELINE, {"triplet": Triplet(of_stripes="joined")}, "there are no stripes"),
        (BASELINE, {"softmax": Softmax(of_wholes="reduced")}, "a baseline reduces nothing"),
        ({}, {"triplet": None, "combination": "mean_by_kind"}, "is 'mean' where there is one kind"),
    ],
)
def test_what_does_not_go_together_is_refused(network, losses, message):
    """The error names the field to change."""
    with pytest.raises(Refusal, match=message):
        small_config(network, losses)


def test_triplets_need_several_images_of_a_person():
    """Shuffled batches go with softmax alone."""
    with pytest.raises(Refusal, match="triplets need several images of each identity"):
        small_config(data={"sampling": "images", "num_instances": 1})
    small_config(data={"sampling": "images", "num_instances": 1}, losses={"triplet": None})


def test_all_faults_are_told_at_once():
    """Two faults stand in one error."""
    with pytest.raises(Refusal, match=r"no effect with branches.*one kind"):
        small_config({"backbone": Backbone(last_stride=2)}, {"triplet": None, "combination": "mean_by_kind"})


# --- Recipes and the loop ---------------------------------------------------------------------------------


def test_the_published_recipe():
    """64 images of 16 people at 384x128, mirrored only; SGD, 0.01 for 40 epochs, 0.001 for 20, 0.0001 for 20."""
    config = paper_config("dukemtmc")
    data, optimisation = config.data, config.optimisation
    assert (384, 128, 16, 4) == (data.height_px, data.width_px, data.num_identities, data.num_instances)
    assert "identities_once" == data.sampling
    augmentation = data.augmentation
    assert (None, 0.5, None, None) == (
        *(augmentation.pad_crop_px, augmentation.flip_probability),
        *(augmentation.erasing, augmentation.patch),
    )
    assert ("sgd", 0.9, 5e-4, 80) == (
        *(optimisation.optimizer, optimisation.momentum),
        *(optimisation.weight_decay, optimisation.num_epochs),
    )
    assert ("steps", (40, 60), 0.01, 0.1, 0) == (
        *(optimisation.schedule, optimisation.decay_epochs, optimisation.base_lr),
        *(optimisation.decay_factor, optimisation.warmup_steps),
    )
    assert 1.2 == config.losses.triplet.margin
    assert "padded" == config.network.backbone.stem_pool


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["max", "avg", "gem"])
def test_a_step_can_be_checked_for_every_pooling(pooling):
    """`check` makes a step on tiny images."""
    config = demo_config()
    network = config.network.model_copy(update={"pooling": pooling})
    config = config.model_copy(update={"network": network})
    config.make_trainable().check(config, Runtime(None, ""))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sampling", "stops", "num_steps"), [("identities", (3, 9), 14), ("identities_once", (2, 5), 6)]
)
def test_an_interrupted_training_ends_in_the_same_weights(tmp_path, sampling, stops, num_steps):
    """Stopped in both epochs, or not at all, SGD ends in equal weights, after epochs as long as is said."""
    sizes = {"height_px": 32, "width_px": 16, "sampling": sampling}
    network = MgnNetworkConfig(backbone=MOBILENET, reduction_size=8, part3=None)
    config = small_config(data=sizes, network={**network.model_dump(), "backbone": MOBILENET})
    runtime = tiny_runtime(tmp_path)
    undisturbed = Journal()
    whole = fit_through(config, runtime, LocalFolder(tmp_path / "whole"), undisturbed)
    parts = fit_through(config, runtime, LocalFolder(tmp_path / "parts"), Journal(*stops))
    assert_equal_states(whole.state_dict(), parts.state_dict())
    assert num_steps == undisturbed.num_asked


def test_gem_starts_at_three_in_every_head():
    """Exponents are learned, one for each of the eight heads."""
    network = build(small_config({"pooling": "gem"}))
    exponents = [module.exponent.item() for module in network.modules() if isinstance(module, GeM)]
    assert [3.0] * 8 == exponents
