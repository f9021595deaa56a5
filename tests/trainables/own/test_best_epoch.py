"""The best epoch's model is the one that is kept, measured and told of; what cannot be chosen is refused in words."""

import math

import pytest
import torch

from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.own.best_epoch import read_best_epoch
from tablewright.trainables.own.declaration import Config, Data
from tablewright.trainables.own.function import method
from tablewright.trainables.value.refusal import Refusal
from tests.trainables.own.fitted_function import fit, fresh_folders

PERPLEXITY = Metric("ppl", "PPL", higher_is_better=False, is_fraction=False)
TOP1 = Metric("top1", "Top-1")
NAN, NOT_REPORTED = math.nan, None


@pytest.fixture
def checkpoints(tmp_path):
    """Fresh folders of one training each."""
    return fresh_folders(tmp_path)


def a_method(values, *, rule="val_ppl", breaks_after=99, holds=torch.nn.Module, reports="val_ppl"):
    """A config whose model's weight is the number of its last epoch plus noise, and whose epochs report the values."""

    class Chosen(Config):
        lr: float = 0.1

    def measure(config, net, split):
        return {"ppl": float(net["weight"] if isinstance(net, dict) else net.weight)}

    @method(Chosen, metrics=[PERPLEXITY], measure=measure, data=Data("None"), best_epoch=rule)
    def train(config, run):
        net = {"weight": 0.0} if holds is dict else torch.nn.Linear(1, 1)
        for epoch in run.epochs(len(values), model=net):
            weight = epoch + float(torch.rand(())) / 100
            if isinstance(net, dict):
                net["weight"] = weight
            else:
                torch.nn.init.constant_(net.weight, weight)
            if values[epoch - 1] is not NOT_REPORTED:
                run.report(**{reports: values[epoch - 1]})
            if epoch == breaks_after:
                break
        return net

    return Chosen(seed=1)


def epoch_of(model):
    """Epoch that a model is of."""
    return int(model["weight"] if isinstance(model, dict) else model.weight)


@pytest.mark.parametrize("holds", [torch.nn.Module, dict])
@pytest.mark.parametrize(
    ("values", "rule", "kept_by_epoch"),
    [
        ([5, 3, 4], "val_ppl", [1, 2, 2]),
        ([5, 3, 3], "val_ppl", [1, 2, 2]),
        ([5, 4, 3], "val_ppl", [1, 2, 3]),
        ([1, 3, 2], ("val_ppl_of_text", "highest"), [1, 2, 2]),
        ([5, NAN, 4, NOT_REPORTED], "val_ppl", [1, 1, 3, 3]),
        ([NAN, math.inf, -math.inf, 4], "val_ppl", [None, None, None, 4]),
    ],
)
def test_the_best_epochs_model_is_kept(checkpoints, values, rule, kept_by_epoch, holds):
    """The first of equal ones; what is not finite or not reported is never the best. Each epoch says which it is."""
    reports = rule if isinstance(rule, str) else rule[0]
    config, folder = a_method(values, rule=rule, holds=holds, reports=reports), checkpoints()
    model, told = fit(config, folder)
    assert kept_by_epoch == [told[epoch].get("best_epoch") for epoch in sorted(told)]
    assert kept_by_epoch[-1] == epoch_of(model)
    loaded = config.make_trainable().load(config, Runtime(None, ""), folder)
    assert kept_by_epoch[-1] == epoch_of(loaded)


@pytest.mark.parametrize("stops_after", [(1,), (2,), (3,), (2, 4), (5,)])
def test_an_interrupted_training_keeps_the_same_model(checkpoints, stops_after):
    """Wherever it was stopped: before, at, or behind the best epoch, and behind the last."""
    config = a_method([5, 3, 4, 6, 7])
    calm, told = fit(config, checkpoints())
    model, again = fit(config, checkpoints(), stops_after)
    torch.testing.assert_close(calm.state_dict(), model.state_dict(), rtol=0, atol=0)
    assert 2 == epoch_of(model)
    assert told == again


def test_a_training_that_was_killed_behind_its_last_epoch_keeps_the_same_model(checkpoints):
    """Nothing is left to train, and what is measured is not the last epoch's model."""
    config, folder = a_method([5, 3, 4]), checkpoints()
    calm, _ = fit(config, folder, stops_after=(3,))
    again, told = fit(config, folder)
    assert {} == told
    assert torch.equal(calm.weight, again.weight)


@pytest.mark.parametrize(("breaks_after", "kept"), [(1, 1), (2, 2), (4, 2)])
def test_a_loop_that_is_left_early_keeps_the_best_model_as_well(checkpoints, breaks_after, kept):
    """By a `break`; its last epoch may be the best one, and is told like any other."""
    model, told = fit(a_method([5, 3, 4, 6, 1], breaks_after=breaks_after), checkpoints())
    assert (kept, breaks_after) == (epoch_of(model), len(told))
    assert kept == told[breaks_after]["best_epoch"]


def test_without_the_rule_it_is_the_last_epochs_model(checkpoints):
    """And nothing says that another one was kept."""
    model, told = fit(a_method([5, 3, 4], rule=""), checkpoints())
    assert 3 == epoch_of(model)
    assert not any("best_epoch" in metrics for metrics in told.values())


def test_the_caption_says_which_model_was_measured():
    """In the words of the metric, behind what the method says of itself."""
    config = a_method([1])
    assert "the model of the epoch with the lowest PPL on val, test split" == config.view("test").protocol


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ("loss", "lowest loss"),
        ("val_loss", "lowest loss on val"),
        ("val/loss", "lowest loss on val"),
        ("val_ppl", "lowest PPL on val"),
        ("val_top1", "highest Top-1 on val"),
        (("val_top1", "highest"), "highest Top-1 on val"),
        (("score", "highest"), "highest score"),
        (("val_score", "lowest"), "lowest score on val"),
    ],
)
def test_the_direction_is_that_of_the_metric_or_what_was_said(declared, says):
    """Losses are lowest; the split is part of the name."""
    faults = []
    assert read_best_epoch(declared, [PERPLEXITY, TOP1], faults).says.endswith(says)
    assert [] == faults


def without_run(config):
    """No epochs."""
    return 1


def with_run(config, run):
    """Epochs."""
    return 1


@pytest.mark.parametrize(
    ("declared", "function", "fault"),
    [
        ("test_ppl", with_run, r"best_epoch: 'test_ppl' is of the test split.*; choose on val"),
        (("test/score", "lowest"), with_run, "is of the test split"),
        ("score", with_run, r"'score' is better low or high is known of losses.*\('score', \"lowest\"\)"),
        (("val_ppl", "highest"), with_run, "the highest 'val_ppl' is the worst one"),
        (("val_loss", "highest"), with_run, "the highest 'val_loss' is the worst one"),
        (("score", "max"), with_run, "a name that the epochs report is needed"),
        (3, with_run, "a name that the epochs report is needed.* got 3"),
        ("val_ppl", without_run, r"write fit\(config, run\)"),
    ],
)
def test_a_rule_that_could_not_choose_is_refused_when_it_is_declared(declared, function, fault):
    """And so is one that would choose on the test split."""

    class Refused(Config):
        lr: float = 0.1

    with pytest.raises(Refusal, match=fault):
        method(
            Refused,
            metrics=[PERPLEXITY, TOP1],
            measure=lambda config, model, split: {},
            data=Data("None"),
            best_epoch=declared,
        )(function)


@pytest.mark.parametrize("breaks_after", [1, 99])
def test_a_value_that_is_not_reported_is_told_after_the_first_epoch(checkpoints, breaks_after):
    """Not after the last; with what was reported, and what may have been meant."""
    config, seen = a_method([5, 3], reports="val_pll", breaks_after=breaks_after), []
    with pytest.raises(
        ValueError, match=r"'val_ppl', which the first .*did you mean 'val_pll'.*reported val_pll"
    ):
        fit(config, checkpoints(), watch=seen.append)
    assert [] == seen


@pytest.mark.parametrize("breaks_after", [2, 99])
def test_values_of_which_none_is_finite_are_told(checkpoints, breaks_after):
    """There is no best model then, and the last one's is not taken for it."""
    with pytest.raises(ValueError, match="no epoch reported a finite one"):
        fit(a_method([NAN, NAN], breaks_after=breaks_after), checkpoints())


def epochs_without_model(run):
    next(iter(run.epochs(2, net=torch.nn.Linear(1, 1))))


@pytest.mark.parametrize(
    ("loop", "fault"),
    [
        (epochs_without_model, r"is given net; write run\.epochs\(…, model=net\)"),
        (lambda run: run.report(val_ppl=1.0), "run.report is called here as for a loop of one's own"),
        (lambda run: run.checkpoint(trees=1), "run.checkpoint is called here as for a loop of one's own"),
        (lambda run: None, "see that run.epochs"),
    ],
)
def test_what_gives_no_model_to_keep_is_told(checkpoints, loop, fault):
    """Where it is done, as far as it is done at all."""

    class Loose(Config):
        lr: float = 0.1

    @method(
        Loose,
        metrics=[PERPLEXITY],
        measure=lambda config, model, split: {},
        data=Data("None"),
        best_epoch="loss",
    )
    def train(config, run):
        loop(run)
        return 1

    with pytest.raises(ValueError, match=fault):
        fit(Loose(), checkpoints())


def test_another_rule_is_another_training():
    """By what is chosen and which way, however that is written; none at all leaves the code's digest alone."""

    def version(rule, *, higher_is_better=False):
        class Versioned(Config):
            lr: float = 0.1

        score = Metric("score", "Score", higher_is_better=higher_is_better)

        @method(
            Versioned,
            metrics=[score],
            measure=lambda config, model, split: {},
            data=Data("None"),
            best_epoch=rule,
        )
        def train(config, run):
            return 1

        return Versioned.VERSION, Versioned().make_trainable().definitions()

    without, _ = version("")
    lowest, definitions = version("val_score")
    assert lowest == version(("val_score", "lowest"))[0]
    assert 4 == len({without, lowest, version("val_loss")[0], version("val_score", higher_is_better=True)[0]})
    assert any(
        name.endswith("test_best_epoch.py: best_epoch of test_another_rule_is_another_training")
        for name in definitions
    )
