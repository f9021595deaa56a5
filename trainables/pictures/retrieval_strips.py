"""The first ten gallery images of a few queries, right ones framed in solid blue and wrong ones in dashed red.

After MDPR, Fig. 8, which frames right ones in green: many people cannot tell green from red, and nobody in a
black and white print. The order is that by which tables are measured at their default: the cosine of all
embeddings joined, single query. A training has one strip, whatever the tables that it stands in measure.

Legend: Q queries, N images of a side, G gallery, D embedding, C channels, H W height and width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tablewright.trainables.pictures.choice import NUM_QUERIES, spread_over
from tablewright.trainables.pictures.sheet import BLACK, Colour, Tile, draw_sheet
from tablewright.trainables.retrieval.embedded import Extraction
from tablewright.trainables.retrieval.joining import check_comparable, join
from tablewright.trainables.retrieval.nearest import nearest_images
from tablewright.trainables.retrieval.nearness import Nearness
from tablewright.trainables.retrieval.ranking import DISTRACTOR_PID, JUNK_PID
from tablewright.trainables.training.float32_precision import ieee_float32

NUM_SHOWN = 10
RIGHT: Colour = (0, 114, 178)
WRONG: Colour = (215, 0, 20)


@ieee_float32()
def draw_retrieval_strips(
    extraction: Extraction,
    embedding_names: Sequence[str],
    query_images_NHWC: np.ndarray,
    gallery_images_NHWC: np.ndarray,
) -> bytes:
    """Draw a line for each of a few queries that have a right answer: the query, then what is nearest.

    Args:
        extraction: of the split.
        embedding_names: in joining order.
        query_images_NHWC: RGB uint8, in the order of the extraction's queries.
        gallery_images_NHWC: likewise.

    Returns:
        A PNG.

    Raises:
        ValueError: embeddings are missing or not finite, or no query has a right answer.
    """
    query, images = extraction.query, extraction.gallery
    queries, gallery = (join(side, embedding_names, flip=False) for side in (query, images))
    _, squared_lengths_G = check_comparable(queries, gallery, embedding_names)
    answerable = _answerable(extraction)
    if not answerable:
        raise ValueError("no query has a gallery image of its identity under another camera")
    chosen = [answerable[number] for number in spread_over(len(answerable), NUM_QUERIES)]
    lines: list[list[Tile]] = []
    nearness = Nearness(gallery, squared_lengths_G, "cosine")
    for first, block_QG in nearness.blocks(queries.whole()[chosen]):
        for number, nearness_G in zip(chosen[first:], block_QG.numpy(), strict=False):
            nearest = nearest_images(
                nearness_G, query.pids[number], query.camids[number], images.pids, images.camids, NUM_SHOWN
            )
            shown = zip(nearest.index, nearest.is_right, strict=True)
            lines.append(
                [
                    Tile(query_images_NHWC[number], BLACK),
                    *(
                        Tile(gallery_images_NHWC[index], RIGHT if right else WRONG, is_dashed=not right)
                        for index, right in shown
                    ),
                ]
            )
    return draw_sheet(lines, ["query", *map(str, range(1, NUM_SHOWN + 1))])


def _answerable(extraction: Extraction) -> list[int]:
    """Number the queries that have a right answer under another camera."""
    query, gallery = extraction.query, extraction.gallery
    cameras_of: dict[int, set[int]] = {}
    for pid, camid in zip(gallery.pids.tolist(), gallery.camids.tolist(), strict=True):
        cameras_of.setdefault(pid, set()).add(camid)
    people = zip(query.pids.tolist(), query.camids.tolist(), strict=True)
    return [
        number
        for number, (pid, camid) in enumerate(people)
        if pid not in (JUNK_PID, DISTRACTOR_PID) and cameras_of.get(pid, set()) - {camid}
    ]
