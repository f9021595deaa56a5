"""Tables whose rows are all tuned: what each row is searched for, and that none is trained without."""

import dataclasses

import pytest

from tablewright.orchestrator.costs.cost import cost_sheet
from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.constraints import Less
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import LeaveOneOut, Row, Sweep
from tablewright.orchestrator.declared.pruners import Halving
from tablewright.orchestrator.declared.ranges import Choice, FloatRange, IntRange, When
from tablewright.orchestrator.declared.row_search import RowSearch
from tablewright.orchestrator.declared.samplers import Gp, Tpe
from tablewright.orchestrator.declared.study import Study, UntilDecided
from tablewright.orchestrator.plans.check import check_studies
from tablewright.orchestrator.plans.named_trainings import read_named
from tablewright.orchestrator.plans.plan import make_plan
from tablewright.orchestrator.plans.planning import plan_as_recorded
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.projections.mirror import mirror_to_optuna
from tablewright.orchestrator.run import distinct_searches
from tablewright.orchestrator.searches.search_identity import find_search_id
from tablewright.orchestrator.searches.search_source import SearchSource
from tablewright.orchestrator.searches.search_state import SearchState, read_search_state
from tablewright.orchestrator.store.search_records import SearchTrialRecord
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.retrieval.view import MAP, RetrievalView
from tablewright.trainables.value.refusal import Refusal
from tests.orchestrator.toy_sweep import TEST, StopAfter, ToySweep, a_search
from tests.toy_method import ToyConfig, ToyNetwork

FACTS = DatasetFacts("toyset", "Toyset", "f" * 64, True, {"train": 10})
RATE, ATTENTIONS, SIZE = "learning_rate", "network.attention.num_attentions", "network.embedding_size"
SPACE = {RATE: FloatRange(0.05, 0.45), ATTENTIONS: IntRange(1, 4)}
TOY = Dataset("Toy")
ROWS = [LeaveOneOut({"attention": {"network.attention": None}})]


def a_table(rows=ROWS, *, datasets=(TOY,), tuned=None, **changes):
    tuned = tuned or a_search(num_trials=3, space=SPACE, dataset=datasets[0])
    return Ablation("width", "Width", ToyConfig(), datasets, rows, TEST, [MAP], tuned=tuned, **changes)


def a_study(*tables, seeds=(0,), **changes):
    return Study("s", "S", "nowhere", seeds, tables or [a_table()], **changes)


def searches_of(rows, **changes):
    return {", ".join(search.rows): search for search in a_table(rows, **changes).row_searches}


def told(rows=ROWS, **changes):
    with pytest.raises(Refusal) as caught:
        a_table(rows, **changes)
    return str(caught.value)


@pytest.fixture
def sweep(tmp_path):
    return ToySweep(tmp_path)


# -- what a row is searched for


def test_a_component_that_is_off_is_not_searched():
    """The row without a component is searched for what is left of it, and knows what is not there."""
    without = searches_of(ROWS)["w/o attention"]
    assert ([RATE], (ATTENTIONS,), ()) == ([*without.space], without.absent, without.kept)


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({RATE: 0.3}, [RATE]),
        ({ATTENTIONS: 3}, [ATTENTIONS]),
        ({"network": ToyNetwork(attention={"num_attentions": 3})}, [ATTENTIONS]),
        ({"network": ToyNetwork(embedding_size=8)}, []),
        ({SIZE: 8}, []),
    ],
)
def test_a_row_keeps_what_it_sets_itself(changes, kept):
    """A swept value, or a component that brings another one, stays as it is printed and is not searched."""
    search = searches_of([Row("full"), Row("other", changes)])["other"]
    assert [*search.kept] == kept
    assert [path for path in SPACE if path not in kept] == [*search.space]


def test_a_condition_that_a_row_decides_is_decided_for_its_search():
    """Where the row sets what a range depends on, the range is searched always, or not at all."""
    space = {
        "epochs": Choice((2, 3)),
        RATE: FloatRange(0.05, 0.45),
        SIZE: When("epochs", (3,), IntRange(1, 8)),
    }
    rows = [Row("full"), Row("two", {"epochs": 2}), Row("three", {"epochs": 3})]
    found = searches_of(rows, tuned=a_search(space=space))
    assert isinstance(found["full"].space[SIZE], When)
    assert ([RATE], (SIZE,), ("epochs",)) == ([*found["two"].space], found["two"].absent, found["two"].kept)
    assert {RATE: space[RATE], SIZE: IntRange(1, 8)} == dict(found["three"].space)


def test_every_row_has_the_sampler_of_the_table():
    """Also where none is declared, and a row leaves no condition for whose sake the table's is another."""
    space = {
        "network.attention.guidance": Choice((True, False)),
        ATTENTIONS: When("network.attention.guidance", (True,), IntRange(1, 4)),
    }
    for searched, sampler in ((SPACE, Gp()), ({**SPACE, **space}, Tpe())):
        searches = searches_of(ROWS, tuned=a_search(num_trials=3, space=searched)).values()
        assert {sampler} == {search.chosen_sampler for search in searches}


def test_every_row_has_the_budget_of_the_table():
    """But for its base, its data set and its paths a row's search is the declared one."""
    pattern = a_search(num_trials=7, space=SPACE, pruner=Halving(first_epoch=1), sampler_seed=5)
    for search in a_table(tuned=pattern).row_searches:
        own = {"name", "base", "dataset", "space", "view", "metrics", "priority"}
        for field in dataclasses.fields(pattern):
            if field.name not in own:
                assert getattr(pattern, field.name) == getattr(search, field.name), field.name


def test_each_data_set_has_its_own_search_from_the_rows_config_there():
    """What a data set and a row change is where the row's search begins; the row has the last word."""
    datasets = [TOY, Dataset("Other Toy!", {RATE: 0.2, SIZE: 8})]
    table = a_table([Row("full"), Row("wide", {SIZE: 16})], datasets=datasets)
    found = {search.name: search.base for search in table.row_searches}
    assert ["width_1_toy", "width_1_other_toy", "width_2_toy", "width_2_other_toy"] == [*found]
    other = found["width_2_other_toy"]
    assert (0.2, 16) == (other.learning_rate, other.network.embedding_size)


def test_rows_of_one_training_are_tuned_once():
    """Rows that read one training in several views have one search together."""
    rows = [Row("all"), Row("attended", view=RetrievalView(split="test", embeddings=("attended",)))]
    (search,) = a_table(rows).row_searches
    assert ("all", "attended") == search.rows
    assert "width: tuning of “all”, “attended” [Toy]" == search.label


def test_trials_have_the_seed_of_the_search():
    """A search may have a seed of its own, which none of the table's trainings has."""
    (first, *_) = a_table(tuned=a_search(base=ToyConfig(seed=99), space=SPACE)).row_searches
    assert 99 == first.trial_config({}).seed


# -- what is refused


def test_a_row_that_leaves_nothing_to_search_is_refused():
    """No row stands untuned among tuned ones without a word: it is refused when the table is declared."""
    text = told([Row("full"), *Sweep(RATE, [0.2, 0.3]).rows()], tuned=a_search())
    assert "rows '0.2', '0.3': it sets every searched path itself (learning_rate)" in text
    assert "untuned among tuned rows" in text
    tuned = a_search(space={ATTENTIONS: IntRange(1, 4)})
    assert "row 'w/o attention': it has none of the searched paths" in told(tuned=tuned)


def test_an_ensemble_among_tuned_rows_is_refused():
    """It is not said whether members are tuned one by one or together."""
    members = [{SIZE: 4}, {SIZE: 8}]
    assert "row 'both': it is an ensemble" in told([Row("full"), Row("both", ensemble=members)])


@pytest.mark.parametrize(
    ("tuned", "text"),
    [
        (a_search(base=ToyConfig(epochs=2)), "its base is another config than the table's"),
        (a_search(dataset=Dataset("Else")), "its data set is none of the table's"),
        (a_search(num_trials=1), "one trial tunes nothing"),
    ],
)
def test_a_search_that_is_none_of_the_rows_is_refused(tuned, text):
    """The table's search begins where its rows begin, on data that the table has, and tries more than that."""
    assert text in told(tuned=tuned)


def test_a_row_whose_search_cannot_be_made_is_told():
    """What the search of one row is refused for is told with the row, when the table is declared."""
    datasets = [TOY, Dataset("Other", {RATE: 0.9})]
    text = told(datasets=datasets)
    assert "rows 'full', 'w/o attention': its search on 'Other'" in text
    assert "the declared 0.9 is the first trial, and lies outside" in text


def test_what_the_search_would_overwrite_in_a_row_is_refused():
    """A row that sets what search_changes sets would be tuned as another row."""
    tuned = a_search(space=SPACE, search_changes={"epochs": 2})
    assert "it sets epochs, and tuned.search_changes sets epochs" in told(
        [Row("a"), Row("b", {"epochs": 4})], tuned=tuned
    )


# -- what is planned


def plan_of(study, **states):
    resolver = DataResolver(lambda config: FACTS)
    return make_plan([study], resolver, {("s", name): state for name, state in states.items()})


FULL_FOUND = SearchState(3, 3, 3, is_finished=True, best={RATE: 0.2, ATTENTIONS: 3})


def test_a_row_is_planned_with_what_its_search_found():
    """Every seed of a row has the found parameters; what was not searched is as the row declares it."""
    best = {
        "width_1_toy": FULL_FOUND,
        "width_2_toy": SearchState(3, 3, 3, is_finished=True, best={RATE: 0.3}),
    }
    plan = plan_of(a_study(seeds=(0, 1)), **best)
    configs = [plan.trainings[cell.training_id].config for cell in plan.cells]
    assert [("full", 0), ("w/o attention", 0), ("full", 1), ("w/o attention", 1)] == [
        (cell.row, cell.seed) for cell in plan.cells
    ]
    assert [0.2, 0.3, 0.2, 0.3] == [config.learning_rate for config in configs]
    assert [3, None] == [it.network.attention and it.network.attention.num_attentions for it in configs[:2]]
    assert 0 == plan.num_waiting_cells


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (SearchState(3, 1), "its search: 1 of 3 trials made"),
        (
            SearchState(3, 3, failed_ids=("a" * 64,), is_finished=True),
            "its search: finished with 0 trials, 1 failed; none",
        ),
        (SearchState(3, fault="damaged"), "its search: refused: damaged"),
    ],
)
def test_a_row_without_a_best_is_a_hole_and_never_its_untuned_value(state, text):
    """While a search goes on, and for ever where it gave nothing, its row is not trained, and the others are."""
    plan = plan_of(a_study(seeds=(0, 1)), width_1_toy=FULL_FOUND, width_2_toy=state)
    assert ["full"] * 2 == [cell.row for cell in plan.cells]
    assert 2 == plan.num_waiting_cells
    (waiting,) = [row for row in plan.tuned["s", "width"].rows if row.waits_for]
    assert text in waiting.waits_for


def test_columns_and_tables_that_are_left_out_are_not_searched():
    """--datasets and STUDY/TABLE leave out the searches of what they leave out."""
    datasets = [TOY, Dataset("Other", {SIZE: 8})]
    plain = dataclasses.replace(a_table(), name="plain", tuned=None)
    study = a_study(a_table(datasets=datasets), plain)
    (cut,) = study.with_datasets(["Other"]).ablations
    assert ["width_1_other", "width_2_other"] == [search.name for search in cut.row_searches]
    whole = {search.name: search for search in study.all_searches}
    assert whole["width_2_other"] == cut.row_searches[1]
    assert () == study.with_tables(["plain"]).all_searches


def test_other_seeds_of_a_table_change_no_search():
    """--seeds changes what is trained after the searches, and not what they try."""
    study = a_study(seeds=(0, 1))
    assert study.all_searches == study.with_seeds([7]).all_searches


def test_searches_of_two_parts_of_a_study_have_two_names():
    """A table that is called as the search of another's row is told."""
    with pytest.raises(ValueError, match="'width_1_toy' is given twice"):
        a_study(a_table(), dataclasses.replace(a_table(), name="width_1_toy", tuned=None))


def test_what_is_compared_follows_from_the_declared_rows():
    """Tuning changes neither the reference of a table nor which rows are one."""
    assert a_table().contrasts == dataclasses.replace(a_table(), tuned=None).contrasts


def test_rows_come_in_the_order_of_their_priority():
    """A row's search has the row's priority, or that of the table's search, or that of the table."""
    rows = [Row("full"), Row("first", {SIZE: 8}, priority=5)]
    of = searches_of(rows, tuned=a_search(space=SPACE, priority=3), priority=1)
    assert [3, 5] == [search.priority for search in of.values()]
    assert [1, 5] == [search.priority for search in searches_of(rows, priority=1).values()]


# -- the same budget


def test_a_search_that_was_given_more_trials_elsewhere_gives_its_row_no_more_tries(tmp_path):
    """The best of a row is that of as many trials as every row has, though the store has more of its search."""
    store = ToySweep(tmp_path).store()
    resolver = DataResolver(lambda config: FACTS, store)
    (search, _) = a_table().row_searches
    longer = dataclasses.replace(search, num_trials=5)
    identity = find_search_id(longer, resolver, store)
    assert identity == find_search_id(search, resolver, store)
    for number, value in enumerate([0.1, 0.3, 0.2, 0.9, 0.8]):
        params = {RATE: 0.1 + number / 20, ATTENTIONS: 2}
        trained = resolver.resolve(search.trial_config(params)).training_id
        record = SearchTrialRecord(
            number=number,
            params=params,
            training_id=trained,
            state="complete",
            value=value,
            is_answered=number == 1,  # by what another row has trained, which is a try as any other
        )
        store.write_search_trial(identity, record)
    state = read_search_state(search, resolver, store)
    assert (3, True, 0.15) == (state.num_complete, state.is_finished, round(state.best[RATE], 6))


@pytest.mark.slow
def test_a_tuned_table_is_filled_search_by_search_and_then_seed_by_seed(sweep):
    """Stopped in a search and gone on with, every row is searched once, as often, and trained with what it found."""
    study = a_study(a_table(), dataclasses.replace(a_table(), name="again"), seeds=(0, 1))
    result, first = sweep(study, backend=StopAfter(5))
    assert not result.is_complete
    assert 8 == result.plan.num_waiting_cells
    result, second = sweep(study)
    assert result.is_complete
    searched = [work.training_id for work in (*first.started, *second.started) if ": trial " in work.label]
    assert 6 == len({*searched}), "the same row of two tables is one search"
    for _, search, state in result.plan.searched():
        assert (3, True) == (state.num_made, state.is_finished), search.label
    plan = plan_as_recorded([study], sweep.store(), Runtime(None, str(sweep.folder / "cache")))
    assert plan.cells == result.plan.cells
    _, third = sweep(study)
    assert [] == third.started
    # Whatever else reads searches reads those of rows.
    runtime = Runtime(None, str(sweep.folder / "cache"))
    named = read_named([[study]], sweep.store(), runtime)
    assert (2, set()) == (len(named.search_ids), set(sweep.store().training_ids()) - named.training_ids)
    costs = cost_sheet(result.plan, sweep.store())
    assert {"tuning of “full” [Toy]", "full"} <= {row for rows in costs.by_rows for _, _, row in rows}
    url = f"sqlite:///{sweep.folder}/mirrored.db"
    text = mirror_to_optuna(url, sweep.store(), plan, runtime).text
    assert "10 trials written" in text, "six suggestions, and the four trainings of the rows"
    labels = [checked.label for checked in check_studies([study], runtime)]
    assert "s/width: full [Toy]" in labels


@pytest.mark.slow
def test_seeds_are_added_to_tuned_rows_as_to_others(tmp_path):
    """A study of UntilDecided gives its tuned rows further seeds, of the found config."""

    def one_more(plan, store):
        return {(cell.study, cell.table, cell.row, cell.dataset): 4 for cell in plan.cells}

    tuned = a_search(num_trials=2, base=ToyConfig(epochs=1), space=SPACE)
    table = dataclasses.replace(a_table(), base=tuned.base, tuned=tuned)
    study = a_study(table, seeds=UntilDecided(first=3, most=4))
    result, _ = ToySweep(tmp_path, one_more)(study)
    assert result.is_complete
    rates = [result.plan.trainings[cell.training_id].config.learning_rate for cell in result.plan.cells]
    found = [state.best[RATE] for _, _, state in result.plan.searched()]
    assert found * 4 == rates


def test_a_search_of_a_row_goes_on_from_the_store(tmp_path):
    """What a row's search has suggested is known to the next sweep, by the same id."""
    store, resolver = ToySweep(tmp_path).store(), DataResolver(lambda config: FACTS)
    (search, _) = a_table().row_searches
    assert isinstance(search, RowSearch)
    source = SearchSource("s", search, resolver, store, max_open=lambda: 1)
    assert "width: tuning of “full” [Toy]: trial 0" == source.next_work().label
    (again, _) = a_table().row_searches
    (trial,) = SearchSource("s", again, resolver, store, max_open=lambda: 1).trials
    assert {RATE: 0.1, ATTENTIONS: 2} == trial.params


def test_what_is_kept_together_is_kept_in_a_row_as_far_as_it_is_searched_there():
    """A constraint of paths that a row sets holds with its values; one of nothing that is searched is left out."""
    both, alone = Less(ATTENTIONS, 6), Less(RATE, 0.4)
    found = searches_of(
        [*ROWS, Row("slow", {RATE: 0.3})],
        tuned=a_search(space=SPACE, constraints=[both, alone], num_trials=3),
    )
    assert [(both, alone), (alone,), (both,)] == [search.constraints for search in found.values()]


def test_of_searches_that_are_one_the_one_that_asks_for_most_is_run(tmp_path):
    """A declared search and a row's may be one in the store; whichever is not finished goes on."""
    table = a_table()
    (row, _) = table.row_searches
    declared = dataclasses.replace(table.tuned, num_trials=5)
    study = a_study(table, searches=[declared])
    resolver, store = DataResolver(lambda config: FACTS), ToySweep(tmp_path).store()
    assert find_search_id(declared, resolver, store) == find_search_id(row, resolver, store)
    chosen = [search.name for _, search in distinct_searches(make_plan([study], resolver), resolver, store)]
    assert ["rate", "width_2_toy"] == chosen
    finished = {("s", "rate"): SearchState(5, 5, 5, is_finished=True, best={RATE: 0.1, ATTENTIONS: 2})}
    chosen = [
        search.name
        for _, search in distinct_searches(make_plan([study], resolver, finished), resolver, store)
    ]
    assert ["width_1_toy", "width_2_toy"] == chosen
