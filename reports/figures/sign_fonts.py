"""Which font of this machine has the signs that the figures' own have not, such as Chinese."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from matplotlib import font_manager

from tablewright.reports.figures.canvas import FONTS

FONT_TO_INSTALL = "Noto Sans CJK"


def further_fonts(text: str) -> tuple[tuple[str, ...], str]:
    """Find fonts for the signs of a text.

    Args:
        text: that is drawn.

    Returns:
        Families beside `FONTS` that have what these lack, as few as can be, and the signs that no font here has.
    """
    lacking = (
        frozenset(ord(sign) for sign in set(text) if sign.isprintable() and not sign.isspace()) - _own_signs()
    )
    families: list[str] = []
    while lacking:
        family, covered = max(_families_with(lacking), key=lambda found: len(found[1]), default=("", lacking))
        if not family:
            break
        families.append(family)
        lacking -= covered
    return tuple(families), "".join(map(chr, sorted(lacking)))


@functools.cache
def _own_signs() -> frozenset[int]:
    return frozenset[int]().union(*(_signs_of(font_manager.findfont(family)) for family in FONTS))


def _families_with(signs: frozenset[int]) -> Iterable[tuple[str, frozenset[int]]]:
    """Give each font that has some of these signs, with those that it has, in the order of their files."""
    for path in sorted(font_manager.findSystemFonts()):
        found = signs & _signs_of(path)
        if found:
            font_manager.fontManager.addfont(path)
            yield font_manager.get_font(path).family_name, found


@functools.cache
def _signs_of(path: str) -> frozenset[int]:
    """Give the code points that a font file has; none of one that cannot be read."""
    try:
        return frozenset(font_manager.get_font(path).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
