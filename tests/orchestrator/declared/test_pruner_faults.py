"""Pruners of methods of one's own: what cannot work is told when the search is declared, what is unknown is let be."""

import pytest

from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.pruners import Halving, Median
from tablewright.orchestrator.declared.ranges import FloatRange
from tablewright.orchestrator.declared.search import Objective, Search
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.own.declaration import Config, Data
from tablewright.trainables.own.function import method
from tablewright.trainables.own.script import script

TOP1 = Metric("top1", "Top-1")
DATA = Data("Mine")


def nothing(config, model, split):
    return {"top1": 0.5}


class OfRun(Config):
    lr: float = 0.1


@method(OfRun, metrics=[TOP1], measure=nothing, data=DATA)
def fit_with_run(config, run):
    return list(run.epochs(3))


class InOneGo(Config):
    lr: float = 0.1


@method(InOneGo, metrics=[TOP1], measure=nothing, data=DATA)
def fit_in_one_go(config):
    return [config.lr]


def scripted(name, **arguments):
    """Give the config of a script."""
    made = type(name, (Config,), {"__annotations__": {"lr": float, "epochs": int}, "lr": 0.1, "epochs": 9,
                                  "__module__": __name__})  # fmt: skip
    command = "python waiting.py {flags} --seed {seed} --out {out}"
    return script(command, metrics=[TOP1], data=DATA, name=name, **arguments)(made)


SILENT = scripted("caps_silent", resume="")
FORGETS = scripted("caps_forgets", progress_file="log.jsonl")
GOES_ON = scripted("caps_goes_on", progress_file="log.jsonl", resume="")
OF_NINE = scripted("caps_of_nine", progress_file="log.jsonl", resume="", num_epochs="epochs")


def a_search(config, pruner):
    objective = Objective(TOP1, type(config).view("val"))
    space = {"lr": FloatRange(0.01, 1.0)}
    return Search("s", "S", config, Dataset("Mine"), space, objective, 9, pruner=pruner)


@pytest.mark.parametrize(
    ("config", "pruner", "message"),
    [
        (InOneGo(), Median(), r"the function tells of no epoch; give it a run, fit\(config, run\)"),
        (SILENT(), Median(), r"the script tells of no epoch; name the file in which it does, @script\(progress_file=…"),
        (FORGETS(), Halving(), r"say how it goes on, @script\(resume=…\); or end them"),
        (OF_NINE(), Halving(first_epoch=9), "the first rung, at epoch 9, is not before the end of a training of 9"),
        (OF_NINE(epochs=1), Median(), "it decides between epochs, and a training has 1"),
    ],
)  # fmt: skip
def test_a_pruner_that_a_method_has_no_use_for_is_refused(config, pruner, message):
    """Nobody finds out after a night of trainings that no epoch was told, or that every promotion began again."""
    with pytest.raises(ValueError, match=message):
        a_search(config, pruner)


@pytest.mark.parametrize(
    ("config", "pruner"),
    [
        (OfRun(), Halving()),
        (OfRun(), Halving(first_epoch=40)),
        (GOES_ON(), Halving()),
        (FORGETS(), Halving(promotes=False)),
        (OF_NINE(), Median()),
    ],
)
def test_what_only_the_training_knows_is_no_fault(config, pruner):
    """A function and a script without `num_epochs` say one epoch for want of a better number."""
    assert pruner == a_search(config, pruner).pruner
    assert (9 if isinstance(config, OF_NINE) else None) == config.known_epochs()
