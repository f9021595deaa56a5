"""Files of weights as people have them: which are opened, and what is said of those that are none."""

import argparse
import io
import pickle
import tarfile
import warnings
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tablewright.trainables.layers import weight_file
from tablewright.trainables.layers.weight_file import Entry, read_entries, read_tensors
from tests.trainables.published_weights import save

TENSORS = {"conv1.weight": torch.arange(6.0).reshape(2, 3), "bn1.num_batches_tracked": torch.tensor(5)}
ENTRIES = {
    "conv1.weight": Entry((2, 3), torch.float32),
    "bn1.num_batches_tracked": Entry((), torch.int64),
}


def write_zipped(path):
    save(path, TENSORS)


def write_legacy(path):
    save(path, TENSORS, _use_new_zipfile_serialization=False)


def write_safetensors(path):
    save_file(TENSORS, path)


def write_from_gpu(path):
    """As a program with a GPU writes it: its tensors are to go back to where they were."""
    save(path, TENSORS)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            if name.endswith("data.pkl"):
                assert b"X\x03\x00\x00\x00cpu" in content
                content = content.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
            archive.writestr(name, content)


WRITERS = [write_zipped, write_legacy, write_safetensors, write_from_gpu]


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors", "weights.bin"])
def test_every_format_is_opened_whatever_the_file_is_called(tmp_path, write, name):
    """Names, shapes and types are read, and the values themselves come to the CPU."""
    write(tmp_path / name)
    assert ENTRIES == dict(read_entries(tmp_path / name))
    tensors = read_tensors(tmp_path / name)
    assert list(TENSORS) == [name for name in TENSORS if torch.equal(TENSORS[name], tensors[name])]
    assert {"cpu"} == {tensor.device.type for tensor in tensors.values()}


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (TENSORS, ["conv1.weight", "bn1.num_batches_tracked"]),
        (
            {"state_dict": TENSORS, "epoch": 3},
            ["state_dict.conv1.weight", "state_dict.bn1.num_batches_tracked"],
        ),
        ({"model": {"net": {"w": torch.zeros(1)}}}, ["model.net.w"]),
        ({"networks": [{"w": torch.zeros(1)}, {"w": torch.zeros(1)}]}, ["networks.0.w", "networks.1.w"]),
        ({"optimizer": {"state": {0: {"step": torch.zeros(1)}}}}, ["optimizer.state.0.step"]),
        ({"w": nn.Parameter(torch.zeros(1))}, ["w"]),
        ({"w": torch.zeros(1), "args": argparse.Namespace(lr=1)}, ["w"]),
        ({"w": torch.zeros(1), "best": np.float32(0.9), "seen": np.int64(3)}, ["w"]),
    ],
)
def test_names_are_paths_through_the_dictionaries_around_a_tensor(tmp_path, content, names):
    """Wrappers and prefixes are spelt alike; options and scalars that a program saves beside are passed over."""
    assert names == list(read_entries(save(tmp_path / "weights.pth", content)))


def test_a_version_is_read_once_and_another_one_again(tmp_path, monkeypatch):
    """A plan asks once a config; a file that was replaced meanwhile is seen."""
    path = save(tmp_path / "weights.pth", TENSORS)
    num_reads, load = [], torch.load
    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: num_reads.append(1) or load(*args, **kwargs))
    for _ in range(3):
        read_entries(path)
    assert 1 == len(num_reads)
    save(path, {"other": torch.zeros(100)})
    assert (["other"], 2) == (list(read_entries(path)), len(num_reads))


def test_names_and_shapes_are_read_without_the_values(tmp_path):
    """Looking at a file takes no memory for its tensors, in either of torch's formats."""
    path = save(tmp_path / "weights.pth", TENSORS)
    assert {"meta"} == {tensor.device.type for tensor in weight_file._read(path, "meta").values()}
    save(path, TENSORS, _use_new_zipfile_serialization=False)
    assert {"meta"} == {tensor.device.type for tensor in weight_file._read(path, "meta").values()}


# -- what is none ----------------------------------------------------------------------------------------


class Attack:
    """Would touch a file if it were unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def as_bytes(content, **options):
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def zipped(*names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"content")
    return buffer.getvalue()


def in_tar():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("weights.pth"))
    return buffer.getvalue()


def numpy_archive():
    buffer = io.BytesIO()
    np.savez(buffer, kernel=np.zeros(3))
    return buffer.getvalue()


def quantised():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch gives them up
        tensor = torch.quantize_per_tensor(torch.zeros(3), 0.1, 0, torch.qint8)
    return as_bytes({"w": tensor})


def packed_again():
    """Give what torch.save wrote, compressed, as a program for archives does."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(as_bytes(TENSORS))) as written,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in written.namelist():
            packed.writestr(name, written.read(name))
    return buffer.getvalue()


LEGACY = {"_use_new_zipfile_serialization": False}
BIG = {"w": torch.arange(1000.0)}
SAFETENSORS_HEADER = b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
FAULTS = {
    "empty": (b"", "is empty; download it again"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer .* `git lfs pull`"),
    "html": (b"\n<!DOCTYPE html>\n<html><head>", "a web page saved under this name"),
    "html with a mark": (b"\xef\xbb\xbf<html>", "a web page saved under this name"),
    "html in UTF-8": ("<html><title>Télécharger".encode() * 100, "a web page saved under this name"),
    "message": (b'{"message": "Not Found"}', "a text that begins with '{\"message\": \"Not Found\"}'"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "an HDF5 file, as Keras and TensorFlow"),
    "npy": (b"\x93NUMPY\x01\x00v\x00", "an array of numpy; convert it"),
    "npz": (numpy_archive(), "arrays of numpy, as programs for JAX and TensorFlow"),
    "numpy pickle": (pickle.dumps({"w": np.zeros(3)}, protocol=4), "holds numpy arrays, as programs for JAX"),
    "old numpy pickle": (pickle.dumps({"w": np.zeros(3)}, protocol=2), "holds numpy arrays"),
    "numpy in torch's": (as_bytes({"w": np.zeros(3)}), "holds numpy arrays"),
    "gzip": (b"\x1f\x8b\x08\x00", "a gzip archive; unpack it"),
    "tar": (in_tar(), "a tar archive; unpack it"),
    "zip": (zipped("weights.pth"), "a zip archive that holds weights.pth; unpack it"),
    "packed zip": (packed_again(), "was compressed after torch.save wrote it, and may unpack to any size"),
    "torchscript": (zipped("net/constants.pkl", "net/data.pkl"), "a TorchScript program; save its tensors alone"),
    "macos": (b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X", "macOS's notes on a file"),
    "zeros": (bytes(1000), "begins with zeros only, as a download that was not finished"),
    "cut zip": (as_bytes(BIG)[:2000], "is damaged, or cut off after 2000 bytes by a download"),
    "damaged zip": (as_bytes(BIG).replace(b"PK\x01\x02", b"PK\x01\x03"), "is damaged, or cut off after .* bytes"),
    "cut legacy": (as_bytes(BIG, **LEGACY)[:-9], "damaged, or cut off after .* download it again"),
    "cut legacy head": (as_bytes(BIG, **LEGACY)[:60], "damaged, or cut off after 60 bytes"),
    "cut safetensors": (
        len(SAFETENSORS_HEADER).to_bytes(8, "little") + SAFETENSORS_HEADER + b"1234",
        "a safetensors file whose 66 bytes are not those that its header lists",
    ),
    "noise": (bytes(range(255, 0, -1)), "is no file of PyTorch's or of safetensors"),
    "empty dictionary": (as_bytes({}), "holds no tensor by name: it is empty"),
    "no tensors": (as_bytes({"epoch": 3, "lr": 0.1}), "holds no tensor by name: it is a dictionary of 'epoch', 'lr'"),
    "list": (as_bytes([1, 2]), "holds no tensor by name: it is a list"),
    "one tensor": (as_bytes(torch.zeros(3)), "holds no tensor by name: it is one without a name"),
    "plain pickle": (pickle.dumps({"a": 1}), "a pickle that torch.save did not write"),
    "pickled tensors": (pickle.dumps({"w": torch.zeros(3)}), "pickled without torch.save; .*torch.save"),
    "network": (as_bytes(nn.Linear(2, 2)), r"a whole network saved with its code \(torch.nn.modules.linear.Linear"),
    "objects": (as_bytes({"w": torch.zeros(1), "by": Attack("x")}), r"objects of other code .*\((builtins|io|_io)"),
    "quantised": (quantised(), "holds quantised .*tensors.*; take the weights from before"),
    "sparse": (as_bytes({"w": torch.zeros(3).to_sparse()}), "holds quantised or sparse tensors, such as w"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "message"), FAULTS.values(), ids=FAULTS)
def test_what_is_no_weight_file_is_told_by_what_it_is(tmp_path, content, message):
    """The message says what the file is and what to do, in our words and in one line, when it is looked at or read."""
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    for read in (read_entries, read_tensors):
        with pytest.raises(ValueError, match=message) as fault:
            read(path)
        said = str(fault.value)
        assert said.startswith(f"{path} ")
        assert "\n" not in said
        assert not [
            word for word in ("weights_only", "PyTorch 2.6", "Unpickl", "miniz", "magic") if word in said
        ]
        assert fault.value.__suppress_context__ or fault.value.__context__ is None


def test_nothing_in_a_file_is_run(tmp_path):
    """A weight file is data, whoever wrote it."""
    path = tmp_path / "weights.pth"
    for content in (
        pickle.dumps({"conv1.weight": Attack(tmp_path / "touched")}, protocol=2),
        as_bytes({"conv1.weight": Attack(tmp_path / "touched")}),
        as_bytes({"conv1.weight": Attack(tmp_path / "touched")}, **LEGACY),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"weights.pth "):
            read_entries(path)
    assert not (tmp_path / "touched").exists()


def test_two_tensors_of_one_name_are_refused(tmp_path):
    """No tensor hides another one."""
    path = save(tmp_path / "weights.pth", {"a.b": torch.zeros(1), "a": {"b": torch.zeros(2)}})
    with pytest.raises(ValueError, match=r"holds two tensors under the name 'a\.b'"):
        read_entries(path)


def test_a_file_that_cannot_be_opened_is_named_with_the_reason(tmp_path):
    """What the system says is passed on as a sentence."""
    with pytest.raises(ValueError, match=r"absent\.pth cannot be opened \(No such file"):
        read_entries(tmp_path / "absent.pth")


def test_names_without_values_are_no_weights(tmp_path):
    """A network that was saved from the meta device has everything but numbers."""
    path = tmp_path / "meta.pth"
    save(path, {name: value.to("meta") for name, value in TENSORS.items()})
    with pytest.raises(ValueError, match=r"holds names and shapes without values, such as conv1\.weight"):
        read_tensors(path)
