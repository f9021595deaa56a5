"""One view measured from an extraction: embeddings joined, compared, ranked.

Legend: N images of a side, D embedding.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from trainables.contract import EvaluationView, Extraction, ImageSet, ViewResult
from trainables.retrieval.nearness import nearness_blocks
from trainables.retrieval.ranking import JUNK_PID, rank_queries
from trainables.retrieval.reranking import reranked_nearness_blocks

RANKS = (1, 5, 10)


def measure_view(extraction: Extraction, embedding_names: Sequence[str], view: EvaluationView) -> ViewResult:
    """Measure one view.

    The named embeddings are joined as they are; the cosine distance then looks at the whole, so no part is
    normalised on its own. Flip averaging takes the mean of an image's and its mirror's embedding before
    that. A multiple query is the mean over all query images of its person under its camera, which is
    Market-1501's rule with the query images themselves in place of its extra `gt_bbox` crops.

    Args:
        extraction: of the view's split.
        embedding_names: in joining order.
        view: how to measure.

    Raises:
        ValueError: no query has a positive.
    """
    queries_QD, gallery_GD = (
        _join(side, embedding_names, flip=view.flip) for side in (extraction.query, extraction.gallery)
    )
    pids_Q, camids_Q, names_Q = (
        extraction.query.pids,
        extraction.query.camids,
        np.array(extraction.query.names),
    )
    pids_G, camids_G = extraction.gallery.pids, extraction.gallery.camids
    if (is_junk_G := pids_G == JUNK_PID).any():
        gallery_GD, pids_G, camids_G = gallery_GD[~is_junk_G], pids_G[~is_junk_G], camids_G[~is_junk_G]
    if view.query == "multiple":
        keys, first, group_of = np.unique(
            np.stack([pids_Q, camids_Q], 1), axis=0, return_index=True, return_inverse=True
        )
        queries_QD = _mean_by_group(queries_QD, group_of, len(keys))
        pids_Q, camids_Q, names_Q = keys[:, 0], keys[:, 1], names_Q[first]
    queries, gallery = torch.from_numpy(queries_QD), torch.from_numpy(gallery_GD)
    if view.reranking is None:
        blocks = nearness_blocks(queries, gallery, view.distance)
    else:
        if view.distance == "cosine":  # squared Euclidean distance of unit vectors is 2 - 2 cos
            queries, gallery = (torch.nn.functional.normalize(side) for side in (queries, gallery))
        blocks = reranked_nearness_blocks(queries, gallery, view.reranking)
    ranked = rank_queries(blocks, pids_Q, camids_Q, pids_G, camids_G)
    metrics = {
        "map": float(ranked.average_precision.mean()),
        **{f"rank{k}": ranked.rank(k) for k in RANKS},
        "minp": float(ranked.inverse_negative_penalty.mean()),
    }
    per_query = {
        "query": names_Q[ranked.query_index],
        "pid": pids_Q[ranked.query_index],
        "camid": camids_Q[ranked.query_index],
        "average_precision": ranked.average_precision,
        "first_match_rank": ranked.first_match_rank,
        "inverse_negative_penalty": ranked.inverse_negative_penalty,
        "num_positives": ranked.num_positives,
    }
    return ViewResult(metrics, per_query)


def _join(side: ImageSet, names: Sequence[str], *, flip: bool) -> np.ndarray:
    """Join embeddings side by side, (N, D) float32; a single one is not copied."""
    parts = [side.embeddings[name] for name in names]
    if flip:
        mirrored = [side.flipped_embeddings[name] for name in names]
        parts = [(part + mirror) / 2 for part, mirror in zip(parts, mirrored, strict=True)]
    return np.ascontiguousarray(parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1))


def _mean_by_group(embeddings_ND: np.ndarray, group_of: np.ndarray, num_groups: int) -> np.ndarray:
    sums = np.zeros((num_groups, embeddings_ND.shape[1]), dtype=np.float64)
    np.add.at(sums, group_of, embeddings_ND)
    return (sums / np.bincount(group_of)[:, None]).astype(np.float32)
