"""What GPUs say that they have used of energy: their drivers count it, and a training asks when it begins and ends.

Asked through NVIDIA's management library, which comes with the driver. Where there is none, where a GPU does not count
(one older than Volta, a slice of one), or where it cannot be told which one is meant, nothing is said.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

LIBRARY = "libnvidia-ml.so.1"
IN_ORDER_OF_SLOTS = "PCI_BUS_ID"
"""Of `CUDA_DEVICE_ORDER`: the order in which the library counts; else the fastest comes first."""

MAX_NAME_LENGTH = 96
SUCCESS = 0


class GpuEnergy:
    """The energy that the GPUs of this process have used since this was made."""

    def __init__(self, share: float = 1.0, library: Any = None) -> None:
        """Begin to count.

        Args:
            share: of a GPU that is held, of which others hold the rest; a whole one is 1.
            library: NVIDIA's; None loads it.
        """
        self._share = min(share, 1.0)
        self._library = _load() if library is None else library
        self._handles = [] if self._library is None else _handles_of_visible(self._library)
        self._before_j = self._counted_j()

    def used_j(self) -> float | None:
        """Give what was used by now, of a shared GPU its share; None where that is not known."""
        now_j = self._counted_j()
        if (
            now_j is None or self._before_j is None or now_j < self._before_j
        ):  # it counts anew with its driver
            return None
        return self._share * (now_j - self._before_j)

    def _counted_j(self) -> float | None:
        counted = [_counted_mj(self._library, handle) for handle in self._handles]
        known = [one for one in counted if one is not None]
        return sum(known) / 1000 if known and len(known) == len(counted) else None


def _load() -> Any:
    try:
        library = ctypes.CDLL(LIBRARY)
        counts = hasattr(library, "nvmlDeviceGetTotalEnergyConsumption")
        return library if counts and library.nvmlInit_v2() == SUCCESS else None
    except OSError:  # there is no driver
        return None


def _handles_of_visible(library: Any) -> list[Any]:
    """Find the GPUs that this process sees; nothing where one of them cannot be told from another."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    number = ctypes.c_uint()
    if library.nvmlDeviceGetCount_v2(ctypes.byref(number)) != SUCCESS:
        return []
    wanted = [str(place) for place in range(number.value)] if named is None else named.split(",")
    if not all(_is_told(library, name, number.value) for name in wanted):
        return []
    handles = [_handle(library, name) for name in wanted]
    return [] if None in handles else handles


def _is_told(library: Any, name: str, num_gpus: int) -> bool:
    """Say whether a name means one GPU for sure: numbers do where all are alike, or where both count the same way."""
    if not name.isdecimal():
        return name.startswith("GPU-")
    if os.environ.get("CUDA_DEVICE_ORDER") == IN_ORDER_OF_SLOTS:
        return True
    return len({_model(library, _handle(library, str(place))) for place in range(num_gpus)}) == 1


def _handle(library: Any, name: str) -> Any:
    handle = ctypes.c_void_p()
    if name.isdecimal():
        code = library.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(int(name)), ctypes.byref(handle))
    else:
        code = library.nvmlDeviceGetHandleByUUID(name.encode(), ctypes.byref(handle))
    return handle if code == SUCCESS else None


def _model(library: Any, handle: Any) -> bytes:
    name = ctypes.create_string_buffer(MAX_NAME_LENGTH)
    if handle is None or library.nvmlDeviceGetName(handle, name, ctypes.c_uint(MAX_NAME_LENGTH)) != SUCCESS:
        return b""
    return name.value


def _counted_mj(library: Any, handle: Any) -> int | None:
    energy = ctypes.c_ulonglong()
    code = library.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(energy))
    return energy.value if code == SUCCESS else None
