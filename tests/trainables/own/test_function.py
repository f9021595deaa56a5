"""A function as a method: interrupted anywhere it ends in the same digits; what cannot be is refused in words."""

import os
import random

import numpy as np
import pytest
import torch

from tablewright.trainables.contract.method import NotTried
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.own.declaration import Config, Data, Measured
from tablewright.trainables.own.function import method
from tablewright.trainables.value.refusal import Refusal
from tests.trainables.own.fitted_function import fit, fresh_folders

TOP1 = Metric("top1", "Top-1")
PERPLEXITY = Metric("ppl", "PPL", higher_is_better=False, is_fraction=False)


class Walk(Config):
    """A network that walks by all three generators."""

    rate: float = 0.1
    num_steps: int = 6


def measure(config, model, split):
    """Its one weight."""
    return {"top1": 0.5, "ppl": float(model.weight.abs().sum()) + 2}


@method(Walk, metrics=[TOP1, PERPLEXITY], measure=measure, data=Data("Nothing", version="1"))
def walk(config, run):
    """Walk."""
    model, seen = torch.nn.Linear(3, 1), {"sum": 0.0}
    optimiser = torch.optim.Adam(model.parameters(), config.rate)
    for _ in run.epochs(config.num_steps, model=model, optimiser=optimiser, seen=seen):
        x = torch.randn(4, 3) * random.random() + float(np.random.rand())  # noqa: NPY002
        loss = model(torch.nn.functional.dropout(x)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seen["sum"] += float(loss)
        run.report(loss=loss, seen=seen["sum"])
    return model


@pytest.fixture
def checkpoints(tmp_path):
    """Fresh folders of one training each."""
    return fresh_folders(tmp_path)


@pytest.mark.parametrize("stops_after", [(1,), (3,), (1, 2, 5)])
def test_an_interrupted_training_ends_in_the_same_digits(checkpoints, stops_after):
    """Weights, moments, a dictionary and the generators of Python, NumPy and torch go on where they were."""
    calm, reports = fit(Walk(seed=3), checkpoints())
    model, again = fit(Walk(seed=3), checkpoints(), stops_after)
    torch.testing.assert_close(calm.state_dict(), model.state_dict(), rtol=0, atol=0)
    assert reports == again
    assert 6 == len(reports)


def test_a_training_neither_hears_nor_disturbs_what_draws_beside_it(checkpoints):
    """It depends on its seed alone, and leaves the process's generators as they were."""
    random.seed(1)
    before = random.getstate()
    first, _ = fit(Walk(seed=3), checkpoints())
    assert before == random.getstate()
    random.random()
    torch.rand(3)
    again, _ = fit(Walk(seed=3), checkpoints())
    other, _ = fit(Walk(seed=4), checkpoints())
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, other.weight)


def test_what_it_returned_is_read_back(checkpoints):
    """And measured by the function that was declared with it, in any unit."""
    folder = checkpoints()
    model, _ = fit(Walk(), folder)
    trainable = Walk().make_trainable()
    loaded = trainable.load(Walk(), Runtime(None, ""), folder)
    expected = measure(Walk(), model, "test")
    assert expected == trainable.measure([(Walk(), loaded)], Walk.view()).metrics
    assert (TOP1, PERPLEXITY) == Walk.view("val").metrics


def test_a_function_without_a_run_is_a_method_too(checkpoints):
    """The easiest first step: train(config) -> model, with no word of checkpoints."""

    class Plain(Config):
        size: int = 3

    @method(Plain, metrics=[TOP1], measure=lambda config, model, split: {"top1": model}, data=Data("None"))
    def train(config):
        return config.size / 10

    assert 0.3 == train(Plain())  # it is an ordinary function still
    model, reports = fit(Plain(), checkpoints())
    assert (0.3, {}) == (model, reports)


def test_a_loop_that_is_not_by_epochs_keeps_a_state_of_its_own(checkpoints):
    """Asked to stop it keeps what it is given, and is given it back."""

    class Boosting(Config):
        num_trees: int = 5

    @method(Boosting, metrics=[TOP1], measure=lambda config, model, split: {"top1": 0.1}, data=Data("None"))
    def boost(config, run):
        trees = (run.resume() or {"trees": []})["trees"]
        while len(trees) < config.num_trees:
            trees.append(random.random())
            run.report(loss=trees[-1])
            run.checkpoint(trees=trees)
        return trees

    calm, _ = fit(Boosting(), checkpoints())
    again, reports = fit(Boosting(), checkpoints(), stops_after=(2,))
    assert calm == again
    assert [1, 2, 3, 4, 5] == sorted(reports)


class Loose(Config):
    """For methods that are refused."""

    lr: float = 0.1


class Strict(Config):
    """Lacks a default."""

    lr: float


def fine(config, model, split):
    """Measures."""
    return {"top1": 0.5}


@pytest.mark.parametrize(
    ("declared", "function", "fault"),
    [
        ({"metrics": []}, lambda config: 1, "metrics: at least one Metric is needed"),
        ({"measure": None}, lambda config: 1, "measure: a function"),
        ({"measure": lambda model: 1}, lambda config: 1, "measure: it is called as measure"),
        ({"data": None}, lambda config: 1, "data: what it trains on is needed"),
        ({"config": Strict}, lambda config: 1, r"Strict\.lr: it has no default"),
        ({"config": dict}, lambda config: 1, "config: a class of its own is needed"),
        ({}, lambda: 1, "it is called as fit"),
    ],
)
def test_a_method_that_could_not_run_is_refused_when_it_is_declared(declared, function, fault):
    """Not after the training."""
    given = {"config": Loose, "metrics": [TOP1], "measure": fine, "data": Data("None")} | declared
    with pytest.raises(Refusal, match=fault):
        method(given.pop("config"), **given)(function)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"topl": 0.5}, "gave no 'top1'; did you mean 'topl'"),
        ({}, "gave no 'top1'. It gave none"),
        ({"top1": "high"}, "gave top1 as a str, not as a number"),
        ({"top1": float("nan")}, "top1 = nan, which no table can average"),
        ({"top1": 94.2}, "give 0.942 for 94.2 %, or declare"),
        (0.5, "gave a float; it gives its metrics by name"),
        (Measured({"top1": 0.5}, {"a": [1], "b": [1, 2]}), "columns of different lengths"),
    ],
)
def test_what_measuring_gives_is_checked(given, fault):
    """A metric that is absent or no number is named, with what was given."""

    class Given(Config):
        lr: float = 0.1

    @method(Given, metrics=[TOP1], measure=lambda config, model, split: given, data=Data("None"))
    def train(config):
        return 1

    with pytest.raises(ValueError, match=fault.replace("(", r"\(")):
        Given().make_trainable().measure([(Given(), 1)], Given.view())


def test_other_data_are_another_training(tmp_path):
    """By content; a file that is not there is named before anything trains."""
    (tmp_path / "a.csv").write_text("1")
    data = Data("Mine", files=["a.csv"])
    before = data.facts(tmp_path).fingerprint
    (tmp_path / "a.csv").write_text("2")
    assert before != data.facts(tmp_path).fingerprint
    with pytest.raises(ValueError, match=r"the data of Mine are not there: .*b\.csv"):
        Data("Mine", files=["a.csv", "b.csv"]).facts(tmp_path)


def test_a_search_that_stops_trials_is_told_what_to_name():
    """Between two epochs there is nothing to measure where no part is called `model`."""
    with pytest.raises(ValueError, match=r"name what is measured: run\.epochs\(…, model=net\)"):
        Walk().make_trainable().measure([(Walk(), None)], Walk.view("val"))


@pytest.mark.slow
def test_a_training_that_is_watched_ends_in_the_same_digits(checkpoints):
    """Whoever measures the model between epochs may leave it in evaluation mode: the training does not go on in it."""

    class Dropped(Config):
        num_epochs: int = 3

    @method(Dropped, metrics=[TOP1], measure=fine, data=Data("None"))
    def train(config, run):
        net = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Dropout(0.5))
        for _ in run.epochs(config.num_epochs, model=net):
            run.report(loss=net(torch.ones(8)).square().sum())
        return net

    _, alone = fit(Dropped(), checkpoints())
    _, watched = fit(Dropped(), checkpoints(), watch=torch.nn.Module.eval)
    assert alone == watched


def test_an_epoch_that_is_left_by_a_break_is_told(checkpoints):
    """Of early stopping the last epoch is in the record too."""

    class Early(Config):
        num_epochs: int = 9

    @method(Early, metrics=[TOP1], measure=fine, data=Data("None"))
    def train(config, run):
        for epoch in run.epochs(config.num_epochs):
            run.report(loss=epoch)
            if epoch == 3:
                break
        return 1

    _, reports = fit(Early(), checkpoints())
    assert {1: {"loss": 1}, 2: {"loss": 2}, 3: {"loss": 3}} == reports


def test_two_methods_of_one_name_are_refused():
    """Records are told apart by it; one that is defined again takes the place of the first."""

    def declare(name=""):
        class Twice(Config):
            lr: float = 0.1

        method(Twice, metrics=[TOP1], measure=fine, data=Data("None"), name=name)(lambda config: 1)
        return Twice

    first, again = declare(), declare()
    assert "Twice" == first.METHOD == again.METHOD

    class Other(Config):
        lr: float = 0.1

    with pytest.raises(Refusal, match=r"'Twice' is that of .*Twice already.*give name=… another"):
        method(Other, metrics=[TOP1], measure=fine, data=Data("None"), name="Twice")(lambda config: 1)


@pytest.mark.slow
def test_a_model_that_cannot_be_kept_is_told_in_words(checkpoints):
    """With what to return instead."""

    class Closed(Config):
        lr: float = 0.1

    @method(Closed, metrics=[TOP1], measure=fine, data=Data("None"))
    def train(config):
        return lambda x: x

    with pytest.raises(ValueError, match=r"what train returned cannot be kept .* at the top of a file"):
        fit(Closed(), checkpoints())


def test_what_has_no_state_cannot_be_kept_between_epochs(checkpoints):
    """It is refused at the first epoch, not lost with a kill."""

    class Lost(Config):
        lr: float = 0.1

    @method(Lost, metrics=[TOP1], measure=fine, data=Data("None"))
    def train(config, run):
        return [epoch for epoch in run.epochs(2, trees=[1])]

    with pytest.raises(ValueError, match=r"trees=…\) is a list, which has no state_dict"):
        fit(Lost(), checkpoints())


def declared(measured):
    """A method whose measuring function gives this; it counts how many epochs were trained."""

    class Tried(Config):
        lr: float = 0.1

    trained = []

    @method(
        Tried,
        metrics=[TOP1],
        measure=lambda config, model, split: measured,
        data=Data("None"),
        name=f"T{measured}",
    )
    def train(config, run):
        net = torch.nn.Linear(1, 1)
        for epoch in run.epochs(5, model=net):
            trained.append(epoch)
            run.report(loss=1.0)
        return net

    return Tried(), trained


def test_a_trial_is_one_epoch_and_what_is_measured_then():
    """A misspelt metric is found before anything is trained for long."""
    config, trained = declared({"top1": 0.5})
    config.make_trainable().check(config, Runtime(None, ""))
    assert [1] == trained
    config, _ = declared({"topl": 0.5})
    with pytest.raises(ValueError, match="did you mean 'topl'"):
        config.make_trainable().check(config, Runtime(None, ""))


@pytest.mark.parametrize("keeps_a_state", [True, False])
def test_a_loop_of_ones_own_is_ended_after_its_first_report(keeps_a_state):
    """Whether it asks or not; what could not be tried is said."""

    class Endless(Config):
        lr: float = 0.1

    @method(Endless, metrics=[TOP1], measure=fine, data=Data("None"), name=f"Endless{keeps_a_state}")
    def train(config, run):
        while True:
            run.report(loss=1.0)
            if keeps_a_state:
                run.checkpoint(step=1)

    with pytest.raises(NotTried, match=r"fine, which needs a model.*run\.epochs\(…, model=net\)"):
        Endless().make_trainable().check(Endless(), Runtime(None, ""))


@pytest.mark.slow
def test_generators_of_ones_own_go_on_too(checkpoints):
    """NumPy's, torch's and Python's, given as parts."""

    class Drawing(Config):
        lr: float = 0.1

    @method(Drawing, metrics=[TOP1], measure=fine, data=Data("None"))
    def train(config, run):
        parts = {
            "rng": np.random.default_rng(config.seed),
            "old": np.random.RandomState(config.seed),
            "own": random.Random(config.seed),
            "torch_rng": torch.Generator().manual_seed(config.seed),
            "drawn": {},
        }
        for epoch in run.epochs(4, **parts):
            numbers = parts["rng"].random(), parts["old"].rand(), parts["own"].random()
            parts["drawn"][epoch] = (*numbers, torch.rand(1, generator=parts["torch_rng"]).item())
        return parts["drawn"]

    calm, _ = fit(Drawing(), checkpoints())
    again, _ = fit(Drawing(), checkpoints(), stops_after=(2,))
    assert calm == again
    assert 4 == len({*calm.values()})


def test_what_is_told_after_the_epochs_is_of_the_last_one(checkpoints):
    """And no epoch's own numbers are written over; before the epochs nothing can be told."""

    class After(Config):
        leaves_at: int = 0
        tells_before: bool = False

    @method(After, metrics=[TOP1], measure=fine, data=Data("None"))
    def train(config, run):
        if config.tells_before:
            run.report(before=1)
        for epoch in run.epochs(3, state={}):
            run.report(loss=epoch)
            if epoch == config.leaves_at:
                break
        run.report(after=9)
        return 1

    _, reports = fit(After(), checkpoints())
    assert {1: {"loss": 1}, 2: {"loss": 2}, 3: {"loss": 3, "after": 9}} == reports
    _, reports = fit(After(leaves_at=2), checkpoints())
    assert {1: {"loss": 1}, 2: {"loss": 2, "after": 9}} == reports
    with pytest.raises(ValueError, match=r"run\.report was called before run\.epochs"):
        fit(After(tells_before=True), checkpoints())


@pytest.mark.slow
def test_a_second_loop_of_epochs_is_refused_when_it_is_declared(checkpoints):
    """Where a training goes on would be known of neither; one that is hidden is refused as it begins."""

    class TwoLoops(Config):
        lr: float = 0.1

    def loop(run):
        for _ in run.epochs(2, state={}):
            pass

    def hidden(config, run):
        loop(run)
        loop(run)
        return 1

    method(TwoLoops, metrics=[TOP1], measure=fine, data=Data("None"))(hidden)
    with pytest.raises(ValueError, match=r"run\.epochs is called a second time"):
        fit(TwoLoops(), checkpoints())

    with pytest.raises(Refusal, match=r"run\.epochs is called at two places"):

        @method(TwoLoops, metrics=[TOP1], measure=fine, data=Data("None"))
        def train(config, run):
            for _ in run.epochs(2, state={}):
                pass
            for _ in run.epochs(2, state={}):
                pass
            return 1


@pytest.mark.parametrize(
    ("values", "fault"),
    [(0.5, r"'err' per item with the shape \(\)"), ([[1, 2]], r"'err' per item with the shape \(1, 2\)")],
)
def test_columns_per_item_are_taken_from_any_tensor_and_faults_are_named(values, fault):
    """With a gradient, in half precision; what is no column is told by name."""

    class Items(Config):
        lr: float = 0.1

    given = {}
    measured = method(
        Items, metrics=[TOP1], measure=lambda *_: Measured({"top1": 0.5}, given), data=Data("None")
    )
    measured(lambda config: 1)
    trainable = Items().make_trainable()
    given["err"] = torch.ones(3, dtype=torch.bfloat16, requires_grad=True)
    assert [1.0, 1.0, 1.0] == trainable.measure([(Items(), 1)], Items.view()).per_query["err"].tolist()
    given["err"] = values
    with pytest.raises(ValueError, match=fault):
        trainable.measure([(Items(), 1)], Items.view())


def test_a_trial_finds_what_could_not_be_kept():
    """Before hours of training end in it."""

    class Unkept(Config):
        lr: float = 0.1

    @method(Unkept, metrics=[TOP1], measure=fine, data=Data("None"))
    def train(config, run):
        class Inside(torch.nn.Linear):
            pass

        net = Inside(1, 1)
        for _ in run.epochs(2, model=net):
            pass
        return net

    with pytest.raises(ValueError, match="what train returned cannot be kept"):
        Unkept().make_trainable().check(Unkept(), Runtime(None, ""))


@pytest.mark.parametrize("is_large", [False, True])
def test_a_changed_file_of_the_same_size_in_a_folder_is_other_data(tmp_path, monkeypatch, is_large):
    """By content; of a very large folder by the ends of its files."""
    if is_large:
        monkeypatch.setattr("tablewright.trainables.own.declaration.MAX_READ_WHOLE_BYTES", 1)
    (tmp_path / "images").mkdir()
    file = tmp_path / "images/a.bin"
    found = set()
    for content in (b"aaa", b"bbb"):
        file.write_bytes(content)
        os.utime(file, ns=(len(found), len(found)))  # files are told apart by their times within a process
        found.add(Data("Mine", files=["images"]).facts(tmp_path).fingerprint)
    assert 2 == len(found)
