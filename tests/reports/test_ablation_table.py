"""What stands in a table: states, ranks, marks, the paper's values, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Cumulative, Factorial, Row
from tablewright.orchestrator.declared.published import Printed
from tablewright.orchestrator.declared.ranges import IntRange
from tablewright.orchestrator.declared.search import Objective, Search
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.plan import Plan, make_plan
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.searches.search_state import SearchState
from tablewright.orchestrator.store.store import Store
from tablewright.reports.ablation_table import build_table
from tablewright.reports.frame import read_cells
from tablewright.reports.statistics.seed import Seed
from tablewright.reports.table.cell import build_cell, compared_text, marks_text, mean_text, published_text
from tablewright.reports.table.entry_text import entry_text
from tablewright.reports.table.lay_out import lay_out
from tablewright.reports.table.table import DEMO_NOTICE, Table
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.retrieval.view import MAP, RANK1, Reranking, RetrievalView
from tests.reports.tiny_study import (
    DUKE,
    MARKET,
    VIEW,
    TinyConfig,
    depth_row,
    describe,
    make_ablation,
    plan_of,
    record_failure,
    record_value,
)

LOSS = Metric("map", "error", higher_is_better=False, digits=2, is_fraction=False)


def market(*values: float) -> dict[str, Any]:
    return {"Market-1501": {seed: {"map": value} for seed, value in enumerate(values)}}


def both(*values: float) -> dict[str, Any]:
    return {"Market-1501": {seed: {"map": value, "rank1": value} for seed, value in enumerate(values)}}


def table_of(store_path: Path, ablation: Ablation, values: dict[str, Any], seeds: int = 3) -> Table:
    plan = plan_of(ablation, seeds=tuple(range(seeds)))
    store = Store(str(store_path))
    for row, measured in values.items():
        record_value(store, plan, row, measured)
    return build(plan, store)


def build(plan: Plan, store: Store) -> Table:
    return build_table(plan, "tiny", "depth", read_cells(plan, store))


def printed(table: Table) -> list[str]:
    return [mean_text(row.cells[0], table.columns[0].metric) + marks_text(row.cells[0]) for row in table.rows]


def ranks(table: Table) -> list[int | None]:
    return [row.cells[0].rank for row in table.rows]


def test_states_are_told_in_print(tmp_path: Path):
    """Done, partial, missing and failed cells cannot be mistaken for each other."""
    rows = [depth_row(depth) for depth in (2, 3, 4, 5)]
    plan = plan_of(make_ablation(rows, metrics=[MAP]))
    store = Store(str(tmp_path))
    record_value(store, plan, "depth 2", market(0.810, 0.812, 0.814))
    record_value(store, plan, "depth 3", market(0.820, 0.824))
    record_failure(store, plan, "depth 5", 1, "RuntimeError: out of\nmemory")
    table = build(plan, store)
    assert ["81.2 ± 0.2", "82.2 ± 0.3 (2/3)", "—", "failed"] == printed(table)
    assert ["done", "partial", "missing", "failed"] == [row.cells[0].state for row in table.rows]
    assert not table.is_complete
    notes = "\n".join(table.source_notes)
    failed_id = table.rows[3].cells[0].training_ids[1]
    assert f"Failed: {failed_id[:8]} (RuntimeError: out of memory)." in notes
    assert "(2/3): so many of the planned seeds are measured" in notes
    assert "Made from 5 of 12 trainings; Git commit 0123456789ab." in notes


def test_single_runs_are_not_compared(tmp_path: Path):
    """With one seed nothing is bold and nothing marked, and a note says why."""
    values = {"depth 2": market(0.80), "depth 3": market(0.99)}
    table = table_of(tmp_path, make_ablation([depth_row(2), depth_row(3)], metrics=[MAP]), values, seeds=1)
    assert [None, None] == ranks(table)
    assert ["80.0", "99.0"] == printed(table)
    note = "One seed (0), n = 1: no deviation can be given, and single runs are not compared."
    assert note in table.source_notes


def test_two_seeds_are_too_few_to_compare(tmp_path: Path):
    """Two seeds have a deviation and nothing more."""
    values = {"depth 2": market(0.80, 0.81), "depth 3": market(0.90, 0.91001)}
    table = table_of(tmp_path, make_ablation([depth_row(2), depth_row(3)], metrics=[MAP]), values, seeds=2)
    assert [None, None] == ranks(table)
    assert ["80.5 ± 0.7", "90.5 ± 0.7"] == printed(table)
    assert any("which are too few to compare rows by" in note for note in table.source_notes)


@pytest.mark.slow
def test_bold_is_the_best_row_and_what_cannot_be_told_from_it(tmp_path: Path):
    """Two rows that scatter into each other are both bold; one far below is not, whichever way is better."""
    rows = [depth_row(depth) for depth in (2, 3, 4)]
    near = {
        "depth 2": market(0.801, 0.812, 0.819),
        "depth 3": market(0.80, 0.815, 0.822),
        "depth 4": market(0.30, 0.314, 0.32),
    }
    higher = table_of(tmp_path / "higher", make_ablation(rows, metrics=[MAP]), near)
    lower = table_of(tmp_path / "lower", make_ablation(rows, metrics=[LOSS]), near)
    assert [1, 1, None] == ranks(higher)
    assert [None, None, 1] == ranks(lower)
    assert any("every row that the seeds cannot tell from it" in note for note in higher.source_notes)


def test_only_complete_cells_are_ranked(tmp_path: Path):
    """Where a venue wants the highest value bold, an under-seeded cell is neither best nor second."""
    rows = [depth_row(depth) for depth in (2, 3, 4)]
    values = {
        "depth 2": market(0.80, 0.81, 0.82),
        "depth 3": market(0.98, 0.99),
        "depth 4": market(0.70, 0.71, 0.72),
    }
    table = table_of(tmp_path, make_ablation(rows, metrics=[MAP], emphasis="highest"), values)
    assert [1, None, 2] == ranks(table)
    assert any("(emphasis “highest”)" in note for note in table.source_notes)


def test_the_metric_says_which_way_is_better(tmp_path: Path):
    """The lowest is best where lower is better."""
    rows = [depth_row(depth) for depth in (2, 3, 4)]
    values = {"depth 2": market(3.0), "depth 3": market(1.0), "depth 4": market(2.0)}
    table = table_of(tmp_path, make_ablation(rows, metrics=[LOSS], emphasis="highest"), values, seeds=1)
    assert [None, 1, 2] == ranks(table)
    assert ["3.00", "1.00", "2.00"] == printed(table)


def test_cells_that_print_alike_share_a_rank(tmp_path: Path):
    """81.21 and 81.24 both print 81.2, so both are best, and the next value is second."""
    rows = [depth_row(depth) for depth in (2, 3, 4, 5)]
    values = {f"depth {d}": market(v) for d, v in zip((2, 3, 4, 5), (0.8121, 0.8124, 0.7, 0.6), strict=True)}
    ablation = make_ablation(rows, metrics=[MAP], emphasis="highest")
    assert [1, 1, 2, None] == ranks(table_of(tmp_path, ablation, values, seeds=1))


def test_values_are_ordered_as_numbers(tmp_path: Path):
    """9.9 is below 81.2, though its text is not."""
    values = {"depth 2": market(0.099), "depth 3": market(0.812)}
    ablation = make_ablation([depth_row(2), depth_row(3)], metrics=[MAP], emphasis="highest")
    assert [2, 1] == ranks(table_of(tmp_path, ablation, values, seeds=1))


@pytest.mark.parametrize("emphasis", ["evidence", "highest"])
def test_one_row_is_not_best_of_itself(tmp_path: Path, emphasis: str):
    """A row without a rival is not set in bold."""
    values = {"depth 2": market(0.8, 0.81, 0.82)}
    for rows in ([depth_row(2)], [depth_row(2), depth_row(3)]):
        ablation = make_ablation(rows, metrics=[MAP], emphasis=emphasis)
        assert {None} == set(ranks(table_of(tmp_path / str(len(rows)), ablation, values)))


def test_a_row_is_marked_against_the_base(tmp_path: Path):
    """The reference is the row that equals the base, wherever it stands; it bears no mark itself."""
    rows = [depth_row(3), depth_row(2), depth_row(4)]
    values = {
        "depth 2": market(0.80, 0.81, 0.82),
        "depth 3": market(0.90, 0.912, 0.919),
        "depth 4": market(0.79, 0.801, 0.82),
    }
    table = table_of(tmp_path, make_ablation(rows, metrics=[MAP]), values)
    assert ["91.0 ± 1.0†", "81.0 ± 1.0", "80.4 ± 1.5"] == printed(table)
    notes = table.source_notes
    assert "Compared in mAP: every other row with “depth 2”." in notes
    assert any(note.startswith("†: differs with p < 0.05 (moderated t over the seeds") for note in notes)


def test_another_row_can_be_the_reference(tmp_path: Path):
    """`reference` names it, and differences are taken from it."""
    rows = [depth_row(2), depth_row(3)]
    values = {"depth 2": market(0.80, 0.81, 0.82), "depth 3": market(0.90, 0.912, 0.919)}
    table = table_of(tmp_path, make_ablation(rows, metrics=[MAP], reference="depth 3"), values)
    assert ["81.0 ± 1.0†", "91.0 ± 1.0"] == printed(table)
    assert table.rows[0].cells[0].compared is not None
    assert "−10.0" == compared_text(table.rows[0].cells[0], MAP).partition(" ")[0]


def test_a_cumulative_step_is_compared_with_the_row_above(tmp_path: Path):
    """What a step adds is told; that the last row is far from the first says nothing of the last step."""
    steps = Cumulative({"depth": 2}, "plain", {"deep": {"depth": 3}, "wide": {"width": 9}})
    values = {
        "plain": market(0.80, 0.81, 0.82),
        "+ deep": market(0.90, 0.912, 0.919),
        "+ wide": market(0.90, 0.913, 0.92),
    }
    table = table_of(tmp_path, make_ablation([steps], metrics=[MAP]), values)
    assert ["81.0 ± 1.0", "91.0 ± 1.0†", "91.1 ± 1.0"] == printed(table)
    assert "Compared in mAP: each row with the one above it." in table.source_notes


def test_a_factorial_is_told_by_its_effects(tmp_path: Path):
    """Main effects and interactions with intervals, and no row marked against a corner."""
    corners = Factorial(
        {
            "depth": {"shallow": {"depth": 2}, "deep": {"depth": 3}},
            "width": {"thin": {"width": 8}, "wide": {"width": 9}},
        }
    )
    ablation = make_ablation([corners], metrics=[MAP])
    values = {
        row.label: market(0.80 + 0.1 * (i > 1), 0.811 + 0.1 * (i > 1), 0.82 + 0.1 * (i > 1) + i / 1000)
        for i, row in enumerate(ablation.printed_rows)
    }
    table = table_of(tmp_path, ablation, values)
    assert not any(row.cells[0].is_marked for row in table.rows)
    below = [[entry_text(entry) for entry in row.entries] for row in lay_out(table).rows[4:]]
    assert ["deep − shallow", "", "+10.1 [+9.9, +10.2]†"] == below[0]
    assert ["", "wide − thin"] == below[1][:2]
    assert ["×", "×"] == below[2][:2]
    assert all("±0.0 [" in text for *_, text in below[1:])
    assert [True, False, False] == [effect.compared[0][1].is_marked for effect in table.effects]


def test_a_factorial_is_described_by_the_effects_that_it_has(tmp_path: Path):
    """One factor has no interaction, and an effect whose corners are missing is not two rows."""
    one = Factorial({"depth": {"shallow": {"depth": 2}, "deep": {"depth": 3}}})
    two = Factorial(
        {"depth": {"d2": {"depth": 2}, "d3": {"depth": 3}}, "width": {"w8": {}, "w9": {"width": 9}}}
    )
    first, second = (
        table_of(tmp_path / str(number), make_ablation([design], metrics=[MAP]), {})
        for number, design in enumerate((one, two))
    )
    assert "Compared in mAP: the effect depth (deep − shallow)." in first.source_notes
    assert "Compared in mAP: main effects and interactions of the factors." in second.source_notes
    assert "Nothing was tested yet: no effect has 3 seeds in all of its rows." in second.source_notes


@pytest.mark.slow
def test_a_mark_is_corrected_for_all_comparisons_of_its_table(tmp_path: Path):
    """Five comparisons make each one harder to find than one alone, and so does each further tested metric."""
    values = {"depth 2": both(0.80, 0.81, 0.82), "depth 3": both(0.82, 0.834, 0.835)}
    others = {f"depth {depth}": both(0.80, 0.81, 0.819 + depth / 1000) for depth in (4, 5, 6)}
    rows = [depth_row(depth) for depth in (2, 3, 4, 5, 6)]
    one = table_of(tmp_path / "one", make_ablation(rows), values | others)
    two = table_of(tmp_path / "two", make_ablation(rows, tested=[MAP, RANK1]), values | others)
    for table, num_tests in ((one, 4), (two, 8)):
        found = table.rows[1].cells[0].compared
        assert found is not None
        assert found.comparison.corrected_p_value == pytest.approx(
            min(1, num_tests * found.comparison.p_value)
        )
        assert any(f"all {num_tests} comparisons of the table" in note for note in table.source_notes)
    rank1 = one.rows[1].cells[1].compared
    assert rank1 is not None
    assert (False, False) == (rank1.is_tested, rank1.is_marked)
    assert "Rank-1: not tested, so not marked." in one.source_notes


def test_a_row_that_stands_twice_is_compared_once(tmp_path: Path):
    """Rows that repeat another make no comparison harder to find, bear the same mark, and are named below."""
    values = {"depth 2": market(0.80, 0.81, 0.82), "depth 3": market(0.83, 0.84, 0.86)}
    again = [Row("again", {"depth": 3}, repeats="depth 3"), Row("base again", {}, repeats="depth 2")]
    rows = [depth_row(2), depth_row(3)]
    once = table_of(tmp_path / "once", make_ablation(rows, metrics=[MAP]), values)
    twice = table_of(tmp_path / "twice", make_ablation([*rows, *again], metrics=[MAP]), values)
    assert [*printed(once), "84.3 ± 1.5†", "81.0 ± 1.0"] == printed(twice)
    of_once, of_twice = once.rows[1].cells[0].compared, twice.rows[1].cells[0].compared
    assert of_once is not None
    assert of_twice is not None
    assert of_once.comparison == of_twice.comparison
    assert twice.rows[3].cells[0].compared is None
    assert any(note.startswith("“again” is “depth 3” once more") for note in twice.source_notes)
    assert [note for note in once.source_notes if "seeds find" in note] == [
        note for note in twice.source_notes if "seeds find" in note
    ]


def test_the_same_training_twice_is_not_best_of_itself(tmp_path: Path):
    """Where a search ends at the declared config its table has one training: nothing is bold, nothing tested."""
    rows = [depth_row(2), Row("best of 6 trials", {}, repeats="depth 2")]
    ablation = make_ablation(rows, metrics=[MAP])
    table = table_of(tmp_path, ablation, {"depth 2": market(0.80, 0.81, 0.82)})
    assert [None, None] == ranks(table)
    assert not any("tested" in note or "shows a difference" in note for note in table.source_notes)
    assert any(note.startswith("“best of 6 trials” is “depth 2” once more") for note in table.source_notes)


@pytest.mark.slow
def test_views_of_one_training_are_compared_as_pairs(tmp_path: Path):
    """A view that always lies a little below another is told from it, whatever the trainings beside it vary by."""
    hard = Row("hard", view=RetrievalView(embeddings=("hard",)))
    apart = {"depth 3": market(0.71, 0.69, 0.75, 0.72, 0.74), "depth 4": market(0.73, 0.75, 0.70, 0.71, 0.72)}
    values = {
        "depth 2": market(0.70, 0.74, 0.72, 0.75, 0.71),
        "hard": market(0.691, 0.729, 0.71, 0.741, 0.70),
    }
    ablation = make_ablation([depth_row(2), hard, depth_row(3), depth_row(4)], metrics=[MAP])
    table = table_of(tmp_path, ablation, values | apart, seeds=5)
    assert [False, True, False, False] == [row.cells[0].is_marked for row in table.rows]
    assert [1, None, 1, 1] == ranks(table)
    (how,) = [note for note in table.source_notes if note.startswith("†")]
    assert "moderated t over the seeds, after Smyth 2004, and paired t between views of one training;" in how
    (note,) = [note for note in table.source_notes if "seeds find" in note]
    assert note.startswith("5 seeds find a difference in mAP of 0.")


@pytest.mark.slow
def test_members_of_an_ensemble_are_no_views_of_each_other(tmp_path: Path):
    """They share their trainings with the ensemble, and are compared as the rows of their own that they are."""
    values = {
        f"depth {depth}": market(*np.random.default_rng(depth).normal(0.7, 0.01, 3)) for depth in range(2, 8)
    }
    values["both"] = market(0.73, 0.731, 0.74)
    both = Row("both", ensemble=[{}, {"depth": 3}])
    rows = [depth_row(depth) for depth in range(2, 8)]
    with_it = table_of(tmp_path, make_ablation([*rows, both], metrics=[MAP]), values)
    of_member, of_both = (with_it.rows[place].cells[0].compared for place in (1, 6))
    assert of_member is not None
    assert of_both is not None
    assert min(of_member.comparison.df, of_both.comparison.df) > 2


def test_a_table_of_noise_says_that_it_was_tested(tmp_path: Path):
    """Where nothing is marked a reader learns that it was looked at, and how small a difference would be seen."""
    values = {"depth 2": market(0.80, 0.81, 0.82), "depth 3": market(0.822, 0.81, 0.80)}
    table = table_of(tmp_path, make_ablation([depth_row(2), depth_row(3)], metrics=[MAP]), values)
    note = "The one comparison shows no difference with p < 0.05 (paired t over the seeds)."
    assert note in table.source_notes
    assert "Compared in mAP: “depth 3” with “depth 2”." in table.source_notes
    assert any(note.startswith("3 seeds find a difference in mAP of ") for note in table.source_notes)


def test_seeds_that_are_shared_are_told_where_rows_are_compared(tmp_path: Path):
    """Two planned seeds compare nothing, and three compare over those that both rows have."""
    rows, values = [depth_row(2), depth_row(3)], {"depth 2": market(0.8, 0.81), "depth 3": market(0.8)}
    for seeds, end in ((2, "measured."), (3, "measured; a comparison takes the seeds that its rows share.")):
        table = table_of(tmp_path / str(seeds), make_ablation(rows, metrics=[MAP]), values, seeds=seeds)
        (note,) = [note for note in table.source_notes if "so many of the planned seeds" in note]
        assert note.endswith(end)


def test_a_table_of_one_training_says_so_in_the_singular(tmp_path: Path):
    """One is one."""
    table = table_of(
        tmp_path, make_ablation([depth_row(2)], metrics=[MAP]), {"depth 2": market(0.8)}, seeds=1
    )
    assert any(note.startswith("Made from 1 of 1 training;") for note in table.source_notes)


def test_many_seeds_are_named_by_the_first_and_the_last(tmp_path: Path):
    """Thirty numbers in a row tell no more than two."""
    values = {"depth 2": market(*(0.8 + 0.001 * (7 * seed % 11) for seed in range(30)))}
    table = table_of(tmp_path, make_ablation([depth_row(2)], metrics=[MAP]), values, seeds=30)
    assert "Mean ± sample standard deviation over n = 30 seeds (0 to 29)." in table.source_notes


def test_seeds_that_change_nothing_are_told(tmp_path: Path):
    """Where every seed gives the same value a reader learns that exact differences say nothing of chance."""
    rows = [depth_row(2), depth_row(3)]
    note = (
        "mAP (Market-1501) is the same with every seed in every row: differences there are exact, and say nothing "
        "of chance."
    )
    for third, is_told in ((0.8, True), (0.801, False)):
        values = {"depth 2": market(0.8, 0.8, third), "depth 3": market(0.9, 0.9, 0.9)}
        table = table_of(tmp_path / str(third), make_ablation(rows, metrics=[MAP]), values)
        assert is_told == (note in table.source_notes)


def test_a_difference_that_cannot_be_is_not_said_to_be_found(tmp_path: Path):
    """A training that broke down makes its row too noisy for any difference; no percentage above 100 is printed."""
    values = {
        "depth 2": market(0.80, 0.81, 0.82),
        "depth 3": market(0.83, 0.84, 0.10),
        "depth 4": market(0.80, 0.812, 0.81),
        "depth 5": market(0.90, 0.91, 0.921),
    }
    ablation = make_ablation([depth_row(depth) for depth in (2, 3, 4, 5)], metrics=[MAP])
    (note,) = [text for text in table_of(tmp_path, ablation, values).source_notes if "seeds find" in text]
    assert "to more than 100 (Market-1501)" in note


def test_the_smallest_difference_is_that_of_the_seeds_in_common(tmp_path: Path):
    """Rows of five seeds whose reference has three are compared over three, and find no more than three do."""
    values = {
        "depth 2": market(0.80, 0.813, 0.82),
        "depth 3": market(0.90, 0.912, 0.919, 0.92, 0.91),
        "depth 4": market(0.81, 0.802, 0.819, 0.82, 0.81),
    }
    ablation = make_ablation([depth_row(depth) for depth in (2, 3, 4)], metrics=[MAP])
    notes = table_of(tmp_path, ablation, values, seeds=5).source_notes
    assert ["3 seeds find"] == [note[:12] for note in notes if "seeds find" in note]


@pytest.mark.slow
def test_the_test_is_named_that_was_made(tmp_path: Path):
    """While two of three rows are measured nothing is learnt from others, and it is a paired t-test."""
    ablation = make_ablation([depth_row(depth) for depth in (2, 3, 4)], metrics=[MAP])
    values = {"depth 2": market(0.80, 0.81, 0.82), "depth 3": market(0.90, 0.912, 0.919)}
    third = {"depth 4": market(0.84, 0.80, 0.82)}
    for measured, how in (
        (values, "paired t over the seeds"),
        (values | third, "moderated t over the seeds"),
    ):
        table = table_of(tmp_path / how[:6], ablation, measured)
        assert any(note.startswith(f"†: differs with p < 0.05 ({how}") for note in table.source_notes)


def test_rows_are_compared_over_the_seeds_that_both_have(tmp_path: Path):
    """A row of three of five seeds is compared over those three, and nothing is said of one of two."""
    values = {
        "depth 2": market(0.80, 0.81, 0.82, 0.815, 0.805),
        "depth 3": market(0.90, 0.912, 0.919),
        "depth 4": market(0.7, 0.71),
    }
    ablation = make_ablation([depth_row(depth) for depth in (2, 3, 4)], metrics=[MAP])
    table = table_of(tmp_path, ablation, values, seeds=5)
    three, two = (table.rows[place].cells[0].compared for place in (1, 2))
    assert three is not None
    assert (3, True) == (three.comparison.num_seeds, three.is_marked)
    assert two is None
    assert "1 further comparison has fewer than 3 seeds in common so far." in table.source_notes


def test_a_constant_difference_is_evidence(tmp_path: Path):
    """Five seeds that all move by the same are the surest difference there is."""
    first = (0.80, 0.81, 0.82, 0.815, 0.805)
    values = {"depth 2": market(*first), "depth 3": market(*(value + 0.01 for value in first))}
    ablation = make_ablation([depth_row(2), depth_row(3)], metrics=[MAP])
    assert ["81.0 ± 0.8", "82.0 ± 0.8†"] == printed(table_of(tmp_path, ablation, values, seeds=5))


def test_rows_that_print_alike_are_not_marked(tmp_path: Path):
    """A difference that no reader can see bears no mark, however sure it is."""
    values = {"depth 2": market(0.801, 0.811, 0.821), "depth 3": market(0.8012, 0.81121, 0.82119)}
    table = table_of(tmp_path, make_ablation([depth_row(2), depth_row(3)], metrics=[MAP]), values)
    cell = table.rows[1].cells[0]
    assert cell.compared is not None
    assert cell.compared.is_marked
    assert ["81.1 ± 1.0", "81.1 ± 1.0"] == printed(table)
    note = "1 row differs with p < 0.05 (paired t over the seeds) by less than is printed, and has no sign."
    assert note in table.source_notes
    assert not any(note.startswith("†") for note in table.source_notes)


def test_without_the_base_nothing_is_compared(tmp_path: Path):
    """A table in which no row is the base has no reference; a note says how to name one."""
    values = {"depth 3": market(0.80, 0.81, 0.82), "depth 4": market(0.90, 0.912, 0.919)}
    table = table_of(tmp_path, make_ablation([depth_row(3), depth_row(4)], metrics=[MAP]), values)
    assert [None, None] == [row.cells[0].compared for row in table.rows]
    note = "Nothing was tested: no row is the base of the others; Ablation(reference=…) names one."
    assert note in table.source_notes


def test_nothing_is_said_of_tests_that_nobody_expects(tmp_path: Path):
    """One seed cannot be tested, and a single row has nothing to be compared with."""
    for rows, seeds in (([depth_row(3), depth_row(4)], 1), ([depth_row(3)], 3)):
        table = table_of(tmp_path / str(seeds), make_ablation(rows, metrics=[MAP]), {}, seeds=seeds)
        assert not any("tested" in note for note in table.source_notes)


def test_differences_stand_in_a_column_on_demand(tmp_path: Path):
    """Each with the interval of this difference alone, behind its value; the reference row has none."""
    rows = [depth_row(2), depth_row(3)]
    values = {"depth 2": market(0.80, 0.81, 0.82), "depth 3": market(0.82, 0.84, 0.86)}
    plain = table_of(tmp_path / "plain", make_ablation(rows, metrics=[MAP]), values)
    shown = table_of(tmp_path / "shown", make_ablation(rows, metrics=[MAP], shows_difference=True), values)
    assert (1, 2) == (plain.num_printed, shown.num_printed)
    assert shown == plain.with_differences() == shown.with_differences()
    # Differences 2, 3, 4: t with two degrees of freedom is 4.303, its half width 4.303 / sqrt 3 = 2.48.
    assert ["", "+3.0 [+0.5, +5.5]"] == [compared_text(row.cells[0], MAP) for row in shown.rows]


def test_published_stands_beside_reproduced_only_where_there_is_any(tmp_path: Path):
    """Market-1501 has a paper column, with a blank; DukeMTMC-reID has none."""
    rows = [depth_row(2, published={"Market-1501": {"map": 0.83}}, source="Table VI, row 1"), depth_row(3)]
    ablation = make_ablation(rows, metrics=[MAP], datasets=[MARKET, DUKE])
    table = table_of(tmp_path, ablation, {"depth 2": market(0.82)}, seeds=1)
    assert [True, False] == [column.has_published for column in table.columns]
    assert [(0, 2), (2, 1)] == [(spanner.start, spanner.num_printed) for spanner in table.spanners]
    assert [0.83, None] == [row.cells[0].published for row in table.rows]
    assert table.rows[0].cells[0].difference == pytest.approx(-0.01)
    assert any("Doe et al., 2026, Table VI, row 1." in note for note in table.source_notes)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((0.82, 0.83, 0.84), "83.5 (−0.5✓)"),
        ((0.82, 0.821, 0.822), "83.5 (−1.4✗)"),
        ((0.85, 0.851, 0.852), "83.5 (+1.6✗)"),
        ((0.834, 0.8355, 0.8357), "83.5 (±0.0✓)"),
        # Mean 83.0, deviation 0.1: the mean's interval ends at 83.25, that of one more run at 83.497.
        ((0.829, 0.83, 0.831), "83.5 (−0.5✓)"),
        # Without spread only rounding is left: 83.5 may have been 83.46, and not 83.44.
        ((0.8346, 0.8346, 0.8346), "83.5 (±0.0✓)"),
        ((0.8344, 0.8344, 0.8344), "83.5 (−0.1✗)"),
        ((0.829, 0.831), "83.5 (−0.5)"),
        ((0.82,), "83.5 (−1.5)"),
        ((), "83.5"),
    ],
)
def test_the_verdict_is_whether_the_papers_value_could_be_one_more_run(
    tmp_path: Path, values: tuple[float, ...], text: str
):
    """Three seeds decide; a cell that lacks one decides nothing, and no seed has no difference."""
    rows = [depth_row(2, published={"Market-1501": {"map": 0.835}}), depth_row(3)]
    table = table_of(tmp_path, make_ablation(rows, metrics=[MAP]), {"depth 2": market(*values)})
    assert text == published_text(table.rows[0].cells[0], MAP)
    signs = [note for note in table.source_notes if "no sign: fewer than 3 seeds, or not all" in note]
    assert (len(values) in (1, 2)) == bool(signs)


def test_two_seeds_are_too_few_for_a_verdict(tmp_path: Path):
    """A study of two seeds has differences from the paper, and no signs behind them."""
    rows = [depth_row(2, published={"Market-1501": {"map": 0.835}}), depth_row(3)]
    measured = {"depth 2": market(0.5, 0.501)}
    table = table_of(tmp_path, make_ablation(rows, metrics=[MAP]), measured, seeds=2)
    assert table.rows[0].cells[0].is_complete
    assert "83.5 (−33.5)" == published_text(table.rows[0].cells[0], MAP)


@pytest.mark.slow
@pytest.mark.parametrize("num_seeds", [3, 10])
def test_one_exact_reproduction_in_twenty_is_marked_outside(num_seeds: int):
    """Where the paper printed one more run of ours, 5 % are marked as different, however many seeds we have."""
    num_papers = 4000
    random = np.random.default_rng(0)
    runs = random.normal(0.8, 0.02, (num_papers, num_seeds + 1))
    verdicts: list[bool | None] = []
    for *ours, theirs in runs.tolist():
        seeds = [Seed(seed, ("id",), "done", value) for seed, value in enumerate(ours)]
        verdicts.append(build_cell(seeds, MAP, published=round(theirs, 3)).agrees_with_paper)
    assert {True, False} == set(verdicts)
    assert pytest.approx(0.05, abs=0.01) == verdicts.count(False) / num_papers


def test_a_value_read_elsewhere_names_who_quotes_it(tmp_path: Path):
    """What a leaderboard says of a paper is not said to be the paper's own table."""
    read = Printed({"Market-1501": {"map": 0.83}}, "Table 1", ("t1", "depth 2"), "a leaderboard")
    table = table_of(tmp_path, make_ablation([depth_row(2).as_printed(read)], metrics=[MAP]), {})
    note = "Columns headed “paper” repeat Doe et al., 2026, Table 1, as quoted in a leaderboard."
    assert any(found.startswith(note) for found in table.source_notes)


def test_another_methods_row_is_printed_and_not_measured(tmp_path: Path):
    """It has the paper's value alone; ranks, tests, completeness and trainings pass it by."""
    other = Row("other", is_trained=False, published={"Market-1501": {"map": 0.99}}, source="Table V")
    ablation = make_ablation([other, depth_row(2), depth_row(3)], metrics=[MAP])
    measured = {"depth 2": market(0.82, 0.83, 0.84), "depth 3": market(0.72, 0.731, 0.739)}
    table = table_of(tmp_path, ablation, measured)
    assert ["", "83.0 ± 1.0", "73.0 ± 1.0†"] == printed(table)
    assert ["99.0", "", ""] == [published_text(row.cells[0], MAP) for row in table.rows]
    assert [None, 1, None] == ranks(table)
    assert table.is_complete
    assert ["depth 2", "depth 3"] == [row.row for row in table.trainings()]


def test_another_methods_row_has_no_place_on_demo_data(tmp_path: Path):
    """Beside demo data only our own rows are shown."""
    other = Row("other", is_trained=False, published={"Market-1501": {"map": 0.99}}, source="Table V")
    demo = Dataset("Market-1501", {"data": "demo"})
    table = table_of(tmp_path, make_ablation([other, depth_row(2)], metrics=[MAP], datasets=[demo]), {})
    assert ["depth 2"] == [row.label for row in table.rows]


def test_a_printed_table_of_unread_values_says_so(tmp_path: Path):
    """Where a row of a paper is known and no value of it, a note says why nothing stands beside ours."""
    unread = Printed({}, "Table VI", ("t6", "row 1"))
    table = table_of(tmp_path, make_ablation([depth_row(2).as_printed(unread)], metrics=[MAP]), {})
    assert not table.columns[0].has_published
    assert "None of the values that Doe et al., 2026 prints could be read." in table.source_notes


def test_demo_data_is_named_and_never_set_beside_the_paper(tmp_path: Path):
    """The caption says that it is demo data; the paper's values are left out, and a note says so."""
    demo = Dataset("Market-1501", {"data": "demo"})
    rows = [depth_row(2, published={"Market-1501": {"map": 0.83}}, source="Table VI")]
    ablation = make_ablation(rows, metrics=[MAP], datasets=[demo])
    table = table_of(tmp_path, ablation, {"depth 2": market(0.82)}, seeds=1)
    assert DEMO_NOTICE in table.caption
    assert not table.columns[0].has_published
    assert table.rows[0].cells[0].published is None
    assert "The paper's values are left out under Market-1501: they are of other data." in table.source_notes


def test_published_values_of_a_data_set_that_the_demo_has_not_are_left_out_too(tmp_path: Path):
    """A row that carries the paper's values of Market-1501 says so beside demo pedestrians; another says nothing."""
    demo = Dataset("Demo pedestrians", {"data": "demo"})
    printed_in = Printed({"Market-1501": {"map": 0.83}}, "Table 5", ("t5", "depth 2"))
    note = "The paper's values are left out under Demo pedestrians: they are of other data."
    for row, is_told in ((depth_row(2).as_printed(printed_in), True), (depth_row(2), False)):
        ablation = make_ablation([row], metrics=[MAP], datasets=[demo])
        table = table_of(tmp_path / str(is_told), ablation, {"depth 2": market(0.82)}, seeds=1)
        assert is_told == (note in table.source_notes)


def test_every_count_of_seeds_is_explained(tmp_path: Path):
    """Cells with one and with two of three seeds are explained together."""
    values = {"depth 2": market(0.8, 0.81), "depth 3": market(0.8)}
    table = table_of(tmp_path, make_ablation([depth_row(2), depth_row(3)], metrics=[MAP]), values)
    notes = [note for note in table.source_notes if "seeds are measured" in note]
    assert ["(1/3), (2/3): so many of the planned seeds are measured"] == [
        note.partition(";")[0] for note in notes
    ]


def test_best_is_of_our_values_beside_those_of_others(tmp_path: Path):
    """Where a printed rival may be better than what is bold, the note says that it takes no part."""
    other = Row("other", is_trained=False, published={"Market-1501": {"map": 0.99}}, source="Table V")
    ours = [depth_row(2), depth_row(3)]
    measured = {"depth 2": market(0.82, 0.83, 0.841), "depth 3": market(0.72, 0.73, 0.74)}
    for rows, is_told in (([other, *ours], True), (ours, False)):
        table = table_of(tmp_path / str(is_told), make_ablation(rows, metrics=[MAP]), measured)
        (note,) = [note for note in table.source_notes if note.startswith("Bold: ")]
        assert is_told == ("printed values take no part" in note)


def test_a_verdict_says_how_much_it_can_tell(tmp_path: Path):
    """How far off a value may be, and how many misses chance alone would make of the verdicts."""
    rows = [depth_row(2, published={"Market-1501": {"map": 0.835}}), depth_row(3)]
    table = table_of(tmp_path, make_ablation(rows, metrics=[MAP]), {"depth 2": market(0.829, 0.83, 0.831)})
    # 4.303 deviations of 0.1 · sqrt(1 + 1/3), and half a digit.
    note = "The paper's value may be 0.5 in mAP away from our mean and still be ✓. "
    (found,) = [text for text in table.source_notes if text.startswith(note)]
    assert "chance alone would make it ✗ in 4 of 100 cases" in found
    rows = [depth_row(depth, published={"Market-1501": {"map": 0.835}}) for depth in (2, 3)]
    values = {f"depth {depth}": market(0.829, 0.83, 0.831) for depth in (2, 3)}
    table = table_of(tmp_path / "two", make_ablation(rows, metrics=[MAP]), values)
    assert any("Were every one of these 2 values one more run of ours" in text for text in table.source_notes)


def test_warnings_of_the_data_are_source_notes(tmp_path: Path):
    """What differs from the published data set is said below the table."""

    def warn(config: Any) -> Any:
        facts = describe(config)
        return type(facts)(
            **{**vars(facts), "warnings": ("the query split has 3 images, published are 3368",)}
        )

    plan = plan_of(make_ablation([depth_row(2)]), describe_data=warn)
    notes = build(plan, Store(str(tmp_path))).source_notes
    assert "Market-1501: the query split has 3 images, published are 3368." in notes


@pytest.mark.parametrize(
    "other",
    [
        RetrievalView(query="multiple"),
        RetrievalView(distance="euclidean"),
        RetrievalView(flip=True),
        RetrievalView(split="val"),
        RetrievalView(reranking=Reranking()),
    ],
)
def test_protocols_are_not_mixed_in_a_column(other: RetrievalView):
    """Rows measured differently are refused when they are declared, and both are named."""
    with pytest.raises(ValueError, match="different protocols") as fault:
        make_ablation([depth_row(2), Row("the other", view=other)])
    assert "'depth 2'" in str(fault.value)
    assert "'the other'" in str(fault.value)


def test_embeddings_may_differ_in_a_column():
    """Comparing embeddings of one training is what a table is for."""
    table = make_ablation([depth_row(2), Row("hard", view=RetrievalView(embeddings=("hard",)))])
    assert ["depth 2", "hard"] == [row.label for row in table.printed_rows]


def test_a_group_stands_together(tmp_path: Path):
    """Rows of one group share a head, and equal labels in two groups stay apart."""
    rows = [
        Row("small", {"width": 4}, group="depth 2"),
        Row("small", {"width": 4, "depth": 3}, group="depth 3"),
        Row("large", {"width": 16, "depth": 3}, group="depth 3"),
    ]
    table = build(plan_of(make_ablation(rows)), Store(str(tmp_path)))
    assert [("depth 2", 1), ("depth 3", 2)] == [(group.label, len(group.rows)) for group in table.groups]
    first, second = table.groups[0].rows[0], table.groups[1].rows[0]
    assert first.cells[0].training_ids != second.cells[0].training_ids


def test_a_cell_knows_the_trainings_of_every_planned_seed(tmp_path: Path):
    """Training ids stand in the order of seeds, measured or not."""
    plan = plan_of(make_ablation([depth_row(2)], base=TinyConfig()), seeds=(7, 3))
    table = build(plan, Store(str(tmp_path)))
    by_seed = {cell.seed: cell.training_id for cell in plan.cells}
    assert (by_seed[3], by_seed[7]) == table.rows[0].cells[0].training_ids


def test_a_row_that_waits_for_its_search_is_a_hole_with_its_reason(tmp_path):
    """A search without a best yet does not look like a finished table."""
    search = Search(
        "width",
        "Width found",
        TinyConfig(),
        MARKET,
        {"width": IntRange(4, 16)},
        Objective(MAP, RetrievalView(split="val")),
        6,
        VIEW,
        [MAP],
    )
    study = Study("tiny", "A tiny study", "Doe et al., 2026", (0, 1), searches=[search])
    plan = make_plan([study], DataResolver(describe), {("tiny", "width"): SearchState(6, num_made=2)})
    store = Store(str(tmp_path))
    table = build_table(plan, "tiny", "width", read_cells(plan, store))
    (_, best) = table.rows
    assert ("best of the search", "missing", 2) == (best.label, best.cells[0].state, best.cells[0].n_expected)
    assert any(
        "“best of the search” cannot be trained yet: 2 of 6 trials made" in note
        for note in table.source_notes
    )
