"""The points of the usual reproducibility checklists, answered from the records where they can answer.

Points: Pineau et al., The Machine Learning Reproducibility Checklist, v2.0 (2020), and the NeurIPS Paper Checklist
(2024), as far as they ask about experiments. What no record can know is left to the author, and said to be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.plan import Plan
from tablewright.reports.documents.document import Section
from tablewright.reports.notes.study_facts import StudyFacts
from tablewright.reports.statistics.comparison import MIN_SEEDS_TO_COMPARE
from tablewright.reports.table.table import Table
from tablewright.reports.table.text_table import TextTable
from tablewright.trainables.value.counted import counted

BY_THE_AUTHOR = "not recorded; for the author to answer"


def checklist(plan: Plan, study: Study, tables: Sequence[Table], facts: StudyFacts) -> Section:
    """Give the points with their answers."""
    rows = tuple(_answers(plan, study, tables, facts))
    return Section(
        "Reproducibility checklist",
        (
            "The points of the ML Reproducibility Checklist (v2.0) and of the NeurIPS Paper Checklist that ask about "
            "experiments.",
            TextTable("checklist", ("point", "answer"), rows),
        ),
    )


def _answers(
    plan: Plan, study: Study, tables: Sequence[Table], facts: StudyFacts
) -> Iterator[tuple[str, str]]:
    done = len(facts.records)
    num_cells = sum(cell.state != "printed" for table in tables for row in table.rows for cell in row.cells)
    num_filled = sum(cell.state == "done" for table in tables for row in table.rows for cell in row.cells)
    num_measured = len({(cell.training_id, cell.view_id) for cell in plan.cells if cell.study == study.name})
    yield "A clear description of the setting, the algorithm, the model", BY_THE_AUTHOR
    yield "Assumptions, and proofs of theoretical claims", BY_THE_AUTHOR
    yield (
        "Every experiment that is reported, complete",
        f"{num_filled} of {num_cells} cells have all their seeds; what is missing or failed stands in its cell",
    )
    yield (
        "Statistics of the data: numbers of examples",
        "recorded: see Data" if facts.data else "not recorded yet: no training has ended",
    )
    yield (
        "Splits into training, validation and test",
        "recorded: numbers of items by split, and a fingerprint of the data; searches see validation alone"
        if facts.data
        else "not recorded yet: no training has ended",
    )
    left_out = sum(count for one in facts.measured for _, count in one.left_out)
    yield (
        "Data that were excluded, and why",
        f"recorded: {counted(left_out, 'item')}, see Data" if facts.measured else "not recorded",
    )
    yield "Where the data can be had, their licence, consent", BY_THE_AUTHOR
    commits = {record.git_commit for record in facts.records.values() if record.git_commit}
    changed = any(commit.endswith("-dirty") for commit in commits)
    yield (
        "The code: training and evaluation, dependencies with versions",
        (
            f"recorded: {counted(len(commits), 'Git commit')}{' and the changes on top of it' if changed else ''}, see "
            "Software; whether it is public is for the author to say"
        )
        if commits
        else "not recorded: the code is in no checkout",
    )
    yield "Pre-trained models that the results depend on", _starting_weights(facts)
    yield (
        "The range of hyperparameters, how the best were selected, all that were used",
        f"recorded, selected on validation: number of searches {len(study.all_searches)}; every value is in the "
        "configurations"
        if study.all_searches
        else "recorded: nothing was searched by this study; every value is in the configurations",
    )
    yield (
        "The exact number of training and evaluation runs",
        f"recorded: {counted(done, 'training')}, {counted(num_measured, 'planned measurement')}",
    )
    yield (
        "A clear definition of the metrics",
        "; ".join(dict.fromkeys(ablation.view.protocol for ablation in study.ablations)) or "see the tables",
    )
    has_seeds = study.num_first_seeds >= MIN_SEEDS_TO_COMPARE
    yield (
        "Central tendency and variation; error bars and what they are",
        f"mean and sample standard deviation over {counted(study.num_first_seeds, 'seed')}"
        if study.num_first_seeds > 1
        else "one seed: there is no variation to report",
    )
    yield (
        "Statistical significance of the experiments",
        "tests over the seeds, corrected for all comparisons of a table: see how the numbers are compared"
        if has_seeds
        else "nothing is tested: fewer than three seeds",
    )
    yield (
        "Average run time, compute resources of each run and of all, failed ones included",
        "recorded: see Hardware and time" if done else "not recorded yet: no training has ended",
    )
    yield "Energy", "not recorded"
    yield "Broader impact, safeguards, human subjects", BY_THE_AUTHOR


def _starting_weights(facts: StudyFacts) -> str:
    names = dict.fromkeys(weights.file for data in facts.data for weights in data.starting_weights)
    if not facts.data:
        return "not recorded yet: no training has ended"
    return f"recorded: {', '.join(names)}" if names else "none is recorded with the data"
