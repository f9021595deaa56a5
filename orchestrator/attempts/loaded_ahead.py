"""What processes load before they are given a training: what each needs, and what takes no GPU and starts no thread."""

from __future__ import annotations

LOADED_AHEAD = (
    "tablewright.orchestrator.attempts.guarded_trial",
    "tablewright.names",
    "tablewright.trainables.own.function_run",
    "torch",
    "pandas",  # by pyarrow, whenever it makes an array
)
