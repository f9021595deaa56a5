"""What code would launch on a GPU and wait for, counted on a machine without one.

Tensors stay where they are, in the memory of the CPU, and bear real values; which of them a GPU would hold is noted
beside them. So whatever runs on a CPU can be counted, the backward pass and the optimizer too, and gives the same
numbers:

    with counted() as count:
        images_BCHW = augment(on_gpu(images_BCHW), generator)
    count.kernels, count.copies, count.syncs, count.waits

Inside, `cuda:0` is a device, and `.device` says so of what lies there. Counted are operations: one that launches
several kernels counts once; views and empty memory do not count. Mixing devices is refused as a GPU refuses it.
Autocast chooses by the list of a CPU, which differs in a few operations. Only the thread that counts is seen; another
one can pin memory.
"""

from __future__ import annotations

import traceback
import weakref
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

GPU, CPU = torch.device("cuda:0"), torch.device("cpu")

# Of their results the CPU has to know the values, or the size that depends on values.
WAITING = frozenset(
    [
        "_local_scalar_dense",
        "_unique2",
        "bincount",
        "equal",
        "histc",
        "masked_select",
        "nonzero",
        "unique_consecutive",
        "unique_dim",
    ]
)
WITHOUT_KERNEL = frozenset(
    [
        "_reshape_alias",
        "_unsafe_view",
        "alias",
        "detach",
        "detach_",
        "empty",
        "empty_like",
        "empty_strided",
        "is_pinned",
        "lift_fresh",
        "new_empty",
        "new_empty_strided",
        "resize_",
        "set_",
    ]
)
INDEXING = frozenset(["index", "index_put", "index_put_", "_index_put_impl_"])
MAKING_FROM_VALUES = (torch.tensor, torch.as_tensor, torch.asarray, Tensor.new_tensor)
MOVING = (Tensor.to, Tensor.cuda, Tensor.cpu)


@dataclass
class Count:
    """What was counted so far.

    Attributes:
        by_operation: kernels by the name of their operation.
        bytes: that kernels read and write, each tensor once a kernel.
        copies: between the memories of host and GPU.
        waits: where the CPU waits for the GPU: operation, and the line of code outside of torch.
    """

    by_operation: Counter[str] = field(default_factory=Counter[str])
    bytes: int = 0
    copies: int = 0
    waits: list[str] = field(default_factory=list[str])

    @property
    def kernels(self) -> int:
        """Operations on the GPU."""
        return self.by_operation.total()

    @property
    def syncs(self) -> int:
        """Times that the CPU waits for the GPU."""
        return len(self.waits)

    def wait(self, what: str) -> None:
        """Count a wait."""
        lines = [
            line
            for line in traceback.extract_stack()
            if "/torch/" not in line.filename and line.filename != __file__
        ]
        self.waits.append(f"{what} at {lines[-1].filename}:{lines[-1].lineno}" if lines else what)


@contextmanager
def counted() -> Generator[Count]:
    """Count what runs inside."""
    count = Count()
    operations = _Operations(count)

    def pin_memory(tensor: Tensor) -> Tensor:
        pinned = tensor.clone()
        operations.pin(pinned)
        return pinned

    with (
        mock.patch("torch.autocast", _Autocast),
        mock.patch("torch.amp.GradScaler", _GradScaler),
        mock.patch.multiple("torch.Tensor", pin_memory=pin_memory, record_stream=lambda tensor, stream: None),
        mock.patch.multiple("torch.cuda", Stream=_Stream, current_stream=_Stream, stream=nullcontext),
        operations,
        _Calls(operations),
    ):
        yield count


def on_gpu(tensor: Tensor) -> Tensor:
    """Give a copy that lies on the GPU already; only inside `counted`, which does not count it."""
    mode = torch.overrides._get_current_function_mode()
    assert isinstance(mode, _Calls), "only inside `counted`"
    return mode.on_gpu(tensor)


class _Operations(TorchDispatchMode):
    """Sees every operation, those of the backward pass too, and notes whose memory each result would be in.

    Args:
        count: to count in.

    Attributes:
        count: the same.
        target: where a call that names a device puts its result; None where it names none.
    """

    def __init__(self, count: Count) -> None:
        super().__init__()
        self.count = count
        self.target: torch.device | None = None
        self._gpu: dict[int, weakref.ref[Any]] = {}
        self._pinned: dict[int, weakref.ref[Any]] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled here, and loading the compiler takes a second

    def is_on_gpu(self, tensor: Tensor) -> bool:
        """Tell whether the memory is the GPU's."""
        return tensor.untyped_storage()._cdata in self._gpu

    def is_pinned(self, tensor: Tensor) -> bool:
        """Tell whether the memory is the host's and pinned."""
        return tensor.untyped_storage()._cdata in self._pinned

    def put_on_gpu(self, tensor: Tensor) -> None:
        """Note that the memory is the GPU's."""
        _note(self._gpu, tensor)

    def pin(self, tensor: Tensor) -> None:
        """Note that the memory is pinned."""
        _note(self._pinned, tensor)

    def transfer(self, source: Tensor, *, to_gpu: bool, non_blocking: bool) -> None:
        """Count a copy between the two memories; one out of pageable memory, or to the CPU at once, is waited for."""
        self.count.copies += 1
        if not non_blocking or (to_gpu and not self.is_pinned(source)):
            self.count.wait("copy to the GPU" if to_gpu else "copy from the GPU")

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and count it."""
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunction():
            inputs = _tensors((args, kwargs))
            is_on_gpu = any(map(self.is_on_gpu, inputs)) if self.target is None else self.target == GPU
            if not is_on_gpu:
                return func(*args, **kwargs)
            name = func.overloadpacket.__name__
            before = self.count.kernels
            if name == "copy_":
                self._copy(args[0], args[1], non_blocking=len(args) > 2 and bool(args[2]))
            elif not func.is_view and name not in WITHOUT_KERNEL:
                self._launch(name, inputs, args, kwargs)
            result = func(*args, **kwargs)
            results = _tensors(result)
            if name != "copy_":
                for tensor in results:
                    self.put_on_gpu(tensor)
            if self.count.kernels > before:
                self.count.bytes += sum(map(_num_bytes, [*inputs, *results]))
            return result

    def _copy(self, to: Tensor, source: Tensor, *, non_blocking: bool) -> None:
        is_to_gpu, is_from_gpu = self.is_on_gpu(to), self.is_on_gpu(source)
        if is_to_gpu and (is_from_gpu or not source.dim()):
            self.count.by_operation["copy_"] += 1
        else:
            self.transfer(source, to_gpu=is_to_gpu, non_blocking=non_blocking)

    def _launch(self, name: str, inputs: list[Tensor], args: Any, kwargs: dict[str, Any]) -> None:
        self.count.by_operation[name] += 1
        if name in WAITING or (name == "repeat_interleave" and kwargs.get("output_size") is None):
            self.count.wait(name)
        strangers = [tensor for tensor in inputs if tensor.dim() and not self.is_on_gpu(tensor)]
        if name in INDEXING:
            for index in _tensors(args[1]):
                if index.dtype in (torch.bool, torch.uint8):
                    self.count.wait(f"{name} by a mask")
                if not self.is_on_gpu(index):
                    self.transfer(index, to_gpu=True, non_blocking=False)
                    strangers = [tensor for tensor in strangers if tensor is not index]
        if strangers and self.target is None:
            raise RuntimeError(
                f"{name}: all tensors have to be on one device, got some on the CPU, of shapes "
                f"{[tuple(tensor.shape) for tensor in strangers]}, beside others on the GPU"
            )


class _Calls(TorchFunctionMode):
    """Sees calls that name a device, and answers for tensors that are said to be on the GPU."""

    def __init__(self, operations: _Operations) -> None:
        super().__init__()
        self._operations = operations

    def on_gpu(self, tensor: Tensor) -> Tensor:
        """Give a copy on the GPU that is not counted."""
        placed = _copied(tensor).requires_grad_(tensor.requires_grad)
        self._operations.put_on_gpu(placed)
        return placed

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run a call of torch's."""
        kwargs = dict(kwargs or {})
        operations = self._operations
        first = args[0] if args and isinstance(args[0], Tensor) else None
        is_on_gpu = first is not None and operations.is_on_gpu(first)
        if func == Tensor.device.__get__:
            return GPU if is_on_gpu else func(*args)
        if func == Tensor.is_cuda.__get__:
            return is_on_gpu
        if func == Tensor.is_cpu.__get__:
            return not is_on_gpu
        if func == Tensor.is_pinned:
            return operations.is_pinned(args[0])
        if kwargs.pop("pin_memory", False):
            return func(*args, **kwargs).pin_memory()
        if func in MOVING:
            return self._move(func, *args, **kwargs)
        if is_on_gpu and func in (Tensor.numpy, Tensor.__array__):
            raise TypeError("a tensor on the GPU is no array; copy it to the CPU first")
        if is_on_gpu and func == Tensor.tolist:
            operations.transfer(args[0], to_gpu=False, non_blocking=False)
        if is_on_gpu and func == torch.nn.functional.one_hot:
            return _one_hot_of_gpu(*args, **kwargs)
        if kwargs.get("device") is None:
            return func(*args, **kwargs)
        target = _named_device(kwargs.pop("device"))
        if func in MAKING_FROM_VALUES:
            return self._move(Tensor.to, func(*args, **kwargs), target)
        before, operations.target = operations.target, target
        try:
            return func(*args, device="cpu", **kwargs)
        finally:
            operations.target = before

    def _move(self, func: Any, tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Copy between the memories, or change the type of a tensor where it lies."""
        source = target = GPU if self._operations.is_on_gpu(tensor) else CPU
        rest = list(args)
        if func != Tensor.to:
            target, rest = (GPU if func == Tensor.cuda else CPU), []
        elif kwargs.get("device") is not None:
            target = _named_device(kwargs["device"])
        elif rest and isinstance(rest[0], (str, torch.device, int)):
            target = _named_device(rest.pop(0))
        elif rest and isinstance(rest[0], Tensor):
            target, rest[0] = (GPU if self._operations.is_on_gpu(rest[0]) else CPU), rest[0].dtype
        for name, value in zip(("dtype", "non_blocking", "copy"), rest, strict=False):
            kwargs[name] = value
        is_non_blocking = bool(kwargs.pop("non_blocking", False))
        kwargs = {name: value for name, value in kwargs.items() if name != "device" and value is not None}
        if target == source:
            return tensor.to(**kwargs) if kwargs else tensor
        self._operations.transfer(tensor, to_gpu=target == GPU, non_blocking=is_non_blocking)
        moved = _copied(tensor)  # what the gradient of a copy is, nothing here asks
        if target == GPU:
            self._operations.put_on_gpu(moved)
        return moved.to(**kwargs) if kwargs else moved


class _Autocast(torch.autocast):
    """Autocast of the CPU under the name of the GPU's."""

    def __init__(self, device_type: str, *args: Any, **kwargs: Any) -> None:
        super().__init__("cpu" if device_type == "cuda" else device_type, *args, **kwargs)


class _GradScaler(torch.amp.GradScaler):
    """Loss scaling of the CPU under the name of the GPU's."""

    def __init__(self, device: str = "cuda", *args: Any, **kwargs: Any) -> None:
        super().__init__("cpu", *args, **kwargs)


class _Stream:
    """A stream of a GPU, and an event on it, which nothing here is behind of."""

    def __init__(self, device: Any = None) -> None:
        del device

    def record_event(self) -> _Stream:
        """Give an event."""
        return self

    def wait_event(self, event: _Stream) -> None:
        """Let the GPU wait, which the CPU does not."""

    def wait_stream(self, stream: _Stream) -> None:
        """Let the GPU wait, which the CPU does not."""


def _note(noted: dict[int, weakref.ref[Any]], tensor: Tensor) -> None:
    storage = tensor.untyped_storage()
    key = storage._cdata
    if key not in noted:
        noted[key] = weakref.ref(storage, lambda _: noted.pop(key, None))


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _num_bytes(tensor: Tensor) -> int:
    """Count the bytes of a tensor, which as a view of the same number again and again are fewer than it seems."""
    return min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes())


def _copied(tensor: Tensor) -> Tensor:
    with torch._C.DisableTorchFunction(), torch.utils._python_dispatch._disable_current_modes():
        return tensor.detach().clone()


def _named_device(named: str | int | torch.device) -> torch.device:
    return GPU if isinstance(named, int) or torch.device(named).type == "cuda" else CPU


def _one_hot_of_gpu(labels: Tensor, num_classes: int = -1) -> Tensor:
    """Do as on a GPU, where the labels are not looked at; on a CPU they are."""
    if num_classes == -1:
        num_classes = int(labels.max()) + 1
    return labels.new_zeros((*labels.shape, num_classes)).scatter_(-1, labels.unsqueeze(-1), 1)
