"""The formats that every table is written in, by the ending of its file, and those that hold all tables of a study."""

from __future__ import annotations

from collections.abc import Sequence

from tablewright.reports.exports.csv_file import to_csv
from tablewright.reports.exports.parquet import parquet_file, to_parquet
from tablewright.reports.exports.workbook import to_workbook
from tablewright.reports.figures.figures import TableFigures
from tablewright.reports.latex.latex_document import DOCUMENT_ENDING, to_document
from tablewright.reports.latex.tex_check import LatexTable
from tablewright.reports.markdown import to_markdown
from tablewright.reports.page.html import to_html
from tablewright.reports.table.cell_columns import Cells
from tablewright.reports.table.table import Table

ENDINGS = ("tex", DOCUMENT_ENDING, "md", "html", "parquet", "csv")
ENDINGS_OF_STUDY = ("parquet", "csv", "xlsx")


def written_formats(
    table: Table, figures: TableFigures, cells: Cells, to_store: str, latex: LatexTable
) -> dict[str, bytes]:
    """Write a table in every format: ending -> content.

    Args:
        table: to be written.
        figures: that stand beside it on its page.
        cells: what `cells_of` gives of it.
        to_store: link from the folder of its files to the root of the store.
        latex: the same as LaTeX.
    """
    contents = {
        "tex": latex.text.encode(),
        DOCUMENT_ENDING: to_document(latex.text, latex.venue).encode(),
        "md": to_markdown(table).encode(),
        "html": to_html(table, figures, to_store).encode(),
        "parquet": to_parquet(table, cells),
        "csv": to_csv(cells),
    }
    assert tuple(contents) == ENDINGS, "every format has an ending"
    return contents


def written_of_study(tables: Sequence[Table], cells: Cells) -> dict[str, bytes]:
    """Write what holds the cells of all tables of a study: ending -> content.

    Args:
        tables: as they are printed.
        cells: of these, and of tables that were written earlier.
    """
    contents = {
        "parquet": parquet_file(cells),
        "csv": to_csv(cells),
        "xlsx": to_workbook(tables, cells),
    }
    assert tuple(contents) == ENDINGS_OF_STUDY, "every format has an ending"
    return contents
