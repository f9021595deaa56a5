"""The nearest gallery images of one query, in the order that the protocol ranks them in.

The rules are those of `trainables.retrieval.ranking`: junk and the query's person under its own camera are
left out, distractors stay, and a right image stands behind all wrong ones at the same distance.

Legend: G gallery.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tablewright.trainables.retrieval.ranking import JUNK_PID


@dataclass(frozen=True)
class NearestImages:
    """Nearest first, K of them.

    Attributes:
        index: in the gallery, (K,) int64.
        is_right: of the query's identity, (K,) bool.
    """

    index: np.ndarray
    is_right: np.ndarray


def nearest_images(
    nearness_G: np.ndarray, pid: int, camid: int, pids_G: np.ndarray, camids_G: np.ndarray, count: int
) -> NearestImages:
    """Rank the gallery for one query and give the first `count` images, or as many as there are.

    Args:
        nearness_G: larger is nearer.
        pid: of the query.
        camid: of the query.
        pids_G: of the gallery.
        camids_G: of the gallery.
        count: how many to give.
    """
    is_right_G = pids_G == pid
    ranked = np.flatnonzero((pids_G != JUNK_PID) & ~(is_right_G & (camids_G == camid)))
    order = np.lexsort((ranked, is_right_G[ranked], -nearness_G[ranked]))
    index = ranked[order][:count]
    return NearestImages(index, is_right_G[index])
