import threading
import time

import numpy as np
import pytest
import torch

from tablewright.trainables.retrieval import tiled_ranking
from tablewright.trainables.retrieval.joining import JoinedEmbeddings
from tablewright.trainables.retrieval.nearness import Nearness
from tablewright.trainables.retrieval.ranking import CountedPositives, Identities
from tablewright.trainables.retrieval.tiled_ranking import rank_gallery

NUM_QUERY, NUM_GALLERY, WIDTH = 48, 3_000, 16


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield 2
    torch.set_num_threads(before)


def rank():
    rng = np.random.default_rng(0)
    queries, gallery = (
        torch.from_numpy(rng.standard_normal((count, WIDTH), dtype=np.float32))
        for count in (NUM_QUERY, NUM_GALLERY)
    )
    who = [
        Identities(rng.integers(1, 12, count), rng.integers(1, 7, count))
        for count in (NUM_QUERY, NUM_GALLERY)
    ]
    nearness = Nearness(JoinedEmbeddings((gallery,)), gallery.square().sum(1), "cosine")
    return rank_gallery(queries, nearness, *who)


def test_products_wait_for_counting_however_slow_it_is(monkeypatch, two_threads):
    """No more tiles are filled and not counted than there are threads, so that memory does not grow with a load."""
    monkeypatch.setattr(tiled_ranking, "MOST_ROWS", 4)  # six blocks a thread
    at_once, most, lock = 0, 0, threading.Lock()
    fill, count = Nearness.fill, CountedPositives.count

    def noted_fill(*args):
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        fill(*args)

    def slow_count(*args):
        nonlocal at_once
        time.sleep(0.005)
        count(*args)
        with lock:
            at_once -= 1

    expected = rank()
    monkeypatch.setattr(Nearness, "fill", noted_fill)
    monkeypatch.setattr(CountedPositives, "count", slow_count)
    ranked = rank()
    assert (expected.average_precision == ranked.average_precision).all()
    assert 0 == at_once
    assert most == two_threads
