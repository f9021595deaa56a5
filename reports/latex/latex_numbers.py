r"""Every number of a study's tables as LaTeX commands, so that none is typed into a paper by hand.

`\twvalue{table}{row}{column}` finds a number by the labels of the table, and `\newcommand`s of letters alone name each
directly. What there is no number for is an error when the paper is compiled, never a blank.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tablewright.reports.latex.latex_names import key_of, letters_of, told_apart
from tablewright.reports.latex.latex_signs import escape_latex, sign_definitions
from tablewright.reports.statistics.comparison import Comparison
from tablewright.reports.table.cell import FAILED, MISSING, REFUSED, TableCell
from tablewright.reports.table.number import difference_text, printed_text, value_text
from tablewright.reports.table.table import Table
from tablewright.trainables.contract.metric import Metric

SMALLEST_P_SHOWN = 0.001

QUANTITIES: Mapping[str, tuple[str, str]] = {
    "value": ("", "the mean over the seeds, as the table prints it"),
    "deviation": ("Deviation", "the sample standard deviation over the seeds"),
    "pm": ("WithDeviation", "both"),
    "interval": ("Interval", "the 95 % confidence interval of the mean"),
    "n": ("N", "how many seeds are measured"),
    "seeds": ("Seeds", "which seeds"),
    "difference": ("Difference", "the row minus the one that it is compared with"),
    "differenceinterval": ("DifferenceInterval", "the 95 % confidence interval of that"),
    "p": ("P", "its p-value, corrected for all comparisons of the table; of what is tested"),
    "paper": ("Paper", "what the paper printed"),
    "minuspaper": ("MinusPaper", "ours minus that"),
    "word": ("", "what stands in a small table below the cells, such as what a search has found"),
}
"""Quantity, as `\\tw` has it behind itself -> what stands behind the name of a number's own command, and what it is."""

BEGIN, END = "% --- table ", "% --- end of table "
"""Lines around what is of one table, so that a table can be renewed alone."""

_COMMANDS = r"""\ifdefined\twnumber\else
% A label is given as the table prints it, without { } \ # % ~ (see the keys below). All of these may stand in captions,
% heads and \num, and an unknown number is the error \twNoSuchNumber.
\newcommand\twtable[1]{\ifcsname tw/table/\detokenize{#1}\endcsname\csname tw/table/\detokenize{#1}\endcsname
  \else\detokenize{#1}\fi}
\newcommand\twcolumn[2]{\ifcsname tw/column/\twtable{#1}/\detokenize{#2}\endcsname
  \csname tw/column/\twtable{#1}/\detokenize{#2}\endcsname\else\detokenize{#2}\fi}
\newcommand\twkey[4]{tw/#1/\twtable{#2}/\detokenize{#3}/\twcolumn{#2}{#4}}
\newcommand\twnumber[4]{\ifcsname\twkey{#1}{#2}{#3}{#4}\endcsname\csname\twkey{#1}{#2}{#3}{#4}\endcsname
  \else\twNoSuchNumber\fi}
\newcommand\twrigour[1]{\ifcsname tw/rigour/\twtable{#1}\endcsname\csname tw/rigour/\twtable{#1}\endcsname
  \else\twNoSuchNumber\fi}
\newcommand\twdefine[5]{\expandafter\def\csname\twkey{#1}{#2}{#3}{#4}\endcsname{#5}}
\newcommand\twdefinerigour[2]{\expandafter\def\csname tw/rigour/\detokenize{#1}\endcsname{#2}}
\newcommand\twdefinecolumn[3]{\expandafter\edef\csname tw/column/\detokenize{#1}/\detokenize{#2}\endcsname
  {\detokenize{#3}}}
\newcommand\twdefinetable[2]{\ifcsname tw/table/\detokenize{#2}\endcsname
  \expandafter\edef\csname tw/table/\detokenize{#2}\endcsname{\detokenize{of several studies: }}%
  \else\expandafter\edef\csname tw/table/\detokenize{#2}\endcsname{\detokenize{#1/#2}}\fi}
%QUANTITIES%
\fi
"""


@dataclass(frozen=True)
class _Number:
    """One number of a table.

    Attributes:
        row: label, the group in front; or that of an effect.
        dataset: of the column; empty for a word.
        metric: label of the column's metric, or the head of a word's.
        quantity: one of `QUANTITIES`.
    """

    row: str
    dataset: str
    metric: str
    quantity: str


def numbers_to_latex(study: str, tables: Sequence[Table], earlier: str = "", kept: Sequence[str] = ()) -> str:
    """Write the numbers of a study.

    Args:
        study: name.
        tables: whose numbers are written anew.
        earlier: the file as it was.
        kept: names of tables whose part of that is taken over, as they are not written now.
    """
    parts = {name: part for name, part in _parts(earlier).items() if name in kept}
    parts |= {table.name: "\n".join(_table_lines(table)) + "\n" for table in tables}
    quantities = "\n".join(
        rf"\newcommand\tw{name}{{\twnumber{{{name}}}}}% {what}" for name, (_, what) in QUANTITIES.items()
    )
    loaded = rf"\tw{letters_of(study)}IsLoaded"
    head = [
        f"% The numbers of {study}, made from its records: \\input{{numbers}} before \\begin{{document}}.",
        rf"\ifdefined{loaded}\expandafter\endinput\fi",
        rf"\newcommand{loaded}{{}}",
        _COMMANDS.replace("%QUANTITIES%", quantities),
    ]
    body = "\n".join(parts[name] for name in sorted(parts))
    return "\n".join([*head, *sign_definitions(body), body])


def _parts(text: str) -> dict[str, str]:
    """Take a file apart into what is of each table."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith(BEGIN):
            name = line.removeprefix(BEGIN)
        if name:
            found.setdefault(name, []).append(line)
        if line == f"{END}{name}":
            name = ""
    return {name: "\n".join(lines) + "\n" for name, lines in found.items()}


def _table_lines(table: Table) -> Iterator[str]:
    whole_name = f"{table.study}/{table.name}"
    datasets = dict.fromkeys(column.dataset for column in table.columns)
    numbers = dict(_numbers(table))
    rows = told_apart(
        {row: key_of(row) for row in dict.fromkeys(number.row for number in numbers)}, between=" "
    )
    columns = told_apart(
        {(number.dataset, number.metric): key_of(f"{number.dataset} {number.metric}") for number in numbers},
        between=" ",
    )
    commands = told_apart({number: _command(table, number) for number in numbers})
    yield f"{BEGIN}{table.name}"
    yield rf"\twdefinetable{{{table.study}}}{{{table.name}}}"
    if len(datasets) == 1:
        for (dataset, metric), column in columns.items():
            if dataset:
                yield rf"\twdefinecolumn{{{whole_name}}}{{{key_of(metric)}}}{{{column}}}"
    if table.rigour:
        yield rf"\twdefinerigour{{{whole_name}}}{{{_in_prose(table.rigour)}}}"
    for number, text in numbers.items():
        latex = rf"\ensuremath{{{text}}}" if number.quantity == "p" else _in_prose(text)
        key = rows[number.row], columns[number.dataset, number.metric]
        yield rf"\twdefine{{{number.quantity}}}{{{whole_name}}}{{{key[0]}}}{{{key[1]}}}{{{latex}}}"
        yield rf"\newcommand{{\{commands[number]}}}{{{latex}}}"
    yield f"{END}{table.name}"


def _command(table: Table, number: _Number) -> str:
    labels = (
        table.study.replace("_", " "),
        table.name.replace("_", " "),
        number.row,
        number.dataset,
        number.metric,
    )
    datasets = {column.dataset for column in table.columns}
    shown = [label for place, label in enumerate(labels) if place != 3 or len(datasets) > 1]
    return "tw" + "".join(map(letters_of, shown)) + QUANTITIES[number.quantity][0]


def _numbers(table: Table) -> Iterator[tuple[_Number, str]]:
    for label, row in table.labelled_rows():
        for column, cell in zip(table.columns, row.cells, strict=True):
            for quantity, text in _of_cell(cell, column.metric):
                yield _Number(label, column.dataset, column.metric.label, quantity), text
    for effect in table.effects:
        for column, compared in effect.compared:
            of_effect = _of_comparison(compared.comparison, column.metric, is_tested=compared.is_tested)
            for quantity, text in of_effect:
                yield _Number(effect.label, column.dataset, column.metric.label, quantity), text
    for words in table.texts:
        for first, *others in words.rows:
            for head, text in zip(words.heads[1:], others, strict=True):
                yield _Number(first, "", head, "word"), text


def _of_cell(cell: TableCell, metric: Metric) -> Iterator[tuple[str, str]]:
    if cell.published is not None:
        yield "paper", printed_text(cell.published, metric)
    if cell.state == "printed":
        return
    yield "n", str(cell.n)
    if cell.mean is None:
        yield "value", {"failed": FAILED, "refused": REFUSED}.get(cell.state, MISSING)
        return
    seeds = f" ({cell.n}/{cell.n_expected})" if cell.state == "partial" else ""
    value = value_text(cell.mean, metric)
    yield "value", value + seeds
    yield "seeds", ", ".join(map(str, cell.seeds))
    if cell.deviation is not None:
        deviation = value_text(cell.deviation, metric)
        yield "deviation", deviation
        yield "pm", f"{value} ± {deviation}{seeds}"
    if cell.interval is not None:
        yield "interval", f"[{', '.join(value_text(end, metric).replace('-', '−') for end in cell.interval)}]"
    if cell.difference is not None:
        yield "minuspaper", difference_text(cell.difference, metric)
    if cell.compared is not None:
        yield from _of_comparison(cell.compared.comparison, metric, is_tested=cell.compared.is_tested)


def _of_comparison(comparison: Comparison, metric: Metric, *, is_tested: bool) -> Iterator[tuple[str, str]]:
    yield "difference", difference_text(comparison.estimate, metric)
    yield "differenceinterval", f"[{', '.join(difference_text(end, metric) for end in comparison.interval)}]"
    if is_tested:
        yield "p", p_text(comparison.corrected_p_value)


def p_text(p_value: float) -> str:
    """Say how small a p-value is: `p = 0.012`, or `p < 0.001`."""
    if p_value < SMALLEST_P_SHOWN:
        return f"p < {SMALLEST_P_SHOWN}"
    return f"p = {p_value:.2g}" if p_value < 0.0995 else f"p = {p_value:.2f}"


def _in_prose(text: str) -> str:
    """Write a number so that it may stand in a sentence and in a formula."""
    latex = escape_latex(text)
    for sign in ("-", r"\pm", "<"):
        latex = latex.replace(f"${sign}$", rf"\ensuremath{{{sign}}}")
    return latex.replace(r"\textless{}", r"\ensuremath{<}")
