"""A run in MLflow says every place where its training stands, and says it again where tables come and go."""

import dataclasses
import json
import shutil

import pytest

from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.identity import training_id
from tablewright.orchestrator.plans.place import Place, trial_place
from tablewright.orchestrator.plans.plan import make_plan
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.plans.training_places import training_places
from tablewright.orchestrator.projections.mlflow_names import MAX_TAG_LENGTH, number_names
from tablewright.orchestrator.projections.mlflow_page import mlflow_page
from tablewright.orchestrator.projections.mlflow_places import (
    NOTE_MARK,
    is_place_tag,
    place_note,
    place_tags,
    places_in,
    run_name,
)
from tablewright.orchestrator.projections.tracking import Tracker
from tablewright.orchestrator.run import describe_with
from tablewright.orchestrator.searches.search_state import SearchState
from tablewright.orchestrator.store.search_records import SearchTrialRecord, TrialPart
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.work import Work
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.value.freezing import EMPTY
from tests.orchestrator.toy_sweep import a_search
from tests.orchestrator.tracked_sweeps import PARTS, RATES, Sweeps, study, table
from tests.toy_method import ToyConfig

NAME, NOTE = "mlflow.runName", "mlflow.note.content"


def at(table, row, *, study="toy", profile="", dataset="Toy", seed=0, is_trial=False):
    return Place(is_trial, profile, study, table, row, dataset, seed)


# -- what is said of places ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "places"),
    [
        ("parts: full [Toy] seed 0", [at("parts", "full")]),
        ("parts: full · widths: 32 [Toy] seed 0", [at("parts", "full"), at("widths", "32")]),
        ("full in 2 tables [Toy] seed 0", [at("parts", "full"), at("widths", "full")]),
        ("a: 1 · b: 2 · c: 3 · 4 more [Toy] seed 0", [at("abcdefg"[i - 1], str(i)) for i in range(1, 8)]),
        (
            "toy/parts: full · two/parts: w/o [Toy] seed 0",
            [at("parts", "full"), at("parts", "w/o", study="two")],
        ),
        (
            "parts: full [Toy] seed 0 · [Toi] seed 0",
            [at("parts", "full"), at("parts", "full", dataset="Toi")],
        ),
        (
            "parts: full and 1 more · widths: 32 [Toy] seed 0",
            [at("parts", "full"), at("parts", "full, re-ranked"), at("widths", "32")],
        ),
        ("rate: trial 3 [Toy] seed 0", [at("rate", "trial 3", is_trial=True)]),
        ("parts: full [Toy] seed 0", [at("parts", "full"), at("rate", "trial 3", is_trial=True)]),
    ],
)
def test_a_run_is_named_after_all_places_of_its_training(expected, places):
    """Not after one table of several; a trial that is a cell too has the cell's name."""
    assert expected == run_name(places)


def test_each_table_has_a_tag_of_its_own_to_group_by():
    """Whatever else shares the training: the tag of a table holds its own rows, all that are this training."""
    places = [
        at("parts", "full"),
        at("parts", "full once more"),
        at("widths", "32", profile="demo"),
        at("rate", "trial 3", is_trial=True),
    ]
    tags = place_tags(places)
    assert "full · full once more" == tags["row.toy/parts"]
    assert "32" == tags["row.demo/toy/widths"]
    assert "trial 3" == tags["trial.toy/rate"]
    assert ("parts · widths", "rate") == (tags["tablewright.table"], tags["tablewright.search"])
    assert sorted(map(str, places)) == sorted(map(str, places_in(tags)))


def test_tags_and_descriptions_are_as_long_as_mlflow_takes():
    """A base that hundreds of tables share has no tag that a server refuses, and places that can be read back."""
    places = [at(f"table_{number}", f"“{'long label ' * 9}”") for number in range(300)]
    tags = place_tags(places)
    note = place_note(places, "1", "store", {"toy": "#/somewhere"})
    assert max(map(len, [note, *tags.values()])) <= MAX_TAG_LENGTH
    assert set(places_in(tags)) < set(places)
    assert note.count("\n") > 10


def test_no_secret_and_no_markup_of_a_label_reaches_a_description():
    """Labels are words: a bar ends no cell, a bracket begins no link, and a token is masked."""
    note = place_note([at("parts", "a|b [c](d) <script> s3://me:5ecret@host")], "1", "store", {})
    assert "5ecret" not in note
    assert r"a\|b \[c\](d) \<script\>" in note
    assert "5ecret" not in "".join(place_tags([at("parts", "s3://me:5ecret@host")]).values())


def test_what_somebody_wrote_into_a_places_tag_is_passed_over():
    """A tag that is no list of places costs nothing but itself."""
    tags = place_tags([at("parts", "full")])
    assert [at("parts", "full")] == places_in(
        {**tags, "tablewright.places.b": "[[1]]", "tablewright.places.c": "{"}
    )


def test_numbers_of_tables_have_names_that_mlflow_takes():
    """A slash in a label makes no path, dots alone no folder, and labels alike in letters stay apart."""
    numbers = {
        ("toy", "parts", row, "Toy", "map", statistic): value
        for row, value in (("w/o λ", 1.0), ("a+b", 2.0), ("a*b", 3.0), ("..", 4.0))
        for statistic in ("mean", "n")
    }
    assert {
        "parts/w_o λ/Toy/map": 1.0,
        "parts/w_o λ/Toy/map.n": 1.0,
        "parts/a_b/Toy/map": 2.0,
        "parts/a_b/Toy/map.n": 2.0,
        "parts/a_b/Toy/map 2": 3.0,
        "parts/a_b/Toy/map 2.n": 3.0,
        "parts/_/Toy/map": 4.0,
        "parts/_/Toy/map.n": 4.0,
    } == number_names(numbers)


def test_the_way_to_mlflow_tells_no_password():
    """The page in the store names the server, without who may enter; of a database the command that shows it."""
    of_server = mlflow_page("https://me:5ecret@host:5000/", "7", "id", "/runs").decode()
    assert "https://me@host:5000/#/experiments/7/runs?" in of_server
    assert "5ecret" not in of_server
    of_database = mlflow_page("postgresql://me:5ecret@host/db", "7", "id", "/runs").decode()
    assert "mlflow ui --backend-store-uri" in of_database
    assert "5ecret" not in of_database
    assert "sqlite:///mlflow.db" in mlflow_page("sqlite:////runs/mlflow.db", "7", "id", "/runs").decode()


# -- what stands where ---------------------------------------------------------------------------------


def plan_of(*studies, searches=EMPTY):
    return make_plan(studies, DataResolver(describe_with(Runtime(None, "/nowhere"))), searches)


def the_places(plan, *, is_final=True):
    places = training_places(plan, is_final=is_final)
    return places, {place.label: identity for identity, some in places.of.items() for place in some}


def test_members_of_an_ensemble_and_trials_of_a_search_are_places():
    """A training is told by whatever cell or trial it is a part of."""
    ensemble = Row("both", ensemble=[{"learning_rate": 0.1}, {"learning_rate": 0.2}])
    declared = study(table("parts", Row("full"), ensemble), searches=[a_search()])
    _, identities = the_places(plan_of(declared))
    assert identities["parts: full"] == identities["parts: both, member 1 of 2"]
    (first, second) = (identities[f"parts: {row}"] for row in ("full", "both, member 2 of 2"))
    parts = [
        TrialPart(dataset="Toy", seed=seed, training_id=identity)
        for seed, identity in enumerate((first, second))
    ]
    trials = (
        SearchTrialRecord(number=0, params={}, training_id=first, state="complete"),
        SearchTrialRecord(number=1, params={}, training_id=first, state="complete", parts=parts),
        SearchTrialRecord(number=2, params={}, training_id="", state="refused"),
    )
    places, _ = the_places(plan_of(declared, searches={("toy", "rate"): SearchState(6, trials=trials)}))
    shown = {(place.label, place.seed) for place in places.of[second]}
    assert {("parts: both, member 2 of 2", 0), ("rate: trial 1", 1)} == shown
    assert {"rate: trial 0", "rate: trial 1"} <= {place.label for place in places.of[first]}
    assert "" not in places.of


@pytest.mark.parametrize(
    ("is_decided", "place"),
    [
        (True, at("parts", "once")),
        (True, at("gone", "full")),
        (True, at("rate", "trial 9", is_trial=True)),
        (False, at("parts", "once", seed=7)),
        (False, at("parts", "once", dataset="Other")),
        (False, at("rates", "0.1")),
        (False, at("parts", "once", study="two")),
        (False, at("parts", "once", profile="demo")),
    ],
)
def test_a_plan_speaks_only_of_what_was_asked_for(is_decided, place):
    """Named tables, seeds and data sets leave the others as they are; so do other studies and profiles."""
    declared = study(PARTS, RATES).with_tables(["parts"])
    places, _ = the_places(plan_of(declared))
    assert is_decided == places.decides(place)
    assert not dataclasses.replace(places, is_final=False).decides(place)


# -- a store's runs, as tables come and go -------------------------------------------------------------


@pytest.fixture
def sweeps(tmp_path, new_database):
    (tmp_path / "runs").mkdir()
    shutil.copy(new_database, tmp_path / "runs/mlflow.db")
    return Sweeps(tmp_path, f"sqlite:///{tmp_path}/runs/mlflow.db")


@pytest.mark.slow
def test_runs_follow_the_tables_that_come_and_go(sweeps):
    """A table added later, of another study too, is told by the shared run; one that is gone is told no more."""
    sweeps(study(PARTS))
    assert {"parts: full [Toy] seed 0", "parts: w/o attention [Toy] seed 0"} == set(sweeps.runs())
    sweeps(study(PARTS, RATES))
    shared = sweeps.runs()["parts: full · rates: 0.1 [Toy] seed 0"]
    assert ("full", "0.1") == tuple(shared.data.tags[f"row.toy/{name}"] for name in ("parts", "rates"))
    assert ["toy/parts by row", "toy/rates by row"] == sweeps.views()
    sweeps(study(table("widths", Row("declared")), name="other"))
    name = "other/widths: declared · toy/parts: full · toy/rates: 0.1 [Toy] seed 0"
    assert "other · toy" == sweeps.runs()[name].data.tags["tablewright.study"]
    sweeps(study(RATES))
    runs = sweeps.runs()
    shared = runs["other/widths: declared · toy/rates: 0.1 [Toy] seed 0"]
    assert "row.toy/parts" not in shared.data.tags
    assert "parts" not in shared.data.tags[NOTE]
    assert not [tag for tag in runs["parts: w/o attention [Toy] seed 0"].data.tags if is_place_tag(tag)]
    assert ["other/widths by row", "toy/rates by row"] == sweeps.views()


@pytest.mark.slow
def test_what_a_person_has_changed_in_mlflow_stays(sweeps):
    """A name and a description that somebody gave; and a sweep that changes nothing writes nothing."""
    sweeps(study(PARTS))
    client, runs = sweeps.client, sweeps.runs()
    named, described = (runs[f"parts: {row} [Toy] seed 0"].info.run_id for row in ("full", "w/o attention"))
    client.update_run(named, name="my best")
    client.set_tag(described, NOTE, "diverged at first")
    sweeps(study(PARTS, RATES))
    assert "my best" == client.get_run(named).info.run_name
    assert "0.1" == client.get_run(named).data.tags["row.toy/rates"]
    assert "diverged at first" == client.get_run(described).data.tags[NOTE]
    before = (sweeps.folder / "runs/mlflow.db").read_bytes()
    assert 0 == sweeps(study(PARTS, RATES)).num_changed
    assert before == (sweeps.folder / "runs/mlflow.db").read_bytes()


@pytest.mark.slow
def test_runs_of_earlier_versions_are_named_and_tagged_by_the_next_sweep(sweeps):
    """Their names were those of the first table alone, and nothing said where else they stand."""
    sweeps(study(PARTS, RATES))
    client, before = sweeps.client, sweeps.runs()
    for run in before.values():
        for tag in [*filter(is_place_tag, run.data.tags), NOTE, "tablewright.name"]:
            client.delete_tag(run.info.run_id, tag)
        record = json.loads(
            (
                sweeps.folder / f"runs/trainings/{run.data.tags['tablewright.training_id']}/record.json"
            ).read_text()
        )
        client.update_run(run.info.run_id, name=record["label"])
    assert set(before) != set(sweeps.runs())
    sweeps(study(PARTS, RATES))
    after = sweeps.runs()
    assert {name: run.data.tags for name, run in before.items()} == {
        name: run.data.tags for name, run in after.items()
    }


@pytest.mark.slow
def test_a_suggestion_is_named_by_its_search_when_it_begins(sweeps):
    """No plan knows it yet; the study's profile is added."""
    config = ToyConfig(learning_rate=0.3)
    data = config.make_trainable().describe_data(config, None)
    shown = trial_place("toy", a_search(), 4)
    work = Work(training_id(config, data.fingerprint), config, data, {}, "rate: trial 4", "toy", trial=shown)
    store = Store(str(sweeps.folder / "runs"))
    tracker = Tracker(sweeps.uri, store)
    tracker.begin("toy", {})
    tracker.show(plan_of(dataclasses.replace(study(PARTS), profile=Profile.DEMO)))
    tracker.on_start(work)
    tracker.end(succeeded=False)
    assert "trial 4" == sweeps.runs()["rate: trial 4 [Toy] seed 0"].data.tags["trial.demo/toy/rate"]


@pytest.mark.slow
def test_a_sweeps_run_has_its_tables_numbers_and_ways(sweeps):
    """Mean, deviation and seeds of each cell, the experiment's kind, and a page in the store that leads there."""
    sweeps(study(RATES, seeds=(0, 1)), has_numbers=True)
    parent, experiment = sweeps.parent(), sweeps.experiment()
    names = [
        f"rates/{rate}/Toy/map{ending}" for rate in ("0.1", "0.2") for ending in ("", ".deviation", ".n")
    ]
    assert sorted(names) == sorted(parent.data.metrics)
    assert 2.0 == parent.data.metrics["rates/0.1/Toy/map.n"]
    assert "custom_model_development" == experiment.tags["mlflow.experimentKind"]
    assert parent.data.tags[NOTE].startswith(NOTE_MARK)
    assert f"/runs/{parent.info.run_id}/artifacts/tables/toy/rates.html" in parent.data.tags[NOTE]
    assert f"experiments/{experiment.experiment_id}/runs?" in (sweeps.folder / "runs/mlflow.html").read_text()
