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

from tablewright.orchestrator.costs.cost import cost_sheet
from tablewright.orchestrator.declared.declared_names import BESIDE_TABLES
from tablewright.orchestrator.declared.found_config import ENDING as FOUND_ENDING
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.declared.venue import venue_of
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.searches.found_of_plan import found_config
from tablewright.orchestrator.searches.search_result import search_result
from tablewright.orchestrator.store.folder import Folder
from tablewright.orchestrator.store.store import Store
from tablewright.reports.built_tables import BuiltTables, build_tables
from tablewright.reports.cost_table import build_cost_table
from tablewright.reports.earlier_cells import all_cells
from tablewright.reports.emptied_cells import Emptied, find_emptied, find_narrowed
from tablewright.reports.exports.parquet import cells_of
from tablewright.reports.figures.canvas import PrintSize
from tablewright.reports.figures.earlier_figures import DRAWN, EarlierFigures, said_of
from tablewright.reports.figures.figures import Figure, TableFigures, figure_path, read_traces, table_figures
from tablewright.reports.figures.search_figures import with_search_figures
from tablewright.reports.frame import read_cells
from tablewright.reports.latex.latex import latex_warnings, to_latex
from tablewright.reports.latex.tex_check import LatexTable
from tablewright.reports.markdown import index_to_markdown
from tablewright.reports.notes.hole import find_holes
from tablewright.reports.page.html import NO_FIGURES, StudyPage, index_to_html
from tablewright.reports.page.page_facts import StudyRecords, page_facts
from tablewright.reports.page.studies_page import ListedStudy, studies_to_html
from tablewright.reports.paper.audit import Finding, audit
from tablewright.reports.table.cell_columns import Cells
from tablewright.reports.table.table import Table
from tablewright.reports.training_facts import read_training_facts
from tablewright.reports.written_formats import ENDINGS, written_formats, written_of_study
from tablewright.trainables.value.freezing import EMPTY

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
        findings: what the tables lack, by study.
    """

    tables: tuple[WrittenTable, ...]
    refusals: tuple[str, ...]
    findings: Mapping[str, tuple[Finding, ...]] = EMPTY


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
    findings: dict[str, tuple[Finding, ...]] = {}
    for study in plan.studies:
        built = build_tables(plan, seen, study, frame, refusals)
        findings[study.name] = audit(plan, study, built.tables)
        of_study = replace(records, frames=built.frames, findings=findings[study.name])
        written += _write_study(store.root, study, built, of_study, keeps_fuller=keeps_fuller, writes=writes)
    for folder in dict.fromkeys([*map(folder_of_studies, plan.studies), TABLES]) if writes else ():
        _list_studies(store.root / folder)
    return WrittenTables(tuple(written), tuple(refusals), findings)


def _write_study(
    root: Folder,
    study: Study,
    built: BuiltTables,
    records: StudyRecords,
    *,
    keeps_fuller: bool,
    writes: bool,
) -> list[WrittenTable]:
    """Write the tables of one study, and what holds all of them."""
    latex_of = {table.name: _in_latex(study, table) for table in built.tables}
    tables = [_with_warnings(table, latex_of[table.name]) for table in built.tables]
    frame_of = {table.name: built.frames.get(table.name, records.frame) for table in tables}
    place = f"{folder_of_studies(study)}/{study.name}"
    folder, to_store = root / place, "/".join(".." for _ in place.split("/"))
    emptied = {
        name: find_emptied(folder, study.name, name, frame, records.plan, records.store)
        for name, frame in frame_of.items()
    }
    narrowed = {name: find_narrowed(folder, study.name, name, frame) for name, frame in frame_of.items()}
    kept = {name for name, lost in emptied.items() if not writes or (keeps_fuller and lost is not None)}
    kept |= {paper.name for paper in study.paper_tables if kept.intersection(paper.of)}
    found = _found_configs(study, frame_of.keys(), records)
    beside = _figures_beside(study, tables, kept, found, folder, records)
    cells: dict[str, Cells] = {}
    files: dict[str, dict[str, bytes]] = {}
    figure_urls: dict[str, dict[str, str]] = {}
    for table in tables:
        name = table.name
        if name in kept:
            continue
        cells[name] = cells_of(table, frame_of[name])
        contents = written_formats(table, beside[name], cells[name], to_store, latex_of[name])
        if name in found:
            contents[FOUND_ENDING] = found[name]
        elif f"{name}.{FOUND_ENDING}" in folder.names():
            folder.remove(f"{name}.{FOUND_ENDING}")
        for ending, content in contents.items():
            folder.write_if_changed(f"{name}.{ending}", content)
        files[name] = contents
        figure_urls[name] = _write_figures(folder, name, beside[name].figures)
    if writes:
        _remove_undeclared(folder, set(study.table_names) | set(study.left_out))
        shown = [table for table in tables if table.name in files]
        _write_index(folder, study, shown, files, beside, records)
        order = dict.fromkeys((*study.table_names, *(table.name for table in tables), *study.left_out))
        for ending, content in written_of_study(shown, all_cells(folder, list(order), cells)).items():
            folder.write_if_changed(f"{INDEX}.{ending}", content)
    return [
        WrittenTable(
            table,
            {ending: f"{folder.url}/{table.name}.{ending}" for ending in files.get(table.name, ())},
            f"{folder.url}/{INDEX}.html",
            figure_urls.get(table.name, {}),
            emptied[table.name],
            narrowed[table.name] if table.name in files else "",
            latex_of[table.name] if table.name in files else None,
            beside[table.name],
        )
        for table in tables
    ]


def _found_configs(study: Study, names: Set[str], records: StudyRecords) -> dict[str, bytes]:
    """Give what the searches with these tables have found, as files: name of the search -> content."""
    found: dict[str, bytes] = {}
    for search in (search for search in study.searches if search.name in names):
        result = search_result(search, records.plan.searches[study.name, search.name])
        config = found_config(study.name, study.profile, search, result, records.store)
        if config is not None:
            found[search.name] = config.content()
    return found


def _figures_beside(
    study: Study,
    tables: Sequence[Table],
    kept: Set[str],
    found: Mapping[str, bytes],
    folder: Folder,
    records: StudyRecords,
) -> dict[str, TableFigures]:
    """Draw what stands beside each table; nothing beside those whose files stay as they are."""
    plan, size = records.plan, PrintSize.of(venue_of(study.venue))
    search_of = {search.name: search for search in study.searches}
    beside: dict[str, TableFigures] = {}
    for table in tables:
        name, figures = table.name, NO_FIGURES
        if (study.name, name) in plan.tables and name not in kept:
            earlier = EarlierFigures.of(folder / f"figures/{name}")
            figures = table_figures(
                plan, records.store, table, records.frame, records.traces, size=size, earlier=earlier
            )
            if name in search_of:
                result = search_result(search_of[name], plan.searches[study.name, name])
                figures = with_search_figures(figures, result)
        beside[name] = replace(figures, files=(FOUND_ENDING,)) if name in found else figures
    return beside


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
        () if study.left_out else records.findings,
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
