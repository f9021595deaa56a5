"""What is printed with a table whose rows are all tuned."""

import pytest

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import LeaveOneOut, Row
from tablewright.orchestrator.declared.pruners import Halving
from tablewright.orchestrator.declared.ranges import Choice, FloatRange, IntRange
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.plan import make_plan
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.searches.search_end import SearchEnd
from tablewright.orchestrator.searches.search_state import SearchState
from tablewright.orchestrator.store.search_records import SearchTrialRecord
from tablewright.orchestrator.store.store import Store
from tablewright.reports.ablation_table import build_table
from tablewright.reports.frame import read_cells
from tablewright.reports.latex.latex import to_latex
from tablewright.reports.markdown import to_markdown
from tablewright.reports.notes.tuning_note import tuned_table, tuning_notes
from tablewright.reports.page.html import to_html
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.retrieval.view import MAP
from tests.orchestrator.toy_sweep import TEST, a_search
from tests.toy_method import ToyConfig

FACTS = DatasetFacts("toyset", "Toyset", "f" * 64, False, {"train": 10})
RATE, ATTENTIONS = "learning_rate", "network.attention.num_attentions"
SPACE = {RATE: FloatRange(0.05, 0.45, log=True), ATTENTIONS: IntRange(1, 4)}
ROWS = [LeaveOneOut({"attention": {"network.attention": None}}), Row("slow", {RATE: 0.05})]
FULL, WITHOUT, SLOW = "width_1_toy", "width_2_toy", "width_3_toy"


def plan_of(states, rows=ROWS, **changes):
    tuned = a_search(num_trials=3, space=SPACE, **changes)
    table = Ablation("width", "Width", ToyConfig(), [Dataset("Toy")], rows, TEST, [MAP], tuned=tuned)
    study = Study("s", "S", "nowhere", (0, 1, 2), [table])
    resolver = DataResolver(lambda config: FACTS)
    return make_plan([study], resolver, {("s", name): state for name, state in states.items()})


def a_trial(number, params, value, last_epoch=9, **changes):
    return SearchTrialRecord(
        number=number,
        params=params,
        training_id=str(number) * 64,
        state="pruned" if value is None else "complete",
        value=value,
        num_epochs=9,
        intermediate_values={last_epoch: 0.5},
        **changes,
    )


def a_state(best, **changes):
    trials = (a_trial(0, {RATE: 0.3}, None, 3), a_trial(1, best, 0.8123, is_answered=True))
    return SearchState(2, 2, 2, is_finished=True, best=best, trials=trials, **changes)


FOUND = {FULL: a_state({RATE: 0.2345678, ATTENTIONS: 3}), WITHOUT: a_state({RATE: 0.1})}


def notes_of(states, seeds=(0, 1, 2), **changes):
    return " ".join(tuning_notes(plan_of(states, **changes).tuned["s", "width"], seeds))


def test_what_each_row_found_stands_beside_the_others():
    """A row a search: its trials, its best value on val, and each parameter, found, its own, or not there."""
    table = tuned_table(plan_of(FOUND).tuned["s", "width"])
    assert ("row", "trials", "mAP (val)", RATE, "num_attentions") == table.heads
    assert [
        ("full", "2 of 2", "81.2", "0.235", "3"),
        ("w/o attention", "2 of 2", "81.2", "0.1", "–"),
        ("slow", "0 of 3", "—", "0.05 (row)", "—"),
    ] == [*table.rows]


def test_epochs_are_counted_where_trials_are_left_early():
    """Whoever trained them: a trial that the store answered has taught the row's search as much."""
    table = tuned_table(plan_of(FOUND, pruner=Halving(first_epoch=1)).tuned["s", "width"])
    assert ("epochs", "12", "12", "0") == tuple(row[2] for row in (table.heads, *table.rows))


def test_the_note_says_with_what_budget_every_row_was_tuned():
    """Trials, sampler, pruner, objective, ranges, and whose seed the trials have."""
    note = notes_of(FOUND, pruner=Halving(first_epoch=1), base=ToyConfig(seed=7))
    for part in (
        "with the same budget: 3 trials by Gp(num_startup_trials=10), left early by Halving(first_epoch=1, factor=2",
        "for mAP on val (single query",
        "learning_rate: 0.05 to 0.45, log; num_attentions: 1 to 4",
        "All trials have seed 7, which is none of the table's.",
        "“w/o attention” has no num_attentions, which was not searched there.",
        "“slow” keeps its own learning_rate, which was not searched there.",
        "The rows were searched for 1 to 2 parameters",
    ):
        assert part in note
    assert "All trials have seed 0, which is one of the table's seeds." in notes_of(FOUND)


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (SearchState(2, 1), "“slow” (Toy): not trained yet; its search: 1 of 2 trials made."),
        (
            SearchState(2, 1, end=SearchEnd("gave up"), why_refused="(t0 = 3)"),
            "“slow” (Toy): not trained, and not printed untuned among tuned rows; its search: gave up after 1 of 2",
        ),
        (
            SearchState(2, 2, failed_ids=("a" * 64, "b" * 64), is_finished=True),
            "“slow” (Toy): not trained, and not printed untuned among tuned rows; its search: finished with 0",
        ),
    ],
)
def test_the_note_says_why_a_row_is_a_hole(state, text):
    """A row whose search goes on, or gave nothing, is told with how far that is."""
    assert text in notes_of({**FOUND, SLOW: state})


def test_the_note_says_which_row_had_fewer_tries():
    """An exhausted space, and trials that failed, give one row less than the others."""
    few = SearchState(2, 1, 1, failed_ids=("a" * 64,), is_finished=True, best={ATTENTIONS: 2})
    note = notes_of({**FOUND, SLOW: few})
    assert "“slow” (Toy) was tuned in 1 of 2 trials" in note
    assert "“slow” (Toy): 1 trial of its search failed." in note


def test_rows_that_come_to_one_config_are_named():
    """Two rows of equal numbers are no accident where their searches have made them one training."""
    rows = [Row("full"), Row("slow", {RATE: 0.05})]
    states = {FULL: a_state({RATE: 0.05, ATTENTIONS: 2}), "width_2_toy": a_state({ATTENTIONS: 2})}
    assert "“full” (Toy) and “slow” (Toy) were tuned to the same config" in notes_of(states, rows=rows)
    assert "same config" not in notes_of(FOUND)


def test_every_format_prints_what_was_found_and_leaves_the_holes(tmp_path):
    """A table is written while its rows wait, with what is known so far, in Markdown, LaTeX and HTML."""
    plan, store = plan_of(FOUND), Store(str(tmp_path))
    table = build_table(plan, "s", "width", read_cells(plan, store))
    assert {"missing"} == {cell.state for row in table.rows for cell in row.cells}
    assert "| full | 2 of 2 | 81.2 | 0.235 | 3 |" in to_markdown(table)
    assert r"full & 2 of 2 & 81.2 & 0.235 & 3 \\" in to_latex(table)
    assert "<td>0.235</td><td>3</td>" in to_html(table)
    waiting = plan_of({})
    assert build_table(waiting, "s", "width", read_cells(waiting, store)).texts


def test_choices_are_printed_as_they_are_declared():
    """A component that a search may switch off is `off` in its row."""
    tuned = a_search(num_trials=2, space={"weights": Choice((None, "lup"))})
    table = Ablation("width", "Width", ToyConfig(), [Dataset("Toy")], [Row("full")], TEST, [MAP], tuned=tuned)
    study = Study("s", "S", "nowhere", (0,), [table])
    states = {("s", FULL): a_state({"weights": None})}
    plan = make_plan([study], DataResolver(lambda config: FACTS), states)
    (row,) = tuned_table(plan.tuned["s", "width"]).rows
    assert "off" == row[-1]
