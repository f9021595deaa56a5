"""Classification methods as the orchestrator runs them: data, training, classifying, measuring.

A method gives the network and the losses, as `trainables.training.fitting.Method` says; its config has `data`, a
`FineGrainedData`, beside `seed` and `optimisation`; its network is a `ClassifyingNetwork`.

Legend: N images of a split, B of a batch, C colours, H W height and width in pixels, I classes.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from tablewright.trainables.classification.batches import ClassificationImages
from tablewright.trainables.classification.view import TOP1, ClassificationExtraction, ClassificationView
from tablewright.trainables.contract.cache import CacheNeed
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.memory import StepMemory
from tablewright.trainables.contract.run import CheckpointFolder, Device, FitHooks, Runtime
from tablewright.trainables.contract.size import NetworkSize, TrainingWork
from tablewright.trainables.contract.view import Split, ViewResult
from tablewright.trainables.data.dataset_index import ReadOnce
from tablewright.trainables.data.fine_grained import (
    FineGrainedData,
    FineGrainedDataset,
    TrainSplit,
    load_fine_grained,
    published_num_classes,
)
from tablewright.trainables.data.fine_grained_augment import FineGrainedAugmenter
from tablewright.trainables.data.image_folder import ImageFolder
from tablewright.trainables.data.image_need import need_of
from tablewright.trainables.data.image_shape import ShorterSide
from tablewright.trainables.data.read_ahead import on_its_way, read_ahead
from tablewright.trainables.data.resized_images import (
    CENTRE,
    how_kept,
    images_of,
    open_resized,
    verify_and_resize,
)
from tablewright.trainables.layers.network_size import measure_size
from tablewright.trainables.pictures.attention_overlays import draw_attention
from tablewright.trainables.pictures.choice import NUM_ATTENTION_IMAGES, spread_over
from tablewright.trainables.pictures.panel import ShowsPanels
from tablewright.trainables.training.determinism import derive_seed, find_device, reproducible
from tablewright.trainables.training.fake_step import FakeStep
from tablewright.trainables.training.fitting import fit, load_network
from tablewright.trainables.training.method import Method
from tablewright.trainables.training.numeric_environment import describe_numeric_environment
from tablewright.trainables.training.optimisation import make_optimizer
from tablewright.trainables.training.precision import check_precision, computing_in
from tablewright.trainables.training.smallest_config import SHRINKING, smallest_config
from tablewright.trainables.training.starting_weights import join_weights
from tablewright.trainables.training.step import backpropagate
from tablewright.trainables.training.step_memory import count_step_memory, of_equal_memory
from tablewright.trainables.value.long_work import told

CHECK_NUM_CLASSES, CHECK_NUM_IMAGES = 2, 4
CHECK_MIN_PX = 64  # convolutions need some room
# As many as keep the device busy; more would only take memory.
_BATCH_SIZE = {"cpu": 16, "cuda": 96}
# Probabilities are averaged in float64, of so many images at a time: of all of iNaturalist's at once they and what
# they are made from would take four times the memory of its logits, 2 GB a head.
ROWS_AT_ONCE = 1024


class ClassifyingNetwork(Protocol):
    """A network with one or more heads that classify."""

    training: bool

    def train(self, mode: bool = True) -> object:
        """Switch between training and inference."""
        ...

    def classify(self, images_BCHW: Tensor) -> Mapping[str, Tensor]:
        """Classify images, float 0..255: logits (B, I) by head, as `ClassificationView.logits` names them."""
        ...


@runtime_checkable
class HasInputSizes(Protocol):
    """A config whose network resizes what it is given."""

    def input_sizes(self) -> Mapping[str, int]:
        """Give the sides it resizes to, in pixels, by dotted path."""
        ...


@runtime_checkable
class HasTrainingHeads(Protocol):
    """A config with heads that only its training, and views of their own, read."""

    def answering_heads(self) -> tuple[str, ...]:
        """Name the heads whose answer the paper reports."""
        ...


class ClassificationTrainable:
    """Implements `trainables.contract.method.Trainable` for any classification method. Stateless.

    Args:
        method: its network and losses.
    """

    def __init__(self, method: Method) -> None:
        self._method = method

    def describe_data(self, config: Any, runtime: Runtime) -> DatasetFacts:
        """Find the data set, and the weights the network starts from, which are data as well.

        Raises:
            ValueError: either is not where it is expected, or lists and images do not agree.
        """
        return join_weights(
            _find_dataset(config, runtime).facts(), self._method.weights_files(config, runtime.data_root)
        )

    def prepare_data(self, config: Any, runtime: Runtime) -> None:
        """Decode every image of every split once, into this machine's cache where there is room to.

        Raises:
            ValueError: images cannot be read (all are named), or the device cannot train in the config's
                precision.
        """
        check_precision(config.optimisation.precision, runtime.device)
        verify_and_resize(
            _find_dataset(config, runtime),
            config.data.shorter_side_px,
            runtime.cache_dir,
            runtime.image_cache,
        )

    def cache_needs(self, config: Any, runtime: Runtime) -> list[CacheNeed]:
        """Say what is still to be made ready on this machine, split by split."""
        side_px, dataset = config.data.shorter_side_px, _find_dataset(config, runtime)
        splits = [images_of(dataset, split) for split in dataset.splits]
        needs = [
            need_of(
                split,
                ShorterSide(side_px),
                runtime.cache_dir,
                how_kept(split, side_px, runtime.image_cache),
            )
            for split in splits
        ]
        return [need for need in needs if need is not None]

    def cache_shape(self, config: Any) -> str:
        """Name the shape in which images of a config are kept decoded."""
        return ShorterSide(config.data.shorter_side_px).name

    def fit(self, config: Any, runtime: Runtime, checkpoints: CheckpointFolder, hooks: FitHooks) -> nn.Module:
        """Train; see `trainables.training.fitting.fit`."""
        check_precision(config.optimisation.precision, runtime.device)
        device = find_device(runtime.device)
        dataset = _find_dataset(config, runtime)
        images = ClassificationImages(dataset, config.data, config.seed, runtime, device)
        return fit(self._method, config, images, runtime, checkpoints, hooks)

    def load(self, config: Any, runtime: Runtime, checkpoints: CheckpointFolder) -> nn.Module:
        """Read the final checkpoint back into a network."""
        return load_network(self._method, config, checkpoints, find_device(runtime.device))

    def extract(
        self,
        config: Any,
        runtime: Runtime,
        network: ClassifyingNetwork,
        split: Split,
        views: Sequence[ClassificationView],
    ) -> ClassificationExtraction:
        """Classify the centre crop of every image of a split, in inference mode and the views' precision.

        The network is not changed. Only the heads that `views` ask are kept. A batch is read while the one before
        is classified.

        Raises:
            ValueError: `val` of a data set that was trained on whole; the network has no such head; the device cannot
                compute in that precision.
        """
        precision = views[0].precision
        check_precision(precision, runtime.device, "a view's precision", "another view")
        data: FineGrainedData = config.data
        data.require_split(split)
        dataset = _find_dataset(config, runtime)
        records = dataset.splits[split]
        images = open_resized(
            dataset, split, data.shorter_side_px, runtime.cache_dir, image_cache=runtime.image_cache
        )
        device = find_device(runtime.device)
        batch_size = _BATCH_SIZE[device.type]
        heads = tuple(dict.fromkeys(head for view in views for head in view.logits))
        flip = any(view.flip for view in views)
        upright, mirrored = _SplitLogits(len(records), heads), _SplitLogits(len(records), heads)

        def read(start: int) -> Tensor:
            indices_B = np.arange(start, min(start + batch_size, len(records)))
            crops_BHWC = images.crops(indices_B, np.full((len(indices_B), 2), CENTRE), data.crop_px)
            return on_its_way(torch.from_numpy(crops_BHWC), device)

        starts = range(0, len(records), batch_size)
        was_training = network.training
        network.train(False)
        try:
            with reproducible(device), torch.inference_mode(), computing_in(precision, device.type):
                what = f"classifying {dataset.label} ({split})"
                batches = told(read_ahead(read, starts), what, len(records), lambda _: batch_size)
                for start, images_BHWC in batches:
                    images_BCHW = images_BHWC.to(device, non_blocking=True).movedim(-1, 1).float()
                    upright.write(start, network.classify(images_BCHW))
                    if flip:
                        mirrored.write(start, network.classify(images_BCHW.flip(-1)))
        finally:
            network.train(was_training)
        return ClassificationExtraction(
            split,
            names=tuple(records.names),
            labels=np.array(records.labels_N),
            logits=upright.by_head,
            flipped_logits=mirrored.by_head,
        )

    def measure(
        self, members: Sequence[tuple[Any, ClassificationExtraction]], view: ClassificationView
    ) -> ViewResult:
        """Measure the share of images that are given their class, and what each image was given."""
        return measure_top1([extraction for _, extraction in members], view)

    def illustrate(
        self,
        config: Any,
        runtime: Runtime,
        network: Any,
        extraction: ClassificationExtraction,
    ) -> dict[str, bytes]:
        """Draw `attention` where the method has something to show; PNGs by name."""
        if not isinstance(self._method, ShowsPanels):
            return {}
        data: FineGrainedData = config.data
        dataset = _find_dataset(config, runtime)
        images = open_resized(
            dataset,
            extraction.split,
            data.shorter_side_px,
            runtime.cache_dir,
            image_cache=runtime.image_cache,
        )
        indices_B = np.array(spread_over(len(images), NUM_ATTENTION_IMAGES))
        crops_BHWC = images.crops(indices_B, np.full((len(indices_B), 2), CENTRE), data.crop_px)
        device = find_device(runtime.device)
        attention = draw_attention(self._method, config, network, crops_BHWC, device)
        return {} if attention is None else {"attention": attention}

    def size(self, config: Any) -> NetworkSize:
        """Count the network, with classifiers for the published number of classes, of whichever data set has one.

        At inference it is what the answering heads read, where the config names some.
        """
        data: FineGrainedData = config.data

        def infer(network: Any, images_BCHW: Tensor) -> Mapping[str, Tensor]:
            logits: Mapping[str, Tensor] = network.classify(images_BCHW)
            heads = config.answering_heads() if isinstance(config, HasTrainingHeads) else tuple(logits)
            return {head: logits[head] for head in heads}

        num_classes, classes_from = published_num_classes(data.dataset)
        size = measure_size(
            lambda: self._method.build_network(config, num_classes, {}),
            infer,
            (1, 3, data.crop_px, data.crop_px),
        )
        return dataclasses.replace(size, classes_from=classes_from)

    def work(self, config: Any, data: DatasetFacts) -> TrainingWork | None:
        """Count what a whole training computes."""
        if "train" not in data.num_images:
            return None
        images_per_step = config.data.batch_size
        num_steps = data.num_images["train"] // images_per_step
        num_images = num_steps * images_per_step * config.optimisation.num_epochs
        return TrainingWork.of_network(self.size(config), num_images, config.optimisation.precision)

    def of_equal_memory(self, config: Any) -> Any:
        """Give the config that stands for all that differ from it in seed and schedule alone."""
        return of_equal_memory(config)

    def step_memory(self, config: Any) -> StepMemory:
        """Count what a step takes of a GPU's memory; see `trainables.training.step_memory`."""
        data: FineGrainedData = config.data
        num_classes, _ = published_num_classes(data.dataset)
        shape = (data.batch_size, 3, data.crop_px, data.crop_px)
        return count_step_memory(FakeStep(self._method, config, num_classes, shape))

    def numeric_environment(self, device: Device) -> dict[str, str]:
        """Name what the last digits depend on; see `trainables.training.numeric_environment`."""
        return describe_numeric_environment(device)

    def check(self, config: Any, runtime: Runtime) -> None:
        """Make one step, augmentation included, on a few small random images, on the CPU in float32.

        Published weights are not read: they may be on other machines only. Images are as small as the
        config's own checks allow.
        """
        small = smallest_config(config, _smaller_sizes(config))
        with reproducible(torch.device("cpu"), derive_seed(config.seed, "network")):
            network = self._method.build_network(small, CHECK_NUM_CLASSES, {}).train()
            optimizer = make_optimizer(small.optimisation, network.parameters())
            generator = torch.Generator().manual_seed(derive_seed(config.seed, "augmentation"))
            shape = (CHECK_NUM_IMAGES, 3, small.data.crop_px, small.data.crop_px)
            images_BCHW = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
            augmented_BCHW = FineGrainedAugmenter(small.data.augmentation)(images_BCHW, generator)
            backpropagate(
                self._method,
                small,
                network,
                torch.amp.GradScaler("cpu", enabled=False),
                [augmented_BCHW],
                [torch.arange(CHECK_NUM_IMAGES) % CHECK_NUM_CLASSES],
                epoch=0,
            )
            optimizer.step()


def measure_top1(extractions: Sequence[ClassificationExtraction], view: ClassificationView) -> ViewResult:
    """Measure one view.

    The probabilities of the heads the view names, of the mirror images where it asks for them, and of all members
    of an ensemble are averaged. Of classes that are equally probable the first one is the prediction.

    Args:
        extractions: of the view's split, one a member.
        view: how to measure.

    Raises:
        ValueError: a head is missing, or its logits are not finite; members saw different images.
    """
    first = extractions[0]
    if any(
        other.names != first.names or not np.array_equal(other.labels, first.labels) for other in extractions
    ):
        raise ValueError(
            f"an ensemble averages what its members say of the same images, and they saw different ones in "
            f"{view.split!r}; its trainings need one data set and one data.train_split"
        )
    sources = list(_sources(extractions, view))
    chunks = [slice(start, start + ROWS_AT_ONCE) for start in range(0, len(first.labels), ROWS_AT_ONCE)]
    for logits_NI, what in sources:
        num_bad = sum(int((~np.isfinite(logits_NI[rows])).any(1).sum()) for rows in chunks)
        if num_bad:
            raise ValueError(
                f"the logits {what} of {num_bad} of {len(logits_NI)} images are not finite; "
                "the training has diverged: lower optimisation.base_lr"
            )
    predicted_N = np.zeros(len(first.labels), dtype=np.int64)
    for rows in chunks:
        sum_nI = np.zeros(())
        for logits_NI, _ in sources:
            sum_nI = sum_nI + _softmax(logits_NI[rows].astype(np.float64))
        predicted_N[rows] = sum_nI.argmax(1)
    is_correct_N = predicted_N == first.labels
    per_image = {
        "name": np.array(first.names),
        "label": first.labels,
        "predicted": predicted_N,
        "is_correct": is_correct_N,
    }
    num_classes = sources[0][0].shape[1]
    num_empty = num_classes - len(np.unique(first.labels))
    return ViewResult(
        {TOP1.name: float(is_correct_N.mean())},
        per_image,
        "images",
        {"classes without an image": num_empty} if num_empty else {},
    )


def _sources(
    extractions: Sequence[ClassificationExtraction], view: ClassificationView
) -> Iterator[tuple[np.ndarray, str]]:
    """Yield all logits (N, I) that a view averages, each with what they are of."""
    for extraction in extractions:
        sides = [(extraction.logits, "")]
        sides += [(extraction.flipped_logits, " of mirror images")] if view.flip else []
        for logits, side in sides:
            for head in view.logits:
                if head not in logits:
                    raise ValueError(
                        f"there are no logits {head!r}{side}; there are {', '.join(logits) or 'none'}"
                    )
                yield logits[head], f"{head!r}{side}"


def _softmax(logits_NI: np.ndarray) -> np.ndarray:
    exponentials_NI = np.exp(logits_NI - logits_NI.max(1, keepdims=True))
    return exponentials_NI / exponentials_NI.sum(1, keepdims=True)


class _SplitLogits:
    """The logits of a split, written batch by batch; of heads that nobody asks nothing is kept.

    Args:
        num_images: N.
        heads: which are kept.

    Attributes:
        by_head: float32 (N, I).
    """

    def __init__(self, num_images: int, heads: Sequence[str]) -> None:
        self._num_images, self._heads = num_images, heads
        self.by_head: dict[str, np.ndarray] = {}

    def write(self, start: int, logits: Mapping[str, Tensor]) -> None:
        """Take the batch of the images from `start` on."""
        absent = [head for head in self._heads if head not in logits]
        if absent:
            raise ValueError(
                f"a view asks the heads {', '.join(absent)}, which the network has not; it has {', '.join(logits)}"
            )
        for head in self._heads:
            logits_BI = logits[head].float().cpu().numpy()
            if head not in self.by_head:
                shape = (self._num_images, logits_BI.shape[1])
                self.by_head[head] = np.empty(shape, dtype=np.float32)
            self.by_head[head][start : start + len(logits_BI)] = logits_BI


def _find_dataset(config: Any, runtime: Runtime) -> FineGrainedDataset:
    data: FineGrainedData = config.data
    once = _load_once(data.dataset, runtime.data_root, runtime.cache_dir, data.train_split)
    return once(looks_at_folders_alone=runtime.data_were_seen)


@functools.lru_cache(maxsize=16)
def _load_once(
    dataset: str | ImageFolder, data_root: str | None, cache_dir: str, train_split: TrainSplit
) -> ReadOnce[FineGrainedDataset]:
    """Read a data set's lists once a process: a plan asks once a config, and iNaturalist's take a minute."""

    def read(looks_at_folders_alone: bool) -> FineGrainedDataset:
        return load_fine_grained(
            dataset,
            data_root,
            cache_dir,
            train_split=train_split,
            looks_at_folders_alone=looks_at_folders_alone,
        )

    return ReadOnce(read)


def _smaller_sizes(config: Any) -> Iterator[dict[str, int]]:
    """Divide the sides of stored images, and of what the network makes of them where the config says so."""
    data: FineGrainedData = config.data
    for divisor in SHRINKING:
        if data.crop_px // divisor >= CHECK_MIN_PX:
            inner = config.input_sizes() if isinstance(config, HasInputSizes) else {}
            yield {
                "data.crop_px": data.crop_px // divisor,
                "data.shorter_side_px": max(data.shorter_side_px // divisor, data.crop_px // divisor),
                **{path: max(side // divisor, CHECK_MIN_PX) for path, side in inner.items()},
            }
    yield {"data.crop_px": data.crop_px, "data.shorter_side_px": data.shorter_side_px}
