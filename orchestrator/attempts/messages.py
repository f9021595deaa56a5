"""What a worker tells the driver, as text that is checked when it arrives: no code travels with it."""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tablewright.orchestrator.store.training_records import FailureRecord
from tablewright.orchestrator.work import Outcome, Progress
from tablewright.trainables.value.long_work import Telling

_TELLING = TypeAdapter(tuple[str, float | None])
_PROGRESS, _OUTCOME, _FAILURE = TypeAdapter(Progress), TypeAdapter(Outcome), TypeAdapter(FailureRecord)


def progress_to_text(progress: Progress) -> str:
    """Write down an epoch; a loss may be no number."""
    return _text(_PROGRESS, progress)


def outcome_to_text(outcome: Outcome) -> str:
    """Write down how an attempt ended."""
    return _text(_OUTCOME, outcome)


def failure_to_text(failure: FailureRecord) -> str:
    """Write down why an attempt failed."""
    return _text(_FAILURE, failure)


def telling_to_text(telling: Telling) -> str:
    """Write down how far long work is."""
    return json.dumps([str(telling), telling.left_s])


def telling_from_text(text: str) -> Telling:
    """Read how far long work is.

    Raises:
        ValueError: it says something else.
    """
    words, left_s = _read(_TELLING, text)
    return Telling(words, left_s)


def progress_from_text(text: str) -> Progress:
    """Read an epoch.

    Raises:
        ValueError: it is none.
    """
    return _read(_PROGRESS, text)


def outcome_from_text(text: str) -> Outcome:
    """Read how an attempt ended.

    Raises:
        ValueError: it says something else.
    """
    return _read(_OUTCOME, text)


def failure_from_text(text: str) -> FailureRecord:
    """Read why an attempt failed.

    Raises:
        ValueError: it says something else.
    """
    return _read(_FAILURE, text)


def _text(kind: TypeAdapter[Any], value: object) -> str:
    return json.dumps(kind.dump_python(value, mode="json"))


def _read(kind: TypeAdapter[Any], text: object) -> Any:
    try:
        return kind.validate_json(text)  # pyright: ignore[reportArgumentType]
    except (ValidationError, TypeError) as error:
        raise ValueError(
            f"a worker has sent what is no message of this version: {' '.join(str(error).split())}"
        ) from error
