"""In how many digits convolutions and products of matrices are computed, and which device can."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager, nullcontext
from types import MappingProxyType

import torch

from tablewright.trainables.contract.precision import Precision, refuse_without_gpu
from tablewright.trainables.contract.run import Device
from tablewright.trainables.training.float32_precision import tf32_convolutions

HALF: Mapping[Precision, torch.dtype] = MappingProxyType({"fp16": torch.float16, "bf16": torch.bfloat16})
"""What autocast computes in."""

AMPERE = (8, 0)
"""Compute capability of the first GPUs that have TF32 and bfloat16."""


@contextmanager
def float32_of(precision: Precision) -> Generator[None]:
    """Hold what float32 means inside of `reproducible`, where it has all of its digits, for as long as one trains.

    Args:
        precision: `tf32` changes convolutions; any other, nothing.
    """
    with tf32_convolutions() if precision == "tf32" else nullcontext():
        yield


@contextmanager
def computing_in(precision: Precision, device_type: str) -> Generator[None]:
    """Compute in a precision inside of `reproducible`, whatever autocast is on outside.

    Args:
        precision: in half precision what autocast says.
        device_type: of what is computed.
    """
    dtype = HALF.get(precision)
    with float32_of(precision), torch.autocast(device_type, dtype=dtype, enabled=dtype is not None):
        yield


def check_precision(
    precision: Precision,
    device: Device,
    field: str = "optimisation.precision",
    alternative: str = "another training",
) -> None:
    """Refuse a precision that the device would have to replace by another.

    Args:
        precision: that is asked for.
        device: on which.
        field: that asks for it.
        alternative: what another precision would be instead.

    Raises:
        ValueError: less than float32 without a GPU, or TF32 or bfloat16 on one that has no units for it.
    """
    refuse_without_gpu(precision, device, field, alternative)
    if precision in ("tf32", "bf16") and torch.cuda.is_available():
        capability = torch.cuda.get_device_capability()
        if capability < AMPERE:
            raise ValueError(
                f"{field} {precision!r} needs a GPU of compute capability 8.0 (Ampere) or more, and "
                f"{torch.cuda.get_device_name()} has {capability[0]}.{capability[1]}; train on another GPU, or set "
                f"{field} to 'fp32' or 'fp16' (which is {alternative})"
            )
