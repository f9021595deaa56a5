"""The finished tables as files in the store, `tables/<study>/<table>.{tex,md,html,parquet}`.

Equal records give equal bytes: no file holds a time, a host or the store's own place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.plan import Plan
from orchestrator.records import Store
from reports.frame import read_cells
from reports.html import index_to_html, to_html
from reports.latex import to_latex
from reports.markdown import index_to_markdown, to_markdown
from reports.parquet import to_parquet
from reports.table import Table, build_table


@dataclass(frozen=True)
class WrittenTable:
    """A table and where it was written.

    Attributes:
        table: what was written.
        urls: file name ending (`tex`, `md`, `html`, `parquet`) -> path or URL.
        index_url: of the page with all tables of its study.
    """

    table: Table
    urls: Mapping[str, str]
    index_url: str


def write_tables(plan: Plan, store: Store) -> list[WrittenTable]:
    """Write every table of a plan from the records alone, finished or not.

    Returns:
        The tables in the order in which the studies declare them.

    Raises:
        ValueError: the rows of a table cannot stand in one column; no table of the plan is written.
        OSError: a file cannot be written.
    """
    frame = read_cells(plan, store)
    tables = [build_table(plan, study, name, frame) for study, name in plan.tables]
    written: list[WrittenTable] = []
    for study in plan.studies:
        mine = [table for table in tables if table.study == study.name]
        folder = store.root / f"tables/{study.name}"
        title = f"{study.name}: {study.title}"
        for table in mine:
            contents = {
                "tex": to_latex(table).encode(),
                "md": to_markdown(table).encode(),
                "html": to_html(table).encode(),
                "parquet": to_parquet(table, frame),
            }
            for ending, content in contents.items():
                folder.write(f"{table.name}.{ending}", content)
            urls = {ending: f"{folder.url}/{table.name}.{ending}" for ending in contents}
            written.append(WrittenTable(table, urls, f"{folder.url}/index.html"))
        folder.write("index.html", index_to_html(title, mine).encode())
        folder.write("index.md", index_to_markdown(title, mine).encode())
    return written
