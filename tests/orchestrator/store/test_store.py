"""A store is known by its id and its versions."""

import pytest

from tablewright.orchestrator.settings import Settings
from tablewright.orchestrator.store.folder import Folder
from tablewright.orchestrator.store.record import Record
from tablewright.orchestrator.store.search_records import SearchTrialRecord
from tablewright.orchestrator.store.store import Store, StoreVersion


@pytest.fixture(params=["folder", "memory"])
def store(request, tmp_path):
    """A store in a folder, and one in an object store that lives in memory."""
    return Store(str(tmp_path / "runs") if request.param == "folder" else f"memory://{tmp_path.name}/runs")


def test_a_store_of_a_newer_version_is_refused(store):
    """Records that this program would misread are not read at all."""
    store.root.write_model("store.json", StoreVersion(identity_version=99))
    with pytest.raises(ValueError, match=r"newer version.*identity 99.*another --store"):
        Store(store.url)


def test_a_store_has_an_id_that_only_the_same_store_has(tmp_path):
    """A worker opens the driver's store and no other one; where there is none it starts none."""
    ours, theirs = Store(str(tmp_path / "ours")), Store(str(tmp_path / "theirs"))
    theirs.shared_id()
    assert Store.join(ours.url, ours.shared_id()).shared_id() == Store(ours.url).shared_id()
    with pytest.raises(ValueError, match=r"is not shared with machine .*another store there.*Give --store"):
        Store.join(theirs.url, ours.shared_id())
    with pytest.raises(ValueError, match=r"is not shared with machine .*no store there"):
        Store.join(str(tmp_path / "nowhere"), ours.shared_id())
    assert not (tmp_path / "nowhere").exists()


def test_a_suggestion_of_an_older_store_that_was_left_open_goes_on(tmp_path):
    """It has one file, which says how it stood."""
    store = Store(str(tmp_path))
    stood = SearchTrialRecord(
        number=0, params={}, training_id="a" * 64, state="paused", intermediate_values={1: 0.5}
    )
    store.root.write_model("searches/s/000000.json", stood)
    assert [stood] == store.search_trials("s")
    further = stood.model_copy(update={"state": "running", "intermediate_values": {1: 0.5, 2: 0.6}})
    store.write_search_trial("s", further)
    assert [further] == store.search_trials("s")
    ended = further.model_copy(update={"state": "complete", "value": 0.7})
    store.write_search_trial("s", ended)
    store.write_search_trial("s", stood)
    assert [ended] == store.search_trials("s")
    store.reopen_search_trial("s", further)
    assert [further] == store.search_trials("s")
    assert [0] == store.search_trial_numbers("s")


def test_a_store_from_before_there_were_ids_gets_one(tmp_path):
    """It is written when trainings are to run, not when somebody reads."""
    Folder(str(tmp_path)).write("store.json", b'{"identity_version": 1, "record_version": 1}')
    store = Store(str(tmp_path))
    assert b"store_id" not in (tmp_path / "store.json").read_bytes()
    assert len(store.shared_id()) == 32
    assert Store(str(tmp_path)).shared_id() == store.shared_id()


class WrittenOnce(Record):
    """A record of which nothing changes."""

    NEVER_CHANGES = True
    number: int = 0


def test_who_reads_every_record_once_keeps_none(store):
    """And takes nothing away from who reads them again."""
    store.root.write_model("a.json", WrittenOnce(number=3))
    once = store.keeping_nothing().root
    assert store.root.read_model("a.json", WrittenOnce) is store.root.read_model("a.json", WrittenOnce)
    first, second = (once.read_model("a.json", WrittenOnce) for _ in range(2))
    assert first == second
    assert first is not second


def test_a_store_may_lie_in_the_home_folder(tmp_path, monkeypatch):
    """`--store=~/runs` is the user's home, though no shell has spelt it out, for its databases too."""
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = Settings(("toy",), store="~/runs")
    assert str(tmp_path / "runs") == settings.open_store().url
    assert f"sqlite:///{tmp_path}/runs/optuna.db" == settings.search_storage_url
    assert f"sqlite:///{tmp_path}/runs/mlflow.db" == settings.tracking_url
