"""Which GPUs there are, and how much memory each has, before anything runs on one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tablewright.trainables.contract.memory import Card

ASK = ("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits")
"""The driver's own program; it answers in MiB."""
LIMIT_S = 30.0
MIB = 1024 * 1024

ACCELERATOR_TYPE = "accelerator_type:"
"""Ray gives a machine a resource of this name for the kind of its GPUs."""

MEMORY_MIB = {
    "K80": 11_441,
    "P4": 7_611,
    "P100": 16_280,
    "V100": 16_160,
    "T4": 15_360,
    "A10G": 23_028,
    "L4": 23_034,
    "L40S": 46_068,
    "A100": 40_960,
    "A100-40G": 40_960,
    "A100-80G": 81_920,
    "H20": 97_871,
    "H100": 81_559,
    "H200": 143_771,
    "B200": 183_359,
    "RTX-PRO-6000": 97_887,
}
"""What `nvidia-smi` shows of the kinds that Ray tells apart; of a kind that is sold in two sizes the smaller one."""


GPU_DEVICES = (
    "/dev/nvidiactl",
    "/dev/nvidia0",
    "/dev/nvidia-uvm",
    "/proc/driver/nvidia",
    "/dev/kfd",
    "/dev/dxg",
)
"""Of which a Linux that has a GPU for torch has one: NVIDIA's driver, AMD's, and that of Windows below it."""


def has_device_of_gpu() -> bool:
    """Say whether torch may see a GPU here: to ask it takes seconds."""
    return sys.platform != "linux" or any(Path(device).exists() for device in GPU_DEVICES)


def cards_here(ask: Sequence[str] = ASK) -> list[Card]:
    """Give the GPUs of this machine; none where it has none, or its driver does not answer.

    Args:
        ask: a program that prints a line for each, with its name and its memory in MiB.
    """
    try:
        told = subprocess.run(
            ask,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = [line.rpartition(",") for line in told.stdout.splitlines()] if told.returncode == 0 else []
    return [
        Card(name.strip(), int(memory_mib) * MIB)
        for name, _, memory_mib in lines
        if memory_mib.strip().isdigit()
    ]


def cards_of_nodes(nodes: Iterable[Mapping[str, Any]]) -> list[Card]:
    """Give a GPU of each kind that the machines of a Ray cluster have, as far as Ray tells them apart.

    Args:
        nodes: as `ray.nodes()` describes them.
    """
    kinds = {
        name.removeprefix(ACCELERATOR_TYPE)
        for node in nodes
        if node["Alive"]
        for name in node["Resources"]
        if name.startswith(ACCELERATOR_TYPE)
    }
    return [Card(f"NVIDIA {kind}", MEMORY_MIB[kind] * MIB) for kind in sorted(kinds & MEMORY_MIB.keys())]
