"""Identity: equal configs are one training, and the ids of old records never move."""

import subprocess
import sys

import pytest

from tablewright.orchestrator.declared.changes import apply_changes
from tablewright.orchestrator.identity import canonical, digest_of, training_id, view_id
from tablewright.trainables.retrieval.view import Reranking, RetrievalView
from tablewright.trainables.value.frozen_model import FrozenModel
from tests.toy_method import ToyAttention, ToyConfig, ToyNetwork

DATA = "f" * 64

GOLDEN_TRAININGS = {
    "default": (ToyConfig(), "f3486044485cc6987616a95b5b84fedf8237efb9e8a2edf8c649f2592eeb7ff9"),
    "seed": (ToyConfig(seed=1), "2c72f2bed677d7aa2c0bff0e6ef135ac8d84ce086dd49337b501d2de6915b2a8"),
    "nested": (
        ToyConfig(network=ToyNetwork(attention=ToyAttention(num_attentions=4))),
        "d6f3522a72ddaf725fc7f1fb2ee17e51eeeb82e79e7982f5d1b91b6f7a16c068",
    ),
    "off": (
        ToyConfig(network=ToyNetwork(attention=None)),
        "9fe5e4d3d1a8c05df3837a78647ca86a486476c177ffe8f8084e26fb5c8f120c",
    ),
}
GOLDEN_VIEWS = {
    "default": (RetrievalView(), "9826a49158e654ee91c944d4d559a3b7918eccd14a2e1ac178c5685eb52aea2e"),
    "reranked": (
        RetrievalView(reranking=Reranking()),
        "27654e4d67a365f5a001fa39ed807c54530baae1bbc8ec2ff241cd5de36d08ec",
    ),
}


@pytest.mark.parametrize("name", GOLDEN_TRAININGS)
def test_training_ids_never_move(name):
    """A golden id changes only with IDENTITY_VERSION; it must not be edited."""
    config, golden = GOLDEN_TRAININGS[name]
    assert golden == training_id(config, DATA)


@pytest.mark.parametrize("name", GOLDEN_VIEWS)
def test_view_ids_never_move(name):
    """A golden id changes only with IDENTITY_VERSION; it must not be edited."""
    view, golden = GOLDEN_VIEWS[name]
    assert golden == view_id(view)


def test_a_config_read_back_from_json_has_the_same_id():
    """A record gives the same id as the plan that led to it."""
    config = apply_changes(ToyConfig(), {"network.attention.num_attentions": 8, "learning_rate": 1})
    again = ToyConfig.model_validate_json(config.model_dump_json())
    assert training_id(config, DATA) == training_id(again, DATA)


def test_the_data_and_the_version_are_part_of_the_id(monkeypatch):
    """Other data, or a method whose numbers changed, is another training."""
    before = training_id(ToyConfig(), DATA)
    assert before != training_id(ToyConfig(), "0" * 64)
    monkeypatch.setattr(ToyConfig, "VERSION", 2)
    assert before != training_id(ToyConfig(), DATA)


def test_a_new_field_at_its_default_leaves_the_id_unchanged():
    """Adding a field to a method costs nobody a training."""

    class Old(FrozenModel):
        width: int = 4

    class New(FrozenModel):
        width: int = 4
        depth: int = 1

    assert digest_of(Old(width=8)) == digest_of(New(width=8))
    assert digest_of(Old(width=8)) != digest_of(New(width=8, depth=2))


def test_members_of_a_union_are_told_apart_at_their_defaults():
    """Two kinds of a component with all fields at their defaults are two trainings."""
    from typing import Literal

    class A(FrozenModel):
        kind: Literal["a"] = "a"

    class B(FrozenModel):
        kind: Literal["b"] = "b"

    assert digest_of(A()) != digest_of(B())


def test_a_number_means_the_same_in_every_spelling():
    """1 and 1.0 in a field of real numbers are one training."""
    assert training_id(ToyConfig(learning_rate=1), DATA) == training_id(ToyConfig(learning_rate=1.0), DATA)


def test_what_has_no_json_is_refused():
    """A config cannot smuggle in a value whose identity nobody can write down."""
    with pytest.raises(TypeError, match="got object"):
        canonical(object())
    with pytest.raises(ValueError, match="JSON"):
        digest_of(float("nan"))


@pytest.mark.slow
def test_ids_do_not_depend_on_the_process():
    """Hash randomisation and import order do not reach an id."""
    code = (
        "from tests.toy_method import ToyConfig; from tablewright.orchestrator.identity import training_id;"
        "print(training_id(ToyConfig(), 'f' * 64))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert {training_id(ToyConfig(), DATA)} == found
