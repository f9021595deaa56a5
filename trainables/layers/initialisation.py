"""How layers without published weights start."""

from __future__ import annotations

from torch import nn


def init_convolutions_and_norms(module: nn.Module) -> None:
    """Start convolutions at N(0, sqrt(2 / (k² · out))), which is Kaiming fan-out, and norms at 1 and 0.

    For ungrouped and for depthwise convolutions alike, `out` counts all output channels. On the meta device there is
    nothing to start.
    """
    if any(parameter.is_meta for parameter in module.parameters()):
        return  # drawing there would load torch's compiler, which takes seconds
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            fan_out = layer.kernel_size[0] * layer.kernel_size[1] * layer.out_channels
            nn.init.normal_(layer.weight, 0.0, (2.0 / fan_out) ** 0.5)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.InstanceNorm2d) and layer.affine:
            nn.init.ones_(layer.weight)
            nn.init.zeros_(layer.bias)
