"""Which images make a batch: so many identities with so many images of each, or all images shuffled.

Identities are drawn as often as they have images (`PKSampler`) or all equally often (`IdentitiesOnceSampler`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class _IdentitySampler:
    """What both ways of drawing identities take: batches of so many identities with so many images of each."""

    def __init__(
        self, pids: Sequence[int], *, num_identities: int, num_instances: int, num_ranks: int, seed: int
    ) -> None:
        """Take the identity of each training image.

        Raises:
            ValueError: there are fewer identities than a batch needs.
        """
        self._indices_of = _indices_of(pids, num_identities)
        self._num_identities, self._num_instances = num_identities, num_instances
        self._num_ranks, self._seed = num_ranks, seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, from 0 on, that `batches` gives."""
        self._epoch = epoch


class PKSampler(_IdentitySampler):
    """Draws the batches of an epoch; equal (seed, epoch) give equal batches, so any step can be found again.

    Source:
        MDPR's code (fast-reid's identity sampler): the images of each identity are shuffled and cut into
        groups, identities with too few images are filled up with replacement, what is left over is dropped;
        then identities with a group left are drawn, different ones within a rank, until too few remain.
    """

    def __len__(self) -> int:
        """Steps of the chosen epoch; how many remain undrawn differs a little between epochs."""
        return len(self.batches())

    def batches(self) -> np.ndarray:
        """Give the image indices of every step of the chosen epoch, (steps, ranks, identities × instances).

        Raises:
            ValueError: the images do not fill one step.
        """
        rng = np.random.default_rng([self._seed, self._epoch])
        groups = {pid: self._groups(indices, rng) for pid, indices in self._indices_of.items()}
        left = np.array([len(groups[pid]) for pid in groups])
        drawn: list[np.ndarray] = []
        pids = list(groups)
        while np.count_nonzero(left) >= self._num_identities:
            chosen = rng.choice(np.flatnonzero(left), self._num_identities, replace=False)
            left[chosen] -= 1
            drawn.append(np.concatenate([groups[pids[place]][left[place]] for place in chosen]))
        steps = len(drawn) // self._num_ranks
        if not steps:
            raise ValueError(
                "the training split does not fill one step; set data.num_identities, data.num_instances or "
                "data.num_ranks lower"
            )
        size = self._num_identities * self._num_instances
        return np.stack(drawn[: steps * self._num_ranks]).reshape(steps, self._num_ranks, size)

    def _groups(self, indices: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if len(indices) < self._num_instances:
            indices = rng.choice(indices, self._num_instances, replace=True)
        shuffled = rng.permutation(indices)
        num_groups = len(shuffled) // self._num_instances
        return shuffled[: num_groups * self._num_instances].reshape(num_groups, self._num_instances)


class IdentitiesOnceSampler(_IdentitySampler):
    """Draws every identity once an epoch, however many images it has; (seed, epoch) alone decide.

    Source:
        MGN's re-implementation github.com/Gavin666Github/reid-mgn, commit 34b9b58: of each identity so many different
        images, any of them again only where it has fewer.
    Deviation:
        what is left of the identities at the end of an epoch is filled up to a whole step by others, drawn again;
        the code makes a smaller batch of it. The number of steps is the same.
    """

    def __len__(self) -> int:
        """Steps of an epoch."""
        return -(-len(self._indices_of) // (self._num_identities * self._num_ranks))

    def batches(self) -> np.ndarray:
        """Give the image indices of every step of the chosen epoch, (steps, ranks, identities × instances)."""
        rng = np.random.default_rng([self._seed, self._epoch])
        pids = np.array(list(self._indices_of))
        order = rng.permutation(pids)
        drawn: list[np.ndarray] = []
        for first in range(0, len(self) * self._num_ranks * self._num_identities, self._num_identities):
            of_rank = order[first : first + self._num_identities]
            num_missing = self._num_identities - len(of_rank)
            others = rng.choice(np.setdiff1d(pids, of_rank), num_missing, replace=False)
            drawn += [self._draw_images(pid, rng) for pid in (*of_rank, *others)]
        return np.concatenate(drawn).reshape(len(self), self._num_ranks, -1)

    def _draw_images(self, pid: int, rng: np.random.Generator) -> np.ndarray:
        indices = self._indices_of[pid]
        if len(indices) < self._num_instances:
            indices = np.tile(indices, self._num_instances)
        return rng.choice(indices, self._num_instances, replace=False)


def _indices_of(pids: Sequence[int], num_identities: int) -> dict[int, np.ndarray]:
    """Give the image indices of each identity.

    Raises:
        ValueError: there are fewer identities than a batch needs.
    """
    pids_N = np.asarray(pids)
    order_N = np.argsort(pids_N, kind="stable")
    persons, firsts = np.unique(pids_N[order_N], return_index=True)
    found = dict(zip(persons.tolist(), np.split(order_N, firsts[1:]), strict=True))
    if len(found) < num_identities:
        raise ValueError(
            f"a batch has {num_identities} identities and the training split only "
            f"{len(found)}; set data.num_identities to that or less"
        )
    return found


class ShuffledSampler:
    """Draws every image once an epoch, in an order that (seed, epoch) alone decides.

    What does not fill a last step is left out; another epoch leaves out others.
    """

    def __init__(self, num_images: int, *, images_per_rank: int, num_ranks: int, seed: int) -> None:
        """Count the training images.

        Raises:
            ValueError: they do not fill one step.
        """
        if num_images < images_per_rank * num_ranks:
            raise ValueError(
                f"the training split has {num_images} images and a step {images_per_rank * num_ranks}; set "
                "data.num_identities (the images of a batch) or data.num_ranks lower"
            )
        self._num_images, self._images_per_rank = num_images, images_per_rank
        self._num_ranks, self._seed = num_ranks, seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, from 0 on, that `batches` gives."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Steps of an epoch."""
        return self._num_images // (self._images_per_rank * self._num_ranks)

    def batches(self) -> np.ndarray:
        """Give the image indices of every step of the chosen epoch, (steps, ranks, images of a rank)."""
        order = np.random.default_rng([self._seed, self._epoch]).permutation(self._num_images)
        shape = (len(self), self._num_ranks, self._images_per_rank)
        return order[: np.prod(shape)].reshape(shape)
