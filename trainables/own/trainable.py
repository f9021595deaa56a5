"""What functions and scripts have in common as methods: what was declared with them answers for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.run import Device, Runtime
from tablewright.trainables.own.declaration import Config, OwnMethod, Returned
from tablewright.trainables.own.source import project_of

MethodT = TypeVar("MethodT", bound=OwnMethod)


class OwnTrainable(Generic[MethodT]):
    """The verbs of `trainables.contract.method` that do not depend on what trains."""

    def __init__(self, method: MethodT) -> None:
        """Of what was declared together."""
        self._method = method

    def describe_data(self, config: Config, runtime: Runtime) -> DatasetFacts:
        """Find what it trains on."""
        return self._method.facts_of(config)

    def definitions(self) -> Mapping[str, str]:
        """Give the code that it is made of."""
        return self._method.source.definitions

    def imported_modules(self) -> Sequence[str]:
        """Name the packages that its code imports."""
        return self._method.source.imports

    def project_folder(self) -> str:
        """Give the topmost folder of the project that it is declared in."""
        return str(project_of(self._method.file))

    def numeric_environment(self, device: Device) -> Mapping[str, str]:
        """Name the processor and the libraries."""
        from tablewright.trainables.training.numeric_environment import describe_numeric_environment

        return describe_numeric_environment(device)

    def _only(self, members: Sequence[tuple[Config, Any]], view: Returned) -> tuple[Config, Any]:
        """Give the one member.

        Raises:
            ValueError: there are several, as of an ensemble.
        """
        if len(members) > 1:
            raise ValueError(
                f"{view.method} is measured one training at a time; an ensemble needs a method that joins its members"
            )
        return members[0]
