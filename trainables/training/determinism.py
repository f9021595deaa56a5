"""How torch is held while a network is trained or run, so that equal configs give equal weights."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from contextlib import contextmanager

import torch

from tablewright.trainables.contract.run import Device, NoDevice
from tablewright.trainables.training.float32_precision import ieee_float32


def derive_seed(seed: int, stream: str) -> int:
    """Give one stream of random numbers its own seed, so that no two streams are shifted copies.

    Args:
        seed: of the training.
        stream: what the numbers are for, such as `augmentation`.

    Returns:
        63 bits, never negative.
    """
    return int.from_bytes(hashlib.sha256(f"{seed}/{stream}".encode()).digest()[:8]) >> 1


@contextmanager
def reproducible(device: torch.device, seed: int | None = None) -> Generator[None]:
    """Hold torch so that what runs inside depends on nothing that ran before it, nor changes what runs after.

    On a CPU everything runs in one thread: sums that threads share are added in an order that depends on how
    many there are, so that weights would depend on the machine. Trainings side by side lose nothing by it.
    One thread is also all that torch's CPU kernels need to give equal bits on one machine. Processors with other
    vector instructions give others, which `numeric_environment` tells: to hold all to AVX2 takes 32 % more time
    (MDPR's demo, alternated runs), and must happen before torch is imported. On a GPU convolutions are chosen
    by speed and some kernels add atomically: a seed decides everything but the last digits there.

    float32 is float32 inside: by torch's default, GPUs since Ampere run the convolutions of float32 maps in TF32,
    which keeps 10 of the 23 binary digits. What half precision a training asks for is autocast's, inside of this.

    It may be entered again inside. torch's settings and generators are the process's, so that another thread waits
    until the first has left.

    Args:
        device: where it runs.
        seed: of torch's global generators, which initialise networks and drop units out; their state is put
            back at the end. None leaves them alone.
    """
    cuda_devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    if cuda_devices:
        torch.cuda.empty_cache()  # what a training before this one kept is there for those that share the GPU
    # The first is what another thread waits for.
    with ieee_float32(), torch.random.fork_rng(devices=cuda_devices, enabled=seed is not None):
        num_threads = torch.get_num_threads()
        is_benchmarking = torch.backends.cudnn.benchmark
        try:
            if seed is not None:
                torch.manual_seed(seed)
            if device.type == "cpu":
                torch.set_num_threads(1)
            torch.backends.cudnn.benchmark = device.type == "cuda"
            yield
        finally:
            torch.set_num_threads(num_threads)
            torch.backends.cudnn.benchmark = is_benchmarking


def find_device(name: Device) -> torch.device:
    """Give the device of that name.

    Raises:
        NoDevice: it is `cuda` and this process sees no GPU.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise NoDevice(
            "device 'cuda' is asked for, but torch sees no GPU in this process; check the driver and "
            "CUDA_VISIBLE_DEVICES, or run on device 'cpu'"
        )
    return torch.device(name)
