"""Re-identification methods as the orchestrator runs them: data, training, embedding, measuring.

Legend: R ranks, B images of a rank, C channels, H W height and width in pixels.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tablewright.trainables.contract.cache import CacheNeed
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.memory import StepMemory
from tablewright.trainables.contract.run import CheckpointFolder, Device, FitHooks, Runtime
from tablewright.trainables.contract.size import NetworkSize, TrainingWork
from tablewright.trainables.contract.view import Split, ViewResult
from tablewright.trainables.data.dataset_index import ReadOnce
from tablewright.trainables.data.image_need import need_of
from tablewright.trainables.data.image_shape import FixedSize
from tablewright.trainables.data.reid import (
    ReidData,
    ReidDataset,
    TrainSplit,
    load_dataset,
    published_num_pids,
)
from tablewright.trainables.data.reid_augment import TrainAugmenter
from tablewright.trainables.data.reid_cache import images_of, open_cache, verify_and_build
from tablewright.trainables.data.reid_folder import ReidFolder
from tablewright.trainables.layers.network_size import measure_size
from tablewright.trainables.pictures.attention_overlays import draw_attention
from tablewright.trainables.pictures.choice import NUM_ATTENTION_IMAGES, spread_over
from tablewright.trainables.pictures.panel import ShowsPanels
from tablewright.trainables.pictures.retrieval_strips import draw_retrieval_strips
from tablewright.trainables.reidentification.batches import TrainingImages
from tablewright.trainables.reidentification.extraction import ImageSize, embed_side
from tablewright.trainables.retrieval.embedded import Extraction
from tablewright.trainables.retrieval.ensemble import join_extractions
from tablewright.trainables.retrieval.measurement import measure_view
from tablewright.trainables.retrieval.view import RetrievalView
from tablewright.trainables.training.determinism import derive_seed, find_device, reproducible
from tablewright.trainables.training.fake_step import FakeStep
from tablewright.trainables.training.fitting import fit, load_network
from tablewright.trainables.training.method import Method
from tablewright.trainables.training.numeric_environment import describe_numeric_environment
from tablewright.trainables.training.optimisation import make_optimizer
from tablewright.trainables.training.precision import check_precision
from tablewright.trainables.training.process_group import check_ranks
from tablewright.trainables.training.smallest_config import SHRINKING, smallest_config
from tablewright.trainables.training.starting_weights import join_weights
from tablewright.trainables.training.step import backpropagate
from tablewright.trainables.training.step_memory import count_step_memory, of_equal_memory

CHECK_NUM_PIDS, CHECK_NUM_INSTANCES = 2, 2
CHECK_MIN_HEIGHT_PX, CHECK_MIN_WIDTH_PX = 64, 32  # convolutions need some room


class ReidTrainable:
    """Implements `trainables.contract.method.Trainable` for any re-identification method. Stateless.

    Args:
        method: its network and losses.
    """

    def __init__(self, method: Method) -> None:
        self._method = method

    def describe_data(self, config: Any, runtime: Runtime) -> DatasetFacts:
        """Find the data set, and the weights the network starts from, which are data as well.

        Raises:
            ValueError: either is not where it is expected.
        """
        facts = _find_dataset(config, runtime).facts()
        return join_weights(facts, self._method.weights_files(config, runtime.data_root))

    def prepare_data(self, config: Any, runtime: Runtime) -> None:
        """Decode every image of every split once into this machine's cache.

        Raises:
            ValueError: images cannot be read (all are named), the device cannot train in the config's
                precision, or the training split is too small for a batch.
        """
        check_precision(config.optimisation.precision, runtime.device)
        data = config.data
        dataset = _find_dataset(config, runtime)
        verify_and_build(dataset, data.height_px, data.width_px, runtime.cache_dir, runtime.image_cache)
        TrainingImages(dataset, data, config.seed, runtime, torch.device("cpu"))

    def cache_needs(self, config: Any, runtime: Runtime) -> list[CacheNeed]:
        """Say what is still to be made ready on this machine, split by split."""
        data, dataset = config.data, _find_dataset(config, runtime)
        shape = FixedSize(data.height_px, data.width_px)
        splits = [images_of(dataset, split) for split in dataset.splits]
        needs = [need_of(split, shape, runtime.cache_dir, runtime.image_cache) for split in splits]
        return [need for need in needs if need is not None]

    def cache_shape(self, config: Any) -> str:
        """Name the shape in which images of a config are kept decoded."""
        return FixedSize(config.data.height_px, config.data.width_px).name

    def check_processes(self, config: Any, num_processes: int) -> None:
        """Refuse processes that cannot share the ranks of a step evenly."""
        check_ranks(config.data.num_ranks, num_processes)

    def fit(self, config: Any, runtime: Runtime, checkpoints: CheckpointFolder, hooks: FitHooks) -> nn.Module:
        """Train; see `trainables.training.fitting.fit`."""
        check_precision(config.optimisation.precision, runtime.device)
        device = find_device(runtime.device)
        images = TrainingImages(_find_dataset(config, runtime), config.data, config.seed, runtime, device)
        return fit(self._method, config, images, runtime, checkpoints, hooks)

    def load(self, config: Any, runtime: Runtime, checkpoints: CheckpointFolder) -> nn.Module:
        """Read the final checkpoint back into a network."""
        return load_network(self._method, config, checkpoints, find_device(runtime.device))

    def extract(
        self,
        config: Any,
        runtime: Runtime,
        network: Any,
        split: Split,
        views: Sequence[RetrievalView],
    ) -> Extraction:
        """Embed both sides of a split, in inference mode and the views' precision, without changing the network.

        Every embedding is kept, whichever `views` ask for: `illustrate` ranks by all of them.

        Raises:
            ValueError: the device cannot embed in that precision.
        """
        flip, precision = any(view.flip for view in views), views[0].precision
        check_precision(precision, runtime.device, "a view's precision", "another view")
        data = config.data
        dataset = _find_dataset(config, runtime)
        size = ImageSize(data.height_px, data.width_px)
        boxes = dataset.multiple_query(split)
        sides = [
            embed_side(network, dataset, side, size, runtime, flip=flip, precision=precision)
            for side in (*dataset.query_and_gallery(split), *([] if boxes is None else [boxes]))
        ]
        return Extraction(split, *sides, device=runtime.device)

    def measure(self, members: Sequence[tuple[Any, Extraction]], view: RetrievalView) -> ViewResult:
        """Measure one view; embeddings are joined in the order of members, then in that of their configs."""
        if len(members) == 1:
            ((config, extraction),) = members
            return measure_view(extraction, config.resolve_embeddings(view.embeddings), view)
        extraction, names = join_extractions(
            [(extraction, config.resolve_embeddings(view.embeddings)) for config, extraction in members]
        )
        return measure_view(extraction, names, view)

    def illustrate(
        self, config: Any, runtime: Runtime, network: Any, extraction: Extraction
    ) -> dict[str, bytes]:
        """Draw `retrieval`, and `attention` where the method has something to show; PNGs by name."""
        data = config.data
        dataset = _find_dataset(config, runtime)
        query_NHWC, gallery_NHWC = (
            open_cache(dataset, side, data.height_px, data.width_px, runtime.cache_dir, runtime.image_cache)
            for side in dataset.query_and_gallery(extraction.split)
        )
        names = config.resolve_embeddings(("all",))
        pictures = {"retrieval": draw_retrieval_strips(extraction, names, query_NHWC, gallery_NHWC)}
        if isinstance(self._method, ShowsPanels):
            device = find_device(runtime.device)
            chosen_BHWC = query_NHWC[spread_over(len(query_NHWC), NUM_ATTENTION_IMAGES)]
            attention = draw_attention(self._method, config, network, chosen_BHWC, device)
            if attention is not None:
                pictures["attention"] = attention
        return pictures

    def size(self, config: Any) -> NetworkSize:
        """Count the network, with classifiers for the published number of people, of whichever data set has one."""
        data = config.data
        num_pids, classes_from = published_num_pids(data.dataset)
        size = measure_size(
            lambda: self._method.build_network(config, num_pids, {}),
            lambda network, images_BCHW: network.embed(images_BCHW),
            (1, 3, data.height_px, data.width_px),
        )
        return dataclasses.replace(size, classes_from=classes_from)

    def work(self, config: Any, data: DatasetFacts) -> TrainingWork | None:
        """Count what a whole training computes; see `TrainingImages` for how many images an epoch has.

        None too where an epoch has every person once, and nobody has published how many there are.
        """
        if "train" not in data.num_images:
            return None
        sampled = config.data
        images_per_step = sampled.num_ranks * sampled.num_identities * sampled.num_instances
        num_steps = max(1, data.num_images["train"] // images_per_step)
        if sampled.sampling == "identities_once":
            num_pids, of_another = published_num_pids(sampled.dataset)
            if of_another:
                return None
            num_steps = math.ceil(num_pids / (sampled.num_identities * sampled.num_ranks))
        num_images = num_steps * images_per_step * config.optimisation.num_epochs
        return TrainingWork.of_network(self.size(config), num_images, config.optimisation.precision)

    def of_equal_memory(self, config: Any) -> Any:
        """Give the config that stands for all that differ from it in seed and schedule alone."""
        return of_equal_memory(config)

    def step_memory(self, config: Any) -> StepMemory:
        """Count what a step takes of a GPU's memory; see `trainables.training.step_memory`."""
        data = config.data
        num_pids, _ = published_num_pids(data.dataset)
        num_images = data.num_identities * data.num_instances
        step = FakeStep(
            self._method,
            config,
            num_pids,
            (num_images, 3, data.height_px, data.width_px),
            num_ranks=data.num_ranks,
            num_alike=data.num_instances,
        )
        return count_step_memory(step)

    def numeric_environment(self, device: Device) -> dict[str, str]:
        """Name what the last digits depend on; see `trainables.training.numeric_environment`."""
        return describe_numeric_environment(device)

    def check(self, config: Any, runtime: Runtime) -> None:
        """Make one step, augmentation included, on a few small random images, on the CPU in float32.

        Published weights are not read: they may be on other machines only. Images are as small as the
        config's own checks allow.
        """
        small = smallest_config(config, _smaller_sizes(config.data))
        data = small.data
        device = torch.device("cpu")
        with reproducible(device, derive_seed(config.seed, "network")):
            network = self._method.build_network(small, CHECK_NUM_PIDS, {}).train()
            optimizer = make_optimizer(small.optimisation, network.parameters())
            generator = torch.Generator().manual_seed(derive_seed(config.seed, "augmentation"))
            augment = TrainAugmenter(data.augmentation)
            num_images = CHECK_NUM_PIDS * CHECK_NUM_INSTANCES
            labels_B = torch.arange(CHECK_NUM_PIDS).repeat_interleave(CHECK_NUM_INSTANCES)
            shape = (num_images, 3, data.height_px, data.width_px)
            images_per_rank: list[Tensor] = []
            for _ in range(data.num_ranks):
                images_BCHW = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
                images_per_rank.append(augment(images_BCHW, generator))
            backpropagate(
                self._method,
                small,
                network,
                torch.amp.GradScaler("cpu", enabled=False),
                images_per_rank,
                [labels_B] * data.num_ranks,
                epoch=0,
            )
            optimizer.step()


def _find_dataset(config: Any, runtime: Runtime) -> ReidDataset:
    data = config.data
    once = _load_once(data.dataset, data.train_split, data.fold, runtime.data_root, runtime.cache_dir)
    return once(looks_at_folders_alone=runtime.data_were_seen)


def _smaller_sizes(data: ReidData) -> Iterator[dict[str, int]]:
    for divisor in SHRINKING:
        height_px, width_px = data.height_px // divisor, data.width_px // divisor
        if height_px >= CHECK_MIN_HEIGHT_PX and width_px >= CHECK_MIN_WIDTH_PX:
            yield {"data.height_px": height_px, "data.width_px": width_px}
    yield {"data.height_px": data.height_px, "data.width_px": data.width_px}


@functools.lru_cache(maxsize=16)
def _load_once(
    dataset: str | ReidFolder, train_split: TrainSplit, fold: int, data_root: str | None, cache_dir: str
) -> ReadOnce[ReidDataset]:
    """Read a data set's names once a process: a plan asks once a config, and Market-1501 has 32,000 of them.

    What a process has described is what it trains on: images that are added during a sweep change nothing in
    it, and a process that starts later sees another fingerprint.
    """

    def read(looks_at_folders_alone: bool) -> ReidDataset:
        return load_dataset(
            dataset,
            data_root,
            cache_dir,
            train_split=train_split,
            fold=fold,
            looks_at_folders_alone=looks_at_folders_alone,
        )

    return ReadOnce(read)
