"""The finished tables as files in the store, `tables/<study>/<table>.{tex,md,html,parquet,csv}`.

What a search has found lies beside its table, `<search>.found.json`, and the cells of all tables of a study in
`index.{parquet,csv,xlsx}`. Of a study that has profiles they lie in
`tables/<profile>/<study>/`, as each profile has tables of its own. Figures lie in `figures/<table>/` beside them;
`index.html` beside the folders of studies lists what there is. What a study declares no more is removed from its
folder.

Equal records give equal bytes: no file holds the store's own place. The file of a table holds no host and no time
either but what a search has found, which has that of its record; the page of a study says where and when its trainings
ran.
A file that would be the same is not written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace

import pandas as pd

from tablewright.orchestrator.cost import cost_sheet
from tablewright.orchestrator.declared_names import BESIDE_TABLES
from tablewright.orchestrator.found_config import ENDING as FOUND_ENDING
from tablewright.orchestrator.found_of_plan import found_config
from tablewright.orchestrator.plan import Plan
from tablewright.orchestrator.profile import Profile
from tablewright.orchestrator.records import Folder, Store
from tablewright.orchestrator.search_result import search_result
from tablewright.orchestrator.study import Study
from tablewright.orchestrator.venue import venue_of
from tablewright.reports.canvas import PrintSize
from tablewright.reports.cell_columns import Cells
from tablewright.reports.cost_table import build_cost_table
from tablewright.reports.earlier_cells import all_cells
from tablewright.reports.earlier_figures import DRAWN, EarlierFigures, said_of
from tablewright.reports.emptied_cells import Emptied, find_emptied, find_narrowed
from tablewright.reports.figures import Figure, TableFigures, figure_path, read_traces, table_figures
from tablewright.reports.frame import read_cells
from tablewright.reports.hole import find_holes
from tablewright.reports.html import NO_FIGURES, StudyPage, index_to_html
from tablewright.reports.item_comparisons import ItemComparison, compare_items
from tablewright.reports.latex import latex_warnings, to_latex
from tablewright.reports.markdown import index_to_markdown
from tablewright.reports.page_facts import StudyRecords, page_facts
from tablewright.reports.paper_view import PaperView, build_paper_view
from tablewright.reports.parquet import cells_of
from tablewright.reports.search_figures import with_search_figures
from tablewright.reports.seed import Place
from tablewright.reports.size_table import build_size_table
from tablewright.reports.studies_page import ListedStudy, studies_to_html
from tablewright.reports.table import Table, build_table
from tablewright.reports.tex_check import LatexTable
from tablewright.reports.training_facts import read_training_facts
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
        urls: file name ending (`tex`, `html` and so on, and `found.json` of a search that has found something) ->
            path or URL; empty where the files that were there have more in them and were kept.
        index_url: of the page with all tables of its study.
        figure_urls: path below the folder of its study's tables -> path or URL.
        emptied: cells that the files there had filled and the table has not; None where there are none.
        narrowed: which seeds and data sets these files had that were not asked for now; empty where there are none.
        latex: the table as LaTeX, for a TeX to be asked of; None where it was not written.
        figures: beside it.
    """

    table: Table
    urls: Mapping[str, str]
    index_url: str
    figure_urls: Mapping[str, str]
    emptied: Emptied | None = None
    narrowed: str = ""
    latex: LatexTable | None = None
    figures: TableFigures = NO_FIGURES


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
    records = StudyRecords(plan, seen, frame, traces, read_training_facts(plan, seen) if writes else {})
    written: list[WrittenTable] = []
    refusals: list[str] = []
    for study in plan.studies:
        built = build_tables(plan, seen, study, frame, refusals)
        frames = built.frames
        latex_of = {table.name: _in_latex(study, table) for table in built.tables}
        tables = [_with_warnings(table, latex_of[table.name]) for table in built.tables]
        place = f"{folder_of_studies(study)}/{study.name}"
        folder, to_store = store.root / place, "/".join(".." for _ in place.split("/"))
        emptied = {
            table.name: find_emptied(
                folder, study.name, table.name, frames.get(table.name, frame), plan, seen
            )
            for table in tables
        }
        narrowed = {
            table.name: find_narrowed(folder, study.name, table.name, frames.get(table.name, frame))
            for table in tables
        }
        kept = {name for name, lost in emptied.items() if not writes or (keeps_fuller and lost is not None)}
        kept |= {paper.name for paper in study.paper_tables if kept.intersection(paper.of)}
        beside = {
            table.name: NO_FIGURES
            if (study.name, table.name) not in plan.tables or table.name in kept
            else table_figures(
                plan,
                seen,
                table,
                frame,
                traces,
                size=PrintSize.of(venue_of(study.venue)),
                earlier=EarlierFigures.of(folder / f"figures/{table.name}"),
            )
            for table in tables
        }
        found: dict[str, bytes] = {}
        for search in study.searches:
            if search.name not in beside:
                continue
            result = search_result(search, plan.searches[study.name, search.name])
            if search.name not in kept:
                beside[search.name] = with_search_figures(beside[search.name], result)
            config = found_config(study.name, study.profile, search, result, seen)
            if config is not None:
                beside[search.name] = replace(beside[search.name], files=(FOUND_ENDING,))
                found[search.name] = config.content()
        cells: dict[str, Cells] = {}
        files: dict[str, dict[str, bytes]] = {}
        for table in tables:
            contents: dict[str, bytes] = {}
            figure_urls: dict[str, str] = {}
            if table.name not in kept:
                cells[table.name] = cells_of(table, frames.get(table.name, frame))
                latex = latex_of[table.name]
                contents = written_formats(table, beside[table.name], cells[table.name], to_store, latex)
                files[table.name] = contents
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
                    latex_of[table.name] if urls else None,
                    beside[table.name],
                )
            )
        if not writes:
            continue
        declared = set(study.table_names) | set(study.left_out)
        _remove_undeclared(folder, declared)
        shown = [table for table in tables if table.name in files]
        _write_index(folder, study, shown, files, beside, replace(records, frames=frames))
        order = dict.fromkeys((*study.table_names, *(table.name for table in tables), *study.left_out))
        of_study = written_of_study(shown, all_cells(folder, list(order), cells))
        for ending, content in of_study.items():
            folder.write_if_changed(f"{INDEX}.{ending}", content)
    for folder in dict.fromkeys([*map(folder_of_studies, plan.studies), TABLES]) if writes else ():
        _list_studies(store.root / folder)
    return WrittenTables(tuple(written), tuple(refusals))


@dataclass(frozen=True)
class BuiltTables:
    """The tables of a study.

    Attributes:
        tables: those that it fills, then those that it counts, then the paper's own.
        frames: name of a paper's own table -> its part of what `read_cells` gave.
    """

    tables: tuple[Table, ...]
    frames: Mapping[str, pd.DataFrame]


def build_tables(
    plan: Plan, store: Store, study: Study, frame: pd.DataFrame, refusals: list[str]
) -> BuiltTables:
    """Make every table of a study from the records.

    Args:
        plan: that has the study.
        store: of the records.
        study: whose tables are made.
        frame: what `read_cells` gave of the plan.
        refusals: gets why others cannot be made, one text each.
    """
    tables: list[Table] = []
    items_of: dict[str, Mapping[Place, ItemComparison]] = {}
    for name in (name for owner, name in plan.tables if owner == study.name):
        try:
            faults: list[str] = []
            items = items_of[name] = compare_items(plan, store, study.name, name, frame, faults)
            table = build_table(plan, study.name, name, frame, items)
        except ValueError as error:
            refusals.append(str(error))
            continue
        lost = (
            f"Rows could not be compared over what they were measured on: {visible(masked(text))}."
            for text in faults
        )
        tables.append(replace(table, source_notes=(*table.source_notes, *lost)))
    views = _paper_views(plan, study, frame, tables, items_of, refusals)
    demo_datasets = {item.config.dataset_name() for item in plan.trainings.values() if item.data.is_demo}
    counted = (build_size_table(study, declared, demo_datasets) for declared in study.sizes)
    return BuiltTables(
        (*tables, *counted, *(view.table for view in views.values())),
        {name: view.frame(frame) for name, view in views.items()},
    )


def _paper_views(
    plan: Plan,
    study: Study,
    frame: pd.DataFrame,
    tables: Sequence[Table],
    items_of: Mapping[str, Mapping[Place, ItemComparison]],
    refusals: list[str],
) -> dict[str, PaperView]:
    """Make the paper's own tables of those that could be made: name -> view."""
    made = {table.name: table for table in tables}
    views: dict[str, PaperView] = {}
    for paper in study.paper_tables:
        if lacking := [name for name in paper.of if name not in made]:
            refusals.append(
                f"Table {study.name}/{paper.name}: it is made of {', '.join(lacking)}, which could not be written"
            )
            continue
        sources: dict[str, Table] = {}
        for name in paper.of:
            ablation = plan.tables[study.name, name]
            shown = paper.wishes(ablation)
            sources[name] = (
                made[name]
                if shown == ablation
                else build_table(plan, study.name, name, frame, items_of[name], shown)
            )
        views[paper.name] = build_paper_view(study, paper, sources)
    return views


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


def _in_latex(study: Study, table: Table) -> LatexTable:
    """Set a table for where it is printed: its own venue, or that of its study."""
    venue = venue_of(study.venue if table.venue is None else table.venue)
    return LatexTable(f"{study.name}/{table.name}", to_latex(table, venue, study.latex_packages), venue)


def _with_warnings(table: Table, latex: LatexTable) -> Table:
    """Say in other formats what is not as it should be in print; LaTeX has it in the head of its file."""
    notes = (f"In LaTeX: {warning}." for warning in latex_warnings(latex.text))
    return replace(table, source_notes=(*table.source_notes, *notes))


def _write_index(
    folder: Folder,
    study: Study,
    tables: Sequence[Table],
    files: Mapping[str, Mapping[str, bytes]],
    beside: Mapping[str, TableFigures],
    records: StudyRecords,
) -> None:
    """Write the page of all tables of a study; those that were not written now are linked as they are."""
    pages = {name.removesuffix(".html") for name in folder.names() if name.endswith(".html")}
    others = sorted(pages - files.keys() - {INDEX})
    title, to_store = f"{study.name}: {study.title}", "/".join(".." for _ in folder.place.split("/"))
    sheet = cost_sheet(records.plan, records.store, None, study.name)
    page = StudyPage(
        study.name,
        title,
        beside,
        {name: tuple(of_table) for name, of_table in files.items()},
        others,
        to_store,
        page_facts(records, study, tables, files, to_store),
        records.facts,
        find_holes(records.frame, study.name, files.keys()),
        build_cost_table(sheet, None) if sheet.num_trainings else None,
    )
    folder.write_if_changed(f"{INDEX}.html", index_to_html(page, tables).encode())
    folder.write_if_changed(f"{INDEX}.md", index_to_markdown(title, tables, others).encode())


def _remove_undeclared(folder: Folder, declared: Set[str]) -> None:
    """Remove the files and figures of tables that a study had once, and has no more."""
    for name in folder.names():
        stem, _, ending = name.partition(".")
        if ending in (*ENDINGS, FOUND_ENDING) and stem not in {*declared, *BESIDE_TABLES}:
            folder.remove(name)
    for name in (folder / "figures").names():
        if name not in declared:
            folder.remove(f"figures/{name}")


def _list_studies(folder: Folder) -> None:
    """Write the page that holds every study whose tables lie here or in a profile's folder, written now or earlier."""
    studies: list[ListedStudy] = []
    for name in folder.names():
        inside = folder / name
        within = [f"{name}/{study}" for study in inside.names()] if name in set(Profile) else [name]
        for place in within:
            names = [] if "." in place else (folder / place).names()  # a file beside the folders
            if f"{INDEX}.html" in names:
                page = (folder / place).read(f"{INDEX}.html").decode(errors="replace")
                tables = [table.removesuffix(".html") for table in names if table.endswith(".html")]
                studies.append(ListedStudy(place, [table for table in tables if table != INDEX], page))
    folder.write_if_changed(f"{INDEX}.html", studies_to_html(studies).encode())


def _write_figures(folder: Folder, table: str, figures: Sequence[Figure]) -> dict[str, str]:
    """Write the figures of one table, and remove those of an earlier one that it has no more."""
    contents = {
        figure_path(table, figure.name, ending): content
        for figure in figures
        for ending, content in figure.files.items()
    }
    drawn = {figure.name: (figure.identity, figure.files) for figure in figures if figure.identity}
    said = {f"figures/{table}/{DRAWN}": said_of(drawn)} if drawn else {}
    for path, content in {**contents, **said}.items():
        folder.write_if_changed(path, content)
    for name in (folder / f"figures/{table}").names():
        if (path := f"figures/{table}/{name}") not in {**contents, **said}:
            folder.remove(path)
    return {path: f"{folder.url}/{path}" for path in contents}
