"""A method that ends its process in one of many ways, and a program that runs an attempt at it."""

import ctypes
import os
import sys
import time
from typing import Literal

from tablewright.orchestrator.attempts.guarded_trial import run_guarded_trial
from tablewright.orchestrator.attempts.trial_hooks import TrialHooks
from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.plan import make_plan
from tablewright.orchestrator.plans.planning import describe_with
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.work_queue import planned_work
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.retrieval.view import MAP, RetrievalView
from tests.toy_method import ToyConfig, ToyTrainable


class DyingConfig(ToyConfig):
    METHOD = "dying"

    way: Literal[
        "prints",
        "exits",
        "interrupts",
        "unprintable",
        "huge",
        "surrogate",
        "segfaults",
        "_exit",
        "sleeps",
        "holds",
    ] = "prints"

    def make_trainable(self):
        return DyingTrainable()


class Unprintable(Exception):
    def __str__(self):
        raise SystemExit(3)

    def __reduce__(self):
        raise TypeError("it cannot be pickled")


class DyingTrainable(ToyTrainable):
    def fit(self, config, runtime, checkpoints, hooks):
        print("of Python")  # noqa: T201 (what it tests)
        os.write(2, b"of C\n")
        match config.way:
            case "exits":
                sys.exit("enough")
            case "interrupts":
                raise KeyboardInterrupt
            case "unprintable":
                raise Unprintable
            case "huge":
                raise ValueError("x" * 5_000_000)
            case "surrogate":
                raise ValueError("\ud800\x1b[2J")
            case "segfaults":
                ctypes.string_at(0)
            case "_exit":
                os._exit(9)
            case "sleeps":
                time.sleep(600)
            case "holds":
                ctypes.PyDLL(None).sleep(600)
        return super().fit(config, runtime, checkpoints, hooks)


def a_work(way):
    """One training."""
    table = Ablation("t", "T", DyingConfig(way=way), [Dataset("Toy")], [Row("r")], RetrievalView(), [MAP])
    study = Study("dying", "D", "nowhere", (0,), [table])
    (training,) = make_plan([study], DataResolver(describe_with(Runtime(None, "")))).trainings.values()
    return planned_work(training)


if __name__ == "__main__":
    url, way, stall_s, margin_s = sys.argv[1:]
    from tablewright.orchestrator.attempts import stall_watch

    stall_watch.MARGIN_S = float(margin_s)
    runtime = Runtime(None, f"{url}-cache", stall_s=float(stall_s))
    hooks = TrialHooks(lambda progress: None, lambda: False, sweep="one")
    outcome = run_guarded_trial(a_work(way), Store(url), runtime, hooks)
    sys.stdout.write(f"outcome {outcome.state}\n")
