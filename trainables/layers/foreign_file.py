"""What a file is that is no weight file, and what to do: told by its bytes, and by what its pickles ask for.

Nothing is run, and what torch says of such a file is not passed on: its advice is for programmers.
"""

from __future__ import annotations

import io
import pickletools
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import torch

HEAD_BYTES = 512  # tell a format
_NUM_SHOWN_CHARACTERS = 40
_NUM_LEGACY_PICKLES = 5  # magic number, protocol, machine, content, storages

GET_AGAIN = "download it again"
SAVE_TENSORS = "in the program it comes from, write torch.save(network.state_dict(), path)"
TAKE_PLAIN = "take the weights from before that step"
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
    (bytes(64), "begins with zeros only, as a download that was not finished", GET_AGAIN),
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


def fault_of_bytes(path: Path, head: bytes) -> str | None:
    """Say what a file is by its first `HEAD_BYTES`, as the end of a sentence; None where it may be a weight file."""
    if not head:
        return f"is empty; {GET_AGAIN}"
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
    packed = _parts_of_zip(path)
    if packed is None:
        return _damaged(path)
    names = [part.filename for part in packed]
    if any(name.endswith("/constants.pkl") for name in names):
        return (
            "is a TorchScript program; save its tensors alone: "
            "torch.save(torch.jit.load(path).state_dict(), other_path)"
        )
    if any(name.endswith("/data.pkl") for name in names):
        if any(part.compress_type != zipfile.ZIP_STORED for part in packed):
            return (
                "was compressed after torch.save wrote it, and may unpack to any size; where you trust it, load it and "
                "save it again with torch.save"
            )
        return None
    if names and all(name.endswith(".npy") for name in names):
        return f"holds arrays of numpy, as programs for JAX and TensorFlow write them; {_CONVERT}"
    return f"is a zip archive that holds {', '.join(names[:3]) or 'nothing'}; unpack it"


def _parts_of_zip(path: Path) -> list[zipfile.ZipInfo] | None:
    """List what an archive holds; None where its table of contents, which stands at its end, cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        return None


def _damaged(path: Path) -> str:
    size_bytes = path.stat().st_size
    return f"is damaged, or cut off after {size_bytes} bytes by a download that was not finished; {GET_AGAIN}"


def _as_text(head: bytes) -> str | None:
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # a character may be cut by the end of the head
            return None
        text = head[: error.start].decode("utf-8-sig")
    is_plain = all(character.isprintable() or character in "\r\n\t" for character in text)
    return text.strip() if is_plain and not text.startswith("(") else None  # "(": a pickle of protocol 0


def fault_of_pickle(path: Path) -> str:
    """Say what is in a file that torch refuses, as the end of a sentence."""
    pickles = _pickles_in(path)
    if pickles is None:
        return _damaged(path)
    named = pickles.named
    has_tensors = any(name.startswith("torch._utils._rebuild_") for name in named)
    foreign = [words for package, words in _FOREIGN_PACKAGES.items() if any(map(_is_in(package), named))]
    objects = sorted((name for name in named if not _is_data(name)), key=_is_builtin)
    if any("qtensor" in name for name in named):
        return f"holds quantised tensors; {TAKE_PLAIN}"
    if any(map(_is_in("torch.nn.modules"), named)):
        whole = next(
            (name for name in objects if not _is_in("torch")(name) and not _is_builtin(name)), objects[0]
        )
        return (
            f"is a whole network saved with its code ({whole}), and nothing in a file is run; {SAVE_TENSORS}"
        )
    if foreign and not has_tensors:
        return f"holds {foreign[0]}; {_CONVERT}"
    if "torch.storage._load_from_bytes" in named:
        return f"holds tensors that were pickled without torch.save; {SAVE_TENSORS}"
    if objects:
        return (
            f"holds objects of other code beside its tensors ({', '.join(objects[:3])}), and nothing in a file is "
            f"run; {SAVE_TENSORS}"
        )
    if pickles.is_torchs:
        return _damaged(path)
    if pickles.num_whole:
        return f"is a pickle that torch.save did not write; {SAVE_TENSORS}"
    return f"is no file of PyTorch's or of safetensors; {GET_AGAIN}, or {_CONVERT}"


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
    is_torchs: bool = False


def _pickles_in(path: Path) -> _Pickles | None:
    """Look at the pickles of a file, or at that of an archive of torch's; None where the archive is damaged."""
    with path.open("rb") as file:
        if not file.peek(2).startswith(b"PK"):
            return _scan_pickles(file)
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            found = _scan_pickles(io.BytesIO(archive.read(name)))
    except Exception:  # zipfile raises one of many kinds
        return None
    found.is_torchs = True
    return found


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
                    found.is_torchs = True
            found.num_whole += 1
    except Exception:  # the pickles are over, or there are none
        pass
    found.named = list(dict.fromkeys(found.named))
    return found
