"""Printed beside reproduced: every number of a paper that has been trained again, over all studies.

A verdict on one number says little: of exact reproductions one in twenty is marked as none. So the numbers are counted
together, beside what chance alone would give.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.design import Row, full_label
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.plan import Plan
from tablewright.reports.documents.document import Points, Section
from tablewright.reports.table.cell import (
    AGREES,
    DISAGREES,
    MIN_SEEDS_FOR_A_VERDICT,
    TableCell,
    mean_text,
)
from tablewright.reports.table.number import difference_text, printed_text, value_text
from tablewright.reports.table.table import Table
from tablewright.reports.table.text_table import TextTable
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.value.counted import counted

HEADS = (
    "paper",
    "table",
    "row",
    "data set",
    "metric",
    "printed",
    "ours",
    "n",
    "difference",
    "verdict",
    "protocol",
)


@dataclass(frozen=True)
class Reproduced:
    """One printed number beside ours.

    Attributes:
        paper: that printed it.
        printed_in: table of the paper, as it is cited.
        study: that reproduces it.
        table: of the study.
        row: label, its group in front.
        dataset: label.
        metric: of both.
        cell: ours, with the printed value.
        protocol: by which ours was measured, in words.
        is_repeated: whether another line has the same trainings, measured alike, beside the same number.
    """

    paper: str
    printed_in: str
    study: str
    table: str
    row: str
    dataset: str
    metric: Metric
    cell: TableCell
    protocol: str
    is_repeated: bool = False

    @property
    def is_measured(self) -> bool:
        """Say whether there is a number of ours beside it."""
        return self.cell.mean is not None


def reproduced(plan: Plan, tables: Sequence[Table]) -> tuple[Reproduced, ...]:
    """Give every printed number that a trained row of the tables is to reproduce, measured yet or not.

    Args:
        plan: of the studies.
        tables: as the records fill them; under demo data they have no printed numbers.
    """
    found: list[Reproduced] = []
    seen: set[tuple[object, ...]] = set()
    for table in tables:
        ablation = plan.tables.get((table.study, table.name))
        if ablation is None:
            continue
        study = next(study for study in plan.studies if study.name == table.study)
        rows = {full_label(row): row for row in ablation.printed_rows}
        for label, shown in table.labelled_rows():
            for column, cell in zip(table.columns, shown.cells, strict=True):
                if cell.published is None or not rows[label].is_trained:
                    continue
                one = _reproduced(study, ablation, rows[label], column.dataset, column.metric, cell)
                view = rows[label].view or ablation.view
                key = (cell.training_ids, view, column.metric.name, cell.published)
                found.append(replace(one, is_repeated=key in seen))
                seen.add(key)
    return tuple(found)


def _reproduced(
    study: Study, ablation: Ablation, row: Row, dataset: str, metric: Metric, cell: TableCell
) -> Reproduced:
    return Reproduced(
        paper=study.source,
        printed_in=row.source or ablation.source,
        study=study.name,
        table=ablation.name,
        row=full_label(row),
        dataset=dataset,
        metric=metric,
        cell=cell,
        protocol=(row.view or ablation.view).protocol,
    )


# -- counts --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Agreement:
    """How many numbers of ours agree with what was printed.

    Attributes:
        num_agreeing: inside the prediction interval of one more run of ours.
        num_missing: outside.
        num_open: measured, but by too few seeds for a verdict.
        num_unmeasured: without a number of ours.
        expected_misses: that exact reproductions would give.
        chance: of at least so many misses, were every number printed one more run of ours.
    """

    num_agreeing: int
    num_missing: int
    num_open: int
    num_unmeasured: int
    expected_misses: float
    chance: float

    @property
    def num_judged(self) -> int:
        """Count the numbers that have a verdict."""
        return self.num_agreeing + self.num_missing


def agreement(numbers: Iterable[Reproduced]) -> Agreement:
    """Count agreement; a number that stands in several tables is counted once."""
    once = [one for one in numbers if not one.is_repeated]
    judged = [one for one in once if one.cell.agrees_with_paper is not None]
    misses = sum(one.cell.agrees_with_paper is False for one in judged)
    chances = [one.cell.miss_chance or 0.0 for one in judged]
    return Agreement(
        num_agreeing=len(judged) - misses,
        num_missing=misses,
        num_open=sum(one.is_measured and one.cell.agrees_with_paper is None for one in once),
        num_unmeasured=sum(not one.is_measured for one in once),
        expected_misses=sum(chances),
        chance=chance_of_at_least(misses, chances),
    )


def chance_of_at_least(number: int, chances: Sequence[float]) -> float:
    """Give the probability that at least so many of independent events happen (Poisson binomial).

    Args:
        number: of events.
        chances: of each.
    """
    exactly = [1.0]  # the probability of 0, 1, … of those looked at so far
    for chance in chances:
        without = [*exactly, 0.0]
        exactly = [
            stays * (1 - chance) + (without[place - 1] * chance if place else 0.0)
            for place, stays in enumerate(without)
        ]
    return min(1.0, math.fsum(exactly[number:]))


# -- in words ------------------------------------------------------------------------------------


def reproduction_document(numbers: Sequence[Reproduced], num_demo_tables: int) -> Section:
    """Give the page of all numbers.

    Args:
        numbers: of all studies.
        num_demo_tables: tables of demo data, with which no paper's number can be compared.
    """
    title = "Printed beside reproduced"
    if not numbers:
        why = (
            f" Of demo data, with which no number of a paper can be compared: {counted(num_demo_tables, 'table')}. The "
            "papers' own data are for --profile paper."
            if num_demo_tables
            else " A row carries a printed number by Row(…).as_printed(printed(…)), or published={…}."
        )
        return Section(title, (f"No printed number has a trained row beside it.{why}",))
    papers = dict.fromkeys(one.paper for one in numbers)
    number_of = {
        protocol: number for number, protocol in enumerate(dict.fromkeys(one.protocol for one in numbers), 1)
    }
    summary = [_counts_text("All papers", numbers)]
    if len(papers) > 1:
        summary += [_counts_text(paper, [one for one in numbers if one.paper == paper]) for paper in papers]
    return Section(
        title,
        (
            Points(tuple(summary)),
            f"{AGREES}: the printed value lies inside the 95 % prediction interval of one more run of ours, its "
            f"rounding allowed for; {DISAGREES}: outside; no sign: fewer than {MIN_SEEDS_FOR_A_VERDICT} seeds, or not "
            "all measured. The chance of so many misses takes the numbers as independent; those of one training are "
            "not: they tend to miss together, so that a small chance is less telling than it looks. "
            "“=”: the same trainings beside the same number as in a line above, counted once.",
            TextTable("numbers", HEADS, tuple(_texts(one, number_of[one.protocol]) for one in numbers)),
            Points(tuple(f"Protocol {number}: {protocol}." for protocol, number in number_of.items())),
        ),
    )


def _counts_text(what: str, numbers: Sequence[Reproduced]) -> str:
    counts = agreement(numbers)
    agree = "agrees" if counts.num_agreeing == 1 else "agree"
    text = f"{what}: of {counted(counts.num_judged, 'judged number')} {counts.num_agreeing} {agree}"
    if counts.num_judged:
        chance = "above 0.999" if counts.chance > 0.999 else f"{counts.chance:.2g}"
        text += (
            f", {counts.num_missing} {'does' if counts.num_missing == 1 else 'do'} not; were each printed one one more "
            f"run of ours, chance alone would make {counts.expected_misses:.1f} disagree, and so many or more with "
            f"probability {chance}"
        )
    text += f". {counts.num_open} measured without a verdict, {counts.num_unmeasured} not measured yet."
    return text


def _texts(one: Reproduced, protocol_number: int) -> tuple[str, ...]:
    cell, metric = one.cell, one.metric
    assert cell.published is not None, "it is listed for its printed number"
    verdict = {True: AGREES, False: DISAGREES, None: ""}[cell.agrees_with_paper]
    return (
        one.paper,
        f"{one.printed_in} ({one.study}/{one.table})",
        one.row,
        one.dataset,
        metric.label,
        printed_text(cell.published, metric),
        mean_text(cell, metric),
        f"{cell.n}/{cell.n_expected}" if cell.n != cell.n_expected else str(cell.n),
        "" if cell.difference is None else difference_text(cell.difference, metric),
        verdict + (" =" if one.is_repeated else ""),
        str(protocol_number),
    )


def reproduction_to_csv(numbers: Sequence[Reproduced]) -> str:
    """Write every number in a line, values in the printed unit, for a spreadsheet."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        [
            *(
                "paper",
                "printed_in",
                "study",
                "table",
                "row",
                "dataset",
                "metric",
                "printed",
                "mean",
                "deviation",
                "n",
            ),
            *("n_expected", "difference", "agrees", "miss_chance", "is_repeated", "protocol"),
        ]
    )
    for one in numbers:
        cell, metric = one.cell, one.metric

        def text(value: float | None, metric: Metric = metric) -> str:
            return "" if value is None else value_text(value, metric)

        agrees = "" if cell.agrees_with_paper is None else str(cell.agrees_with_paper).lower()
        chance = "" if cell.miss_chance is None else f"{cell.miss_chance:.4f}"
        assert cell.published is not None, "it is listed for its printed number"
        writer.writerow(
            [
                *(one.paper, one.printed_in, one.study, one.table, one.row, one.dataset, metric.name),
                *(printed_text(cell.published, metric), text(cell.mean), text(cell.deviation)),
                *(cell.n, cell.n_expected, text(cell.difference), agrees, chance),
                *(str(one.is_repeated).lower(), one.protocol),
            ]
        )
    return stream.getvalue()
