"""What a method does, and the config that makes one."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Protocol, runtime_checkable

from pydantic import Field

from tablewright.trainables.contract.cache import CacheNeed
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.memory import StepMemory
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.run import CheckpointFolder, Device, FitHooks, Runtime
from tablewright.trainables.contract.size import NetworkSize, TrainingWork
from tablewright.trainables.contract.view import EvaluationView, Split, ViewResult
from tablewright.trainables.value.frozen_model import FrozenModel

SEED_LIMIT = 2**32
"""Seeds lie below it: what numpy's older generators and torch's all take."""

Seed = Annotated[int, Field(ge=0, lt=SEED_LIMIT)]


class Trainable(Protocol):
    """A method, ready to be run. Stateless: everything it needs is in its arguments.

    These verbs every method has; those of the protocols below it may have, and what lacks one is done without.
    """

    def describe_data(self, config: Any, runtime: Runtime) -> DatasetFacts:
        """Find the config's data set. Raises ValueError naming folders expected and found."""
        ...

    def fit(self, config: Any, runtime: Runtime, checkpoints: CheckpointFolder, hooks: FitHooks) -> Any:
        """Train from the last checkpoint, or from the start; returns the trained network."""
        ...

    def load(self, config: Any, runtime: Runtime, checkpoints: CheckpointFolder) -> Any:
        """Read the final checkpoint back into a network."""
        ...

    def measure(self, members: Sequence[tuple[Any, Any]], view: Any) -> ViewResult:
        """Measure one view.

        Args:
            members: a training's config and what was extracted for the view, or its network where the method is no
                `ExtractsOnce`; several where an ensemble is measured.
            view: how to measure.

        Raises:
            ValueError: the members of an ensemble saw different images.
        """
        ...


@runtime_checkable
class PreparesData(Protocol):
    """A method that makes its data ready once on each machine, before anything trains there."""

    def prepare_data(self, config: Any, runtime: Runtime) -> None:
        """Decode every image once into this machine's cache; ValueError names unreadable ones."""
        ...


@runtime_checkable
class KeepsImages(Protocol):
    """A method that makes its data ready as images that a machine keeps."""

    def cache_needs(self, config: Any, runtime: Runtime) -> Sequence[CacheNeed]:
        """Say what is still to be made ready on this machine; a few images are decoded to see how long it takes."""
        ...

    def cache_shape(self, config: Any) -> str:
        """Name the shape in which images of a config are kept decoded."""
        ...


@runtime_checkable
class ExtractsOnce(Protocol):
    """A method whose network is run once over a split, whatever the number of views that are measured from it."""

    def extract(self, config: Any, runtime: Runtime, network: Any, split: Split, views: Sequence[Any]) -> Any:
        """Run the network over a split, in inference mode, without changing it.

        Args:
            config: of the training.
            runtime: settings of this machine.
            network: the trained one.
            split: of the data set.
            views: of that split and with one `extracted_in`, which will be measured; what none of them reads may be
                left out.
        """
        ...


@runtime_checkable
class TrainsInProcesses(Protocol):
    """A method of which one training can be made by several processes, `Runtime.process` being one of them."""

    def check_processes(self, config: Any, num_processes: int) -> None:
        """Refuse a number of processes that cannot share a training, before anything is trained.

        Raises:
            ValueError: why not, and what to set.
        """
        ...


@runtime_checkable
class TellsValues(Protocol):
    """A method that hands on what it was told of an epoch, in which not every epoch has every metric."""

    def value_told(self, told: Any, view: Any, metric: Metric) -> float | None:
        """Give a metric of an epoch; None where nothing was told of it.

        Args:
            told: what `FitHooks.on_epoch` is given as the network.
            view: by which it is measured.
            metric: that is asked for.
        """
        ...


@runtime_checkable
class Illustrates(Protocol):
    """A method that draws what people look for beside its numbers."""

    def illustrate(self, config: Any, runtime: Runtime, network: Any, extraction: Any) -> Mapping[str, bytes]:
        """Draw it, from what was extracted of the `test` split.

        Returns:
            PNGs by name, such as `attention` or `retrieval`; small, and the same bytes for equal weights.
        """
        ...


@runtime_checkable
class CountsSize(Protocol):
    """A method that can count its network."""

    def size(self, config: Any) -> NetworkSize:
        """Count the network of a config; nothing is computed and no memory taken."""
        ...


@runtime_checkable
class CountsWork(Protocol):
    """A method that can count what a whole training computes, before it runs."""

    def work(self, config: Any, data: DatasetFacts) -> TrainingWork | None:
        """Count a training's operations; None where nobody knows how many images the data have."""
        ...


@runtime_checkable
class CountsMemory(Protocol):
    """A method that can count what a step takes of a GPU's memory, without one."""

    def of_equal_memory(self, config: Any) -> Any:
        """Give the config that stands for all that take the same memory: of what takes none, the plain values."""
        ...

    def step_memory(self, config: Any) -> StepMemory:
        """Count it; takes seconds, and none of that memory."""
        ...


@runtime_checkable
class ChecksItself(Protocol):
    """A method that can be tried in short."""

    def check(self, config: Any, runtime: Runtime) -> None:
        """Make one optimisation step on tiny inputs, or what comes nearest to it; raises what a training would raise.

        Raises:
            NotTried: it trains in a way that has no short trial.
        """
        ...


class NotTried(Exception):
    """Says why a config was not tried, or not all of it."""


@runtime_checkable
class DescribesEnvironment(Protocol):
    """A method that can say what its last digits depend on beside config, seed and code."""

    def numeric_environment(self, device: Device) -> Mapping[str, str]:
        """Name the processor, the libraries and whatever else decides the last digits on a device; short texts."""
        ...


@runtime_checkable
class HasSource(Protocol):
    """A method whose VERSION is that of its code, as nobody raises it by hand."""

    def definitions(self) -> Mapping[str, str]:
        """Give the definitions that it is made of: file and name -> SHA-256."""
        ...

    def project_folder(self) -> str:
        """Give the folder of the project that they are in, to which the names of files are relative."""
        ...


@runtime_checkable
class RereadsSource(Protocol):
    """A method with code of its own that may import, or start, some of it only while it trains."""

    def definitions_now(self) -> Mapping[str, str]:
        """Give its definitions as they stand in the files now, as `HasSource.definitions` gives those of its VERSION.

        Raises:
            ValueError: a file cannot be parsed.
        """
        ...


@runtime_checkable
class ImportsPackages(Protocol):
    """A method whose code says which packages it imports, so that a record can have their versions."""

    def imported_modules(self) -> Sequence[str]:
        """Name the modules outside its project, as they are imported: `sklearn` for scikit-learn."""
        ...


class TrainingConfig(FrozenModel, abc.ABC):
    """Everything that changes the weights of one training, and nothing else.

    A method subclasses it, names itself in METHOD, and raises VERSION whenever its code changes what
    an equal config would train to. A component that can be off is an optional field, and None is the
    only spelling of off.
    """

    METHOD: ClassVar[str]
    VERSION: ClassVar[int | str]

    seed: Seed = 0

    @abc.abstractmethod
    def make_trainable(self) -> Trainable:
        """Give the method that this config configures."""

    def as_trained(self) -> TrainingConfig:
        """Give the config of the training that makes these weights: of fields that only measure, the plain value.

        Two configs that are equal in it are one training, measured twice.
        """
        return self

    @classmethod
    def own_definitions(cls) -> Mapping[str, str]:
        """Give the code that the class is made of where it is no part of this program: file and name -> SHA-256.

        Its VERSION is raised by hand, and a change without that is told. Empty for a class of ours.
        """
        from tablewright.trainables.own.source import definitions_of_class

        return definitions_of_class(cls)

    @abc.abstractmethod
    def dataset_name(self) -> str:
        """Name of the data set it trains and is measured on."""

    @abc.abstractmethod
    def planned_epochs(self) -> int:
        """Length of the whole training, as far as it is known before it reports one."""

    def known_epochs(self) -> int | None:
        """Length of the whole training; None where only the training knows it."""
        return self.planned_epochs()

    def why_unwatched(self) -> str:
        """Say why nobody can watch a metric from epoch to epoch, and what to do; empty where one can, or may."""
        return ""

    def why_unpaused(self) -> str:
        """Say why a training cannot go on from where it was paused, and what to do; empty where it can, or may."""
        return ""

    def default_view(self) -> EvaluationView | None:
        """Give the view that a table measures by where it names none; None where one has to be named."""
        return None

    @abc.abstractmethod
    def check_view(self, view: EvaluationView) -> None:
        """Refuse a view that cannot be measured on this training, before it is trained.

        Raises:
            ValueError: what is wrong, and what to set.
        """
