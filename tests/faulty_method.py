"""The toy method on machines that go wrong: a broken device, a full disc, other data."""

import dataclasses
import os
from pathlib import Path

from tablewright.trainables.contract.view import ViewResult
from tests.toy_method import ToyConfig, ToyTrainable

BROKEN = []
"""Stands for a process's CUDA context, which a failed kernel spoils until the process ends."""


class FaultyConfig(ToyConfig):
    """Each field is a fault; unset it is the toy method."""

    METHOD = "faulty"

    breaks_device_once_at: str | None = None
    """A path: the process's device breaks unless this file exists, which is made first."""
    has_bad_labels: bool = False
    """Its code raises a ValueError, and has broken the device of its process as well."""
    disc_is_full_while: str | None = None
    """A path: writing fails as long as this file exists; each attempt adds a line to `<path>.attempts`."""
    data_changes_with: str | None = None
    """A path: the data set is another one once this file exists."""
    minp_is_nan: bool = False
    dies_by: str | None = None
    """`abort` or `exit`: its code ends the process."""

    def make_trainable(self):
        return FaultyTrainable()


class FaultyTrainable(ToyTrainable):
    """Implements `trainables.contract.method.Trainable`."""

    def describe_data(self, config, runtime):
        facts = super().describe_data(config, runtime)
        changed = config.data_changes_with
        if changed and Path(changed).exists():
            facts = dataclasses.replace(facts, fingerprint="0" * 64, num_images={"train": 3})
        return facts

    def fit(self, config, runtime, checkpoints, hooks):
        marker = config.breaks_device_once_at
        if marker and not Path(marker).exists():
            Path(marker).touch()
            BROKEN.append(os.getpid())
        if config.dies_by is not None:
            print("last words", flush=True)  # noqa: T201
            os.abort() if config.dies_by == "abort" else os._exit(3)
        if config.has_bad_labels:
            BROKEN.append(os.getpid())
            raise ValueError("label 751 of 751 classes")
        if BROKEN:
            raise RuntimeError("CUDA error: unspecified launch failure")
        if config.disc_is_full_while and Path(config.disc_is_full_while).exists():
            with Path(f"{config.disc_is_full_while}.attempts").open("a") as file:
                file.write(f"{os.getpid()}\n")
            raise OSError(28, "No space left on device")
        return super().fit(config, runtime, checkpoints, hooks)

    def measure(self, members, view):
        result = super().measure(members, view)
        if members[0][0].minp_is_nan:
            return ViewResult({**result.metrics, "minp": float("nan")}, result.per_query)
        return result
