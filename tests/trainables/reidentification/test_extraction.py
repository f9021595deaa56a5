"""Embedding the images of a split says how far it is."""

import numpy as np
import pytest
import torch

from tablewright.trainables.reidentification.extraction import embed_images
from tablewright.trainables.value import long_work
from tablewright.trainables.value.long_work import listening


class MeanColour:
    """Embeds an image as its mean colour."""

    training = False

    def train(self, mode=True):
        """Nothing differs."""

    def embed(self, images_BCHW):
        return {"colour": images_BCHW.mean((2, 3))}


@pytest.fixture
def _tells_at_once(monkeypatch):
    monkeypatch.setattr(long_work, "FIRST_AFTER_S", 0.0)
    monkeypatch.setattr(long_work, "EVERY_S", 0.0)


@pytest.mark.usefixtures("_tells_at_once")
def test_embedding_says_how_many_images_are_done():
    """Each batch, by its images; the last one is the end, and nobody who does not listen changes anything."""
    images = np.arange(150 * 6 * 4 * 3, dtype=np.uint32).astype(np.uint8).reshape(150, 6, 4, 3)
    heard = []
    with listening(heard.append):
        embeddings, _ = embed_images(
            MeanColour(), images, torch.device("cpu"), flip=False, what="embedding A (query)"
        )
    assert ["embedding A (query): 64 of 150", "embedding A (query): 128 of 150"] == [
        line.partition(",")[0] for line in heard
    ]
    again, _ = embed_images(MeanColour(), images, torch.device("cpu"), flip=False)
    np.testing.assert_array_equal(embeddings["colour"], again["colour"])
    np.testing.assert_allclose(images.mean((1, 2)), again["colour"], rtol=1e-5)
