"""Mancs against its specification: sizes, shapes, switches, terms, errors, and resuming.

Sizes are those the specification derives for ResNet-50 at 256x128 with 751 identities, counted on the meta
device. They leave out the one slope of the PReLU, so they are exact for `last_activation='relu'`.

Legend: B images, C channels, H W height and width of a map, D embedding, I identities.
"""

import pytest
import torch

from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.data.reid import ReidData
from tablewright.trainables.layers.backbone import Backbone
from tablewright.trainables.layers.complexity import count_multiply_adds, count_parameters
from tablewright.trainables.losses.curriculum_triplet import curriculum_triplet_loss
from tablewright.trainables.losses.focal import (
    sigmoid_focal_loss,
    softmax_focal_loss,
    true_class_sigmoid_focal_loss,
)
from tablewright.trainables.losses.triplet import batch_hard_triplet_loss
from tablewright.trainables.mancs import (
    Attention,
    AttentionLoss,
    ClassificationLoss,
    Curriculum,
    Mancs,
    MancsConfig,
    MancsLosses,
    MancsNetworkConfig,
    RankLoss,
    demo_config,
    paper_config,
)
from tablewright.trainables.retrieval.view import RetrievalView
from tablewright.trainables.training.optimisation import Optimisation
from tablewright.trainables.value.refusal import Refusal
from tests.trainables.network_probe import NetworkProbe, assert_only_these_differ
from tests.trainables.tiny_reid import (
    Journal,
    LocalFolder,
    assert_equal_states,
    fit_through,
    tiny_runtime,
)

PROBE = NetworkProbe(Mancs(), [0, 0, 3, 3, 4, 4], (64, 32))
NUM_PIDS, LABELS_B = PROBE.num_classes, PROBE.labels_B
images, build, redrawn = PROBE.images, PROBE.build, PROBE.redrawn
MOBILENET = {
    "backbone": Backbone(architecture="mobilenet_v2", last_stride=2),
    "attention": Attention(reduction=4),
}
NO_ATTENTION = {"network": {"attention": None}, "losses": {"attention": None}}


def small_config(*, network=None, losses=None, data=None, optimisation=None):
    """Make a config of Mancs on an untrained MobileNetV2 at 64x32."""
    sizes = {"height_px": 64, "width_px": 32, "num_identities": 3, "num_instances": 2}
    return MancsConfig(
        data=ReidData(**{"dataset": "market1501", **sizes, **(data or {})}),
        network=MancsNetworkConfig(**(MOBILENET | (network or {}))),
        losses=MancsLosses(**(losses or {})),
        optimisation=Optimisation(
            **{"num_epochs": 2, "warmup_steps": 0, "warmup_start_factor": 0.1, "precision": "fp32"}
            | (optimisation or {})
        ),
    )


def terms_of(config, *, epoch=0, network=None, seed=0):
    """Make the loss terms of one batch, whose negatives are drawn from a seed."""
    network = build(config) if network is None else network
    torch.manual_seed(seed)
    return PROBE.terms_of(config, network, epoch=epoch)


def full_network(**network):
    """Build the paper's network on the meta device."""
    config = paper_config("market1501")
    config = config.model_copy(update={"network": config.network.model_copy(update=network)})
    with torch.device("meta"):
        return Mancs().build_network(config, 751, {}).eval()


@pytest.fixture(scope="module")
def paper_network():
    """The full network, built once; tests leave it as it is."""
    return full_network()


def meta_images():
    """One image of the paper's size that has no pixels."""
    return torch.empty(1, 3, 256, 128, device="meta")


# --- Section 4: sizes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "parameters"),
    [
        ("trunk", 23_508_032),
        ("attention.layer1", 8_464),
        ("attention.layer2", 33_312),
        ("attention.layer3", 132_160),
        ("attention_head", 4_559_599),
        ("classification_head", 5_735_151),
    ],
)
def test_parameters_of_each_part(paper_network, part, parameters):
    """Every part has the derived number of parameters."""
    assert parameters == count_parameters(paper_network.get_submodule(part))


@pytest.mark.parametrize(("activation", "slopes"), [("relu", 0), ("prelu", 1), ("prelu_per_channel", 2048)])
def test_parameters_of_the_whole_and_of_inference(activation, slopes):
    """The totals are the derived ones, to which a PReLU adds its slopes."""
    network = full_network(last_activation=activation)
    assert 33_976_718 + slopes == count_parameters(network)
    network.drop_training_parts()
    assert 23_681_968 + slopes == count_parameters(network)


@pytest.mark.slow
def test_multiply_adds(paper_network):
    """Trunk and attention blocks cost what is derived, and embedding runs nothing else."""
    network = paper_network
    inference = 2_719_481_856
    assert inference == count_multiply_adds(network, lambda: network.embed(meta_images()))
    of_trunk = count_multiply_adds(network.trunk, lambda: network.embed(meta_images()))
    of_blocks = [
        count_multiply_adds(block, lambda: network.embed(meta_images()))
        for block in network.attention.values()
    ]
    assert 2_669_150_208 == of_trunk
    assert [16_777_216] * 3 == of_blocks


# --- Section 1: shapes at 256x128 ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tensor", "shape"),
    [
        ("trunk.stem", (64, 64, 32)),
        ("trunk.layer1", (256, 64, 32)),
        ("trunk.layer2", (512, 32, 16)),
        ("trunk.layer3", (1024, 16, 8)),
        ("trunk.layer4", (2048, 8, 4)),
        ("attention.layer1", (256, 64, 32)),
        ("attention.layer1.reduce", (16, 64, 32)),
        ("attention.layer2", (512, 32, 16)),
        ("attention.layer3", (1024, 16, 8)),
        ("attention_head.hidden", (1792,)),
        ("attention_head", (751,)),
        ("classification_head.hidden", (2048,)),
        ("classification_head", (751,)),
    ],
)
def test_shape_at_the_papers_size(paper_network, tensor, shape):
    """Every map and vector has the stated shape."""
    seen = []
    module = paper_network.get_submodule(tensor)
    handle = module.register_forward_hook(lambda _, __, output: seen.append(output.shape[1:]))
    paper_network(meta_images())
    handle.remove()
    assert [shape] == [tuple(size) for size in seen]


def test_the_embedding_is_2048_wide(paper_network):
    """f_rank is the only embedding, and the config says its width."""
    embeddings = paper_network.embed(meta_images())
    assert {"rank": 2048} == paper_config("market1501").embedding_widths()
    assert {"rank": (1, 2048)} == {name: tuple(value.shape) for name, value in embeddings.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    "architecture",
    ["resnet18", "resnet34", "resnet50", "resnet101", "resnet50_ibn_a", "mobilenet_v2", "mobilenet_v2_short"],
)
@pytest.mark.parametrize("rank_fc_width", [None, 12])
def test_every_backbone_has_the_declared_width(architecture, rank_fc_width):
    """What a config says of its embedding is what its network gives."""
    network = {
        "backbone": Backbone(architecture=architecture, last_stride=2),
        "rank_fc_width": rank_fc_width,
    }
    config = small_config(network=network)
    with torch.device("meta"):
        embeddings = Mancs().build_network(config, NUM_PIDS, {}).embed(torch.empty(2, 3, 64, 32))
    assert config.embedding_widths() == {name: value.shape[1] for name, value in embeddings.items()}


# --- Attention -------------------------------------------------------------------------------------------


def test_a_block_passes_the_map_plus_the_masked_map():
    """The next stage sees F + F . mask, and the attention head the means of F . mask of all three stages."""
    config = small_config()
    network = build(config).eval()
    seen = {}
    for name in ("layer1", "layer2", "layer3"):
        network.trunk[name].register_forward_hook(lambda _, __, out, name=name: seen.update({name: out}))
        network.attention[name].register_forward_hook(
            lambda _, __, out, name=name: seen.update({f"mask {name}": out})
        )
    network.trunk["layer3"].register_forward_pre_hook(
        lambda _, inputs: seen.update({"into layer3": inputs[0]})
    )
    network.attention_head.register_forward_pre_hook(lambda _, inputs: seen.update(attention_head=inputs[0]))
    with torch.no_grad():
        network(images())
    mask_BCHW = seen["mask layer2"]
    assert mask_BCHW.shape == seen["layer2"].shape
    assert 0 < mask_BCHW.min() < mask_BCHW.max() < 1
    assert torch.allclose(seen["layer2"] * (1 + mask_BCHW), seen["into layer3"])
    means = [(seen[name] * seen[f"mask {name}"]).mean(dim=(2, 3)) for name in ("layer1", "layer2", "layer3")]
    assert torch.allclose(torch.cat(means, dim=1), seen["attention_head"])


def test_a_channel_mask_is_the_same_everywhere():
    """Squeeze-and-excitation has one value a channel, and as many parameters as the full mask."""
    full, channel = (
        build(small_config()),
        build(small_config(network={"attention": Attention(mask="channel", reduction=4)})),
    )
    assert {
        name: (6, width, 1, 1)
        for name, width in zip(("layer1", "layer2", "layer3"), (24, 32, 96), strict=True)
    } == {name: tuple(mask.shape) for name, mask in channel.masks(images()).items()}
    assert count_parameters(full) == count_parameters(channel)


def test_panels_show_the_masks():
    """There is one panel a stage, the mean over channels, and none of a mask that has no place."""
    config = small_config()
    network = build(config).eval()
    panels = Mancs().panels(config, network, images())
    assert [("stage 2\nmask", (6, 16, 8)), ("stage 3\nmask", (6, 8, 4)), ("stage 4\nmask", (6, 4, 2))] == [
        (panel.label, tuple(panel.heat_BHW.shape)) for panel in panels
    ]
    assert torch.equal(network.masks(images())["layer1"].mean(dim=1), panels[0].heat_BHW)
    channel = Attention(mask="channel", reduction=4)
    for other in (small_config(**NO_ATTENTION), small_config(network={"attention": channel})):
        assert [] == Mancs().panels(other, build(other).eval(), images())


def test_the_last_activation_replaces_that_of_the_last_block():
    """A residual block of ResNet ends in the PReLU: values below zero get through, scaled by its slope."""
    with torch.no_grad():
        config = small_config(network={"backbone": Backbone(architecture="resnet18", last_stride=2)})
        network = build(config).eval()
        seen = []
        network.last_activation.register_forward_hook(
            lambda _, inputs, output: seen.append((inputs[0], output))
        )
        network.embed(images())
    ((before, after),) = seen
    assert before.min() < 0
    assert torch.equal(torch.where(before > 0, before, 0.25 * before), after)


# --- Switches --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "prefixes"),
    [
        (small_config(**NO_ATTENTION), ("attention.", "attention_head.")),
        (small_config(losses={"attention": None}), ("attention_head.",)),
        (small_config(losses={"classification": None}), ("classification_head.",)),
        (small_config(network={"rank_fc_width": 7}), ("rank_fc.",)),
        (
            small_config(network={"head_activation": "bn_relu"}),
            ("classification_head.between", "attention_head.between"),
        ),
        (small_config(network={"attention": Attention(reduction=8)}), ("attention.",)),
        (small_config(network={"last_activation": "relu"}), ("last_activation.",)),
        (small_config(network={"last_activation": "prelu_per_channel"}), ("last_activation.",)),
        (small_config(network={"attention": Attention(mask="channel", reduction=4)}), ()),
        (small_config(losses={"rank": None}), ()),
        (small_config(losses={"rank": RankLoss(curriculum=None)}), ()),
        (small_config(losses={"classification": ClassificationLoss(gamma=0)}), ()),
    ],
)
def test_a_switch_changes_its_own_modules_only(changed, prefixes):
    """Entries that a switch adds, removes or reshapes are all of its own part, and each part is touched."""
    assert_only_these_differ(PROBE.entries(small_config()), PROBE.entries(changed), prefixes)


@pytest.mark.parametrize(
    ("changed", "own"),
    [
        (small_config(**NO_ATTENTION), ()),
        (small_config(losses={"attention": None}), ()),
        (small_config(losses={"classification": None}), ()),
        (small_config(losses={"rank": None}), ()),
        (small_config(losses={"rank": RankLoss(curriculum=None)}), ()),
        (small_config(network={"rank_fc_width": 7}), ()),
        (small_config(network={"head_activation": "bn_relu"}), ()),
        (small_config(network={"last_activation": "relu"}), ()),
        (small_config(network={"attention": Attention(mask="channel", reduction=4)}), ()),
        # A narrower layer before it gives the bias of the same width another range.
        (
            small_config(network={"attention": Attention(reduction=8)}),
            tuple(f"attention.layer{number}.expand.bias" for number in (1, 2, 3)),
        ),
    ],
)
def test_a_switch_redraws_nothing_that_it_leaves_in_place(changed, own):
    """Two rows of an ablation start alike under one seed wherever they have a weight in common."""
    assert set(own) == redrawn(small_config(), changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"attention": None},
        {"attention": AttentionLoss(weight=1.0)},
        {"classification": None},
        {"classification": ClassificationLoss(probability="sigmoid_full")},
        {"rank": None},
        {"rank": RankLoss(curriculum=None)},
    ],
)
def test_the_embedding_does_not_see_the_losses(changed):
    """With equal weights the embedding is bit-identical whatever is trained beside it."""
    network, other = build(small_config()).eval(), build(small_config(losses=changed), seed=1).eval()
    other.load_state_dict({k: v for k, v in network.state_dict().items() if "_head." not in k}, strict=False)
    with torch.no_grad():
        assert torch.equal(network.embed(images())["rank"], other.embed(images())["rank"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("losses", "term"),
    [
        ({"rank": RankLoss(weight=3.0)}, "rank"),
        ({"rank": RankLoss(margin=2.0)}, "rank"),
        ({"rank": RankLoss(curriculum=Curriculum(t0=10, a=0.1))}, "rank"),
        ({"rank": RankLoss(curriculum=Curriculum(t1=35, a=0.1))}, "rank"),
        ({"rank": RankLoss(curriculum=Curriculum(a=1.0))}, "rank"),
        ({"rank": RankLoss(curriculum=Curriculum(b=0.9))}, "rank"),
        ({"rank": RankLoss(curriculum=None)}, "rank"),
        ({"classification": ClassificationLoss(weight=3.0)}, "classification"),
        ({"classification": ClassificationLoss(gamma=0.0)}, "classification"),
        ({"classification": ClassificationLoss(probability="sigmoid_full")}, "classification"),
        ({"classification": ClassificationLoss(probability="sigmoid_literal")}, "classification"),
        ({"attention": AttentionLoss(weight=0.6)}, "attention"),
    ],
)
def test_a_loss_setting_changes_its_own_term_only(losses, term):
    """The other two terms of an equal network stay bit by bit, at an epoch between t0 and t1."""
    expected = terms_of(small_config(), epoch=40, seed=4)
    actual = terms_of(small_config(losses=losses), epoch=40, seed=4)
    assert [term] == [name for name in expected if not torch.equal(expected[name], actual[name])]


@pytest.mark.parametrize(
    ("config", "terms"),
    [
        (small_config(), {"rank", "classification", "attention"}),
        (small_config(losses={"attention": None}), {"rank", "classification"}),
        (small_config(**NO_ATTENTION), {"rank", "classification"}),
        (small_config(losses={"classification": None}), {"rank", "attention"}),
        (small_config(losses={"rank": None}), {"classification", "attention"}),
        (small_config(losses={"rank": None, "attention": None}), {"classification"}),
        (small_config(losses={"classification": None, "attention": None}), {"rank"}),
    ],
)
def test_terms_of_the_loss(config, terms):
    """A loss that is on is a finite scalar term, and one that is off is none."""
    made = terms_of(config)
    assert terms == set(made)
    assert all(term.shape == () and torch.isfinite(term) for term in made.values())


def test_terms_are_the_weighted_losses():
    """Each term is its loss on its branch: 3 L_rank, 2 L_cls and 0.5 L_att here."""
    losses = {
        "rank": RankLoss(weight=3.0),
        "classification": ClassificationLoss(weight=2.0),
        "attention": AttentionLoss(weight=0.5),
    }
    config = small_config(losses=losses)
    network = build(config)
    terms = terms_of(config, epoch=40, network=network, seed=7)
    with torch.no_grad():
        outputs = network(images())
        torch.manual_seed(7)
        rank = curriculum_triplet_loss(
            outputs.embeddings_BD, LABELS_B, 40, t0=30, t1=60, a=15, b=1e-3, margin=0.5
        )
        classification = softmax_focal_loss(outputs.logits_BI, LABELS_B, gamma=2.0)
        answer_BI = outputs.attention_logits_BI.sigmoid()
    is_label_BI = LABELS_B[:, None] == torch.arange(NUM_PIDS)
    attention = -torch.where(is_label_BI, answer_BI, 1 - answer_BI).log().sum() / (len(LABELS_B) * NUM_PIDS)
    assert (3 * rank).item() == pytest.approx(terms["rank"].item(), rel=1e-5)
    assert (2 * classification).item() == pytest.approx(terms["classification"].item(), rel=1e-5)
    assert (0.5 * attention).item() == pytest.approx(terms["attention"].item(), rel=1e-5)


@pytest.mark.parametrize(
    ("probability", "loss"),
    [("sigmoid_full", sigmoid_focal_loss), ("sigmoid_literal", true_class_sigmoid_focal_loss)],
)
def test_the_other_readings_of_the_probability(probability, loss):
    """A setting names the loss that is used."""
    config = small_config(losses={"classification": ClassificationLoss(probability=probability)})
    network = build(config)
    terms = terms_of(config, network=network)
    expected = loss(network(images()).logits_BI, LABELS_B, gamma=2.0)
    assert expected.item() == pytest.approx(terms["classification"].item(), rel=1e-5)


def test_without_a_curriculum_ranking_is_batch_hard_at_every_epoch():
    """The baseline is the loss of the hardest positive and negative, and does not look at the epoch."""
    config = small_config(losses={"rank": RankLoss(curriculum=None)})
    network = build(config)
    expected = batch_hard_triplet_loss(network.train()(images()).embeddings_BD, LABELS_B, margin=0.5)
    for epoch in (0, 100):
        assert expected.item() == pytest.approx(
            terms_of(config, epoch=epoch, network=network)["rank"].item(), rel=1e-5
        )


def test_the_epoch_moves_the_ranking_alone():
    """Negatives grow harder with the epoch; the other terms stay."""
    early, late = (
        terms_of(small_config(losses={"rank": RankLoss(margin=5.0, curriculum=Curriculum(a=0.1))}), epoch=e)
        for e in (0, 60)
    )
    assert late["rank"] > early["rank"]
    assert all(torch.equal(early[name], late[name]) for name in ("classification", "attention"))


def test_frozen_stages_keep_weights_and_statistics_while_their_attention_learns():
    """A mask behind a frozen stage has a gradient, the stage has none and its norms do not move."""
    backbone = Backbone(architecture="mobilenet_v2", last_stride=2, num_frozen_stages=3)
    config = small_config(network={"backbone": backbone})
    network = build(config).train()
    before = {key: value.clone() for key, value in network.trunk["layer2"].state_dict().items()}
    sum(terms_of(config, network=network).values()).backward()
    assert all(torch.equal(value, network.trunk["layer2"].state_dict()[key]) for key, value in before.items())
    assert all(parameter.grad is None for parameter in network.trunk["layer2"].parameters())
    assert all(
        parameter.grad.abs().sum() > 0 for parameter in network.attention["layer1"].expand.parameters()
    )
    assert any(parameter.grad.abs().sum() > 0 for parameter in network.trunk["layer3"].parameters())


def test_every_trained_weight_has_a_gradient():
    """Nothing of the full network is idle in training."""
    config = small_config(network={"rank_fc_width": 8, "head_activation": "bn_relu"})
    network = build(config)
    sum(terms_of(config, network=network, epoch=60).values()).backward()
    assert [] == [name for name, parameter in network.named_parameters() if parameter.grad is None]


# --- Validation ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("t0", "t1"), [(60, 60), (61, 60)])
def test_a_curriculum_that_does_not_narrow_is_refused(t0, t1):
    """t0 comes before t1."""
    with pytest.raises(Refusal, match=f"got t0 {t0} and t1 {t1}; set losses.rank.curriculum.t0 below"):
        Curriculum(t0=t0, t1=t1)


@pytest.mark.parametrize(
    ("parts", "fault"),
    [
        ({"losses": {"rank": None, "classification": None}}, "nothing trains the embedding"),
        ({"network": {"attention": None}}, "set losses.attention to null, or network.attention"),
        ({"network": {"rank_fc_width": 9}, "losses": {"rank": None}}, "set network.rank_fc_width to null"),
        (
            {"network": {"attention": Attention(reduction=25)}},
            "reduction 25 leaves no channel of a map of 24",
        ),
        (
            {"data": {"sampling": "images", "num_instances": 1}},
            "got data.sampling 'images'; set it to 'identities'",
        ),
        (
            {
                "network": {"head_activation": "bn_relu"},
                "losses": {"classification": None, "attention": None},
            },
            "leave it at 'nothing'",
        ),
        (
            {"network": {"backbone": Backbone(architecture="resnet18", weights="imagenet_mobilenet")}},
            "fit architecture",
        ),
    ],
)
def test_parts_that_do_not_go_together_are_refused(parts, fault):
    """The message names what to set."""
    with pytest.raises(Refusal, match=fault):
        small_config(**parts)


def test_all_faults_are_told_at_once():
    """Two faults are in one message."""
    with pytest.raises(Refusal, match=r"(?s)nothing trains the embedding.*deep supervision"):
        small_config(network={"attention": None}, losses={"rank": None, "classification": None})


# --- Recipes and training --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "batch"), [("market1501", (16, 16)), ("dukemtmc", (16, 16)), ("cuhk03_labelled", (32, 8))]
)
def test_the_published_recipe(dataset, batch):
    """Defaults are the specification's."""
    config = paper_config(dataset)
    assert (256, 128, *batch) == (
        *(config.data.height_px, config.data.width_px),
        *(config.data.num_identities, config.data.num_instances),
    )
    crop, erasing = config.data.augmentation.scale_crop, config.data.augmentation.erasing
    assert (0.64, 1.0, 2.0, 3.0) == (crop.min_area, crop.max_area, crop.min_aspect, crop.max_aspect)
    assert (0.5, 0.02, 0.4, 0.3, 3.33) == tuple(erasing.model_dump().values())
    assert MancsLosses() == config.losses
    assert Curriculum(t0=30, t1=60, a=15, b=0.001) == config.losses.rank.curriculum
    assert (0.5, 1.0) == (config.losses.rank.margin, config.losses.rank.weight)
    assert ("softmax", 2.0, 1.0) == tuple(config.losses.classification.model_dump().values())
    assert 0.2 == config.losses.attention.weight
    optimisation = config.optimisation
    assert (160, 3e-4, 5.0) == (config.planned_epochs(), optimisation.base_lr, optimisation.max_grad_norm)
    assert ("adam", "steps", ()) == (optimisation.optimizer, optimisation.schedule, optimisation.decay_epochs)
    assert (2, "padded", "prelu", None) == (
        config.network.backbone.last_stride,
        config.network.backbone.stem_pool,
        config.network.last_activation,
        config.network.rank_fc_width,
    )


def test_the_demo_goes_through_every_phase_of_its_curriculum():
    """It starts with easy negatives, is centred on the hardest at t0 and ends after t1."""
    config = demo_config()
    curriculum = config.losses.rank.curriculum
    num_negatives = (config.data.num_identities - 1) * config.data.num_instances
    assert 0 < curriculum.t0 < curriculum.t1 < config.planned_epochs()
    assert num_negatives / 16 == curriculum.a


@pytest.mark.slow
@pytest.mark.parametrize("stop", [2, 4, 5])
def test_an_interrupted_training_ends_in_the_same_weights(tmp_path, stop):
    """The curriculum draws the negatives that it would have drawn; the stop lies within or between epochs."""
    runtime = tiny_runtime(tmp_path)
    curriculum = Curriculum(t0=1.0, t1=1.5, a=2.0, b=0.5)
    config = small_config(
        losses={"rank": RankLoss(curriculum=curriculum, margin=5.0)},
        data={"num_identities": 4, "num_instances": 2},
        optimisation={"schedule": "steps", "max_grad_norm": 5.0, "base_lr": 1e-3},
    )
    undisturbed, interrupted = Journal(), Journal(stop)
    expected = fit_through(config, runtime, LocalFolder(tmp_path / "undisturbed"), undisturbed)
    actual = fit_through(config, runtime, LocalFolder(tmp_path / "interrupted"), interrupted)
    assert_equal_states(expected.state_dict(), actual.state_dict())
    assert undisturbed.metrics() == interrupted.metrics()


@pytest.mark.slow
def test_the_trained_network_is_what_is_measured(tmp_path):
    """A loaded network gives the embeddings of the trained one, which a Euclidean view can measure."""
    runtime = tiny_runtime(tmp_path)
    config = small_config(optimisation={"num_epochs": 1})
    trainable, folder = config.make_trainable(), LocalFolder(tmp_path / "training")
    trained = fit_through(config, runtime, folder, Journal())
    loaded = trainable.load(config, runtime, folder)
    assert_equal_states(trained.state_dict(), loaded.state_dict())
    extraction = trainable.extract(config, runtime, loaded, "test", [RetrievalView()])
    assert {"rank"} == set(extraction.query.embeddings)
    view = RetrievalView(embeddings=("rank",), distance="euclidean")
    assert 0 < trainable.measure([(config, extraction)], view).metrics["map"] <= 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "config", [demo_config(), paper_config("market1501"), small_config(losses={"rank": None})]
)
def test_a_configuration_can_be_checked(config):
    """One step on tiny inputs goes through, whatever batch the config asks for."""
    config.make_trainable().check(config, Runtime(None, ""))
