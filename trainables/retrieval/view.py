"""One way to measure embeddings: by retrieval, and the metrics that this gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.precision import Precision, refuse_without_gpu
from tablewright.trainables.contract.run import Device
from tablewright.trainables.contract.view import EvaluationView
from tablewright.trainables.value.frozen_model import FrozenModel

MAP = Metric("map", "mAP")

RANK1 = Metric("rank1", "Rank-1")

RANK5 = Metric("rank5", "Rank-5")

RANK10 = Metric("rank10", "Rank-10")

MINP = Metric("minp", "mINP")

MRR = Metric("mrr", "MRR")

RETRIEVAL_METRICS: tuple[Metric, ...] = (MAP, RANK1, RANK5, RANK10, MINP)

SINGLE_SHOT_METRICS: tuple[Metric, ...] = (MRR, RANK1, RANK5, RANK10)
"""With one right answer there is no precision to average: what is left is the mean of one over its rank."""


RETRIEVAL_PICTURE = "retrieval"
"""Name of the picture that shows queries with the images that are nearest to them."""
STRIP_CAPTION = (
    "the nearest gallery images by cosine distance of all embeddings joined, single query, no flip averaging, no "
    "re-ranking; solid blue frames are right, dashed red ones wrong"
)


class Reranking(FrozenModel):
    """k-reciprocal re-ranking (Zhong et al., CVPR 2017, Sec. 3) and its three constants."""

    k1: int = Field(default=20, ge=1)
    k2: int = Field(default=6, ge=1)
    original_distance_weight: float = Field(default=0.3, ge=0, le=1)


class RetrievalView(EvaluationView):
    """One way to measure trained weights by retrieval.

    Attributes:
        embeddings: names, or names of groups, that the config offers; joined in the config's order, as the
            network gives them. The cosine distance normalises the joined embedding as a whole, the Euclidean one
            nothing.
        query: one image a query, or the mean of all images a query's person has under its camera; see
            `trainables.retrieval.multiple_query` for which these are.
        gallery: all images, or one random image of each person under other cameras than the query's, whose metrics
            are others; see `trainables.retrieval.single_shot`.
        distance: `cosine` is 1 - cos, `euclidean` the plain (not squared) distance.
        flip: average the embeddings of an image and of its mirror image.
        reranking: None is off.
        precision: in which the network embeds; distances are made in float32.
    """

    KIND: ClassVar[str] = "retrieval"
    NAMED_FIELDS: ClassVar[tuple[str, ...]] = ("embeddings",)

    flip: bool = False
    embeddings: tuple[str, ...] = ("all",)
    query: Literal["single", "multiple"] = "single"
    gallery: Literal["all", "single_shot"] = "all"
    distance: Literal["cosine", "euclidean"] = "cosine"
    reranking: Reranking | None = None
    precision: Precision = "fp32"

    @field_validator("embeddings")
    @classmethod
    def _name_at_least_one(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not names or len(set(names)) != len(names):
            raise ValueError(f"a view joins one or more different embeddings, got {list(names)}")
        return names

    @model_validator(mode="after")
    def _rerank_whole_galleries(self) -> RetrievalView:
        if self.gallery == "single_shot" and self.reranking is not None:
            raise ValueError(
                "gallery='single_shot' leaves no neighbours to re-rank by; set reranking=None or gallery='all'"
            )
        return self

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What measuring this view gives."""
        return SINGLE_SHOT_METRICS if self.gallery == "single_shot" else RETRIEVAL_METRICS

    def in_todays_names(self, recorded: Mapping[str, float]) -> Mapping[str, float]:
        """Give a record under today's names: the mean reciprocal rank was once called `map`, and `minp` too."""
        if self.gallery != "single_shot" or MRR.name in recorded or MAP.name not in recorded:
            return recorded
        return {
            (MRR.name if name == MAP.name else name): recorded[name] for name in recorded if name != MINP.name
        }

    @property
    def reads(self) -> tuple[str, ...]:
        """Queries and gallery; of multiple queries the images that they are made of as well."""
        front = "" if self.split == "test" else f"{self.split}_"
        sides = ("query", "gallery", *(["multiple_query"] if self.query == "multiple" else []))
        return tuple(f"{front}{side}" for side in sides)

    @property
    def extracted_in(self) -> str:
        """The precision, in which the network is run over the split."""
        return self.precision

    def check_device(self, device: Device) -> None:
        """Refuse a precision that a device has not."""
        refuse_without_gpu(self.precision, device, "a view's precision", "another view")

    @property
    def cluster_column(self) -> str:
        """Queries of one person: they show the same clothes and have the same right images."""
        return "pid"

    def item_scores(self, metric: Metric, items: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Average precision and the like, or whether a right image is among the first k."""
        column_of = {MAP: "average_precision", MINP: "inverse_negative_penalty", MRR: "reciprocal_rank"}
        for of_items, column in column_of.items():
            if metric.name == of_items.name:
                return items.get(column)
        k = {RANK1.name: 1, RANK5.name: 5, RANK10.name: 10}.get(metric.name)
        ranks = self.match_ranks(items)
        return None if k is None or ranks is None else (ranks <= k).astype(np.float64)

    def match_ranks(self, items: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Those of all queries; over many draws of a gallery only the mean rank is kept, and no share within a rank."""
        return None if self.gallery == "single_shot" else items.get("first_match_rank")

    def caption_of(self, picture: str) -> str | None:
        """Say by what a strip of retrieved images is ranked, where that is what this view measures.

        Its distance and flip averaging may be others, which the caption names.
        """
        if picture != RETRIEVAL_PICTURE:
            return ""
        is_ranked_alike = self.query == "single" and self.gallery == "all" and self.reranking is None
        return STRIP_CAPTION if is_ranked_alike else None

    @property
    def protocol(self) -> str:
        """Say in words how it measures, its embeddings left out."""
        reranking = self.reranking
        return ", ".join(
            [
                f"{self.query} query",
                *(["one random gallery image a person"] if self.gallery == "single_shot" else []),
                f"{self.distance} distance",
                "flip averaging" if self.flip else "no flip averaging",
                "no re-ranking"
                if reranking is None
                else f"k-reciprocal re-ranking (k1 {reranking.k1}, k2 {reranking.k2}, "
                f"weight of the original distance {reranking.original_distance_weight:g})",
                *([] if self.precision == "fp32" else [f"embedded in {self.precision}"]),
                f"{self.split} split",
            ]
        )
