"""Where the values of a swept factor lie on an axis: numbers where they are, anything else beside them.

Numbers that span decades lie on an axis of logarithms, on which 0 has no place: it stands to the left of them, as
what is no number stands to their right. Where there are fewer than two numbers all values stand side by side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tablewright.reports.notes.parameter_text import atom_text, cut

MIN_LOG_RATIO = (
    30.0  # of the highest to the lowest number: below, an axis of the numbers themselves shows both ends
)
APART = 0.18  # of the span of the numbers, from the last of them to what is none
MAX_TEXT_LENGTH = 14


@dataclass(frozen=True)
class SweptPlace:
    """Where one value stands.

    Attributes:
        text: below the axis.
        place: along it, in no unit.
        is_apart: whether it has no place among the numbers, so that no line leads to it.
    """

    text: str
    place: float
    is_apart: bool


@dataclass(frozen=True)
class SweptAxis:
    """The values of one factor along an axis.

    Attributes:
        places: of the values, in the order in which they were given.
        is_log: whether it is one of logarithms.
    """

    places: tuple[SweptPlace, ...]
    is_log: bool

    @staticmethod
    def of(values: Sequence[Any], labels: Sequence[str]) -> SweptAxis:
        """Give each value its place.

        Args:
            values: of the factor, each once.
            labels: what each is called in the table, shown where it is no number.
        """
        numbers = [float(value) for value in values if _is_number(value)]
        if len({*numbers}) < 2:
            places = (
                SweptPlace(cut(label, MAX_TEXT_LENGTH), float(n), True) for n, label in enumerate(labels)
            )
            return SweptAxis(tuple(places), is_log=False)
        positive = [number for number in numbers if number > 0]
        is_log = min(numbers) >= 0 and len(positive) > 1 and max(positive) / min(positive) >= MIN_LOG_RATIO
        on_axis = positive if is_log else numbers
        ends = [math.log10(number) if is_log else number for number in (min(on_axis), max(on_axis))]
        step = APART * (ends[1] - ends[0])
        num_right = 0
        found: list[SweptPlace] = []
        for value, label in zip(values, labels, strict=True):
            if not _is_number(value):
                num_right += 1
                found.append(SweptPlace(cut(label, MAX_TEXT_LENGTH), ends[1] + num_right * step, True))
            elif is_log and not value:
                found.append(SweptPlace("0", ends[0] - step, True))
            else:
                place = math.log10(value) if is_log else float(value)
                found.append(SweptPlace(atom_text(value), place, False))
        return SweptAxis(tuple(found), is_log)

    @property
    def limits(self) -> tuple[float, float]:
        """Ends of the axis, with a margin."""
        places = [place.place for place in self.places]
        margin = 0.08 * (max(places) - min(places)) or 0.5
        return min(places) - margin, max(places) + margin

    def ticks(self, room: float, marked: int | None = None) -> list[SweptPlace]:
        """Give the values that are written below the axis, those left out that would run into another.

        Args:
            room: how many signs the whole axis has room for.
            marked: place in `places` of a value that is written in any case.
        """
        low, high = self.limits
        order = sorted(
            range(len(self.places)), key=lambda number: (number != marked, not self.places[number].is_apart)
        )
        shown: list[SweptPlace] = []
        for number in order:
            place = self.places[number]
            if all(
                abs(place.place - other.place) / (high - low) * room
                >= 0.5 * (len(place.text) + len(other.text)) + 1
                for other in shown
            ):
                shown.append(place)
        return sorted(shown, key=lambda place: place.place)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
