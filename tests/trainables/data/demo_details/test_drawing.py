import hashlib

import numpy as np
import pytest

from tablewright.trainables.data.demo_details.drawing import SIDE_PX, draw_picture
from tablewright.trainables.data.demo_details.glyphs import GLYPH_NAMES, glyph_darkness

PIXELS_SHA256 = "711d0e9858a941e3993de56cb57148aa39e2f1c4fa739501d1a4e94591ce9b28"


def draw(label, seed=0):
    return draw_picture(label, np.random.Generator(np.random.PCG64([3, seed])))


def test_pictures_are_the_same_bytes_everywhere():
    """The pinned digest is what every machine draws; a change of the drawing raises the set's version."""
    pictures = np.stack([draw(label, label) for label in range(len(GLYPH_NAMES))])
    assert ((20, SIDE_PX, SIDE_PX, 3), np.uint8) == (pictures.shape, pictures.dtype)
    assert PIXELS_SHA256 == hashlib.sha256(pictures.tobytes()).hexdigest()


def test_classes_differ_in_the_detail_alone():
    """With equal random numbers two classes' pictures differ only in a window of the badge's size."""
    for seed in range(5):
        differs = (draw(0, seed) != draw(7, seed)).any(2)
        rows, columns = np.flatnonzero(differs.any(1)), np.flatnonzero(differs.any(0))
        assert 8 <= max(np.ptp(rows), np.ptp(columns)) <= 18
        assert differs.sum() < 0.02 * SIDE_PX**2


@pytest.mark.slow
def test_the_detail_is_anywhere_within_the_picture():
    """Where it is says nothing, and it is never cut off."""
    places = []
    for seed in range(60):
        rows, columns = np.nonzero((draw(0, seed) != draw(7, seed)).any(2))
        assert min(rows.min(), columns.min()) > 2
        assert max(rows.max(), columns.max()) < SIDE_PX - 3
        places.append((rows.mean(), columns.mean()))
    assert (np.ptp(places, axis=0) > 25).all()


def test_glyphs_stay_different_when_mirrored():
    """A mirrored picture, as training makes them, shows no other class."""
    glyphs = [glyph_darkness(label) for label in range(len(GLYPH_NAMES))]
    for one, first in enumerate(glyphs):
        for other, second in enumerate(glyphs):
            if one != other:
                assert np.abs(first - second).sum() >= 4
                assert np.abs(first - second[:, ::-1]).sum() >= 4
