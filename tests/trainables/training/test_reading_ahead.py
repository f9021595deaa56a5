"""Batches that are read ahead."""

import itertools
import threading

import pytest
import torch

from benchmarks.counted_kernels import counted
from tablewright.trainables.training.reading_ahead import copied_ahead

GPU = torch.device("cuda:0")


def gather(number):
    return torch.full((2, 3), number, dtype=torch.uint8), torch.tensor([number, number + 1])


def taken(batches, num_batches):
    return [images[0, 0].item() for images, _ in itertools.islice(batches, num_batches)]


def test_a_cpu_reads_what_is_asked_for():
    """Nothing is drawn or gathered before it is wanted, and all in the thread that wants it."""
    drawn = []

    def noted(number):
        drawn.append((number, threading.current_thread()))
        return gather(number)

    batches = copied_ahead(noted, itertools.count(4), torch.device("cpu"))
    assert [] == drawn
    assert [4, 5] == taken(batches, 2)
    assert [(4, threading.main_thread()), (5, threading.main_thread())] == drawn


def test_a_gpu_is_given_the_same_in_the_same_order_and_nobody_waits():
    """Images and labels come out of pinned memory, two copies a batch, which no step waits for."""
    with counted() as count:
        batches = copied_ahead(gather, itertools.count(4), GPU)
        got = [next(batches) for _ in range(3)]
        assert (6, [], 0) == (count.copies, count.waits, count.kernels)
        assert all(tensor.is_cuda for batch in got for tensor in batch)
        assert [(4, [4, 5]), (5, [5, 6]), (6, [6, 7])] == [
            (int(images.cpu()[0, 0]), labels.tolist()) for images, labels in got
        ]
        batches.close()


def test_the_next_batch_is_gathered_meanwhile_and_no_further_one():
    """While a batch is used the next one is read, by another thread; a third one is not, whose memory would be held."""
    was_read = [threading.Event() for _ in range(4)]

    def noted(number):
        assert threading.current_thread() is not threading.main_thread()
        was_read[number].set()
        return gather(number)

    with counted():
        batches = copied_ahead(noted, itertools.count(), GPU)
        next(batches)
        assert was_read[1].wait(10)
        assert not was_read[2].wait(0.05)
        batches.close()


def test_what_fails_while_reading_ahead_is_told_where_the_batch_is_wanted():
    """A fault of the thread is the training's."""

    def broken(number):
        if number == 1:
            raise OSError("the disc is gone")
        return gather(number)

    with counted():
        batches = copied_ahead(broken, itertools.count(), GPU)
        next(batches)
        with pytest.raises(OSError, match="the disc is gone"):
            next(batches)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_real_gpu_gets_every_batch_whole_while_it_computes():
    """No batch is overwritten by the next one's copy, though the steps that use it are queued far behind."""
    sums = []
    batches = copied_ahead(
        lambda n: (torch.full((64, 3, 256, 128), n), torch.tensor([n])), itertools.count(), GPU
    )
    square = torch.rand(2048, 2048, device="cuda")
    for images, _ in itertools.islice(batches, 40):
        square = (square @ square).clamp(0, 1)
        sums.append(images.double().mean() + 0 * square.sum())
    batches.close()
    assert list(range(40)) == [round(float(total)) for total in sums]
