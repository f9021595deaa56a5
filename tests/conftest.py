"""Fast tests first: what starts Ray or is slow runs after all that ends in a moment."""

from __future__ import annotations

import os
import sys

# Before torch is imported: on tensors this small, threads wait for each other for longer than they work.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

LATE_MARKERS = ("slow", "ray", "gpu")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move the marked tests behind the others; within each group the order stays."""
    items.sort(key=lambda item: any(item.get_closest_marker(marker) for marker in LATE_MARKERS))


@pytest.fixture(autouse=True)
def no_project_stays_entered():
    """Keep the modules of one test's project from the next."""
    yield
    if "tablewright.orchestrator.project" in sys.modules:
        sys.modules["tablewright.orchestrator.project"].leave_project()


@pytest.fixture(autouse=True)
def no_secret_stays_known():
    """Keep the passwords of one test's addresses from being masked in the next."""
    yield
    if "tablewright.trainables.value.secret" in sys.modules:
        sys.modules["tablewright.trainables.value.secret"].forget_secrets()
