"""What a method promises to the rest of the system: its config, its views, its metrics, its verbs.

This is the one module of `trainables` that the orchestrator and the reports may import. It holds
no tensor and imports no torch, so that a plan can be made on a machine that could not train it.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Annotated, Any, BinaryIO, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from pydantic import BaseModel, Field, field_validator, model_validator

from trainables.name_list import some
from trainables.value.declaration import Declaration
from trainables.value.frozen_model import FrozenModel
from trainables.value.text import Label

Split = Literal["val", "test"]
Device = Literal["cpu", "cuda"]

SEED_LIMIT = 2**32
"""Seeds lie below it: what numpy's older generators and torch's all take."""

Seed = Annotated[int, Field(ge=0, lt=SEED_LIMIT)]

KIND_FIELD = "kind"
"""Tells the members of a union apart, so it is written even at its default."""


def canonical(value: Any) -> Any:
    """Turn a config into the JSON value that its id, and the digest in its checkpoints, are made of.

    A field at its declared default is left out, so that adding a field leaves old ids as they are.
    Changing a default must therefore raise the method's VERSION; a test pins the defaults.
    """
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        return {
            name: canonical(getattr(value, name))
            for name, declared in sorted(fields.items())
            if name == KIND_FIELD or getattr(value, name) != declared.get_default(call_default_factory=True)
        }
    if isinstance(value, dict):
        return {str(key): canonical(item) for key, item in sorted(value.items())}  # pyright: ignore
    if isinstance(value, (list, tuple)):
        return [canonical(item) for item in value]  # pyright: ignore
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(
        f"a config holds numbers, strings, booleans, lists and models; got {type(value).__name__}"
    )


@dataclass(frozen=True)
class Metric(Declaration):
    """One measured quantity: how it is named in records and how it is printed.

    Attributes:
        name: key in records and published numbers, such as `map`.
        label: column head in a table, such as `mAP`.
        higher_is_better: decides which value is set in bold.
        digits: digits behind the decimal point in print.
        is_fraction: stored in [0, 1] and printed in percent.
    """

    name: Label
    label: Label
    higher_is_better: bool = True
    digits: Annotated[int, Field(ge=0, le=10)] = 1
    is_fraction: bool = True


MAP = Metric("map", "mAP")
RANK1 = Metric("rank1", "Rank-1")
RANK5 = Metric("rank5", "Rank-5")
RANK10 = Metric("rank10", "Rank-10")
MINP = Metric("minp", "mINP")
MRR = Metric("mrr", "MRR")
TOP1 = Metric("top1", "Top-1")
PARAMETERS = Metric("parameters", "Parameters, M", higher_is_better=False, digits=2, is_fraction=False)
INFERENCE_PARAMETERS = Metric(
    "inference_parameters", "at inference, M", higher_is_better=False, digits=2, is_fraction=False
)
FLOPS = Metric("flops", "FLOPs, G", higher_is_better=False, digits=3, is_fraction=False)
DEPTH = Metric("depth", "Depth", higher_is_better=False, digits=0, is_fraction=False)
SIZE_METRICS: tuple[Metric, ...] = (PARAMETERS, INFERENCE_PARAMETERS, FLOPS, DEPTH)
RETRIEVAL_METRICS: tuple[Metric, ...] = (MAP, RANK1, RANK5, RANK10, MINP)
SINGLE_SHOT_METRICS: tuple[Metric, ...] = (MRR, RANK1, RANK5, RANK10)
"""With one right answer there is no precision to average: what is left is the mean of one over its rank."""


class Reranking(FrozenModel):
    """k-reciprocal re-ranking (Zhong et al., CVPR 2017, Sec. 3) and its three constants."""

    k1: int = Field(default=20, ge=1)
    k2: int = Field(default=6, ge=1)
    original_distance_weight: float = Field(default=0.3, ge=0, le=1)


class EvaluationView(FrozenModel, abc.ABC):
    """One way to measure trained weights. A view never causes a training.

    Attributes:
        split: `val` while searching, `test` for tables only.
        flip: whether mirror images are extracted too.
    """

    KIND: ClassVar[str]

    split: Split = "test"
    flip: bool = False

    @property
    @abc.abstractmethod
    def metrics(self) -> tuple[Metric, ...]:
        """What measuring this view gives."""

    def in_todays_names(self, recorded: Mapping[str, float]) -> Mapping[str, float]:
        """Give what a record of this view holds under the names that `metrics` has; others stay as they are.

        Args:
            recorded: by name, as it was recorded, today or by an earlier version.
        """
        return recorded

    @property
    @abc.abstractmethod
    def parts(self) -> tuple[str, ...]:
        """Name the outputs of the network that it reads: embeddings, or heads that classify."""

    @property
    @abc.abstractmethod
    def protocol(self) -> str:
        """Say in words how it measures, its parts left out: what must agree down a column."""

    @property
    def reads(self) -> tuple[str, ...]:
        """Name the splits of the data set that it measures on, as `DatasetFacts.split_fingerprints` does."""
        return (self.split,)

    @property
    def cluster_column(self) -> str:
        """Column of the table of items whose equal values tell which items hang together; empty where none do."""
        return ""

    def item_scores(self, metric: Metric, items: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Give each item's part in a metric, which is their mean; None where the table of items does not tell.

        Args:
            metric: of `metrics`.
            items: columns of the table of items as `ViewResult.per_query` has them, without those left out.
        """
        return None


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
    """

    KIND: ClassVar[str] = "retrieval"

    embeddings: tuple[str, ...] = ("all",)
    query: Literal["single", "multiple"] = "single"
    gallery: Literal["all", "single_shot"] = "all"
    distance: Literal["cosine", "euclidean"] = "cosine"
    reranking: Reranking | None = None

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
    def parts(self) -> tuple[str, ...]:
        """Name the embeddings, or groups of them."""
        return self.embeddings

    @property
    def reads(self) -> tuple[str, ...]:
        """Queries and gallery; of multiple queries the images that they are made of as well."""
        front = "" if self.split == "test" else f"{self.split}_"
        sides = ("query", "gallery", *(["multiple_query"] if self.query == "multiple" else []))
        return tuple(f"{front}{side}" for side in sides)

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
        if k is None or "first_match_rank" not in items or self.gallery == "single_shot":
            return None  # over many draws of a gallery only the mean rank is kept
        return (items["first_match_rank"] <= k).astype(np.float64)

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
                f"{self.split} split",
            ]
        )


class ClassificationView(EvaluationView):
    """One way to measure trained weights by the share of images that are given their class.

    Attributes:
        logits: names of the heads that are asked; the probabilities of several are averaged.
    """

    KIND: ClassVar[str] = "classification"

    logits: tuple[str, ...] = ("master",)

    @field_validator("logits")
    @classmethod
    def _name_at_least_one(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not names or len(set(names)) != len(names):
            raise ValueError(f"a view asks one or more different heads, got {list(names)}")
        return names

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What measuring this view gives."""
        return (TOP1,)

    @property
    def parts(self) -> tuple[str, ...]:
        """Name the heads."""
        return self.logits

    @property
    def cluster_column(self) -> str:
        """Images of one class, which a network takes for the same others."""
        return "label"

    def item_scores(self, metric: Metric, items: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Whether an image is given its class."""
        is_correct = items.get("is_correct") if metric.name == TOP1.name else None
        return None if is_correct is None else is_correct.astype(np.float64)

    @property
    def protocol(self) -> str:
        """Say in words how it measures, its heads left out."""
        return f"{'image and mirror image' if self.flip else 'single crop'}, {self.split} split"


AnyView = RetrievalView | ClassificationView


@dataclass(frozen=True)
class Runtime:
    """Settings of one machine that cannot change a weight, and so are in no identity.

    Attributes:
        data_root: folder that holds the published data sets; None where only embedded data is used.
        cache_dir: where this machine keeps decoded images; shared by its trainings.
        device: what trainings run on; the machine that plans them may have none of it.
        checkpoint_every_s: longest time of training that a crash may cost.
    """

    data_root: str | None
    cache_dir: str
    device: Device = "cpu"
    checkpoint_every_s: float = 60.0


@dataclass(frozen=True)
class StartingWeights:
    """The file that a part of a network started from, and what of either went unused.

    Attributes:
        part: of the network.
        file: its name, without the folder.
        sha256: of the file.
        fresh: entries of the part that the file did not give, by an exception that the network names.
        unused: entries of the file that went nowhere, likewise.
        remarks: what else is to be known of it, one sentence each without the final stop.
    """

    part: str
    file: str
    sha256: str
    fresh: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def describe(self) -> str:
        """Say it in one line, with the first few names of many."""
        lists = [
            f"{what}: {len(names)} ({some(names, 3)})"
            for names, what in ((self.fresh, "starting fresh"), (self.unused, "unused of the file"))
            if names
        ]
        return "; ".join([f"{self.part}: {self.file}, SHA-256 {self.sha256[:8]}", *lists, *self.remarks])


@dataclass(frozen=True)
class DatasetFacts:
    """What a plan and a caption need to know of a data set that was found on disk.

    What trains and what is measured on have fingerprints of their own, so that images which are only measured
    on may be added or changed without making anything train again.

    Attributes:
        name: as configs name it, such as `market1501`.
        label: as papers print it, such as `Market-1501`.
        fingerprint: SHA-256 of all that changes the weights: the images that are trained on, and the weights
            that a network starts from; part of every training id.
        is_demo: numbers on it are not comparable with any paper.
        num_images: images by split.
        warnings: what differs from the published data set, and what a reader is to know of the starting weights; one
            sentence each.
        files_fingerprint: that of the images alone; empty where nothing else is in the fingerprint.
        split_fingerprints: SHA-256 by split, as `EvaluationView.reads` names them. A method that gives none has
            everything in `fingerprint`.
        earlier_fingerprints: what earlier versions of this program took for `fingerprint`, each with the splits
            that were in it: records of theirs are found by it.
        starting_weights: of each part of the network that starts from a file.
    """

    name: str
    label: str
    fingerprint: str
    is_demo: bool
    num_images: Mapping[str, int]
    warnings: tuple[str, ...] = ()
    files_fingerprint: str = ""
    split_fingerprints: Mapping[str, str] = field(default_factory=dict[str, str])
    earlier_fingerprints: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    starting_weights: tuple[StartingWeights, ...] = ()

    def measured_on(self, view: EvaluationView) -> dict[str, str]:
        """Give the fingerprints of the splits that a view reads, of those that are there."""
        known = self.split_fingerprints
        return {name: known[name] for name in view.reads if name in known}

    def is_measured_like(self, other: DatasetFacts, view: EvaluationView) -> bool:
        """Say whether rows on both may stand in one column, whatever they were trained on."""
        ours, theirs = self.measured_on(view), other.measured_on(view)
        if ours and theirs:
            return ours == theirs
        # A record of an earlier version, or a method that tells nothing apart: all files must agree.
        ours, theirs = (facts.files_fingerprint or facts.fingerprint for facts in (self, other))
        return ours == theirs


@dataclass(frozen=True)
class EpochReport:
    """Progress of a training at the end of an epoch.

    Attributes:
        epoch: epochs completed, from 1 on.
        num_epochs: epochs of the whole training.
        metrics: means over the epoch, `loss` among them.
        wall_s: time the epoch took on this machine.
    """

    epoch: int
    num_epochs: int
    metrics: Mapping[str, float]
    wall_s: float


@dataclass(frozen=True)
class NetworkSize:
    """What a network takes, counted without building it in memory.

    Attributes:
        parameters: of training, with the classifiers of as many classes as the data set has published.
        inference_parameters: those that embedding or classifying an image reads.
        multiply_adds: of the convolutions and linear layers for one image at inference.
        depth: the most of these layers that follow one another.
        classes_from: whose number of classes was taken, such as "Market-1501's 751 people", where none is published
            of the config's own data set; empty where one is.
    """

    parameters: int
    inference_parameters: int
    multiply_adds: int
    depth: int
    classes_from: str = ""


class CheckpointFolder(Protocol):
    """Where one training keeps its state. Writing is atomic: a reader sees all of a file or none."""

    @property
    def url(self) -> str:
        """Say where it is, for messages."""
        ...

    def exists(self, name: str) -> bool:
        """Say whether a complete file of that name is there."""
        ...

    def open_to_read(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open a complete file."""
        ...

    def open_to_write(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open a file that appears under its name only when the context ends without error."""
        ...


RESUME_CHECKPOINT = "resume.pt"
"""Everything that continuing needs: weights, optimizer, schedule, scaler, sampler, generators."""
FINAL_CHECKPOINT = "final.pt"
"""The weights of the last epoch; what views added later are measured on."""


class TrainingStopped(Exception):
    """A training was asked to stop; its resume checkpoint is written."""


@dataclass(frozen=True)
class FitHooks:
    """How a training talks to whoever runs it.

    Attributes:
        on_epoch: called when an epoch ends, before a checkpoint that counts it is written, so that no
            report is lost by a crash; an epoch repeated after one reports the same again. Gets the
            network too, to measure it between epochs. It may raise `TrainingStopped`.
        should_stop: asked every step; when true the training writes its checkpoint and raises
            `TrainingStopped`.
    """

    on_epoch: Callable[[EpochReport, Any], None] = lambda report, network: None
    should_stop: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class ImageSet:
    """The images of one side of a retrieval: N of them.

    Attributes:
        names: relative paths, (N,).
        pids: -1 is junk, 0 a distractor, (N,) int64.
        camids: (N,) int64.
        embeddings: by name, float32 (N, D), as the network gives them; see `RetrievalView.embeddings`.
        flipped_embeddings: the same for mirror images; empty where no view asked for them.
    """

    names: tuple[str, ...]
    pids: np.ndarray
    camids: np.ndarray
    embeddings: Mapping[str, np.ndarray]
    flipped_embeddings: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Extraction:
    """What a trained network says of one split; every view of that split is measured from it.

    Attributes:
        split: of the data set.
        query: one image a query.
        gallery: what is searched.
        multiple_query: the images that a multiple query is the mean of, where the data set names some.
    """

    split: Split
    query: ImageSet
    gallery: ImageSet
    multiple_query: ImageSet | None = None


@dataclass(frozen=True)
class ClassificationExtraction:
    """What a trained network says of the N images of one split.

    Attributes:
        names: relative paths, (N,).
        labels: true classes, (N,) int64.
        logits: float32 (N, classes) by head, of the heads that views ask.
        flipped_logits: the same for mirror images; empty where no view asked for them.
    """

    split: Split
    names: tuple[str, ...]
    labels: np.ndarray
    logits: Mapping[str, np.ndarray]
    flipped_logits: Mapping[str, np.ndarray] = field(default_factory=dict)


AnyExtraction = Extraction | ClassificationExtraction


LEFT_OUT = "left_out"
"""Column of a per-item table: why an item was not measured; empty for one that was."""


@dataclass(frozen=True)
class ViewResult:
    """A view measured.

    Attributes:
        metrics: fractions, means over the items measured.
        per_query: columns of the table of items, the ones that were left out among them, with the reason in the
            column `LEFT_OUT`. Without that column every item was measured.
        items: what one row of it is, in the plural, such as `queries` or `images`.
        left_out: further things that are not in any mean, reason -> how many, such as classes without an image.
    """

    metrics: Mapping[str, float]
    per_query: Mapping[str, np.ndarray]
    items: str = "items"
    left_out: Mapping[str, int] = field(default_factory=dict[str, int])


class Trainable(Protocol):
    """A method, ready to be run. Stateless: everything it needs is in its arguments."""

    def describe_data(self, config: Any, runtime: Runtime) -> DatasetFacts:
        """Find the config's data set. Raises ValueError naming folders expected and found."""
        ...

    def prepare_data(self, config: Any, runtime: Runtime) -> None:
        """Decode every image once into this machine's cache; ValueError names unreadable ones."""
        ...

    def fit(self, config: Any, runtime: Runtime, checkpoints: CheckpointFolder, hooks: FitHooks) -> Any:
        """Train from the last checkpoint, or from the start; returns the trained network."""
        ...

    def load(self, config: Any, runtime: Runtime, checkpoints: CheckpointFolder) -> Any:
        """Read the final checkpoint back into a network."""
        ...

    def extract(
        self,
        config: Any,
        runtime: Runtime,
        network: Any,
        split: Split,
        *,
        flip: bool,
        parts: Sequence[str],
    ) -> AnyExtraction:
        """Embed (or classify) every image of a split, in inference mode, without changing the network.

        Args:
            config: of the training.
            runtime: settings of this machine.
            network: the trained one.
            split: whose images.
            flip: whether mirror images are extracted too.
            parts: of the views that will be measured; others may be left out.
        """
        ...

    def measure(self, members: Sequence[tuple[Any, Any]], view: Any) -> ViewResult:
        """Measure one view from extractions of its split.

        Args:
            members: a training's config and its extraction; several where an ensemble is measured.
            view: how to measure.

        Raises:
            ValueError: the members of an ensemble saw different images.
        """
        ...

    def illustrate(self, config: Any, runtime: Runtime, network: Any, extraction: Any) -> Mapping[str, bytes]:
        """Draw what people look for beside the numbers, from the extraction of the `test` split.

        Returns:
            PNGs by name, such as `attention` or `retrieval`; small, and the same bytes for equal weights.
        """
        ...

    def size(self, config: Any) -> NetworkSize:
        """Count the network of a config; nothing is computed and no memory taken."""
        ...

    def check(self, config: Any) -> None:
        """Make one optimisation step on tiny random inputs; raises what a training would raise."""
        ...


@runtime_checkable
class DescribesEnvironment(Protocol):
    """A method that can say what its last digits depend on beside config, seed and code."""

    def numeric_environment(self, device: Device) -> Mapping[str, str]:
        """Name the processor, the libraries and whatever else decides the last digits on a device; short texts."""
        ...


class TrainingConfig(FrozenModel, abc.ABC):
    """Everything that changes the weights of one training, and nothing else.

    A method subclasses it, names itself in METHOD, and raises VERSION whenever its code changes what
    an equal config would train to. A component that can be off is an optional field, and None is the
    only spelling of off.
    """

    METHOD: ClassVar[str]
    VERSION: ClassVar[int]

    seed: Seed = 0

    @abc.abstractmethod
    def make_trainable(self) -> Trainable:
        """Give the method that this config configures."""

    def as_trained(self) -> TrainingConfig:
        """Give the config of the training that makes these weights: of fields that only measure, the plain value.

        Two configs that are equal in it are one training, measured twice.
        """
        return self

    @property
    @abc.abstractmethod
    def dataset(self) -> str:
        """Name of the data set it trains and is measured on."""

    @property
    @abc.abstractmethod
    def num_epochs(self) -> int:
        """Length of the whole training."""

    @abc.abstractmethod
    def check_view(self, view: EvaluationView) -> None:
        """Refuse a view that cannot be measured on this training, before it is trained.

        Raises:
            ValueError: what is wrong, and what to set.
        """


class EmbeddingConfig(TrainingConfig):
    """The config of a method that embeds images, so that they can be retrieved."""

    @abc.abstractmethod
    def embedding_widths(self) -> dict[str, int]:
        """Name the embeddings offered under this configuration, with their widths, in joining order."""

    @abc.abstractmethod
    def embedding_groups(self) -> dict[str, tuple[str, ...]]:
        """Name the groups a view may ask for; `all` is always one."""

    def check_view(self, view: EvaluationView) -> None:
        """Refuse a view of another kind, or of an embedding that this configuration does not offer."""
        if not isinstance(view, RetrievalView):
            raise ValueError(
                f"{self.METHOD} embeds images and is measured by retrieval, got a {view.KIND} view; "
                "give a RetrievalView"
            )
        self.resolve_embeddings(view.embeddings)

    def resolve_embeddings(self, names: Sequence[str]) -> tuple[str, ...]:
        """Spell out groups and put the embeddings of a view into joining order.

        Raises:
            ValueError: a name is neither an embedding nor a group of this configuration.
        """
        widths, groups = self.embedding_widths(), self.embedding_groups()
        unknown = [name for name in names if name not in widths and name not in groups]
        if unknown:
            raise ValueError(
                f"{self.METHOD} offers no embedding {', '.join(map(repr, unknown))} "
                f"under this configuration; it offers {', '.join(widths)} and the groups {', '.join(groups)}"
            )
        chosen = {member for name in names for member in groups.get(name, (name,))}
        return tuple(name for name in widths if name in chosen)
