"""Tries a GPU: allocates, multiplies, compares. Run as a program, in a process that nothing has touched."""

from __future__ import annotations

import sys

import torch

SIZE = 256


def fault_of(device: str) -> str:
    """Say what is wrong with a device; empty where it works, and where it is only full."""
    if device == "cuda" and not torch.cuda.is_available():
        why = "" if torch.backends.cuda.is_built() else ", and torch is built without CUDA"
        return f"torch sees no GPU in this process{why}; check the driver and CUDA_VISIBLE_DEVICES"
    try:
        ones = torch.ones(SIZE, SIZE, device=device)
        product = ones @ ones
        wrong = int((product != SIZE).sum())
    except torch.OutOfMemoryError:
        return ""
    except Exception as error:  # of whatever kind, it does not work
        return " ".join(f"{type(error).__name__}: {error}".split())
    return f"a product of matrices has {wrong} wrong elements on it" if wrong else ""


if __name__ == "__main__":
    fault = fault_of(sys.argv[1] if len(sys.argv) > 1 else "cuda")
    sys.stdout.write(f"{fault}\n")
    raise SystemExit(1 if fault else 0)
