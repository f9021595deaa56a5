"""What an hour of a device costs, as `prices.toml` in the folder of the project says it.

    currency = "USD"

    [per_gpu_hour]
    "NVIDIA L4" = 0.80

    [per_cpu_hour]
    "Xeon" = 0.05

A device has the price whose name stands in its own, whole words and in any case; of several the longest. What trains on
a GPU is charged for the GPU alone, with the share of the machine that comes with it.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tablewright.orchestrator.store.holding import Holding

PRICES_FILE = "prices.toml"
CURRENCY, PER_GPU_HOUR, PER_CPU_HOUR = "currency", "per_gpu_hour", "per_cpu_hour"


@dataclass(frozen=True)
class Prices:
    """Prices an hour, by name of a device.

    Attributes:
        currency: as it is printed behind an amount.
        per_gpu_hour: of one GPU.
        per_cpu_hour: of one processor of a machine without a GPU.
    """

    currency: str
    per_gpu_hour: Mapping[str, float]
    per_cpu_hour: Mapping[str, float]

    def of(self, holding: Holding) -> float | None:
        """Give what an attempt has cost; None where its device has no price."""
        known = self.per_gpu_hour if holding.gpus else self.per_cpu_hour
        return self._hourly(known, holding.device, (holding.gpus or holding.cpus) * holding.held_s / 3600)

    def of_gpu_hours(self, device: str, hours: float) -> float | None:
        """Give what hours of a GPU would cost; None where it has no price."""
        return self._hourly(self.per_gpu_hour, device, hours)

    @staticmethod
    def _hourly(known: Mapping[str, float], device: str, hours: float) -> float | None:
        named = [name for name in known if is_named(name, device)]
        return known[max(named, key=len)] * hours if named else None


def is_named(name: str, device: str) -> bool:
    """Say whether a name stands in a device's, whole words: an L4 is no L40S."""
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", device, re.IGNORECASE) is not None


def read_prices(folder: Path) -> Prices | None:
    """Read the prices of a project; None where it has none.

    Raises:
        ValueError: every fault of the file.
    """
    path = folder / PRICES_FILE
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as TOML: {error}; mend it, or move it away") from error
    faults = list(_faults_of(content))
    if faults:
        raise ValueError("\n".join(f"{path}: {fault}" for fault in faults))
    return Prices(content[CURRENCY], content.get(PER_GPU_HOUR, {}), content.get(PER_CPU_HOUR, {}))


def _faults_of(content: Mapping[str, Any]) -> Iterator[str]:
    known = (CURRENCY, PER_GPU_HOUR, PER_CPU_HOUR)
    yield from (f"{key!r} is none of {', '.join(known)}" for key in content if key not in known)
    currency = content.get(CURRENCY)
    if not isinstance(currency, str) or not currency.strip():
        yield f'{CURRENCY} is {currency!r}; write currency = "USD", as it is to be printed'
    for key in (PER_GPU_HOUR, PER_CPU_HOUR):
        table = content.get(key, {})
        if not isinstance(table, dict):
            yield f'{key} is {table!r}; it is a table of devices and prices, such as "NVIDIA L4" = 0.80'
            continue
        for name, price in cast("dict[str, Any]", table).items():
            is_number = isinstance(price, int | float) and not isinstance(price, bool)
            if not name.strip() or not is_number or not (math.isfinite(price) and price >= 0):
                yield f"{key} of {name!r} is {price!r}; a price an hour is a number, 0 or more"
