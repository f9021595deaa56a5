"""The further processes of a training on Ray: actors in the bundles beside its own, on other machines where need be."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any, cast

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util import get_node_ip_address, placement_group_table
from ray.util.placement_group import PlacementGroup, get_current_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from tablewright.orchestrator.attempts.fault_kind import FaultKind, ProcessLost
from tablewright.orchestrator.attempts.ranks import LOOPBACK, RankTask, begin_rank, task_of, together, told_of
from tablewright.orchestrator.attempts.resources import Resources
from tablewright.orchestrator.masked_streams import mask_streams
from tablewright.orchestrator.project.project import ProjectOnWorker
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.work import Work
from tablewright.trainables.contract.process import Process
from tablewright.trainables.contract.run import Runtime


def beside_on_ray(
    share: Resources, project: ProjectOnWorker | None
) -> Callable[[Work, Store, Runtime], AbstractContextManager[Runtime]]:
    """Say how the other processes of an attempt are started, which itself is the first.

    Args:
        share: what each of them takes.
        project: whose modules the work is made of.
    """

    @contextmanager
    def beside(work: Work, store: Store, runtime: Runtime) -> Generator[Runtime]:
        bundles = get_current_placement_group()

        def start(process: Process) -> RayRank:
            assert bundles is not None
            task = task_of(work, store, replace(runtime, process=process), project)
            return RayRank(task, share, bundles)

        with together(runtime, _address(bundles), start) as there:
            yield there

    return beside


def _address(bundles: PlacementGroup | None) -> str:
    """Give this machine's address as the others of the group reach it."""
    nodes = () if bundles is None else placement_group_table(bundles)["bundles_to_node_id"].values()
    return get_node_ip_address() if len(set(nodes)) > 1 else LOOPBACK


class _Actor:
    """One of the further processes."""

    def __init__(self) -> None:
        self._train: Callable[[], None] | None = None

    def begin(self, task: RankTask) -> tuple[FaultKind, str] | None:
        """Make everything ready; gives what that has failed in."""
        mask_streams()
        try:
            self._train = begin_rank(task)
        except BaseException as error:
            return told_of(error)
        return None

    def train(self) -> tuple[FaultKind, str] | None:
        """Train until the training ends; gives what that has failed in."""
        assert self._train is not None
        try:
            self._train()
        except BaseException as error:
            return told_of(error)
        return None


class RayRank:
    """A process in a bundle of this training; see `ranks.Rank`.

    Args:
        task: what to do.
        share: what it takes.
        bundles: of the training, one a process.
    """

    def __init__(self, task: RankTask, share: Resources, bundles: PlacementGroup) -> None:
        self._rank = task.runtime.process.rank
        place = PlacementGroupSchedulingStrategy(bundles, placement_group_bundle_index=self._rank)
        actor: Any = ray.remote(_Actor)
        self._actor: Any = actor.options(
            num_cpus=share.cpus, num_gpus=share.gpus, max_restarts=0, scheduling_strategy=place
        ).remote()
        self._begun: Any = self._actor.begin.remote(task)
        self._ended: Any = None

    def wait_until_ready(self, limit_s: float) -> None:
        """Return once it is about to train."""
        if (loss := self._loss(self._begun, limit_s, "did not begin in time")) is not None:
            raise loss
        self._ended = self._actor.train.remote()

    def loss(self, limit_s: float) -> ProcessLost | None:
        """Say how it has ended by itself; None where it runs on for so long."""
        return self._loss(self._ended, limit_s)

    def _loss(self, answer: Any, limit_s: float, when_late: str = "") -> ProcessLost | None:
        who = f"process {self._rank} of the training"
        try:
            failed = cast("tuple[FaultKind, str] | None", ray.get(answer, timeout=limit_s))
        except GetTimeoutError:
            return ProcessLost(f"{who} {when_late}", "machine") if when_late else None
        except RayError as error:
            first_line = next(iter(str(error).splitlines()), type(error).__name__)
            return ProcessLost(f"{who} has died ({first_line})", "machine")
        return None if failed is None else ProcessLost(f"{who}: {failed[1]}", failed[0])

    def end(self) -> None:
        """End it."""
        ray.kill(self._actor)
