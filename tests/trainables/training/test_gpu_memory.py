"""The memory of a real GPU: what a process holds of it, and what it may."""

import pytest
import torch

from tablewright.orchestrator.attempts.cards import cards_here
from tablewright.orchestrator.attempts.fault_kind import kind_of
from tablewright.trainables.contract.memory import CONTEXT_BYTES
from tablewright.trainables.training.gpu_memory import GpuMemory

MB = 1_000_000

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
]


@pytest.fixture
def memory():
    """The memory of this process's GPU, without a limit at the end."""
    yield GpuMemory()
    GpuMemory().begin(1.0)


def test_what_was_held_is_known_after_it_is_given_back(memory):
    """From one training to the next, each its own peak."""
    memory.begin(1.0)
    held = torch.empty(500 * MB, dtype=torch.uint8, device="cuda")
    del held
    memory.give_back()
    assert 500 * MB <= memory.peak_bytes() - CONTEXT_BYTES <= 600 * MB
    memory.begin(1.0)
    assert memory.peak_bytes() < 500 * MB


def test_a_share_cannot_be_passed(memory):
    """More than it is out of memory, as on a GPU of that size; less is not."""
    card = memory.card()
    memory.begin(0.25)
    inside = torch.empty(card.memory_bytes // 8, dtype=torch.uint8, device="cuda")
    del inside
    with pytest.raises(torch.OutOfMemoryError) as caught:
        torch.empty(card.memory_bytes // 3, dtype=torch.uint8, device="cuda")
    assert "memory" == kind_of(caught.value)[0]


def test_the_card_is_the_one_that_the_driver_tells_of(memory):
    """Its name, and its memory to a few per cent, which the driver keeps for itself."""
    card = memory.card()
    assert any(
        other.name == card.name and card.memory_bytes == pytest.approx(other.memory_bytes, rel=0.05)
        for other in cards_here()
    )
