"""One attempt at one training on one worker: fit, extract, measure, record.

It runs in a process that the backend chose and knows nothing of who else runs. Everything it learns is
in the store before it says so, so that it can be killed anywhere and be tried again.
"""

from __future__ import annotations

import functools
import importlib.metadata
import logging
import os
import platform
import subprocess
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import psutil

from orchestrator.identity import view_id
from orchestrator.plan import Partner
from orchestrator.records import (
    AttemptRecord,
    DataRecord,
    FailureRecord,
    Store,
    TrainingFolder,
    TrainingRecord,
    now,
)
from orchestrator.study import Objective
from trainables.contract import (
    FINAL_CHECKPOINT,
    AnyExtraction,
    AnyView,
    DatasetFacts,
    EpochReport,
    FitHooks,
    Runtime,
    Split,
    Trainable,
    TrainingConfig,
    TrainingStopped,
)

SPLITS: tuple[Split, ...] = ("val", "test")
RECORDED_PACKAGES = ("torch", "numpy", "pillow", "ray", "optuna", "mlflow")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Work:
    """A training to be made, or a finished one to be measured in further views.

    Attributes:
        training_id: identity.
        config: what is trained.
        data: the data set as the plan saw it.
        views: to be measured, by view id.
        label: for people.
        study: the first study that asked for it.
        watch: measured between epochs, so that a pruner can see it; None where nobody does.
        parameters: dotted path -> value, as the search suggested or the row declared them.
        partners: the other trainings of views of ensembles, by view id.
    """

    training_id: str
    config: TrainingConfig
    data: DatasetFacts
    views: Mapping[str, AnyView]
    label: str
    study: str
    watch: Objective | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    partners: Mapping[str, tuple[Partner, ...]] = field(default_factory=dict[str, tuple[Partner, ...]])


@dataclass(frozen=True)
class Progress:
    """What a running training reports at the end of an epoch.

    Attributes:
        report: of the training itself.
        system: use of the machine since the last report, `system/...` -> value.
        watched: the watched objective's value; None where nothing is watched.
    """

    report: EpochReport
    system: Mapping[str, float]
    watched: float | None = None


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended.

    Attributes:
        state: `done` has a record, `failed` a failure record; `stopped` will go on in the next run;
            `pruned` was ended by a search, without a record.
        message: of a failure, one line; of a done training, what could not be drawn.
    """

    state: Literal["done", "failed", "stopped", "pruned"]
    message: str = ""


class Listener(Protocol):
    """Follows the trials of a sweep in the driver: progress views, tracking, searches.

    `on_start` may come twice for a work whose machine was lost; `on_end` comes once.
    """

    def on_start(self, work: Work) -> None:
        """An attempt begins."""
        ...

    def on_progress(self, work: Work, progress: Progress) -> None:
        """An epoch ended."""
        ...

    def on_end(self, work: Work, outcome: Outcome) -> None:
        """No further attempt is made in this sweep."""
        ...


class Pruned(Exception):
    """The search has no more interest in this training."""


@dataclass(frozen=True)
class TrialHooks:
    """How an attempt talks to its backend.

    Attributes:
        on_progress: called once an epoch. It raises `Pruned` to end the training without a record.
        should_stop: asked every step; when true the attempt saves its state and ends as `stopped`.
    """

    on_progress: Callable[[Progress], None]
    should_stop: Callable[[], bool]


def run_trial(work: Work, store: Store, runtime: Runtime, hooks: TrialHooks) -> Outcome:
    """Train what is not trained, measure what is not measured, and record it.

    A fault of the training becomes a failure record and an outcome, never an exception: what is raised
    from here is a fault of the machine, and worth another attempt elsewhere.
    """
    folder = store.training(work.training_id)
    try:
        if folder.is_done():
            _measure(work, store, runtime, network=None)
            folder.clear_failure()
        else:
            _train(work, store, runtime, hooks)
        return Outcome("done", folder.picture_warning())
    except TrainingStopped:
        return Outcome("stopped")
    except Pruned:
        return Outcome("pruned")
    except Exception as error:  # recorded: the sweep goes on with the other trainings
        message = f"{type(error).__name__}: {error}"
        failure = FailureRecord(
            training_id=work.training_id,
            label=work.label,
            message=message,
            traceback=traceback.format_exc(),
            host=platform.node(),
            failed_at=now(),
        )
        folder.write_failure(failure)
        return Outcome("failed", message)


def _train(work: Work, store: Store, runtime: Runtime, hooks: TrialHooks) -> None:
    folder = store.training(work.training_id)
    trainable = work.config.make_trainable()
    folder.write_attempt(AttemptRecord(started_at=now(), host=platform.node(), pid=os.getpid()))
    reports = {report.epoch: report for report in folder.epochs()}
    meter = SystemMeter()

    def on_epoch(report: EpochReport, network: Any) -> None:
        reports[report.epoch] = report
        folder.write_epochs([reports[epoch] for epoch in sorted(reports)])
        watched = None if work.watch is None else _watch(work, work.watch, trainable, runtime, network)
        hooks.on_progress(Progress(report, meter.read(), watched))

    if folder.checkpoints.exists(FINAL_CHECKPOINT):
        network = trainable.load(work.config, runtime, folder.checkpoints)
    else:
        trainable.prepare_data(work.config, runtime)
        network = trainable.fit(
            work.config, runtime, folder.checkpoints, FitHooks(on_epoch, hooks.should_stop)
        )
    measured_from_s = time.monotonic()
    _measure(work, store, runtime, network)
    attempts = folder.attempts()
    record = TrainingRecord(
        training_id=work.training_id,
        method=work.config.METHOD,
        method_version=work.config.VERSION,
        label=work.label,
        study=work.study,
        config=work.config.model_dump(mode="json"),
        data=DataRecord(
            name=work.data.name,
            label=work.data.label,
            fingerprint=work.data.fingerprint,
            is_demo=work.data.is_demo,
            num_images=dict(work.data.num_images),
            warnings=work.data.warnings,
        ),
        started_at=attempts[0].started_at,
        ended_at=now(),
        attempts=len(attempts),
        num_epochs=work.config.num_epochs,
        train_wall_s=sum(report.wall_s for report in reports.values()),
        measure_wall_s=time.monotonic() - measured_from_s,
        host=platform.node(),
        device=runtime.device,
        git_commit=git_commit(),
        versions={name: importlib.metadata.version(name) for name in RECORDED_PACKAGES},
    )
    folder.write_record(record)


def _measure(work: Work, store: Store, runtime: Runtime, network: Any) -> None:
    """Measure what is not measured; views of ensembles only once all their trainings are done."""
    folder = store.training(work.training_id)
    done = folder.measured_views()
    missing = {
        identity: view
        for identity, view in work.views.items()
        if identity not in done
        and all(store.training(partner.training_id).is_done() for partner in work.partners.get(identity, ()))
    }
    trainable = work.config.make_trainable()
    if missing and network is None:
        trainable.prepare_data(work.config, runtime)
        network = trainable.load(work.config, runtime, folder.checkpoints)
    for split in SPLITS:
        views = {identity: view for identity, view in missing.items() if view.split == split}
        if not views:
            continue
        flip = any(view.flip for view in views.values())
        extraction = trainable.extract(work.config, runtime, network, split, flip=flip)
        for identity, view in views.items():
            partners = work.partners.get(identity, ())
            members = [(work.config, extraction)]
            members += [(partner.config, _extract(partner, store, runtime, view)) for partner in partners]
            folder.write_measurement(
                view,
                identity,
                trainable.measure(members, view),
                [partner.training_id for partner in partners],
            )
        if split == "test" and not folder.pictures():
            _illustrate(work, folder, runtime, network, extraction)


def _illustrate(
    work: Work, folder: TrainingFolder, runtime: Runtime, network: Any, extraction: AnyExtraction
) -> None:
    """Draw what the network does; a fault of drawing is kept in words and costs no training."""
    warning = ""
    try:
        pictures = work.config.make_trainable().illustrate(work.config, runtime, network, extraction)
        for name, content in pictures.items():
            folder.write_picture(name, content)
    except Exception as error:
        warning = f"not every picture could be drawn: {type(error).__name__}: {error}"
        logger.warning("%s: %s", work.label, warning)
    folder.write_picture_warning(warning)


def _extract(partner: Partner, store: Store, runtime: Runtime, view: AnyView) -> AnyExtraction:
    trainable = partner.config.make_trainable()
    network = trainable.load(partner.config, runtime, store.training(partner.training_id).checkpoints)
    return trainable.extract(partner.config, runtime, network, view.split, flip=view.flip)


def _watch(work: Work, objective: Objective, trainable: Trainable, runtime: Runtime, network: Any) -> float:
    view = objective.view
    extraction = trainable.extract(work.config, runtime, network, view.split, flip=view.flip)
    return float(trainable.measure([(work.config, extraction)], view).metrics[objective.metric.name])


def views_by_id(*views: AnyView) -> dict[str, AnyView]:
    """Key views by their ids."""
    return {view_id(view): view for view in views}


class SystemMeter:
    """Reads what this process used of the machine between two calls."""

    def __init__(self) -> None:
        """Start counting."""
        self._process = psutil.Process()
        self._wall_s = time.monotonic()
        self._cpu_s = self._used_cpu_s()

    def _used_cpu_s(self) -> float:
        times = self._process.cpu_times()
        return times.user + times.system

    def read(self) -> dict[str, float]:
        """Give the figures since the last call, named as MLflow's page of system metrics wants them."""
        wall_s, cpu_s = time.monotonic(), self._used_cpu_s()
        elapsed_s = max(wall_s - self._wall_s, 1e-3)
        used = {
            "system/process_cpu_percent": 100 * (cpu_s - self._cpu_s) / elapsed_s,
            "system/process_memory_bytes": float(self._process.memory_info().rss),
            "system/machine_memory_percent": float(psutil.virtual_memory().percent),
        }
        self._wall_s, self._cpu_s = wall_s, cpu_s
        return used


@functools.cache
def git_commit(folder: str | None = None) -> str:
    """Give the commit of the code, with `-dirty` behind it if it was edited; empty outside a checkout."""
    where = folder or str(Path(__file__).parent)
    command = ["git", "-C", where, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
