"""Resampling an image so that what attention marks gets more pixels.

Sources:
    `marginal_grid`: TASN (Zheng et al., CVPR 2019), Eqs. 4 and 5; the balancing of magnifications is in its
    official code alone (github.com/researchmm/tasn, commit 5dba8cc). Attention is resized as there, corner on corner.
    `crop_grid`: the "uniformed sampler" of TASN's Table 3: attention made binary, and the box around it.
    `saliency_grid`: Recasens et al., Learning to Zoom, ECCV 2018, Eq. 3 (SSN in Table 3).
Deviations, with how far they move a grid of 224 pixels over 512 on peaked maps of 28 x 28:
    the inversion follows the code's PyTorch form. The MXNet form reads outside of its arrays for the first pixel and
    gives every other one the place of the pixel before it, which is 4 to 9 pixels of the image away, or what a part
    of the image spans that attention leaves one pixel.
    Marginals are summed in float64, not float32: at most 0.1 pixel.
    Where the code divides 0 by 0, the limit is taken: the first pixel is read at 0 though the attention there is 0,
    and a map of zeros reads the image evenly.
Not stated, our choice:
    the threshold that makes attention binary is its mean; the width of SSN's kernel; a place that its kernel sees no
    attention from stays where it is.

A grid holds, for each pixel of the new image, where it is read in the old one, in [-1, 1] from the centre of
the first pixel to that of the last. No gradient flows to attention.

Legend: B images, C colours, H W their height and width, h w those of attention, O side of the new image, S side of
the image along one axis.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Marginal = Literal["max", "sum"]

DENSITY_CAP = 4.0  # no place is magnified more than so many times the uniform rate at first
BALANCING_PASSES = 5
SMALLEST_ATTENTION = 1e-30  # of a map's largest; float32 has no digits left far below
SALIENCY_KERNEL_SHARE = 1 / 6  # standard deviation of SSN's kernel, as a part of the map's side


def marginal_grid(
    attention_Bhw: Tensor,
    size_px: tuple[int, int],
    out_px: int,
    *,
    marginal: Marginal = "max",
    is_squared: bool = False,
) -> Tensor:
    """Give the grid whose rows and columns are spaced by the inverse of attention's marginals.

    Magnification is balanced between the axes and never falls to nothing, so that the whole image stays in view.

    Args:
        attention_Bhw: not negative.
        size_px: height and width of the image.
        out_px: O.
        marginal: over columns and over rows; the paper finds maxima more robust than sums.
        is_squared: square attention once it has the image's size.

    Returns:
        (B, O, O, 2), x before y.
    """
    height, width = size_px
    attention_BHW = functional.interpolate(
        attention_Bhw.detach().float()[:, None], size=size_px, mode="bilinear", align_corners=True
    )[:, 0]
    if is_squared:
        attention_BHW = attention_BHW.square()
    reduce = torch.amax if marginal == "max" else torch.sum
    row_BH, column_BW = _balance(reduce(attention_BHW, dim=2), reduce(attention_BHW, dim=1), out_px)
    y_BO, x_BO = _invert(row_BH, out_px), _invert(column_BW, out_px)
    y_BO, x_BO = 2 * y_BO / (height - 1) - 1, 2 * x_BO / (width - 1) - 1
    return torch.stack(
        [x_BO[:, None, :].expand(-1, out_px, -1), y_BO[:, :, None].expand(-1, -1, out_px)], dim=3
    )


def _balance(row_BS: Tensor, column_BS: Tensor, out_px: int) -> tuple[Tensor, Tensor]:
    """Turn marginals into pixels of the new image for each pixel of the old one, alike in their peaks."""
    row_BS, column_BS = _normalise(row_BS) * out_px, _normalise(column_BS) * out_px
    for number in range(BALANCING_PASSES):
        cap_B1 = torch.minimum(row_BS.amax(1, keepdim=True), column_BS.amax(1, keepdim=True))
        if number == 0:
            longest = max(row_BS.shape[1], column_BS.shape[1])
            cap_B1 = cap_B1.clamp(max=DENSITY_CAP * out_px / longest)
        row_BS, column_BS = _clip(row_BS, cap_B1, out_px), _clip(column_BS, cap_B1, out_px)
    return row_BS, column_BS


def _normalise(marginal_BS: Tensor) -> Tensor:
    marginal_BS = marginal_BS.double()
    sum_B1 = marginal_BS.sum(dim=1, keepdim=True)
    return torch.where(sum_B1 > 0, marginal_BS / sum_B1, 1 / marginal_BS.shape[1])


def _clip(density_BS: Tensor, cap_B1: Tensor, out_px: int) -> Tensor:
    """Cut peaks off and spread what was cut evenly."""
    clipped_BS = torch.minimum(density_BS, cap_B1)
    cut_off_B1 = (out_px - clipped_BS.sum(dim=1, keepdim=True)).clamp(min=0)  # rounding alone goes below
    return clipped_BS + cut_off_B1 / density_BS.shape[1]


def _invert(density_BS: Tensor, out_px: int) -> Tensor:
    """Give the place in the old image, in pixels, that each pixel of the new one is read from, (B, O)."""
    # The density of pixel k lies between the places k - 1 and k; that of pixel 0 is not used.
    cumulative_BS = density_BS.cumsum(dim=1) - density_BS[:, :1]
    steps_O = torch.arange(out_px, dtype=cumulative_BS.dtype, device=cumulative_BS.device) / out_px
    wanted_BO = cumulative_BS[:, -1:] * steps_O
    above_BO = torch.searchsorted(cumulative_BS, wanted_BO).clamp(min=1, max=density_BS.shape[1] - 1)
    upper_BO, lower_BO = cumulative_BS.gather(1, above_BO), cumulative_BS.gather(1, above_BO - 1)
    width_BO = upper_BO - lower_BO  # 0 where the first place is wanted and the density behind it is none
    short_of_above_BO = torch.where(width_BO > 0, (upper_BO - wanted_BO) / width_BO, 1.0)
    return (above_BO - short_of_above_BO).float()


def crop_grid(attention_Bhw: Tensor, size_px: tuple[int, int], out_px: int) -> Tensor:
    """Give the even grid over the box around all attention above its mean.

    Args:
        attention_Bhw: not negative.
        size_px: height and width of the image.
        out_px: O.
    """
    height, width = size_px
    attention_Bhw = attention_Bhw.detach()
    is_marked_Bhw = attention_Bhw >= attention_Bhw.mean(dim=(1, 2), keepdim=True)
    top_B, bottom_B = _extent(is_marked_Bhw.any(dim=2), height)
    left_B, right_B = _extent(is_marked_Bhw.any(dim=1), width)
    steps_O = torch.linspace(0, 1, out_px, device=attention_Bhw.device)
    y_BO = (top_B[:, None] + (bottom_B - top_B)[:, None] * steps_O) * 2 / (height - 1) - 1
    x_BO = (left_B[:, None] + (right_B - left_B)[:, None] * steps_O) * 2 / (width - 1) - 1
    return torch.stack(
        [x_BO[:, None, :].expand(-1, out_px, -1), y_BO[:, :, None].expand(-1, -1, out_px)], dim=3
    )


def _extent(is_marked_Bn: Tensor, size_px: int) -> tuple[Tensor, Tensor]:
    """Give the first and last pixel of the image under the marked cells of one axis."""
    num_cells = is_marked_Bn.shape[1]
    first_B = is_marked_Bn.int().argmax(dim=1)
    last_B = num_cells - 1 - is_marked_Bn.flip(1).int().argmax(dim=1)
    cell_px = size_px / num_cells
    return (first_B * cell_px).clamp(max=size_px - 1), ((last_B + 1) * cell_px - 1).clamp(min=0)


def saliency_grid(attention_Bhw: Tensor, size_px: tuple[int, int], out_px: int) -> Tensor:
    """Give the grid in which each place is drawn towards the attention around it.

    Args:
        attention_Bhw: not negative.
        size_px: height and width of the image; the grid does not depend on it.
        out_px: O.
    """
    attention_B1hw = attention_Bhw.detach().float()[:, None]
    height, width = attention_B1hw.shape[2:]
    largest_B111 = attention_B1hw.amax(dim=(2, 3), keepdim=True)
    share_B1hw = torch.where(largest_B111 > 0, attention_B1hw / largest_B111, 1.0)
    pad = max(height, width) // 2
    sigma = SALIENCY_KERNEL_SHARE * max(height, width)
    offset_K = torch.arange(-pad, pad + 1, dtype=torch.float32, device=attention_Bhw.device)
    kernel_K = torch.exp(-(offset_K**2) / (2 * sigma**2))
    kernel_11KK = (kernel_K[:, None] * kernel_K[None, :])[None, None]
    # Edges are repeated outwards, or every place near them would be drawn inwards.
    padded_B1hw = functional.pad(share_B1hw, (pad, pad, pad, pad), mode="replicate")
    y_h = torch.arange(-pad, height + pad, dtype=torch.float32, device=attention_Bhw.device)
    x_w = torch.arange(-pad, width + pad, dtype=torch.float32, device=attention_Bhw.device)
    total_B1hw = functional.conv2d(padded_B1hw, kernel_11KK)
    is_seen_B1hw = total_B1hw > SMALLEST_ATTENTION
    y_B1hw = functional.conv2d(padded_B1hw * y_h[:, None], kernel_11KK) / total_B1hw
    x_B1hw = functional.conv2d(padded_B1hw * x_w[None, :], kernel_11KK) / total_B1hw
    y_B1hw = torch.where(is_seen_B1hw, y_B1hw, y_h[pad : pad + height, None])
    x_B1hw = torch.where(is_seen_B1hw, x_B1hw, x_w[None, pad : pad + width])
    grid_B2hw = torch.cat(
        [x_B1hw * 2 / max(width - 1, 1) - 1, y_B1hw * 2 / max(height - 1, 1) - 1], dim=1
    ).clamp(-1, 1)
    grid_B2OO = functional.interpolate(grid_B2hw, size=(out_px, out_px), mode="bilinear", align_corners=True)
    return grid_B2OO.movedim(1, 3)


def sample(images_BCHW: Tensor, grid_BOO2: Tensor) -> Tensor:
    """Read the image at the places of a grid, bilinearly; 0 outside, a standardised image's mean colour."""
    return functional.grid_sample(
        images_BCHW,
        grid_BOO2.to(images_BCHW.dtype),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=True,
    )
