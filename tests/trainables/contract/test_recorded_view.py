"""Views of any kind in records: kept as data, read back by their kind, refused where a record could not hold them."""

import datetime
import json
from typing import ClassVar

import pytest

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.identity import view_id
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_records import Measurement
from tablewright.trainables.classification.view import ClassificationView
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.recorded_view import (
    UnknownView,
    fault_of_view,
    recorded_view,
    view_of_record,
)
from tablewright.trainables.contract.view import EvaluationView, ViewResult
from tablewright.trainables.retrieval.view import Reranking, RetrievalView
from tablewright.trainables.value.frozen_model import FrozenModel
from tests.toy_method import ToyConfig

PERPLEXITY = Metric("ppl", "PPL", higher_is_better=False, digits=2, is_fraction=False)


class Context(FrozenModel):
    """How much a text model sees."""

    length: int = 64


class TextView(EvaluationView):
    """Perplexity of a text."""

    KIND: ClassVar[str] = "text"
    NAMED_FIELDS: ClassVar[tuple[str, ...]] = ("heads",)

    heads: tuple[str, ...] = ("next",)
    is_smoothed: bool = False
    context: Context = Context()

    @property
    def metrics(self):
        """What it gives."""
        return (PERPLEXITY,)

    @property
    def protocol(self):
        """How it measures."""
        return f"context {self.context.length}, {self.split} split"


def a_measurement(view):
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    return Measurement(training_id="t", view_id="v", view=view, metrics={"ppl": 12.5}, measured_at=now)


@pytest.mark.parametrize(
    "view",
    [
        TextView(),
        TextView(split="val", heads=("next", "last"), is_smoothed=True, context=Context(length=8)),
        RetrievalView(flip=True, reranking=Reranking(k1=3)),
        ClassificationView(logits=("master", "part")),
    ],
)
def test_a_record_holds_a_view_of_any_kind(view):
    """It is written as data with its kind, and read back as the same value."""
    written = a_measurement(view).model_dump_json()
    assert view.KIND == json.loads(written)["view"]["kind"]
    assert view == Measurement.model_validate_json(written).view


def test_metrics_of_a_view_of_ones_own_are_kept_in_their_own_unit(tmp_path):
    """A perplexity of 12.5 is no fraction, and comes back as it was measured."""
    store = Store(str(tmp_path))
    store.training("a" * 64).write_measurement(TextView(), view_id(TextView()), ViewResult({"ppl": 12.5}, {}))
    found = store.training("a" * 64).measurement(view_id(TextView()))
    assert (TextView(), {"ppl": 12.5}) == (found.view, found.metrics)


@pytest.mark.parametrize("view", [RetrievalView(embeddings=("global",)), ClassificationView(flip=True)])
def test_records_of_earlier_versions_name_no_kind(view):
    """They are read by the class that has all their fields."""
    old = json.loads(a_measurement(view).model_dump_json())
    del old["view"]["kind"]
    assert view == Measurement.model_validate_json(json.dumps(old)).view


def test_a_view_of_a_kind_that_is_not_loaded_is_kept_as_it_is():
    """Reading a store without the study stops nothing, and writing the record again changes nothing."""
    old = json.loads(a_measurement(TextView()).model_dump_json())
    old["view"] = {"kind": "music", "split": "val", "key": "C"}
    read = Measurement.model_validate_json(json.dumps(old))
    assert ("val.music", ()) == (read.view.short_name, read.view.metrics)
    assert isinstance(read.view, UnknownView)
    assert old == json.loads(read.model_dump_json())


def test_a_view_is_named_by_what_is_not_at_its_default():
    """Split, the outputs that are asked, then options; names of fields stand for switches."""
    assert "test" == TextView().short_name
    assert "val.next-last" == TextView(split="val", heads=("next", "last")).short_name
    assert "test.next.is_smoothed.context-length_8" == (
        TextView(is_smoothed=True, context=Context(length=8)).short_name
    )


class KindlessView(TextView):
    """Has no kind of its own."""

    KIND: ClassVar[str] = ""


class FieldOfKindView(TextView):
    """Has a field where a record has the kind."""

    KIND: ClassVar[str] = "field of kind"

    kind: str = "mine"


class FirstTwinView(TextView):
    """Shares its kind."""

    KIND: ClassVar[str] = "twins"


class SecondTwinView(TextView):
    """Shares its kind."""

    KIND: ClassVar[str] = "twins"


@pytest.mark.parametrize(
    ("view", "fault"),
    [
        (KindlessView(), "KindlessView has no kind, by which its records are read"),
        (FieldOfKindView(), "FieldOfKindView has a field 'kind'"),
        (FirstTwinView(), r"the kind 'twins' is that of .*FirstTwinView and .*SecondTwinView"),
    ],
)
def test_a_view_that_no_record_could_hold_is_refused_when_a_table_is_built(view, fault):
    """Not after the training."""
    with pytest.raises(ValueError, match=fault):
        Ablation("t", "T", ToyConfig(), [Dataset("Toy")], [Row("a")], view, [PERPLEXITY])


def test_a_class_that_is_defined_again_takes_the_place_of_the_first():
    """As in a notebook, where a cell is run twice."""

    def define():
        class AgainView(TextView):
            KIND: ClassVar[str] = "again"

        return AgainView()

    define()
    again = define()
    assert fault_of_view(again) is None
    assert again == view_of_record(recorded_view(again))
