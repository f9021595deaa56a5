"""Reading what a training has written of itself, and refusing what is no such thing or another training's."""

from __future__ import annotations

import errno
import warnings
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tablewright.trainables.contract.run import Checkpoints
from tablewright.trainables.training.checkpoint_fault import UNREADABLE, CheckpointFault, restart
from tablewright.trainables.value.name_list import some


class Checkpoint:
    """What one file of a training holds, in memory of the CPU.

    Args:
        checkpoints: of the training.
        name: of the file.
        keys: what it must hold.

    Attributes:
        content: by key.

    Raises:
        CheckpointFault: the file is absent, damaged, or none that a training writes; says what to do.
    """

    def __init__(self, checkpoints: Checkpoints, name: str, keys: Collection[str]) -> None:
        self._checkpoints, self._name = checkpoints, name
        if not checkpoints.exists(name):
            raise self._fault("is not there")
        content: Any = None
        with checkpoints.open_to_read(name) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                content = torch.load(file, map_location="cpu", weights_only=True)
            except Exception as error:
                # torch raises what its parsers stumble over, with advice that is not for our users.
                if is_of_the_machine(error):
                    raise
                raise self._fault(UNREADABLE) from None
        found = content if isinstance(content, Mapping) else {}
        missing = [key for key in keys if key not in found]
        if missing:
            raise self._fault(f"is none that a training has written: it has no {some(missing)}")
        self.content = dict(found)

    def check_origin(self, own: Mapping[str, object]) -> None:
        """Refuse the file of another training.

        Args:
            own: what this training is, by the keys under which the file says it; one that an older version of this
                code did not write is not compared.

        Raises:
            CheckpointFault: with what both are.
        """
        theirs = {key: self.content[key] for key in own if key in self.content}
        if theirs != {key: own[key] for key in theirs}:
            raise CheckpointFault(
                f"{self._checkpoints.url}/{self._name} was written by another training: it has {theirs}, this one "
                f"{dict(own)}",
                "Continue it with the config, data and device it was begun with, or delete the file to train "
                f"{restart(self._name)}",
            )

    def restore_network(self, network: nn.Module) -> None:
        """Give a network every parameter and buffer of the file, and nothing less.

        Raises:
            CheckpointFault: the file holds another network.
        """
        own, found = network.state_dict(), self.content["network"]
        if not isinstance(found, Mapping):
            raise self._fault("holds no network")
        faults = [
            f"{len(names)} of its entries {what} ({some(names, 3)})"
            for names, what in (
                ([key for key in own if key not in found], "are missing"),
                ([key for key in found if key not in own], "are left over"),
                ([key for key in own if key in found and not _is_alike(own[key], found[key])], "are unlike"),
            )
            if names
        ]
        if faults:
            raise self._fault(
                f"holds another network than its config builds: {', '.join(faults)}. Either the method's code has "
                "changed without a new VERSION, or the file is another training's"
            )
        network.load_state_dict(found)

    def _fault(self, what: str) -> CheckpointFault:
        return CheckpointFault.of(self._checkpoints, self._name, what)


def is_of_the_machine(error: Exception) -> bool:
    """Tell a disc that fails from a file that is cut off, in which torch looks for places before its beginning."""
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno != errno.EINVAL)


def _is_alike(own: Tensor, found: Any) -> bool:
    return isinstance(found, Tensor) and found.shape == own.shape
