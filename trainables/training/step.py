"""One optimisation step: gradients of a batch, and what is done with them.

Legend: R ranks, B images of a rank, C channels, H W height and width in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tablewright.trainables.training.half_weights import weights_in
from tablewright.trainables.training.loss_scaling import CountingScaler
from tablewright.trainables.training.method import FitConfig, Method
from tablewright.trainables.training.optimisation import Optimisation
from tablewright.trainables.training.precision import HALF


def backpropagate(
    method: Method,
    config: FitConfig,
    network: nn.Module,
    scaler: torch.amp.GradScaler,
    images_per_rank: Sequence[Tensor],
    labels_per_rank: Sequence[Tensor],
    epoch: int,
    share: float = 1.0,
) -> dict[str, Tensor]:
    """Add a batch's gradients to the network's; give its loss terms, summed over ranks and detached.

    Args:
        method: whose losses.
        config: of the training.
        network: in training mode.
        scaler: of the loss; disabled unless in fp16.
        images_per_rank: (B, C, H, W) float 0..255 each.
        labels_per_rank: (B,) each.
        epoch: epochs completed.
        share: of the step's ranks that these are.
    """
    dtype = HALF.get(config.optimisation.precision)
    device_type = labels_per_rank[0].device.type
    ranks = method.loss_terms(config, network, images_per_rank, labels_per_rank, epoch)
    sums: dict[str, Tensor] = {}
    with weights_in(dtype, network):
        while True:
            # The forward pass runs inside `next`; the backward pass is not for autocast.
            with torch.autocast(device_type, dtype=dtype, enabled=dtype is not None):
                terms = next(ranks, None)
            if terms is None:
                return sums
            if share != 1.0:
                terms = {name: term * share for name, term in terms.items()}
            scaler.scale(torch.stack(list(terms.values())).sum()).backward()
            for name, term in terms.items():
                sums[name] = sums[name] + term.detach() if name in sums else term.detach()


def apply_gradients(
    optimisation: Optimisation,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaling: CountingScaler,
) -> None:
    """Move the weights by their gradients, which are scaled down first where the config says so.

    Args:
        optimisation: of the training.
        network: with the gradients of the step.
        optimizer: of its weights.
        scaling: of the loss; a step whose gradients overflow moves nothing.
    """
    if optimisation.max_grad_norm is not None:
        scaling.scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(network.parameters(), optimisation.max_grad_norm, foreach=True)
    scaling.step(optimizer)
