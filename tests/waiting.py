"""Waiting for what is to happen, however long a busy machine takes over it."""

import time

PATIENCE_S = 240.0
"""Long enough for any event that comes at all; pytest ends a test after `timeout` of pyproject.toml."""


def wait_for(condition, limit_s=PATIENCE_S):
    """Return once the condition holds."""
    until_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < until_s, f"waited for {limit_s:.0f} s"
        time.sleep(0.05)
