"""Steps of the papers on a device: time, memory, kernels and waits, by the product's loop and by a bare one.

Legend: B images of a batch, C channels, H W height and width in pixels.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks.papers_at_full_size import Paper
from benchmarks.synthetic_batches import SyntheticBatches
from tablewright.trainables.training.determinism import reproducible
from tablewright.trainables.training.loss_meter import LossMeter
from tablewright.trainables.training.loss_scaling import CountingScaler
from tablewright.trainables.training.memory_layout import lay_out_for_gpu
from tablewright.trainables.training.optimisation import make_optimizer
from tablewright.trainables.training.precision import computing_in, float32_of
from tablewright.trainables.training.step import apply_gradients, backpropagate

NUM_WARM_UP, NUM_PROFILED = 5, 3
GB = 1e9


@dataclass(frozen=True)
class MeasuredSteps:
    """What steps took.

    Attributes:
        ms: of one.
        images_per_s: at that rate.
        peak_gb: the most that torch's tensors held; 0 on a CPU.
        kernels: that the profiler saw in a step; of a CPU, operations.
        waits: warnings of torch that a step made the CPU wait.
        scale: of the loss in the end; 1 without scaling.
    """

    ms: float
    images_per_s: float
    peak_gb: float
    kernels: float
    waits: float
    scale: float


def product_steps(
    paper: Paper, device: torch.device, num_steps: int, *, is_laid_out: bool = True
) -> MeasuredSteps:
    """Measure the loop's own steps, input and meter included.

    Args:
        paper: whose.
        device: to run on.
        num_steps: that are timed.
        is_laid_out: whether weights have the order of the maps.
    """
    config = paper.config
    with reproducible(device, seed=0), float32_of(config.optimisation.precision):
        network = paper.build_network().to(device)
        if is_laid_out:
            lay_out_for_gpu(network)
        optimizer = make_optimizer(config.optimisation, network.parameters())
        scaling = CountingScaler(device, enabled=config.optimisation.precision == "fp16")
        meter = LossMeter(device)
        images = SyntheticBatches(paper, device, paper.steps_per_epoch())
        batches = images.batches(0)

        def step() -> None:
            images_1BCHW, labels_1B = next(batches)
            images_per_rank = images.augment(images_1BCHW)
            optimizer.zero_grad(set_to_none=True)
            terms = backpropagate(
                paper.method, config, network, scaling.scaler, images_per_rank, labels_1B.unbind(), epoch=0
            )
            apply_gradients(config.optimisation, network, optimizer, scaling)
            meter.add(terms)

        return _measure(step, paper, device, num_steps, lambda: float(scaling.scaler.get_scale()))


def bare_steps(
    paper: Paper, device: torch.device, num_steps: int, *, is_compiled: bool = False
) -> MeasuredSteps:
    """Measure what a loop of ten lines takes for the same network, losses and optimizer, on images that lie there.

    Args:
        paper: whose.
        device: to run on.
        num_steps: that are timed.
        is_compiled: whether the network is, by torch's compiler.
    """
    config = paper.config
    precision = config.optimisation.precision
    with reproducible(device, seed=0), float32_of(precision):
        network: Any = paper.build_network().to(device).to(memory_format=torch.channels_last)
        called = (
            torch.compile(network, backend="inductor" if device.type == "cuda" else "eager")
            if is_compiled
            else network
        )
        optimizer = make_optimizer(config.optimisation, network.parameters())
        scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
        images_BCHW = 255 * torch.rand(paper.shape, device=device)
        labels_B = paper.labels_B().to(device)

        def step() -> None:
            optimizer.zero_grad(set_to_none=True)
            with computing_in(precision, device.type):
                (terms,) = paper.method.loss_terms(
                    config, _Called(called, network), [images_BCHW], [labels_B], 0
                )
            scaler.scale(torch.stack(list(terms.values())).sum()).backward()
            scaler.step(optimizer)
            scaler.update()

        return _measure(step, paper, device, num_steps, lambda: float(scaler.get_scale()))


class _Called:
    """A network that is called as it was compiled, and otherwise itself."""

    def __init__(self, called: Callable[[Tensor], Any], network: nn.Module) -> None:
        self._called, self._network = called, network

    def __call__(self, images_BCHW: Tensor) -> Any:
        return self._called(images_BCHW)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)


def _measure(
    step: Callable[[], None], paper: Paper, device: torch.device, num_steps: int, scale: Callable[[], float]
) -> MeasuredSteps:
    is_gpu = device.type == "cuda"
    for _ in range(min(NUM_WARM_UP, num_steps)):
        step()
    if is_gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    begun_s = time.perf_counter()
    for _ in range(num_steps):
        step()
    if is_gpu:
        torch.cuda.synchronize()
    step_s = (time.perf_counter() - begun_s) / num_steps
    peak_bytes = torch.cuda.max_memory_allocated() if is_gpu else 0
    num_profiled = min(NUM_PROFILED, num_steps)
    with warnings.catch_warnings(record=True) as said, _warned_of_waits() if is_gpu else nullcontext():
        warnings.simplefilter("always")
        for _ in range(num_profiled):
            step()
    waits = sum("synchroniz" in str(one.message) for one in said) / num_profiled
    activity = ProfilerActivity.CUDA if is_gpu else ProfilerActivity.CPU
    with profile(activities=[activity]) as profiled:
        for _ in range(num_profiled):
            step()
    # As the device has told them: torch's own list of events takes a minute to make.
    seen: Any = profiled.profiler.kineto_results.events()  # pyright: ignore[reportOptionalMemberAccess]
    wanted = DeviceType.CUDA if is_gpu else DeviceType.CPU
    kernels = sum(event.device_type() == wanted for event in seen) / num_profiled
    return MeasuredSteps(1000 * step_s, paper.shape[0] / step_s, peak_bytes / GB, kernels, waits, scale())


class _warned_of_waits:
    """torch warns of each wait inside."""

    def __enter__(self) -> None:
        torch.cuda.set_sync_debug_mode("warn")

    def __exit__(self, *_: object) -> None:
        torch.cuda.set_sync_debug_mode("default")
