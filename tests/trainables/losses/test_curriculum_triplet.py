"""Curriculum sampling and its triplet loss against the specification and a slow loop.

Legend: B images, N negatives of an anchor, D embedding.
"""

import math

import pytest
import torch

from benchmarks.counted_kernels import counted, on_gpu
from tablewright.trainables.losses.curriculum_triplet import (
    curriculum_deviation,
    curriculum_mean,
    curriculum_triplet_loss,
    draw_ranks,
    rank_probabilities,
)

PAPER = {"t0": 30.0, "t1": 60.0, "a": 15.0, "b": 1e-3}
NUM_NEGATIVES = 240  # of 16 identities with 16 images each
ALWAYS_HARDEST = {"t0": 1.0, "t1": 2.0, "a": 1.0, "b": 1e-3}


def probabilities(epoch, num_negatives=NUM_NEGATIVES):
    number = torch.tensor(float(num_negatives), dtype=torch.float64)
    mean = curriculum_mean(number, epoch, t0=PAPER["t0"])
    return rank_probabilities(
        num_negatives, number, mean=mean, deviation=curriculum_deviation(epoch, **PAPER)
    )


def batch(num_identities=4, num_instances=3, width=5, seed=0):
    """Embeddings and labels, identities mixed up."""
    generator = torch.Generator().manual_seed(seed)
    order_B = torch.randperm(num_identities * num_instances, generator=generator)
    labels_B = (torch.arange(num_identities).repeat_interleave(num_instances) + 3)[order_B]
    return torch.randn(len(labels_B), width, generator=generator, dtype=torch.float64), labels_B


def chosen_ranks(labels_B, probability_N, seed):
    """Say which rank each pair of images draws, from the definition of the inverse distribution function."""
    torch.manual_seed(seed)
    uniform_BB = torch.rand(len(labels_B), len(labels_B), dtype=torch.float64)
    total = sum(probability_N.tolist())
    ranks = {}
    for anchor in range(len(labels_B)):
        for other in range(len(labels_B)):
            below, rank = 0.0, 0
            for rank, probability in enumerate(probability_N.tolist()):  # noqa: B007
                below += probability / total
                if uniform_BB[anchor, other].item() < below:
                    break
            ranks[anchor, other] = rank
    return ranks


def slow_loss(embeddings_BD, labels_B, probability_N, margin, seed):
    """Go over anchors, positives and sorted negatives one by one."""
    ranks = chosen_ranks(labels_B, probability_N, seed)
    hinges = []
    for anchor, label in enumerate(labels_B.tolist()):
        distance = [math.dist(embeddings_BD[anchor].tolist(), other.tolist()) for other in embeddings_BD]
        negatives = sorted(distance[i] for i in range(len(labels_B)) if labels_B[i] != label)
        for positive in range(len(labels_B)):
            if positive != anchor and labels_B[positive] == label:
                hinges.append(max(0.0, margin + distance[positive] - negatives[ranks[anchor, positive]]))
    return sum(hinges) / len(hinges), len(hinges)


@pytest.mark.parametrize(
    ("epoch", "mean", "deviation"),
    [(0, 240, 15), (15, 120, 15), (30, 0, 15), (45, 0, 0.4743), (60, 0, 0.015), (160, 0, 0.001)],
)
def test_mean_and_deviation_follow_the_specification(epoch, mean, deviation):
    """μ falls to the hardest negative by t0, σ stays until then and falls to a b at t1."""
    number = torch.tensor(float(NUM_NEGATIVES), dtype=torch.float64)
    assert mean == curriculum_mean(number, epoch, t0=PAPER["t0"]).item()
    assert deviation == pytest.approx(curriculum_deviation(epoch, **PAPER), rel=1e-3)


@pytest.mark.parametrize(("epoch", "expected"), [(0, 228), (10, 160), (20, 80), (30, 11.7), (40, 0.91)])
def test_expected_rank_falls_along_the_specified_curve(epoch, expected):
    """The mean rank drawn at an epoch is the specification's, with 240 negatives."""
    probability_N = probabilities(epoch)
    mean_rank = (probability_N * torch.arange(NUM_NEGATIVES)).sum().item()
    assert expected == pytest.approx(mean_rank, rel=5e-3)
    assert probability_N.sum().item() == pytest.approx(1.0)


def test_only_the_hardest_negative_is_left_in_the_end():
    """Long after t1 the first rank has all of the probability."""
    assert [1.0, 0.0, 0.0] == probabilities(160)[:3].tolist()


@pytest.mark.parametrize("epoch", [0, 10, 30, 160])
@pytest.mark.parametrize("num_negatives", [3, 24, 28, 240])
def test_ranks_beyond_the_negatives_change_no_bit(epoch, num_negatives):
    """Ranks that no negative has get the probability 0, and leave those of the others as they are."""
    number = torch.tensor(float(num_negatives), dtype=torch.float64)
    mean = max(num_negatives - num_negatives * epoch / PAPER["t0"], 0.0)
    deviation = curriculum_deviation(epoch, **PAPER)
    rank_N = torch.arange(num_negatives, dtype=torch.float64)
    expected = (-((rank_N - mean) ** 2) / (2.0 * deviation**2)).softmax(dim=0)
    found = rank_probabilities(
        num_negatives + 16, number, mean=curriculum_mean(number, epoch, t0=PAPER["t0"]), deviation=deviation
    )
    assert torch.equal(expected, found[:num_negatives])
    assert 0 == found[num_negatives:].sum()


def test_nobody_waits_for_a_gpu():
    """The loss and its gradient are kernels alone, and give what they give on the CPU."""
    embeddings_BD, labels_B = batch()
    torch.manual_seed(0)
    expected = curriculum_triplet_loss(embeddings_BD, labels_B, 20, **PAPER, margin=0.5)
    torch.manual_seed(0)
    with counted() as count:
        on_gpu_BD = on_gpu(embeddings_BD.requires_grad_(True))
        loss = curriculum_triplet_loss(on_gpu_BD, on_gpu(labels_B), 20, **PAPER, margin=0.5)
        loss.backward()
        assert (0, []) == (count.copies, count.waits)
        assert torch.equal(expected, loss.detach().cpu())


def test_draws_have_the_probabilities():
    """Many draws reach every rank as often as its probability says."""
    probability_N = rank_probabilities(8, torch.tensor(8), mean=torch.tensor(2.0).double(), deviation=1.5)
    uniform = torch.rand(200_000, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    share_N = draw_ranks(probability_N, uniform).bincount(minlength=8) / len(uniform)
    assert torch.allclose(probability_N, share_N.double(), atol=4e-3)


def test_no_draw_falls_on_an_impossible_rank():
    """The ends of [0, 1) go to the first and to the last rank that can come."""
    probability_N = torch.tensor([0.0, 0.25, 0.75, 0.0], dtype=torch.float64)
    uniform = torch.tensor([0.0, 0.2499, 0.25, 1.0 - 2**-53], dtype=torch.float64)
    assert [1, 1, 2, 2] == draw_ranks(probability_N, uniform).tolist()


@pytest.mark.parametrize("epoch", [0, 10, 20, 30, 40, 60])
def test_loss_is_that_of_a_slow_loop(epoch):
    """With equal random numbers the loss is that of going over every triplet, P K (K - 1) of them."""
    embeddings_BD, labels_B = batch()
    schedule = PAPER | {"a": 1.5}
    nine = torch.tensor(9.0, dtype=torch.float64)
    probability_N = rank_probabilities(
        9,
        nine,
        mean=curriculum_mean(nine, epoch, t0=30.0),
        deviation=curriculum_deviation(epoch, **schedule),
    )
    expected, num_triplets = slow_loss(embeddings_BD, labels_B, probability_N, margin=0.5, seed=11)
    torch.manual_seed(11)
    loss = curriculum_triplet_loss(embeddings_BD, labels_B, epoch, **schedule, margin=0.5)
    assert 4 * 3 * 2 == num_triplets
    assert expected == pytest.approx(loss.item(), abs=1e-5)


def test_every_positive_is_used():
    """With the hardest negative for all, moving any positive changes the loss."""
    embeddings_BD, labels_B = batch(num_instances=4)

    def loss_of(embeddings_BD):
        torch.manual_seed(0)
        return curriculum_triplet_loss(embeddings_BD, labels_B, 100, **ALWAYS_HARDEST, margin=9.0).item()

    same = torch.nonzero(labels_B == labels_B[0]).flatten().tolist()
    assert 4 == len(same)
    distances = torch.cdist(embeddings_BD, embeddings_BD)
    nearest_B = distances.masked_fill(labels_B[:, None] == labels_B[None, :], float("inf")).amin(dim=1)
    hinges = [
        9.0 + distances[anchor, positive] - nearest_B[anchor]
        for anchor in range(len(labels_B))
        for positive in range(len(labels_B))
        if anchor != positive and labels_B[anchor] == labels_B[positive]
    ]
    assert (sum(hinges) / len(hinges)).item() == pytest.approx(loss_of(embeddings_BD), abs=1e-9)
    for positive in same:
        moved_BD = embeddings_BD.clone()
        moved_BD[positive] += 0.1
        assert loss_of(embeddings_BD) != loss_of(moved_BD)


def test_negatives_grow_harder():
    """On one batch the loss grows from the first epoch to t0, and on to t1."""
    embeddings_BD, labels_B = batch(num_identities=8, num_instances=4)
    losses = []
    for epoch in (0, 15, 30, 60):
        torch.manual_seed(0)
        loss = curriculum_triplet_loss(embeddings_BD, labels_B, epoch, **PAPER | {"a": 2.0}, margin=0.5)
        losses.append(loss.item())
    assert sorted(losses) == losses
    assert losses[-1] > 1.5 * losses[0]


def test_draws_come_from_the_global_generator():
    """The same state of torch's generator draws the same negatives, another one others."""
    embeddings_BD, labels_B = batch(num_identities=8)

    def loss(seed):
        torch.manual_seed(seed)
        return curriculum_triplet_loss(embeddings_BD, labels_B, 20, **PAPER, margin=0.5).item()

    assert loss(1) == loss(1)
    assert loss(1) != loss(2)


def test_gradient_is_finite_and_reaches_every_image():
    """Equal images, at distance zero, do no harm."""
    embeddings_BD, labels_B = batch()
    embeddings_BD[1] = embeddings_BD[0]
    embeddings_BD.requires_grad_(True)
    curriculum_triplet_loss(embeddings_BD, labels_B, 30, **PAPER, margin=9.0).backward()
    assert torch.isfinite(embeddings_BD.grad).all()
    assert (embeddings_BD.grad.abs().sum(dim=1) > 0).all()


def test_identities_of_different_size_are_refused():
    """The draw is defined for P identities with K images each."""
    embeddings_BD, _ = batch(num_identities=2, num_instances=2)
    with pytest.raises(ValueError, match=r"equally many images of each identity, got \[1, 3\]"):
        curriculum_triplet_loss(embeddings_BD, torch.tensor([0, 1, 1, 1]), 0, **PAPER, margin=0.5)
