"""A function as a method: one that trains and one that measures, as a person has them anyway.

    class Digits(Config):
        lr: float = 0.05

    @method(Digits, metrics=[TOP1], measure=measure, data=Data("Digits"))
    def fit(config, run):
        ...
        return model

The function stays an ordinary function. What it is made of is part of a training's identity: see `trainables.source`.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

import numpy as np

from trainables.contract.data import DatasetFacts
from trainables.contract.method import TrainingConfig
from trainables.contract.metric import Metric
from trainables.contract.run import FINAL_CHECKPOINT, CheckpointFolder, Device, FitHooks, Runtime
from trainables.contract.view import EvaluationView, Split, ViewResult
from trainables.file_version import sha256_of, version_of
from trainables.source import Source, project_of, source_of
from trainables.value.declaration import Declaration
from trainables.value.refusal import Fault, Refusal, guess
from trainables.value.text import Label, Text

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


@dataclass(frozen=True)
class Data(Declaration):
    """The data that a function trains on, so that a training on other data is another training.

    Attributes:
        label: as a caption names it.
        files: read by their content; a folder by the names and sizes of the files in it. Paths are relative to the
            folder of the function's file.
        version: of what lies in no file of hers, such as `scikit-learn 1.5`.
    """

    label: Label
    files: Sequence[str] = ()
    version: Text = ""

    def facts(self, folder: Path) -> DatasetFacts:
        """Find it.

        Raises:
            ValueError: names every path that is not there.
        """
        paths = {name: folder / name for name in self.files}
        absent = [str(path) for path in paths.values() if not path.exists()]
        if absent:
            raise ValueError(
                f"the data of {self.label} are not there: {', '.join(absent)}; correct Data(files=…)"
            )
        content = {name: _digest_of_path(path) for name, path in paths.items()}
        fingerprint = hashlib.sha256(json.dumps([self.label, self.version, content]).encode()).hexdigest()
        return DatasetFacts(self.label, self.label, fingerprint, False, {})


@dataclass(frozen=True)
class Measured:
    """What a measuring function may give instead of a mapping.

    Attributes:
        metrics: by name.
        per_item: columns of equal length, one row an item, such as whether each image is right.
        items: what one row is, in the plural.
    """

    metrics: Mapping[str, Any]
    per_item: Mapping[str, Any] = field(default_factory=dict[str, Any])
    items: str = "items"


class Returned(EvaluationView):
    """What the measuring function of a method returns, on one split.

    Attributes:
        method: whose function it is.
        gives: names of its metrics, so that one more is measured and not taken for lost.
        says: how it measures, for the caption.
    """

    KIND: ClassVar[str] = "returned"

    method: str
    gives: tuple[str, ...]
    says: str = ""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Those that were declared with the function; none where it is not loaded."""
        found = _METHODS.get(self.method)
        return () if found is None else found.metrics

    @property
    def protocol(self) -> str:
        """What the method says of itself, and the split."""
        return ", ".join([*([self.says] if self.says else []), f"{self.split} split"])

    @property
    def short_name(self) -> str:
        """Name it by its split: a method has one way to measure."""
        return self.split


class Config(TrainingConfig):
    """The config of a function: what it trains by, each field with a type and a default."""

    METHOD: ClassVar[str] = ""
    VERSION: ClassVar[int | str] = ""

    @classmethod
    def view(cls, split: Split = "test") -> Returned:
        """Give the view that its method measures by."""
        return _method_of(cls).view(split)

    def make_trainable(self) -> FunctionTrainable:
        """Give the method that was declared with this config."""
        return FunctionTrainable(_method_of(type(self)))

    def dataset_name(self) -> str:
        """Label of its data."""
        return _method_of(type(self)).data_of(self).label

    def planned_epochs(self) -> int:
        """One, until the training says how many there are."""
        return 1

    def default_view(self) -> EvaluationView:
        """Give the one way to measure that a function has."""
        return self.view()

    def check_view(self, view: EvaluationView) -> None:
        """Refuse a view of another method."""
        if not isinstance(view, Returned) or view.method != self.METHOD:
            raise ValueError(
                f"{self.METHOD} is measured by the function that it was declared with; leave the view out, or give "
                f"{type(self).__name__}.view()"
            )


@dataclass(frozen=True)
class _Method:
    """What was declared with a function."""

    fit: Callable[..., Any]
    measure: Callable[..., Any]
    config: type[Config]
    metrics: tuple[Metric, ...]
    data: Data | Callable[[Any], Data]
    says: str
    source: Source

    @property
    def file(self) -> Path:
        return Path(inspect.getfile(self.fit)).resolve()

    def view(self, split: Split) -> Returned:
        names = tuple(metric.name for metric in self.metrics)
        return Returned(split=split, method=self.config.METHOD, gives=names, says=self.says)

    def data_of(self, config: Config) -> Data:
        return self.data if isinstance(self.data, Data) else self.data(config)


_METHODS: dict[str, _Method] = {}


def method(
    config: type[Config],
    *,
    metrics: Sequence[Metric],
    measure: Callable[..., Any],
    data: Data | Callable[[Any], Data],
    name: str = "",
    says: str = "",
) -> Callable[[FunctionT], FunctionT]:
    """Make a training function a method; it stays an ordinary function.

    Args:
        config: class of its config.
        metrics: what `measure` gives, the first being the primary one.
        measure: (config, model, split) -> a mapping from the names of metrics to numbers, or `Measured`. The split
            is `val` or `test`.
        data: what it trains on; or a function of the config, where that decides it.
        name: of the method in records; the class's name where it is left out.
        says: how it measures, in words for the caption.

    Returns:
        A decorator of a function (config) -> model, or (config, run) -> model with a `Run`.

    Raises:
        Refusal: names every fault of it.
    """

    def declare(function: FunctionT) -> FunctionT:
        faults = [*_faults_of(config, metrics, measure, data), *_faults_of_arguments(function, measure)]
        faults += [] if faults else _faults_of_name(name or config.__name__, config)
        if faults:
            raise Refusal(f"The method {getattr(function, '__name__', function)!r}", faults)
        # Of one that is defined inside another function, the outermost counts as a whole.
        names, configs = ([part.__qualname__.partition(".")[0]] for part in (function, config))
        source = source_of(Path(inspect.getfile(function)).resolve(), names, configs)
        config.METHOD, config.VERSION = name or config.__name__, source.digest
        _METHODS[config.METHOD] = _Method(function, measure, config, tuple(metrics), data, says, source)
        return function

    return declare


def _faults_of_name(name: str, config: type[Config]) -> list[Fault]:
    """Find that another method has the name; one that is defined again takes the place of the first."""
    known = _METHODS.get(name)
    if known is None or _place_of(known.config) == _place_of(config):
        return []
    taken = f"{name!r} is that of {_place_of(known.config)} already, and records are told apart by it"
    return [Fault("name", f"{taken}; give method(…, name=…) another")]


def _place_of(config: type[Config]) -> str:
    return f"{config.__module__}.{config.__qualname__}"


def _faults_of(config: Any, metrics: Any, measure: Any, data: Any) -> list[Fault]:
    faults: list[Fault] = []
    if not (isinstance(config, type) and issubclass(config, Config)):
        faults.append(Fault("config", "a class of its own is needed: class Mine(Config): lr: float = 0.1"))
    else:
        faults += [
            Fault(
                f"{config.__name__}.{field_name}", "it has no default, which a table's base needs; write one"
            )
            for field_name, declared in config.model_fields.items()
            if declared.is_required()
        ]
    if (
        not isinstance(metrics, Sequence)
        or not metrics
        or not all(isinstance(one, Metric) for one in metrics)
    ):  # pyright: ignore
        faults.append(Fault("metrics", 'at least one Metric is needed, such as [Metric("top1", "Top-1")]'))
    if not callable(measure):
        faults.append(Fault("measure", "a function (config, model, split) that gives the metrics is needed"))
    if not isinstance(data, Data) and not callable(data):
        faults.append(
            Fault("data", 'what it trains on is needed, such as Data("Digits", files=["digits.csv"])')
        )
    return faults


def _faults_of_arguments(fit: Any, measure: Any) -> list[Fault]:
    """Find functions that could not be called as they will be, before anything is trained."""
    faults: list[Fault] = []
    if not any(_takes(fit, count) for count in (1, 2)):
        faults.append(Fault("", "it is called as fit(config) or fit(config, run), and takes neither"))
    if callable(measure) and not _takes(measure, 3):
        faults.append(
            Fault("measure", "it is called as measure(config, model, split), and does not take that")
        )
    return faults


def _takes(function: Any, num_values: int) -> bool:
    try:
        inspect.signature(function).bind(*[None] * num_values)
    except TypeError:
        return False
    return True


def _method_of(config: type[Config]) -> _Method:
    found = _METHODS.get(config.METHOD)
    if found is None or found.config is not config:
        raise ValueError(
            f"{config.__name__} has no function that trains by it; write @method({config.__name__}, …) above one"
        )
    return found


class FunctionTrainable:
    """Implements `trainables.contract.method.Trainable` for functions."""

    def __init__(self, method: _Method) -> None:
        """Of the functions that were declared together."""
        self._method = method

    def describe_data(self, config: Config, runtime: Runtime) -> DatasetFacts:
        """Find what it trains on."""
        return self._method.data_of(config).facts(self._method.file.parent)

    def definitions(self) -> Mapping[str, str]:
        """Give the code that it is made of."""
        return self._method.source.definitions

    def project_folder(self) -> str:
        """Give the topmost folder of the project that the function is in."""
        return str(project_of(self._method.file))

    def fit(self, config: Config, runtime: Runtime, checkpoints: CheckpointFolder, hooks: FitHooks) -> Any:
        """Call the function; what it returns is kept."""
        import torch

        from trainables.function_run import Run, seeded

        with seeded(config.seed, runtime.device):
            run = Run(config.seed, runtime, checkpoints, hooks)
            takes_run = _takes(self._method.fit, 2)
            model = self._method.fit(config, run) if takes_run else self._method.fit(config)
        if model is None:
            raise ValueError(
                f"{self._method.fit.__name__} returned nothing; it returns the model, which is what measure is given"
            )
        try:
            with checkpoints.open_to_write(FINAL_CHECKPOINT) as file:
                torch.save(model, file)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ValueError(
                f"what {self._method.fit.__name__} returned cannot be kept ({error}); return a model whose classes and "
                "functions stand at the top of a file, or its state alone"
            ) from error
        return model

    def load(self, config: Config, runtime: Runtime, checkpoints: CheckpointFolder) -> Any:
        """Read what the function returned."""
        import torch

        with checkpoints.open_to_read(FINAL_CHECKPOINT) as file:
            # The store's own file: a model of hers is an object of any class, which no list of safe ones names.
            return torch.load(file, map_location=runtime.device, weights_only=False)

    def measure(self, members: Sequence[tuple[Config, Any]], view: Returned) -> ViewResult:
        """Call the measuring function."""
        from trainables.function_run import seeded

        if len(members) > 1:
            raise ValueError(
                f"{view.method} is measured one model at a time; an ensemble needs a method that joins its members"
            )
        ((config, model),) = members
        if model is None:
            raise ValueError(
                f"a search that stops hopeless trials measures {view.method} between its epochs; name what is "
                "measured: run.epochs(…, model=net)"
            )
        with seeded(config.seed, "cpu"):
            given = self._method.measure(config, model, view.split)
        return _result_of(given, self._method)

    def numeric_environment(self, device: Device) -> Mapping[str, str]:
        """Name the processor and the libraries."""
        from trainables.training.numeric_environment import describe_numeric_environment

        return describe_numeric_environment(device)


def _result_of(given: Any, method: _Method) -> ViewResult:
    """Take what a measuring function gave.

    Raises:
        ValueError: a metric is absent, or no finite number.
    """
    measured = (
        given if isinstance(given, Measured) else Measured(given) if isinstance(given, Mapping) else None
    )  # pyright: ignore
    name = method.measure.__name__
    if measured is None:
        raise ValueError(
            f"{name} gave a {type(given).__name__}; it gives its metrics by name, such as {{'top1': 0.9}}, or "
            "Measured(…)"
        )
    faults: list[str] = []
    metrics: dict[str, float] = {}
    for metric in method.metrics:
        if metric.name not in measured.metrics:
            there_is = ", ".join(measured.metrics) or "none"
            faults.append(f"no {metric.name!r}{guess(metric.name, measured.metrics)} It gave {there_is}")
            continue
        try:
            given_value = measured.metrics[metric.name]
            value = float(given_value.detach() if hasattr(given_value, "detach") else given_value)
        except (TypeError, ValueError):
            faults.append(
                f"{metric.name} as a {type(measured.metrics[metric.name]).__name__}, not as a number"
            )
            continue
        if not math.isfinite(value):
            faults.append(f"{metric.name} = {value}, which no table can average")
        elif metric.is_fraction and not 0 <= value <= 1:
            faults.append(
                f"{metric.name} = {value:g}, which is no fraction; give 0.942 for 94.2 %, or declare "
                f"Metric({metric.name!r}, …, is_fraction=False)"
            )
        metrics[metric.name] = value
    if faults:
        raise ValueError(f"{name} gave {'; '.join(faults)}")
    per_item = {column: np.asarray(values) for column, values in measured.per_item.items()}
    lengths = {column: len(values) for column, values in per_item.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{name} gave columns of different lengths per item: {lengths}")
    return ViewResult(metrics, cast(Mapping[str, np.ndarray], per_item), measured.items)


def _digest_of_path(path: Path) -> Any:
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return [[file.relative_to(path).as_posix(), file.stat().st_size] for file in files]
    return sha256_of(version_of(path))
