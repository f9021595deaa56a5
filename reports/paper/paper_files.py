"""What a paper needs beside its tables, as files in the folder of a study.

`numbers.tex` has every number as a LaTeX command, `configs.{md,tex}` every config, `audit.md` what an examiner would
ask, and, once it was asked for, `report.{tex,pdf}` all of it with a rigour appendix. Beside the folders of all studies
`reproduction.{md,html,csv,tex}` sets what papers printed beside what was reproduced.

A file that would be the same is not written. Equal records give equal bytes; none but the report tells of machines and
times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.store.folder import Folder
from tablewright.orchestrator.store.store import Store
from tablewright.reports.documents.document import Section
from tablewright.reports.documents.document_html import document_to_html
from tablewright.reports.documents.document_latex import document_to_latex
from tablewright.reports.documents.document_markdown import document_to_markdown
from tablewright.reports.latex.latex_numbers import numbers_to_latex
from tablewright.reports.latex.latex_signs import name_lost_signs
from tablewright.reports.latex.tex import TexFailed, find_tex, make_pdf
from tablewright.reports.notes.study_facts import read_study_facts
from tablewright.reports.paper.audit import Finding
from tablewright.reports.paper.audit_page import audit_document
from tablewright.reports.paper.config_appendix import config_appendix
from tablewright.reports.paper.report_latex import figure_files, report_to_latex
from tablewright.reports.paper.reproduction import reproduced, reproduction_document, reproduction_to_csv
from tablewright.reports.paper.rigour_appendix import rigour_appendix
from tablewright.reports.table.table import DEMO_NOTICE, Table
from tablewright.reports.table_files import WrittenTable, WrittenTables, folder_of_studies

AUDIT, CONFIGS, NUMBERS, REPORT, REPRODUCTION = "audit", "configs", "numbers", "report", "reproduction"

NEEDS_LONGTABLE = "% needs \\usepackage{array,booktabs,longtable}, and one column\n"


@dataclass(frozen=True)
class PaperFiles:
    """What became of the files beside the tables.

    Attributes:
        findings: of the audit, by study.
        audit_urls: where each study's audit lies; of a study that was asked for in part there is none.
        report_urls: of the reports that were made.
        remarks: why a report is not there as it was asked for, one sentence each.
    """

    findings: dict[str, tuple[Finding, ...]] = field(default_factory=dict[str, tuple[Finding, ...]])
    audit_urls: dict[str, str] = field(default_factory=dict[str, str])
    report_urls: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def write_paper_files(
    plan: Plan,
    store: Store,
    written: WrittenTables,
    *,
    makes_reports: bool = False,
    are_all_studies: bool = False,
) -> PaperFiles:
    """Write what a paper needs beside the tables that were written.

    A study of which only some tables were asked for has their numbers renewed, and its other files as they were.

    Args:
        plan: of the tables.
        store: of records and tables.
        written: the tables.
        makes_reports: whether each study has a report made; one that has a report already has it renewed in any case.
        are_all_studies: whether the plan is of every study, so that printed and reproduced numbers can be counted.

    Raises:
        OSError: a file cannot be written.
    """
    tables = [item.table for item in written.tables]
    findings: dict[str, tuple[Finding, ...]] = {}
    audit_urls: dict[str, str] = {}
    report_urls: list[str] = []
    remarks: list[str] = []
    for study in plan.studies:
        items = [item for item in written.tables if item.table.study == study.name]
        findings[study.name] = written.findings.get(study.name, ())
        folder = store.root / f"{folder_of_studies(study)}/{study.name}"
        _write_numbers(folder, study, items)
        if study.left_out:
            if makes_reports:
                remarks.append(
                    f"{study.name}: no report was made, as it is of a whole study; name {study.name} without a table, "
                    "and with all data sets"
                )
            continue
        document = audit_document(study.name, findings[study.name])
        folder.write_if_changed(f"{AUDIT}.md", document_to_markdown(document).encode())
        audit_urls[study.name] = f"{folder.url}/{AUDIT}.md"
        configs = config_appendix(plan, study)
        folder.write_if_changed(f"{CONFIGS}.md", document_to_markdown(configs).encode())
        folder.write_if_changed(f"{CONFIGS}.tex", document_to_latex(configs).encode())
        if makes_reports or f"{REPORT}.tex" in folder.names():
            sections = (
                rigour_appendix(
                    plan, study, [item.table for item in items], read_study_facts(plan, study, store)
                ),
                document,
                configs,
            )
            url, remark = _write_report(folder, study, items, sections)
            report_urls.append(url)
            remarks += [remark] if remark else []
    if are_all_studies:
        for place in dict.fromkeys(map(folder_of_studies, plan.studies)):
            names = {study.name for study in plan.studies if folder_of_studies(study) == place}
            _write_reproduction(store.root / place, plan, [table for table in tables if table.study in names])
    return PaperFiles(findings, audit_urls, tuple(report_urls), tuple(remarks))


def _write_numbers(folder: Folder, study: Study, items: Sequence[WrittenTable]) -> None:
    renewed = [item.table for item in items if item.urls]
    names = {table.name for table in renewed}
    file = f"{NUMBERS}.tex"
    earlier = folder.read(file).decode("utf-8", "replace") if file in folder.names() else ""
    kept = [name for name in (*study.table_names, *study.left_out) if name not in names]
    folder.write_if_changed(file, numbers_to_latex(study.name, renewed, earlier, kept).encode())


def _write_report(
    folder: Folder, study: Study, items: Sequence[WrittenTable], sections: Sequence[Section]
) -> tuple[str, str]:
    """Write a report, and make its PDF unless that is there from the same source; gives its URL and a remark."""
    tables = [item.table for item in items]
    beside = {item.table.name: item.figures for item in items}
    source = report_to_latex(study, tables, beside, sections)
    names = folder.names()
    tex_name, pdf_name = f"{REPORT}.tex", f"{REPORT}.pdf"
    if {tex_name, pdf_name} <= set(names) and folder.read(tex_name) == source.encode():
        return f"{folder.url}/{pdf_name}", ""
    remark = ""
    tex = (find_tex(needs_unicode=True) if name_lost_signs(source) else None) or find_tex()
    try:
        if tex is not None:
            folder.write_if_changed(pdf_name, make_pdf(source, figure_files(tables, beside), tex))
        else:
            remark = (
                f"{study.name}: no TeX was found here, so that {tex_name} was written alone; install one (on Debian: "
                f"apt install texlive-latex-recommended) and ask for --pdf again, or run pdflatex {tex_name} three "
                f"times in {folder.url}"
            )
    except TexFailed as error:
        remark = f"{study.name}: the PDF of the report could not be made: {error}"
    if remark and pdf_name in names:  # it is of other records
        folder.remove(pdf_name)
    folder.write_if_changed(tex_name, source.encode())  # last: it says that the PDF is made of it
    return f"{folder.url}/{tex_name if remark else pdf_name}", remark


def _write_reproduction(folder: Folder, plan: Plan, tables: Sequence[Table]) -> None:
    numbers = reproduced(plan, tables)
    num_demo_tables = sum(DEMO_NOTICE in table.caption for table in tables)
    document = reproduction_document(numbers, num_demo_tables)
    contents = {
        "md": document_to_markdown(document),
        "html": document_to_html(document),
        "csv": reproduction_to_csv(numbers),
        "tex": NEEDS_LONGTABLE + document_to_latex(document),
    }
    for ending, content in contents.items():
        folder.write_if_changed(f"{REPRODUCTION}.{ending}", content.encode())
