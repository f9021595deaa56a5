"""Whether this machine has the code, the data and the GPU that a training was planned with."""

from __future__ import annotations

import platform
from collections.abc import Mapping

from tablewright.orchestrator.identity import digest_of
from tablewright.orchestrator.plans.memory_need import why_too_small
from tablewright.orchestrator.plans.recorded_config import differing_definitions
from tablewright.orchestrator.work import Work
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.device_memory import DeviceMemory
from tablewright.trainables.contract.method import (
    CountsMemory,
    HasSource,
    RereadsSource,
    TrainingConfig,
)
from tablewright.trainables.contract.run import (
    Runtime,
)
from tablewright.trainables.contract.view import EvaluationView


class OtherData(Exception):
    """This machine has not the data that the plan saw."""


class OtherCode(Exception):
    """This machine has not the code that the plan has."""


class SmallCard(Exception):
    """The GPU of this machine can never hold the training."""


def check_code(work: Work) -> None:
    """Refuse to train or measure by other code than the id says, as after a file was edited during a sweep.

    Raises:
        Exception: it says what differs.
    """
    trainable = work.config.make_trainable()
    version, planned = work.config.VERSION, work.version
    if version == planned and not isinstance(trainable, RereadsSource):
        return
    edited: Mapping[str, str] = {}
    if isinstance(trainable, HasSource) and isinstance(trainable, RereadsSource):
        edited = differing_definitions(trainable.definitions(), trainable.definitions_now())
    if version != planned or edited:
        names = (
            f" ({', '.join(edited)})" if edited else f" (version {str(version)[:8]}, not {str(planned)[:8]})"
        )
        raise OtherCode(
            f"the code of {work.config.METHOD} on machine {platform.node()} is not that of the plan{names}: it was "
            "edited since the sweep was started, or that machine has another copy. Nothing was trained by it; run the "
            "same command again, which plans with the code as it is"
        )


def check_card(config: TrainingConfig, memory: DeviceMemory, runtime: Runtime) -> None:
    """Refuse a GPU that the training would only run out of memory on, as far as the method can count what it takes.

    Raises:
        SmallCard: says what it takes, and what there is.
    """
    if runtime.device != "cuda" or not isinstance(config.make_trainable(), CountsMemory):
        return
    if (card := memory.card()) is not None and (why := why_too_small(config, [card], runtime.cache_dir)):
        raise SmallCard(f"{why} (machine {platform.node()})")


def check_data(config: TrainingConfig, planned: DatasetFacts, runtime: Runtime) -> None:
    """Refuse to train on other data than the id says.

    A process reads the names of a data set once and trains on what it has read, so that images which are
    added later change nothing in it; a process on another machine, or a later one, is refused here.
    """
    found = _found_here(config, runtime)
    if found.fingerprint != planned.fingerprint:
        raise _other_data(planned, found, planned.fingerprint, found.fingerprint, runtime)


def check_measured(
    config: TrainingConfig, view: EvaluationView, planned: DatasetFacts, runtime: Runtime
) -> None:
    """Refuse to measure on other data than the id of the view says."""
    found = _found_here(config, runtime)
    if not found.is_measured_like(planned, view):
        ours, theirs = (digest_of(facts.measured_on(view)) for facts in (planned, found))
        raise _other_data(planned, found, ours, theirs, runtime)


def _found_here(config: TrainingConfig, runtime: Runtime) -> DatasetFacts:
    try:
        return config.make_trainable().describe_data(config, runtime)
    except ValueError as error:
        raise OtherData(f"machine {platform.node()} lacks data under {_where(runtime)}: {error}") from error


def _where(runtime: Runtime) -> str:
    return runtime.data_root or runtime.cache_dir


def _other_data(
    planned: DatasetFacts, found: DatasetFacts, ours: str, theirs: str, runtime: Runtime
) -> OtherData:
    return OtherData(
        f"{planned.label} under {_where(runtime)} on machine {platform.node()} is not the data set of the plan: "
        f"fingerprint {theirs[:8]}, {_counts(found)}; the plan has {ours[:8]}, {_counts(planned)}. Complete the "
        "copy on that machine (images, lists and starting weights); or, where the data were changed on purpose, "
        "run the same command again: it plans with what is there"
    )


def _counts(data: DatasetFacts) -> str:
    return ", ".join(f"{number} {split}" for split, number in data.num_images.items()) + " images"
