"""What no study needs is removed, and nothing else: what is claimed, named, damaged or not the store's own stays."""

import hashlib
import os
import time

import pytest

from tablewright.orchestrator.declared.design import Row, Sweep
from tablewright.orchestrator.garbage import GarbageCollector, Kind
from tablewright.orchestrator.plans.named_trainings import read_named
from tablewright.orchestrator.plans.planning import plan_as_recorded
from tablewright.orchestrator.store.claims import Claims, training_claim
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.verify import verify_store
from tablewright.reports.table_files import write_tables
from tablewright.trainables.contract.run import Runtime
from tests.orchestrator.toy_sweep import StopAfter, ToySweep, a_search, a_study

RUNTIME = Runtime(None, "/nowhere")

pytestmark = pytest.mark.slow
RATES = Sweep("learning_rate", (0.1, 0.2))
ONE = Sweep("learning_rate", (0.1,))


class ToyStore(ToySweep):
    """A store that studies fill, and what of it others do not need."""

    def collector(self, *studies, **how):
        return GarbageCollector(self.store(), read_named([studies], self.store(), RUNTIME), **how)

    def files(self):
        return {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self.folder.rglob("*")
            if path.is_file()
        }

    def trainings(self):
        return {
            store_folder.record().config["learning_rate"]: identity
            for identity in self.store().training_ids()
            if (store_folder := self.store().training(identity)).record() is not None
        }

    def of(self, rate):
        return self.folder / "trainings" / self.trainings()[rate]


@pytest.fixture
def toy(tmp_path):
    return ToyStore(tmp_path)


def paths(garbage, kind):
    return sorted(garbage.files.get(kind, {}))


def test_nothing_is_needless_where_studies_name_all(toy):
    """Cells, partners of ensembles, suggestions and trainings of other seeds are named; nothing is removed."""
    members = ({"learning_rate": 0.3}, {"learning_rate": 0.4})
    study = a_study([RATES, Row("both", ensemble=members)], searches=[a_search(num_trials=3)])
    toy(study)
    toy(study.with_seeds([7]))
    before = toy.files()
    for how in ({}, {"takes_trainings": True}):
        assert 0 == toy.collector(study, **how).find().num_files()
        assert 0 == toy.collector(study, **how).remove().num_files()
    assert before == toy.files()


def test_weights_go_and_numbers_stay(toy):
    """A first look removes nothing; then exactly what it said goes, and tables of both studies are what they were."""
    study = a_study([RATES], seeds=(0, 1))
    result, _ = toy(study)
    write_tables(result.plan, toy.store())
    before = toy.files()
    smaller = a_study([ONE], seeds=(0, 1))
    seen = toy.collector(smaller).find()
    assert before == toy.files()
    assert {Kind.WEIGHTS} == seen.files.keys()
    assert seen.files == toy.collector(smaller).remove().files
    assert set(seen.files[Kind.WEIGHTS]) == before.keys() - toy.files().keys()
    assert 2 == seen.num_files(Kind.WEIGHTS)
    assert () == verify_store(toy.store()).faults
    store = toy.store()
    write_tables(plan_as_recorded([study], store, RUNTIME), store)
    after = toy.files()
    assert {path: before[path] for path in before if path.startswith("tables/")} == {
        path: after[path] for path in after if path.startswith("tables/")
    }
    assert 0 == toy.collector(smaller).find().num_files()


def test_whole_trainings_go_only_when_asked_for(toy):
    """With them what nobody names but they: searches, what is known of data; the rest trains nothing again."""
    study = a_study([RATES], searches=[a_search(num_trials=3)])
    toy(study)
    (toy.folder / "data/elsewhere.json").write_bytes((toy.folder / "data/toy_study.json").read_bytes())
    kept, gone = toy.of(0.1), toy.of(0.2)
    removed = toy.collector(a_study([ONE]), takes_trainings=True).remove()
    assert {Kind.TRAINING, Kind.SEARCH, Kind.DATA} == removed.files.keys()
    assert (True, False) == (kept.exists(), gone.exists())
    assert [] == toy.store().search_ids()
    assert ["data/elsewhere.json"] == paths(removed, Kind.DATA)
    result, events = toy(a_study([ONE]))
    assert (True, []) == (result.is_complete, events.started)


def test_resume_checkpoints_go_of_trainings_that_will_not_go_on(toy):
    """Those of a done one go; those of a stopped sweep stay."""
    toy(a_study([ONE]))
    (toy.of(0.1) / "checkpoint/resume.pt").write_bytes(b"left by a kill")
    study = a_study([ONE, Row("slow", {"learning_rate": 0.2, "epoch_s": 0.1})])
    toy(study, backend=StopAfter(1))
    (begun,) = [path for path in toy.folder.glob("trainings/*") if not (path / "record.json").exists()]
    assert (begun / "checkpoint/resume.pt").exists()
    removed = toy.collector(study).remove()
    assert [f"trainings/{toy.of(0.1).name}/checkpoint/resume.pt"] == paths(removed, Kind.RESUME)
    assert (begun / "checkpoint/resume.pt").exists()


def test_resume_checkpoints_go_of_suggestions_that_were_given_up(toy):
    """One that failed in two runs is not tried again; while it may be, its state is kept."""
    study = a_study([ONE], searches=[a_search(num_trials=2)])
    toy(study)
    (search_id,) = toy.store().search_ids()
    trial = toy.store().search_trials(search_id)[-1]
    folder = toy.folder / "trainings" / trial.training_id
    (folder / "record.json").unlink()
    (folder / "checkpoint/resume.pt").write_bytes(b"state")
    for num_failures, goes in ((1, False), (2, True)):
        failed = trial.model_copy(update={"state": "fail", "value": None, "num_failures": num_failures})
        toy.store().reopen_search_trial(search_id, failed)
        removed = toy.collector(study).remove()
        assert goes == bool(paths(removed, Kind.RESUME))


def test_what_killed_writers_left_goes_where_nobody_writes(toy):
    """In the folder of a training at once, under its claim; elsewhere after a day. A script's own files are its own."""
    toy(a_study([ONE]))
    training = toy.of(0.1)
    left = training / "checkpoint/.final.pt.0123456789ab"
    (training / "out").mkdir()
    kept = [
        training / "out/.mine.txt.0123456789ab",
        training / ".notes",
        toy.folder / "data/.a.json.0123456789ab",
    ]
    old = toy.folder / "data/.b.json.0123456789ab"
    for path in (left, old, *kept):
        path.write_bytes(b"part")
    a_week_ago = time.time() - 7 * 24 * 3600
    os.utime(old, (a_week_ago, a_week_ago))
    removed = toy.collector(a_study([ONE])).remove()
    assert [str(path.relative_to(toy.folder)) for path in (old, left)] == paths(removed, Kind.LEFT)
    assert (False, False, True) == (left.exists(), old.exists(), all(path.exists() for path in kept))


def test_what_is_claimed_is_left_alone(toy):
    """Whoever lives and has a training keeps all of it; one that no study here names keeps all that none names."""
    toy(a_study([RATES]))
    with Claims(toy.store()).held(training_claim(toy.trainings()[0.1])):
        (toy.of(0.1) / "checkpoint/resume.pt").write_bytes(b"state")
        removed = toy.collector(a_study([ONE])).remove()
        assert {Kind.WEIGHTS} == removed.files.keys()
        assert ("1 training in the hands of others is left alone",) == removed.notes
    toy(a_study([Sweep("learning_rate", (0.1, 0.2, 0.3))]))
    with Claims(toy.store()).held(training_claim(toy.trainings()[0.2])):
        collector = toy.collector(a_study([ONE]), takes_trainings=True)
        removed = collector.remove()
        assert {Kind.RESUME} == removed.files.keys()
        assert "What no study here names is kept" in removed.notes[0]


def test_what_is_not_the_stores_own_stays(toy, tmp_path):
    """Databases, folders of people, files beside a record, and whatever lies behind a link."""
    toy(a_study([RATES]))
    gone = toy.of(0.2)
    outside = tmp_path / "outside"
    (gone / "checkpoint").rename(outside)
    (gone / "checkpoint").symlink_to(outside)
    own = [toy.folder / "notes/a.txt", toy.folder / "trainings/mine/final.pt", gone / "notes.txt"]
    for path in own:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine", encoding="utf-8")
    toy.collector(a_study([ONE]), takes_trainings=True).remove()
    assert all(path.exists() for path in own)
    assert not (gone / "record.json").exists()
    assert ["final.pt"] == [path.name for path in outside.iterdir()]


def test_a_damaged_training_is_kept_whole(toy):
    """Nobody can say what it was; what nobody can say of a search refuses all."""
    toy(a_study([RATES], searches=[a_search(num_trials=2)]))
    record = toy.of(0.2) / "record.json"
    record.write_text("{", encoding="utf-8")
    before = toy.files()
    removed = toy.collector(a_study([ONE], searches=[a_search(num_trials=2)]), takes_trainings=True).remove()
    assert (0, before) == (removed.num_files(), toy.files())
    assert "1 training whose record is damaged is kept whole" in removed.notes[0]
    (path,) = toy.folder.glob("searches/*/000001.json")
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"000001.json is no JSON"):
        toy.collector(a_study([ONE]))


def test_a_difference_that_no_record_names_goes(toy):
    """One that a record names stays."""
    toy(a_study([ONE]))
    named = toy.store().training(toy.trainings()[0.1]).record().diff_sha256
    folder = toy.folder / "provenance"
    folder.mkdir(exist_ok=True)
    needless = folder / f"{'0' * 64}.diff"
    needless.write_text("-", encoding="utf-8")
    removed = toy.collector(a_study([ONE])).remove()
    assert [f"provenance/{needless.name}"] == paths(removed, Kind.DIFF)
    assert not named or (folder / f"{named}.diff").exists()


def test_a_bucket_is_cleared_as_a_folder_is(tmp_path, s3_bucket):
    """Weights of what no study names, parts of files that a killed writer has sent, whole trainings."""

    class Bucket(ToyStore):
        def store(self):
            return Store(f"{s3_bucket}/runs")

    toy = Bucket(tmp_path)
    toy(a_study([RATES]))
    store, gone = toy.store(), toy.trainings()[0.2]
    place = f"trainings/{toy.trainings()[0.1]}/checkpoint/resume.pt"
    filesystem = store.root._filesystem
    bucket = s3_bucket.removeprefix("s3://")
    upload = filesystem.call_s3("create_multipart_upload", Bucket=bucket, Key=f"runs/{place}")
    filesystem.call_s3(
        "upload_part",
        Bucket=bucket,
        Key=f"runs/{place}",
        UploadId=upload["UploadId"],
        PartNumber=1,
        Body=b"part",
    )
    seen = toy.collector(a_study([ONE])).find()
    assert {f"{place} (in part)": 4} == seen.files[Kind.LEFT]
    assert [f"trainings/{gone}/checkpoint/final.pt"] == paths(seen, Kind.WEIGHTS)
    assert seen.files == toy.collector(a_study([ONE])).remove().files
    assert [] == filesystem.list_multipart_uploads(bucket)
    assert 0 == toy.collector(a_study([ONE])).find().num_files()
    toy.collector(a_study([ONE]), takes_trainings=True).remove()
    assert [toy.trainings()[0.1]] == toy.store().training_ids()
