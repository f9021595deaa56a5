"""A function that shares its training among processes, as somebody writes one, and what goes wrong in some."""

import os
import signal
from pathlib import Path

import torch
from torch import distributed

from tablewright import Config, Data, Metric, method

CLOSENESS = Metric("closeness", "Closeness", higher_is_better=True)
NUM_EPOCHS, NUM_EXAMPLES = 4, 8


class Shared(Config):
    lr: float = 0.1
    fault: str = ""
    mark: str = ""


def measure(config, weights, split):
    return {"closeness": float(1 / (1 + (weights["w"] - 1).abs().sum()))}


@method(Shared, metrics=[CLOSENESS], measure=measure, data=Data("Shared"), in_processes=True)
def fit(config, run):
    if run.num_ranks > 1:
        distributed.init_process_group("gloo")
    x_ND = torch.randn(NUM_EXAMPLES, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y_N = x_ND.sum(1)
    state = {"w": torch.zeros(3, dtype=torch.float64)}
    own = slice(run.rank, None, run.num_ranks)
    for epoch in run.epochs(NUM_EPOCHS, state=state):
        if run.rank == 1 and epoch == 3:
            go_wrong(config)
        error_N = x_ND[own] @ state["w"] - y_N[own]
        gradient_D = x_ND[own].T @ error_N / NUM_EXAMPLES
        loss = (error_N**2).sum() / NUM_EXAMPLES
        if run.num_ranks > 1:
            distributed.all_reduce(gradient_D)
            distributed.all_reduce(loss)
        state["w"] = state["w"] - config.lr * gradient_D
        run.report(loss=float(loss))
    return state


def go_wrong(config):
    match config.fault:
        case "raises":
            raise ValueError("its share of the data is empty")
        case "dies once" if not Path(config.mark).exists():
            Path(config.mark).touch()
            os.kill(os.getpid(), signal.SIGKILL)


class Whole(Config):
    lr: float = 0.1


@method(Whole, metrics=[CLOSENESS], measure=measure, data=Data("Shared"))
def fit_whole(config, run):
    raise AssertionError("it was to be refused")
