"""What trainings have cost, as people read it: by study, row, owner, device and outcome.

It lies in `costs/<study>.md` of the store, apart from the tables: equal records of other runs give equal tables, and
never equal times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tablewright.orchestrator.costs.cost import CostSheet, Row, cost_sheet
from tablewright.orchestrator.costs.prices import PRICES_FILE, Prices
from tablewright.orchestrator.costs.training_cost import Spent
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.store.store import Store
from tablewright.trainables.value.counted import counted

COSTS = "costs"
"""Folder of the store."""

AT_LEAST, ESTIMATED = "≥", "≈"
J_PER_KWH = 3.6e6


@dataclass(frozen=True)
class CostTable:
    """Costs as text.

    Attributes:
        head: of the columns.
        groups: a heading and its lines, each the text and the figures.
        notes: what the figures mean, a sentence each.
    """

    head: tuple[str, ...]
    groups: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]
    notes: tuple[str, ...]


def build_cost_table(sheet: CostSheet, prices: Prices | None) -> CostTable:
    """Say what was spent; GPU-hours, energy and a price have columns where there are any."""
    has_gpus, has_energy = sheet.total.gpu_s > 0, sheet.total.energy_j > 0
    parts: dict[str, Sequence[tuple[str, Spent]]] = {
        "by study": [(" and ".join(studies), spent) for studies, spent in sheet.by_studies.items()],
        "by owner": [*sheet.by_owner.items()],
        "by device": [*sheet.by_device.items()],
        "by outcome": [*sheet.by_state.items()],
        "by row": [(_name_rows(rows), spent) for rows, spent in sheet.by_rows.items()],
    }

    def line(text: str, spent: Spent) -> tuple[str, ...]:
        sign = f"{AT_LEAST} " if spent.is_at_least else f"{ESTIMATED} " if spent.is_estimated else ""
        figures = [spent.gpu_s / 3600, spent.cpu_s / 3600] if has_gpus else [spent.cpu_s / 3600]
        texts = [f"{sign}{hours_text(hours)}" for hours in figures]
        if has_energy:
            of_energy = f"{AT_LEAST} " if spent.is_at_least or spent.unmetered_gpu_s else ""
            texts.append(
                of_energy + hours_text(spent.energy_j / J_PER_KWH) if spent.energy_j else "not counted"
            )
        if prices is not None:
            is_known = spent.price or not spent.unpriced
            texts.append(f"{sign}{spent.price:,.2f}" if is_known else "no price")
        return text, *texts

    head = ("spent so far", *(["GPU-hours"] if has_gpus else []), "CPU-hours")
    head += ("kWh of GPUs",) if has_energy else ()
    head += () if prices is None else (prices.currency,)
    whole = line(counted(sheet.num_trainings, "training"), sheet.total)
    groups = [("in all", (whole,))]
    groups += [
        (heading, tuple(line(text, spent) for text, spent in of_part)) for heading, of_part in parts.items()
    ]
    return CostTable(head, tuple(groups), tuple(_notes(sheet, prices)))


def _name_rows(rows: Sequence[Row]) -> str:
    """Name rows by the first of them."""
    (study, table, row), *others = rows
    shared = f", shared with {counted(len(others), 'other row')}" if others else ""
    return f"{study}/{table}: {row}{shared}"


def hours_text(hours: float) -> str:
    """Print hours, or kilowatt-hours, with as many digits as say something: 1,234, 12.3, 0.12 and 0.0034."""
    if hours == 0:
        return "0"
    digits = 0 if hours >= 1000 else 1 if hours >= 10 else 2 if hours >= 0.1 else 4
    return f"{hours:,.{digits}f}"


def _notes(sheet: CostSheet, prices: Prices | None) -> Iterator[str]:
    yield "A training counts from the begin of each of its attempts to its end, measuring included."
    if any(len(rows) > 1 for rows in sheet.by_rows):
        yield "A training that several rows share is counted once, in a line of theirs together."
    if sheet.total.is_at_least:
        yield (
            f"{AT_LEAST}: at least, as attempts that were killed, or still run, are known up to their last sign of "
            "life, one a minute."
        )
    if sheet.total.energy_j:
        yield (
            "Energy is what the GPUs themselves have counted, of a shared one its share; the rest of the machine is "
            "not in it."
        )
    if sheet.total.is_estimated:
        yield (
            f"{ESTIMATED}: estimated where a record does not say what was held, as those of before: one GPU, or one "
            "processor, for as long as training and measuring took."
        )
    if prices is not None and sheet.total.unpriced:
        unpriced = ", ".join(sorted(device or "an unknown device" for device in sheet.total.unpriced))
        yield f"{PRICES_FILE} has no price for {unpriced}, which is left out of the amounts."


def write_costs(plan: Plan, store: Store, prices: Prices | None) -> list[str]:
    """Write what each study of a plan has cost; gives the places below the root of the store.

    Raises:
        OSError: a file cannot be written.
    """
    written: list[str] = []
    for study in plan.studies:
        sheet = cost_sheet(plan, store, prices, study.name)
        if sheet.num_trainings:
            place = "/".join(filter(None, (COSTS, study.profile, f"{study.name}.md")))
            text = costs_to_markdown(study.title, build_cost_table(sheet, prices))
            store.root.write_if_changed(place, text.encode())
            written.append(place)
    return written


def costs_to_markdown(title: str, table: CostTable) -> str:
    """Write costs as Markdown."""
    lines = [f"# What was spent: {_escaped(title)}", ""]
    for heading, rows in table.groups:
        lines += [_row((heading, *table.head[1:])), _row((":--", *["--:"] * (len(table.head) - 1)))]
        lines += [*map(_row, rows), ""]
    return "\n".join([*lines, *table.notes, ""])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_escaped, cells))} |"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
