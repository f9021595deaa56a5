"""Which cells a finished table would lose, and why: no table is replaced by an emptier one without a word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import pandas as pd

from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.plans.recorded_config import CODE, config_changes
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.folder import Folder
from tablewright.orchestrator.store.store import Store

NUM_REASONS_SHOWN = 3

NEEDED = {"group", "row", "dataset", "seed", "metric", "state", "training_id"}
"""Columns of the file with a table's values that are compared."""

Place = tuple[str, str, str, int, str]
"""Group, row, data set, seed and metric of a value."""


@dataclass(frozen=True)
class Emptied:
    """Values that a table's files have and its records give no more.

    Attributes:
        num_before: values in the files; None where these cannot be read.
        num_lost: of those, the ones that would be gone; where they cannot be read, all that are absent.
        reasons: what changed, in words -> how many values.
    """

    num_before: int | None
    num_lost: int
    reasons: Mapping[str, int]

    def __str__(self) -> str:
        """Say it in a sentence."""
        shown = sorted(self.reasons, key=lambda reason: -self.reasons[reason])[:NUM_REASONS_SHOWN]
        more = (
            f"; and {len(self.reasons) - len(shown)} other reasons" if len(self.reasons) > len(shown) else ""
        )
        if self.num_before is None:
            return f"{self.num_lost} values are not there, and nobody can say which were in it: {'; '.join(shown)}"
        lost = f"{self.num_lost} of {self.num_before} values that were in it are not there now"
        return f"{lost}: {'; '.join(shown)}{more}"


def find_emptied(
    folder: Folder, study: str, table: str, frame: pd.DataFrame, plan: Plan, store: Store
) -> Emptied | None:
    """Compare a table with the file that was written of it before.

    Only rows that the table still declares are looked at: removing a row, a seed or a column is a decision.

    Args:
        folder: of the study's tables.
        study: its name.
        table: that of the table.
        frame: what `read_cells` gave.
        plan: that it was read for.
        store: of the records.
    """
    mine = cast(pd.DataFrame, frame[(frame["study"] == study) & (frame["table"] == table)])
    try:
        before = _values_before(folder, f"{table}.parquet")
    except DamagedFile as error:
        num_absent = sum(state != "done" for state in mine["state"])
        return Emptied(None, num_absent, {str(error): num_absent}) if num_absent else None
    lost: list[tuple[str, str]] = []
    for place, identity, state, message in zip(
        _places(mine), mine["training_id"], mine["state"], mine["message"], strict=True
    ):
        if place in before and state != "done":
            lost.append((_reason(before[place], identity, state, message, plan, store), before[place]))
    if not lost:
        return None
    reasons: dict[str, int] = {}
    for reason, _ in lost:
        reasons[reason] = reasons.get(reason, 0) + 1
    return Emptied(len(before), len(lost), reasons)


def find_narrowed(folder: Folder, study: str, table: str, frame: pd.DataFrame) -> str:
    """Say which seeds and data sets a table's files have that are asked for no more; empty where there are none.

    Args:
        folder: of the study's tables.
        study: its name.
        table: that of the table.
        frame: what `read_cells` gave.
    """
    try:
        before = list(_values_before(folder, f"{table}.parquet"))
    except DamagedFile:
        return ""  # told where what is absent is told
    mine = cast(pd.DataFrame, frame[(frame["study"] == study) & (frame["table"] == table)])
    seeds, datasets = ({*mine[name].tolist()} for name in ("seed", "dataset"))
    gone = [place for place in before if place[3] not in seeds or place[2] not in datasets]
    if not gone:
        return ""
    lost_seeds = sorted({seed for *_, seed, _ in gone} - seeds)
    lost_datasets = [label for label in dict.fromkeys(place[2] for place in gone) if label not in datasets]
    what = [
        f"{head} {', '.join(map(str, some))}"
        for head, some in (
            ("of seed" if len(lost_seeds) == 1 else "of seeds", lost_seeds),
            ("on", lost_datasets),
        )
        if some
    ]
    return f"{len(gone)} of {len(before)} values that were in it ({'; '.join(what)}) were not asked for now"


def _values_before(folder: Folder, name: str) -> dict[Place, str]:
    """Give the training behind each value of the file; nothing where there is no such file.

    Raises:
        DamagedFile: it cannot be read, or is no file of a table's values.
    """
    lost = {"held": "the values of a table", "next_step": "move it away, and the table is written anew"}
    try:
        found: pd.DataFrame = folder.read_table(name, **lost).to_pandas()
    except FileNotFoundError:
        return {}
    if absent := NEEDED - set(found.columns):
        raise DamagedFile((folder / name).place, f"has no column {', '.join(sorted(absent))}", **lost)
    done = cast(pd.DataFrame, found[(found["state"] == "done") & found["seed"].notna()])
    return dict(zip(_places(done), done["training_id"], strict=True))


def _places(frame: pd.DataFrame) -> list[Place]:
    fields = (frame[name].tolist() for name in ("group", "row", "dataset", "seed", "metric"))
    return [
        (group, row, dataset, int(seed), metric)
        for group, row, dataset, seed, metric in zip(*fields, strict=True)
    ]


def _reason(before: str, now: str, state: str, message: str, plan: Plan, store: Store) -> str:
    if state in ("failed", "refused"):
        return f"{state} ({message.splitlines()[0]})" if message else state
    if before == now:
        return f"training {before[:8]} is in the store no more"
    try:
        record = store.training(before).record()
    except DamagedFile as error:
        return str(error)
    if record is None:
        return f"training {before[:8]} is in the store no more, and the row means another one now"
    planned = plan.trainings[now]
    if changes := config_changes(record, planned.config):
        first = changes[0]
        more = f" and {len(changes) - 1} more fields" if len(changes) > 1 else ""
        if first.path == CODE:
            return f"the code of {first.method} was changed since; --plan says in which definitions"
        return f"the config was changed since: {first.path} was {first.recorded}, is {first.planned or 'gone'}{more}"
    if record.method_version != planned.config.VERSION:
        if isinstance(planned.config.VERSION, str):
            return "the code of the method was changed since"
        return f"the method's VERSION was raised from {record.method_version} to {planned.config.VERSION}"
    if record.data.fingerprint != planned.data.fingerprint:
        then, here = (_counts(data.num_images) for data in (record.data, planned.data))
        return f"{record.data.label} is another now: {here or 'nothing known'}; it was {then}"
    return f"training {before[:8]} is another than the row's"


def _counts(num_images: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {split}" for split, number in num_images.items())
