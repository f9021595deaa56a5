"""What a training function is given: epochs that survive a kill, and somewhere to report to."""

# ruff: noqa: NPY002 (a person's code draws from the global generator, so that it is seeded and kept)

from __future__ import annotations

import io
import random
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any, BinaryIO, cast

import numpy as np
import torch

from tablewright.trainables.contract.run import (
    BEST_EPOCH,
    Checkpoints,
    Device,
    EpochReport,
    FitHooks,
    Runtime,
    TrainingStopped,
)
from tablewright.trainables.own.best_epoch import BestEpoch, KeptModel
from tablewright.trainables.training.background_checkpoint import BackgroundCheckpoints
from tablewright.trainables.training.checkpoint import is_of_the_machine
from tablewright.trainables.training.checkpoint_fault import CheckpointFault
from tablewright.trainables.training.determinism import reproducible
from tablewright.trainables.training.resume_files import ResumeFiles

ONE_LOOP = (
    "run.epochs is called a second time, and where a training goes on is known of one loop alone; write one loop over "
    "all epochs, as in: for epoch in run.epochs(3 + 4, …): if epoch <= 3: …"
)
GENERATORS = np.random.Generator | np.random.RandomState | torch.Generator | random.Random
"""Of random numbers, that a function may draw from beside the global ones."""
STATE = frozenset({"epoch", "parts", "kept", "python", "numpy", "torch", "cuda"})
"""What a checkpoint holds."""
MODEL = "model"
"""Name of the part that is measured between epochs, and kept of the best one."""


class Run:
    """One training, as its function sees it.

    Attributes:
        seed: of the config; the generators of Python, NumPy and torch are seeded with it already.
        device: to train on, `cpu` or `cuda`.
        data_root: folder of the published data sets, None where none was given.
        rank: of the processes that make the training together, which one this is, from 0 on; the first one's reports,
            state and model count. What another does differently must follow from its rank.
        num_ranks: how many there are; 1 unless the method is declared with `in_processes`.
        keeping: a context in which the function is called; when it ends, no checkpoint is being written any more.
    """

    def __init__(
        self,
        seed: int,
        runtime: Runtime,
        checkpoints: Checkpoints,
        hooks: FitHooks,
        best_epoch: BestEpoch | None = None,
    ) -> None:
        """Begin, or go on from the last checkpoint; the best epoch's model is kept where a rule says which it is."""
        self.seed = seed
        self.device: Device = runtime.device
        self.data_root = runtime.data_root
        self.rank, self.num_ranks = runtime.process.rank, runtime.process.num_processes
        self._checkpoints, self._hooks = checkpoints, hooks
        self._files = ResumeFiles(checkpoints)
        self.keeping = BackgroundCheckpoints(self._files, runtime.checkpoint_every_s)
        self._reported: dict[str, float] = {}
        self._num_reports = 0
        self._is_in_epochs = False
        self._has_epochs = False
        self._parts: Mapping[str, Any] = {}
        self._last: EpochReport | None = None
        self._current = (0, 0, 0.0)  # epoch, how many there are, and when it began
        self._begun_s = time.monotonic()
        self._kept = None if best_epoch is None else KeptModel(best_epoch)
        self._untold: tuple[EpochReport, Mapping[str, Any]] | None = None

    def epochs(self, num_epochs: int, **parts: Any) -> Iterator[int]:
        """Give the numbers of the epochs that are left, from 1 on, and keep the state between them.

        Before the first it puts back what the last checkpoint holds: the parts, and the generators of Python, NumPy and
        torch. After each it tells what was reported, saves when that is due, and ends the training when it is asked
        to. What is done between two epochs must be in a part, or it is lost with a kill. Where the method has a
        `best_epoch`, the part `model` is that epoch's again when the loop is over, by its end or by a `break`.

        Args:
            num_epochs: of the whole training.
            parts: objects with `state_dict` and `load_state_dict`, generators of random numbers, or dictionaries. A
                search that stops hopeless trials measures the one that is called `model`, and `best_epoch` keeps it.

        Raises:
            ValueError: a part is none of these; or a checkpoint is of other parts; or `best_epoch` has no `model` to
                keep, or its value was not reported in the first epoch; or it is not the first loop.
        """
        if self._has_epochs:
            raise ValueError(ONE_LOOP)
        if self._num_reports:
            raise ValueError(
                "run.report was called before run.epochs, as for a loop of one's own; report within the epochs"
            )
        self._has_epochs, self._parts = True, parts
        _refuse_stateless(parts)
        if self._kept is not None and MODEL not in parts:
            raise ValueError(
                f"{BEST_EPOCH} keeps the part that is called {MODEL}, and run.epochs is given "
                f"{', '.join(parts) or 'none'}; write run.epochs(…, {MODEL}=net)"
            )
        done = self._load(parts)
        self._is_in_epochs = True
        for epoch in range(done + 1, num_epochs + 1):
            self._reported, begun_s = {}, time.monotonic()
            self._current = epoch, num_epochs, begun_s
            try:
                yield epoch
            except GeneratorExit:
                # The loop was left by a `break`. Nothing that is raised here would be heard: `end` tells the epoch.
                if self._is_in_epochs:
                    self._leave()
                raise
            self._tell(self._end_epoch(epoch, num_epochs, begun_s, parts), parts)
            is_stopping = self._hooks.should_stop()
            if is_stopping or self.keeping.is_due():
                self._save(
                    epoch, {name: _state_of(part) for name, part in parts.items()}, is_last=is_stopping
                )
            if is_stopping and epoch < num_epochs:
                raise TrainingStopped
        self._is_in_epochs = False
        self._put_best_back(parts)

    def _leave(self) -> None:
        """End the epoch in which the loop was left."""
        self._untold = self._end_epoch(*self._current, self._parts), self._parts
        self._is_in_epochs = False
        self._put_best_back(self._parts)

    def end(self, returned: Any) -> None:
        """Tell of an epoch that was left by a `break`, once the function has returned.

        Args:
            returned: by the function.

        Raises:
            ValueError: the best epoch is asked for, and there is none, or another model was returned.
        """
        if self._is_in_epochs:  # it was left, and something such as a progress bar still holds the loop
            self._leave()
        if self._untold is not None:
            self._tell(*self._untold)
        if self._kept is not None:
            self._kept.check_kept()
            model = self._parts[MODEL]
            if returned is not model and type(returned) is type(model) and not _is_alike(returned, model):
                raise ValueError(
                    f"{BEST_EPOCH} keeps the model of the best epoch, and the function returned another one, such as a "
                    f"copy made within the loop; return the part that run.epochs(…, {MODEL}=…) was given"
                )

    def _end_epoch(
        self, epoch: int, num_epochs: int, begun_s: float, parts: Mapping[str, Any]
    ) -> EpochReport:
        metrics = dict(self._reported)
        if self._kept is not None:
            self._kept.offer(epoch, metrics, _state_of(parts[MODEL]))
            if self._kept.epoch is not None:
                metrics[BEST_EPOCH] = float(self._kept.epoch)
        return EpochReport(epoch, num_epochs, metrics, time.monotonic() - begun_s)

    def _tell(self, report: EpochReport, parts: Mapping[str, Any]) -> None:
        if self._kept is not None and report.epoch == 1:
            self._kept.check_first(report.metrics)
        model = parts.get(MODEL)
        self._last, self._reported = report, {}
        with _modes_kept(model):
            self._hooks.on_epoch(report, model)

    def _put_best_back(self, parts: Mapping[str, Any]) -> None:
        if self._kept is not None and self._kept.epoch is not None:
            _put_back(parts[MODEL], self._kept.state)

    def report(self, **metrics: float) -> None:
        """Tell how the training goes: within `epochs` for the epoch, after them for the last one, else for one step.

        Args:
            metrics: by name, such as `loss` and `val_ppl`; of an epoch the last ones count.

        Raises:
            ValueError: a value is no number; or it cannot be seen whether this is the best epoch.
        """
        if not self._is_in_epochs or BEST_EPOCH in metrics:
            self._refuse_with_best_epoch("report")
        numbers = {name: _number(name, value) for name, value in metrics.items()}
        if self._is_in_epochs:
            self._reported |= numbers
        elif self._untold is not None:
            last, parts = self._untold
            self._untold = replace(last, metrics={**last.metrics, **numbers}), parts
        elif self._last is not None:
            self._tell(replace(self._last, metrics={**self._last.metrics, **numbers}), self._parts)
        else:
            self._num_reports += 1
            now_s = time.monotonic()
            report = EpochReport(self._num_reports, self._num_reports, numbers, now_s - self._begun_s)
            self._begun_s = now_s
            self._hooks.on_epoch(report, None)

    def resume(self) -> dict[str, Any] | None:
        """Give what `checkpoint` kept last, for loops that are not by epochs; None at the beginning."""
        self.keeping.wait()
        kept: dict[str, Any] | None = None

        def take(state: dict[str, Any]) -> None:
            nonlocal kept
            self._num_reports, kept = state["epoch"], state["parts"]

        self._take_up(take)
        return kept

    def checkpoint(self, **state: Any) -> None:
        """Keep a state when it is due, and end the training when it is asked to.

        Args:
            state: whatever going on needs, by name; `resume` gives it back.
        """
        self._refuse_with_best_epoch("checkpoint")
        is_stopping = self._hooks.should_stop()
        if is_stopping or self.keeping.is_due():
            self._save(self._num_reports, state, is_last=is_stopping)
        if is_stopping:
            raise TrainingStopped

    def _refuse_with_best_epoch(self, called: str) -> None:
        if self._kept is not None:
            raise ValueError(
                f"{BEST_EPOCH} is chosen among the epochs of run.epochs(…, {MODEL}=net), which tell which one it is "
                f"and keep its model; run.{called} is called here as for a loop of one's own, or with that name"
            )

    def _load(self, parts: Mapping[str, Any]) -> int:
        done = 0

        def put_back(state: dict[str, Any]) -> None:
            nonlocal done
            if state["parts"].keys() != parts.keys():
                raise ValueError(
                    f"the checkpoint in {self._checkpoints.url} holds {', '.join(state['parts'])}, and "
                    f"run.epochs is given {', '.join(parts)}; give the same parts, or delete the training's folder to "
                    "begin it again"
                )
            for name, part in parts.items():
                _put_back(part, state["parts"][name])
            if self._kept is not None:
                self._kept.load_state_dict(state["kept"])
            done = state["epoch"]

        self._take_up(put_back)
        return done

    def _take_up(self, take: Callable[[dict[str, Any]], None]) -> None:
        """Go on from the last checkpoint that can be read, where there is one."""

        def load(name: str) -> None:
            state = self._read(name)
            take(state)
            self._set_generators(state)

        self._files.take_up(load)

    def _read(self, name: str) -> dict[str, Any]:
        with self._checkpoints.open_to_read(name) as file:
            try:
                # The store's own file, of a training of hers: whatever her parts keep in their states may stand in it.
                state: Any = torch.load(file, map_location="cpu", weights_only=False)
            except Exception as error:
                if is_of_the_machine(error):
                    raise
                words = " ".join(f"{type(error).__name__}: {error}".split())
                raise CheckpointFault.of(self._checkpoints, name, f"cannot be read ({words})") from None
        if not isinstance(state, dict) or not state.keys() >= STATE:
            raise CheckpointFault.of(
                self._checkpoints, name, "is none that run.epochs or run.checkpoint has kept"
            )
        return cast(dict[str, Any], state)

    def _set_generators(self, state: Mapping[str, Any]) -> None:
        random.setstate(state["python"])
        np.random.set_state(state["numpy"])
        torch.set_rng_state(state["torch"])
        if state["cuda"] is not None and self.device == "cuda":
            torch.cuda.set_rng_state(state["cuda"])

    def _save(self, epoch: int, parts: Mapping[str, Any], *, is_last: bool) -> None:
        """Keep a state: at once where the training ends with it, else while it goes on."""
        if self.rank:
            return
        state = {
            "epoch": epoch,
            "parts": dict(parts),
            "kept": None if self._kept is None else self._kept.state_dict(),
            "python": random.getstate(),
            "numpy": np.random.get_state(),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state() if self.device == "cuda" else None,
        }
        if is_last:
            self.keeping.write(state)
        else:
            self.keeping.take(state)


class FirstEpoch:
    """Ends a training after its first epoch, and keeps nothing of it.

    Attributes:
        url: of the folder that it stands for.
        model: the part of that name, as the epoch left it; None where there is none.
    """

    url = "(a trial, of which nothing is kept)"

    def __init__(self) -> None:
        """Wait for the epoch."""
        self.model: Any = None
        self._has_ended = False
        self.hooks = FitHooks(self._end, lambda: self._has_ended)

    def _end(self, report: EpochReport, model: Any) -> None:
        if self._has_ended:  # the function asks nobody whether it is to stop
            raise TrainingStopped
        self.model, self._has_ended = model, True

    def exists(self, name: str) -> bool:
        """Say that it is the beginning."""
        return False

    def open_to_read(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Refuse: nothing is there."""
        raise FileNotFoundError(name)

    @contextmanager
    def open_to_write(self, name: str) -> Generator[BinaryIO]:
        """Take a checkpoint, and forget it."""
        yield io.BytesIO()


@contextmanager
def seeded(seed: int, device: Device) -> Generator[None]:
    """Seed the generators of Python, NumPy and torch inside, and put them back as they were after."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with reproducible(torch.device(device), seed):
            random.seed(seed)
            np.random.seed(seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def _refuse_stateless(parts: Mapping[str, Any]) -> None:
    for name, part in parts.items():
        has_state = hasattr(part, "state_dict") and hasattr(part, "load_state_dict")
        if not isinstance(part, dict | GENERATORS) and not has_state:
            raise ValueError(
                f"run.epochs(…, {name}=…) is a {type(part).__name__}, which has no state_dict and load_state_dict; "
                "give an object that has, such as a torch module or optimizer, a generator of random numbers, or a "
                "dictionary"
            )


def _state_of(part: Any) -> Any:
    match part:
        case dict():
            return dict(part)  # pyright: ignore[reportUnknownArgumentType]
        case np.random.Generator():
            return part.bit_generator.state
        case torch.Generator() | np.random.RandomState():
            return part.get_state()
        case random.Random():
            return part.getstate()
        case _:
            return part.state_dict()


def _put_back(part: Any, state: Any) -> None:
    match part:
        case dict():
            part.clear()  # pyright: ignore[reportUnknownMemberType]
            part.update(state)  # pyright: ignore[reportUnknownMemberType]
        case np.random.Generator():
            part.bit_generator.state = state
        case torch.Generator() | np.random.RandomState():
            part.set_state(state)
        case random.Random():
            part.setstate(state)
        case _:
            part.load_state_dict(state)


def _is_alike(one: Any, other: Any) -> bool:
    """Say whether two models have the same state."""
    first, second = (part if isinstance(part, dict) else part.state_dict() for part in (one, other))
    if first.keys() != second.keys():
        return False
    return all(
        torch.equal(value, second[name]) if isinstance(value, torch.Tensor) else value is second[name]
        for name, value in first.items()
    )


@contextmanager
def _modes_kept(model: Any) -> Generator[None]:
    """Leave each module in training or evaluation mode as it was, whoever measures the model inside.

    A search measures it between epochs: were it left in evaluation mode, the training would be another one than that
    of an equal config which nobody watches.
    """
    modes = (
        [(module, module.training) for module in model.modules()]
        if isinstance(model, torch.nn.Module)
        else []
    )
    try:
        yield
    finally:
        for module, is_training in modes:
            module.training = is_training


def _number(name: str, value: Any) -> float:
    try:
        return float(value.detach() if isinstance(value, torch.Tensor) else value)
    except (TypeError, ValueError):
        raise ValueError(
            f"run.report({name}=…) is a {type(value).__name__}, where one number is needed; give float(…) of it"
        ) from None
