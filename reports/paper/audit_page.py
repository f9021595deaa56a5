"""An audit as a document, and in a line for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tablewright.reports.documents.document import Points, Section
from tablewright.reports.paper.audit import Finding
from tablewright.trainables.value.counted import counted

IN_WORDS = {
    "no_reference": "no reference",
    "never_removed_alone": "never removed alone",
    "several_factors": "several changes at once",
    "one_dataset": "one data set alone",
    "few_seeds": "too few seeds",
    "fewer_seeds": "seeds missing",
    "best_at_end": "best at an end",
    "no_power": "could not find a difference",
    "not_reproduced": "printed and not reproduced",
}
"""Each kind of gap as a head, which has the kind behind it as `accepts=` takes it."""


def audit_document(study: str, findings: Sequence[Finding]) -> Section:
    """Give the page of one study.

    Args:
        study: name.
        findings: of the study alone.
    """
    opened = [one for one in findings if not one.accepted]
    accepted = [one for one in findings if one.accepted]
    intro = (
        f"What an examiner would ask of the tables of {study}: {audit_line(findings)}. "
        'What is meant so is answered where it is declared, Ablation(accepts={"kind": "why"}) or Study(accepts=…), and '
        "then stands below with its reason."
        if findings
        else f"Nothing that is looked for was found in the tables of {study}."
    )
    parts = [
        Section(_where(place), sections=tuple(_sections([one for one in opened if one.table == place])))
        for place in dict.fromkeys(one.table for one in opened)
    ]
    if accepted:
        texts = tuple(
            f"{_where(one.table)}, {one.gap}: {'; '.join(one.texts)}. Meant so: {one.accepted}"
            for one in accepted
        )
        parts.append(Section("Meant so", (Points(texts),)))
    return Section(f"Audit: {study}", (intro,), tuple(parts))


def _where(table: str) -> str:
    return f"Table {table}" if table else "The whole study"


def _sections(findings: Sequence[Finding]) -> Iterator[Section]:
    for one in findings:
        yield Section(
            f"{IN_WORDS[one.gap].capitalize()} ({one.gap})",
            (
                Points(tuple(f"{text}." for text in one.texts)),
                f"Why it matters: {one.why}. What to write: {one.remedy}.",
            ),
        )


def audit_line(findings: Sequence[Finding]) -> str:
    """Say in half a sentence what was found."""
    counts = Counter(one.gap for one in findings if not one.accepted)
    num_accepted = sum(bool(one.accepted) for one in findings)
    kinds = ", ".join(f"{IN_WORDS[gap]} {count}" for gap, count in counts.most_common())
    text = f"{counted(counts.total(), 'finding')}{f' ({kinds})' if kinds else ''}"
    return f"{text}, {num_accepted} more meant so" if num_accepted else text
