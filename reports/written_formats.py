"""The formats that every table is written in, by the ending of its file."""

from __future__ import annotations

import pandas as pd

from tablewright.reports.figures import TableFigures
from tablewright.reports.html import to_html
from tablewright.reports.latex_document import DOCUMENT_ENDING, to_document
from tablewright.reports.markdown import to_markdown
from tablewright.reports.parquet import to_parquet
from tablewright.reports.table import Table
from tablewright.reports.tex_check import LatexTable

ENDINGS = ("tex", DOCUMENT_ENDING, "md", "html", "parquet")


def written_formats(
    table: Table, figures: TableFigures, frame: pd.DataFrame, to_store: str, latex: LatexTable
) -> dict[str, bytes]:
    """Write a table in every format: ending -> content.

    Args:
        table: to be written.
        figures: that stand beside it on its page.
        frame: what `read_cells` gave, with the values of its seeds.
        to_store: link from the folder of its files to the root of the store.
        latex: the same as LaTeX.
    """
    contents = {
        "tex": latex.text.encode(),
        DOCUMENT_ENDING: to_document(latex.text, latex.venue).encode(),
        "md": to_markdown(table).encode(),
        "html": to_html(table, figures, to_store).encode(),
        "parquet": to_parquet(table, frame),
    }
    assert tuple(contents) == ENDINGS, "every format has an ending"
    return contents
