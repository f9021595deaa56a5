"""What is left of a plan will cost: time from what is recorded, or from counted operations, and room in the store."""

from __future__ import annotations

import shutil
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tablewright.orchestrator.code.machine import describe_machine
from tablewright.orchestrator.costs.device_rates import (
    USUAL_DEVICES,
    expected_on_core_s,
    expected_s,
    measured_core_flops_per_s,
    rate_of,
)
from tablewright.orchestrator.costs.forecast import Ahead, Interval, Timed, forecast, seconds_by_training
from tablewright.orchestrator.costs.prices import Prices
from tablewright.orchestrator.plans.plan import PlannedTraining
from tablewright.orchestrator.status import RECORDED, TrainingStatus
from tablewright.orchestrator.store.holding import Holding
from tablewright.orchestrator.store.store import Store
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.method import TrainingConfig
from tablewright.trainables.contract.run import FINAL_CHECKPOINT
from tablewright.trainables.contract.size import TrainingWork

CountWork = Callable[[TrainingConfig, DatasetFacts], TrainingWork | None]


@dataclass(frozen=True)
class Outlook:
    """What is left of a plan, without what its searches will train.

    Attributes:
        num_left: trainings that have no record.
        num_forecast: of those, the ones whose method and data have records.
        wall_s: of these, one after another.
        longest_s: of the longest of these.
        num_recorded: records that this was forecast from.
        held: what each of them held, and on which device.
        works: of the other ones, where they can be counted.
        num_uncounted: of the other ones, those whose operations nobody can count.
        by_device_s: how long these would take on a GPU of a name, one after another.
        on_core_s: how long on one core of this machine; None where nobody would train on it.
    """

    num_left: int = 0
    num_forecast: int = 0
    wall_s: Interval | None = None
    longest_s: float = 0.0
    num_recorded: int = 0
    held: Holding | None = None
    works: tuple[TrainingWork, ...] = ()
    num_uncounted: int = 0
    by_device_s: Mapping[str, Interval] = field(default_factory=dict[str, Interval])
    on_core_s: Interval | None = None


@dataclass(frozen=True)
class Machines:
    """Where trainings are likely to run, before any has.

    Attributes:
        gpus: names of GPUs.
        is_this_one: whether it is this machine, without a GPU.
    """

    gpus: Sequence[str] = ()
    is_this_one: bool = False

    @staticmethod
    def expected(prices: Prices | None, *, is_elsewhere: bool) -> Machines:
        """Guess them: the GPU of this machine, else those that have a price, else this machine or usual ones.

        Args:
            prices: of the project.
            is_elsewhere: whether trainings are sent to a cluster.
        """
        here = [] if is_elsewhere else describe_machine().get("gpus", "").split(", ")
        priced = () if prices is None else prices.per_gpu_hour
        named = [name for name in (*here, *priced) if rate_of(name) is not None]
        if named:
            return Machines(named)
        return Machines(USUAL_DEVICES, is_this_one=not is_elsewhere)


@dataclass(frozen=True)
class Room:
    """What final checkpoints take of the store.

    Attributes:
        kept_bytes: by trainings that are recorded.
        left_bytes: by those that are not, as far as that is known.
        num_unknown: trainings whose checkpoints have a size that nobody knows.
        free_bytes: on the disc of the store; None in an object store.
    """

    kept_bytes: int
    left_bytes: int
    num_unknown: int
    free_bytes: int | None

    @property
    def is_too_little(self) -> bool:
        """Say whether the disc has less free than is needed."""
        return self.free_bytes is not None and self.free_bytes < self.left_bytes


def look_ahead(statuses: Sequence[TrainingStatus], count: CountWork, machines: Machines) -> Outlook:
    """Say what is left of a plan and how long it will take.

    Args:
        statuses: of all trainings of the plan.
        count: says what a training computes.
        machines: for which it is forecast where nothing is recorded.
    """
    left = [status for status in statuses if status.state not in (*RECORDED, "cancelled")]
    done = [status for status in statuses if status.wall_s > 0]
    held, done = _on_one_device(done)
    recorded_kinds = {_kind(status.training) for status in done}
    known = [status for status in left if _kind(status.training) in recorded_kinds]
    unknown = [status for status in left if _kind(status.training) not in recorded_kinds]
    size_of = _sizes([status.training for status in (*done, *known)], known, done, count)
    ahead = [
        Ahead(_kind(one.training), _shape(one.training), size_of[_shape(one.training)], _share_left(one))
        for one in known
    ]
    timed = [
        Timed(_kind(one.training), _shape(one.training), size_of[_shape(one.training)], one.wall_s)
        for one in done
    ]
    counted = [count(status.training.config, status.training.data) for status in unknown]
    works = tuple(work for work in counted if work is not None)
    takes_a_core = bool(works) and machines.is_this_one and all(work.precision == "fp32" for work in works)
    gpus = () if takes_a_core else machines.gpus
    rates = {device: rate for device in gpus if (rate := rate_of(device)) is not None}
    return Outlook(
        num_left=len(left),
        num_forecast=len(known),
        wall_s=forecast(ahead, timed) if ahead else None,
        longest_s=max(seconds_by_training(ahead, timed), default=0.0),
        num_recorded=len(done),
        held=held,
        works=works,
        num_uncounted=len(unknown) - len(works),
        by_device_s={device: expected_s(works, rate) for device, rate in rates.items()} if works else {},
        on_core_s=expected_on_core_s(works, measured_core_flops_per_s()) if takes_a_core else None,
    )


def room_for_checkpoints(statuses: Sequence[TrainingStatus], store: Store, count: CountWork) -> Room:
    """Say what the final checkpoints of a plan take: as recorded ones do, or by what was counted."""
    size_of: dict[str, int] = {}
    for status in statuses:
        shape = _shape(status.training)
        if status.state in RECORDED and shape not in size_of:
            folder = store.training(status.training.training_id)
            if FINAL_CHECKPOINT in (sizes := folder.checkpoints.sizes_bytes()):
                size_of[shape] = sizes[FINAL_CHECKPOINT]
    of_kind: dict[tuple[str, str], list[int]] = {}
    for status in statuses:
        if _shape(status.training) in size_of:
            of_kind.setdefault(_kind(status.training), []).append(size_of[_shape(status.training)])
    usual_of = {kind: round(statistics.median(sizes)) for kind, sizes in of_kind.items()}
    kept = left = num_unknown = 0
    for status in statuses:
        training, size = status.training, size_of.get(_shape(status.training))
        if status.state in RECORDED:
            kept += size or 0
            continue
        if status.state == "cancelled":
            continue
        if size is None and (work := count(training.config, training.data)) is not None:
            size = work.checkpoint_bytes
        if size is None:
            size = usual_of.get(_kind(training))
        left, num_unknown = left + (size or 0), num_unknown + (size is None)
    return Room(kept, left, num_unknown, _free_bytes(store))


def _free_bytes(store: Store) -> int | None:
    folder = store.root.local_path
    if folder is None:
        return None
    there = next((place for place in (folder, *folder.parents) if place.is_dir()), Path("/"))
    return shutil.disk_usage(there).free


def _on_one_device(done: Sequence[TrainingStatus]) -> tuple[Holding | None, list[TrainingStatus]]:
    """Keep the records of the device that most of them are of: another one is faster or slower."""
    parts = Counter(_part(status.holding) for status in done if status.holding is not None)
    if not parts:
        return None, []
    ((most, _),) = parts.most_common(1)
    kept = [status for status in done if status.holding is not None and _part(status.holding) == most]
    return kept[-1].holding, kept


def _part(holding: Holding) -> tuple[str, float, float]:
    return holding.device, holding.gpus, holding.cpus


def _sizes(
    trainings: Sequence[PlannedTraining],
    left: Sequence[TrainingStatus],
    done: Sequence[TrainingStatus],
    count: CountWork,
) -> dict[str, float]:
    """Give the size of each shape; nothing is counted of a kind of which every shape that is left is recorded."""
    recorded = {_shape(status.training) for status in done}
    asked = {_kind(status.training) for status in left if _shape(status.training) not in recorded}
    of_kind: dict[tuple[str, str], dict[str, PlannedTraining]] = {}
    for training in trainings:
        of_kind.setdefault(_kind(training), {})[_shape(training)] = training
    sizes: dict[str, float] = {}
    for kind, shapes in of_kind.items():
        if kind not in asked:
            sizes |= dict.fromkeys(shapes, 1.0)
            continue
        works = {shape: count(training.config, training.data) for shape, training in shapes.items()}
        flops = {shape: work.flops for shape, work in works.items() if work is not None and work.flops > 0}
        is_counted = len(flops) == len(shapes)
        sizes |= {
            shape: flops[shape] if is_counted else float(max(1, training.config.planned_epochs()))
            for shape, training in shapes.items()
        }
    return sizes


def _share_left(status: TrainingStatus) -> float:
    return max(1 - status.epoch / max(1, status.epochs_in_all), 0.0)


def _kind(training: PlannedTraining) -> tuple[str, str]:
    return training.config.METHOD, training.data.name


def _shape(training: PlannedTraining) -> str:
    return f"{training.config.METHOD} {training.config.model_dump_json(exclude={'seed'})}"
