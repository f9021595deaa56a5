"""A table as LaTeX for a paper; it needs the package booktabs and nothing else.

The training ids of each cell stand beside its row as comments, so that the source of a paper still says
where its numbers come from.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from tablewright.reports.cell import TableCell, compared_text, marks_text, mean_text, published_text
from tablewright.reports.latex_signs import CHECK, CROSS, escape_latex, name_lost_signs
from tablewright.reports.source_note import SHORT_ID_DIGITS
from tablewright.reports.table import DIFFERENCE_HEAD, PrintedColumn, Table, TableRow
from tablewright.reports.text_table import TextTable
from tablewright.trainables.contract.metric import Metric

COLUMN_WIDTH_PT, PAGE_WIDTH_PT = 229, 469  # of a two-column article; a wider table spans both columns
CHARACTER_WIDTH_PT, RAISED_CHARACTER_WIDTH_PT = 4.6, 4.2  # at 9 pt, where most characters are digits
COLUMN_GAP_PT = 8  # twice the separation on either side
PAPER_HEAD = "paper"
VERDICT_COMMANDS = {
    r"\checkmark": CHECK,
    r"\ballotcross": CROSS,
}  # amssymb's, where it is loaded, is the same sign


def to_latex(table: Table) -> str:
    """Render a table as a floating environment with booktabs rules."""
    text = "\n".join(_lines(table)) + "\n"
    head = [f"% {table.study}/{table.name}: needs \\usepackage{{booktabs}}"]
    for name in name_lost_signs(text):
        head.append(f"% printed as its code point, as LaTeX's own fonts have no sign for it: {name}")
    for command, sign in VERDICT_COMMANDS.items():
        if sign in text:
            head.append(rf"\providecommand{{{command}}}{{{sign}}}")
            text = text.replace(sign, f"{command}{{}}")
    return "\n".join([*head, text])


def _lines(table: Table) -> Iterator[str]:
    width_pt = _estimate_width_pt(table)
    environment = "table*" if width_pt > COLUMN_WIDTH_PT else "table"
    yield rf"\begin{{{environment}}}[tbp]"
    yield r"  \centering"
    yield rf"  \caption{{{escape_latex(table.caption)}}}"
    yield rf"  \label{{tab:{table.study.replace('_', '-')}-{table.name.replace('_', '-')}}}"
    size, separation_pt = (r"\small", 4) if width_pt <= PAGE_WIDTH_PT else (r"\footnotesize", 2)
    yield f"  {size}"
    yield rf"  \setlength{{\tabcolsep}}{{{separation_pt}pt}}"
    yield rf"  \begin{{tabular}}{{l{'c' * table.num_printed}}}"
    yield r"    \toprule"
    yield from _spanner_lines(table)
    yield "    " + " & ".join([escape_latex(table.stub_head), *_heads(table)]) + r" \\"
    yield from _body_lines(table)
    yield r"    \bottomrule"
    yield r"  \end{tabular}"
    for texts in table.texts:
        yield from _text_lines(texts)
    yield ""
    yield r"  \smallskip"
    yield r"  \begin{minipage}{\linewidth}"
    yield r"    \footnotesize"
    for note in table.source_notes:
        yield f"    {escape_latex(note)}"
    yield r"  \end{minipage}"
    yield rf"\end{{{environment}}}"


def _text_lines(texts: TextTable) -> Iterator[str]:
    """Set a table of words below the cells, in the same float."""
    yield ""
    yield r"  \medskip"
    yield rf"  \begin{{tabular}}{{{'l' * len(texts.heads)}}}"
    yield r"    \toprule"
    yield "    " + " & ".join(map(escape_latex, texts.heads)) + r" \\"
    yield r"    \midrule"
    for row in texts.rows:
        yield "    " + " & ".join(map(escape_latex, row)) + r" \\"
    yield r"    \bottomrule"
    yield r"  \end{tabular}"


def _estimate_width_pt(table: Table) -> float:
    """Guess how wide the columns will be set, from the number of characters in them."""
    return max([_cells_width_pt(table), *map(_texts_width_pt, table.texts)])


def _texts_width_pt(texts: TextTable) -> float:
    columns = zip(texts.heads, *texts.rows, strict=True)
    return sum(max(map(len, column)) * CHARACTER_WIDTH_PT + COLUMN_GAP_PT for column in columns)


def _cells_width_pt(table: Table) -> float:
    labels = [table.stub_head, *(row.label for row in table.rows)]
    width_pt = max(map(len, labels)) * CHARACTER_WIDTH_PT + COLUMN_GAP_PT
    widths_pt = [_column_width_pt(table, printed) for printed in table.printed_columns]
    for (
        spanner
    ) in table.spanners:  # LaTeX widens the last of the columns below a label that is wider than all
        below_pt = sum(widths_pt[spanner.start : spanner.start + spanner.num_printed])
        width_pt += max(below_pt, len(spanner.label) * CHARACTER_WIDTH_PT + COLUMN_GAP_PT)
    return width_pt


def _column_width_pt(table: Table, printed: PrintedColumn) -> float:
    index, part = printed
    metric = table.columns[index].metric
    cells = [row.cells[index] for row in table.rows]
    if part == "value":
        texts = [metric.label, *(mean_text(cell, metric) + marks_text(cell) for cell in cells)]
        return max(map(len, texts)) * CHARACTER_WIDTH_PT + COLUMN_GAP_PT
    texts = (compared_text(cell, metric) for cell in cells)
    if part == "paper":
        texts = (published_text(cell, metric) for cell in cells)
    return max(map(_raised_width_pt, [PAPER_HEAD, *texts])) + COLUMN_GAP_PT


def _raised_width_pt(text: str) -> float:
    """Guess the width of a value and of what is set small behind it."""
    value, _, small = text.partition(" ")
    return len(value) * CHARACTER_WIDTH_PT + len(small.strip("()")) * RAISED_CHARACTER_WIDTH_PT


def _spanner_lines(table: Table) -> Iterator[str]:
    heads = [
        rf"\multicolumn{{{spanner.num_printed}}}{{c}}{{{escape_latex(spanner.label)}}}"
        for spanner in table.spanners
    ]
    yield "    " + " & ".join(["", *heads]) + r" \\"
    first = 2  # LaTeX counts columns from 1, and the stub is the first
    rules = (
        rf"\cmidrule(lr){{{first + spanner.start}-{first + spanner.start + spanner.num_printed - 1}}}"
        for spanner in table.spanners
    )
    yield "    " + " ".join(rules)


def _heads(table: Table) -> Iterator[str]:
    for index, part in table.printed_columns:
        if part == "value":
            yield escape_latex(table.columns[index].metric.label)
        else:
            yield escape_latex(DIFFERENCE_HEAD) if part == "difference" else rf"\textit{{{PAPER_HEAD}}}"


def _body_lines(table: Table) -> Iterator[str]:
    comments: dict[int, list[str]] = {}
    for of_row in table.trainings():
        ids = " ".join(training_id[:SHORT_ID_DIGITS] for training_id in of_row.training_ids)
        comment = f"    % {' '.join(of_row.dataset.split())}: trainings {ids}"
        comments.setdefault(of_row.row_number, []).append(comment)
    rows = itertools.count()
    for group in table.groups:
        yield r"    \midrule"
        if group.label:
            head = rf"\textit{{{escape_latex(group.label)}}}"
            yield rf"    \multicolumn{{{table.num_printed + 1}}}{{l}}{{{head}}} \\"
        for row in group.rows:
            indent = r"\quad " if group.label else ""
            texts = [indent + escape_latex(row.label), *_cell_texts(table, row)]
            yield "    " + " & ".join(texts) + r" \\"
            yield from comments.get(next(rows), ())


def _cell_texts(table: Table, row: TableRow) -> Iterator[str]:
    text_of = {"value": _value_text, "difference": _compared_text, "paper": _published_text}
    for index, part in table.printed_columns:
        yield text_of[part](row.cells[index], table.columns[index].metric)


def _value_text(cell: TableCell, metric: Metric) -> str:
    text = escape_latex(mean_text(cell, metric))
    if cell.rank == 1:
        text = rf"\textbf{{{_bold_math(text)}}}"
    elif cell.rank == 2:
        text = rf"\underline{{{text}}}"
    return text + escape_latex(marks_text(cell))


def _compared_text(cell: TableCell, metric: Metric) -> str:
    """Set the interval small, for the same reason as a comparison with the paper."""
    value, _, interval = compared_text(cell, metric).partition(" ")
    return escape_latex(value) + (rf"\,{{\scriptsize {escape_latex(interval)}}}" if interval else "")


def _published_text(cell: TableCell, metric: Metric) -> str:
    """Set the comparison high and small, or two data sets would not fit across a page."""
    value, _, compared = published_text(cell, metric).partition(" ")
    raised = rf"\,\textsuperscript{{{escape_latex(compared.strip('()'))}}}" if compared else ""
    return escape_latex(value) + raised


def _bold_math(text: str) -> str:
    return text.replace(r"$\pm$", r"\boldmath$\pm$")
