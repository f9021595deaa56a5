"""Where a table or a figure is printed: how wide and high what is printed may be there, and in which type.

Lengths are TeX's points, of which 72.27 are an inch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from tablewright.trainables.value.declaration import Declaration
from tablewright.trainables.value.refusal import guess, shown
from tablewright.trainables.value.text import Text

PT_PER_INCH = 72.27
PT_PER_CM = PT_PER_INCH / 2.54

LatexPackage = Literal["multirow", "siunitx"]
"""What LaTeX tables may need beside booktabs: it sets groups beside their rows, or aligns numbers."""

LengthPt = Annotated[float, Field(ge=72, le=7200)]


@dataclass(frozen=True)
class Venue(Declaration):
    """The page of a journal or of a conference's proceedings.

    Attributes:
        name: by which it is asked for.
        column_width_pt: of one column of text.
        text_width_pt: of all columns and what lies between them; the same where there is one column.
        text_height_pt: of a page without its head and foot.
        type_size_pt: of the running text.
        font: of the text: whose signs tell how wide a table is.
        source: where these numbers were read, or how they were measured.
    """

    name: Text
    column_width_pt: LengthPt
    text_width_pt: LengthPt
    text_height_pt: LengthPt
    source: Text
    type_size_pt: Annotated[float, Field(ge=5, le=20)] = 10
    font: Literal["Times", "Computer Modern"] = "Times"

    @property
    def has_two_columns(self) -> bool:
        """Whether a table may be set across both columns."""
        return self.text_width_pt > self.column_width_pt


ANY = Venue(
    "any",
    16 * PT_PER_CM / 2 - 0.3 * PT_PER_CM,  # ACL's
    345,  # article's
    549,  # LNCS's
    "the narrowest column, the narrowest text and the lowest page of the others; Computer Modern is the widest type",
    font="Computer Modern",
)
"""No venue in particular: what fits there fits in all."""

_KNOWN = (
    ANY,
    Venue(
        "cvpr",
        (6.875 - 0.3125) / 2 * PT_PER_INCH,
        6.875 * PT_PER_INCH,
        8.875 * PT_PER_INCH,
        "cvpr.sty of cvpr-org/author-kit, 2025: textwidth, columnsep, textheight; ICCV and WACV have the same",
    ),
    Venue(
        "neurips",
        5.5 * PT_PER_INCH,
        5.5 * PT_PER_INCH,
        9 * PT_PER_INCH,
        "neurips_2024.sty: geometry's options",
    ),
    Venue(
        "iclr",
        5.5 * PT_PER_INCH,
        5.5 * PT_PER_INCH,
        9 * PT_PER_INCH,
        "iclr2024_conference.sty: textwidth, textheight",
    ),
    Venue(
        "icml",
        3.25 * PT_PER_INCH,
        6.75 * PT_PER_INCH,
        9 * PT_PER_INCH,
        "icml2025.sty: textwidth, columnsep, textheight",
    ),
    Venue(
        "acl",
        ANY.column_width_pt,
        16 * PT_PER_CM,
        24.7 * PT_PER_CM,
        "acl.sty of acl-org/acl-style-files: A4 with margins of 2.5 cm, columnsep 0.6 cm",
        type_size_pt=11,
    ),
    Venue(
        "aaai",
        (7 - 0.375) / 2 * PT_PER_INCH,
        7 * PT_PER_INCH,
        9 * PT_PER_INCH,
        "aaai25.sty: textwidth, columnsep, textheight",
    ),
    Venue("ieee", 252, 516, 672, "IEEEtran.cls V1.8b, measured; of journal and conference the lower page"),
    Venue(
        "acm",
        241.15,
        506.3,
        626,
        "acmart.cls with sigconf, measured; its Libertine is narrower than Computer Modern",
        type_size_pt=9,
        font="Computer Modern",
    ),
    Venue(
        "lncs", 347.12, 347.12, 549.1, "llncs.cls, measured; ECCV's pages are these", font="Computer Modern"
    ),
    Venue("article", 345, 345, 550, "article.cls, letterpaper, measured", font="Computer Modern"),
    Venue(
        "twocolumn",
        229.5,
        469,
        550,
        "article.cls with twocolumn, letterpaper, measured",
        font="Computer Modern",
    ),
)

VENUES: Mapping[str, Venue] = {venue.name: venue for venue in _KNOWN}
"""Every venue that has a name, by it."""

_SAME_PAGE = {
    "iccv": "cvpr",
    "wacv": "cvpr",
    "eccv": "lncs",
    "llncs": "lncs",
    "emnlp": "acl",
    "naacl": "acl",
    "ieeetran": "ieee",
    "acmart": "acm",
}


def venue_of(asked: Venue | str | float) -> Venue:
    """Give the venue of a name, such as `"cvpr"`, or one whose text is as many points wide.

    Raises:
        ValueError: there is none of that name, or nothing can be printed so narrow.
    """
    if isinstance(asked, Venue):
        return asked
    if isinstance(asked, str):
        name = asked.lower()
        if venue := VENUES.get(_SAME_PAGE.get(name, name)):
            return venue
        known = (*VENUES, *_SAME_PAGE)
        raise ValueError(
            f"there is no venue {shown(asked)}{guess(name, known)} There are {', '.join(known)}; or give the width of "
            "the text in points, or a Venue(…) of your own"
        )
    return Venue(
        f"{asked:g} pt",
        asked,
        asked,
        ANY.text_height_pt,
        "the width that was asked for",
        font="Computer Modern",
    )


def no_venue_fault(asked: Venue | str | float) -> str | None:
    """Say why nothing can be printed there; None where it can."""
    try:
        venue_of(asked)
    except ValueError as error:
        return str(error)
    return None


AskedVenue = Annotated[Venue | str | float, no_venue_fault]
"""A venue, its name, or the width of its text in points."""
