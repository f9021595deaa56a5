"""What a run in MLflow says of where its training stands: its name, its tags, its description.

Several tables, of several studies, may share one training. Its run is named after all of them, and has for each a tag
of its own, so that the list and the charts of MLflow can be grouped by the rows of any one table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

from tablewright.orchestrator.identity import digest_of
from tablewright.orchestrator.plans.place import Place
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.plans.training_places import in_order, table_keys
from tablewright.orchestrator.projections.mlflow_names import (
    DATASET,
    GIVEN_NAME,
    MAX_TAG_LENGTH,
    PLACES,
    ROW,
    ROW_IN,
    RUN_NAME,
    SEARCH,
    SEED,
    STUDY,
    TABLE,
    TRIAL,
    TRIAL_IN,
    allowed_name,
)
from tablewright.trainables.value.counted import counted
from tablewright.trainables.value.secret import masked

MAX_NAMED = 3
"""Tables in the name of a run; of a base that more of them share, the name says how many more."""
BETWEEN = " · "
NOTE_MARK = "*Written from the store, and again when a table is added; what you write in its place stays.*"
VIEW_KEY = "viewStateShareKey"
TRAINING_VIEW = "workflowType=machine_learning"
"""Of an address: MLflow 3 opens an experiment as one of language models where nobody says otherwise."""


def run_name(places: Sequence[Place]) -> str:
    """Name a run after every table that shows its training: `parts: full · widths: 32 [Toy] seed 0`."""
    shown = [place for place in places if not place.is_trial] or places
    has_studies = len({place.study_key for place in shown}) > 1
    rows: dict[str, list[str]] = {}
    for place in shown:
        table = f"{place.study_key}/{place.table}" if has_studies else place.table
        rows.setdefault(table, []).append(place.row)
    named = [f"{table}: {_rows_in_words(_each_once(some))}" for table, some in rows.items()]
    alike = _each_once(place.row for place in shown)
    if len(named) > 1 and len(alike) == 1:
        name = f"{alike[0]} in {counted(len(named), 'table')}"
    else:
        further = [f"{len(named) - MAX_NAMED} more"] if len(named) > MAX_NAMED else []
        name = BETWEEN.join([*named[:MAX_NAMED], *further])
    return f"{name} {BETWEEN.join(_each_once(place.column for place in shown))}"


def _rows_in_words(rows: Sequence[str]) -> str:
    return rows[0] if len(rows) == 1 else f"{rows[0]} and {len(rows) - 1} more"


def place_tags(places: Sequence[Place]) -> dict[str, str]:
    """Tag a run with its places: all of them for people, one tag a table to group by, and JSON for the next sweep."""
    cells = [place for place in places if not place.is_trial]
    trials = [place for place in places if place.is_trial]
    name = masked(run_name(places))[:MAX_TAG_LENGTH]
    texts = {
        RUN_NAME: [name],
        GIVEN_NAME: [name],
        STUDY: [place.study for place in places],
        TABLE: [place.table for place in cells],
        ROW: [place.row for place in cells],
        DATASET: [place.dataset for place in places],
        SEED: [str(place.seed) for place in places],
        SEARCH: [place.table for place in trials],
        TRIAL: [place.label for place in trials],
    }
    for place in places:
        texts.setdefault(row_tag(place.table_key, is_trial=place.is_trial), []).append(place.row)
    tags = {
        tag: masked(BETWEEN.join(_each_once(some)))[:MAX_TAG_LENGTH] for tag, some in texts.items() if some
    }
    of_study: dict[str, list[Place]] = {}
    for place in places:
        of_study.setdefault(place.study_key, []).append(place)
    return tags | {places_tag(study): _as_json(some) for study, some in of_study.items()}


def row_tag(table_key: str, *, is_trial: bool = False) -> str:
    """Name the tag that says which row of a table, or which trial of a search, a run is."""
    return allowed_name(f"{TRIAL_IN if is_trial else ROW_IN}{table_key}")


def places_tag(study_key: str) -> str:
    """Name the tag that holds all places of a training in one study."""
    return allowed_name(f"{PLACES}{study_key}")


def is_place_tag(tag: str) -> bool:
    """Say whether a tag is one of those that `place_tags` gives, of which none may be left over."""
    return tag in (TABLE, ROW, DATASET, SEED, SEARCH, TRIAL) or tag.startswith((ROW_IN, TRIAL_IN, PLACES))


def places_in(tags: Mapping[str, str]) -> list[Place]:
    """Read the places back that a run is tagged with."""
    found: list[Place] = []
    for tag, text in tags.items():
        if tag.startswith(PLACES):
            try:
                found += [Place(*values) for values in json.loads(text)]
            except (ValueError, TypeError):  # somebody has written to it
                continue
    return sorted(found, key=in_order)


def _as_json(places: Sequence[Place]) -> str:
    """Write places of one study, as many as a tag can hold."""
    rows = [
        [it.is_trial, it.profile, it.study, it.table, masked(it.row), masked(it.dataset), it.seed]
        for it in places
    ]
    while len(text := json.dumps(rows, ensure_ascii=False)) > MAX_TAG_LENGTH:
        rows.pop()
    return text


def place_note(places: Sequence[Place], experiment_id: str, store_id: str, pages: Mapping[str, str]) -> str:
    """Describe a training by the places where it stands, in Markdown, each with links.

    Args:
        places: of it.
        experiment_id: of MLflow.
        store_id: of the store.
        pages: study key -> address of the folder of its written tables among the artifacts of the sweep's run, as
            far as that has them.
    """
    lines = [NOTE_MARK, "", "| table | row | data set | seed | page |", "|---|---|---|---|---|"]
    for place in places:
        view = f"#/experiments/{experiment_id}/runs?{VIEW_KEY}={view_key(store_id, place.table_key)}&{TRAINING_VIEW}"
        page = f"{pages[place.study_key]}/{place.table}.html" if place.study_key in pages else ""
        texts = (
            f"[{_in_cell(place.table_key)}]({view})",
            _in_cell(place.row),
            _in_cell(place.dataset),
            str(place.seed),
            _link_to_page(page) if page else "",
        )
        lines.append(f"| {' | '.join(texts)} |")
    while len(text := "\n".join(lines)) > MAX_TAG_LENGTH:
        lines.pop()
    return text


def sweep_note(plan: Plan, experiment_id: str, run_id: str, store_id: str) -> str:
    """Describe a sweep by its tables, in Markdown: to their trainings grouped by row, and to their pages.

    Args:
        plan: of the sweep.
        experiment_id: of MLflow.
        run_id: of the sweep's run, which has the tables among its artifacts.
        store_id: of the store.
    """
    lines = [NOTE_MARK, "", "| table | shows | page |", "|---|---|---|"]
    for key, study, table in table_keys(plan):
        view = f"#/experiments/{experiment_id}/runs?{VIEW_KEY}={view_key(store_id, key)}&{TRAINING_VIEW}"
        page = f"#/experiments/{experiment_id}/runs/{run_id}/artifacts/tables/{key}.html"
        caption = _in_cell(plan.tables[study, table].caption)
        lines.append(f"| [{_in_cell(key)}]({view}) | {caption} | {_link_to_page(page)} |")
    while len(text := "\n".join(lines)) > MAX_TAG_LENGTH:
        lines.pop()
    return text


def view_key(store_id: str, table_key: str) -> str:
    """Name the saved view of a table, the same whenever it is written."""
    return f"tablewright-{digest_of([store_id, table_key])[:12]}"


def is_note_ours(note: str) -> bool:
    """Say whether a description was written here, so that it may be written anew."""
    return not note or note.startswith(NOTE_MARK)


def _link_to_page(address: str) -> str:
    return f"[as written]({quote(address, safe='#/')}?{TRAINING_VIEW})"


def _in_cell(text: str) -> str:
    """Write a text into a cell of a Markdown table, without secrets."""
    escaped = re.sub(r"([\\|\[\]<>*_`])", r"\\\1", masked(text))
    return " ".join(escaped.split())


def _each_once(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))
