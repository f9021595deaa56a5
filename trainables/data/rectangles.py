"""Rectangles of the images of a batch: moved, filled, cut out and pasted.

On a CPU one image after another, which is as fast as its memory. On a GPU each of them would be several kernels of
its own, launched in more time than it takes to run them, so that there a whole batch is done at once: what is where is
written into small tables on the CPU, and sent there. Both give the same bits.

Legend: B images, C channels, H W height and width, K rectangles, R rows of all of them, N pixels of all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from tablewright.trainables.training.pinned_copy import sent


class Rectangle(NamedTuple):
    """A part of one image of a batch, in pixels.

    Attributes:
        image: its number.
        top: first row.
        left: first column.
        height: number of rows.
        width: number of columns.
    """

    image: int
    top: int
    left: int
    height: int
    width: int


class Placement(NamedTuple):
    """A patch and where it goes.

    Attributes:
        patch: (C, height, width).
        image: number of the image.
        top: row of the image at the patch's first one.
        left: column of the image at the patch's first one.
        is_mirrored: whether it is mirrored left and right first.
    """

    patch: Tensor
    image: int
    top: int
    left: int
    is_mirrored: bool


def shift_and_mirror(
    images_BCHW: Tensor, tops: Sequence[int], lefts: Sequence[int], mirrored: Sequence[bool], border_px: int
) -> Tensor:
    """Give float windows of images that have a black border, of the images' own size, some of them mirrored.

    Args:
        images_BCHW: any type.
        tops: of each window, from the border's outer edge on.
        lefts: likewise.
        mirrored: whether a window is mirrored left and right.
        border_px: width of the border on all sides.
    """
    batch, _, height, width = images_BCHW.shape
    device = images_BCHW.device
    bordered_BCHW = functional.pad(images_BCHW, (border_px,) * 4) if border_px else images_BCHW
    if device.type == "cpu":
        moved_BCHW = torch.empty(images_BCHW.shape, dtype=torch.float32)
        for moved_CHW, bordered_CHW, top, left, is_mirrored in zip(
            moved_BCHW, bordered_BCHW, tops, lefts, mirrored, strict=True
        ):
            window_CHW = bordered_CHW[:, top : top + height, left : left + width]
            moved_CHW.copy_(window_CHW.flip(2) if is_mirrored else window_CHW)
        return moved_BCHW
    is_mirrored_B1 = torch.tensor(mirrored)[:, None]
    column_BW = torch.arange(width).expand(batch, -1)
    column_BW = torch.where(is_mirrored_B1, column_BW.flip(1), column_BW) + torch.tensor(lefts)[:, None]
    row_BH = torch.arange(height) + torch.tensor(tops)[:, None]
    image_B1 = torch.arange(batch)[:, None]
    image_B1, row_BH, column_BW = sent(torch.cat([image_B1, row_BH, column_BW], 1), device).split(
        [1, height, width], dim=1
    )
    moved_BHWC = bordered_BCHW.movedim(1, -1)[image_B1[..., None], row_BH[:, :, None], column_BW[:, None, :]]
    return moved_BHWC.movedim(-1, 1).to(torch.float32, memory_format=torch.contiguous_format)


def fill(images_BCHW: Tensor, rectangles: Sequence[Rectangle], colour: Sequence[float]) -> Tensor:
    """Paint rectangles in one colour, at most one an image; the images themselves on a CPU, a copy on a GPU.

    Args:
        images_BCHW: float.
        rectangles: what is painted.
        colour: a number a channel.
    """
    batch, _, height, width = images_BCHW.shape
    device = images_BCHW.device
    if not rectangles:
        return images_BCHW
    if device.type == "cpu":
        colour_C11 = torch.tensor(colour).view(-1, 1, 1)
        for image, top, left, rows, columns in rectangles:
            images_BCHW[image, :, top : top + rows, left : left + columns] = colour_C11
        return images_BCHW
    sides_BH, sides_BW = torch.zeros(batch, height), torch.zeros(batch, width)
    for image, top, left, rows, columns in rectangles:
        sides_BH[image, top : top + rows] = 1
        sides_BW[image, left : left + columns] = 1
    numbers = sent(torch.cat([sides_BH.flatten(), sides_BW.flatten(), torch.tensor(colour)]), device)
    sides_BH, sides_BW, colour_C = numbers.split([batch * height, batch * width, len(colour)])
    is_inside_BHW = sides_BH.view(batch, height, 1) * sides_BW.view(batch, 1, width) > 0
    return torch.where(is_inside_BHW[:, None], colour_C[:, None, None], images_BCHW)


def cut(images_BCHW: Tensor, rectangles: Sequence[Rectangle]) -> list[Tensor]:
    """Give rectangles as patches of their own, rounded to whole levels, (C, height, width) uint8 each."""
    if images_BCHW.device.type == "cpu":
        return [
            images_BCHW[image, :, top : top + height, left : left + width].round().to(torch.uint8)
            for image, top, left, height, width in rectangles
        ]
    if not rectangles:
        return []
    _, channels, height, width = images_BCHW.shape
    levels_BHWC = images_BCHW.movedim(1, -1).round().to(torch.uint8, memory_format=torch.contiguous_format)
    box_K5 = torch.tensor(rectangles)
    image_K, top_K, left_K, rows_K, columns_K = box_K5.unbind(1)
    row_R = torch.arange(int(rows_K.sum())) - (rows_K.cumsum(0) - rows_K).repeat_interleave(rows_K)
    length_R = columns_K.repeat_interleave(rows_K)
    first_R = ((image_K * height + top_K) * width + left_K).repeat_interleave(rows_K) + row_R * width
    areas = (rows_K * columns_K).tolist()
    # A pixel's number in the batch is its number among those that are cut out, and what its row adds to it.
    added_R, length_R = sent(
        torch.stack([first_R - (length_R.cumsum(0) - length_R), length_R]), images_BCHW.device
    )
    added_N = added_R.repeat_interleave(length_R, output_size=sum(areas))
    pixel_N = torch.arange(sum(areas), device=images_BCHW.device) + added_N
    patches = levels_BHWC.view(-1, channels).index_select(0, pixel_N).split(areas)
    return [
        patch_NC.view(box.height, box.width, channels).movedim(-1, 0)
        for patch_NC, box in zip(patches, rectangles, strict=True)
    ]


def paste(images_BCHW: Tensor, placements: Sequence[Placement]) -> Tensor:
    """Paste patches, at most one an image; into the images themselves on a CPU, into a copy on a GPU."""
    batch, channels, height, width = images_BCHW.shape
    device = images_BCHW.device
    if not placements:
        return images_BCHW
    if device.type == "cpu":
        for patch_CHW, image, top, left, is_mirrored in placements:
            _, rows, columns = patch_CHW.shape
            images_BCHW[image, :, top : top + rows, left : left + columns] = (
                patch_CHW.flip(2) if is_mirrored else patch_CHW
            )
        return images_BCHW
    pixels_NC = torch.cat([patch_CHW.movedim(0, -1).reshape(-1, channels) for patch_CHW, *_ in placements])
    # A pixel of an image shows the one of the patches whose number is its row's and its column's together.
    of_row_BH = torch.full((batch, height), -len(pixels_NC))
    of_column_BW = torch.full((batch, width), -len(pixels_NC))
    first = 0
    for patch_CHW, image, top, left, is_mirrored in placements:
        _, rows, columns = patch_CHW.shape
        column_W = torch.arange(columns)
        of_row_BH[image, top : top + rows] = first + torch.arange(rows) * columns
        of_column_BW[image, left : left + columns] = column_W.flip(0) if is_mirrored else column_W
        first += rows * columns
    of_row_BH, of_column_BW = sent(torch.cat([of_row_BH, of_column_BW], 1), device).split([height, width], 1)
    pixel_BHW = of_row_BH[:, :, None] + of_column_BW[:, None, :]
    pasted_BHWC = pixels_NC[pixel_BHW.clamp(min=0)]
    return torch.where((pixel_BHW < 0)[:, None], images_BCHW, pasted_BHWC.movedim(-1, 1))
