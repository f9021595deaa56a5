"""What the losses of the papers have in common: ranks one after another, and losses in float32.

Legend: B images of a rank, C channels, H W height and width in pixels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

ValueT = TypeVar("ValueT")


def terms_of_ranks(
    network: Callable[[Tensor], Any],
    images_per_rank: Sequence[Tensor],
    labels_per_rank: Sequence[Tensor],
    make_terms: Callable[[Any, Tensor], Mapping[str, Tensor]],
) -> Iterator[dict[str, Tensor]]:
    """Yield the terms of one rank after the other, already divided by the number of ranks.

    Each rank is one forward pass, so that batch statistics are its own, and its graph is freed before the next one.

    Args:
        network: in training mode.
        images_per_rank: (B, C, H, W) float 0..255 each.
        labels_per_rank: (B,) int64 each.
        make_terms: makes the weighted terms of what the network gives for the images, and of their labels; it runs
            outside of autocast.
    """
    for images_BCHW, labels_B in zip(images_per_rank, labels_per_rank, strict=True):
        outputs = network(images_BCHW)
        with torch.autocast(labels_B.device.type, enabled=False):
            terms = dict(make_terms(outputs, labels_B))
        num_ranks = len(images_per_rank)
        yield terms if num_ranks == 1 else {name: term / num_ranks for name, term in terms.items()}


def in_float32(value: ValueT) -> ValueT:
    """Widen tensors to float32 at least, whatever precision the network ran in.

    Args:
        value: a tensor; a dataclass, mapping or list of them, to any depth; or None.
    """
    widened: Any = value
    if isinstance(value, Tensor):
        widened = value.to(torch.promote_types(value.dtype, torch.float32))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: in_float32(getattr(value, field.name)) for field in dataclasses.fields(value)}
        widened = dataclasses.replace(value, **fields)
    elif isinstance(value, dict):
        widened = {key: in_float32(item) for key, item in cast("dict[Any, Any]", value).items()}
    elif isinstance(value, list):
        widened = [in_float32(item) for item in cast("list[Any]", value)]
    return widened
