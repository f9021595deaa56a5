"""Changes of configs: dotted paths, applied together, with every fault told."""

import pytest

from tablewright.orchestrator.declared.changes import apply_changes, value_at
from tests.toy_method import ToyAttention, ToyConfig

M = "network.attention.num_attentions"


def test_changes_reach_into_nested_configs():
    """Several dotted paths are applied together, and nothing else changes."""
    changed = apply_changes(ToyConfig(), {M: 4, "network.embedding_size": 8, "seed": 3})
    assert (value_at(changed, M), changed.network.embedding_size, changed.seed) == (4, 8, 3)
    assert apply_changes(changed, {M: 2, "network.embedding_size": 4, "seed": 0}) == ToyConfig()


def test_a_misspelt_path_names_the_nearest_field():
    """The message suggests what was meant, with its whole path."""
    with pytest.raises(ValueError, match=r"did you mean network\.attention\.num_attentions\?"):
        apply_changes(ToyConfig(), {"network.attention.num_attention": 4})


def test_all_faults_of_a_change_are_told():
    """Two misspelt paths give one error with both."""
    with pytest.raises(ValueError, match=r"(?s)learning_rat.*epochz"):
        apply_changes(ToyConfig(), {"learning_rat": 1, "epochz": 2})


def test_a_value_of_the_wrong_type_is_refused_with_its_path():
    """A string where a number belongs is refused."""
    with pytest.raises(ValueError, match=r"network\.attention\.num_attentions"):
        apply_changes(ToyConfig(), {M: "many"})


def test_a_path_through_a_component_that_is_off_is_refused():
    """Nothing can be set in a component that is None."""
    off = apply_changes(ToyConfig(), {"network.attention": None})
    with pytest.raises(ValueError, match=r"network\.attention is off"):
        apply_changes(off, {M: 4})


def test_a_component_is_switched_on_with_a_value_or_off_with_none():
    """None is the only spelling of off."""
    off = apply_changes(ToyConfig(), {"network.attention": None})
    on = apply_changes(off, {"network.attention": ToyAttention()})
    assert on == ToyConfig()


def test_a_component_set_as_a_whole_and_in_part_is_refused():
    """Such a row would mean two things."""
    with pytest.raises(ValueError, match="as a whole and in part"):
        apply_changes(ToyConfig(), {"network.attention": None, M: 4})


def test_a_dictionary_in_place_of_a_component_is_refused():
    """It would put back to their defaults all fields that it does not name, so the paths are told instead."""
    with pytest.raises(
        ValueError, match=r"default; write dotted paths \(network\.embedding_size\) or a whole"
    ):
        apply_changes(ToyConfig(), {"network": {"embedding_size": 8}})


def test_a_refused_value_is_shown():
    """The message says what was got, beside what is allowed."""
    with pytest.raises(ValueError, match=r"epochs: .* got 'many'"):
        apply_changes(ToyConfig(), {"epochs": "many"})


@pytest.mark.parametrize(
    ("path", "value"),
    [("epochs", 8.0), ("epochs", "8"), ("epochs", True), ("learning_rate", "0.1"), ("learning_rate", False),
     ("network.attention.guidance", 1), ("network.attention.guidance", "yes"), ("data_name", 3)],
)  # fmt: skip
def test_a_value_of_another_type_is_never_converted(path, value):
    """8.0, "8" and True are no 8: what is trained is what was written, or nothing."""
    with pytest.raises(ValueError, match=rf"{path}: .* is needed; got {value!r}"):
        apply_changes(ToyConfig(), {path: value})


@pytest.mark.parametrize(
    "path", ["", ".", "learning_rate.", ".learning_rate", "network..attention", "network."]
)
def test_a_path_with_a_gap_is_refused(path):
    """A dot too many is no other spelling of a field."""
    with pytest.raises(ValueError, match=r"names no field|has no field"):
        apply_changes(ToyConfig(), {path: 1})


def test_a_whole_number_is_a_real_one():
    """1 in a field of real numbers means 1.0."""
    assert apply_changes(ToyConfig(), {"learning_rate": 1.0}) == apply_changes(
        ToyConfig(), {"learning_rate": 1}
    )


def test_a_component_that_is_off_can_be_given_as_a_dictionary():
    """There is nothing that a dictionary would put back to its default."""
    off = apply_changes(ToyConfig(), {"network.attention": None})
    on = apply_changes(off, {"network.attention": {"num_attentions": 4}})
    assert 4 == on.network.attention.num_attentions


def test_a_fault_inside_a_component_has_its_whole_path():
    """What a component refuses is told with the path from the config down."""
    off = apply_changes(ToyConfig(), {"network.attention": None})
    with pytest.raises(
        ValueError, match=r"network\.attention\.num_attention: .*did you mean 'num_attentions'"
    ):
        apply_changes(off, {"network.attention": {"num_attention": 4}})
