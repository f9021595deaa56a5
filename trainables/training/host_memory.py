"""The memory of the machine that this process trains on, without a GPU: how much it has held at the most."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path

from tablewright.trainables.contract.memory import Card

_OF_PROCESS = Path("/proc/self")
_FORGET_PEAK = "5"  # Linux: the peak of what is resident counts from here on


class HostMemory:
    """Implements `trainables.contract.device_memory.DeviceMemory` for a CPU; it limits nothing."""

    def begin(self, share: float) -> None:
        """Count a new peak from here on, where the system can: a process makes one training after another."""
        with contextlib.suppress(OSError):
            (_OF_PROCESS / "clear_refs").write_text(_FORGET_PEAK, encoding="ascii")

    def peak_bytes(self) -> int:
        """Give the most that was resident of this process; 0 on a system that does not tell."""
        if not sys.platform.startswith("linux"):
            return 0
        try:
            status = (_OF_PROCESS / "status").read_text(encoding="utf-8")
        except OSError:
            return 0
        found = re.search(r"VmHWM:\s*(\d+) kB", status)
        return 1024 * int(found[1]) if found else 0

    def give_back(self) -> None:
        """Nothing: see `orchestrator.on_ray.ray_worker.return_memory`."""

    def card(self) -> Card | None:
        """None: it is no GPU."""
        return None

    def others_bytes(self) -> int:
        """Not asked of a CPU."""
        return 0
