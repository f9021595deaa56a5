"""What is said below a table, so that each number can be judged without asking its author."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import pandas as pd

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.design import full_label
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.identity import SHORT_ID_DIGITS
from tablewright.reports.table.cell import AGREES, DISAGREES, MIN_SEEDS_FOR_A_VERDICT, TableCell
from tablewright.reports.table.number import half_printed_unit, value_text
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.program import PRODUCT
from tablewright.trainables.value.counted import counted

SHORT_COMMIT_DIGITS = 12
NUM_IDS_SHOWN = 4
CHANGES_NO_NUMBER = (PRODUCT, "ray", "optuna", "mlflow")
"""Packages whose versions may differ within a table: they decide where trainings run and how they are shown."""
SINGULARS = {"queries": "query", "images": "image", "items": "item"}


def source_notes(
    study: Study,
    ablation: Ablation,
    cells: Sequence[tuple[Metric, TableCell]],
    facts: Mapping[str, DatasetFacts],
    frame: pd.DataFrame,
) -> Iterator[str]:
    """Give the sentences on where a table's numbers come from, in printing order.

    Args:
        study: that declares the table.
        ablation: the declaration.
        cells: of the whole table, each with what it measures.
        facts: by label of the data set.
        frame: the table's part of what `read_cells` gives.
    """
    yield f"Measured with {(ablation.trained_rows[0].view or ablation.view).protocol}."
    yield from _base_notes(study, ablation)
    yield from _count_notes(frame)
    yield from _lost_count_notes(frame)
    yield from _paper_notes(study, ablation, cells, facts)
    for label, fact in facts.items():
        if fact.is_demo:
            yield f"{label}: demo data ({fact.label})."
        for warning in fact.warnings:
            yield f"{label}: {warning.rstrip('.')}."
    for row in ablation.printed_rows:
        if row.waits_for:
            yield f"Row “{full_label(row)}” cannot be trained yet: {row.waits_for}."
    yield from _failure_notes(frame)
    yield from _warning_notes(frame)
    yield from _origin_notes(frame)


def _base_notes(study: Study, ablation: Ablation) -> Iterator[str]:
    """Say which search has found the values that the base has."""
    metrics = {metric.name: metric for metric in ablation.metrics}
    for found in study.starts_from:
        if not found.is_in(ablation.base):
            continue
        metric = metrics.get(found.metric)
        value = (
            f"{found.metric} {found.value:.4g}"
            if metric is None
            else f"{metric.label} {value_text(found.value, metric)}"
        )
        version = f" version {found.version}" if found.version else ""
        trials = counted(found.num_complete, "complete trial")
        yield (
            f"The base has what the search {found.study}/{found.search} ({found.search_id[:SHORT_ID_DIGITS]}) has "
            f"found for {found.method}{version}: the best of {trials}, {value} on val."
        )


def _paper_notes(
    study: Study,
    ablation: Ablation,
    cells: Sequence[tuple[Metric, TableCell]],
    facts: Mapping[str, DatasetFacts],
) -> Iterator[str]:
    if ablation.source:
        yield f"Source: {study.source}, {ablation.source}."
    if any(cell.published is not None for _, cell in cells):
        sources = dict.fromkeys(row.source for row in ablation.printed_rows if row.published and row.source)
        where = f", {'; '.join(sources)}" if sources else ""
        yield f"Columns headed “paper” repeat {study.source}{where}. Blank: not printed, or not read."
    elif any(row.printed_in for row in ablation.printed_rows) and not any(
        row.published for row in ablation.printed_rows
    ):
        yield f"None of the values that {study.source} prints could be read."
    compared = [cell for _, cell in cells if cell.difference is not None]
    if compared:
        yield f"Behind the paper's value stands ours − paper{_verdict_legend(compared)}."
    yield from _chance_note(cells)
    left_out = [label for label, fact in facts.items() if fact.is_demo]
    shown = facts.keys() - left_out
    # A paper's values have the names of its own data sets, which a table of demo data need not have.
    if left_out and any(row.published.keys() - shown for row in ablation.printed_rows):
        yield f"The paper's values are left out under {', '.join(left_out)}: they are of other data."


def _verdict_legend(compared: Sequence[TableCell]) -> str:
    verdicts = {cell.agrees_with_paper for cell in compared}
    texts: list[str] = []
    if verdicts != {None}:
        texts.append(
            f"{AGREES}: the paper's value lies inside the 95 % prediction interval of one more run of ours "
            "(Student's t, half a unit of the paper's last digit added)"
        )
        texts.append(f"{DISAGREES}: outside")
    if None in verdicts:
        texts.append(f"no sign: fewer than {MIN_SEEDS_FOR_A_VERDICT} seeds, or not all are measured")
    return "".join(f"; {text}" for text in texts)


def _chance_note(cells: Sequence[tuple[Metric, TableCell]]) -> Iterator[str]:
    """Say how much a verdict can tell: how far off it lets a value be, and how many misses chance alone gives."""
    chances: list[float] = []
    reaches_of: dict[str, tuple[Metric, list[float]]] = {}
    for metric, cell in cells:
        if cell.miss_chance is None or cell.rerun_interval is None or cell.published is None:
            continue
        chances.append(cell.miss_chance)
        low, high = cell.rerun_interval
        reach = (high - low) / 2 + half_printed_unit(cell.published, metric)
        reaches_of.setdefault(metric.name, (metric, []))[1].append(reach)
    if not chances:
        return
    reaches = " and ".join(
        f"{value_text(statistics.median(reaches), metric)} in {metric.label}"
        for metric, reaches in reaches_of.values()
    )
    if len(chances) == 1:
        yield (
            f"The paper's value may be {reaches} away from our mean and still be {AGREES}. Were it one more run of "
            f"ours, chance alone would make it {DISAGREES} in {100 * chances[0]:.0f} of 100 cases."
        )
        return
    yield (
        f"A paper's value may be {reaches} away from our mean and still be {AGREES} (median). Were every one of these "
        f"{len(chances)} values one more run of ours, chance alone would make {sum(chances):.1f} of them {DISAGREES}."
    )


def _count_notes(frame: pd.DataFrame) -> Iterator[str]:
    """Say how many queries or images each column is a mean over, and what is in none."""
    done = cast(pd.DataFrame, frame[(frame["state"] == "done") & frame["num_measured"].notna()])
    counts = cast(pd.DataFrame, done[["dataset", "items", "num_measured", "left_out"]].drop_duplicates())
    for dataset, items, num_measured, left_out in counts.itertuples(index=False, name=None):
        if not num_measured and not left_out:
            continue  # its method keeps no values per item
        lacking = f"; left out: {left_out}" if left_out else ""
        what = SINGULARS.get(items, items) if num_measured == 1 else items
        yield f"{dataset}: {num_measured} {what} measured{lacking}."


def _lost_count_notes(frame: pd.DataFrame) -> Iterator[str]:
    """Say of which data sets nobody can tell any more what the columns are means over."""
    lost = cast(pd.DataFrame, frame[(frame["state"] == "done") & frame["num_measured"].isna()])
    for dataset in dict.fromkeys(lost["dataset"].tolist()):
        ids = dict.fromkeys(lost.loc[lost["dataset"] == dataset, "training_id"].tolist())
        some = _some_ids([one[:SHORT_ID_DIGITS] for one in ids])
        yield (
            f"{dataset}: on how many queries or images {some} were measured cannot be said: the files with one row "
            "each are lost."
        )


def _failure_notes(frame: pd.DataFrame) -> Iterator[str]:
    for state, head in (("failed", "Failed"), ("refused", "Refused")):
        some = frame.loc[frame["state"] == state, ["failed_ids", "message"]]
        ids_of: dict[str, dict[str, None]] = {}
        for failed_ids, message in some.itertuples(index=False, name=None):
            ids = (training_id[:SHORT_ID_DIGITS] for training_id in failed_ids.split())
            ids_of.setdefault(_one_line(message), {}).update(dict.fromkeys(ids))
        for message, ids in ids_of.items():
            yield f"{head}: {', '.join(ids)} ({message})."


def _warning_notes(frame: pd.DataFrame) -> Iterator[str]:
    """Repeat what trainings warned of, and the changed defaults that somebody accepted."""
    for column, head in (("warnings", "Warning of"), ("accepted", "Accepted for")):
        ids_of: dict[str, dict[str, None]] = {}
        for training_id, text in zip(frame["training_id"], frame[column], strict=True):
            for line in text.splitlines():
                ids_of.setdefault(line, {})[training_id[:SHORT_ID_DIGITS]] = None
        for line, ids in ids_of.items():
            yield f"{head} {_some_ids(list(ids))}: {_one_line(line).rstrip('.')}."


def _some_ids(ids: Sequence[str]) -> str:
    shown = ", ".join(ids[:NUM_IDS_SHOWN])
    return f"{shown} and {len(ids) - NUM_IDS_SHOWN} more" if len(ids) > NUM_IDS_SHOWN else shown


def _one_line(message: str, num_characters: int = 200) -> str:
    line = " ".join(message.split())
    return line if len(line) <= num_characters else f"{line[: num_characters - 1]}…"


def _origin_notes(frame: pd.DataFrame) -> Iterator[str]:
    done = cast(pd.DataFrame, frame[frame["state"] == "done"])
    num_all = len(_training_ids(frame))
    code = "".join(f"; {text}" for text in _code_of(frame))
    yield f"Made from {len(_training_ids(done))} of {counted(num_all, 'training')}{code}."
    different = [
        f"{name} {_versions_in_words(ids_of)}"
        for name, ids_of in sorted(_ids_by_version(done).items())
        if len(ids_of) > 1 and name not in CHANGES_NO_NUMBER
    ]
    if different:
        yield f"Trainings were made with different versions of packages: {'; '.join(different)}."


def _versions_in_words(ids_of: Mapping[str, set[str]]) -> str:
    return ", ".join(
        f"{version} ({counted(len(ids), 'training')})" for version, ids in sorted(ids_of.items())
    )


def _code_of(frame: pd.DataFrame) -> Iterator[str]:
    """Say which code made the numbers, and whose it is: this program's, or that of a method of one's own."""
    commits_of: dict[str, set[str]] = {}
    for own, texts in zip(frame["own_methods"], frame["git_commits"], strict=True):
        for method in own.splitlines() or [""]:
            commits_of.setdefault(method, set()).update(map(_short_commit, texts.split()))
    ours = sorted(commits_of.pop("", ()))
    if ours:
        yield f"Git commit {', '.join(ours)}"
    for method, commits in sorted(commits_of.items()):
        yield f"{method}'s own code: Git commit {', '.join(sorted(commits)) or '(none: it is in no checkout)'}"
    if commits_of:
        versions = sorted(
            _ids_by_version(cast(pd.DataFrame, frame[frame["own_methods"] != ""])).get(PRODUCT, ())
        )
        if versions:
            yield f"trained by Tablewright {', '.join(versions)}"


def _ids_by_version(frame: pd.DataFrame) -> dict[str, dict[str, set[str]]]:
    """Give package -> version -> the trainings that were made with it."""
    found: dict[str, dict[str, set[str]]] = {}
    for identity, lines in zip(frame["training_id"], frame["versions"], strict=True):
        for line in lines.splitlines():
            name, _, version = line.partition(" ")
            found.setdefault(name, {}).setdefault(version, set()).add(identity)
    return found


def _training_ids(frame: pd.DataFrame) -> set[str]:
    """Give every training behind the rows, those of ensembles among them."""
    partner_ids = {partner_id for texts in frame["partner_ids"] for partner_id in texts.split()}
    return {*frame["training_id"], *partner_ids}


def _short_commit(commit: str) -> str:
    digits, dash, rest = commit.partition("-")
    return digits[:SHORT_COMMIT_DIGITS] + dash + rest
