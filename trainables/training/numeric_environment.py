"""What digits depend on beside config, seed and code: the processor and the libraries that computed them.

Two machines that agree in all of this give the same digits on a CPU; where they differ, the last ones may.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import features

from tablewright.trainables.contract.run import Device
from tablewright.trainables.training.determinism import find_device, reproducible

_CPU_INFO = Path("/proc/cpuinfo")
_EXTENSIONS = (
    "sse4_2",
    "avx2",
    "fma",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_tile",
    "asimd",
    "sve",
    "sve2",
)
"""Names of the kernel for what libraries choose their code by."""
_VARIABLES = (
    "ATEN_CPU_CAPABILITY",
    "CUBLAS_WORKSPACE_CONFIG",
    "DNNL_DEFAULT_FPMATH_MODE",
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_ENABLE_INSTRUCTIONS",
    "NPY_DISABLE_CPU_FEATURES",
    "NPY_ENABLE_CPU_FEATURES",
    "NVIDIA_TF32_OVERRIDE",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
)
"""Variables by which a person makes libraries choose other code."""


def describe_numeric_environment(device: Device) -> dict[str, str]:
    """Describe what else the digits of a training on a device depend on, for its record and for people.

    Args:
        device: what it is trained on.

    Returns:
        Short texts by name, the same in every process of a machine that has the same variables set; what is not
        known is left out.

    Raises:
        ValueError: this process sees no such device.
    """
    return {name: text for name, text in _describe(find_device(device)) if text}


def _describe(device: torch.device) -> Iterator[tuple[str, str]]:
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        yield "gpu", f"{properties.name} (compute capability {properties.major}.{properties.minor})"
        yield "cuda", torch.version.cuda or ""
        yield "cudnn", str(torch.backends.cudnn.version() or "")
    yield "processor", _processor()
    yield "instruction_set", torch.backends.cpu.get_cpu_capability()
    yield (
        "extensions",
        " ".join(name for name in _EXTENSIONS if name in _cpu_info("flags", "Features").split()),
    )
    with reproducible(device):
        yield "threads", str(torch.get_num_threads())
    yield "torch", torch.__version__
    built_with = torch.__config__.show()
    yield "blas", _first(r"BLAS_INFO=(\w+)", built_with)
    yield "mkl", _first(r"Math Kernel Library Version ([\d.]+)", built_with)
    yield "onednn", _first(r"MKL-DNN v([\d.]+)", built_with)
    yield "numpy", np.__version__
    yield "numpy_simd", " ".join(np.show_config(mode="dicts")["SIMD Extensions"].get("found", []))
    yield "pillow", features.version("pil") or ""
    turbo = features.version("libjpeg_turbo")
    yield "libjpeg", f"turbo {turbo}" if turbo else features.version("jpg") or ""
    yield "variables", " ".join(f"{name}={os.environ[name]}" for name in _VARIABLES if name in os.environ)


def _processor() -> str:
    """Name the processor by model too: libraries branch by it, and a virtual machine's name says little."""
    name = _cpu_info("model name") or platform.processor() or platform.machine()
    numbers = {word: _cpu_info(field) for word, field in (("family", "cpu family"), ("model", "model"))}
    numbers |= {"part": _cpu_info("CPU part")}
    known = [
        _cpu_info("vendor_id", "CPU implementer"),
        *(f"{word} {text}" for word, text in numbers.items() if text),
    ]
    details = ", ".join(text for text in known if text)
    return f"{name} ({details})" if details else name


def _cpu_info(*fields: str) -> str:
    """Give the first processor's value of the first field that Linux tells; nothing elsewhere."""
    if not _CPU_INFO.exists():
        return ""
    lines = (
        line.partition(":") for line in _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    )
    return next((value.strip() for name, _, value in lines if name.strip() in fields), "")


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1] if found else ""
