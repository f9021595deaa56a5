"""A file that is not what it should be is named, with what it held and what to do; what does not need it goes on."""

import json
import pickle
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row, Sweep
from tablewright.orchestrator.declared.ranges import IntRange
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.identity import digest_of
from tablewright.orchestrator.plans.acceptance import accept_changed_defaults
from tablewright.orchestrator.plans.planning import is_complete, plan_as_recorded
from tablewright.orchestrator.plans.recorded_config import config_changes
from tablewright.orchestrator.searches.search_identity import find_search_id
from tablewright.orchestrator.status import read_status
from tablewright.orchestrator.store.accepted_change import AcceptedChange
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_folder import PNG
from tablewright.orchestrator.verify import verify_store
from tablewright.reports.ablation_table import build_table
from tablewright.reports.figures.figures import read_traces, table_figures
from tablewright.reports.frame import read_cells
from tablewright.reports.table_files import write_tables
from tablewright.trainables.contract.run import EpochReport, Runtime
from tablewright.trainables.retrieval.view import MAP, RANK1, RetrievalView
from tests.orchestrator.toy_sweep import ToySweep, a_search, a_study
from tests.toy_method import ToyConfig

RATES = [Sweep("learning_rate", (0.1, 0.2))]
RUNTIME = Runtime(None, "/cache")


SWEPT = {
    "rates": a_study(RATES),
    "searched": a_study(RATES, searches=[a_search(num_trials=3)]),
    "one": a_study([Row("plain")], base=ToyConfig()),
}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Sweep each of these studies once; gives the folder and the plan of each."""
    folders = {name: tmp_path_factory.mktemp(name) for name in SWEPT}
    return {name: (folder, ToySweep(folder)(SWEPT[name])[0].plan) for name, folder in folders.items()}


@pytest.fixture
def sweep(tmp_path, swept):
    sweep = ToySweep(tmp_path)
    sweep.swept = swept
    return sweep


def finished(sweep, name="rates"):
    """Copy what a sweep has left, and give the plan with the folders of its trainings in order."""
    folder, plan = sweep.swept[name]
    shutil.copytree(folder, sweep.folder.parent, dirs_exist_ok=True)
    return plan, [sweep.folder / "trainings" / identity for identity in plan.trainings]


def states(sweep, *studies):
    plan = plan_as_recorded(studies or (a_study(RATES),), sweep.store(), RUNTIME)
    return [status.state for status in read_status(plan, sweep.store())]


def edit(path, **changes):
    """Change a record by hand, its checksum left as it was."""
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, **changes}), encoding="utf-8")


def cut(path):
    path.write_bytes(path.read_bytes()[:30])


def replace_by_link(path):
    path.unlink()
    path.symlink_to("/nowhere/at/all")


def replace_by_folder(path):
    path.unlink()
    path.mkdir()


def first(folder):
    return sorted(folder.iterdir())[0]


DAMAGES = {
    "a record cut short": (lambda one, other: cut(one / "record.json"), "record.json is no JSON"),
    "a record edited by hand": (
        lambda one, other: edit(one / "record.json", attempts=7),
        "was changed after",
    ),
    "a record of another training": (
        lambda one, other: shutil.copy(other / "record.json", one / "record.json"),
        "belongs to training",
    ),
    "a record that is JSON of something else": (
        lambda one, other: (one / "record.json").write_text("[]", encoding="utf-8"),
        "is JSON of something else",
    ),
    "a record with a number that JSON has not": (
        lambda one, other: (one / "record.json").write_text('{"a": NaN, "sha256": ""}', encoding="utf-8"),
        "record.json",
    ),
    "a measurement cut short": (lambda one, other: cut(first(one / "measurements")), "measurements/"),
    "a measurement edited by hand": (
        lambda one, other: edit(first(one / "measurements"), metrics={"map": 1.0, "rank1": 1.0}),
        "was changed after",
    ),
    "a record without its checksum": (
        lambda one, other: edit(one / "record.json", sha256=None),
        "record.json has lost its checksum",
    ),
    "a record that is a link to nowhere": (
        lambda one, other: replace_by_link(one / "record.json"),
        "record.json is a link that leads nowhere",
    ),
    "a measurement that is a link to nowhere": (
        lambda one, other: replace_by_link(first(one / "measurements")),
        "is a link that leads nowhere",
    ),
    "a measurement that is a folder": (
        lambda one, other: replace_by_folder(first(one / "measurements")),
        "cannot be read (Is a directory)",
    ),
    "a measurement without its checksum": (
        lambda one, other: edit(first(one / "measurements"), sha256=None, metrics={"map": 1.0, "rank1": 1.0}),
        "has lost its checksum",
    ),
    "a measurement of another training": (
        lambda one, other: shutil.copy(first(other / "measurements"), first(one / "measurements")),
        "belongs to training",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named_and_the_other_trainings_stand(sweep, damage):
    """The one that needs it is refused by the file's name; the sweep goes on with the rest and ends incomplete."""
    spoil, phrase = DAMAGES[damage]
    _, (one, other) = finished(sweep)
    spoil(one, other)
    found = verify_store(sweep.store())
    assert any(phrase in fault and one.name in fault for fault in found.faults)
    result, events = sweep(a_study([*RATES, Row("new", {"learning_rate": 0.3})]))
    assert 1 == len(events.started)
    assert ["damaged", "done", "done"] == [s.state for s in result.statuses]
    assert not result.is_complete


@pytest.mark.slow
def test_what_was_copied_keeps_the_checksums_of_its_own_place(sweep):
    """Only ids tell a file that was copied from its neighbour; both are whole."""
    _, (one, other) = finished(sweep)
    shutil.copy(first(other / "measurements"), first(one / "measurements"))
    with pytest.raises(
        DamagedFile, match=r"It held the metrics of one view.*the next run measures the view again"
    ):
        sweep.store().training(one.name).measurement(first(one / "measurements").stem)


@pytest.mark.slow
def test_damaged_epochs_are_no_reason_to_refuse_a_training(sweep):
    """They hold a curve and no number of a table."""
    _, (one, _) = finished(sweep)
    cut(one / "epochs.parquet")
    assert ["done", "done"] == states(sweep)
    (fault,) = [fault for fault in verify_store(sweep.store()).faults if "no Parquet" in fault]
    assert "epochs.parquet" in fault
    assert "no number needs it" in fault


@pytest.mark.slow
def test_a_status_says_that_the_epochs_of_an_unfinished_training_are_damaged(sweep):
    """It goes on from its checkpoint all the same, and its curve begins there."""
    study = a_study([Row("x", {"fails_at_epoch": 2})])
    sweep(study)
    (path,) = sweep.folder.glob("trainings/*/epochs.parquet")
    cut(path)
    (status,) = read_status(plan_as_recorded((study,), sweep.store(), RUNTIME), sweep.store())
    (warning,) = status.warnings
    assert ("failed", 0) == (status.state, status.epoch)
    assert f"{path.parent.name}/epochs.parquet is no Parquet file" in warning


@pytest.mark.parametrize(
    ("column", "values", "fault"),
    [
        ("epoch", [1, 2**62], "has 4611686018427387904 in its column epoch"),
        ("epoch", [2, 2], "has epoch 2 after epoch 2"),
        ("num_epochs", [None, None], "has something else than numbers in its column num_epochs"),
        ("wall_s", ["x", "x"], "has something else than numbers in its column wall_s"),
        ("loss", [True, False], "has something else than numbers in its column loss"),
    ],
)
def test_epochs_that_are_none_are_told(tmp_path, column, values, fault):
    """No checksum says so before a training is finished; what is in them must be epochs all the same."""
    folder = Store(str(tmp_path)).training("a" * 64)
    folder.write_epochs([EpochReport(epoch, 2, {"loss": 0.5}, 0.1) for epoch in (1, 2)])
    assert [1, 2] == [report.epoch for report in folder.epochs()]
    path = tmp_path / f"trainings/{'a' * 64}/epochs.parquet"
    table = pq.read_table(path)
    place = table.column_names.index(column)
    pq.write_table(table.set_column(place, column, pa.array(values)), path)
    with pytest.raises(DamagedFile, match=fault):
        folder.epochs()


WAYS = {
    "link": replace_by_link,
    "folder": replace_by_folder,
    "cut short": lambda path: path.write_bytes(b"x"),
}
NO_NUMBER_NEEDS = ("epochs.parquet", "checkpoint/final.pt", "pictures/weight.png", "queries/*.parquet")


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NO_NUMBER_NEEDS)
def test_what_no_number_needs_stops_nothing_whatever_lies_in_its_place(sweep, name, way):
    """The table is written as it was; --verify names the file."""
    plan, (one, _) = finished(sweep)
    before = write_tables(plan, sweep.store(), writes=False).tables[0].table
    (path,) = one.glob(name)
    WAYS[way](path)
    result, events = sweep(a_study(RATES))
    assert (True, []) == (result.is_complete, events.started)
    written = write_tables(result.plan, sweep.store())
    assert before.groups == written.tables[0].table.groups
    assert any(path.name in fault for fault in verify_store(sweep.store()).faults)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["failure.json", "attempts/0001.json"])
def test_a_training_is_tried_again_whatever_is_left_of_earlier_tries(sweep, name, way):
    """Why and when it was tried before is no part of what it ends in; what cannot be read is said in its record."""
    _, events = sweep(a_study([Row("x", {"fails_at_epoch": 2})]))
    folder = sweep.folder / "trainings" / events.started[0].training_id
    WAYS[way](folder / name)
    assert any(name in fault for fault in verify_store(sweep.store()).faults)
    assert ["failed"] == states(sweep, a_study([Row("x", {"fails_at_epoch": 2})]))
    result, events = sweep(a_study([Row("x", {"fails_at_epoch": 2})]))
    assert (1, ["loss is nan at epoch 2"]) == (
        len(events.started),
        [status.message.partition(": ")[2] for status in result.statuses],
    )


@pytest.mark.slow
def test_further_views_are_not_measured_on_other_weights(sweep):
    """A view that is asked for later is refused where the weights are not those that were recorded."""
    _, (one, other) = finished(sweep)
    shutil.copy(other / "checkpoint/final.pt", one / "checkpoint/final.pt")
    flipped = Row("flipped", {"learning_rate": 0.1}, view=RetrievalView(embeddings=("global",)))
    result, _ = sweep(a_study([*RATES, flipped]))
    (status, _) = result.statuses
    assert "failed" == status.state
    assert f"{one.name}/checkpoint/final.pt is not the file that was recorded" in status.message


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_damaged_versions_of_a_store_stop_no_reading(sweep, way):
    """A sweep needs the store's id and is refused; records are read, and --verify names the file."""
    finished(sweep)
    WAYS[way](sweep.folder / "store.json")
    assert ["done", "done"] == states(sweep)
    assert "store.json" in sweep.store().fault
    (fault,) = verify_store(sweep.store()).faults
    assert "It held the store's versions and its own id" in fault
    with pytest.raises(DamagedFile, match=r"store\.json"):
        sweep(a_study(RATES))


@pytest.mark.slow
def test_a_store_without_its_versions_is_one_all_the_same(sweep):
    """Records are there, whatever else is not."""
    finished(sweep)
    (sweep.folder / "store.json").unlink()
    assert (True, "") == (sweep.store().is_there, sweep.store().fault)


@pytest.mark.slow
@pytest.mark.parametrize("data", [{"data": []}, {"of_config": {"a": 7}}, {"data": None}])
def test_what_a_study_knew_of_its_data_stops_no_reading(sweep, data):
    """A file that names what it does not hold is found out; the records tell the same."""
    finished(sweep)
    path = sweep.folder / "data/toy_study.json"
    content = {**json.loads(path.read_text(encoding="utf-8")), **data}
    content.pop("sha256")
    path.write_text(json.dumps({**content, "sha256": digest_of(content)}), encoding="utf-8")
    assert ["done", "done"] == states(sweep)
    (fault,) = verify_store(sweep.store()).faults
    assert "data/toy_study.json is no StudyData" in fault
    assert sweep(a_study(RATES))[0].is_complete


@pytest.mark.slow
def test_who_reads_a_store_is_told_of_a_damaged_note_on_its_data(sweep, caplog):
    """Trainings without a record are looked for under data that nothing says any more."""
    finished(sweep)
    cut(sweep.folder / "data/toy_study.json")
    states(sweep)
    assert "data/toy_study.json is no JSON" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("way", ["is not there", "is not the table that was recorded"])
def test_a_curve_that_is_lost_or_of_another_training_is_not_drawn(sweep, way):
    """What is drawn is what was recorded, or its place says why not."""
    plan, (one, other) = finished(sweep)
    (one / "epochs.parquet").unlink()
    if way != "is not there":
        shutil.copy(other / "epochs.parquet", one / "epochs.parquet")
    traces = read_traces(plan, sweep.store())
    assert way in traces[one.name].fault
    assert ({}, "") == (traces[one.name].curves, traces[other.name].fault)


@pytest.mark.slow
def test_a_newer_store_is_refused_whatever_else_it_says(sweep):
    """A file that this version does not know is no damaged one."""
    finished(sweep)
    edit(sweep.folder / "store.json", record_version=99, layout="new")
    with pytest.raises(ValueError, match="was written by a newer version of this program"):
        sweep.store()


@pytest.mark.slow
def test_weights_that_are_other_weights_are_found(sweep):
    """Further views would be measured on them."""
    _, (one, other) = finished(sweep)
    shutil.copy(other / "checkpoint/final.pt", one / "checkpoint/final.pt")
    (fault,) = verify_store(sweep.store()).faults
    assert f"{one.name}/checkpoint/final.pt is not the file that was recorded" in fault


OTHER_PICTURES = {
    "another training's": (shutil.copy, "is not the picture that was drawn (its checksum differs)"),
    "another bit": (
        lambda other, path: path.write_bytes(path.read_bytes() + b"x"),
        "is not the picture that",
    ),
    "nothing": (lambda other, path: path.unlink(), "is not there"),
}


@pytest.mark.slow
@pytest.mark.parametrize("way", OTHER_PICTURES)
def test_a_picture_that_is_another_one_is_found(sweep, way):
    """What stands beside a table is what its own network does."""
    plan, (one, other) = finished(sweep)
    change, word = OTHER_PICTURES[way]
    change(other / "pictures/weight.png", one / "pictures/weight.png")
    (fault,) = verify_store(sweep.store()).faults
    assert f"{one.name}/pictures/weight.png {word}" in fault
    if way != "nothing":
        store = sweep.store()
        frame = read_cells(plan, store)
        table = build_table(plan, "toy_study", "width", frame)
        (told,) = table_figures(plan, store, table, frame, read_traces(plan, store)).warnings
        assert word in told


@pytest.mark.slow
def test_pictures_that_are_drawn_after_the_record_have_their_checksums(sweep):
    """They are those of the last drawing; where these are damaged, nobody can say whose pictures they are."""
    _, (one, _) = finished(sweep)
    folder = sweep.store().training(one.name)
    folder.write_pictures({"weight": PNG + b"drawn again"})
    assert (PNG + b"drawn again", ()) == (folder.picture("weight"), verify_store(sweep.store()).faults)
    cut(one / "pictures/checksums.json")
    (fault,) = verify_store(sweep.store()).faults
    assert "pictures/checksums.json is no JSON" in fault


@pytest.mark.slow
def test_pictures_that_are_older_than_checksums_are_shown(sweep):
    """Of them nobody can say more than that they are PNGs."""
    _, (one, _) = finished(sweep)
    content = json.loads((one / "record.json").read_text(encoding="utf-8"))
    del content["files"]["pictures/weight.png"], content["sha256"]
    (one / "record.json").write_text(json.dumps({**content, "sha256": digest_of(content)}), encoding="utf-8")
    (one / "pictures/weight.png").write_bytes(PNG + b"older")
    assert () == verify_store(sweep.store()).faults
    assert PNG + b"older" == sweep.store().training(one.name).picture("weight")


@pytest.mark.slow
def test_a_table_of_items_that_is_another_ones_is_found(sweep):
    """What a measurement is a mean over is checked against its checksum."""
    _, (one, other) = finished(sweep)
    shutil.copy(first(other / "queries"), first(one / "queries"))
    (fault,) = verify_store(sweep.store()).faults
    assert "is not the table that was recorded" in fault


@pytest.mark.slow
def test_a_metric_that_is_not_the_mean_over_its_items_is_found(sweep):
    """A number that was mended by hand, its checksums with it, does not agree with what it is a mean of."""
    _, (one, _) = finished(sweep)
    folder, path = sweep.store().training(one.name), first(one / "measurements")
    measurement = folder.measurement(path.stem)
    value = measurement.metrics["map"]
    metrics = {**measurement.metrics, "map": value + 0.01}
    changed = measurement.model_copy(update={"metrics": metrics})
    (sweep.store().root / f"trainings/{one.name}").write_model(f"measurements/{path.name}", changed)
    (fault,) = verify_store(sweep.store()).faults
    assert f"map {value + 0.01:.6f}, but the mean over its table of items is {value:.6f}" in fault


@pytest.mark.slow
def test_a_sound_store_has_no_faults(sweep):
    """Whatever a sweep with a search leaves is as it should be, and is counted."""
    finished(sweep, "searched")
    found = verify_store(sweep.store())
    assert () == found.faults
    assert (0, 3) == (found.num_without_checksums, found.num_suggestions)
    assert found.num_trainings == found.num_records >= 4


@pytest.mark.slow
def test_views_that_nothing_here_knows_are_said_not_to_be_held_against_their_items(sweep, monkeypatch):
    """A store that is verified without the studies it is from is no store without faults."""
    finished(sweep)
    assert () == verify_store(sweep.store()).unknown_kinds
    monkeypatch.setattr("tablewright.trainables.contract.recorded_view._kinds", lambda: [])
    found = verify_store(sweep.store())
    assert (("retrieval",), ()) == (found.unknown_kinds, found.faults)


def test_a_damaged_file_is_told_by_a_worker_as_by_the_driver():
    """What it says outlives the way from one process to another."""
    error = DamagedFile("store.json", "is no JSON", held="versions", next_step="move it away")
    sent = pickle.loads(pickle.dumps(error))
    assert (str(error), error.path) == (str(sent), sent.path)


# -- searches


def search_files(sweep):
    finished(sweep, "searched")
    (folder,) = (sweep.folder / "searches").iterdir()
    return SWEPT["searched"], sorted(folder.iterdir())


@pytest.mark.slow
def test_a_suggestion_whose_value_is_not_its_measurements_is_refused(sweep):
    """A search that was told another value chooses another best: its table has a hole with the reason."""
    study, files = search_files(sweep)
    store, (search,) = sweep.store(), study.searches
    trial = store.search_trial(files[0].parent.name, 1)
    store.write_search_trial(files[0].parent.name, trial.model_copy(update={"value": 0.999}))
    result, events = sweep(study)
    assert [] == events.started
    assert not result.is_complete
    state = result.plan.searches["toy_study", search.name]
    assert "searches/" in state.fault
    assert "has the value 0.999" in state.fault
    assert str(state).startswith("refused: ")
    assert any("has the value 0.999" in fault for fault in verify_store(store).faults)


@pytest.mark.slow
def test_a_damaged_suggestion_stops_its_search_alone(sweep):
    """Tables without it are filled."""
    study, files = search_files(sweep)
    cut(files[0])
    result, _ = sweep(a_study([*RATES, Row("new", {"learning_rate": 0.33})], searches=study.searches))
    assert {"done"} == {status.state for status in result.statuses}
    assert not result.is_complete
    assert "is no JSON" in result.plan.searches["toy_study", "rate"].fault


@pytest.mark.slow
def test_a_suggestion_that_is_lost_is_missed(sweep):
    """Another one in its place would find another best; of the last one alone nobody can know."""
    study, files = search_files(sweep)
    files[1].unlink()
    result, events = sweep(study)
    assert [] == events.started
    assert "000001.json is not there" in result.plan.searches["toy_study", "rate"].fault


@pytest.mark.slow
def test_a_suggestion_of_another_search_is_refused(sweep):
    """Copied under its own number it is whole; what its parameters mean tells."""
    study, files = search_files(sweep)
    other = a_search(space={"network.embedding_size": IntRange(2, 4)}, num_trials=3, name="size")
    sweep(a_study(RATES, searches=[*study.searches, other]))
    (folder,) = (one for one in (sweep.folder / "searches").iterdir() if one != files[0].parent)
    shutil.copy(folder / files[1].name, files[1])
    result, _ = sweep(a_study(RATES, searches=[*study.searches, other]))
    states = {name: state for (_, name), state in result.plan.searches.items()}
    assert f"{files[1].name} suggests what is not in the space of this search (network.embedding_size)" in (
        states["rate"].fault
    )
    assert "" == states["size"].fault
    assert not result.is_complete


@pytest.mark.slow
def test_a_suggestion_that_names_another_training_is_refused(sweep):
    """Its parameters say which training answers it; another one's value is none of it."""
    study, files = search_files(sweep)
    store, (search,) = sweep.store(), study.searches
    one, other = (store.search_trial(files[0].parent.name, number) for number in (1, 2))
    changed = one.model_copy(update={"training_id": other.training_id, "value": other.value})
    store.write_search_trial(files[0].parent.name, changed)
    plan = plan_as_recorded([study], store, RUNTIME)
    fault = plan.searches["toy_study", search.name].fault
    assert f"names training {other.training_id[:8]}, which its parameters do not give" in fault


@pytest.mark.slow
def test_a_suggestion_under_another_number_is_refused(sweep):
    """A copy of a suggestion is none."""
    _, files = search_files(sweep)
    shutil.copy(files[0], files[1])
    assert any("is suggestion 0" in fault for fault in verify_store(sweep.store()).faults)


# -- changed defaults


@pytest.fixture
def other_default(monkeypatch):
    """Change a default as a person does in a config of her own; ids leave it out before and after."""

    def change(value=0.4):
        monkeypatch.setattr(ToyConfig.model_fields["learning_rate"], "default", value)
        ToyConfig.model_rebuild(force=True)

    yield change
    monkeypatch.undo()
    ToyConfig.model_rebuild(force=True)


@pytest.mark.slow
def test_a_changed_default_never_finds_old_records(sweep, other_default):
    """The old numbers are refused with the path, both values and the two ways to go on; nothing is trained."""
    finished(sweep, "one")
    other_default()
    study = a_study([Row("plain")], base=ToyConfig())
    with pytest.raises(ValueError, match=r"learning_rate = 0\.1 and is planned with 0\.4") as raised:
        sweep(study)
    assert "Raise the method's VERSION (1)" in str(raised.value)
    assert "--accept 'REASON'" in str(raised.value)
    assert ["changed"] == states(sweep, study)


def test_a_changed_default_that_was_accepted_in_writing_is_shown(sweep, other_default):
    """The reason is kept in the store; the sweep goes on and trains nothing."""
    finished(sweep, "one")
    other_default()
    study = a_study([Row("plain")], base=ToyConfig())
    plan = plan_as_recorded([study], sweep.store(), RUNTIME)
    (change,) = accept_changed_defaults(plan, sweep.store(), "moves  no\nnumber")
    assert ("learning_rate", "0.1", "0.4", "moves no number") == (
        change.path,
        change.recorded,
        change.planned,
        change.reason,
    )
    result, events = sweep(study)
    assert result.is_complete
    assert [] == events.started
    with pytest.raises(ValueError, match="no record of these studies was made under another default"):
        accept_changed_defaults(plan, sweep.store(), "again")


@pytest.mark.slow
def test_another_change_of_the_same_default_is_not_accepted_with_the_first(sweep, other_default):
    """What a person has accepted is this change and no other."""
    finished(sweep, "one")
    other_default()
    study = a_study([Row("plain")], base=ToyConfig())
    accept_changed_defaults(
        plan_as_recorded([study], sweep.store(), RUNTIME), sweep.store(), "moves no number"
    )
    other_default(0.5)
    study = a_study([Row("plain")], base=ToyConfig())
    assert ["changed"] == states(sweep, study)


@pytest.mark.slow
def test_a_search_is_not_decided_by_values_of_another_default(sweep, monkeypatch):
    """Its suggestions were answered by other trainings than those that its space means now."""
    study = a_study([Row("plain", {"learning_rate": 0.3})], searches=[a_search(num_trials=2)])
    sweep(study)
    monkeypatch.setattr(ToyConfig.model_fields["own_noise"], "default", 7)
    ToyConfig.model_rebuild(force=True)
    study = a_study([Row("plain", {"learning_rate": 0.3, "own_noise": 0})], searches=[a_search(num_trials=2)])
    plan = plan_as_recorded([study], sweep.store(), RUNTIME)
    changed = accept_changed_defaults(plan, sweep.store(), "the noise is as loud")
    accepted = plan_as_recorded([study], sweep.store(), RUNTIME)
    monkeypatch.undo()
    ToyConfig.model_rebuild(force=True)
    ((state,), (state_then,)) = plan.searches.values(), accepted.searches.values()
    assert "own_noise = 0 and is planned with 7" in state.fault
    assert state.best is None
    assert "own_noise" in [change.path for change in changed]
    assert ("", True) == (state_then.fault, state_then.is_finished)


@pytest.fixture
def other_view(monkeypatch):
    """Change a default of views as a person does who edits them; their ids leave it out before and after."""

    def change():
        monkeypatch.setattr(RetrievalView.model_fields["flip"], "default", True)
        RetrievalView.model_rebuild(force=True)

    yield change
    monkeypatch.undo()
    RetrievalView.model_rebuild(force=True)


@pytest.mark.slow
def test_a_changed_default_of_a_view_never_finds_old_measurements(sweep, other_view):
    """What was measured in another way is refused with the file to move away; or it is accepted, and said."""
    plan, _ = finished(sweep)
    other_view()
    study = a_view_study()
    assert ["changed", "changed"] == states(sweep, study)
    plan = plan_as_recorded([study], sweep.store(), RUNTIME)
    (cell, *_) = plan.cells
    table = write_tables(plan, sweep.store(), writes=False).tables[0].table
    assert {"refused"} == {cell.state for row in table.rows for cell in row.cells}
    with pytest.raises(ValueError, match=r"view\.flip = false and is planned with true") as raised:
        sweep(study)
    assert f"Move trainings/{cell.training_id}/measurements/{cell.view_id}.json away" in str(raised.value)
    (change,) = accept_changed_defaults(plan, sweep.store(), "moves no number")
    assert "view.flip" == change.path
    assert ["done", "done"] == states(sweep, study)
    table = write_tables(plan, sweep.store(), writes=False).tables[0].table
    assert any("view.flip false is shown under true" in note for note in table.source_notes)


def a_view_study():
    """The study with a view that was built since, as that of another process is."""
    table = Ablation("width", "Width", ToyConfig(), [Dataset("Toy")], RATES, RetrievalView(), [MAP, RANK1])
    return Study("toy_study", "Toy", "nowhere", (0,), [table])


@pytest.mark.slow
def test_fields_that_parts_in_a_list_lack_were_added_since(sweep):
    """A new field at its default is no change, however deep it lies; a changed one is told with its place."""
    _, (one, _) = finished(sweep)
    record = sweep.store().training(one.name).record()
    (config,) = (
        planned.config
        for planned in plan_as_recorded([a_study(RATES)], sweep.store(), RUNTIME).trainings.values()
        if planned.training_id == one.name
    )

    class WithParts:
        VERSION = record.method_version

        def model_dump_json(self):
            return json.dumps(
                {**json.loads(config.model_dump_json()), "parts": [{"a": 1, "new": 5}, {"a": 2}]}
            )

    def changes(*parts):
        older = record.model_copy(update={"config": {**record.config, "parts": list(parts)}})
        return [
            (change.path, change.recorded, change.planned) for change in config_changes(older, WithParts())
        ]

    assert [] == changes({"a": 1}, {"a": 2})
    assert [("parts.1.a", "3", "2")] == changes({"a": 1}, {"a": 3})
    assert ["parts"] == [path for path, *_ in changes({"a": 1})]


@pytest.mark.slow
def test_accepting_needs_a_reason(sweep):
    """An empty one says nothing to who reads the table."""
    plan, _ = finished(sweep)
    with pytest.raises(ValueError, match="wants the reason"):
        accept_changed_defaults(plan, sweep.store(), "  ")


@pytest.mark.slow
def test_a_field_that_a_record_lacks_was_added_since(sweep):
    """New fields at their defaults leave old records as they are."""
    _, (one, _) = finished(sweep)
    store = sweep.store()
    record = store.training(one.name).record()
    config = {name: value for name, value in record.config.items() if name != "epoch_s"}
    store.training(one.name).write_record(record.model_copy(update={"config": config}))
    assert ["done", "done"] == states(sweep)


@pytest.mark.slow
def test_a_damaged_acceptance_accepts_nothing_and_is_named(sweep):
    """It is told by --verify, and the change stands refused until it is accepted again."""
    finished(sweep)
    store = sweep.store()
    change = AcceptedChange(
        method="toy",
        version=1,
        path="a",
        recorded="1",
        planned="2",
        reason="r",
        accepted_by="me",
        accepted_at="2026-01-01T00:00:00Z",
    )
    store.write_accepted_change(change)
    assert [change] == store.accepted_changes()
    cut(first(sweep.folder / "accepted"))
    assert any("accepted/" in fault for fault in verify_store(store).faults)
    assert [] == store.accepted_changes()


@pytest.mark.slow
def test_the_whole_is_complete_only_if_nothing_is_damaged(sweep):
    """A table with a refused cell is no full table."""
    plan, (one, _) = finished(sweep)
    assert is_complete(plan, read_status(plan, sweep.store()))
    cut(one / "record.json")
    assert not is_complete(plan, read_status(plan, sweep.store()))


@pytest.mark.slow
def test_searches_of_a_store_are_found_by_their_id(sweep):
    """The id of a search does not depend on whether it has begun."""
    from tablewright.orchestrator.plans.planning import describe_with
    from tablewright.orchestrator.plans.resolution import DataResolver

    study, files = search_files(sweep)
    resolver = DataResolver(describe_with(RUNTIME), sweep.store())
    assert files[0].parent.name == find_search_id(study.searches[0], resolver, sweep.store())
