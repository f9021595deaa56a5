"""What a worker tells: text in, the same value out, and nothing that runs."""

import math

import pytest

from tablewright.orchestrator.attempts.messages import (
    outcome_from_text,
    outcome_to_text,
    progress_from_text,
    progress_to_text,
)
from tablewright.orchestrator.store.record import now
from tablewright.orchestrator.store.training_records import FailureRecord
from tablewright.orchestrator.work import Outcome, Progress
from tablewright.trainables.contract.run import EpochReport


def test_what_is_told_arrives_as_it_was():
    """A failure with its record, and a loss that is no number."""
    failure = FailureRecord(
        training_id="a" * 64, label="ü", message="m", traceback="t\n", host="h", failed_at=now()
    )
    outcome = Outcome("failed", "m", failure)
    assert outcome == outcome_from_text(outcome_to_text(outcome))
    progress = Progress(EpochReport(1, 3, {"loss": math.nan, "x": math.inf}, 0.5), {"system/a": 1.0}, 0.25)
    found = progress_from_text(progress_to_text(progress))
    assert math.isnan(found.report.metrics["loss"])
    assert (math.inf, 0.25, 3) == (found.report.metrics["x"], found.watched, found.report.num_epochs)


@pytest.mark.parametrize("text", ["", "{", '{"state": "gone"}', b"\x80\x04K\x01.", None])
def test_what_is_no_message_is_refused(text):
    """A pickle among them."""
    with pytest.raises(ValueError, match="no message of this version"):
        outcome_from_text(text)
