"""A whole study as one LaTeX document: tables, figures, rigour appendix, audit and configurations."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.declared.venue import venue_of
from tablewright.reports.documents.document import Section
from tablewright.reports.documents.document_latex import document_to_latex
from tablewright.reports.figures.figures import Figure, TableFigures, figure_path
from tablewright.reports.latex.latex import to_latex
from tablewright.reports.latex.latex_signs import escape_latex, name_lost_signs, sign_definitions
from tablewright.reports.table.table import Table

DIGEST_DIGITS = 16
TEXT_WIDTH_PT = 483.0
"""Of a page of A4 with margins of 20 mm."""

PREAMBLE = r"""\documentclass[10pt,a4paper]{article}
\usepackage[margin=20mm]{geometry}
\usepackage{array,booktabs,graphicx,longtable}
\ifdefined\pdfsuppressptexinfo\pdfsuppressptexinfo=-1 \pdftrailerid{}\fi
\ifdefined\pdfvariable\pdfvariable suppressoptionalinfo 1023 \pdfvariable trailerid {[<00> <00>]}\fi
\setlength{\parindent}{0pt}\setlength{\parskip}{4pt plus 1pt}\setlength{\emergencystretch}{3em}
\setcounter{tocdepth}{2}\raggedbottom
\makeatletter % tables and figures stand where they are told of
\newenvironment{twstanding}[1]{\par\medskip\begin{minipage}{\linewidth}\def\@captype{#1}}{\end{minipage}\par\medskip}
\renewenvironment{table}[1][]{\begin{twstanding}{table}}{\end{twstanding}}
\renewenvironment{table*}[1][]{\begin{twstanding}{table}}{\end{twstanding}}
\renewenvironment{figure}[1][]{\begin{twstanding}{figure}}{\end{twstanding}}
\makeatother
"""


def report_to_latex(
    study: Study, tables: Sequence[Table], beside: Mapping[str, TableFigures], sections: Sequence[Section]
) -> str:
    """Write the document.

    Two equal documents have equal figures too: each is named with the digest of its file.

    Args:
        study: that it is of.
        tables: of the study, in printing order.
        beside: figures by name of the table.
        sections: that follow the tables.
    """
    body = "\n".join(_lines(study, tables, beside, sections)) + "\n"
    head = [
        f"% The report of {study.name}. To make the PDF: pdflatex report.tex, three times, in this folder.",
        *(
            f"% printed as its code point, as LaTeX's own fonts have no sign for it: {name}"
            for name in name_lost_signs(body)
        ),
    ]
    return "\n".join([*head, PREAMBLE, *sign_definitions(body), body])


def figure_files(tables: Sequence[Table], beside: Mapping[str, TableFigures]) -> dict[str, bytes]:
    """Give the files that the document includes: path beside it -> content."""
    return {
        path: content
        for table in tables
        for figure in _figures_of(table, beside)
        for path, content in [_file_of(table, figure)]
    }


def _figures_of(table: Table, beside: Mapping[str, TableFigures]) -> tuple[Figure, ...]:
    return beside[table.name].figures if table.name in beside else ()


def _file_of(table: Table, figure: Figure) -> tuple[str, bytes]:
    if figure.pdf is not None:
        return figure_path(table.name, figure.name, "pdf"), figure.pdf
    return figure_path(table.name, figure.name), figure.png


def _lines(
    study: Study, tables: Sequence[Table], beside: Mapping[str, TableFigures], sections: Sequence[Section]
) -> Iterator[str]:
    yield r"\begin{document}"
    yield rf"\begin{{center}}{{\LARGE {escape_latex(study.title)}\par}}\medskip"
    source = f"Study {study.name}; source: {study.source}." if study.source else f"Study {study.name}."
    yield rf"{escape_latex(source)}\par\end{{center}}"
    yield r"\tableofcontents"
    yield r"\clearpage"
    yield r"\section{Tables and figures}"
    shown: dict[bytes, str] = {}
    for table in tables:
        yield rf"\subsection{{{escape_latex(table.name)}}}"
        yield to_latex(table, venue_of(TEXT_WIDTH_PT))
        for figure in _figures_of(table, beside):
            path, content = _file_of(table, figure)
            if content in shown:
                caption = f"{figure.caption}: as in Figure "
                yield rf"{escape_latex(caption)}\ref{{{shown[content]}}}.\par"
            else:
                shown[content] = f"fig:{path}"
                yield from _figure_lines(path, content, figure.caption)
    yield r"\clearpage"
    for section in sections:
        yield document_to_latex(section)
    yield r"\end{document}"


def _figure_lines(path: str, content: bytes, caption: str) -> Iterator[str]:
    yield r"\begin{figure}"
    yield r"  \centering"
    yield f"  % {hashlib.sha256(content).hexdigest()[:DIGEST_DIGITS]}"
    width = (
        r"0.6\linewidth" if path.endswith(".pdf") else r"\linewidth"
    )  # those are drawn for a column of a paper
    yield rf"  \includegraphics[width={width},height=0.4\textheight,keepaspectratio]{{{path}}}"
    yield rf"  \caption{{{escape_latex(caption)}}}\label{{fig:{path}}}"
    yield r"\end{figure}"
