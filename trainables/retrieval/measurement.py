"""One view measured from an extraction: embeddings joined, compared, ranked.

Legend: Q queries, G gallery, N images of a side, D embedding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from tablewright.trainables.contract.view import LEFT_OUT, ViewResult
from tablewright.trainables.retrieval.embedded import Extraction
from tablewright.trainables.retrieval.joining import check_comparable, join
from tablewright.trainables.retrieval.multiple_query import pool_multiple_queries
from tablewright.trainables.retrieval.nearness import Nearness
from tablewright.trainables.retrieval.ranking import DISTRACTOR_PID, JUNK_PID, Identities, rank_queries
from tablewright.trainables.retrieval.reranking import reranked_nearness_blocks
from tablewright.trainables.retrieval.single_shot import rank_single_shot
from tablewright.trainables.retrieval.tiled_ranking import rank_gallery
from tablewright.trainables.retrieval.view import MAP, MINP, MRR, RetrievalView
from tablewright.trainables.training.float32_precision import ieee_float32
from tablewright.trainables.value.long_work import told

RANKS = (1, 5, 10)
NO_RIGHT_IMAGE = "no right image under another camera"
NOBODY = "of nobody (pid 0 or -1)"


@ieee_float32()
def measure_view(extraction: Extraction, embedding_names: Sequence[str], view: RetrievalView) -> ViewResult:
    """Measure one view.

    The named embeddings are joined as they are; the cosine distance then looks at the whole, so no part is
    normalised on its own. Flip averaging takes the mean of an image's and its mirror's embedding before
    that.

    Args:
        extraction: of the view's split.
        embedding_names: in joining order.
        view: how to measure.

    Memory above the extraction does not grow with the gallery, but for a few numbers an image; re-ranking
    alone copies the embeddings and keeps each image's neighbours. All images ranked as they are, without
    re-ranking, are compared and counted on the extraction's device.

    Raises:
        ValueError: no query has a positive; an embedding is missing, not finite, or of another width in the
            gallery than for the queries.
    """
    query, images = extraction.query, extraction.gallery
    if view.query == "multiple" and extraction.multiple_query is not None:
        query = extraction.multiple_query
    joined_queries, gallery = (join(side, embedding_names, flip=view.flip) for side in (query, images))
    _, squared_lengths_G = check_comparable(joined_queries, gallery, embedding_names)
    pids_G, camids_G = images.pids, images.camids
    if view.query == "multiple":
        pooled = pool_multiple_queries(
            extraction, embedding_names, flip=view.flip, unit_length=view.distance == "cosine"
        )
        queries_QD, pids_Q, camids_Q = pooled.embeddings_KD, pooled.pids, pooled.camids
        names_Q = pooled.names
    else:
        queries_QD, pids_Q, camids_Q = joined_queries.whole(), query.pids, query.camids
        names_Q = np.array(query.names)
    if view.reranking is not None:
        is_ranked_G = pids_G != JUNK_PID  # junk must be nobody's neighbour
        gallery_GD = gallery.whole()[torch.from_numpy(is_ranked_G)]
        pids_G, camids_G = pids_G[is_ranked_G], camids_G[is_ranked_G]
        if view.distance == "cosine":  # squared Euclidean distance of unit vectors is 2 - 2 cos
            queries_QD, gallery_GD = (
                torch.nn.functional.normalize(side_ND) for side_ND in (queries_QD, gallery_GD)
            )
        blocks = reranked_nearness_blocks(queries_QD, gallery_GD, view.reranking)
        ranked = rank_queries(_told(blocks, queries_QD), pids_Q, camids_Q, pids_G, camids_G)
    elif view.gallery == "single_shot":
        blocks = Nearness(gallery, squared_lengths_G, view.distance).blocks(queries_QD)
        ranked = rank_single_shot(_told(blocks, queries_QD), pids_Q, camids_Q, pids_G, camids_G)
    else:
        ranked = rank_gallery(
            queries_QD,
            Nearness(gallery, squared_lengths_G, view.distance),
            Identities(pids_Q, camids_Q),
            Identities(pids_G, camids_G),
            extraction.device,
        )
    if view.gallery == "single_shot":
        scores = {"reciprocal_rank": (MRR, ranked.average_precision)}
    else:
        scores = {
            "average_precision": (MAP, ranked.average_precision),
            "inverse_negative_penalty": (MINP, ranked.inverse_negative_penalty),
        }
    metrics = {metric.name: float(values_Q.mean()) for metric, values_Q in scores.values()}
    metrics |= {f"rank{k}": ranked.rank(k) for k in RANKS}
    measured = {
        "first_match_rank": _mean_rank(ranked.first_match_ranks),
        **{name: values_Q for name, (_, values_Q) in scores.items()},
        "num_positives": ranked.num_positives,
    }
    per_query = {
        "query": names_Q,
        "pid": pids_Q,
        "camid": camids_Q,
        **{name: _of_all(values, ranked.query_index, len(names_Q)) for name, values in measured.items()},
        LEFT_OUT: _reasons(ranked.query_index, pids_Q),
    }
    return ViewResult(metrics, per_query, "queries")


def _told(blocks: Iterable[tuple[int, Tensor]], queries_QD: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Tell how many queries are ranked."""
    return told(blocks, "ranking queries", len(queries_QD), lambda block: len(block[1]))


def _of_all(values: np.ndarray, index: np.ndarray, num_queries: int) -> np.ndarray:
    """Spread what was measured over all queries; NaN stands for the others."""
    if len(index) == num_queries:
        return values
    spread_Q = np.full(num_queries, np.nan)
    spread_Q[index] = values
    return spread_Q


def _reasons(index: np.ndarray, pids_Q: np.ndarray) -> np.ndarray:
    """Say of each query why it is not measured; nothing of one that is."""
    is_nobody_Q = np.isin(pids_Q, (JUNK_PID, DISTRACTOR_PID))
    reasons_Q = np.where(is_nobody_Q, NOBODY, NO_RIGHT_IMAGE).astype(object)
    reasons_Q[index] = ""
    return reasons_Q


def _mean_rank(first_match_ranks_QR: np.ndarray) -> np.ndarray:
    """Give the mean over draws, or the whole number where there is one draw."""
    if first_match_ranks_QR.shape[1] == 1:
        return first_match_ranks_QR[:, 0]
    return first_match_ranks_QR.mean(1)
