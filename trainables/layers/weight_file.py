"""A file of weights as people have it: the tensors in it, by name.

Read are what `torch.save` writes, zipped or as before PyTorch 1.6, and safetensors; they are told apart by their bytes,
whatever the file is called. Nothing in a file is run: torch reads with `weights_only=True`.

A tensor's name is its path through the dictionaries around it, `state_dict.module.conv1.weight`: what a training
program wraps around a network is a prefix like any other.
"""

from __future__ import annotations

import argparse
import functools
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from tablewright.trainables.file_version import FileVersion, version_of
from tablewright.trainables.layers.foreign_file import (
    GET_AGAIN,
    HEAD_BYTES,
    SAVE_TENSORS,
    TAKE_PLAIN,
    fault_of_bytes,
    fault_of_pickle,
)

_MAX_SAFETENSORS_HEADER_BYTES = 100_000_000  # the format's own limit


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
        version = version_of(path)
        with path.open("rb"):
            return version
    except OSError as error:
        raise ValueError(
            f"{path} cannot be opened ({error.strerror}); put it there, readable for this account"
        ) from None


def read_entries(path: Path) -> Mapping[str, Entry]:
    """Read which tensors a file holds, once a version of it and process; values are not read.

    Raises:
        ValueError: it is no file of tensors by name; says what it is, and what to do.
    """
    return _entries_of_version(look_at(path))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a file, by name, into memory of the CPU, wherever they were when it was saved.

    Raises:
        ValueError: as `read_entries`; or tensors have no values, as of a network on the meta device.
    """
    look_at(path)
    tensors = _read(path, "cpu")
    if empty := [name for name, tensor in tensors.items() if tensor.is_meta]:
        raise ValueError(f"{path} holds names and shapes without values, such as {empty[0]}; {SAVE_TENSORS}")
    return tensors


@functools.lru_cache(maxsize=16)
def _entries_of_version(version: FileVersion) -> Mapping[str, Entry]:
    tensors = _read(version.path, "meta")
    return {name: entry_of(tensor) for name, tensor in tensors.items()}


def _read(path: Path, device: str) -> dict[str, Tensor]:
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    fault = fault_of_bytes(path, head)
    if fault is not None:
        raise ValueError(f"{path} {fault}")
    content = _read_safetensors(path) if _is_safetensors(head) else _read_torch(path, device)
    tensors: dict[str, Tensor] = {}
    for name, tensor in _walk(content, ()):
        if name in tensors:
            raise ValueError(f"{path} holds two tensors under the name {name!r}; {SAVE_TENSORS}")
        if tensor.layout != torch.strided or tensor.is_quantized:
            raise ValueError(f"{path} holds quantised or sparse tensors, such as {name}; {TAKE_PLAIN}")
        tensors[name] = tensor
    if not tensors:
        raise ValueError(f"{path} holds no tensor by name: it is {_describe(content)}; {SAVE_TENSORS}")
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
            f"a download that was not finished; {GET_AGAIN}"
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
        raise ValueError(f"{path} {fault_of_pickle(path)}") from None


def _inert_globals() -> list[Any]:
    """Name what training programs save beside the weights and what is data only: options, and numpy's scalars."""
    scalar = np.float64(0).__reduce__()[0]
    dtypes = {type(np.dtype(code)) for code in "?bBhHiIlLqQefd"}
    return [argparse.Namespace, np.dtype, *dtypes, scalar, (scalar, "numpy.core.multiarray.scalar")]
