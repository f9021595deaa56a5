"""Which arrangement a table has in print, where its author leaves that to the design of its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from tablewright.orchestrator.declared.ablation import Ablation, Arrangement
from tablewright.orchestrator.declared.composition import Level
from tablewright.orchestrator.declared.design import AsPrinted, Design, Sweep

PrintedArrangement = Literal["plain", "components", "transposed", "narrower"]
"""A line for each row with its label; with check marks for components; values of a factor side by side, always or
where that is narrower."""

MAX_COMPONENT_SIGNS = 60
"""Of the heads of all components together: half a line of a page, which leaves the other half to the values."""


def printed_arrangement(
    asked: Arrangement,
    factors: Sequence[str],
    levels_of_rows: Sequence[Mapping[str, Level]],
    *,
    is_swept: bool,
) -> PrintedArrangement:
    """Choose how a table is laid out.

    Check marks say nothing of rows that are made of something else, and heads of many words are wider than labels: such
    tables stay plain.

    Args:
        asked: by the author.
        factors: that rows differ in.
        levels_of_rows: factor -> level, of each row.
        is_swept: whether the rows are values of one factor, and nothing else.
    """
    if asked != "design":
        return asked
    num_known = sum(levels.keys() >= {*factors} for levels in levels_of_rows)
    is_narrow = sum(map(len, factors)) <= MAX_COMPONENT_SIGNS
    if factors and is_narrow and 2 * num_known >= len(levels_of_rows):
        return "components"
    return "narrower" if is_swept else "plain"


def is_swept(ablation: Ablation) -> bool:
    """Say whether all rows of a table are values of one factor."""
    return len(ablation.rows) == 1 and isinstance(_declared(ablation.rows[0]), Sweep)


def _declared(design: Design) -> Design:
    return _declared(design.design) if isinstance(design, AsPrinted) else design
