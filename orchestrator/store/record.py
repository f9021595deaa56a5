"""What every record is: a value with a checksum of itself, in which no secret stands."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar, cast

from pydantic import ConfigDict

from tablewright.orchestrator.identity import digest_of
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.trainables.value.frozen_model import ClosedModel
from tablewright.trainables.value.refusal import Refusal
from tablewright.trainables.value.secret import masked_in

CHECKSUM = "sha256"
"""Key of a file's checksum of itself: over its canonical JSON without that key."""


class Record(ClosedModel):
    """A value as the store keeps it. JSON has no NaN, and a null would not be read back.

    Attributes:
        HELD: what is lost with the file.
        NEXT_STEP: for a person who finds it damaged.
        SAYS: dotted paths of the fields that hold what somebody, or some code, said; secrets are masked in them. What
            an id is made of is none of them: a config that holds a secret is refused before.
        SINCE_CHECKSUMS: a field that records have had since they have a checksum, by which one that has lost it
            is known; empty where none tells.
        NEVER_CHANGES: whether it is written once, so that the same file need not be read twice.
    """

    HELD: ClassVar[str]
    NEXT_STEP: ClassVar[str]
    SAYS: ClassVar[tuple[str, ...]] = ()
    SINCE_CHECKSUMS: ClassVar[str] = ""
    NEVER_CHANGES: ClassVar[bool] = False

    model_config = ConfigDict(ser_json_inf_nan="strings")


ModelT = TypeVar("ModelT", bound=Record)


def now() -> datetime.datetime:
    """Give the time, with its zone, as records carry it."""
    return datetime.datetime.now(datetime.UTC)


def json_of(record: Record) -> bytes:
    """Give a record as JSON that people can read, with its checksum."""
    fields = _masked(cast(dict[str, Any], json.loads(record.model_dump_json())), type(record))
    return json.dumps({**fields, CHECKSUM: digest_of(fields)}, indent=2, ensure_ascii=False).encode()


def _checksum_of(fields: Mapping[str, Any]) -> str:
    """Digest a record's content; nothing that we write has the digest of what JSON cannot hold."""
    try:
        return digest_of(fields)
    except ValueError:
        return ""


def _masked(fields: dict[str, Any], model: type[Record]) -> dict[str, Any]:
    """Mask secrets in what was said; also of a record that was written before anything was masked."""
    for path in model.SAYS:
        *parents, name = path.split(".")
        owners: list[Any] = [fields]
        for parent in parents:
            found = [owner.get(parent) for owner in owners if isinstance(owner, dict)]
            owners = [one for item in found for one in (item if isinstance(item, list) else [item])]
        for owner in owners:
            if isinstance(owner, dict) and name in owner:
                owner[name] = masked_in(owner[name])
    return fields


def damaged_record(place: str, fault: str, model: type[Record]) -> DamagedFile:
    """Describe a record that cannot be used.

    Args:
        place: of its file, below the root of the store.
        fault: what is wrong with it.
        model: what it should be.
    """
    return DamagedFile(place, fault, held=model.HELD, next_step=model.NEXT_STEP)


def record_of(text: bytes, model: type[ModelT], place: str) -> ModelT:
    """Read a record from the text of its file, secrets masked in one that was written before they were.

    Args:
        text: all of it.
        model: what it should be.
        place: of the file, below the root of the store.

    Raises:
        DamagedFile: it is no such record, or not the one that was written.
    """
    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged_record(place, "is no JSON, as a file that was cut short", model) from error
    if not isinstance(content, dict):
        raise damaged_record(place, "is JSON of something else", model)
    fields = cast(dict[str, Any], content)
    checksum = fields.pop(CHECKSUM, None)  # records of version 1 have none
    if checksum is None and model.SINCE_CHECKSUMS in fields:
        fault = "has lost its checksum, so that nobody can say whether it is what was written"
        raise damaged_record(place, fault, model)
    if checksum is not None and checksum != _checksum_of(fields):
        fault = "was changed after it was written (its content and its checksum differ)"
        raise damaged_record(place, fault, model)
    try:
        return model.model_validate_json(json.dumps(_masked(fields, model)))
    except Refusal as error:
        fault = f"is no {model.__name__} ({'; '.join(map(str, error.faults))})"
        raise damaged_record(place, fault, model) from error
