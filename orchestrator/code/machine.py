"""The machine that trains, as far as it can be told without starting a program: for a record."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")
_NVIDIA = Path("/proc/driver/nvidia")
_EXTENSIONS = ("sse4_2", "avx2", "fma", "avx512f", "amx_tile", "asimd", "sve", "sve2")
"""Names of the kernel for what libraries choose their code by."""


def describe_machine() -> dict[str, str]:
    """Describe system, processor and devices, and the Python that runs; what is not known is left out."""
    return {name: text for name, text in _describe() if text}


def _describe() -> Iterator[tuple[str, str]]:
    yield "python", f"{platform.python_implementation()} {platform.python_version()}"
    yield "system", platform.platform()
    cpu = _text(_CPU_INFO)
    yield "processor", _first(r"model name\s*: (.+)", cpu) or platform.processor() or platform.machine()
    flags = _first(r"(?:flags|Features)\s*: (.+)", cpu).split()
    yield "instruction set", " ".join([platform.machine(), *(name for name in _EXTENSIONS if name in flags)])
    yield "processors", str(os.cpu_count() or "")
    yield "gpu driver", _first(r"Kernel Module\s+(?:for \S+\s+)?([\d.]+)", _text(_NVIDIA / "version"))
    try:
        devices = [
            _first(r"Model:\s*(.+)", _text(path)) for path in sorted(_NVIDIA.glob("gpus/*/information"))
        ]
    except OSError:
        devices = []
    yield "gpus", ", ".join(dict.fromkeys(filter(None, devices)))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1].strip() if found else ""
