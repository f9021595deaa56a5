"""What a method shows of its inner workings on some images: one column of a picture each.

A method that has something to show defines `panels`; one that has not defines nothing.

Legend: B images, C channels, H W height and width, N boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor


@dataclass(frozen=True)
class Panel:
    """One thing shown of each of B images; what is given is drawn, one over the other.

    Attributes:
        label: head of the column; it may have several lines.
        heat_BHW: laid over the image in colours from the panel's lowest (blue) to its highest value (red);
            of any size.
        boxes_BN4: drawn over it: left, top, right, bottom as parts of the image's width and height.
        images_BCHW: shown in place of the images themselves, RGB 0..255; such as what a sampler gives.
    """

    label: str
    heat_BHW: Tensor | None = None
    boxes_BN4: Tensor | None = None
    images_BCHW: Tensor | None = None


@runtime_checkable
class ShowsPanels(Protocol):
    """A method that can show what its network looks at."""

    def panels(self, config: Any, network: Any, images_BCHW: Tensor) -> Sequence[Panel]:
        """Run the network on images and give what there is to see under this configuration.

        Args:
            config: of the training.
            network: trained, in inference mode; called without gradients.
            images_BCHW: RGB, float, 0..255, of the config's size, on the network's device.
        """
        ...
