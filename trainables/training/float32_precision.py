"""float32 that is float32: torch's ways to compute with fewer digits, switched off for a while and put back.

TF32 is one of them: products of convolutions with 10 of the 23 binary digits, where it is asked for.

torch 2.13 keeps two sets of settings: `fp32_precision` of all backends, of each backend and of each of its
operations, where `none` asks the level above; and the older `allow_tf32` and `set_float32_matmul_precision`, which
write into these and refuse to be read where they disagree with them. A process may have used either, or both.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

import torch

_ALL = ("generic", "all")
_BACKENDS = (("cuda", "all"), ("mkldnn", "all"))
_OPERATIONS = tuple((backend, name) for backend, _ in _BACKENDS for name in ("matmul", "conv", "rnn"))
_HELD = threading.RLock()
_CUDNN_OPERATIONS = (("cuda", "conv"), ("cuda", "rnn"))


@contextmanager
def ieee_float32() -> Generator[None]:
    """Compute float32 in float32 on every backend, and leave each setting as the process had it, errors or not.

    Inside, the settings read `ieee`, `False` and `highest` under their new and old names. They are the process's:
    it may be entered again inside, and another thread waits until the first has left.

    Deviation:
        convolutions and recurrent layers of cuDNN that nobody has set are in TF32 unless a level above says
        otherwise. torch has no name for that, so they are left with what it comes to now: TF32 whatever the levels
        above are set to later, or what these say.
    """
    with _HELD:
        precisions, allows_tf32, matmul_precision = _read()
        try:
            torch.backends.cudnn.allow_tf32 = False
            torch.set_float32_matmul_precision("highest")
            for setting in (_ALL, *_BACKENDS, *_OPERATIONS):
                _set(setting, "ieee")
            yield
        finally:
            # The old names write into the new ones, so these come last.
            torch.backends.cudnn.allow_tf32 = allows_tf32
            torch.set_float32_matmul_precision(matmul_precision)
            for setting, precision in precisions.items():
                _set(setting, precision)


@contextmanager
def tf32_convolutions() -> Generator[None]:
    """Compute convolutions in TF32 inside of `ieee_float32`; products of matrices, as of distances, stay in float32.

    It is how torch comes, on GPUs since Ampere.
    """
    try:
        for setting in _CUDNN_OPERATIONS:
            _set(setting, "tf32")
        yield
    finally:
        for setting in _CUDNN_OPERATIONS:
            _set(setting, "ieee")


def _read() -> tuple[dict[tuple[str, str], str], bool, str]:
    """Give what each setting was set to itself, and the two older ones; the settings are others after."""
    comes_to = {setting: _get(setting) for setting in _CUDNN_OPERATIONS}
    precisions: dict[tuple[str, str], str] = {}
    for level in ((_ALL,), _BACKENDS, _OPERATIONS):
        precisions |= {setting: _get(setting) for setting in level}
        for setting in level:
            _set(setting, "none")  # or those below would answer with it
    for setting in _CUDNN_OPERATIONS:
        if (
            precisions[setting] == "tf32" != comes_to[setting]
        ):  # torch's default, and a level above says otherwise
            precisions[setting] = "none"
        _set(setting, "tf32")
    try:
        allows_tf32 = torch.backends.cudnn.allow_tf32
    except RuntimeError:  # it says that it is not what the operations are
        allows_tf32 = False
    return precisions, allows_tf32, torch.get_float32_matmul_precision()


def _get(setting: tuple[str, str]) -> str:
    return torch._C._get_fp32_precision_getter(*setting)


def _set(setting: tuple[str, str], precision: str) -> None:
    # Not by its public name: in torch 2.13 that of mkldnn's level sets the level above.
    torch._C._set_fp32_precision_setter(*setting, precision)
