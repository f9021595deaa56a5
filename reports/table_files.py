"""The finished tables as files in the store, `tables/<study>/<table>.{tex,md,html,parquet,csv}`.

What a search has found lies beside its table, `<search>.found.json`, and the cells of all tables of a study in
`index.{parquet,csv,xlsx}`. Of a study that has profiles they lie in
`tables/<profile>/<study>/`, as each profile has tables of its own. Figures lie in `figures/<table>/` beside them;
`index.html` beside the folders of studies lists what there is. What a study declares no more is removed from its
folder.

Equal records give equal bytes: no file holds a host or the store's own place, and none but what a search has found a
time, that of its record. A file that would be the same is not written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace

import pandas as pd

from tablewright.orchestrator.found_config import ENDING as FOUND_ENDING
from tablewright.orchestrator.found_of_plan import found_config
from tablewright.orchestrator.plan import Plan
from tablewright.orchestrator.profile import Profile
from tablewright.orchestrator.records import Folder, Store
from tablewright.orchestrator.search_result import search_result
from tablewright.orchestrator.study import Study
from tablewright.reports.cell_columns import Cells
from tablewright.reports.earlier_cells import all_cells
from tablewright.reports.emptied_cells import Emptied, find_emptied, find_narrowed
from tablewright.reports.figures import Figure, TableFigures, figure_path, read_traces, table_figures
from tablewright.reports.frame import read_cells
from tablewright.reports.html import NO_FIGURES, index_to_html, studies_to_html
from tablewright.reports.item_comparisons import compare_items
from tablewright.reports.markdown import index_to_markdown
from tablewright.reports.parquet import cells_of
from tablewright.reports.search_figures import with_search_figures
from tablewright.reports.size_table import build_size_table
from tablewright.reports.table import Table, build_table
from tablewright.reports.written_formats import ENDINGS, written_formats, written_of_study
from tablewright.trainables.value.secret import masked
from tablewright.trainables.value.text import visible

INDEX = "index"
TABLES = "tables"


@dataclass(frozen=True)
class WrittenTable:
    """A table and where it was written.

    Attributes:
        table: as the records give it.
        urls: file name ending (`tex`, `md`, `html`, `parquet`, `csv`, and `found.json` of a search that has found
            something) -> path or URL; empty where the files that were there have more in them and were kept.
        index_url: of the page with all tables of its study.
        figure_urls: path below the folder of its study's tables -> path or URL.
        emptied: cells that the files there had filled and the table has not; None where there are none.
        narrowed: which seeds and data sets these files had that were not asked for now; empty where there are none.
    """

    table: Table
    urls: Mapping[str, str]
    index_url: str
    figure_urls: Mapping[str, str]
    emptied: Emptied | None = None
    narrowed: str = ""


@dataclass(frozen=True)
class WrittenTables:
    """What became of the tables of a plan.

    Attributes:
        tables: in the order in which the studies declare them.
        refusals: why others were not written, one text each.
    """

    tables: tuple[WrittenTable, ...]
    refusals: tuple[str, ...]


def write_tables(
    plan: Plan, store: Store, *, keeps_fuller: bool = False, writes: bool = True
) -> WrittenTables:
    """Write every table of a plan from the records alone, finished or not.

    Args:
        plan: what is written.
        store: of the records, and of the tables.
        keeps_fuller: whether files stay as they are where they have cells filled that would be empty now.
        writes: whether files are written at all; without, tables are made to be looked at.

    Raises:
        OSError: a file cannot be written.
    """
    seen = store.listed()
    frame = read_cells(plan, seen)
    traces = read_traces(plan, seen)
    written: list[WrittenTable] = []
    refusals: list[str] = []
    for study in plan.studies:
        tables = build_tables(plan, seen, study, frame, refusals)
        place = f"{folder_of_studies(study)}/{study.name}"
        folder, to_store = store.root / place, "/".join(".." for _ in place.split("/"))
        beside = {
            table.name: NO_FIGURES
            if (study.name, table.name) not in plan.tables
            else table_figures(plan, seen, study.name, table.name, traces)
            for table in tables
        }
        found: dict[str, bytes] = {}
        for search in study.searches:
            if search.name not in beside:
                continue
            result = search_result(search, plan.searches[study.name, search.name])
            beside[search.name] = with_search_figures(beside[search.name], result)
            config = found_config(study.name, study.profile, search, result, seen)
            if config is not None:
                beside[search.name] = replace(beside[search.name], files=(FOUND_ENDING,))
                found[search.name] = config.content()
        emptied = {
            table.name: find_emptied(folder, study.name, table.name, frame, plan, seen) for table in tables
        }
        narrowed = {table.name: find_narrowed(folder, study.name, table.name, frame) for table in tables}
        kept = {name for name, lost in emptied.items() if not writes or (keeps_fuller and lost is not None)}
        cells: dict[str, Cells] = {}
        for table in tables:
            contents: dict[str, bytes] = {}
            figure_urls: dict[str, str] = {}
            if table.name not in kept:
                cells[table.name] = cells_of(table, frame)
                contents = written_formats(table, beside[table.name], cells[table.name], to_store)
                if table.name in found:
                    contents[FOUND_ENDING] = found[table.name]
                elif f"{table.name}.{FOUND_ENDING}" in folder.names():
                    folder.remove(f"{table.name}.{FOUND_ENDING}")
                for ending, content in contents.items():
                    folder.write_if_changed(f"{table.name}.{ending}", content)
                figure_urls = _write_figures(folder, table.name, beside[table.name].figures)
            urls = {ending: f"{folder.url}/{table.name}.{ending}" for ending in contents}
            index_url = f"{folder.url}/{INDEX}.html"
            written.append(
                WrittenTable(
                    table,
                    urls,
                    index_url,
                    figure_urls,
                    emptied[table.name],
                    narrowed[table.name] if urls else "",
                )
            )
        if not writes:
            continue
        declared = set(study.table_names) | set(study.left_out)
        _remove_undeclared(folder, declared)
        _write_index(folder, f"{study.name}: {study.title}", tables, beside, kept, to_store)
        shown = [table for table in tables if table.name in cells]
        order = (*study.table_names, *study.left_out)
        contents = written_of_study(shown, all_cells(folder, order, cells))
        for ending, content in contents.items():
            folder.write_if_changed(f"{INDEX}.{ending}", content)
    for folder in dict.fromkeys([*map(folder_of_studies, plan.studies), TABLES]) if writes else ():
        _list_studies(store.root / folder)
    return WrittenTables(tuple(written), tuple(refusals))


def build_tables(
    plan: Plan, store: Store, study: Study, frame: pd.DataFrame, refusals: list[str]
) -> list[Table]:
    """Make every table of a study from the records, in the order in which it declares them.

    Args:
        plan: that has the study.
        store: of the records.
        study: whose tables are made.
        frame: what `read_cells` gave of the plan.
        refusals: gets why others cannot be made, one text each.
    """
    tables: list[Table] = []
    for name in (name for owner, name in plan.tables if owner == study.name):
        try:
            faults: list[str] = []
            items = compare_items(plan, store, study.name, name, frame, faults)
            table = build_table(plan, study.name, name, frame, items)
        except ValueError as error:
            refusals.append(str(error))
            continue
        lost = (
            f"Rows could not be compared over what they were measured on: {visible(masked(text))}."
            for text in faults
        )
        tables.append(replace(table, source_notes=(*table.source_notes, *lost)))
    demo_datasets = {item.config.dataset_name() for item in plan.trainings.values() if item.data.is_demo}
    return [*tables, *(build_size_table(study, declared, demo_datasets) for declared in study.sizes)]


def folder_of_studies(study: Study) -> str:
    """Name the folder of the store in which the tables of a study, and of others like it, lie."""
    return TABLES if study.profile is None else f"{TABLES}/{study.profile}"


def files_of_tables(plan: Plan, store: Store) -> dict[str, str]:
    """Give the finished tables of a plan's studies as they lie in the store: path below `tables/` -> URL."""
    folders = [f"{folder_of_studies(study)}/{study.name}" for study in plan.studies]
    return {
        f"{folder}/{name}".removeprefix(f"{TABLES}/"): f"{store.root.url}/{folder}/{name}"
        for folder in folders
        for name in (store.root / folder).file_names()
    }


def _write_index(
    folder: Folder,
    title: str,
    tables: Sequence[Table],
    beside: Mapping[str, TableFigures],
    kept: Set[str],
    to_store: str,
) -> None:
    """Write the pages of all tables of a study; those that were not written now are linked as they are."""
    shown = [table for table in tables if table.name not in kept]
    pages = {name.removesuffix(".html") for name in folder.names() if name.endswith(".html")}
    others = sorted(pages - {table.name for table in shown} - {INDEX})
    folder.write_if_changed(f"{INDEX}.html", index_to_html(title, shown, beside, others, to_store).encode())
    folder.write_if_changed(f"{INDEX}.md", index_to_markdown(title, shown, others).encode())


def _remove_undeclared(folder: Folder, declared: Set[str]) -> None:
    """Remove the files and figures of tables that a study had once, and has no more."""
    for name in folder.names():
        stem, _, ending = name.partition(".")
        if ending in (*ENDINGS, FOUND_ENDING) and stem not in {*declared, INDEX}:
            folder.remove(name)
    for name in (folder / "figures").names():
        if name not in declared:
            folder.remove(f"figures/{name}")


def _list_studies(folder: Folder) -> None:
    """Write the page that leads to every study whose tables lie here, written now or earlier."""
    tables_of: dict[str, list[str]] = {}
    for study in folder.names():
        names = (folder / study).names() if study != f"{INDEX}.html" else []
        if f"{INDEX}.html" in names:
            pages = (
                ()
                if study in set(Profile)
                else (name.removesuffix(".html") for name in names if name.endswith(".html"))
            )
            tables_of[study] = [page for page in pages if page != INDEX]
    folder.write_if_changed(f"{INDEX}.html", studies_to_html(tables_of).encode())


def _write_figures(folder: Folder, table: str, figures: Sequence[Figure]) -> dict[str, str]:
    """Write the figures of one table, and remove those of an earlier one that it has no more."""
    contents = {figure_path(table, figure.name): figure.png for figure in figures}
    contents |= {
        figure_path(table, figure.name, "pdf"): figure.pdf for figure in figures if figure.pdf is not None
    }
    for path, content in contents.items():
        folder.write_if_changed(path, content)
    for name in (folder / f"figures/{table}").names():
        if (path := f"figures/{table}/{name}") not in contents:
            folder.remove(path)
    return {path: f"{folder.url}/{path}" for path in contents}
