"""Kills at random moments: a small form of `make chaos`, with agents in place of Ray."""

import random
from dataclasses import replace

import pytest

from benchmarks.chaos import (
    Run,
    Size,
    compare,
    disturbances,
    doubled_in_optuna,
    driver,
    everything,
    fill,
    worker,
)

pytestmark = pytest.mark.slow


def test_whatever_is_killed_the_tables_come_out_equal(tmp_path):
    """Two agents on one store, of which agents, their workers or all are killed, end as an undisturbed one does."""
    chance = random.Random(0)
    kinds = {"driver": driver, "worker": worker, "all": everything}
    size = Size(rows=2, seeds=2, trials=3, epochs=10, commands=(("--agent",),) * 2)
    options = ("--tracking-uri", "none")
    quiet, wild = (
        Run(tmp_path / f"quiet-{id(tmp_path)}", replace(size, commands=size.commands[:1]), options),
        Run(tmp_path / f"wild-{id(tmp_path)}", size, options),
    )
    fill(quiet, iter(()), chance)
    outcome = fill(wild, disturbances(chance, kinds, 4, (1.0, 2.0)), chance)
    assert outcome.kills.total() >= 3, outcome
    assert [] == compare(wild, quiet)
    assert [] == doubled_in_optuna(f"sqlite:///{wild.store}/optuna.db", wild)
