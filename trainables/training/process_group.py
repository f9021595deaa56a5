"""What the processes of one training tell each other: gradients, sums, the outputs of their ranks, decisions.

A step has `data.num_ranks` batches, one a rank. One process computes them one after the other; P processes compute R/P
each, side by side, and add their gradients up. It is the same arithmetic but for the order of the sums.

Gradients are added up once a step, after the last rank of a process, and not by DistributedDataParallel: it hooks into
one forward pass, and here a step has several, losses read weights of the network beside it (MDPR's prototypes), and a
weight without a gradient must go on without one, as Adam would move it by its decay.

Legend: P processes, R ranks.
"""

from __future__ import annotations

import io
import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

import torch
from torch import Tensor, nn

from tablewright.trainables.contract.process import START_S, Process
from tablewright.trainables.training.network_interface import interface_towards
from tablewright.trainables.value.name_list import some

BUCKET_BYTES = 32 * 2**20
"""So much of the gradients is added up at once: large enough for the wire, small enough to be copied beside them."""
LONGEST_WAIT = timedelta(days=7)
"""While the first process measures between epochs, the others wait. One that has died closes its connections, and one
that hangs is the stall watch's to find."""
GLOO_INTERFACE = "GLOO_SOCKET_IFNAME"
"""Variable by which gloo is told its interface; it would ask for the machine's name otherwise."""

_group: ProcessGroup | None = None


class ProcessGroup:
    """The processes of one training, as one of them sees them; alone it does nothing.

    Attributes:
        rank: of this process.
        size: P.
    """

    def __init__(self, process: Process, device: torch.device) -> None:
        """Say which one this is; `joined` makes the connections."""
        self.rank, self.size, self._device = process.rank, process.num_processes, device

    @property
    def is_alone(self) -> bool:
        """Say whether there is nobody to talk to."""
        return self.size == 1

    @property
    def is_first(self) -> bool:
        """Say whether this process writes and reports."""
        return self.rank == 0

    def own(self, num_ranks: int) -> slice:
        """Say which ranks of a step this process computes.

        Raises:
            ValueError: see `check_ranks`.
        """
        check_ranks(num_ranks, self.size)
        num_own = num_ranks // self.size
        return slice(self.rank * num_own, (self.rank + 1) * num_own)

    def decided(self, decision: bool) -> bool:
        """Give what the first process has decided."""
        if self.is_alone:
            return decision
        value = torch.tensor([int(decision)])
        _distributed().broadcast(value, src=0)
        return bool(value)

    def state_of_first(self, state: Mapping[str, Any]) -> dict[str, Any] | None:
        """Give the state of the first process to the others, and None to itself; of tensors and plain values."""
        if self.is_first:
            file = io.BytesIO()
            torch.save(dict(state), file)
            content = torch.frombuffer(file.getbuffer(), dtype=torch.uint8)
            _distributed().broadcast(torch.tensor([len(content)]), src=0)
            _distributed().broadcast(content, src=0)
            return None
        size = torch.zeros(1, dtype=torch.int64)
        _distributed().broadcast(size, src=0)
        content = torch.empty(int(size), dtype=torch.uint8)
        _distributed().broadcast(content, src=0)
        loaded: Any = torch.load(io.BytesIO(content.numpy().tobytes()), map_location="cpu", weights_only=True)
        return cast("dict[str, Any]", loaded)

    def sum(self, values: Tensor) -> Tensor:
        """Add a tensor up over the processes; in place."""
        if not self.is_alone:
            _distributed().all_reduce(values)
        return values

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Add up every gradient that any process has; a weight that none has one for goes on without."""
        if self.is_alone:
            return
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        has_gradient = torch.tensor([parameter.grad is not None for parameter in trained], dtype=torch.int32)
        _distributed().all_reduce(has_gradient)
        gradients: list[Tensor] = []
        for parameter, is_anywhere in zip(trained, has_gradient.tolist(), strict=True):
            if is_anywhere:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                gradients.append(parameter.grad)
        under_way: list[tuple[list[Tensor], Tensor, Any]] = []
        for bucket in _buckets(gradients):
            flat = torch.cat([gradient.flatten() for gradient in bucket])
            under_way.append((bucket, flat, _distributed().all_reduce(flat, async_op=True)))
        for bucket, flat, work in under_way:
            work.wait()
            for gradient, summed in zip(bucket, flat.split([one.numel() for one in bucket]), strict=True):
                gradient.copy_(summed.view(gradient.shape))

    def gather(self, values: Tensor) -> list[Tensor]:
        """Give the equally large tensors of all processes, in the order of their ranks; without gradients."""
        if self.is_alone:
            return [values]
        values = values.contiguous()
        found = [torch.empty_like(values) for _ in range(self.size)]
        _distributed().all_gather(found, values)
        return found

    def refuse_differences(self, names: Sequence[str], values: Tensor) -> None:
        """Refuse to go on with processes that are not in the same state.

        Args:
            names: of the values.
            values: int64, whatever tells two states apart.

        Raises:
            ValueError: on every process alike; names what differs.
        """
        found = torch.stack(self.gather(values.to(self._device))).cpu()
        are_equal = (found == found[0]).all(0).tolist()
        differing = [name for name, is_equal in zip(names, are_equal, strict=True) if not is_equal]
        if differing:
            raise ValueError(
                f"the {self.size} processes of the training have come apart: they have another {some(differing)}. A "
                "buffer that ranks change must be the statistics of a batch norm, and what they draw must be drawn by "
                "`pass_over` too; or train in one process"
            )


def check_ranks(num_ranks: int, num_processes: int) -> None:
    """Refuse ranks that processes cannot share evenly.

    Raises:
        ValueError: both numbers, and what to set.
    """
    if num_ranks % num_processes:
        raise ValueError(
            f"data.num_ranks is {num_ranks}, which {num_processes} processes cannot share evenly; give "
            "--processes-per-training (or --gpus-per-training) a number that divides it, or set data.num_ranks, which "
            "is another training"
        )


@contextmanager
def joined(process: Process, device: torch.device) -> Generator[ProcessGroup]:
    """Meet the other processes of the training, until the context ends.

    Raises:
        RuntimeError: they do not come, or one is lost.
    """
    global _group
    group = ProcessGroup(process, device)
    if group.is_alone:
        yield group
        return
    distributed = _distributed()
    with found_by_each_other(process) as store:
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        distributed.init_process_group(
            backend, store=store, rank=process.rank, world_size=process.num_processes, timeout=LONGEST_WAIT
        )
        _group = group
        try:
            yield group
        finally:
            _group = None
            distributed.destroy_process_group()


def gather_ranks(outputs_BD: Tensor) -> Tensor:
    """Join the batches of all processes, in the order of ranks, for losses that compare images of several ranks.

    Every process then makes the whole loss, and divides it by the number of processes as it does any mean over its
    own ranks; so the gradient of its own images is a P-th of what it has to be, and is taken P times.

    Args:
        outputs_BD: of this process; any shape whose first dimension is images, as many in every process.
    """
    if _group is None:
        return outputs_BD
    gathered: Any = _Gathering.apply(outputs_BD, _group)
    return cast(Tensor, gathered)


class _Gathering(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values_BD: Tensor, group: ProcessGroup) -> Tensor:
        ctx.group, ctx.num_own = group, len(values_BD)
        return torch.cat(group.gather(values_BD.detach()))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        begin = ctx.group.rank * ctx.num_own
        return gradients[0][begin : begin + ctx.num_own] * ctx.group.size, None


def _buckets(gradients: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    """Yield gradients of one type and device together, as far as they go into a bucket."""
    bucket: list[Tensor] = []
    num_bytes = 0
    for gradient in gradients:
        is_other = bucket and (gradient.dtype, gradient.device) != (bucket[0].dtype, bucket[0].device)
        if is_other or num_bytes >= BUCKET_BYTES:
            yield bucket
            bucket, num_bytes = [], 0
        bucket.append(gradient)
        num_bytes += gradient.numel() * gradient.element_size()
    if bucket:
        yield bucket


@contextmanager
def found_by_each_other(process: Process) -> Generator[Any]:
    """Open the store by which the processes find each other; what is on one machine is reached from there alone."""
    distributed = _distributed()
    patience = timedelta(seconds=START_S)
    interface = None if GLOO_INTERFACE in os.environ else interface_towards(process.address, process.port)
    if interface is not None:
        os.environ[GLOO_INTERFACE] = interface
    try:
        if process.is_first:
            assert process.listening is not None
            store = distributed.TCPStore(
                process.address,
                process.port,
                is_master=True,
                timeout=patience,
                wait_for_workers=False,
                master_listen_fd=os.dup(process.listening),  # the store closes it
            )
        else:
            store = distributed.TCPStore(process.address, process.port, timeout=patience)
        yield store  # kept by this frame, whoever asks for it: without the object there is no store
    finally:
        if interface is not None:
            del os.environ[GLOO_INTERFACE]


def _distributed() -> Any:
    """Give the package, which a training in one process never loads."""
    import torch.distributed

    return torch.distributed
