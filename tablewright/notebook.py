"""Tables and values in a notebook: `tw.table("mdpr_ablation/components")`, `tw.results("mdpr_ablation")`.

Both are made from the records as they are now, as `--report` makes them; nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tablewright.orchestrator.project.project import Project
from tablewright.orchestrator.settings import Settings
from tablewright.reports.table.cell_columns import SCHEMA

if TYPE_CHECKING:
    import pandas as pd

    from tablewright.reports.exports.notebook_table import NotebookTable
    from tablewright.reports.table.cell_columns import Cells
    from tablewright.reports.table.table import Table


def table(
    name: str,
    *,
    store: str = "runs",
    seeds: str | None = None,
    datasets: str | None = None,
    profile: str | None = None,
    project: str | Path = ".",
) -> NotebookTable:
    """Give a table as a notebook shows it, with its values as `frame`.

    Args:
        name: STUDY/TABLE, such as `mdpr_ablation/components`.
        store: folder or URL of the records.
        seeds: instead of the study's, such as `0,1,2`; None is the study's.
        datasets: labels of the columns, with commas between; None is all.
        profile: `demo` or `paper`, of a study that has profiles; None is `demo`.
        project: folder whose `search_spaces/` has the study.

    Raises:
        ValueError: there is no such table or store, or the table is refused; says why.
    """
    from tablewright.reports.exports.notebook_table import NotebookTable

    if name.count("/") != 1:
        raise ValueError(f"a table is named STUDY/TABLE, such as 'digits/switches'; got {name!r}")
    ((shown, cells),) = _made([name], store, seeds, datasets, profile, project)
    return NotebookTable(shown, cells.to_pandas())


def results(
    *names: str,
    store: str = "runs",
    seeds: str | None = None,
    datasets: str | None = None,
    profile: str | None = None,
    project: str | Path = ".",
) -> pd.DataFrame:
    """Give the values of studies or tables, one row a cell and seed; `docs/results.md` says what each column is.

    Args:
        names: STUDY or STUDY/TABLE, or `all`.
        store: folder or URL of the records.
        seeds: as in `table`.
        datasets: likewise.
        profile: likewise.
        project: likewise.

    Raises:
        ValueError: there is no such study, table or store, or a table is refused; says why.
    """
    import pyarrow as pa

    if not names:
        raise ValueError("name a study, such as tw.results('digits'), a table as STUDY/TABLE, or 'all'")
    made = _made(list(names), store, seeds, datasets, profile, project)
    return pa.concat_tables([SCHEMA.empty_table(), *(cells for _, cells in made)]).to_pandas()


def _made(
    names: list[str],
    url: str,
    seeds: str | None,
    datasets: str | None,
    profile: str | None,
    project: str | Path,
) -> list[tuple[Table, Cells]]:
    settings = Settings(
        tuple(names),
        store=url,
        seeds=seeds,
        datasets=datasets,
        profile=profile,
        reads_records_alone=True,
        project=Project(Path(project).absolute()),
    )
    return list(_tables(settings))


def _tables(settings: Settings) -> Iterator[tuple[Table, Cells]]:
    from tablewright.orchestrator.plans.planning import plan_as_recorded
    from tablewright.reports.built_tables import build_tables
    from tablewright.reports.exports.parquet import cells_of
    from tablewright.reports.frame import read_cells
    from tablewright.reports.statistics.seed_growth import seeds_until_decided

    store = settings.open_store().listed()
    if not store.is_there:
        raise ValueError(f"there is no store at {store.url}; name the one of the records, store='…'")
    plan = plan_as_recorded(settings.load_studies(), store, settings.runtime(), seeds_until_decided)
    frame, refusals = read_cells(plan, store), list[str]()
    built = [build_tables(plan, store, study, frame, refusals) for study in plan.studies]
    if refusals:
        raise ValueError("\n".join(refusals))
    for of_study in built:
        for table in of_study.tables:
            yield table, cells_of(table, of_study.frames.get(table.name, frame))
