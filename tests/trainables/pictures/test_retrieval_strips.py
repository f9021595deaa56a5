"""Strips of the nearest images."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from tablewright.trainables.pictures import retrieval_strips
from tablewright.trainables.pictures.retrieval_strips import RIGHT, WRONG, draw_retrieval_strips
from tablewright.trainables.retrieval.embedded import Extraction, ImageSet


def side(embeddings, pids, camids):
    names = tuple(f"{number}.jpg" for number in range(len(pids)))
    named = {"global": np.asarray(embeddings, dtype=np.float32)}
    return ImageSet(names, np.array(pids), np.array(camids), named)


def images(count):
    return np.full((count, 16, 8, 3), 128, dtype=np.uint8)


@pytest.fixture
def drawn(monkeypatch):
    """The lines handed to the sheet, as (frame and whether it is dashed, grey value) of each tile."""
    lines = []

    def keep(some, heads):
        lines.extend(
            [((*tile.frame, tile.is_dashed), int(tile.image_HWC[0, 0, 0])) for tile in line] for line in some
        )
        return b"png"

    monkeypatch.setattr(retrieval_strips, "draw_sheet", keep)
    return lines


def numbered(count, start):
    """Images that say in grey which they are."""
    numbers = np.arange(start, start + count, dtype=np.uint8)
    return np.broadcast_to(numbers[:, None, None, None], (count, 16, 8, 3))


def test_a_line_is_the_query_and_its_nearest_images_in_order(drawn):
    """Wrong ones are framed in dashed red, right ones in solid blue; the own camera and junk are not shown."""
    query = side([[1, 0]], [7], [1])
    gallery = side(
        [[1, 0.1], [1, 0.2], [1, 0.3], [1, 0.4], [1, 0.0], [0, 1]], [8, 7, -1, 7, 7, 0], [2, 2, 2, 3, 1, 2]
    )
    extraction = Extraction("test", query, gallery)
    draw_retrieval_strips(extraction, ["global"], numbered(1, 200), numbered(6, 0))
    black, right, wrong = (0, 0, 0, False), (*RIGHT, False), (*WRONG, True)
    assert [[(black, 200), (wrong, 0), (right, 1), (right, 3), (wrong, 5)]] == drawn
    assert RIGHT[2] > RIGHT[0]
    assert WRONG[0] > WRONG[2]


def test_five_queries_with_a_right_answer_are_spread_over_all(drawn):
    """Queries that are junk, distractors or without a right image under another camera are passed over."""
    pids = [-1, 0, 99, *range(1, 21)]
    query = side(np.eye(23), pids, [1] * 23)
    gallery = side(np.eye(23), [5, 0, 3, *range(1, 21)], [2] * 23)
    draw_retrieval_strips(Extraction("test", query, gallery), ["global"], numbered(23, 0), numbered(23, 100))
    assert [5, 9, 13, 17, 21] == [line[0][1] for line in drawn]
    assert {11} == {len(line) for line in drawn}


def test_nobody_to_find_is_said_in_words():
    """An extraction without any right answer is refused."""
    one = side([[1.0]], [1], [1])
    with pytest.raises(ValueError, match="no query"):
        draw_retrieval_strips(Extraction("test", one, one), ["global"], images(1), images(1))


def test_the_picture_is_a_small_png():
    """The real sheet is drawn, with a place for each of eleven tiles and the same bytes each time."""
    random = np.random.default_rng(0)
    pids = np.repeat(np.arange(1, 7), 4)
    query = side(random.normal(size=(24, 3)), pids, [1] * 24)
    gallery = dataclasses.replace(query, camids=np.array([2] * 24))
    extraction = Extraction("test", query, gallery)
    pngs = [draw_retrieval_strips(extraction, ["global"], images(24), images(24)) for _ in range(2)]
    assert pngs[0] == pngs[1]
    with Image.open(io.BytesIO(pngs[0])) as picture:
        assert "PNG" == picture.format
