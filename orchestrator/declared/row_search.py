"""The search of one row of a table whose rows are all tuned: its own base, and what the table's search leaves to it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from tablewright.orchestrator.declared.changes import Changes, value_at
from tablewright.orchestrator.declared.dataset import SEED, Dataset
from tablewright.orchestrator.declared.design import Row, full_label
from tablewright.orchestrator.declared.ranges import Range, When
from tablewright.orchestrator.declared.samplers import Sampler, suited_sampler
from tablewright.orchestrator.declared.search import Search
from tablewright.orchestrator.identity import digest_of
from tablewright.trainables.contract.method import TrainingConfig
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.view import EvaluationView
from tablewright.trainables.value.refusal import Fault

MAX_LABEL_LENGTH = 30
"""Characters of a data set's label in the name of a search."""


@dataclass(frozen=True)
class RowSearch(Search):
    """What `Ablation(tuned=…)` makes of its search for one row on one data set; nobody declares it.

    Rows of one config, such as those that read one training in several views, have one search together.

    Attributes:
        table: that the rows stand in.
        rows: their labels, groups in front.
        dataset_label: of the data set that they are tuned on.
        kept: paths of the table's search that the rows set themselves, and that keep their value.
        absent: paths of it that mean nothing in the rows, as within a component that is off.
    """

    table: str = ""
    rows: Sequence[str] = ()
    dataset_label: str = ""
    kept: Sequence[str] = ()
    absent: Sequence[str] = ()

    @property
    def label(self) -> str:
        """Name it to people, within its study."""
        return f"{self.table}: {self.of_rows}"

    @property
    def counts_answered(self) -> bool:
        """Every try counts, whoever has trained it: no row has more of them since another one was there before."""
        return True

    @property
    def of_rows(self) -> str:
        """Say of what it is the search, within its table."""
        rows = ", ".join(f"“{row}”" for row in self.rows)
        return f"tuning of {rows} [{self.dataset_label}]"

    def is_same(self, other: RowSearch) -> bool:
        """Say whether two searches of one table try the same."""
        return (self.base, self.dataset, self.space) == (other.base, other.dataset, other.space)


@dataclass(frozen=True)
class LeftToRow:
    """What a table's search leaves to one of its rows.

    Attributes:
        space: path -> range.
        kept: paths that the row sets itself.
        absent: paths that mean nothing in it.
    """

    space: dict[str, Range | When]
    kept: tuple[str, ...]
    absent: tuple[str, ...]


def left_to_row(pattern: Search, row: Row, config: TrainingConfig) -> LeftToRow:
    """Work out which paths of a table's search are searched in a row.

    A range that depends on a path which is not searched in the row is searched always, or never, as the row has it.

    Args:
        pattern: the table's search.
        row: as it is declared.
        config: the row's own, before it is tuned.
    """
    space: dict[str, Range | When] = {}
    kept: list[str] = []
    absent: list[str] = []
    for path, declared in pattern.space_in_order():
        if _sets(row.changes, path, pattern.base, config):
            kept.append(path)
        elif not _has(config, path):
            absent.append(path)
        elif not isinstance(declared, When) or declared.path in space:
            space[path] = declared
        elif _has(config, declared.path) and value_at(config, declared.path) in declared.values:
            space[path] = declared.range
        else:
            absent.append(path)
    # As the person has ordered them, whatever depends on what.
    return LeftToRow(
        {path: space[path] for path in pattern.space if path in space}, tuple(kept), tuple(absent)
    )


def _sets(changes: Changes, path: str, base: TrainingConfig, config: TrainingConfig) -> bool:
    """Say whether a row sets a searched path: by its name, by a part of it, or with the component that it lies in.

    A component of another kind, such as another optimiser, brings its own values, which are to be tuned as well.
    """
    for changed in changes:
        if changed == path or changed.startswith(f"{path}."):
            return True
        if path.startswith(f"{changed}.") and type(value_at(base, changed)) is type(
            value_at(config, changed)
        ):
            return _has(config, path) and value_at(base, path) != value_at(config, path)
    return False


def _has(config: BaseModel, path: str) -> bool:
    """Say whether a path names a field of a config, none of whose components on the way is off."""
    value: Any = config
    for name in path.split("."):
        if not isinstance(value, BaseModel) or name not in type(value).model_fields:
            return False
        value = getattr(value, name)
    return True


def row_search(
    pattern: Search,
    config: TrainingConfig,
    left: LeftToRow,
    *,
    row: Row,
    row_number: int,
    table: str,
    dataset: Dataset,
    view: EvaluationView,
    metrics: Sequence[Metric],
    priority: int | None,
) -> RowSearch:
    """Make the search of one row on one data set.

    Args:
        pattern: the table's search.
        config: the row's own on that data set, before it is tuned.
        left: what the row is searched for.
        row: as it is declared.
        row_number: of the row in its table, counted from 1.
        table: its name.
        dataset: that the row is tuned on.
        view: how the row is measured.
        metrics: columns of the table.
        priority: of the row, or of its table.

    Raises:
        Refusal: a range holds what the row's config refuses, or does not hold what the row has.
    """
    given = {field.name: getattr(pattern, field.name) for field in dataclasses.fields(Search)}
    given |= {
        "name": f"{table}_{row_number}_{_as_name(dataset.label)}",
        "base": config.model_copy(update={SEED: pattern.base.seed}),
        "dataset": Dataset(dataset.label),  # its changes are in the base, below those of the row
        "space": left.space,
        "sampler": _sampler_of_row(pattern, left),
        # One of what the row sets alone, or of what means nothing in it, says the same of every trial.
        "constraints": [one for one in pattern.constraints if any(path in left.space for path in one.paths)],
        "begin_with": [
            {path: value for path, value in point.items() if path in left.space}
            for point in pattern.begin_with
        ],
        "view": view,
        "metrics": metrics,
        "priority": next(
            (some for some in (row.priority, pattern.priority, priority) if some is not None), None
        ),
    }
    return RowSearch(
        **given,
        table=table,
        rows=[full_label(row)],
        dataset_label=dataset.label,
        kept=left.kept,
        absent=left.absent,
    )


def _sampler_of_row(pattern: Search, left: LeftToRow) -> Sampler | None:
    """Give every row the table's sampler, also where none is declared and the row's space would have another."""
    is_suited = suited_sampler(left.space) == pattern.chosen_sampler
    return pattern.sampler if is_suited else pattern.chosen_sampler


def _as_name(label: str) -> str:
    """Give a label as a part of a name; of one that has no letters of a name, digits that stand for it."""
    name = re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")[:MAX_LABEL_LENGTH]
    return name or digest_of(label)[:8]


def overlap_faults(pattern: Search, row: Row) -> Iterator[str]:
    """Find what a row sets and the search sets as well while it searches, so that the row would not be tuned."""
    for path in row.changes:
        for other in pattern.search_changes:
            if path == other or path.startswith(f"{other}.") or other.startswith(f"{path}."):
                yield (
                    f"it sets {path}, and tuned.search_changes sets {other} while its search runs, so that another "
                    "row would be tuned; take it out of one of the two"
                )


def pattern_faults(pattern: Search, base: TrainingConfig, datasets: Sequence[Dataset]) -> Iterator[Fault]:
    """Find a search that is none of a table's rows."""
    if pattern.base.model_copy(update={SEED: base.seed}) != base:
        yield Fault(
            "tuned",
            "its base is another config than the table's, and every row is searched from its own difference to the "
            "table's; give both the same (its seed may be another: that of every trial)",
        )
    if pattern.dataset not in datasets:
        labels = ", ".join(repr(dataset.label) for dataset in datasets)
        yield Fault(
            "tuned",
            "its data set is none of the table's; each row is searched on each of these by itself, so give it any one "
            f"of them: {labels}",
        )
    if pattern.num_trials < 2:
        yield Fault(
            "tuned", "its first trial is the row as it is declared, so one trial tunes nothing; got 1"
        )
