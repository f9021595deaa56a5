r"""Numbers that somebody has typed into the text of a paper, held against the tables.

One that a table gives should be its command, or it is wrong as soon as the table changes; one that no table gives and
no config has is either of others, or nobody can say where it comes from. Integers are looked at only before a per cent
sign: pages, years and counts are no results.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tablewright.orchestrator.plans.plan import Plan
from tablewright.reports.latex.latex_names import key_of
from tablewright.reports.table.table import Table
from tablewright.trainables.contract.metric import Metric

NUM_WORDS_AROUND = 4
"""Of a sentence, on either side of a number that is shown."""

_NO_PROSE = re.compile(
    r"\\(?:tw[A-Za-z]*|includegraphics|[hv]space\*?|setlength|addtolength|label|(?:auto|c|C|eq|page)?ref|[a-zA-Z]*cite"
    r"[a-zA-Z]*|url|href|input|include|usepackage|documentclass|bibliography\w*|begin|end|color|textcolor|resizebox|"
    r"scalebox|raisebox|rule|fontsize|linespread|definecolor|graphicspath|cmidrule|cline)\*?"
    r"(?:\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\})*"
)
_LENGTH = re.compile(
    r"-?\d*\.?\d+\s*(?:pt|em|ex|cm|mm|in|bp|\\[A-Za-z]*(?:width|height|skip|size|sep))(?![A-Za-z])"
)
_NUMBER = re.compile(r"(?<![\w.\\])(?<![\w.]-)(\d+\.\d+|\d+(?=\s*(?:\\%|%|\\,\\%|~\\%)))(?![\w]|\.\d)")
_COMMENT = re.compile(r"(?<!\\)%.*")
_INCLUDED = re.compile(r"\\(?:input|include)\s*\{([^{}]+)\}")


@dataclass(frozen=True)
class TypedNumber:
    """A number that was typed.

    Attributes:
        place: file and line.
        number: as it was typed.
        words: around it.
        command: that gives it; empty where no table does.
    """

    place: str
    number: str
    words: str
    command: str

    def __str__(self) -> str:
        """Say it in a line."""
        if self.command:
            return f"{self.place}: {self.number} is typed by hand; {self.command} gives it (“{self.words}”)"
        return f"{self.place}: no table gives {self.number} (“{self.words}”)"


@dataclass(frozen=True)
class _Known:
    """A number of a table.

    Attributes:
        value: in the printed unit, with all its digits.
        command: that prints it.
    """

    value: float
    command: str


def typed_numbers(
    paper: Path, plan: Plan, tables: Sequence[Table], passed_over: Path | None
) -> tuple[TypedNumber, ...]:
    """Find the numbers that a paper's text has typed, and that are results of somebody's.

    Args:
        paper: its main file; what that includes is read too.
        plan: of the studies, whose configs explain further numbers.
        tables: whose numbers may be quoted.
        passed_over: folder of files that are made, such as the tables themselves.

    Raises:
        OSError: the main file cannot be read.
    """
    known = [one for table in tables for one in _known_of(table)]
    configured = set(_configured(plan))
    found: list[TypedNumber] = []
    for file in _files_of(paper, passed_over):
        text = file.read_text(encoding="utf-8", errors="replace")
        is_latex = file.suffix == ".tex"
        begins = text.find(r"\begin{document}") if is_latex else -1
        first_line = 1 if begins < 0 else text.count("\n", 0, begins) + 2
        for number, line in enumerate(text.splitlines(), start=1):
            if number < first_line:
                continue
            prose = _prose(line) if is_latex else line
            for match in _NUMBER.finditer(prose):
                typed = match[1]
                command = _command_for(typed, known)
                if command or not _is_among(float(typed), configured):
                    found.append(TypedNumber(f"{file.name}:{number}", typed, _words(prose, match), command))
    return tuple(found)


def _files_of(paper: Path, passed_over: Path | None) -> Iterator[Path]:
    waiting, seen = [paper], set[Path]()
    while waiting:
        file = waiting.pop(0)
        if file.resolve() in seen or (
            passed_over is not None and file.resolve().is_relative_to(passed_over.resolve())
        ):
            continue
        seen.add(file.resolve())
        yield file
        if file.suffix == ".tex":
            text = "\n".join(
                _COMMENT.sub("", line)
                for line in file.read_text(encoding="utf-8", errors="replace").splitlines()
            )
            for name in _INCLUDED.findall(text):
                included = paper.parent / name.strip()
                candidates = (included, included.with_name(f"{included.name}.tex"))
                waiting += [one for one in candidates if one.is_file()][:1]


def _prose(line: str) -> str:
    for pattern in (_COMMENT, _NO_PROSE, _LENGTH):
        line = pattern.sub(" ", line)
    return line


def _words(prose: str, match: re.Match[str]) -> str:
    before, behind = prose[: match.start()].split(), prose[match.end() :].split()
    return " ".join([*before[-NUM_WORDS_AROUND:], match[0], *behind[:NUM_WORDS_AROUND]])


def _command_for(typed: str, known: Iterable[_Known]) -> str:
    """Give the command of the number that is nearest to what was typed, if that could be it rounded."""
    digits = len(typed.partition(".")[2])
    value, reach = float(typed), 0.5 * 10.0**-digits + 1e-9
    near = [one for one in known if abs(abs(one.value) - value) <= reach]
    return min(near, key=lambda one: abs(abs(one.value) - value)).command if near else ""


def _is_among(value: float, numbers: Iterable[float]) -> bool:
    return any(abs(number - value) <= 1e-12 * max(1.0, abs(number)) for number in numbers)


def _known_of(table: Table) -> Iterator[_Known]:
    datasets = {column.dataset for column in table.columns}
    for label, row in table.labelled_rows():
        for column, cell in zip(table.columns, row.cells, strict=True):
            head = column.metric.label if len(datasets) == 1 else f"{column.dataset} {column.metric.label}"
            place = f"{{{table.name}}}{{{key_of(label)}}}{{{key_of(head)}}}"
            values: list[tuple[str, float | None]] = [
                ("value", cell.mean),
                ("paper", cell.published),
                ("deviation", cell.deviation),
                ("minuspaper", cell.difference),
                *(("interval", end) for end in cell.interval or ()),
            ]
            if cell.compared is not None:
                comparison = cell.compared.comparison
                values += [("difference", comparison.estimate)]
                values += [("differenceinterval", end) for end in comparison.interval]
            for quantity, value in values:
                if value is not None:
                    yield from _in_print(value, column.metric, rf"\tw{quantity}{place}")
            if cell.compared is not None and cell.compared.is_tested:
                yield _Known(cell.compared.comparison.corrected_p_value, rf"\twp{place}")
    for effect in table.effects:
        for column, compared in effect.compared:
            place = f"{{{table.name}}}{{{key_of(effect.label)}}}{{{key_of(f'{column.dataset} {column.metric.label}')}}}"
            yield from _in_print(compared.comparison.estimate, column.metric, rf"\twdifference{place}")


def _in_print(value: float, metric: Metric, command: str) -> Iterator[_Known]:
    """Give a value in the printed unit; a fraction may be quoted as one too."""
    if metric.is_fraction:
        yield _Known(100 * value, command)
    yield _Known(value, command)


def _configured(plan: Plan) -> Iterator[float]:
    """Give the numbers of all configs, which a text names as settings."""
    for training in plan.trainings.values():
        yield from _numbers_in(training.config.model_dump(mode="json"))
    for study in plan.studies:
        for search in study.searches:
            for searched in search.space.values():
                yield from (
                    float(end)
                    for name in ("low", "high")
                    if isinstance(end := getattr(searched, name, None), int | float)
                )


def _numbers_in(value: object) -> Iterator[float]:
    if isinstance(value, dict | list):
        inside = cast(dict[str, object] | list[object], value)
        for inner in inside.values() if isinstance(inside, dict) else inside:
            yield from _numbers_in(inner)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)
