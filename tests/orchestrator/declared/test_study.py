"""Declarations: every fault is found when a study is built, and all faults are told at once."""

import copy
import itertools
import pickle
from dataclasses import replace

import numpy as np
import pytest

from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Contrast, LeaveOneOut, Row, Sweep
from tablewright.orchestrator.declared.published import Printed
from tablewright.orchestrator.declared.ranges import Choice, FloatRange, IntRange, When
from tablewright.orchestrator.declared.samplers import Gp
from tablewright.orchestrator.declared.search import Objective, is_searched
from tablewright.orchestrator.declared.search_table import search_table
from tablewright.orchestrator.declared.size_table import SizeRow, SizeTable
from tablewright.orchestrator.declared.study import Study, UntilDecided
from tablewright.trainables.classification.view import TOP1
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.retrieval.view import MAP, Reranking, RetrievalView
from tests.orchestrator.small_declarations import RATE, TEST, VAL, M, search, study, table
from tests.toy_method import ToyConfig, ToyNetwork


def contains_itself():
    """Give a list that stands in itself."""
    items = []
    items.append(items)
    return items


class Careless:
    """A design of one's own that gives what it was given, and no rows."""

    def __init__(self, given):
        self.given = given

    def rows(self):
        return self.given


def test_two_rows_with_one_label_are_refused():
    """A label names one row of its group."""
    with pytest.raises(ValueError, match="row label 'a' is given twice"):
        table([Row("a"), Row("a", {M: 4})])


def test_a_view_of_an_absent_embedding_is_refused():
    """A row that removes an embedding cannot be measured by it."""
    with pytest.raises(ValueError, match="offers no embedding 'attended'"):
        table([Row("off", {"network.attention": None})], view=RetrievalView(embeddings=("attended",)))


def test_published_values_must_be_fractions_of_this_tables_cells():
    """Percent, an unknown data set and an unknown metric are refused, all at once."""
    rows = [Row("a", published={"Toy": {"map": 94.2, "speed": 0.1}, "Elsewhere": {"map": 0.5}})]
    with pytest.raises(ValueError, match=r"(?s)not a fraction.*no metric.*Elsewhere"):
        table(rows)


def test_a_row_carries_what_a_paper_printed_for_it():
    """Values, source and the printed row's id; the row's label stands in the source where ours is another."""
    found = Printed({"Toy": {"map": 0.5}}, "Table 2", ("t2", "a"))
    same, other = Row("a").as_printed(found), Row("b", {M: 4}).as_printed(found)
    quoted = Row("b").as_printed(replace(found, quoted_in="a leaderboard"))
    assert "Table 2, row “a”, as quoted in a leaderboard" == quoted.source
    assert ({"Toy": {"map": 0.5}}, ("t2", "a")) == (same.published, same.printed_in)
    assert ["Table 2", "Table 2, row “a”"] == [same.source, other.source]
    assert [same, other] == list(table([same, other]).printed_rows)


def test_another_methods_row_is_never_trained():
    """It is printed, and has nothing that would be trained or measured."""
    other = Row("other", is_trained=False)
    assert ["ours"] == [row.label for row in table([other, Row("ours")]).trained_rows]
    with pytest.raises(ValueError, match="at least one trained row"):
        table([other])
    with pytest.raises(ValueError, match="no changes, no ensemble and no view"):
        table([Row("other", {M: 4}, is_trained=False), Row("ours")])


def test_a_metric_that_the_view_does_not_give_is_refused():
    """A retrieval view has no top-1."""
    with pytest.raises(ValueError, match="no metric 'top1'"):
        table([Row("a")], metrics=[Metric("top1", "Top-1")])


def test_an_objective_on_test_is_refused():
    """A search may only see `val`."""
    with pytest.raises(ValueError, match="may only see 'val'"):
        Objective(MAP, TEST)


def test_a_range_that_names_no_field_is_refused():
    """A misspelt path in a search space is found when it is declared."""
    with pytest.raises(ValueError, match="did you mean learning_rate"):
        search(space={"learning_rte": FloatRange(0, 1)})


def test_a_declared_value_outside_its_range_is_refused():
    """The declared config is the first trial, so it must lie in the space."""
    with pytest.raises(ValueError, match="lies outside"):
        search(space={"learning_rate": FloatRange(0.5, 1)})


def test_a_conditional_range_must_name_a_searched_path():
    """A condition on a path that is not searched could never change."""
    with pytest.raises(ValueError, match="not in the space"):
        search(space={M: When("network.attention.guidance", (True,), IntRange(2, 8))})


def test_a_conditional_range_leaves_the_first_trial_where_it_does_not_hold():
    """The declared params hold only what is searched for them."""
    guidance = "network.attention.guidance"
    space = {guidance: Choice((True, False)), M: When(guidance, (False,), IntRange(2, 8))}
    assert {guidance: True} == search(space=space).declared_params()


def test_a_study_tells_all_its_faults():
    """No seed, nothing to fill and a bad name are told together."""
    with pytest.raises(ValueError, match=r"(?s)file name.*at least one seed.*needs a table"):
        Study("Bad Name", "t", "s", ())


def test_a_row_may_not_set_the_seed():
    """Every row has the study's seeds; one that set its own would silently be trained with those."""
    with pytest.raises(ValueError, match="it sets seed to 4"):
        table([Row("four", {"seed": 4})])
    with pytest.raises(ValueError, match="it sets seed to 5"):
        table([Row("both", ensemble=[{"seed": 5}, {"learning_rate": 0.2}])])


def test_a_base_may_not_set_a_seed_that_no_row_has():
    """It would be replaced without a word; a search's base says which seed its trials have."""
    of_base = table(base=ToyConfig(seed=3))
    with pytest.raises(
        ValueError, match=r"ablation 't': its base sets seed to 3, but every row is trained with the st"
    ):
        study(ablations=[of_base])
    assert (4,) == study(ablations=[of_base], seeds=(2, 3)).with_seeds([4]).seeds
    declared = search(base=ToyConfig(seed=3))
    assert 3 == declared.trial_config({}).seed
    assert 0 == search_table(declared, None, 0, "it has not begun").base.seed


def test_a_table_without_metrics_is_refused():
    """There would be no column to fill."""
    with pytest.raises(ValueError, match="at least one metric"):
        table([Row("a")], metrics=[])


def test_a_study_is_cut_to_the_data_sets_that_are_asked():
    """Columns, and the tables and searches without any left, go; nothing else changes."""
    here, there = Dataset("Here"), Dataset("There", {"learning_rate": 0.2})
    row = Row("a", published={"Here": {"map": 0.5}, "There": {"map": 0.6}})
    both = table([row, Sweep(M, (4, 8))], datasets=[here, there], name="both")
    whole = Study("s", "S", "mine", (0,), [both, table([Row("a")], datasets=[there], name="there")])
    assert ("Here", "There") == whole.dataset_labels
    cut = whole.with_datasets(["Here"])
    assert ["both"] == [ablation.name for ablation in cut.ablations]
    assert ("there",) == cut.left_out
    assert ["Here"] == [dataset.label for dataset in cut.ablations[0].datasets]
    assert {"Here": {"map": 0.5}} == cut.ablations[0].printed_rows[0].published
    assert [row.label for row in both.printed_rows] == [row.label for row in cut.ablations[0].printed_rows]
    assert whole.with_datasets(["Nowhere"]) is None


def test_a_table_that_is_cut_compares_what_its_designs_say():
    """A design of one's own whose rows lose the values of a data set still says what they are compared with."""

    class Steps:
        def rows(self):
            for size in (2, 4, 8):
                published = {"Here": {"map": 0.5}, "There": {"map": 0.6}}
                yield Row(f"{size}", {M: size}, published=published)

        def contrasts(self, rows, is_declared):
            return [Contrast.between(row, above) for above, row in itertools.pairwise(rows)]

    both = table([Steps()], datasets=[Dataset("Here"), Dataset("There", {"learning_rate": 0.2})])
    cut = both.with_datasets(["Here"])
    assert ["4 − 2", "8 − 4"] == [contrast.label for contrast in both.contrasts]
    assert both.contrasts == cut.contrasts


# -- declarations are values ---------------------------------------------------------------------


def test_what_the_caller_changes_afterwards_changes_nothing():
    """Mappings, lists, nested ones and generators are copied when a declaration is built."""
    inner, changes, members = {"num_attentions": 4}, {}, [{RATE: 0.1}, {RATE: 0.2}]
    changes |= {"network.attention": inner, "later": [1, [2]]}
    values = {"map": 0.5}
    row = Row("a", changes, ensemble=members, published={"Toy": values})
    before = pickle.dumps(row)
    inner["num_attentions"] = 8
    changes["later"][1].append(3)
    changes["seed"] = 1
    members[0][RATE] = 0.3
    members.append({})
    values["map"] = 0.9
    assert before == pickle.dumps(row)
    assert (1, (2,)) == row.changes["later"]
    assert {"Toy": {"map": 0.5}} == row.published


def test_nothing_in_a_declaration_can_be_changed():
    """Its mappings are read only, its sequences tuples, its fields and its configs frozen."""
    declared = study(seeds=[0, 1], ablations=[table([Row("a", {"network.embedding_size": 8})])])
    (ablation,), (row,) = declared.ablations, declared.ablations[0].rows
    assert (0, 1) == declared.seeds
    for change in (
        lambda: row.changes.__setitem__("seed", 1),
        lambda: row.changes.update(seed=1),
        lambda: setattr(row, "label", "b"),
        lambda: ablation.rows.append(row),
        lambda: ablation.datasets.__setitem__(0, None),
        lambda: setattr(ablation.base, "seed", 3),
        lambda: setattr(ablation.base.network, "embedding_size", 3),
        lambda: setattr(ablation.view, "split", "val"),
    ):
        with pytest.raises((AttributeError, TypeError, ValueError)):
            change()
    assert declared == study(seeds=(0, 1), ablations=(table([Row("a", {"network.embedding_size": 8})]),))


def test_generators_and_arrays_are_taken_as_lists():
    """What can be gone through once is not empty at the second look, and numpy's numbers are Python's."""
    rows = (Row(str(number), {"network.embedding_size": number}) for number in np.array([2, 4]))
    ablation = table(rows, metrics=iter([MAP]), datasets=(Dataset(name) for name in ("Toy",)))
    assert ["2", "4"] == [row.label for row in ablation.printed_rows]
    assert [int, int] == [type(row.changes["network.embedding_size"]) for row in ablation.printed_rows]
    assert (0.5, 1.0) == Sweep(RATE, np.linspace(0.5, 1, 2)).values
    assert [0, 1, 2] == [*study(seeds=np.arange(3)).seeds]


def test_equal_declarations_are_equal_and_survive_pickling():
    """A declaration can be compared, hashed, pickled, copied and given anew with another field."""
    declared = study(searches=[search(search_changes={"data_name": "other"})])
    again = study(searches=[search(search_changes={"data_name": "other"})])
    assert declared == again
    assert hash(declared) == hash(again)
    assert declared == pickle.loads(pickle.dumps(declared)) == copy.deepcopy(declared)
    assert ("b",) == tuple(row.label for row in replace(declared.ablations[0], rows=[Row("b")]).printed_rows)
    assert declared != replace(declared, seeds=[1])


def test_a_design_of_ones_own_is_asked_once():
    """What such a design says later changes no table."""

    class Growing:
        def __init__(self):
            self.sizes = [2]

        def rows(self):
            return [Row(f"{size}", {"network.embedding_size": size}) for size in self.sizes]

    design = Growing()
    ablation = table([design])
    design.sizes.append(4)
    assert ["2"] == [row.label for row in ablation.printed_rows]
    assert ["2"] == [row.label for row in ablation.with_datasets(["Toy"]).printed_rows]


# -- rows that are the same ----------------------------------------------------------------------

GLOBAL = RetrievalView(embeddings=("global",))
TWO_MEMBERS = [{RATE: 0.2}, {RATE: 0.3}]


@pytest.mark.parametrize(
    "rows",
    [
        [Row("a"), Row("b")],
        [Row("a"), Row("b", {RATE: 0.1})],
        [Row("a"), Row("b", {"network": ToyNetwork()})],
        [Row("a"), Row("b", view=TEST)],
        [Row("a", {RATE: 0.2}, view=GLOBAL), Row("b", {RATE: 0.2}, view=RetrievalView(embeddings=["global"]))],
        [Row("a", ensemble=TWO_MEMBERS), Row("b", ensemble=TWO_MEMBERS[::-1])],
        [Row("a", ensemble=[{RATE: 0.2}]), Row("b", {RATE: 0.2})],
        [Row("a"), Sweep(RATE, (0.1, 0.2))],
        [LeaveOneOut({"x": {RATE: 0.1}}, full_label="a")],
    ],
)  # fmt: skip
def test_two_rows_that_are_the_same_are_refused(rows):
    """The same training in the same view under two labels would be taken for two findings."""
    with pytest.raises(
        ValueError, match=r"rows 'a', '(b|0\.1|w/o x)': they are the same training in the same view"
    ):
        table(rows)


def test_rows_that_are_the_same_on_one_data_set_are_refused():
    """A column of equal cells is as misleading as a table of them."""
    datasets = [Dataset("Toy"), Dataset("Slow", {RATE: 0.2})]
    with pytest.raises(ValueError, match=r"rows 'a', 'b': .* under 'Slow'"):
        table([Row("a"), Row("b", {RATE: 0.2})], datasets=datasets)
    marked = table([Row("a"), Row("b", {RATE: 0.2}, repeats="a")], datasets=datasets)
    left = marked.with_datasets(["Toy"])
    assert [""] * 2 == [row.repeats for row in left.printed_rows]  # what is no longer true is no longer said


def test_a_row_may_repeat_another_on_purpose():
    """It says which one, its group in front, and either of the two may say so."""
    table([Row("a"), Row("b", repeats="a"), Row("c", repeats="a")])
    table([Row("a", group="g"), Row("a", group="h", repeats="g / a")])
    table([Row("declared", repeats="0.1"), Sweep(RATE, (0.1, 0.2))])
    table([Row("a"), Row("b", view=GLOBAL), Row("c", {RATE: 0.2}), Row("d", ensemble=TWO_MEMBERS)])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            Row("b", {RATE: 0.2}, repeats="a"),
            "row 'b': it says that it repeats 'a', but that is another training",
        ),
        (
            Row("b", view=GLOBAL, repeats="a"),
            "row 'b': it says that it repeats 'a', but that is another training",
        ),
        (Row("b", repeats="aa"), r"it repeats 'aa', which is no row; did you mean 'a'\? There are 'a', 'b'"),
        (Row("b", {RATE: 0.2}, repeats="b"), "it repeats 'b', which is itself"),
        (Row("b", repeats="z", waits_for="a search"), "it repeats 'z', which is no row"),
        (Row("b", is_trained=False, repeats="a"), "repeats none"),
    ],
)
def test_a_row_that_repeats_nothing_may_not_say_so(row, message):
    """The claim is checked as the rows are."""
    with pytest.raises(ValueError, match=message):
        table([Row("a"), row])


# -- faults --------------------------------------------------------------------------------------

NAN = float("nan")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        # names
        *(
            (lambda name=name: table(name=name), rf"name: '{name}' is the name of what is written beside")
            for name in ("index", "figures")
        ),
        *((lambda name=name: study(name=name), f"'{name}' is reserved by Windows") for name in ("con", "lpt1")),
        (lambda: study(name="all"), "'all' stands for every study"),
        (lambda: search(name="index"), "is the name of what is written beside"),
        (lambda: SizeTable("nul", "S", [SizeRow("a", None)]), "reserved by Windows"),
        (lambda: table(name="a" * 101), "of at most 100 characters; got 101"),
        (lambda: table(name="Margins"), "becomes a file name.*got 'Margins'"),
        (lambda: table(name="margins\n"), "becomes a file name"),
        (lambda: table(name="../margins"), "becomes a file name"),
        (lambda: table(name=""), "becomes a file name"),
        (lambda: table(name=3), "name: a string is needed; got 3"),
        # printed text
        (lambda: table(caption="a\nb"), "caption: .* is a line break"),
        (lambda: table(stub_head="\u2066"), "stub_head: .*LEFT-TO-RIGHT ISOLATE"),
        (lambda: study(title="a\0"), "title: .* a null character"),
        (lambda: Dataset("a\tb"), "label: .* is a tab"),
        (lambda: Dataset(""), "label: a label is printed"),
        (lambda: SizeRow("\u2028", None), "label: .*LINE SEPARATOR"),
        # types
        (lambda: table(rows=Row("a")), "rows: a list .* got a Row; put it into brackets"),
        (lambda: table(rows=[Row]), r"rows\[0\]: .*got the class Row, not one of it"),
        (lambda: table(rows=["a"]), r"rows\[0\]: a Row or a Design is needed; got 'a'"),
        (lambda: table(rows={"a": Row("a")}), "rows: a list .* got the dict"),
        (lambda: table(datasets="Toy"), "datasets: a list .* got 'Toy'"),
        (lambda: table(datasets=Dataset("Toy")), "datasets: .* put it into brackets"),
        (lambda: table(metrics=["map"]), r"metrics\[0\]: a Metric is needed; got 'map'"),
        (lambda: table(metrics=MAP), "metrics: .* put it into brackets"),
        (lambda: table(view=RetrievalView), r"view: .* got the class RetrievalView, not one of it"),
        (lambda: table(view="all"), "view: an EvaluationView is needed; got 'all'"),
        (lambda: table(base=ToyConfig), "base: a TrainingConfig is needed; got the class ToyConfig"),
        (lambda: table(base={"seed": 1}), "base: a TrainingConfig is needed; got the dict"),
        (lambda: study(ablations=table()), "ablations: .* put it into brackets"),
        (lambda: study(searches=[table()]), r"searches\[0\]: a Search is needed; got an Ablation"),
        (lambda: study(is_on_request="no"), "is_on_request: True or False is needed"),
        (lambda: SizeTable("sizes", "S", SizeRow("a", None)), "rows: .* put it into brackets"),
        (lambda: SizeRow("a", ToyConfig), "config: a TrainingConfig or None is needed; got the class"),
        (lambda: Objective("map", VAL), "metric: a Metric is needed; got 'map'"),
        (lambda: Objective(MAP, RetrievalView), "view: .*got the class"),
        (lambda: search(num_trials=2.5), "num_trials: a whole number of at least 1 is needed; got 2.5"),
        (lambda: search(num_trials=0), "num_trials: a whole number of at least 1 is needed; got 0"),
        (lambda: search(dataset="Toy"), r"dataset: a Dataset or a list \(each item a Dataset\) is needed; got 'Toy'"),
        (lambda: search(space={RATE: (0.1, 0.2)}), r"space\['learning_rate'\]: a FloatRange, .* got the tuple"),
        (lambda: search(space=[RATE]), "space: a mapping .* got the list"),
        # Literals
        (lambda: search(sampler="tpe"), r"a Nsga3 or None is needed; got 'tpe'; write Tpe\(…\)"),
        (lambda: search(sampler=Gp), "sampler: a Tpe.* got .*Gp"),
        (lambda: search(pruner="mean"), "pruner: a Halving, .* or None is needed; got 'mean'"),
        (lambda: search(pruner=False), "pruner: a Halving.* got False"),
        # seeds
        (lambda: study(seeds=(1, 1)), "seed '1' is given twice"),
        (lambda: study(seeds=(1, 1.0)), r"seeds\[1\]: a whole number .* got 1.0"),
        (lambda: study(seeds=(True,)), r"seeds\[0\]: a whole number .* got True"),
        (lambda: study(seeds=("1",)), r"seeds\[0\]: a whole number .* got '1'"),
        (lambda: study(seeds=(-1,)), "of at least 0 and below 4294967296 is needed; got -1"),
        (lambda: study(seeds=(2**32,)), "of at least 0 and below 4294967296 is needed; got 4294967296"),
        (lambda: study(seeds=3), r"seeds: a list \(.*\) or an UntilDecided is needed; got 3"),
        (lambda: study(seeds=()), "at least one seed"),
        (lambda: study().with_seeds([0, 0]), "seed '0' is given twice"),
        (lambda: search(sampler_seed=-1), "sampler_seed: .* got -1"),
        (lambda: search(sampler_seed=1.0), "sampler_seed: .* got 1.0"),
        (lambda: table(base=ToyConfig(seed=2**32)), "ToyConfig is refused:\n  - seed: .* got 4294967296"),
        (lambda: table(base=ToyConfig(seed=True)), "seed: .* got True"),
        (lambda: Dataset("Toy", {"seed": 3}), "changes: it sets seed to 3"),
        # numbers
        (lambda: SizeRow("a", None, {"flops": NAN}), r"published\['flops'\]: a finite number"),
        (lambda: SizeRow("a", None, {"flosp": 1}), "'flosp' is no metric of size; there are parameters"),
        (lambda: table(base=ToyConfig(learning_rate=NAN)), "learning_rate: a finite number is needed; got nan"),
        (lambda: table([Row("a", {"epochs": 8.0})]), "row 'a': epochs: a whole number is needed; got 8.0"),
        # tables
        (lambda: table(metrics=[MAP, MAP]), "metric 'map' is given twice"),
        (lambda: table(datasets=[Dataset("Toy"), Dataset("Toy")]), "data set label 'Toy' is given twice"),
        (lambda: table([]), "at least one trained row"),
        (lambda: table(datasets=[]), "at least one data set"),
        # what a reader cannot tell apart, or cannot see
        (lambda: table([Row("a b"), Row("a  b", {RATE: 0.3})]), "row labels 'a b', 'a  b' look the same in print"),
        (lambda: table([Row("é"), Row("e\u0301", {RATE: 0.3})]), r"row labels '\\xe9', 'e\\u0301' look the same"),
        (lambda: table(datasets=[Dataset("T"), Dataset("T ", {"epochs": 2})]), "data set labels 'T', 'T ' look"),
        (lambda: table(metrics=[MAP, Metric("rank1", "mAP")]), "metric label 'mAP' is given twice"),
        *((lambda sign=sign: Row(sign), "label: a label is printed") for sign in ("\u200d", "\u0301", "\ufe0f")),
        *(
            (lambda sign=sign: Row(f"a{sign}"), rf"sign 2 of .* is .*\(U\+{ord(sign):04X}\)")
            for sign in ("\u2800", "\u3164", "\ue000", "\uffff", "\ufdd0")
        ),
        (lambda: Row("a" * 201), "label: a label has at most 200 signs; got 201, "),
        # numbers and texts that nobody can keep
        (lambda: Row("a", {"x": 2**63}), r"changes\['x'\]: a whole number of at most 64 bits is needed"),
        (lambda: Row("a", {"x": 10**5000}), r"changes\['x'\]: .* got a whole number of more than 80 digits"),
        (lambda: FloatRange(0, 10**400), "high: a finite number is needed; got a whole number of more than 80 digits"),
        (lambda: IntRange(0, 2**54), "high: it lies within ±9007199254740992"),
        (lambda: Row("a", {"x": "\udcfc"}), r"changes\['x'\]: text that can be written as UTF-8 is needed"),
        (lambda: Row("a", {"x": contains_itself()}), "changes: it contains itself, or is nested more than 50 deep"),
        (lambda: ToyConfig(network=contains_itself()), "ToyConfig is refused:\n  - it contains itself"),
        (lambda: UntilDecided(most=10**9), "most: a whole number of at least 3 and at most 1000 is needed"),
        (lambda: Metric("a", "A", digits=1000), "digits: a whole number of at least 0 and at most 10 is needed"),
        (lambda: SizeRow("a", None, {"parameters": -3.0}), r"published\['parameters'\]: a size is 0 or above"),
        (lambda: Reranking(k1=0), "k1: a whole number of at least 1 is needed; got 0"),
        (lambda: Row("a", {"x": np.datetime64("NaT")}), r"changes\['x'\]: .* is needed; got a datetime64"),
        (lambda: Row("a", {"x": np.timedelta64(3, "ns")}), r"changes\['x'\]: .* is needed; got a timedelta64"),
        (lambda: Row("a", {"x": np.ma.array([1, 2], mask=[0, 1])}), r"changes\['x'\]: .* is needed; got a MaskedArray"),
        (lambda: Sweep(RATE, (0.1,), label="{value:9999999999}"), "label: a value is set to fewer than 100 signs"),
        (lambda: table([Careless(None)]), "rows: the rows\\(\\) of a design gives Rows, .*; got None"),
        (lambda: table([Careless(Row("a"))]), "rows: the rows\\(\\) of a design gives Rows, .*; got a Row"),
        # numbers under another's name
        (
            lambda: table(datasets=[Dataset("Market"), Dataset("Duke")]),
            r"datasets: 'Market' and 'Duke' come to the same config, .* say what differs: Dataset\('Duke', \{path",
        ),
        (lambda: table([Row("a"), Row("b", waits_for="x")], reference="b"), "reference: 'b' is no trained row"),
        (lambda: table(deviation={"map": 1.2}), r"deviation\['map'\]: that of a fraction is below 1; .*write 0\.012"),
        (lambda: study(sizes=[SizeTable("t", "S", [SizeRow("a", None)])]), "table name 't' is given twice"),
        (lambda: Objective(Metric("top1", "Top-1"), VAL), "the view gives no metric 'top1'"),
    ],
)  # fmt: skip
def test_a_fault_is_found_when_a_declaration_is_built(build, message):
    """Each kind of slip is told in our words, with its place, before anything is planned."""
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": {"seed": IntRange(0, 5)}}, "space: seed would make luck a part of what is found"),
        ({"space": {"network.seed": IntRange(0, 5)}}, "space: network.seed would make luck"),
        ({"search_changes": {"seed": 3}}, "search_changes: seed would make luck"),
        ({"space": {"epochs": FloatRange(1, 8)}}, "epochs = 1.0: a whole number .* an IntRange whole ones"),
        ({"space": {"network.attention.guidance": IntRange(0, 1)}}, "guidance = 0: True or False is needed; got 0"),
        ({"space": {"epochs": Choice((2, 2.5))}}, "epochs = 2.5: a whole number is needed"),
        ({"space": {"data_name": Choice(("toyset", 3))}}, "data_name = 3: a string is needed"),
        ({"space": {"epochs": Choice((2, 3)), M: When("epochs", (4,), IntRange(2, 8))}},
         r"searched when epochs is 4, which never is: Choice\(values=\(2, 3\)\) has no such value"),
        ({"space": {"epochs": IntRange(1, 5, 2), M: When("epochs", (3, 2), IntRange(2, 8))}},
         "searched when epochs is 2, which never is"),
        ({"space": {"epochs": IntRange(1, 5), M: When("epochs", ("3",), IntRange(2, 8))}},
         "searched when epochs is '3', which never is"),
        ({"space": {RATE: FloatRange(0.1, 0.5), M: When(RATE, (0.2,), IntRange(2, 8))}},
         "learning_rate is 0.2, which never is: a real number is never met again"),
        ({"space": {"epochs": Choice((2, 3)), M: When("epochs", (2,), IntRange(2, 8)),
                    RATE: When(M, (9,), FloatRange(0.1, 0.5))}},
         "learning_rate is searched when network.attention.num_attentions is 9, which never is"),
        ({"space": {M: When("epoch", (3,), IntRange(2, 8)), "epochs": IntRange(1, 4)}},
         r"depends on epoch, which is not in the space; did you mean 'epochs'\?"),
        ({"space": {M: When("epochs", (3,), IntRange(0, 8)), "epochs": IntRange(1, 4)},
          "base": ToyConfig(network=ToyNetwork(attention=None))}, r"network\.attention is off"),
        ({"metrics": [TOP1]}, "its table: .*the view gives no metric 'top1'"),
        ({"view": RetrievalView(embeddings=("nose",))}, "offers no embedding 'nose'"),
        ({"metrics": []}, "its table: a table needs at least one metric"),
        ({"search_changes": {RATE: 0.3}}, "search_changes: it sets learning_rate, which is searched"),
        ({"view": VAL}, "view: it uses split='val', on which the best was chosen; the table measures on 'test'"),
    ],
)  # fmt: skip
def test_a_search_that_could_not_be_made_is_refused(changes, message):
    """A range, a condition or a view that a config refuses is found before the first trial."""
    with pytest.raises(ValueError, match=message):
        search(**changes)


def test_kinds_of_strings_and_numbers_of_ones_own_become_pythons():
    """What is derived from a string may be changed; a string may not."""

    class Name(str):
        mutable = ""

    class Count(int):
        pass

    row = Row(Name("a"), {"x": Count(3), "y": (np.float64(0.5),)})
    assert [str, int, float] == [type(row.label), type(row.changes["x"]), type(row.changes["y"][0])]


def test_all_faults_of_a_table_are_told_with_table_row_and_path():
    """Rows of one fault share a line, and none hides another."""
    rows = [
        Row("a", {"learning_rte": 1, "epochs": 8.0}),
        Row("b", {"learning_rte": 2}),
        Row("c", {"seed": 1}),
    ]
    with pytest.raises(ValueError, match="Ablation 't' is refused") as caught:
        table(rows, metrics=[MAP, MAP], datasets=[Dataset("Toy"), Dataset("Toy")])
    text = str(caught.value)
    for told in (
        "rows 'a', 'b': learning_rte names no field of ToyConfig; did you mean learning_rate?",
        "row 'c': it sets seed to 1",
        "metric 'map' is given twice",
        "data set label 'Toy' is given twice",
    ):
        assert told in text


def test_a_condition_on_none_is_not_met_by_a_path_that_is_not_searched():
    """A range below a condition that does not hold has no value, which is not None."""
    space = {
        "epochs": Choice((2, 3)),
        "weights": When("epochs", (2,), Choice((None, "resnet50"))),
        M: When("weights", (None,), IntRange(2, 8)),
    }
    assert {"epochs": 3} == search(space=space).declared_params()
    assert is_searched(space[M], {"epochs": 2, "weights": None})
    assert not is_searched(space[M], {"epochs": 3})


def test_a_search_whose_best_is_the_declared_config_has_a_table():
    """The two rows are equal, and the second says so."""
    rows = search_table(search(), {RATE: 0.1}, 2, "").printed_rows
    assert ["", "declared"] == [row.repeats for row in rows]
    assert [""] * 2 == [row.repeats for row in search_table(search(), {RATE: 0.2}, 2, "").printed_rows]


def test_a_published_value_that_is_no_fraction_may_be_any_number():
    """A metric in another unit is not held to [0, 1]; one that is a fraction is, wherever it was read."""
    loss = Metric("map", "loss", is_fraction=False)
    assert table([Row("a", published={"Toy": {"map": 94.2}})], metrics=[loss])
    read = Row("a", published={"Toy": {"map": 94.2}, "Elsewhere": {"map": 94.2}}, printed_in=("t2", "a"))
    with pytest.raises(ValueError, match=r"published map 94\.2 is not a fraction"):
        table([read])


TOKEN = "ghp_declared5ecret0123456789"


@pytest.mark.parametrize(
    ("declare", "place"),
    [
        (lambda: table([Row("a", {"data_name": TOKEN})]), "data_name: a password or key"),
        (
            lambda: SizeTable("s", "S", [SizeRow("a", ToyConfig(data_name=TOKEN))]),
            "row 'a': data_name: a password",
        ),
        (
            lambda: search(space={"data_name": Choice(["toyset", TOKEN])}),
            "data_name = '…': a password or key",
        ),
        (lambda: table([Row(TOKEN)]), "a password or key"),
    ],
    ids=["row", "size", "search", "label"],
)
def test_a_secret_is_refused_wherever_it_is_declared(declare, place):
    """It would stand in ids, records, databases and tables; the message has it not."""
    with pytest.raises(ValueError, match="is refused") as caught:
        declare()
    assert place in str(caught.value)
    assert "5ecret" not in str(caught.value)


def test_more_seeds_follow_the_greatest_declared_one():
    """The same number of more seeds is the same seeds whenever it is asked for, and none is given twice."""
    assert (3, 10, 5, 11, 12) == study(seeds=(3, 10, 5)).with_more_seeds(2).seeds
    grown = study(seeds=UntilDecided(3, 10)).with_more_seeds(2).seeds
    assert UntilDecided(5, 12) == grown
    with pytest.raises(ValueError, match=r"seeds are below 4294967296, and 2 more would follow 4294967294"):
        study(seeds=(4294967294,)).with_more_seeds(2)
