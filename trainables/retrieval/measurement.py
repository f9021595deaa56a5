"""One view measured from an extraction: embeddings joined, compared, ranked.

Legend: Q queries, G gallery, N images of a side, D embedding.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from trainables.contract import EvaluationView, Extraction, ViewResult
from trainables.retrieval.joining import check_comparable, join
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

    Memory above the extraction does not grow with the gallery, but for a few numbers an image; re-ranking
    alone copies the embeddings and keeps each image's neighbours.

    Raises:
        ValueError: no query has a positive; an embedding is missing, not finite, or of another width in the
            gallery than for the queries.
    """
    query, images = extraction.query, extraction.gallery
    joined_queries, gallery = (join(side, embedding_names, flip=view.flip) for side in (query, images))
    check_comparable(joined_queries, gallery, embedding_names)
    queries_QD = joined_queries.whole()
    pids_Q, camids_Q, names_Q = query.pids, query.camids, np.array(query.names)
    pids_G, camids_G = images.pids, images.camids
    if view.query == "multiple":
        keys, first, group_of = np.unique(
            np.stack([pids_Q, camids_Q], 1), axis=0, return_index=True, return_inverse=True
        )
        queries_QD = _mean_by_group(queries_QD, group_of, len(keys))
        pids_Q, camids_Q, names_Q = keys[:, 0], keys[:, 1], names_Q[first]
    if view.reranking is None:
        blocks = nearness_blocks(queries_QD, gallery, view.distance)
    else:
        is_ranked_G = pids_G != JUNK_PID  # junk must be nobody's neighbour
        gallery_GD = gallery.whole()[torch.from_numpy(is_ranked_G)]
        pids_G, camids_G = pids_G[is_ranked_G], camids_G[is_ranked_G]
        if view.distance == "cosine":  # squared Euclidean distance of unit vectors is 2 - 2 cos
            queries_QD, gallery_GD = (
                torch.nn.functional.normalize(side_ND) for side_ND in (queries_QD, gallery_GD)
            )
        blocks = reranked_nearness_blocks(queries_QD, gallery_GD, view.reranking)
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


def _mean_by_group(embeddings_ND: Tensor, group_of: np.ndarray, num_groups: int) -> Tensor:
    sums = torch.zeros(num_groups, embeddings_ND.shape[1], dtype=torch.float64)
    sums.index_add_(0, torch.from_numpy(group_of), embeddings_ND.double())
    return (sums / torch.from_numpy(np.bincount(group_of))[:, None]).float()
