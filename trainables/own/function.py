"""A function as a method: one that trains and one that measures, as a person has them anyway.

    class Digits(Config):
        lr: float = 0.05

    @method(Digits, metrics=[TOP1], measure=measure, data=Data("Digits"))
    def fit(config, run):
        ...
        return model

The function stays an ordinary function. What it is made of is part of a training's identity (`source.py`).
"""

from __future__ import annotations

import ast
import inspect
import io
import pickle
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, BinaryIO, TypeVar, cast

from tablewright.trainables.contract.method import NotTried
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.run import (
    FINAL_CHECKPOINT,
    CheckpointFolder,
    FitHooks,
    Runtime,
    TrainingStopped,
)
from tablewright.trainables.contract.view import ViewResult
from tablewright.trainables.own.best_epoch import BestEpoch, Direction, read_best_epoch
from tablewright.trainables.own.config_models import models_of
from tablewright.trainables.own.declaration import (
    Config,
    Data,
    OwnMethod,
    Returned,
    declare,
    faults_of,
    faults_of_name,
    faults_of_words,
)
from tablewright.trainables.own.source import definitions_now, place_of_call, source_of
from tablewright.trainables.own.trainable import OwnTrainable
from tablewright.trainables.value.refusal import Fault, Refusal

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


@dataclass(frozen=True)
class _Function(OwnMethod):
    """What was declared with a function."""

    fit: Callable[..., Any]
    measure: Callable[..., Any]
    best_epoch: BestEpoch | None
    in_processes: bool

    def make_trainable(self) -> FunctionTrainable:
        return FunctionTrainable(self)

    def why_unwatched(self) -> str:
        if _takes(self.fit, 2):
            return ""
        return (
            "the function tells of no epoch; give it a run, fit(config, run), and let it report run.epochs(…)"
        )


def method(
    config: type[Config],
    *,
    metrics: Sequence[Metric] = (),
    measure: Callable[..., Any] | None = None,
    data: Data | Callable[[Any], Data] | None = None,
    name: str = "",
    says: str = "",
    best_epoch: str | tuple[str, Direction] = "",
    in_processes: bool = False,
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
        best_epoch: what the epochs report, such as `val_loss` or `val_ppl`: the model of the epoch where it is best is
            kept and measured, instead of the last one's. A loss is best where it is lowest, a metric as it was
            declared; of anything else say it, as in ("val_score", "highest"). The function takes a run and names
            its model: run.epochs(…, model=net).
        in_processes: whether several processes can make one training together, as of `run.rank` and `run.num_ranks`
            and torch's `init_process_group()`; what the first of them reports and returns counts.

    Returns:
        A decorator of a function (config) -> model, or (config, run) -> model with a `Run`.

    Raises:
        Refusal: names every fault of it.
    """

    def declare_function(function: FunctionT) -> FunctionT:
        caller = cast(FrameType, cast(FrameType, inspect.currentframe()).f_back)
        faults = [*faults_of(config, metrics, data), *_faults_of_arguments(function, measure)]
        rule = read_best_epoch(best_epoch, metrics, faults) if best_epoch and not faults else None
        if rule is not None and not _takes(function, 2):
            faults.append(
                Fault("best_epoch", "it is chosen among the epochs of a run; write fit(config, run)")
            )
        if in_processes and not _takes(function, 2):
            faults.append(Fault("in_processes", "a run says which process it is; write fit(config, run)"))
        faults += faults_of_words(name, says)
        faults += [] if faults else faults_of_name(name or config.__name__, config)
        if faults or measure is None or data is None:
            raise Refusal(f"The method {getattr(function, '__name__', function)!r}", faults)
        file, lines = place_of_call(caller)
        called = getattr(function, "__qualname__", "(fit)").partition(".")[0]
        declared = {} if rule is None else {f"best_epoch of {called}": f"{rule.direction} {rule.name}"}
        source = source_of(file, lines=lines, models=models_of(config), declared=declared)
        words = ", ".join(filter(None, [says, rule.says if rule else ""]))
        found = _Function(
            config, tuple(metrics), data, words, source, file, function, measure, rule, in_processes
        )
        declare(name or config.__name__, found)
        return function

    return declare_function


def _num_loops(fit: Any) -> int:
    """Count the places at which a function calls `epochs` of its run; none where its text cannot be read."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(fit)))
        run = [*inspect.signature(fit).parameters][1]
    except (OSError, TypeError, SyntaxError, IndexError, ValueError):
        return 0
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return sum(
        isinstance(one, ast.Attribute)
        and one.attr == "epochs"
        and isinstance(one.value, ast.Name)
        and one.value.id == run
        for one in called
    )


def _faults_of_arguments(fit: Any, measure: Any) -> list[Fault]:
    """Find functions that could not be called as they will be, before anything is trained."""
    faults: list[Fault] = []
    if not any(_takes(fit, count) for count in (1, 2)):
        faults.append(Fault("", "it is called as fit(config) or fit(config, run), and takes neither"))
    if _num_loops(fit) > 1:
        text = "run.epochs is called at two places, and where a training goes on is known of one loop alone"
        faults.append(Fault("", f"{text}; write one loop over all epochs, with `if epoch <= 3:` in it"))
    if not callable(measure):
        faults.append(Fault("measure", "a function (config, model, split) that gives the metrics is needed"))
    elif not _takes(measure, 3):
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


class FunctionTrainable(OwnTrainable[_Function]):
    """Implements `trainables.contract.method.Trainable` for functions."""

    def definitions_now(self) -> Mapping[str, str]:
        """Give the same as it stands in the files now."""
        return definitions_now(self._method.source, self._method.file, models_of(self._method.config))

    def check_processes(self, config: Config, num_processes: int) -> None:
        """Refuse several processes for a function that does not share its training among them."""
        if not self._method.in_processes:
            raise ValueError(
                f"{self._method.fit.__name__} trains in one process, and {num_processes} would each train the whole; "
                "share the training by run.rank and declare it, @method(…, in_processes=True), or leave "
                "--processes-per-training out, and --gpus-per-training at 1 or less"
            )

    def fit(self, config: Config, runtime: Runtime, checkpoints: CheckpointFolder, hooks: FitHooks) -> Any:
        """Call the function; what it returns is kept, of several processes what the first one returns."""
        from tablewright.trainables.own.function_processes import found_by_torch
        from tablewright.trainables.own.function_run import Run, seeded

        with found_by_torch(runtime.process), seeded(config.seed, runtime.device):
            run = Run(config.seed, runtime, checkpoints, hooks, self._method.best_epoch)
            takes_run = _takes(self._method.fit, 2)
            with run.keeping:
                model = self._method.fit(config, run) if takes_run else self._method.fit(config)
                run.end(model)
        if model is None:
            raise ValueError(
                f"{self._method.fit.__name__} returned nothing; it returns the model, which is what measure is given"
            )
        if not runtime.process.is_first:
            return model
        with checkpoints.open_to_write(FINAL_CHECKPOINT) as file:
            self._keep(model, file)
        return model

    def _keep(self, model: Any, file: BinaryIO) -> None:
        import torch

        try:
            torch.save(model, file)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ValueError(
                f"what {self._method.fit.__name__} returned cannot be kept ({error}); return a model whose classes and "
                "functions stand at the top of a file, or its state alone"
            ) from error

    def check(self, config: Config, runtime: Runtime) -> None:
        """Train for one epoch, and measure what there is then.

        Raises:
            NotTried: the function cannot be ended before it is through.
        """
        from tablewright.trainables.own.function_run import FirstEpoch, Run, seeded

        self._method.facts_of(config)
        if not _takes(self._method.fit, 2):
            raise NotTried(
                f"{self._method.fit.__name__}(config) trains in one go; fit(config, run) can be ended"
            )
        first = FirstEpoch()
        with seeded(config.seed, runtime.device):
            run = Run(config.seed, runtime, first, first.hooks, self._method.best_epoch)
            try:
                model = self._method.fit(config, run)
                run.end(model)
            except TrainingStopped:
                model = first.model
        if model is None:
            raise NotTried(
                f"{self._method.measure.__name__}, which needs a model between epochs: run.epochs(…, model=net)"
            )
        self._keep(model, io.BytesIO())
        self.measure([(config, model)], self._method.view("val"))

    def load(self, config: Config, runtime: Runtime, checkpoints: CheckpointFolder) -> Any:
        """Read what the function returned."""
        import torch

        with checkpoints.open_to_read(FINAL_CHECKPOINT) as file:
            # The store's own file: a model of hers is an object of any class, which no list of safe ones names.
            return torch.load(file, map_location=runtime.device, weights_only=False)

    def measure(self, members: Sequence[tuple[Config, Any]], view: Returned) -> ViewResult:
        """Call the measuring function."""
        from tablewright.trainables.own.function_run import seeded

        config, model = self._only(members, view)
        if model is None:
            raise ValueError(
                f"a search that stops hopeless trials measures {view.method} between its epochs; name what is "
                "measured: run.epochs(…, model=net)"
            )
        with seeded(config.seed, "cpu"):
            given = self._method.measure(config, model, view.split)
        return self._method.result_of(given, self._method.measure.__name__)
