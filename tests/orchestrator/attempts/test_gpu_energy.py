"""What is read of the energy that GPUs have counted."""

from __future__ import annotations

from typing import Any

import pytest

from tablewright.orchestrator.attempts.gpu_energy import GpuEnergy

UNKNOWN = 6  # NVML_ERROR_NOT_FOUND
NOT_SUPPORTED = 3


class Cards:
    """Stands for NVIDIA's library, which this machine may lack, with its calls and codes.

    Attributes:
        energy_mj: that each card has counted; None of one that does not count.
    """

    def __init__(self, energy_mj: list[int | None], models: list[str] | None = None) -> None:
        self.energy_mj = energy_mj
        self._models = models or ["L4"] * len(energy_mj)

    def nvmlDeviceGetCount_v2(self, number: Any) -> int:
        number._obj.value = len(self.energy_mj)
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: Any, handle: Any) -> int:
        handle._obj.value = index.value + 1
        return 0 if index.value < len(self.energy_mj) else UNKNOWN

    def nvmlDeviceGetHandleByUUID(self, name: bytes, handle: Any) -> int:
        handle._obj.value = int(name.removeprefix(b"GPU-")) + 1
        return 0

    def nvmlDeviceGetName(self, handle: Any, name: Any, length: Any) -> int:
        name.value = self._models[handle.value - 1].encode()
        return 0

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Any, energy: Any) -> int:
        counted = self.energy_mj[handle.value - 1]
        if counted is None:
            return NOT_SUPPORTED
        energy._obj.value = counted
        return 0


@pytest.mark.parametrize(
    ("visible", "expected_j"),
    [("1", 2.0), ("GPU-1", 2.0), ("0,1", 3.0), ("MIG-4f", None), ("7", None), ("", None)],
)
def test_a_training_counts_the_cards_that_it_sees(monkeypatch: Any, visible: str, expected_j: float | None):
    """By number or by name; a slice of one, one that is not there and none at all count nothing."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    cards = Cards([10_000, 50_000])
    energy = GpuEnergy(library=cards)
    cards.energy_mj = [11_000, 52_000]
    assert expected_j == energy.used_j()


def test_a_shared_card_is_counted_by_its_share(monkeypatch: Any):
    """Half a card has used half of what the card says."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    cards = Cards([0])
    energy = GpuEnergy(0.5, cards)
    cards.energy_mj = [8_000]
    assert 4.0 == energy.used_j()


def test_what_cannot_be_told_is_not_said(monkeypatch: Any):
    """One that does not count, one whose driver counts anew, and a number that may mean another of unlike cards."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert GpuEnergy(library=Cards([1, None])).used_j() is None
    cards = Cards([1, 5_000])
    energy = GpuEnergy(library=cards)
    cards.energy_mj = [1, 10]
    assert energy.used_j() is None
    assert GpuEnergy(library=Cards([1, 2], ["L4", "H100"])).used_j() is None
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    assert 0.0 == GpuEnergy(library=Cards([1, 2], ["L4", "H100"])).used_j()


def test_a_machine_without_a_driver_counts_nothing():
    """Nothing is said, and nothing fails."""
    assert GpuEnergy().used_j() is None or GpuEnergy().used_j() >= 0
