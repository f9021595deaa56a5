"""A sheet of small pictures in lines and columns, under heads, as a PNG of bounded size.

Equal inputs give equal bytes, as long as Pillow is the same.

Legend: H W height and width in pixels, C channels.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

MAX_SHEET_PIXELS = 160_000
"""Of all small pictures of a sheet together; a photograph's pixel takes up to three quarters of a byte."""
MAX_HEIGHT_PX = 128
NUM_COLOURS = 192

MARGIN_PX = 4
FRAME_PX = 3
DASH_PX, DASH_GAP_PX = 7, 5
HEAD_LINE_PX = 12
FONT_PX = 10

Colour = tuple[int, int, int]
WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)
BOX_COLOURS: tuple[Colour, ...] = ((230, 60, 60), (250, 190, 0), (40, 180, 90), (30, 140, 255))
"""Of the boxes of a tile, in their order; then from the first again."""


@dataclass(frozen=True)
class Tile:
    """One small picture of a sheet.

    Attributes:
        image_HWC: RGB, uint8; resized to what the sheet has room for.
        frame: colour around it; None leaves the frame's place white.
        is_dashed: whether the frame is broken, for eyes that the colour says nothing to.
        boxes: drawn over it: left, top, right, bottom as parts of its width and height.
    """

    image_HWC: np.ndarray
    frame: Colour | None = None
    is_dashed: bool = False
    boxes: Sequence[tuple[float, float, float, float]] = ()


def draw_sheet(lines: Sequence[Sequence[Tile]], heads: Sequence[str]) -> bytes:
    """Draw tiles below their heads.

    Args:
        lines: of tiles; all as wide and high as the first in proportion, and none longer than `heads`.
        heads: one a column; each may have several lines.

    Returns:
        A PNG with a palette.
    """
    num_tiles = sum(len(line) for line in lines)
    height, width = lines[0][0].image_HWC.shape[:2]
    height_px, width_px = _tile_size(num_tiles, width / height)
    font = ImageFont.load_default(FONT_PX)
    head_width_px = math.ceil(max(font.getlength(text) for head in heads for text in head.split("\n")))
    step_x = max(width_px + 2 * FRAME_PX, head_width_px) + MARGIN_PX
    step_y = height_px + 2 * FRAME_PX + MARGIN_PX
    indent_x = (step_x - MARGIN_PX - width_px - 2 * FRAME_PX) // 2
    head_px = HEAD_LINE_PX * max(head.count("\n") + 1 for head in heads) + MARGIN_PX
    size = (MARGIN_PX + step_x * len(heads), MARGIN_PX + head_px + step_y * len(lines))
    sheet = Image.new("RGB", size, WHITE)
    draw = ImageDraw.Draw(sheet)
    for column, head in enumerate(heads):
        middle = MARGIN_PX + column * step_x + indent_x + FRAME_PX + width_px / 2
        for number, text in enumerate(head.split("\n")):
            draw.text((middle, MARGIN_PX + number * HEAD_LINE_PX), text, BLACK, font, anchor="ma")
    for row, line in enumerate(lines):
        for column, tile in enumerate(line):
            corner = (MARGIN_PX + column * step_x + indent_x, MARGIN_PX + head_px + row * step_y)
            _draw_tile(sheet, tile, corner, (width_px, height_px))
    buffer = io.BytesIO()
    # A hundredth of the time of the median cut, and colours half a level of 256 further off.
    sheet.quantize(NUM_COLOURS, Image.Quantize.FASTOCTREE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _tile_size(num_tiles: int, aspect: float) -> tuple[int, int]:
    """Give height and width of a tile; `aspect` is width by height."""
    height = min(MAX_HEIGHT_PX, math.sqrt(MAX_SHEET_PIXELS / num_tiles / aspect))
    return max(1, round(height)), max(1, round(height * aspect))


def _draw_tile(sheet: Image.Image, tile: Tile, corner: tuple[int, int], size: tuple[int, int]) -> None:
    (left, top), (width_px, height_px) = corner, size
    draw = ImageDraw.Draw(sheet)
    if tile.frame is not None:
        right, bottom = left + width_px + 2 * FRAME_PX - 1, top + height_px + 2 * FRAME_PX - 1
        draw.rectangle((left, top, right, bottom), fill=tile.frame)
        if tile.is_dashed:
            step = DASH_PX + DASH_GAP_PX
            for x in range(left + DASH_PX, right - FRAME_PX, step):
                draw.rectangle((x, top, min(x + DASH_GAP_PX, right - FRAME_PX) - 1, bottom), fill=WHITE)
            for y in range(top + DASH_PX, bottom - FRAME_PX, step):
                draw.rectangle((left, y, right, min(y + DASH_GAP_PX, bottom - FRAME_PX) - 1), fill=WHITE)
    small = Image.fromarray(tile.image_HWC).resize(size, Image.Resampling.LANCZOS)
    inner = ImageDraw.Draw(small)  # of its own, so that a box that leaves the image is cut off
    for number, (x0, y0, x1, y1) in enumerate(tile.boxes):
        place = (x0 * (width_px - 1), y0 * (height_px - 1), x1 * (width_px - 1), y1 * (height_px - 1))
        inner.rectangle(place, outline=BOX_COLOURS[number % len(BOX_COLOURS)], width=2)
    sheet.paste(small, (left + FRAME_PX, top + FRAME_PX))
