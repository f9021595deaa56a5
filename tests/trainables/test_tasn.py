"""TASN: shapes, sizes, switches and losses."""

import math

import pytest
import torch

from tablewright.orchestrator.declared.changes import apply_changes
from tablewright.trainables.classification.view import ClassificationView
from tablewright.trainables.layers.attention_sampler import marginal_grid, sample
from tablewright.trainables.layers.backbone import ATTENTION_NET, BACKBONE, Backbone
from tablewright.trainables.layers.complexity import count_multiply_adds, count_parameters
from tablewright.trainables.layers.resnet import build_resnet_stages
from tablewright.trainables.retrieval.view import RetrievalView
from tablewright.trainables.tasn import (
    AttentionNet,
    Tasn,
    VggBackbone,
    _sum_of_distinct,
    demo_config,
    distillation_loss,
    make_loss_terms,
    paper_config,
)
from tablewright.trainables.training.optimisation import make_optimizer
from tablewright.trainables.value.refusal import Refusal
from tests.trainables.network_probe import NetworkProbe

MASTER_ALONE = {"network.part": False, "losses.distillation": None}
PART_ALONE = {"network.master": False, "losses.distillation": None}
PLAIN = {"network.attention": None, **MASTER_ALONE}
PROBE = NetworkProbe(Tasn(), [0, 1, 2, 3], (128, 128), num_classes=7)
build, redrawn, NUM_CLASSES = PROBE.build, PROBE.redrawn, PROBE.num_classes
RANDOM_RESNETS = {
    "network.backbone": Backbone(architecture="resnet18", last_stride=2),
    "network.attention.backbone": Backbone(architecture="resnet18"),
}


def small_config(**changes):
    """The demo's networks without their weights: fast, and otherwise whole."""
    fresh = {"network.backbone.weights": "random"}
    if "network.attention" not in changes:
        fresh["network.attention.backbone.weights"] = "random"
    return apply_changes(demo_config(), fresh | changes)


def images(count=4, side=128, seed=0):
    return torch.randint(256, (count, 3, side, side), generator=torch.Generator().manual_seed(seed)).float()


def paper_network(**changes):
    with torch.device("meta"):
        return Tasn().build_network(apply_changes(paper_config("cub200"), changes), 200, {}).eval()


def meta_images(side):
    return torch.zeros(1, 3, side, side, device="meta")


# -- sizes, shapes


def test_sizes_of_the_paper_network():
    """Parameters and compute are those of the authors' networks, to the last one; the norm adds a pair a channel."""
    assert 39_915_536 + 2 * 512 == count_parameters(paper_network())
    network = paper_network(**{"network.attention.classifier": "plain"})
    assert 39_915_536 == count_parameters(network)
    assert 15_895_104 == count_parameters(network.attention)
    assert 4_718_592 == count_parameters(network.attention.groups)
    assert 23_508_032 == count_parameters(network.shared)
    assert (102_600, 409_800) == (
        count_parameters(network.attention_classifier),
        count_parameters(network.classifier),
    )
    of_attention = count_multiply_adds(network.attention, lambda: network.attention(meta_images(224)))
    of_groups = count_multiply_adds(network.attention.groups, lambda: network.attention(meta_images(224)))
    assert (10_445_438_976, 9_248_440_320) == (of_attention - of_groups, of_groups)


@pytest.mark.slow
def test_size_of_what_a_test_reads():
    """Attention (17 + 2 layers) precedes ResNet-50 and its classifier (50); attention's own classifier is not read."""
    config = paper_config("cub200")
    size = config.make_trainable().size(config)
    of_attention_classifier = 102_600 + 2 * 512
    assert (39_916_560, 39_916_560 - of_attention_classifier) == (size.parameters, size.inference_parameters)
    attention, dilated, resnet50 = 10_445_438_976, 9_248_440_320, 4_087_136_256
    assert (attention + dilated + resnet50 + 2048 * 200, 17 + 2 + 50) == (size.multiply_adds, size.depth)
    alone = apply_changes(config, PART_ALONE)
    assert size == alone.make_trainable().size(alone)


@pytest.mark.parametrize(
    ("side", "multiply_adds"),
    [(224, 4_087_136_256), (280, 6_582_742_016), (336, 9_351_049_216), (392, 12_974_803_968)],
)
@pytest.mark.slow
def test_compute_of_the_backbone_at_each_resolution(side, multiply_adds):
    """224, 280, 336 and 392 px cost 4.09e9, 6.58e9, 9.35e9 and 12.97e9 multiply-adds."""
    network = paper_network()
    assert multiply_adds == count_multiply_adds(network.shared, lambda: network.shared(meta_images(side)))


@pytest.mark.slow
def test_shapes_of_the_paper_network():
    """Attention is 512 maps of 28 x 28; the whole and a detail are 224 px wide; 200 classes at each head."""
    outputs = paper_network().train()(meta_images(512))
    assert (1, 512, 28, 28) == outputs.attention_BChw.shape
    assert (1, 28, 28) == outputs.structure_Bhw.shape
    assert (1, 3, 224, 224) == outputs.structure_images_BCOO.shape == outputs.detail_images_BCOO.shape
    assert {"attention", "part", "master"} == set(outputs.logits_BI)
    assert {(1, 200)} == {tuple(logits.shape) for logits in outputs.logits_BI.values()}


def test_dilations_share_their_weights():
    """Two groups of 2 and 3 dilations have the parameters of two convolutions."""
    first, second = build(small_config()).attention.groups
    assert [1, 2] == [convolution.dilation[0] for convolution in first.convolutions]
    assert [1, 2, 3] == [convolution.dilation[0] for convolution in second.convolutions]
    assert first.convolutions[0].weight is first.convolutions[1].weight
    assert second.convolutions[0].weight is second.convolutions[2].weight
    assert first.convolutions[0].weight is not second.convolutions[0].weight


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["resnet101", "vgg19"])
def test_other_backbones_classify(architecture):
    """ResNet-101 and VGG-19 take the place of ResNet-50."""
    backbone = {"network.backbone": VggBackbone(weights="imagenet")} if architecture == "vgg19" else {}
    changes = backbone or {"network.backbone.architecture": architecture}
    assert (1, 200) == paper_network(**changes)(meta_images(512)).logits_BI["master"].shape


@pytest.mark.slow
@pytest.mark.parametrize("backbone_weights", ["imagenet", "random"])
def test_published_weights_start_each_network_that_asks_for_them(tmp_path, backbone_weights):
    """Both start from the file, or the attention net alone beside a random backbone."""
    torch.manual_seed(0)
    stages = build_resnet_stages(18, ibn=False, last_stride=2)
    published = {stages.published_name(name): value for name, value in stages.state_dict().items()}
    (tmp_path / "weights").mkdir()
    torch.save(published, tmp_path / "weights/resnet18-f37072fd.pth")
    config = apply_changes(
        paper_config("cub200"),
        {"network.backbone.architecture": "resnet18", "network.backbone.weights": backbone_weights},
    )
    files = Tasn().weights_files(config, str(tmp_path))
    network = Tasn().build_network(config, NUM_CLASSES, files)

    def holds_the_file(trunk):
        held = trunk.state_dict()
        return all(torch.equal(value, held[name]) for name, value in stages.layer4.state_dict().items())

    assert holds_the_file(network.attention.stages[4])
    assert (backbone_weights == "imagenet") == holds_the_file(network.shared.backbone.layer4)


def test_files_are_named_by_the_parts_that_start_from_them(tmp_path):
    """VGG-19 and ResNet-18 have a file each; a random part has none; an absent file is named."""
    config = apply_changes(paper_config("cub200"), {"network.backbone": VggBackbone(weights="imagenet")})
    folder = tmp_path / "weights"
    folder.mkdir()
    names = {BACKBONE: "vgg19-dcbb9e9d.pth", ATTENTION_NET: "resnet18-f37072fd.pth"}
    (folder / names[BACKBONE]).touch()
    with pytest.raises(ValueError, match=r"resnet18-f37072fd\.pth, which is no file"):
        Tasn().weights_files(config, str(tmp_path))
    (folder / names[ATTENTION_NET]).touch()
    expected = {part: folder / name for part, name in names.items()}
    found = Tasn().weights_files(config, str(tmp_path))
    assert expected == {part: file.path for part, file in found.items()}
    assert {BACKBONE: "vgg19", ATTENTION_NET: "resnet18"} == {
        part: file.part.architecture for part, file in found.items()
    }
    random = apply_changes(config, {"network.backbone": VggBackbone()})
    assert {ATTENTION_NET: found[ATTENTION_NET]} == Tasn().weights_files(random, str(tmp_path))
    assert {} == Tasn().weights_files(small_config(), None)


# -- switches


@pytest.mark.parametrize(
    ("changes", "heads"),
    [
        ({}, ("attention", "part", "master")),
        (MASTER_ALONE, ("attention", "master")),
        (PART_ALONE, ("attention", "part")),
        (PLAIN, ("master",)),
    ],
)
def test_heads_and_terms_follow_the_parts(changes, heads):
    """Each part has its head, its loss term and, in a test, its logits; distillation needs both."""
    config = small_config(**changes)
    assert heads == config.heads()
    network = build(config)
    (terms,) = Tasn().loss_terms(config, network.train(), [images()], [torch.arange(4)], epoch=0)
    expected = {f"class/{head}" for head in heads} | ({"distillation"} if not changes else set())
    assert expected == set(terms)
    assert set(heads) == set(network.eval().classify(images()))


@pytest.mark.parametrize(
    "changes",
    [
        PLAIN,
        PART_ALONE,
        MASTER_ALONE,
        {"network.attention.classifier": "plain"},
        {"network.sampler": "crop"},
        {"network.num_details": 2},
        {"network.input_px": 96},
    ],
)
def test_a_switch_redraws_nothing_that_it_leaves_in_place(changes):
    """Two rows of an ablation start alike under one seed wherever they have a weight in common."""
    assert set() == redrawn(small_config(), small_config(**changes))


def test_plain_network_has_no_attention():
    """Without attention nothing of it is built, and the image is only resized."""
    assert build(small_config(**PLAIN)).attention is None
    whole = count_parameters(build(small_config()))
    plain = count_parameters(build(small_config(**PLAIN)))
    network = build(small_config())
    attention = count_parameters(network.attention) + count_parameters(network.attention_classifier)
    assert whole - attention == plain


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"network.sampler": "crop"},
        {"network.sampler": "saliency"},
        {"network.marginal": "sum"},
        {"network.structure": "squared"},
    ],
)
def test_samplers_change_the_images_and_no_parameter(changes):
    """Another sampler, marginal or structure gives other pixels to the same networks."""
    ours, other = build(small_config()).eval(), build(small_config(**changes)).eval()
    assert ours.state_dict().keys() == other.state_dict().keys()
    first, second = ours(images()), other(images())
    assert torch.equal(first.attention_BChw, second.attention_BChw)
    assert not torch.allclose(first.structure_images_BCOO, second.structure_images_BCOO)


@pytest.mark.parametrize("sampler", ["marginal", "crop", "saliency"])
def test_half_precision_samples_the_places_of_float32(sampler):
    """Grids are made outside of autocast: the same map gives the same sampled image, to the last bit."""
    network, attention = build(small_config(**{"network.sampler": sampler})), torch.rand(4, 32, 6, 6)
    sampled = []
    for is_half in (False, True):
        torch.manual_seed(1)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_half):
            sampled.append(network.sample_details(images(), attention))
    assert torch.equal(*sampled)


@pytest.mark.slow
def test_random_details_differ_and_ranked_ones_do_not():
    """A random channel is drawn anew each time from torch's generator; the strongest stays the strongest."""
    for selection, is_equal in (("random", False), ("ranked", True)):
        network = build(small_config(**{"network.part_selection": selection})).train()
        attention = torch.rand(4, 32, 6, 6)
        torch.manual_seed(1)
        first, second = (network.sample_details(images(), attention) for _ in range(2))
        assert is_equal == torch.equal(first, second)
        torch.manual_seed(1)
        assert torch.equal(first, network.sample_details(images(), attention))


def test_every_detail_of_a_step_is_classified_and_teaches():
    """Two details of each image have logits and labels of their own; a test is as with one."""
    config = small_config(**{"network.num_details": 2})
    network, labels = build(config).train(), torch.arange(4)
    outputs = network(images())
    assert (8, 3, 64, 64) == outputs.detail_images_BCOO.shape
    logits = {head: logits.double() for head, logits in outputs.logits_BI.items()}
    assert [4, 8, 4] == [len(logits[head]) for head in ("attention", "part", "master")]
    halves = [make_loss_terms(config, logits | {"part": half}, labels) for half in logits["part"].chunk(2)]
    for name, term in make_loss_terms(config, logits, labels).items():
        torch.testing.assert_close(torch.stack([half[name] for half in halves]).mean(), term)
    assert {(4, NUM_CLASSES)} == {tuple(head.shape) for head in network.eval().classify(images()).values()}


def test_ranked_details_are_the_strongest_channels():
    """The two channels of the most attention give the two details, each image's first before any second."""
    config = {"network.part_selection": "ranked", "network.num_details": 2}
    network, attention = build(small_config(**config)), torch.rand(2, 32, 6, 6)
    attention[0, 5], attention[0, 9], attention[1, 7], attention[1, 3] = 4, 3, 4, 3
    attention[:, :, 0, 0] += torch.rand(2, 32)
    expected = torch.cat(
        [
            network._sample(images(2), torch.stack([attention[0, first], attention[1, second]]))
            for first, second in ((5, 7), (9, 3))
        ]
    )
    assert torch.equal(expected, network.sample_details(images(2), attention))


def test_squared_structure_counts_equal_channels_once():
    """Copies of a channel do not outweigh others, and the sampled image is that of the squared, resized map."""
    network = build(small_config(**{"network.structure": "squared"})).eval()
    single = torch.rand(2, 3, 6, 6)
    copied = torch.cat([single[:, :1], single, single[:, 2:]], dim=1)
    torch.testing.assert_close(single.sum(dim=1), _sum_of_distinct(copied))
    outputs = network(images())
    torch.testing.assert_close(_sum_of_distinct(outputs.attention_BChw), outputs.structure_Bhw)
    grid = marginal_grid(outputs.structure_Bhw, (128, 128), 64, is_squared=True)
    assert torch.equal(sample(network.pixels(images()), grid), outputs.structure_images_BCOO)


def test_in_a_test_the_detail_is_the_mean_of_all_channels():
    """Nothing is random in inference, and the part-net sees what the master-net sees."""
    network = build(small_config()).eval()
    first, second = network.classify(images()), network.classify(images())
    assert torch.equal(first["master"], second["master"])
    assert torch.equal(first["master"], first["part"])


def test_attention_is_trained_by_its_own_classifier_alone():
    """No gradient of part-net or master-net reaches the attention net."""
    config = small_config()
    network = build(config).train()
    (terms,) = Tasn().loss_terms(config, network, [images()], [torch.arange(4)], epoch=0)
    (terms["class/part"] + terms["class/master"] + terms["distillation"]).backward(retain_graph=True)
    assert all(parameter.grad is None for parameter in network.attention.parameters())
    terms["class/attention"].backward()
    assert any(parameter.grad is not None for parameter in network.attention.parameters())


@pytest.mark.slow
@pytest.mark.parametrize(("classifier", "is_trained"), [("norm", True), ("plain", False)])
def test_the_published_rate_trains_the_attention_net_behind_its_norm_alone(classifier, is_trained):
    """At the paper's recipe, random ResNet-18, its loss stays near ln 7; without the norm it blows up at once."""
    config = apply_changes(
        paper_config("cub200"),
        {
            **RANDOM_RESNETS,
            **MASTER_ALONE,
            "network.attention.input_px": 64,
            "network.input_px": 32,
            "network.attention.classifier": classifier,
        },
    )
    network = build(config).train()
    optimizer = make_optimizer(config.optimisation, network.parameters())
    losses = []
    for _ in range(4):
        (terms,) = Tasn().loss_terms(config, network, [images(side=64)], [torch.arange(4)], epoch=0)
        optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        for group in optimizer.param_groups:
            group["lr"] = config.optimisation.base_lr
        optimizer.step()
        losses.append(terms["class/attention"].item())
    assert is_trained == (max(losses) < 2 * math.log(7)), losses


def test_maps_are_taken_before_the_norm():
    """The classifier's norm changes neither the maps nor where the images are sampled."""
    with_norm, plain = (
        build(small_config(**{"network.attention.classifier": kind})).eval() for kind in ("norm", "plain")
    )
    plain.load_state_dict(with_norm.state_dict(), strict=False)
    with torch.no_grad():
        with_norm.attention_classifier.norm.bias.fill_(1.0)
    first, second = with_norm(images()), plain(images())
    assert torch.equal(first.attention_BChw, second.attention_BChw)
    assert torch.equal(first.structure_images_BCOO, second.structure_images_BCOO)
    assert not torch.equal(first.logits_BI["attention"], second.logits_BI["attention"])


def test_teacher_has_a_gradient_only_where_asked():
    """The teacher's own logits move by distillation only with detach_teacher off."""
    labels = torch.arange(3)
    for detach in (True, False):
        config = small_config(**{"losses.distillation.detach_teacher": detach})
        logits = {
            head: torch.randn(3, NUM_CLASSES, requires_grad=True) for head in ("attention", "part", "master")
        }
        make_loss_terms(config, logits, labels)["distillation"].backward()
        assert detach == (logits["part"].grad is None)
        assert logits["master"].grad is not None


# -- losses


def test_distillation_by_hand():
    """Two classes, T = 2: teacher (2, 0) gives q = 0.7311, student (0, 0) gives log 0.5."""
    loss = distillation_loss(torch.tensor([[0.0, 0.0]]), torch.tensor([[2.0, 0.0]]), temperature=2.0)
    assert pytest.approx(0.693147, abs=1e-6) == loss.item()
    loss = distillation_loss(torch.tensor([[2.0, 0.0]]), torch.tensor([[2.0, 0.0]]), temperature=2.0)
    assert pytest.approx(0.582203, abs=1e-5) == loss.item()  # the entropy of (0.7311, 0.2689)


def test_weights_multiply_their_terms():
    """Each weight acts on its own term; the master-net's on both of its loss, among which λ decides (Eq. 8)."""
    labels = torch.arange(3)
    logits = {head: torch.randn(3, NUM_CLASSES) for head in ("attention", "part", "master")}
    plain = make_loss_terms(small_config(), logits, labels)
    weighted = make_loss_terms(
        small_config(
            **{
                "losses.attention_weight": 2.0,
                "losses.part_weight": 3.0,
                "losses.master_weight": 5.0,
                "losses.distillation.weight": 14.0,
            }
        ),
        logits,
        labels,
    )
    factors = {"class/attention": 2, "class/part": 6, "class/master": 10, "distillation": 10 * 7}
    for name, factor in factors.items():
        torch.testing.assert_close(factor * plain[name], weighted[name])


def test_the_losses_have_the_scale_of_the_learning_rate():
    """The recipe's rate is the official code's, and so is what each term counts under it."""
    config = paper_config("cub200")
    labels = torch.arange(3)
    logits = {head: torch.randn(3, NUM_CLASSES) for head in ("attention", "part", "master")}
    terms = make_loss_terms(config, logits, labels)
    softened = distillation_loss(logits["master"], logits["part"], temperature=10.0)
    assert (0.1, 0.0, 0.0) == (
        config.optimisation.base_lr,
        config.optimisation.momentum,
        config.optimisation.weight_decay,
    )
    for head, weight in {"attention": 1.0, "part": 0.5, "master": 0.5}.items():
        expected = weight * torch.nn.functional.cross_entropy(logits[head], labels)
        torch.testing.assert_close(expected, terms[f"class/{head}"])
    torch.testing.assert_close(softened, terms["distillation"])


@pytest.mark.slow
def test_a_few_steps_lower_the_loss():
    """The whole network learns a small batch: each classifier ends below where it began."""
    # A random attention net that learns in every stage would show other places of the images at each step.
    config = small_config(**{"network.attention.backbone.num_frozen_stages": 3})
    network = build(config).train()
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    losses: list[dict[str, float]] = []
    for _ in range(12):
        torch.manual_seed(0)
        (terms,) = Tasn().loss_terms(config, network, [images()], [torch.arange(4)], epoch=0)
        total = torch.stack(list(terms.values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append({name: term.item() for name, term in terms.items()})
    assert losses[-1]["class/attention"] < losses[0]["class/attention"]
    assert losses[-1]["class/part"] < 0.6 * losses[0]["class/part"]
    assert losses[-1]["class/master"] < 0.6 * losses[0]["class/master"]


# -- config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network.part": False}, "set losses.distillation to null"),
        ({"network.attention": None, "losses.distillation": None}, "set network.part to false"),
        ({**PLAIN, "network.sampler": "crop"}, "network.sampler has no effect here"),
        ({**PLAIN, "network.master": False}, "something to classify"),
        ({**PLAIN, "network.marginal": "sum"}, "network.marginal has no effect here"),
        ({**PLAIN, "losses.attention_weight": 2.0}, "losses.attention_weight has no effect here"),
        ({**MASTER_ALONE, "network.part_selection": "ranked"}, "network.part_selection has no effect here"),
        ({**MASTER_ALONE, "network.num_details": 2}, "network.num_details has no effect here"),
        ({**MASTER_ALONE, "losses.part_weight": 2.0}, "losses.part_weight has no effect here"),
        ({**PART_ALONE, "network.structure": "squared"}, "network.structure has no effect here"),
        ({**PART_ALONE, "losses.master_weight": 2.0}, "losses.master_weight has no effect here"),
        ({"network.sampler": "crop", "network.structure": "squared"}, "network.structure has no effect here"),
        ({"network.sampler": "saliency", "network.marginal": "sum"}, "network.marginal has no effect here"),
        (
            {"network.attention.form": "X", "network.attention.tau": 1.0},
            "network.attention.tau has no effect",
        ),
        (
            {"network.attention.backbone.last_stride": 2},
            "network.attention.backbone.last_stride has no effect",
        ),
        (
            {"network.attention.backbone.architecture": "resnet18"}
            | {"network.attention.backbone.weights": "luperson_moco"},
            "set network.attention.backbone.architecture to one of",
        ),
        ({"network.attention.backbone.architecture": "resnet50"}, "made of 'resnet18' or 'mobilenet_v2'"),
    ],
)
def test_what_does_not_go_together_is_refused(changes, message):
    """A part that is off takes its switches with it, and says what to set."""
    with pytest.raises(ValueError, match=message):
        small_config(**changes)


def test_views_are_checked():
    """A head that is absent, a view of another kind and a validation on trained images are refused."""
    with pytest.raises(ValueError, match=r"no head 'part' .*; it has attention, master"):
        small_config(**MASTER_ALONE).check_view(ClassificationView(logits=("part",)))
    with pytest.raises(ValueError, match="got a retrieval view; give a ClassificationView"):
        small_config().check_view(RetrievalView())
    with pytest.raises(ValueError, match="train_without_val"):
        paper_config("cub200").check_view(ClassificationView(split="val"))
    small_config().check_view(ClassificationView(split="val"))


def test_a_misspelt_form_is_refused():
    """Only the seven forms of Table 2 are known."""
    with pytest.raises(Refusal, match="N\\(XX\\^T\\)X"):
        AttentionNet(form="XX^T")


def test_panels_show_attention_the_whole_and_a_detail():
    """The samples are shown in levels 0..255."""
    config = small_config()
    shown = Tasn().panels(config, build(config).eval(), images())
    assert ["attention", "structure", "a detail"] == [panel.label for panel in shown]
    assert shown[1].images_BCHW.min() >= 0
    assert shown[1].images_BCHW.max() > 100
    assert [] == Tasn().panels(small_config(**PLAIN), build(small_config(**PLAIN)).eval(), images())
