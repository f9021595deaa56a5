"""What a network looks at: attention maps, regions and samples beside the images they are of.

After MDPR, Figs. 9 and 10, whose authors enlarge a map bilinearly and lay it over the image in jet colours
at half strength. Deviation: colours run from the lowest to the highest value of a column, so that its images can
be compared; both stand in its head, where a map that is nearly the same everywhere gives itself away.

Legend: B images, C channels, H W height and width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tablewright.trainables.pictures.panel import Panel, ShowsPanels
from tablewright.trainables.pictures.sheet import Tile, draw_sheet
from tablewright.trainables.training.determinism import reproducible

HEAT_STRENGTH = 0.5
MAX_TILES = 60
"""Of a picture: with many panels fewer images are shown, so that each is large enough to look at."""


def draw_attention(
    method: ShowsPanels, config: Any, network: Any, images_BHWC: np.ndarray, device: torch.device
) -> bytes | None:
    """Draw a line for each image, with the image itself first.

    Args:
        method: of the network.
        config: of the training.
        network: put into inference mode meanwhile.
        images_BHWC: of the test split, RGB uint8.
        device: of the network.

    Returns:
        A PNG; None where the configuration leaves nothing to show.
    """
    images_BCHW = torch.from_numpy(images_BHWC).to(device).movedim(-1, 1).float()
    was_training = network.training
    network.train(False)
    try:
        with reproducible(device, seed=0), torch.inference_mode():
            panels = method.panels(config, network, images_BCHW)
    finally:
        network.train(was_training)
    return draw_panels(images_BCHW, panels) if panels else None


def draw_panels(images_BCHW: Tensor, panels: Sequence[Panel]) -> bytes:
    """Draw a line for each image and a column for each panel, the images themselves before them."""
    columns = [_tiles(images_BCHW, Panel("image")), *(_tiles(images_BCHW, panel) for panel in panels)]
    heads = ["image", *map(_head, panels)]
    lines = [list(line) for line in zip(*columns, strict=True)]
    return draw_sheet(lines[: max(2, MAX_TILES // len(heads))], heads)


def _tiles(images_BCHW: Tensor, panel: Panel) -> list[Tile]:
    shown_BCHW = (images_BCHW if panel.images_BCHW is None else panel.images_BCHW).cpu().float()
    if panel.heat_BHW is not None:
        shown_BCHW = _overlay(shown_BCHW, panel.heat_BHW.cpu().float())
    pixels_BHWC = shown_BCHW.round().clamp(0, 255).byte().movedim(1, -1).contiguous().numpy()
    if panel.boxes_BN4 is None:
        return [Tile(image_HWC) for image_HWC in pixels_BHWC]
    boxes = panel.boxes_BN4.cpu().tolist()
    return [
        Tile(image_HWC, boxes=[tuple(box) for box in some])
        for image_HWC, some in zip(pixels_BHWC, boxes, strict=True)
    ]


def _overlay(images_BCHW: Tensor, heat_BHW: Tensor) -> Tensor:
    low, high = heat_BHW.min(), heat_BHW.max()
    scaled_BHW = (heat_BHW - low) / (high - low).clamp_min(torch.finfo(torch.float32).tiny)
    scaled_B1HW = functional.interpolate(
        scaled_BHW[:, None], images_BCHW.shape[2:], mode="bilinear", align_corners=False
    )
    return (1 - HEAT_STRENGTH) * images_BCHW + HEAT_STRENGTH * _jet(scaled_B1HW)


def _jet(values_B1HW: Tensor) -> Tensor:
    """Colour values in [0, 1] from dark blue over green to dark red, (B, 3, H, W) in 0..255."""
    peaks_C11 = torch.tensor([3.0, 2.0, 1.0]).view(3, 1, 1)
    return 255 * (1.5 - (4 * values_B1HW - peaks_C11).abs()).clamp(0, 1)


def _head(panel: Panel) -> str:
    if panel.heat_BHW is None:
        return panel.label
    return f"{panel.label}\n{panel.heat_BHW.min():z.2f}-{panel.heat_BHW.max():z.2f}"
