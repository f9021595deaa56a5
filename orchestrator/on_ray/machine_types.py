"""What a cluster may grow to: the types of machines that its autoscaler may start. Ray is not imported here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tablewright.orchestrator.attempts.resources import Resources


@dataclass(frozen=True)
class MachineType:
    """One kind of machine that may be started.

    Attributes:
        name: as the cluster's file has it.
        resources: of one machine.
        max_count: machines of this type at a time.
    """

    name: str
    resources: Resources
    max_count: int

    def __str__(self) -> str:
        """For people."""
        return f"{self.name} with {self.resources}"


@dataclass(frozen=True)
class MachineTypes:
    """All kinds of machines that may be started, and how many in all.

    Attributes:
        types: those that may be there at all.
        max_machines: of all types together, without the head.
    """

    types: tuple[MachineType, ...]
    max_machines: int

    @staticmethod
    def read(config: Mapping[str, Any]) -> MachineTypes:
        """Read the file that `ray up` is given, or what its autoscaler makes of it.

        Raises:
            ValueError: it is none.
        """
        try:
            max_machines = int(config.get("max_workers") or 0)
            types = tuple(
                MachineType(
                    str(name),
                    Resources.of(declared.get("resources") or {}),
                    min(max_machines, int(declared.get("max_workers") or 0)),
                )
                for name, declared in config["available_node_types"].items()
                if name != config.get("head_node_type")
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(
                f"no configuration of an autoscaler ({type(error).__name__}: {error})"
            ) from error
        return MachineTypes(tuple(kind for kind in types if kind.max_count > 0), max_machines)

    def that_fit(self, needed: Resources) -> list[MachineType]:
        """Give the types on which a training can run."""
        return [kind for kind in self.types if needed.fit_into(kind.resources)]

    def num_trainings(self, needed: Resources) -> int:
        """Count the trainings that could run at a time once as many machines were started as may be."""
        left, total = self.max_machines, 0
        for kind in sorted(self.types, key=lambda kind: needed.num_in(kind.resources), reverse=True):
            count = min(left, kind.max_count)
            total, left = total + count * needed.num_in(kind.resources), left - count
        return total // needed.num_processes


def num_reachable(
    needed: Resources,
    heads: Sequence[Resources],
    others: Sequence[Resources],
    growth: MachineTypes | None,
    *,
    grows_unseen: bool = False,
) -> int:
    """Count the trainings that could run at a time, once the machines that may be started are there.

    Args:
        needed: by a training.
        heads: of the cluster, which no autoscaler starts.
        others: machines that are there.
        growth: what may be started; None where nothing is, or nobody knows.
        grows_unseen: whether machines are started, and nobody knows how many may be: what is there is to be doubled
            then, as Ray's autoscaler does by itself, and doubled again when it was.
    """
    on_heads, now = (
        sum(needed.num_in(machine) for machine in machines) // needed.num_processes
        for machines in (heads, [*heads, *others])
    )
    if growth is not None:
        return max(now, on_heads + growth.num_trainings(needed))
    return max(1, now) * 2 if grows_unseen else now


@dataclass(frozen=True)
class Starting:
    """Machines that were asked for and are not there yet.

    Attributes:
        num_machines: of them.
        failures: why the last attempts at starting some have failed.
        is_infeasible: whether the autoscaler itself says that it has no type for what is asked for.
    """

    num_machines: int = 0
    failures: tuple[str, ...] = ()
    is_infeasible: bool = False


def words_of_waiting(
    needed: Resources, machines: Sequence[Resources], growth: MachineTypes | None, starting: Starting
) -> str:
    """Say why nothing runs on a cluster.

    Args:
        needed: by a training.
        machines: that are there.
        growth: what may be started; None where nothing is, or nobody knows.
        starting: what was asked for.

    Returns:
        What follows a list of the machines.
    """
    if starting.num_machines:
        is_one = starting.num_machines == 1
        return f"; asked for {starting.num_machines} machine{'' if is_one else 's'}, starting"
    if any(needed.fit_into(machine) for machine in machines):
        return ", which are busy or still starting"
    if starting.is_infeasible or (growth is not None and not growth.that_fit(needed)):
        types = f" ({'; '.join(map(str, growth.types))})" if growth is not None and growth.types else ""
        return (
            f", none of them enough, and no type of machine that the cluster may start is large enough{types}: no "
            "training can ever start. Give less with --gpus-per-training and --cpus-per-training, or the cluster a "
            "larger type"
        )
    failed = f"; starting one failed: {'; '.join(starting.failures)}" if starting.failures else ""
    if growth is None:
        return f", none of them enough{failed}"
    fitting = "; ".join(map(str, growth.that_fit(needed)))
    return f"; one that is enough ({fitting}) has not been started yet{failed}"
