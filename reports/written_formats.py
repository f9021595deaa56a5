"""The formats that every table is written in, by the ending of its file."""

from __future__ import annotations

import pandas as pd

from tablewright.reports.figures import TableFigures
from tablewright.reports.html import to_html
from tablewright.reports.latex import to_latex
from tablewright.reports.markdown import to_markdown
from tablewright.reports.parquet import to_parquet
from tablewright.reports.table import Table

ENDINGS = ("tex", "md", "html", "parquet")


def written_formats(
    table: Table, figures: TableFigures, frame: pd.DataFrame, to_store: str
) -> dict[str, bytes]:
    """Write a table in every format: ending -> content.

    Args:
        table: to be written.
        figures: that stand beside it on its page.
        frame: what `read_cells` gave, with the values of its seeds.
        to_store: link from the folder of its files to the root of the store.
    """
    contents = {
        "tex": to_latex(table).encode(),
        "md": to_markdown(table).encode(),
        "html": to_html(table, figures, to_store).encode(),
        "parquet": to_parquet(table, frame),
    }
    assert tuple(contents) == ENDINGS, "every format has an ending"
    return contents
