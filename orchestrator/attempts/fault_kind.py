"""Whose fault an exception is: the training's, which would come again anywhere, or its machine's."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from tablewright.orchestrator.attempts.failure_text import words_of
from tablewright.orchestrator.project.project import PARTS
from tablewright.trainables.contract.program import OURS
from tablewright.trainables.contract.run import NoDevice, TrainingStalled

FaultKind = Literal["training", "machine", "device", "memory", "stall"]
"""See `FailureRecord.kind`."""

FAULTS_OF_PATHS = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError)
"""What a path that is written wrongly raises; of our own paths, such as the store's, a machine may be why."""
MACHINE_ERRORS = ("AcceleratorError",)
"""Exception of torch, which is not imported here, for a device that has failed."""
OUT_OF_MEMORY = ("OutOfMemoryError",)
"""Exception of torch, and of CuPy, for a device that is too small, or shared with others."""
OUT_OF_MEMORY_WORDS = (
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "RESOURCE_EXHAUSTED: Out of memory",
)
"""The same in the words of CUDA, its libraries and JAX: of a program that the training runs, or an error around it."""
MACHINE_WORDS = (
    "CUDA error",
    "CUDA driver",
    "CUDA initialization",
    "CUBLAS_STATUS",
    "CUSOLVER_STATUS",
    "CUSPARSE_STATUS",
    "CUFFT_",
    "CUDNN_STATUS",
    "cuDNN error",
    "NCCL error",
    "NVML",
    "No CUDA GPUs are available",
    "Found no NVIDIA driver",
    "NVIDIA driver on your system is too old",
    "system not yet initialized",
    "nable to find an engine to execute",
    "can't allocate memory",
    "unable to mmap",
)
"""Words of torch's RuntimeErrors that speak of the machine."""
CODE_WORDS = ("device-side assert",)
"""Words of the device that speak of the code that ran on it, such as of a label that no class has."""

_ASKED = re.compile(r"Tried to allocate ([\d.]+ \w+)")
_CAPACITY = re.compile(r"total capacity of ([\d.]+ \w+) of which ([\d.]+ \w+) is free")
_HELD = re.compile(r"this process has ([\d.]+ \w+) memory in use")
_OTHERS = re.compile(r"Process \d+ has ([\d.]+ \w+) memory in use")


class ProcessLost(Exception):
    """Another process of the training has failed or died.

    Attributes:
        kind: whose fault that is.
    """

    def __init__(self, message: str, kind: FaultKind) -> None:
        """Say how, and whose fault it is."""
        super().__init__(message)
        self.kind: FaultKind = kind


def kind_of(error: BaseException, fault_of_device: Callable[[], str] = lambda: "") -> tuple[FaultKind, str]:
    """Tell a full disc, a broken device or too little memory from a fault that would come again anywhere.

    Args:
        error: what was raised.
        fault_of_device: asks the device itself; empty where it works, and where none is used.

    Returns:
        The kind, and what is known beyond the exception's own words.
    """
    if isinstance(error, TrainingStalled):
        return "stall", ""
    if isinstance(error, ProcessLost):
        return error.kind, ""
    if (of_memory := _out_of_memory(error)) is not None:
        return "memory", _memory_of(of_memory)
    if isinstance(error, OSError | MemoryError) and not isinstance(error, FAULTS_OF_PATHS):
        return "machine", ""
    if fault := fault_of_device():
        return "device", fault
    return ("machine" if _is_of_the_machine(error) else "training"), ""


def _out_of_memory(error: BaseException) -> str | None:
    """Give the words in which an error, or one that it was raised from, says that a device's memory is used up."""
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        seen.append(cause)
        words = words_of(cause)
        is_told = isinstance(cause, RuntimeError) and any(word in words for word in OUT_OF_MEMORY_WORDS)
        if type(cause).__name__ in OUT_OF_MEMORY or is_told:
            return words
        cause = cause.__cause__
    return None


def _is_of_the_machine(error: BaseException) -> bool:
    if isinstance(error, FAULTS_OF_PATHS):
        return _is_raised_by_us(error)  # else a method of one's own has named what is not there
    words = words_of(error)
    if any(word in words for word in CODE_WORDS):
        return False
    if isinstance(error, NoDevice) or type(error).__name__ in MACHINE_ERRORS:
        return True
    return isinstance(error, RuntimeError) and any(word in words for word in MACHINE_WORDS)


def _memory_of(words: str) -> str:
    """Say in short what was asked of a device's memory and what there was, as far as torch has told it."""
    asked, capacity, held = (pattern.search(words) for pattern in (_ASKED, _CAPACITY, _HELD))
    others = _OTHERS.findall(words)
    parts = [f"{asked[1]} were asked for"] if asked else []
    parts += [f"of {capacity[1]} of the GPU {capacity[2]} were free"] if capacity else []
    parts += [f"this process held {held[1]}"] if held else []
    parts += [f"other processes held {' and '.join(others)}"] if others else []
    return "; ".join(parts)


def _is_raised_by_us(error: BaseException) -> bool:
    """Say whether it comes from this program, or from what it has called, and not from code that a person wrote.

    A method of one's own stands between us and the innermost frame.
    """
    files = [Path(frame.filename).resolve() for frame in traceback.extract_tb(error.__traceback__)]
    of_ours = [file for file in files if any(file.is_relative_to(OURS / part) for part in PARTS)]
    is_innermost = of_ours[-1:] == files[-1:]
    return is_innermost or not of_ours or not of_ours[-1].is_relative_to(OURS / "trainables" / "own")
