"""What a table may lack that an examiner asks for, and how a declaration says that it is meant so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from tablewright.trainables.value.text import Label

Gap = Literal[
    "no_reference",
    "never_removed_alone",
    "several_factors",
    "one_dataset",
    "few_seeds",
    "fewer_seeds",
    "best_at_end",
    "no_power",
    "not_reproduced",
]
"""A kind of thing that is lacking; `docs/writing_the_paper.md` says of each what it is and what closes it."""

AcceptedGaps = Mapping[Gap, Label]
"""Gaps that are meant -> why, which the audit prints in the place of the finding."""
