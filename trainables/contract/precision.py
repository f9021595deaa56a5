"""In how many digits a network computes its convolutions and products of matrices."""

from __future__ import annotations

from typing import Literal

from tablewright.trainables.contract.run import Device

Precision = Literal["fp32", "tf32", "fp16", "bf16"]
"""`fp32` is all of float32's digits, on every device; `tf32` is float32 whose convolutions keep 10 of its 23 binary
digits, on GPUs since Ampere; `fp16` needs a GPU, `bf16` one since Ampere."""


def refuse_without_gpu(precision: Precision, device: Device, field: str, alternative: str) -> None:
    """Refuse a precision that a CPU would have to replace by another.

    Args:
        precision: that is asked for.
        device: on which.
        field: that asks for it.
        alternative: what `fp32` would be instead.

    Raises:
        ValueError: less than float32 without a GPU.
    """
    if precision != "fp32" and device != "cuda":
        raise ValueError(
            f"{field} {precision!r} needs a GPU, and this training runs on {device!r}; "
            f"give the training a GPU, or set {field} to 'fp32' (which is {alternative})"
        )
