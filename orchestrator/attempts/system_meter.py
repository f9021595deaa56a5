"""What a process uses of its machine."""

from __future__ import annotations

import time

import psutil


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
