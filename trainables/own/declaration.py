"""What a method of one's own declares, whether a function or a script trains it: config, metrics, data, code."""

from __future__ import annotations

import abc
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np

from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.method import Trainable, TrainingConfig
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.view import EvaluationView, Split, ViewResult
from tablewright.trainables.file_version import sha256_of, sha256_of_ends, version_of
from tablewright.trainables.own.source import Source, project_of
from tablewright.trainables.value.declaration import Declaration, take
from tablewright.trainables.value.refusal import Fault, guess
from tablewright.trainables.value.text import Label, Text

MAX_READ_WHOLE_BYTES = 2**30
"""A folder of more is not read whole before each sweep."""


@dataclass(frozen=True)
class Data(Declaration):
    """The data that a method trains on, so that a training on other data is another training.

    Attributes:
        label: as a caption names it.
        files: read by their content; of the files in a folder of more than a gigabyte by their sizes, beginnings and
            ends. Paths are relative to the project: the folder that holds `search_spaces/`.
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
    """What a method of one's own measures, on one split.

    Attributes:
        method: its name.
        gives: names of its metrics, so that one more is measured and not taken for lost.
        says: how it measures, for the caption.
    """

    KIND: ClassVar[str] = "returned"

    method: str
    gives: tuple[str, ...]
    says: str = ""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Those that were declared with the method; none where it is not loaded."""
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
    """The config of a method of one's own: what it trains by, each field with a type and a default."""

    METHOD: ClassVar[str] = ""
    VERSION: ClassVar[int | str] = ""

    @classmethod
    def view(cls, split: Split = "test") -> Returned:
        """Give the view that its method measures by."""
        return _method_of(cls).view(split)

    def make_trainable(self) -> Trainable:
        """Give the method that was declared with this config."""
        return _method_of(type(self)).make_trainable()

    def dataset_name(self) -> str:
        """Label of its data."""
        return _method_of(type(self)).data_of(self).label

    def planned_epochs(self) -> int:
        """As many as the method says; one, where only the training knows how many there are."""
        return self.known_epochs() or 1

    def known_epochs(self) -> int | None:
        """As many as the method says; None where only the training knows."""
        return _method_of(type(self)).known_epochs(self)

    def why_unwatched(self) -> str:
        """Ask the method."""
        return _method_of(type(self)).why_unwatched()

    def why_unpaused(self) -> str:
        """Ask the method."""
        return _method_of(type(self)).why_unpaused()

    def default_view(self) -> EvaluationView:
        """Give the one way to measure that it has."""
        return self.view()

    def check_view(self, view: EvaluationView) -> None:
        """Refuse a view of another method."""
        if not isinstance(view, Returned) or view.method != self.METHOD:
            raise ValueError(
                f"{self.METHOD} is measured as it was declared; leave the view out, or give "
                f"{type(self).__name__}.view()"
            )


@dataclass(frozen=True)
class OwnMethod(abc.ABC):
    """What was declared with a method.

    Attributes:
        config: class of its configs.
        metrics: what measuring it gives, the first being the primary one.
        data: what it trains on; or a function of the config, where that decides it.
        says: how it is measured, in words for the caption.
        source: the code that it is made of.
        file: in which it is declared.
    """

    config: type[Config]
    metrics: tuple[Metric, ...]
    data: Data | Callable[[Any], Data]
    says: str
    source: Source
    file: Path

    @abc.abstractmethod
    def make_trainable(self) -> Trainable:
        """Give what trains and measures."""

    def known_epochs(self, config: Any) -> int | None:
        """Length of a training; None where it is not known before it reports one."""
        return None

    def why_unwatched(self) -> str:
        """Say why no epoch can tell of a metric, and what to do; empty where one may."""
        return ""

    def why_unpaused(self) -> str:
        """Say why a training cannot go on from where it was paused, and what to do; empty where it may."""
        return ""

    def view(self, split: Split) -> Returned:
        """Give the one way to measure it."""
        names = tuple(metric.name for metric in self.metrics)
        return Returned(split=split, method=self.config.METHOD, gives=names, says=self.says)

    def facts_of(self, config: Any) -> DatasetFacts:
        """Find the data of a config.

        Raises:
            ValueError: names every path that is not there.
        """
        return self.data_of(config).facts(project_of(self.file))

    def data_of(self, config: Any) -> Data:
        """Name the data of a config."""
        return self.data if isinstance(self.data, Data) else self.data(config)

    def result_of(self, given: Any, giver: str) -> ViewResult:
        """Take what was measured.

        Args:
            given: metrics by name, or `Measured`.
            giver: who gave them, for messages.

        Raises:
            ValueError: a metric is absent, or no finite number.
        """
        return _result_of(given, giver, self.metrics)


_METHODS: dict[str, OwnMethod] = {}


def declare(name: str, method: OwnMethod) -> None:
    """Make a method known under a name, as its config's METHOD; the digest of its source is the VERSION."""
    method.config.METHOD, method.config.VERSION = name, method.source.digest
    _METHODS[name] = method


def faults_of_name(name: str, config: type[Config]) -> list[Fault]:
    """Find that another method has the name; one that is defined again takes the place of the first."""
    known = _METHODS.get(name)
    if known is None or _place_of(known.config) == _place_of(config):
        return []
    taken = f"{name!r} is that of {_place_of(known.config)} already, and records are told apart by it"
    return [Fault("name", f"{taken}; give name=… another")]


def faults_of_words(name: str, says: str) -> list[Fault]:
    """Find what keeps a method's name, or its words on how it measures, from standing in tables."""
    checks = (("name", name), ("says", says))
    return [fault for argument, text in checks for fault in take(text, Text, argument).faults]


def _place_of(config: type[Config]) -> str:
    return f"{config.__module__}.{config.__qualname__}"


def faults_of(config: Any, metrics: Any, data: Any) -> list[Fault]:
    """Find what is wrong with the parts that every method declares."""
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
    if not isinstance(data, Data) and not callable(data):
        faults.append(
            Fault("data", 'what it trains on is needed, such as Data("Digits", files=["digits.csv"])')
        )
    return faults


def _method_of(config: type[Config]) -> OwnMethod:
    found = _METHODS.get(config.METHOD)
    if found is None or found.config is not config:
        raise ValueError(
            f"{config.__name__} has nothing that trains by it; write @method({config.__name__}, …) above a function, "
            f"or @script(…) above class {config.__name__}"
        )
    return found


def _result_of(given: Any, name: str, declared: Sequence[Metric]) -> ViewResult:
    measured = (
        given if isinstance(given, Measured) else Measured(given) if isinstance(given, Mapping) else None
    )  # pyright: ignore
    if measured is None:
        raise ValueError(
            f"{name} gave a {type(given).__name__}; it gives its metrics by name, such as {{'top1': 0.9}}, or "
            "Measured(…)"
        )
    faults: list[str] = []
    metrics: dict[str, float] = {}
    for metric in declared:
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
    per_item = {column: _column(column, values, name) for column, values in measured.per_item.items()}
    lengths = {column: len(values) for column, values in per_item.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{name} gave columns of different lengths per item: {lengths}")
    return ViewResult(metrics, cast(Mapping[str, np.ndarray], per_item), measured.items)


def _column(column: str, values: Any, giver: str) -> np.ndarray:
    """Take the values of a column, a tensor's from wherever it lies."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = values.float() if str(values.dtype) == "torch.bfloat16" else values
    try:
        found = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{giver} gave the column {column!r} per item as no numbers ({error})") from error
    if found.ndim != 1:
        raise ValueError(
            f"{giver} gave the column {column!r} per item with the shape {found.shape}; one value an item is needed"
        )
    return found


def _digest_of_path(path: Path) -> Any:
    if not path.is_dir():
        return sha256_of(version_of(path))
    files = [version_of(file) for file in sorted(path.rglob("*")) if file.is_file()]
    is_large = sum(file.size_bytes for file in files) > MAX_READ_WHOLE_BYTES
    digest = sha256_of_ends if is_large else sha256_of
    return [[file.path.relative_to(path).as_posix(), file.size_bytes, digest(file)] for file in files]
