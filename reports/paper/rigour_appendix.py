"""The rigour appendix of a study: what a careful reader asks, answered from the records where they can answer it."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from tablewright.orchestrator.declared.study import Study, UntilDecided
from tablewright.orchestrator.plans.plan import Plan
from tablewright.reports.cost_table import hours_text
from tablewright.reports.documents.document import Fields, Points, Section
from tablewright.reports.notes.parameter_text import range_text
from tablewright.reports.notes.study_facts import StudyFacts
from tablewright.reports.paper.config_appendix import search_facts
from tablewright.reports.paper.reproducibility_checklist import checklist
from tablewright.reports.table.table import Table
from tablewright.reports.table.text_table import TextTable
from tablewright.trainables.value.counted import counted
from tablewright.trainables.value.secret import masked
from tablewright.trainables.value.text import visible

NOT_RECORDED = "not recorded"
SHORT_DIGITS = 16
"""Of a fingerprint: enough to tell data apart, and to be typed."""

BYTES_OF_GIB = 2**30


def rigour_appendix(plan: Plan, study: Study, tables: Sequence[Table], facts: StudyFacts) -> Section:
    """Give the appendix of one study.

    Args:
        plan: of the study.
        study: one of the plan's.
        tables: of the study, as the records fill them.
        facts: what its records say.
    """
    return Section(
        "Rigour appendix",
        (f"Made from the records of the study {study.name}; nothing here was typed by hand.",),
        (
            Section("Trainings and seeds", (Points(tuple(_training_texts(study, facts))),)),
            Section("How the numbers of each table are compared", (Points(tuple(_rigour_texts(tables))),)),
            *_search_sections(plan, study),
            Section("Hardware and time", (Points(tuple(_hardware_texts(facts))),)),
            Section("Software", (_software_fields(facts),)),
            Section("Data", (_data_table(facts), Points(tuple(_measured_texts(facts))))),
            Section("Warnings", (Points(tuple(_warning_texts(facts))),)),
            checklist(plan, study, tables, facts),
        ),
    )


def _training_texts(study: Study, facts: StudyFacts) -> Iterator[str]:
    yield (
        f"{len(facts.records)} trainings are recorded, of {facts.num_planned} that the tables need and "
        f"{facts.num_of_searches} further trials of searches. Rows of equal configurations share their trainings."
    )
    attempts = sum(record.attempts for record in facts.records.values())
    yield f"They took {counted(attempts, 'attempt')}; an interrupted training goes on from its last checkpoint."
    if facts.num_damaged:
        yield f"{counted(facts.num_damaged, 'record')} cannot be read and are in no number."
    seeds = ", ".join(map(str, study.all_seeds))
    if isinstance(study.seeds, UntilDecided):
        yield (
            f"Seeds: the first {study.seeds.first} of {seeds} for every row, and one more at a time, up to "
            f"{study.seeds.most}, as long as a row's comparison is open; looking again is allowed for in the test."
        )
    else:
        yield f"Seeds: {seeds}, the same for every row; no seed was chosen by its result."
    yield "The model that is measured is that of the last epoch, unless a note below the table says otherwise."


def _rigour_texts(tables: Sequence[Table]) -> Iterator[str]:
    names_of: dict[str, list[str]] = {}
    for table in tables:
        if table.rigour:
            names_of.setdefault(table.rigour, []).append(table.name)
    for text, names in names_of.items():
        yield f"{', '.join(names)}: {text}"


def _search_sections(plan: Plan, study: Study) -> Iterator[Section]:
    if not study.all_searches:
        yield Section(
            "Ranges, budgets and selection",
            (
                "No hyperparameter was searched for by this study: every value is declared (see the configurations), "
                "and the values that were tried are the rows of the tables.",
            ),
        )
        return
    parts: list[Section] = []
    for search in study.all_searches:
        state = plan.searches[study.name, search.name]
        names = {path: path for path in search.space}
        ranges = tuple((path, _clean(range_text(declared, names))) for path, declared in search.space.items())
        outcomes = Counter(trial.state for trial in state.trials)
        made = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())) or "none yet"
        found = tuple((f"found: {path}", _clean(str(value))) for path, value in (state.best or {}).items())
        parts.append(
            Section(
                f"Search {search.name}",
                (Points((*search_facts(search), f"Trials made: {made}.")), Fields((*ranges, *found))),
            )
        )
    yield Section("Ranges, budgets and selection", (), tuple(parts))


def _hardware_texts(facts: StudyFacts) -> Iterator[str]:
    if not facts.records:
        yield f"Hardware and time are {NOT_RECORDED}: no training has ended yet."
        return
    devices = ", ".join(
        f"{_clean(name)} ({counted(count, 'training')})" for name, count in facts.devices.most_common()
    )
    yield f"Trained on: {devices}."
    sheet = facts.cost
    sign = "at least " if sheet.total.is_at_least else "about " if sheet.total.is_estimated else ""
    gpu_hours = f"{hours_text(sheet.total.gpu_s / 3600)} GPU-hours and " if sheet.total.gpu_s else ""
    yield (
        f"In all {sign}{gpu_hours}{hours_text(sheet.total.cpu_s / 3600)} CPU-hours, lost attempts, failed trainings "
        "and measuring included."
    )
    for device, spent in sheet.by_device.items():
        hours = spent.gpu_s or spent.cpu_s
        kind = "GPU" if spent.gpu_s else "CPU"
        yield f"Of these on {_clean(device)}: {hours_text(hours / 3600)} {kind}-hours."
    walls = facts.train_wall_s
    yield (
        f"One training took {_duration(walls[0])} to {_duration(walls[-1])}, half of them at most "
        f"{_duration(statistics.median(walls))}."
    )
    peaks = [record.peak_memory_bytes for record in facts.records.values() if record.peak_memory_bytes]
    memory = f"up to {max(peaks) / BYTES_OF_GIB:.1f} GiB of one device" if peaks else NOT_RECORDED
    yield f"Memory of one training: {memory}."
    yield f"Energy: {NOT_RECORDED}."


def _software_fields(facts: StudyFacts) -> Fields:
    pairs = [(name, _versions(of)) for name, of in facts.versions.items()]
    for name in ("python", "system"):
        if said := facts.said(name):
            pairs.append((name, _versions(said)))
    commits = Counter(record.git_commit for record in facts.records.values())
    if commits:
        pairs.append(("Git commit", _versions(commits)))
    return Fields(tuple(pairs) or (("software", NOT_RECORDED),))


def _versions(counts: Mapping[str, int]) -> str:
    if len(counts) == 1:
        return _clean(next(iter(counts))) or "(none)"
    return ", ".join(
        f"{_clean(version) or '(none)'} ({counted(count, 'training')})"
        for version, count in sorted(counts.items())
    )


def _data_table(facts: StudyFacts) -> TextTable:
    rows = tuple(
        (
            _clean(data.label),
            ", ".join(f"{split} {number:,}" for split, number in data.num_images.items()) or NOT_RECORDED,
            data.fingerprint[:SHORT_DIGITS],
            "yes" if data.is_demo else "no",
        )
        for data in facts.data
    )
    return TextTable("data", ("data set", "items of each split", "fingerprint", "demo data"), rows)


def _measured_texts(facts: StudyFacts) -> Iterator[str]:
    for one in facts.measured:
        left_out = ", ".join(f"{count} {_clean(reason)}" for reason, count in one.left_out)
        yield (
            f"{_clean(one.data)}: {one.num_measured} {one.items} measured; left out: {left_out or 'none'}."
        )
    if not facts.measured:
        yield f"How many items were measured, and which were left out, is {NOT_RECORDED}."


def _warning_texts(facts: StudyFacts) -> Iterator[str]:
    for text, count in facts.warnings.items():
        yield f"{' '.join(_clean(text).split()).rstrip('.')} ({count} times)."
    if not facts.warnings:
        yield "No training and no measurement warned of anything."


def _duration(seconds: float) -> str:
    """Say how long something took: 43 s, 12 min, 3.4 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _clean(text: str) -> str:
    return visible(masked(text))
