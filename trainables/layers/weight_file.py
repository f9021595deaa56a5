"""A file of weights as people have it: the tensors in it by name, or what it is where it holds none.

Read are what `torch.save` writes, zipped or as before PyTorch 1.6, and safetensors; they are told apart by their bytes,
whatever the file is called. Nothing in a file is run: torch reads with `weights_only=True`, and what it refuses is
refused here in words that say what the file is and what to do.

A tensor's name is its path through the dictionaries around it, `state_dict.module.conv1.weight`: what a training
program wraps around a network is a prefix like any other.
"""

from __future__ import annotations

import argparse
import functools
import io
import pickletools
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from trainables.file_version import FileVersion, version_of

_HEAD_BYTES = 512
_NUM_SHOWN_CHARACTERS = 40
_MAX_SAFETENSORS_HEADER_BYTES = 100_000_000  # the format's own limit
_NUM_LEGACY_PICKLES = 5  # magic number, protocol, machine, content, storages

_GET_AGAIN = "download it again"
_SAVE_TENSORS = "in the program it comes from, write torch.save(network.state_dict(), path)"
_TAKE_PLAIN = "take the weights from before that step"
_CONVERT = "convert it with the library that wrote it, to a state dict of PyTorch's or to safetensors"

# What a file begins with -> what it is, and what to do.
_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (
        b"version https://git-lfs",
        "is a Git LFS pointer and not the file it stands for",
        "run `git lfs pull` where it was cloned, and copy it again",
    ),
    (b"\x89HDF\r\n\x1a\n", "is an HDF5 file, as Keras and TensorFlow write them", _CONVERT),
    (b"\x93NUMPY", "is an array of numpy", _CONVERT),
    (b"\x1f\x8b", "is a gzip archive", "unpack it"),
    (b"BZh", "is a bzip2 archive", "unpack it"),
    (b"\xfd7zXZ\x00", "is an xz archive", "unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive", "unpack it"),
    (b"Rar!", "is a RAR archive", "unpack it"),
    (
        b"\x00\x05\x16\x07",
        "holds macOS's notes on a file ('._…') and not the file",
        "copy the file without '._' before its name",
    ),
    (bytes(64), "begins with zeros only, as a download that was not finished", _GET_AGAIN),
)
# Classes in a pickle, by their package -> who writes such files.
_FOREIGN_PACKAGES = {
    "numpy": "numpy arrays, as programs for JAX, TensorFlow, Caffe2 and PaddlePaddle write them",
    "jax": "arrays of JAX",
    "jaxlib": "arrays of JAX",
    "flax": "arrays of Flax",
    "tensorflow": "variables of TensorFlow",
    "paddle": "tensors of PaddlePaddle",
    "mxnet": "arrays of MXNet",
}


@dataclass(frozen=True)
class Entry:
    """A tensor without its values."""

    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def is_floating(self) -> bool:
        """Whether it holds real numbers."""
        return self.dtype.is_floating_point


def entry_of(tensor: Tensor) -> Entry:
    """Describe a tensor."""
    return Entry(tuple(tensor.shape), tensor.dtype)


def look_at(path: Path) -> FileVersion:
    """Say which version of a file is there.

    Raises:
        ValueError: it cannot be opened.
    """
    try:
        with path.open("rb"):
            return version_of(path)
    except OSError as error:
        raise ValueError(f"{path} cannot be opened: {error.strerror}; let this account read it") from None


def read_entries(path: Path) -> Mapping[str, Entry]:
    """Read which tensors a file holds, once a version of it and process; values are not read.

    Raises:
        ValueError: it is no file of tensors by name; says what it is, and what to do.
    """
    return _entries_of_version(look_at(path))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a file, by name, into memory of the CPU, wherever they were when it was saved.

    Raises:
        ValueError: as `read_entries`.
    """
    look_at(path)
    return _read(path, "cpu")


@functools.lru_cache(maxsize=16)
def _entries_of_version(version: FileVersion) -> Mapping[str, Entry]:
    tensors = _read(version.path, "meta")
    return {name: entry_of(tensor) for name, tensor in tensors.items()}


def _read(path: Path, device: str) -> dict[str, Tensor]:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    fault = _fault_of_bytes(path, head)
    if fault is not None:
        raise ValueError(f"{path} {fault}")
    content = _read_safetensors(path) if _is_safetensors(head) else _read_torch(path, device)
    tensors: dict[str, Tensor] = {}
    for name, tensor in _walk(content, ()):
        if name in tensors:
            raise ValueError(f"{path} holds two tensors under the name {name!r}; {_SAVE_TENSORS}")
        if tensor.layout != torch.strided or tensor.is_quantized:
            raise ValueError(f"{path} holds quantised or sparse tensors, such as {name}; {_TAKE_PLAIN}")
        tensors[name] = tensor
    if not tensors:
        raise ValueError(f"{path} holds no tensor by name: it is {_describe(content)}; {_SAVE_TENSORS}")
    return tensors


def _walk(content: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Tensor]]:
    if isinstance(content, Tensor) and path:
        yield ".".join(path), content
    elif isinstance(content, Mapping):
        for name, value in content.items():
            yield from _walk(value, (*path, str(name)))
    elif isinstance(content, list | tuple):
        for index, value in enumerate(content):
            yield from _walk(value, (*path, str(index)))


def _describe(content: Any) -> str:
    if isinstance(content, Mapping):
        names = [repr(str(name)) for name in content]
        return f"a dictionary of {', '.join(names[:5])}{' …' if len(names) > 5 else ''}" if names else "empty"
    return "one without a name" if isinstance(content, Tensor) else f"a {type(content).__name__}"


# -- formats -------------------------------------------------------------------------------------------


def _is_safetensors(head: bytes) -> bool:
    """Whether a length and an opening brace stand first, which no other format begins with."""
    length = int.from_bytes(head[:8], "little")
    return head[8:9] == b"{" and 2 <= length <= _MAX_SAFETENSORS_HEADER_BYTES


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    """Map a file into memory: values are read where they are used."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except SafetensorError:
        size_bytes = path.stat().st_size
        raise ValueError(
            f"{path} is a safetensors file whose {size_bytes} bytes are not those that its header lists, as after "
            f"a download that was not finished; {_GET_AGAIN}"
        ) from None


def _read_torch(path: Path, device: str) -> Any:
    try:
        with (
            path.open("rb") as file,  # given a path, torch goes by its suffix
            warnings.catch_warnings(),
            torch.serialization.safe_globals(_inert_globals()),
        ):
            warnings.simplefilter("ignore")
            return torch.load(file, map_location=device, weights_only=True)
    except MemoryError:
        raise
    except Exception:  # torch raises what its parsers stumble over, with advice that is not for our users
        raise ValueError(f"{path} {_fault_of_pickle(path)}") from None


def _inert_globals() -> list[Any]:
    """Name what training programs save beside the weights and what is data only: options, and numpy's scalars."""
    scalar = np.float64(0).__reduce__()[0]
    dtypes = {type(np.dtype(code)) for code in "?bBhHiIlLqQefd"}
    return [argparse.Namespace, np.dtype, *dtypes, scalar, (scalar, "numpy.core.multiarray.scalar")]


# -- what a file is that cannot be read ------------------------------------------------------------------


def _fault_of_bytes(path: Path, head: bytes) -> str | None:
    """Say what a file is that is no weight file by its bytes, and what to do."""
    if not head:
        return f"is empty; {_GET_AGAIN}"
    for signature, what, then in _SIGNATURES:
        if head.startswith(signature):
            return f"{what}; {then}"
    if head[257:262] == b"ustar":
        return "is a tar archive; unpack it"
    if head.startswith(b"PK"):
        return _fault_of_zip(path)
    text = _as_text(head)
    if text is not None:
        if any(mark in text.lower() for mark in ("<html", "<!doctype", "<?xml")):
            return (
                "is a web page saved under this name, as file hosts show one first; download the file itself"
            )
        return f"is a text that begins with {text[:_NUM_SHOWN_CHARACTERS]!r}; download the file itself"
    return None


def _fault_of_zip(path: Path) -> str | None:
    if not zipfile.is_zipfile(path):
        size_bytes = path.stat().st_size
        return f"is cut off after {size_bytes} bytes, as by a download that was not finished; {_GET_AGAIN}"
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if any(name.endswith("/constants.pkl") for name in names):
        return (
            "is a TorchScript program; save its tensors alone: "
            "torch.save(torch.jit.load(path).state_dict(), other_path)"
        )
    if any(name.endswith("/data.pkl") for name in names):
        return None
    if names and all(name.endswith(".npy") for name in names):
        return f"holds arrays of numpy, as programs for JAX and TensorFlow write them; {_CONVERT}"
    return f"is a zip archive that holds {', '.join(names[:3]) or 'nothing'}; unpack it"


def _as_text(head: bytes) -> str | None:
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # a character may be cut by the end of the head
            return None
        text = head[: error.start].decode("utf-8-sig")
    is_plain = all(character.isprintable() or character in "\r\n\t" for character in text)
    return text.strip() if is_plain and not text.startswith("(") else None  # "(": a pickle of protocol 0


def _fault_of_pickle(path: Path) -> str:
    """Say what is in a file that torch refuses, and what to do."""
    is_zipped = zipfile.is_zipfile(path)
    if is_zipped:
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            pickles = _scan_pickles(io.BytesIO(archive.read(name)))
    else:
        with path.open("rb") as file:
            pickles = _scan_pickles(file)
    named = pickles.named
    has_tensors = any(name.startswith("torch._utils._rebuild_") for name in named)
    foreign = [words for package, words in _FOREIGN_PACKAGES.items() if any(map(_is_in(package), named))]
    objects = sorted((name for name in named if not _is_data(name)), key=_is_builtin)
    if any("qtensor" in name for name in named):
        return f"holds quantised tensors; {_TAKE_PLAIN}"
    if any(map(_is_in("torch.nn.modules"), named)):
        whole = next(
            (name for name in objects if not _is_in("torch")(name) and not _is_builtin(name)), objects[0]
        )
        return (
            f"is a whole network saved with its code ({whole}), and nothing in a file is run; {_SAVE_TENSORS}"
        )
    if foreign and not has_tensors:
        return f"holds {foreign[0]}; {_CONVERT}"
    if "torch.storage._load_from_bytes" in named:
        return f"holds tensors that were pickled without torch.save; {_SAVE_TENSORS}"
    if objects:
        return (
            f"holds objects of other code beside its tensors ({', '.join(objects[:3])}), and nothing in a file is "
            f"run; {_SAVE_TENSORS}"
        )
    if is_zipped or pickles.is_legacy_torch:
        size_bytes = path.stat().st_size
        return f"is damaged, or cut off after {size_bytes} bytes by a download that broke off; {_GET_AGAIN}"
    if pickles.num_whole:
        return f"is a pickle that torch.save did not write; {_SAVE_TENSORS}"
    return f"is no file of PyTorch's or of safetensors; {_GET_AGAIN}, or {_CONVERT}"


def _is_in(package: str) -> Callable[[str], bool]:
    return lambda name: name == package or name.startswith(f"{package}.")


def _is_data(name: str) -> bool:
    """Whether a name in a pickle makes tensors or plain values, and no object of a program's own."""
    package, _, last = name.rpartition(".")
    return (
        package in ("_codecs", "torch", "torch._utils", "torch._tensor", "torch.serialization")
        or name
        in ("collections.OrderedDict", "torch.nn.parameter.Parameter", "numpy.dtype", "argparse.Namespace")
        or last == "scalar"
    )


def _is_builtin(name: str) -> bool:
    return name.partition(".")[0] in ("builtins", "__builtin__")


@dataclass
class _Pickles:
    """What the pickles at the head of a file are: which classes and functions they ask for, and whose they are."""

    named: list[str]
    num_whole: int = 0
    is_legacy_torch: bool = False


def _scan_pickles(file: IO[bytes]) -> _Pickles:
    """Look at pickles without running them."""
    found, strings = _Pickles([]), list[str]()
    try:
        for _ in range(_NUM_LEGACY_PICKLES):
            for operation, argument, _ in pickletools.genops(file):
                if operation.name == "GLOBAL":
                    found.named.append(str(argument).replace(" ", "."))
                elif operation.name == "STACK_GLOBAL":
                    found.named.append(".".join(strings[-2:]))
                elif isinstance(argument, str):
                    strings.append(argument)
                elif argument == torch.serialization.MAGIC_NUMBER:
                    found.is_legacy_torch = True
            found.num_whole += 1
    except Exception:  # the pickles are over, or there are none
        pass
    found.named = list(dict.fromkeys(found.named))
    return found
