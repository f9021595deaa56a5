"""A copy of a training's state in the memory of the host, made between two of its steps, to be written after them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, BinaryIO, cast

import numpy as np
import torch
from torch import Tensor, UntypedStorage

from tablewright.trainables.training.saving import save

IMMUTABLE = (type(None), bool, int, float, complex, str, bytes, torch.Size, torch.dtype, torch.device)


class HostCopy:
    """Memory that one state after another is copied into.

    It is used again for the next state: fresh memory costs several times the copying. What comes from a GPU is copied
    into pinned memory, all at once. A state is copied part by part, each storage once, where all of it is of the kinds
    that state dicts are made of; any other is pickled into memory, so that whatever `torch.save` can write is written
    as it would have written it.
    """

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._buffers: list[UntypedStorage] = []
        self._pickled = _Bytes()
        self._content: Any = None
        self._is_pickled = False

    def take(self, state: Any) -> None:
        """Copy a state; the one before is overwritten."""
        copying = _Copying(self._buffers)
        try:
            self._content, self._is_pickled = copying.copied(state), False
            copying.wait()
        except _Unfamiliar:
            self._content, self._is_pickled = None, True
            self._pickled.clear()
            save(state, cast(BinaryIO, self._pickled))
        self._buffers = copying.used

    def write_to(self, file: BinaryIO) -> None:
        """Write what was taken last, as `torch.save` writes it."""
        if self._is_pickled:
            with self._pickled.content() as content:
                file.write(content)
        else:
            save(self._content, file)


class _Unfamiliar(Exception):
    """A state holds something that only pickling copies."""


class _Copying:
    """One copying of a state.

    Args:
        buffers: of the copy before, in the order in which its storages were met.

    Attributes:
        used: buffers of this copy, in order.
    """

    def __init__(self, buffers: list[UntypedStorage]) -> None:
        self._buffers = buffers
        self.used: list[UntypedStorage] = []
        self._copies: dict[int, Any] = {}
        self._storages: dict[tuple[torch.device, int, int], UntypedStorage] = {}
        self._devices: set[torch.device] = set()

    def wait(self) -> None:
        """Return once what comes from GPUs is there."""
        for device in self._devices:
            torch.cuda.synchronize(device)

    def copied(self, value: Any) -> Any:
        """Copy a value; what stands in it in two places stands in the copy in two places."""
        kind = type(value)
        if kind in IMMUTABLE or isinstance(value, np.generic):
            return value
        if id(value) in self._copies:
            return self._copies[id(value)]
        copy: Any
        if kind is Tensor:
            copy = self._tensor(value)
        elif kind is np.ndarray and not value.dtype.hasobject:
            copy = value.copy(order="K")
        elif kind in (dict, OrderedDict):
            copy = self._copies[id(value)] = kind()
            copy.update({key: self.copied(item) for key, item in value.items()})
            if kind is OrderedDict:  # a module's state dict bears the versions of its modules
                vars(copy).update({name: self.copied(item) for name, item in vars(value).items()})
        elif kind is list:
            copy = self._copies[id(value)] = []
            copy.extend(map(self.copied, value))
        elif kind is tuple:
            copy = tuple(map(self.copied, value))
        else:
            raise _Unfamiliar
        self._copies[id(value)] = copy
        return copy

    def _tensor(self, tensor: Tensor) -> Tensor:
        is_plain = tensor.layout is torch.strided and tensor.device.type in ("cpu", "cuda")
        if not is_plain or tensor.is_quantized or tensor.is_conj() or tensor.is_neg() or vars(tensor):
            raise _Unfamiliar
        storage = tensor.untyped_storage()
        key = storage.device, storage.data_ptr(), storage.nbytes()
        if key not in self._storages:
            self._storages[key] = self._storage(storage)
        with torch.no_grad():
            copy = torch.empty(0, dtype=tensor.dtype)
            copy.set_(self._storages[key], tensor.storage_offset(), tensor.size(), tensor.stride())
        return copy.requires_grad_(tensor.requires_grad)

    def _storage(self, storage: UntypedStorage) -> UntypedStorage:
        is_on_gpu, num_bytes, place = storage.device.type == "cuda", storage.nbytes(), len(self.used)
        buffer = self._buffers[place] if place < len(self._buffers) else None
        if buffer is None or buffer.nbytes() != num_bytes or buffer.is_pinned() != is_on_gpu:
            buffer = (
                torch.empty(num_bytes, dtype=torch.uint8, pin_memory=True).untyped_storage()
                if is_on_gpu
                else UntypedStorage(num_bytes)
            )
        self.used.append(buffer)
        buffer.copy_(storage, non_blocking=is_on_gpu)
        if is_on_gpu:
            self._devices.add(storage.device)
        return buffer


class _Bytes:
    """A file in memory that keeps its room when it is emptied."""

    def __init__(self) -> None:
        self._room, self._num_bytes = bytearray(), 0

    def clear(self) -> None:
        self._num_bytes = 0

    def write(self, content: Any) -> int:
        end = self._num_bytes + len(content)
        self._room[self._num_bytes : end] = content
        self._num_bytes = end
        return len(content)

    def flush(self) -> None:
        pass

    def content(self) -> memoryview:
        return memoryview(self._room)[: self._num_bytes]
