"""Constraints of a search: which are kept, which are refused when declared, and what a sampler makes of them."""

import pytest

from tablewright.orchestrator.declared.constraints import Less, Product, WeightedSum
from tablewright.orchestrator.declared.ranges import Choice, FloatRange, IntRange, When
from tablewright.orchestrator.declared.samplers import Gp, Random, Tpe
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.searches.search_identity import find_search_id
from tablewright.orchestrator.searches.suggester import Suggester
from tablewright.orchestrator.store.search_records import RUNS_TO_FAIL_IN
from tablewright.orchestrator.store.store import Store
from tests.orchestrator.searches.test_search import FACTS
from tests.orchestrator.small_declarations import RATE, M, search
from tests.toy_method import ToyConfig

HELD = "epoch_s"
TWO = {RATE: FloatRange(0.0, 1.0), HELD: FloatRange(0.0, 1.0)}
BELOW = Less(RATE, HELD)
BASE = ToyConfig(learning_rate=0.1, epoch_s=0.9)


def a_constrained(**changes):
    return search(**{"base": BASE, "space": TWO, "constraints": [BELOW], "num_trials": 20, **changes})


def run_out(suggester, refuses=lambda params: False, fails=lambda params: False):
    """Answer every suggestion at once: the nearer to (0.7, 0.7) the better."""
    while not suggester.is_spent:
        trial = suggester.suggested()
        if trial.is_refused or refuses(trial.params):
            suggester.take(trial.model_copy(update={"state": "refused"}))
            continue
        suggester.take(trial.model_copy(update={"training_id": f"{trial.number:064d}"}))
        if fails(trial.params):
            for _ in range(RUNS_TO_FAIL_IN):
                suggester.told(trial.number, "fail")
            continue
        value = 1 - (trial.params[RATE] - 0.7) ** 2 - (trial.params[HELD] - 0.7) ** 2
        suggester.told(trial.number, "complete", value)
    return suggester.in_order


@pytest.mark.parametrize(
    ("constraint", "values", "is_kept"),
    [
        (Less("a", "b"), {"a": 1, "b": 2}, True),
        (Less("a", "b"), {"a": 2, "b": 2}, False),
        (Less("a", "b", or_equal=True), {"a": 2, "b": 2}, True),
        (Less("a", 3), {"a": 4}, False),
        (Less(0.5, "a"), {"a": 0.6}, True),
        (Less("a", "b"), {"a": 1, "b": None}, True),
        (WeightedSum({"a": 1, "b": 1}, at_most=0.3), {"a": 0.1, "b": 0.2}, True),
        (WeightedSum({"a": 1, "b": -2}, at_least=0), {"a": 1, "b": 1}, False),
        (WeightedSum({"a": 1, "b": 1}, at_least=1, at_most=1), {"a": 0.7, "b": 0.3}, True),
        (Product(("a", "b"), at_most=512), {"a": 64, "b": 8}, True),
        (Product(("a", "b"), at_most=512), {"a": 64, "b": 9}, False),
    ],
)
def test_a_constraint_says_what_keeps_it(constraint, values, is_kept):
    """At most 0 is fine, a tie of `<` is not, rounding is no fault, and what is off is not compared."""
    assert is_kept == (constraint.violation(values.__getitem__) <= 0)


@pytest.mark.slow
@pytest.mark.parametrize("sampler", [Tpe(num_startup_trials=4), Random()])
def test_every_suggestion_keeps_the_constraints(sampler):
    """Whether a sampler learns from constraints or not, no suggestion is spent on what breaks them."""
    trials = run_out(Suggester(a_constrained(sampler=sampler)))
    assert 20 == len(trials)
    assert all(trial.params[RATE] < trial.params[HELD] for trial in trials)


@pytest.mark.slow
def test_a_constrained_search_that_goes_on_suggests_what_it_would_have():
    """What was drawn and broke a constraint is recorded nowhere, and drawn anew."""
    declared = a_constrained(num_trials=14, sampler=Tpe())
    straight = run_out(Suggester(declared))
    resumed = Suggester(declared)
    while not resumed.is_spent:
        again = Suggester(declared)
        for trial in resumed.in_order:
            again.take(trial)
        trial = again.suggested()
        assert straight[trial.number].params == trial.params
        resumed.take(straight[trial.number])
    assert 14 == len(resumed.in_order)


@pytest.mark.slow
@pytest.mark.parametrize(("sampler", "num_trials"), [(Tpe(), 40), (Gp(4), 12)], ids=str)
def test_what_the_method_refuses_teaches_the_sampler(sampler, num_trials):
    """At a border optimum fewer than half of the suggestions are refused, where three of four were of a blind one."""
    declared = a_constrained(constraints=[], num_trials=num_trials, sampler=sampler)
    trials = run_out(Suggester(declared), refuses=is_beyond)
    assert num_trials == sum(not trial.is_refused for trial in trials)
    assert len(trials) < 2 * num_trials


@pytest.mark.slow
@pytest.mark.parametrize(("sampler", "num_trials"), [(Tpe(4), 40), (Gp(4), 16)], ids=str)
def test_what_the_method_fails_at_teaches_the_sampler(sampler, num_trials):
    """At a border optimum more than half of the trainings do not fail, where one of three did not of a blind one."""
    declared = a_constrained(constraints=[], num_trials=num_trials, sampler=sampler)
    trials = run_out(Suggester(declared), fails=is_beyond)
    assert num_trials == len(trials)
    assert sum(trial.state == "complete" for trial in trials) > num_trials / 2


def is_beyond(params):
    return params[RATE] >= params[HELD]


def test_a_constraint_of_a_conditional_path_holds_where_it_is_searched():
    """Elsewhere the declared value is compared, and of what is off none."""
    space = {
        "network.attention.guidance": Choice((True, False)),
        M: When("network.attention.guidance", (True,), IntRange(1, 8)),
        "epochs": IntRange(1, 8),
    }
    declared = a_constrained(space=space, constraints=[Less(M, "epochs")], sampler=Random(), num_trials=12)
    trials = run_out_of_any(Suggester(declared))
    assert all(trial.params.get(M, 2) < trial.params["epochs"] for trial in trials)
    assert {True, False} == {M in trial.params for trial in trials}


def run_out_of_any(suggester):
    while not suggester.is_spent:
        trial = suggester.suggested()
        suggester.take(trial.model_copy(update={"training_id": f"{trial.number:064d}"}))
        suggester.told(trial.number, "complete", 0.5)
    return suggester.in_order


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"constraints": [Less("learning_rte", HELD)]},
         r"constraints\[0\]: learning_rte names no field of ToyConfig; did you mean 'learning_rate'\?"),
        ({"constraints": [Less("network.embeding_size", HELD)]}, r"did you mean 'network.embedding_size'\?"),
        ({"constraints": [Less("data_name", HELD)]}, "it compares numbers, and data_name is 'toyset'"),
        ({"space": {**TWO, "weights": Choice((None, "a"))}, "constraints": [Less("weights", HELD)]},
         "it compares numbers, and weights may be 'a'"),
        ({"constraints": [Less("epochs", 4)]}, "nothing of epochs < 4 is searched"),
        ({"constraints": [Less(HELD, RATE)]},
         r"breaks epoch_s < learning_rate with epoch_s = 0\.9, learning_rate = 0\.1; change the base"),
        ({"constraints": [Less(2.0, RATE)]}, r"(?s)breaks 2\.0 < learning_rate.*nothing in the space keeps 2\.0 <"),
        ({"constraints": [WeightedSum({RATE: 1, HELD: 1}, at_least=1, at_most=1)]}, "none of 2000 draws does"),
        ({"constraints": [Less(RATE, HELD), Less(0.85, HELD), WeightedSum({RATE: 1, HELD: 1}, at_most=0.86)]},
         "breaks 1 × |breaks learning_rate \\+ epoch_s ≤ 0.86"),
        ({"constraints": BELOW}, "constraints: .* put it into brackets"),
        ({"constraints": ["a < b"]}, r"constraints\[0\]: a Less, .* is needed; got 'a < b'"),
    ],
)  # fmt: skip
def test_a_constraint_that_cannot_be_meant_is_refused(changes, message):
    """Unknown paths, what is no number or not searched, what the base breaks, and what nothing keeps."""
    with pytest.raises(ValueError, match=message):
        a_constrained(**changes)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Less(1, 2), "name a path of the config"),
        (lambda: Less("a", "a"), "'a' stands on both sides"),
        (lambda: WeightedSum({}, at_most=1), "weights: it is empty"),
        (lambda: WeightedSum({"a": 0}, at_most=1), "a weight of 0 leaves the path out"),
        (lambda: WeightedSum({"a": 1}), "it bounds nothing; give at_least=…, at_most=…"),
        (lambda: WeightedSum({"a": 1}, at_least=2, at_most=1), "at_least: it is at most at_most; got 2 and 1"),
        (lambda: Product(("a", "a"), at_most=1), "each is given once; 'a' is not"),
        (lambda: Product((), at_most=1), "factors: it is empty"),
    ],
)  # fmt: skip
def test_a_constraint_that_says_nothing_is_refused(build, message):
    """It is told when it is built."""
    with pytest.raises(ValueError, match=message):
        build()


class Ordered(ToyConfig):
    """A config that asks for epochs below its attentions' number squared, as a curriculum asks for t0 < t1."""

    METHOD = "ordered"

    def check_view(self, view):
        super().check_view(view)
        if self.learning_rate >= self.epoch_s:
            raise ValueError("learning_rate comes below epoch_s")


def test_an_end_of_a_range_is_tried_with_what_goes_with_it():
    """Overlapping ranges of what must be ordered are declared as they are; only what goes with nothing is refused."""
    base = Ordered(learning_rate=0.1, epoch_s=0.3)
    overlapping = {RATE: FloatRange(0.05, 0.5), HELD: FloatRange(0.2, 0.9)}
    assert 0.5 == search(base=base, space=overlapping).space[RATE].high
    with pytest.raises(ValueError, match=r"learning_rate = 0\.95: learning_rate comes below epoch_s"):
        search(base=base, space={**overlapping, RATE: FloatRange(0.05, 0.95)})
    wider = {**overlapping, RATE: FloatRange(0.05, 0.95)}
    assert search(base=base, space=wider, constraints=[BELOW]).constraints


def test_a_constraint_that_is_added_goes_on_with_what_was_made(tmp_path):
    """A search keeps its trials, of which those that break the constraint are never its best; alone it has an id."""
    store, resolver = Store(str(tmp_path)), DataResolver(lambda config: FACTS)
    plain, constrained = a_constrained(constraints=[]), a_constrained()
    fresh = find_search_id(constrained, resolver, store)
    known = find_search_id(plain, resolver, store)
    assert fresh != known
    store.create_search_trial(known, Suggester(plain).suggested())
    assert known == find_search_id(constrained, resolver, store)
