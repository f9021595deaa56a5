"""How fast devices compute: what a first forecast is made from, before any training has been recorded."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tablewright.orchestrator.costs.forecast import Interval
from tablewright.orchestrator.costs.prices import is_named
from tablewright.trainables.contract.size import TrainingWork

TERA = 1e12


@dataclass(frozen=True)
class DeviceRate:
    """What a GPU computes at most, as its maker prints it; without sparsity.

    Attributes:
        name: stands in the name that the driver gives.
        single_flops_per_s: in float32, by the cores that are no tensor cores.
        half_flops_per_s: in float16 or bfloat16 with sums in float32, by tensor cores; in TF32 half of that, since
            Ampere.
    """

    name: str
    single_flops_per_s: float
    half_flops_per_s: float


# Source: NVIDIA's data sheets of each card, and its white papers on GA102 and AD102 for GeForce and RTX.
DEVICE_RATES: Sequence[DeviceRate] = (
    DeviceRate("T4", 8.1 * TERA, 65 * TERA),
    DeviceRate("V100", 15.7 * TERA, 125 * TERA),
    DeviceRate("RTX 3090", 35.6 * TERA, 71 * TERA),
    DeviceRate("RTX A6000", 38.7 * TERA, 155 * TERA),
    DeviceRate("A10G", 31.2 * TERA, 70 * TERA),
    DeviceRate("A10", 31.2 * TERA, 125 * TERA),
    DeviceRate("L4", 30.3 * TERA, 121 * TERA),
    DeviceRate("RTX 4090", 82.6 * TERA, 165 * TERA),
    DeviceRate("L40S", 91.6 * TERA, 362 * TERA),
    DeviceRate("A100", 19.5 * TERA, 312 * TERA),
    DeviceRate("H100 PCIe", 51 * TERA, 756 * TERA),
    DeviceRate("H100", 67 * TERA, 989 * TERA),
    DeviceRate("H200", 67 * TERA, 989 * TERA),
)

USUAL_DEVICES = ("NVIDIA L4", "NVIDIA A100", "NVIDIA H100")
"""Named where nothing tells on what will be trained."""

SINGLE_SHARE = 0.45
"""Of its rate in float32 that training reaches: counted steps of MGN and TASN against their time on an H100."""
HALF_SHARE, FAST_HALF_SHARE, FAST_FLOPS_PER_S = 0.25, 0.12, 300 * TERA
"""The same in half precision; the faster a card, the less a ResNet's steps keep it busy."""
TF32_OF_HALF = 0.5
"""On every card since Ampere, by the same data sheets."""
TIMES_UNSURE = 2.5
"""These shares are estimates: nine forecasts of ten are meant to be within this factor."""

PROBE_SIDE, PROBE_S = 512, 0.05
CPU_SHARES = Interval(0.35, 0.9, 1.7)
"""Of the rate of a product of matrices that training reaches on a processor: the demo trainings of HA-CNN are at the
lower end and those of MDPR at the upper one, 18 to 84 against 50 GFLOP/s on one core of an EPYC."""


def rate_of(device: str) -> DeviceRate | None:
    """Find what a device computes, by the name that the driver gives; None where it is not known."""
    named = [rate for rate in DEVICE_RATES if is_named(rate.name, device)]
    return max(named, key=lambda rate: len(rate.name), default=None)


def expected_s(works: Sequence[TrainingWork], rate: DeviceRate) -> Interval:
    """Say how long trainings take on a GPU of their own, one after another."""
    likely_s = sum(_expected_s(work, rate) for work in works)
    return Interval(likely_s / TIMES_UNSURE, likely_s, likely_s * TIMES_UNSURE)


def _expected_s(work: TrainingWork, rate: DeviceRate) -> float:
    if work.precision == "fp32":
        return work.flops / (rate.single_flops_per_s * SINGLE_SHARE)
    flops_per_s = rate.half_flops_per_s * (TF32_OF_HALF if work.precision == "tf32" else 1.0)
    return work.flops / (flops_per_s * (FAST_HALF_SHARE if flops_per_s >= FAST_FLOPS_PER_S else HALF_SHARE))


def expected_on_core_s(works: Sequence[TrainingWork], flops_per_s: float) -> Interval:
    """Say how long trainings take on one core of a processor, by the rate of a product of matrices on it."""
    whole_s = sum(work.flops for work in works) / flops_per_s
    return Interval(whole_s / CPU_SHARES.high, whole_s / CPU_SHARES.likely, whole_s / CPU_SHARES.low)


def measured_core_flops_per_s() -> float:
    """Measure how fast one core of this machine multiplies matrices, whatever else runs on it."""
    factor = np.ones((PROBE_SIDE, PROBE_SIDE), dtype=np.float32)
    product = np.matmul(factor, factor)  # the first one loads what it needs
    until_s, used_s, num_products = time.monotonic() + PROBE_S, time.process_time(), 0
    while not num_products or time.monotonic() < until_s:
        np.matmul(factor, factor, out=product)
        num_products += 1
    return 2 * PROBE_SIDE**3 * num_products / (time.process_time() - used_s)
