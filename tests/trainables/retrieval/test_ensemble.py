"""Embeddings of several networks joined."""

import dataclasses

import numpy as np
import pytest

from tablewright.trainables.retrieval.embedded import Extraction, ImageSet
from tablewright.trainables.retrieval.ensemble import join_extractions
from tablewright.trainables.retrieval.measurement import measure_view
from tablewright.trainables.retrieval.view import RetrievalView


def side(names, embeddings):
    count = len(names)
    mirrored = {name: -value for name, value in embeddings.items()}
    return ImageSet(tuple(names), np.arange(1, count + 1), np.arange(count), embeddings, mirrored)


def extraction(seed, query_names=("q1", "q2")):
    rng = np.random.default_rng(seed)

    def draw(count):
        return {name: rng.normal(size=(count, 3)).astype(np.float32) for name in ("a", "b")}

    query = side(query_names, draw(len(query_names)))
    gallery = ImageSet(("g1", "g2"), np.array([1, 2]), np.array([7, 7]), draw(2))
    return Extraction("test", query, gallery)


def test_members_stand_side_by_side():
    """The joined embedding of an image is the members' chosen ones, in order, mirror images likewise."""
    first, second = (dataclasses.replace(extraction(seed), device="cuda") for seed in (1, 2))
    joined, names = join_extractions([(first, ("b",)), (second, ("a", "b"))])
    assert ("1.b", "2.a", "2.b") == names
    assert joined.device == "cuda", "measured where its members are"
    assert np.array_equal(first.query.embeddings["b"], joined.query.embeddings["1.b"])
    assert np.array_equal(second.query.flipped_embeddings["a"], joined.query.flipped_embeddings["2.a"])
    assert {} == joined.gallery.flipped_embeddings


def test_joined_members_are_measured_as_one_wide_embedding():
    """Measuring the join is measuring the concatenation."""
    first, second = extraction(1), extraction(2)
    joined, names = join_extractions([(first, ("a",)), (second, ("a",))])
    wide = {
        key: np.concatenate([getattr(part, key).embeddings["a"] for part in (first, second)], axis=1)
        for key in ("query", "gallery")
    }
    expected = Extraction(
        "test",
        side(("q1", "q2"), {"wide": wide["query"]}),
        ImageSet(("g1", "g2"), np.array([1, 2]), np.array([7, 7]), {"wide": wide["gallery"]}),
    )
    view = RetrievalView(distance="euclidean")
    assert measure_view(expected, ("wide",), view).metrics == measure_view(joined, names, view).metrics


def test_members_that_saw_other_images_are_refused():
    """Row i of both must be the same image."""
    with pytest.raises(ValueError, match="same images"):
        join_extractions([(extraction(1), ("a",)), (extraction(2, ("q1", "other")), ("a",))])
