"""MDPR against its specification: shapes, sizes, switches, gradients, terms and errors.

Sizes and shapes are those measured on the authors' model at 384x192 with 751 identities; they are
counted on the meta device, where the full network takes no memory and no time.

Legend: B images, C channels, H W height and width of a map, A attention maps, D embedding, I identities.
"""

import pytest
import torch
from torch import nn
from torch.nn import functional

from tablewright.trainables.data.reid import ReidData
from tablewright.trainables.layers.complexity import count_multiply_adds, count_parameters
from tablewright.trainables.layers.gem import GeM
from tablewright.trainables.losses.diversity import attention_diversity_loss, foreground_mass
from tablewright.trainables.losses.triplet import batch_hard_triplet_loss
from tablewright.trainables.mdpr import (
    Attention,
    Backbone,
    CirclePairwise,
    CircleSoftmax,
    Distillation,
    Diversity,
    Guidance,
    HardBranch,
    Mdpr,
    MdprConfig,
    MdprLosses,
    MdprNetworkConfig,
    SoftBranch,
    make_loss_terms,
    paper_config,
)
from tablewright.trainables.retrieval.view import RetrievalView
from tablewright.trainables.training.optimisation import Optimisation
from tablewright.trainables.value.refusal import Refusal
from tests.trainables.network_probe import NetworkProbe, assert_only_these_differ, record_shapes

PROBE = NetworkProbe(Mdpr(), [0, 0, 3, 3], (64, 32))
NUM_PIDS, LABELS_B = PROBE.num_classes, PROBE.labels_B
images, build, terms_of, redrawn = PROBE.images, PROBE.build, PROBE.terms_of, PROBE.redrawn


def small_config(*, attention=None, network=None, losses=None, data=None, height_px=64):
    """Make a config of MDPR on an untrained MobileNetV2 at 64x32 with embeddings of 8."""
    parts = {"backbone": Backbone(architecture="mobilenet_v2"), "embedding_size": 8}
    if attention is not None:
        parts["soft"] = SoftBranch(attention=attention)
    return MdprConfig(
        data=ReidData(
            dataset="market1501",
            height_px=height_px,
            width_px=32,
            num_identities=2,
            num_instances=2,
            **(data or {}),
        ),
        network=MdprNetworkConfig(**(parts | (network or {}))),
        losses=MdprLosses(**(losses or {})),
        optimisation=Optimisation(num_epochs=2, precision="fp32"),
    )


HARD_ONLY = {
    "network": {"soft": None, "fusion": False},
    "losses": {"diversity": None, "distillation": None},
}
SOFT_ONLY = {"network": {"hard": None, "fusion": False}, "losses": {"distillation": None}}


def full_network(**network):
    """Build the full network of the paper on the meta device."""
    config = paper_config("market1501")
    config = config.model_copy(update={"network": config.network.model_copy(update=network)})
    with torch.device("meta"):
        return config, Mdpr().build_network(config, 751, {}).eval()


def meta_images():
    """One image of the paper's size that has no pixels."""
    return torch.empty(1, 3, 384, 192, device="meta")


# --- Section 2: shapes at 384x192 ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shapes():
    """Sizes (C, H, W) or (D,) of what each part of the full network puts out; inputs under `in:`."""
    _, network = full_network()
    seen, outputs = record_shapes(network, lambda: network(meta_images()))
    for stage in ("stage5", "stage4"):
        seen[f"scores:{stage}"] = tuple(outputs.attended.scores_BAHW[stage].shape[1:])
        seen[f"attention:{stage}"] = tuple(outputs.attended.attention_BAHW[stage].shape[1:])
        seen[f"attended:{stage}"] = tuple(outputs.attended.embeddings_BD[stage].shape[1:])
    seen["descriptor"] = tuple(torch.cat(list(outputs.embeddings_BD.values()), dim=1).shape[1:])
    return seen


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tensor", "shape"),
    [
        ("shared.0.conv1", (64, 192, 96)),
        ("shared.0.maxpool", (64, 96, 48)),
        ("shared.1", (256, 96, 48)),
        ("shared.2", (512, 48, 24)),
        ("hard.layer3", (1024, 24, 12)),
        ("soft.layer3", (1024, 24, 12)),
        ("hard.layer4", (2048, 24, 12)),
        ("soft.layer4", (2048, 24, 12)),
        ("hard.embed_global", (512, 24, 12)),
        ("hard.embed_stripes.0", (512, 12, 12)),
        ("hard.embed_stripes.1", (512, 12, 12)),
        ("soft.embed_stage5", (512, 24, 12)),
        ("soft.embed_stage4", (512, 24, 12)),
        ("scores:stage5", (3, 24, 12)),
        ("scores:stage4", (3, 24, 12)),
        ("attention:stage5", (2, 24, 12)),
        ("attention:stage4", (2, 24, 12)),
        ("in:attention.maker_stage4", (1027, 24, 12)),
        ("attended:stage5", (1024,)),
        ("attended:stage4", (1024,)),
        ("fusion.stripes", (512, 24, 12)),
        ("fusion.hard", (1024, 24, 12)),
        ("fusion.soft", (1024, 24, 12)),
        ("fusion.out", (2048, 24, 12)),
        ("descriptor", (4608,)),
    ],
)
def test_shape_at_the_papers_size(shapes, tensor, shape):
    """Every tensor of the specification's table has the stated shape."""
    assert shape == shapes[tensor]


def test_stage4_attention_sees_1024_channels_without_guidance():
    """Guidance is what adds the M + 1 channels."""
    soft = SoftBranch(attention=Attention(guidance=None))
    _, network = full_network(soft=soft)
    assert network.attention.maker_stage4.pointwise.in_channels == 1024


# --- Section 11: sizes -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("num_attentions", "parameters", "without_prototypes", "multiply_adds"),
    [(2, 164_180_663, 159_182_007, 47_650_140_000), (4, 168_934_255, 162_397_551, 48_573_855_072)],
)
def test_sizes_of_the_full_network(num_attentions, parameters, without_prototypes, multiply_adds):
    """Parameters and compute are the authors' model's, to the last one."""
    config, network = full_network(soft=SoftBranch(attention=Attention(num_attentions=num_attentions)))
    assert parameters == count_parameters(network)
    assert without_prototypes == count_parameters(network) - count_parameters(network.prototypes)
    assert multiply_adds == count_multiply_adds(network, lambda: network(meta_images()))
    assert sum(config.embedding_widths().values()) == 4608


@pytest.mark.slow
def test_sizes_of_the_deployed_network():
    """Without what only training uses, the sizes are the authors' model's, and embedding costs no more."""
    _, network = full_network()
    deployed_multiply_adds = 46_717_599_744
    assert deployed_multiply_adds == count_multiply_adds(network, lambda: network.embed(meta_images()))
    network.drop_training_parts()
    assert count_parameters(network) == 154_884_166
    assert deployed_multiply_adds == count_multiply_adds(network, lambda: network.embed(meta_images()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "width"),
    [
        ({}, 4608),
        ({"embedding_size": 256}, 2304),
        ({"embedding_size": 768}, 6912),
        ({"fusion": False}, 2560),
        ({"hard": HardBranch(num_stripes=3)}, 5120),
    ],
)
def test_width_of_the_descriptor(network, width):
    """Declared widths add up to the specification's, and the network gives just those embeddings."""
    config = small_config(network={"embedding_size": 512} | network, height_px=96)
    with torch.device("meta"):
        embeddings = Mdpr().build_network(config, NUM_PIDS, {}).embed(torch.empty(2, 3, 96, 32))
    assert width == sum(config.embedding_widths().values())
    assert config.embedding_widths() == {name: value.shape[1] for name, value in embeddings.items()}
    assert list(config.embedding_widths()) == list(embeddings)


def test_widths_of_the_groups_features_at_test():
    """Hard, soft, fused, hard+soft and all are 1536, 1024, 2048, 2560 and 4608 wide."""
    config = paper_config("market1501")
    widths = config.embedding_widths()

    def width(*names):
        return sum(widths[name] for name in config.resolve_embeddings(names))

    groups = [width("hard"), width("soft"), width("fused"), width("hard+soft"), width("all")]
    assert groups == [1536, 1024, 2048, 2560, 4608]
    assert width("hard", "soft", "fused") == 4608


# --- Section 10: switches --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        small_config(attention=Attention(num_attentions=4)),
        small_config(attention=Attention(num_attentions=1)),
        small_config(attention=Attention(guidance=None)),
        small_config(attention=Attention(guidance=Guidance(detach=True))),
        small_config(attention=Attention(bap_gem="per_map")),
        small_config(losses={"distillation": None}),
        small_config(losses={"diversity": None}),
        small_config(losses={"identity": CirclePairwise()}),
    ],
    ids=["4 maps", "1 map", "no guidance", "detached", "per map", "no distillation", "no diversity", "pairs"],
)
@pytest.mark.slow
def test_the_descriptor_does_not_see_what_only_training_uses(changed):
    """With equal weights, the descriptor is bit-identical whatever the attention and the losses."""
    network, other = build(small_config()).eval(), build(changed, seed=1).eval()
    weights = network.state_dict()
    shared = {
        k: v for k, v in weights.items() if k.startswith(("shared.", "hard.", "soft.", "fusion.", "heads."))
    }
    left = other.load_state_dict(shared, strict=False)
    assert left.unexpected_keys == []
    assert all(key.startswith(("attention.", "predictors.", "prototypes.")) for key in left.missing_keys)
    with torch.no_grad():
        expected, actual = network.embed(images()), other.embed(images())
    assert expected.keys() == actual.keys()
    for name, value in expected.items():
        assert torch.equal(value, actual[name])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "prefixes"),
    [
        (small_config(network={"fusion": False}), ("fusion.", "heads.fused.", "prototypes.fused")),
        (small_config(losses={"distillation": None}), ("predictors.",)),
        (
            small_config(attention=Attention(guidance=None)),
            ("attention.guidance.", "attention.maker_stage4.pointwise", "attention.maker_stage4.window"),
        ),
        (small_config(attention=Attention(num_attentions=4)), ("attention.", "prototypes.attention_")),
        (
            small_config(attention=Attention(bap_gem="per_map")),
            ("attention.pooling_stage4.pools.1.", "attention.pooling_stage5.pools.1."),
        ),
        (small_config(losses={"identity": CirclePairwise()}), ("prototypes.",)),
        (
            small_config(network={"hard": HardBranch(num_stripes=4)}),
            ("hard.embed_stripes.", "heads.hard_stripe_", "prototypes.hard_stripe_"),
        ),
        (small_config(attention=Attention(guidance=Guidance(detach=True))), ()),
        (small_config(losses={"diversity": None}), ()),
        (small_config(losses={"diversity": Diversity(regulariser_weight=0.1)}), ()),
        (small_config(losses={"triplet": None}), ()),
        (
            small_config(**HARD_ONLY),
            (
                *("soft.", "attention.", "fusion.", "predictors.", "heads.soft_", "heads.fused."),
                *("prototypes.soft_", "prototypes.attention_", "prototypes.fused"),
            ),
        ),
        (
            small_config(**SOFT_ONLY),
            (
                *("hard.", "fusion.", "predictors.", "heads.hard_", "heads.fused."),
                *("prototypes.hard_", "prototypes.fused"),
            ),
        ),
    ],
)
def test_a_switch_changes_its_own_modules_only(changed, prefixes):
    """Entries that a switch adds, removes or reshapes are all of its own part, and each part is touched."""
    assert_only_these_differ(PROBE.entries(small_config()), PROBE.entries(changed), prefixes)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changed",
    [
        small_config(network={"fusion": False}),
        small_config(network={"fusion": False}, losses={"distillation": None}),
        small_config(losses={"distillation": None}),
        small_config(losses={"diversity": None}),
        small_config(losses={"identity": CirclePairwise()}),
        small_config(attention=Attention(num_attentions=4)),
        small_config(attention=Attention(guidance=None)),
        small_config(attention=Attention(bap_gem="per_map")),
        small_config(network={"embedding_size": 12}),
        small_config(network={"hard": HardBranch(num_stripes=4)}),
        small_config(**HARD_ONLY),
        small_config(**SOFT_ONLY),
    ],
)
def test_a_switch_redraws_nothing_that_it_leaves_in_place(changed):
    """Two rows of an ablation start alike under one seed wherever they have a weight in common."""
    assert set() == redrawn(small_config(), changed)


@pytest.mark.slow
def test_the_start_of_predictors_is_a_switch_of_theirs_alone():
    """What is drawn otherwise is the predictors."""
    normal = small_config(losses={"distillation": Distillation(predictor_init="normal")})
    different = redrawn(small_config(), normal)
    assert different != set()
    assert all(name.startswith("predictors.") for name in different)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "num_terms"),
    [
        (small_config(), 19),
        (small_config(network={"fusion": False}), 17),
        (small_config(losses={"distillation": None}), 18),
        (small_config(network={"fusion": False}, losses={"distillation": None}), 16),
        (small_config(network={"hard": HardBranch(num_stripes=4)}), 23),
        (small_config(losses={"diversity": None}), 15),
        (small_config(losses={"triplet": None}), 13),
        (small_config(losses={"identity": CirclePairwise()}), 19),
        (small_config(attention=Attention(num_attentions=1)), 19),
        (small_config(**HARD_ONLY), 6),
        (small_config(**SOFT_ONLY), 10),
    ],
)
def test_number_of_loss_terms(config, num_terms):
    """2(1 + P) + 4 + 2 + 4 + 2 + 1 terms by default, all finite scalars."""
    terms = terms_of(config)
    assert num_terms == len(terms)
    assert all(term.shape == () and torch.isfinite(term) for term in terms.values())


def test_three_stripes_make_21_terms():
    """P = 3 adds an identity and a triplet term."""
    config = small_config(network={"hard": HardBranch(num_stripes=3)}, height_px=96)
    images_BCHW = functional.interpolate(images(), (96, 32))
    (terms,) = Mdpr().loss_terms(config, build(config).train(), [images_BCHW], [LABELS_B], epoch=0)
    assert len(terms) == 21


@pytest.mark.parametrize(
    ("parts", "names", "groups"),
    [
        (HARD_ONLY, ["hard_global", "hard_stripe_1", "hard_stripe_2"], {"all", "hard"}),
        (SOFT_ONLY, ["soft_stage5", "soft_stage4"], {"all", "soft"}),
    ],
)
def test_a_single_branch_offers_its_own_embeddings_only(parts, names, groups):
    """Embeddings and groups of the other branch, and the fused one, are not there to be asked for."""
    config = small_config(**parts)
    assert names == list(config.embedding_widths()) == list(build(config).eval().embed(images()))
    assert groups == set(config.embedding_groups())
    with pytest.raises(ValueError, match="offers no embedding 'fused'"):
        config.resolve_embeddings(["fused"])


def test_heads_of_the_single_branches():
    """The hard branch alone has three heads, the soft branch four with those under attention."""
    hard, soft = build(small_config(**HARD_ONLY)), build(small_config(**SOFT_ONLY))
    assert (len(hard.prototypes), len(soft.prototypes)) == (3, 4)


# --- Sections 2 and 3: how it starts ---------------------------------------------------------------------


@pytest.mark.slow
def test_both_branches_start_from_equal_copies_of_their_own():
    """layer3 and layer4 start equal in both branches and share no memory; the shared part exists once."""
    network = build(small_config())
    hard, soft = dict(network.hard.named_parameters()), dict(network.soft.named_parameters())
    names = [name for name in hard if name.startswith(("layer3.", "layer4."))]
    assert len(names) == 11 * 3 * 3  # blocks, convolutions of each, entries of each
    assert all(torch.equal(hard[name], soft[name]) for name in names)
    assert not {hard[name].data_ptr() for name in names} & {soft[name].data_ptr() for name in names}
    assert len(network.shared) == 3


def test_prototypes_exponents_and_necks_start_as_specified():
    """Prototypes start at N(0, 0.01), GeM exponents at 3, neck biases frozen at 0."""
    config = paper_config("market1501")
    small = small_config()
    torch.manual_seed(0)
    network = Mdpr().build_network(small, 3000, {})
    assert network.prototypes["fused"].std().item() == pytest.approx(0.01, rel=0.02)
    exponents = [module.exponent.item() for module in network.modules() if isinstance(module, GeM)]
    assert exponents == [3.0] * 8  # six heads and one for each stage's attention
    frozen = [name for name, parameter in network.named_parameters() if not parameter.requires_grad]
    assert len(frozen) == 8
    assert all(name.endswith(".bias") and "neck" in name for name in frozen)
    assert config.network.backbone.num_frozen_stages == 0


@pytest.mark.slow
def test_predictors_start_by_torchs_default_or_normal():
    """The variant's predictors start at N(0, 0.01) with zero bias."""
    network = build(small_config(losses={"distillation": Distillation(predictor_init="normal")}))
    out = network.predictors.from_soft[3]
    assert torch.equal(torch.zeros(8), out.bias)
    assert out.weight.abs().max() < 0.05
    default = build(small_config()).predictors.from_soft
    assert default[0].bias is None
    assert default[3].bias.abs().max() > 0
    assert default[3].weight.abs().max() > 0.05


# --- Sections 4 to 7: gradients --------------------------------------------------------------------------


def gradient_reaches(loss, parameter):
    """Say whether a loss has a gradient other than zero at a parameter."""
    (gradient,) = torch.autograd.grad(loss, parameter, retain_graph=True, allow_unused=True)
    return gradient is not None and bool(gradient.abs().max() > 0)


@pytest.mark.parametrize(
    ("guidance", "reaches"), [(Guidance(), True), (Guidance(detach=True), False), (None, False)]
)
def test_stage4_trains_the_stage5_maker_through_attached_guidance_only(guidance, reaches):
    """The gradient of stage 4's maps flows to stage 5's scores unless detached or off."""
    config = small_config(attention=Attention(guidance=guidance))
    network = build(config).train()
    mass = foreground_mass(network(images()).attended.attention_BAHW["stage4"][:, :1])
    assert reaches == gradient_reaches(mass, network.attention.maker_stage5.window.weight)
    assert gradient_reaches(mass, network.attention.maker_stage4.window.weight)


def test_guidance_takes_the_scores_before_the_softmax_with_background():
    """What guides is the raw map with all its M + 1 channels."""
    network = build(small_config()).eval()
    seen = []
    network.attention.guidance.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    with torch.no_grad():
        outputs = network(images())
    assert torch.equal(outputs.attended.scores_BAHW["stage5"], seen[0])
    assert seen[0].shape[1] == 3


def test_distillation_teaches_each_branch_only_through_its_own_predictor():
    """With the predictors cut off, the term has no gradient to either branch: targets are stopped."""
    config = small_config()
    network = build(config).train()
    term = terms_of(config, network)["distillation"]
    assert gradient_reaches(term, network.hard.embed_global[0].weight)
    assert gradient_reaches(term, network.soft.embed_stage5[0].weight)
    assert not gradient_reaches(term, network.soft.embed_stage4[0].weight)
    for predictor in (network.predictors.from_hard, network.predictors.from_soft):
        nn.init.zeros_(predictor[0].weight)  # predicts a constant whatever it gets
    term = terms_of(config, network)["distillation"]
    assert not gradient_reaches(term, network.hard.embed_global[0].weight)
    assert not gradient_reaches(term, network.soft.embed_stage5[0].weight)


def test_fusion_trains_both_branches():
    """No gradient is stopped between the fused embedding and the embedded maps."""
    config = small_config()
    network = build(config).train()
    term = terms_of(config, network)["identity/fused"]
    embeds = [network.hard.embed_global, *network.hard.embed_stripes]
    embeds += [network.soft.embed_stage5, network.soft.embed_stage4]
    assert all(gradient_reaches(term, embed[0].weight) for embed in embeds)


def test_fusion_puts_stripes_before_the_whole_and_stage5_before_stage4():
    """The order of joining is that of the code."""
    network = build(small_config()).eval()
    seen = {}
    for name in ("stripes", "hard", "soft", "out"):
        module = getattr(network.fusion, name)
        module.register_forward_hook(
            lambda _, inputs, output, name=name: seen.update({name: (inputs[0], output)})
        )
    captured = {}
    network.hard.register_forward_hook(lambda module, inputs, output: captured.update(hard=output))
    network.soft.register_forward_hook(lambda module, inputs, output: captured.update(soft=output))
    with torch.no_grad():
        network.embed(images())
    whole_BDHW, stripes_BDHW = captured["hard"]
    soft = captured["soft"]
    assert torch.equal(torch.cat(stripes_BDHW, 2), seen["stripes"][0])
    assert torch.equal(torch.cat((seen["stripes"][1], whole_BDHW), 1), seen["hard"][0])
    expected_BCHW = torch.cat((soft.embedded_stage5_BDHW, soft.embedded_stage4_BDHW), 1)
    assert torch.equal(expected_BCHW, seen["soft"][0])
    assert torch.equal(torch.cat((seen["hard"][1], seen["soft"][1]), 1), seen["out"][0])


def test_stripes_are_embedded_parts_of_the_map_from_the_top_down():
    """Each stripe is its own embedding of its own part of the hard map, and is named in that order."""
    config = small_config(network={"hard": HardBranch(num_stripes=4)})
    network = build(config).train()  # untrained statistics would leave next to nothing of a map
    maps, hard_maps = [], []
    network.hard.layer4.register_forward_hook(lambda module, inputs, output: maps.append(output))
    network.hard.register_forward_hook(lambda module, inputs, output: hard_maps.append(output))
    with torch.no_grad():
        embeddings = network.embed(images())
        (map_BCHW,), ((_, stripes_BDHW),) = maps, hard_maps
        height = map_BCHW.shape[2] // 4
        for index, stripe_BDHW in enumerate(stripes_BDHW):
            part_BCHW = map_BCHW[:, :, index * height : (index + 1) * height]
            assert torch.equal(network.hard.embed_stripes[index](part_BCHW), stripe_BDHW)
            name = f"hard_stripe_{index + 1}"
            assert torch.equal(network.heads[name](stripe_BDHW), embeddings[name])
        assert 4 == len(stripes_BDHW)
        assert torch.equal(network.hard.embed_global(map_BCHW), hard_maps[0][0])


# --- Section 7: what the terms are made of ---------------------------------------------------------------


def test_terms_are_the_losses_of_the_embeddings_behind_the_neck():
    """Each kind of term equals its loss, applied to the outputs by hand."""
    config = small_config()
    network = build(config).train()
    outputs = network(images())
    terms = make_loss_terms(config, outputs, network.prototypes, LABELS_B)
    fused_BD = outputs.embeddings_BD["fused"]
    torch.testing.assert_close(fused_BD.mean(0), torch.zeros(32), atol=1e-4, rtol=0)  # behind batch norm
    expected = batch_hard_triplet_loss(fused_BD, LABELS_B, margin=0.05)
    torch.testing.assert_close(terms["triplet/fused"], expected)
    attended_BD = outputs.attended.embeddings_BD["stage4"]
    cosines_BI = functional.cosine_similarity(
        attended_BD[:, None], network.prototypes["attention_stage4"][None], dim=2
    )
    logits_BI = 64 * (cosines_BI + 0.35).clamp(min=0) * (cosines_BI - 0.35)
    rows_B = torch.arange(4)
    label_B = cosines_BI[rows_B, LABELS_B]
    logits_BI[rows_B, LABELS_B] = 64 * (1.35 - label_B).clamp(min=0) * (label_B - 0.65)
    targets_BI = torch.full((4, NUM_PIDS), 0.1 / (NUM_PIDS - 1))
    targets_BI[rows_B, LABELS_B] = 0.9
    expected = -(targets_BI * logits_BI.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(terms["identity/attention_stage4"], expected)
    pooled_BAD = outputs.attended.pooled_BAD["stage5"]
    torch.testing.assert_close(terms["diversity/stage5"], attention_diversity_loss(pooled_BAD))
    mass = outputs.attended.attention_BAHW["stage5"].sum() / 4
    torch.testing.assert_close(terms["foreground/stage5"], 0.001 * mass)


def test_no_triplet_acts_on_what_attention_pooled():
    """Embeddings under attention have an identity term only."""
    terms = terms_of(small_config())
    names = {kind: {t.split("/")[1] for t in terms if t.startswith(kind)} for kind in ("identity", "triplet")}
    assert names["identity"] - names["triplet"] == {"attention_stage5", "attention_stage4"}
    assert names["triplet"] == set(small_config().embedding_widths())


def test_the_regulariser_weight_scales_the_foreground_terms_only():
    """λ does not scale the cosine part."""
    network = build(small_config())
    one, other = (
        terms_of(small_config(losses={"diversity": Diversity(regulariser_weight=weight)}), network)
        for weight in (0.001, 0.1)
    )
    changed = {name for name in one if not torch.equal(one[name], other[name])}
    assert changed == {"foreground/stage5", "foreground/stage4"}
    torch.testing.assert_close(100 * one["foreground/stage5"], other["foreground/stage5"])


@pytest.mark.slow
def test_weights_of_terms_scale_their_own():
    """Each loss weight multiplies its kind of term and no other."""
    losses = {
        "identity": CircleSoftmax(weight=2.0),
        "triplet": {"weight": 3.0},
        "diversity": Diversity(weight=5.0),
        "distillation": Distillation(weight=7.0),
    }
    network = build(small_config())
    plain, weighted = terms_of(small_config(), network), terms_of(small_config(losses=losses), network)
    factors = {"identity": 2.0, "triplet": 3.0, "diversity": 5.0, "distillation": 7.0, "foreground": 1.0}
    for name, term in plain.items():
        torch.testing.assert_close(factors[name.split("/")[0]] * term, weighted[name])


@pytest.mark.slow
def test_local_mining_yields_once_a_rank_and_gathered_once():
    """Locally each rank's share comes alone; gathered, one triplet may span ranks."""
    ranks = [images(seed=1), images(seed=2)]
    labels = [torch.tensor([0, 0, 1, 1]), torch.tensor([2, 2, 0, 0])]
    local, gathered = (
        small_config(data={"num_ranks": 2}, losses={"pair_scope": scope}) for scope in ("local", "gathered")
    )
    network = build(local).train()
    local_terms = list(Mdpr().loss_terms(local, network, ranks, labels, epoch=0))
    gathered_terms = list(Mdpr().loss_terms(gathered, network, ranks, labels, epoch=0))
    assert (len(local_terms), len(gathered_terms)) == (2, 1)
    summed = {name: local_terms[0][name] + local_terms[1][name] for name in local_terms[0]}
    for name, term in gathered_terms[0].items():
        if name.startswith("triplet"):
            assert term >= summed[name] - 1e-6  # more candidates are only ever harder
        else:
            torch.testing.assert_close(summed[name], term)
    assert any(gathered_terms[0][name] > summed[name] + 1e-3 for name in summed if name.startswith("triplet"))


@pytest.mark.slow
def test_a_rank_is_normalised_by_its_own_batch():
    """Statistics of one rank do not change another rank's terms."""
    config = small_config(data={"num_ranks": 2})
    network = build(config).train()
    both = [
        list(Mdpr().loss_terms(config, network, [images(), images(seed=s)], [LABELS_B] * 2, epoch=0))
        for s in (1, 2)
    ]
    for name, term in both[0][0].items():
        assert torch.equal(term, both[1][0][name])


# --- Section 9: inference --------------------------------------------------------------------------------


def test_embedding_runs_none_of_the_training_parts():
    """Attention, pooling under it and predictors are not computed for the descriptor."""
    network = build(small_config()).eval()
    ran = []
    for part in (network.attention, network.predictors):
        for module in part.modules():
            module.register_forward_hook(lambda *_: ran.append(1))
    with torch.no_grad():
        expected = network.embed(images())
        assert ran == []
        forward = network(images()).embeddings_BD
    assert ran != []
    network.drop_training_parts()
    with torch.no_grad():
        deployed = network.embed(images())
    for name, value in expected.items():
        assert torch.equal(value, forward[name])
        assert torch.equal(value, deployed[name])


# --- Backbones -------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "architecture", ["resnet18", "resnet34_ibn_a", "resnet50", "mobilenet_v2", "mobilenet_v2_short"]
)
def test_every_kind_of_backbone_carries_the_branches(architecture):
    """MDPR can be built and run on basic blocks, bottlenecks, split norms and inverted residuals."""
    config = small_config(network={"backbone": Backbone(architecture=architecture)})
    with torch.device("meta"):
        network = Mdpr().build_network(config, NUM_PIDS, {})
        outputs = network(torch.empty(4, 3, 64, 32))
    assert config.embedding_widths() == {n: v.shape[1] for n, v in outputs.embeddings_BD.items()}


@pytest.mark.slow
def test_frozen_stages_keep_weights_and_statistics():
    """Frozen stages have no gradient and stay in evaluation mode; the next one is trained."""
    config = small_config(network={"backbone": Backbone(architecture="resnet18", num_frozen_stages=2)})
    network = build(config)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    sum(terms_of(config, network).values()).backward()
    torch.optim.SGD(network.parameters(), lr=0.1, weight_decay=0.1).step()
    after = network.state_dict()
    kept = {key for key in before if torch.equal(before[key], after[key])}
    assert {key for key in before if key.startswith(("shared.0.", "shared.1."))} <= kept
    assert "shared.2.0.conv1.weight" not in kept
    assert "shared.2.0.bn1.running_mean" not in kept


@pytest.mark.slow
def test_a_stride_in_the_last_stage_is_possible_without_fusion():
    """Guidance follows the size of the earlier map."""
    config = small_config(
        network={"fusion": False, "backbone": Backbone(architecture="resnet18", last_stride=2)}
    )
    network = build(config).train()
    attention = network(images()).attended.attention_BAHW
    assert (attention["stage5"].shape[2:], attention["stage4"].shape[2:]) == ((2, 1), (4, 2))


@pytest.mark.slow
def test_published_weights_reach_both_branches(tmp_path):
    """The file is loaded before the backbone is cut and copied."""
    config = small_config(network={"backbone": Backbone(architecture="resnet18", weights="imagenet")})
    donor = build(small_config(network={"backbone": Backbone(architecture="resnet18")}), seed=7)
    published = {}
    for key, value in donor.state_dict().items():
        for ours, theirs in (("shared.0.", ""), ("shared.1.", "layer1."), ("shared.2.", "layer2.")):
            if key.startswith(ours):
                published[theirs + key.removeprefix(ours)] = value
        if key.startswith("hard.layer"):
            published[key.removeprefix("hard.")] = value
    folder = tmp_path / "weights"
    folder.mkdir()
    torch.save(published, folder / "resnet18-f37072fd.pth")
    network = Mdpr().build_network(config, NUM_PIDS, Mdpr().weights_files(config, str(tmp_path)))
    for key, value in donor.state_dict().items():
        if key.startswith(("shared.", "hard.layer")):
            assert torch.equal(value, network.state_dict()[key])
            soft_key = key.replace("hard.", "soft.")
            assert torch.equal(value, network.state_dict()[soft_key])


def test_absent_weights_are_an_error_that_names_the_file(tmp_path):
    """A missing file never means random weights."""
    config = paper_config("market1501")
    with pytest.raises(ValueError, match=r"weights/lup_moco_r101.pth, which is no file"):
        Mdpr().weights_files(config, str(tmp_path))
    with pytest.raises(ValueError, match=r"<data root>/weights/lup_moco_r101.pth, and no data root is given"):
        Mdpr().weights_files(config, None)
    assert {} == Mdpr().weights_files(small_config(), None)


# --- Configuration ---------------------------------------------------------------------------------------


def test_faults_are_collected_and_say_what_to_set():
    """All impossible combinations are named in one error."""
    with pytest.raises(Refusal) as caught:
        small_config(
            network={
                "soft": None,
                "backbone": Backbone(architecture="resnet18", weights="imagenet_mobilenet"),
            }
        )
    message = str(caught.value)
    for advice in (
        "set network.fusion to false",
        "set losses.distillation to null",
        "set losses.diversity to null",
        "set network.backbone.weights to 'imagenet'",
    ):
        assert advice in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"network": {"hard": None, "soft": None}}, "a network needs a branch"),
        ({"network": {"hard": HardBranch(num_stripes=3)}}, "set data.height_px to a multiple of 48"),
        ({"losses": {"pair_scope": "gathered"}}, "with one rank there is nothing to gather"),
        (
            {"network": {"backbone": Backbone(architecture="resnet34", weights="luperson_moco")}},
            "no 'luperson_moco' weights are published for 'resnet34'",
        ),
        (
            {"network": {"backbone": Backbone(architecture="resnet18", ibn_init="from_plain_bn")}},
            "set network.backbone.ibn_init to 'fresh'",
        ),
        (
            {"network": {"backbone": Backbone(architecture="resnet18", last_stride=2)}},
            "set network.backbone.last_stride to 1",
        ),
    ],
)
def test_an_impossible_config_is_refused(arguments, message):
    """Each combination that cannot be trained is refused when the config is made."""
    with pytest.raises(Refusal, match=message):
        small_config(**arguments)


def test_validating_on_training_people_is_refused():
    """A view of the val split needs a training that leaves those people out."""
    with pytest.raises(ValueError, match=r"Set data.train_split to 'train_without_val'"):
        small_config().check_view(RetrievalView(split="val"))
    small_config(data={"train_split": "train_without_val"}).check_view(RetrievalView(split="val"))
    small_config().check_view(RetrievalView(split="test", embeddings=("hard+soft",)))


def test_a_misspelt_field_is_refused():
    """A config has no field that it does not declare."""
    with pytest.raises(Refusal, match="num_atentions"):
        Attention(num_atentions=4)


@pytest.mark.parametrize(
    ("dataset", "num_epochs", "warmup_steps"),
    [("market1501", 60, 2000), ("dukemtmc", 60, 2000), ("synergyreid", 40, 200)],
)
def test_the_papers_recipe(dataset, num_epochs, warmup_steps):
    """The recipe is that of sections 1, 7 and 8."""
    config = paper_config(dataset)
    assert (config.dataset_name(), config.planned_epochs(), config.seed) == (dataset, num_epochs, 3407)
    assert (config.data.height_px, config.data.width_px) == (384, 192)
    assert (config.data.num_identities, config.data.num_instances, config.data.num_ranks) == (4, 16, 1)
    optimisation = config.optimisation
    assert (optimisation.base_lr, optimisation.final_lr) == (3.5e-4, 1e-7)
    assert (optimisation.warmup_steps, optimisation.warmup_start_factor) == (warmup_steps, 0.1)
    assert (optimisation.weight_decay, optimisation.precision) == (5e-4, "fp16")
    assert optimisation.betas == (0.9, 0.999)
    backbone = config.network.backbone
    assert (backbone.architecture, backbone.weights) == ("resnet101_ibn_a", "luperson_moco")
    assert (backbone.ibn_init, backbone.last_stride, backbone.stem_pool) == ("fresh", 1, "unpadded")
    assert config.losses.identity == CircleSoftmax(scale=64.0, margin=0.35, label_smoothing=0.1)
    assert config.losses.triplet.margin == 0.05
    assert config.losses.diversity == Diversity(regulariser_weight=0.001)
