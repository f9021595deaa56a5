"""What may be said on the command line or in the environment, and what is refused."""

import dataclasses
import re

import fsspec
import pytest
import typer

from tablewright.orchestrator.projections.optuna_mirror import open_storage
from tablewright.orchestrator.settings import (
    NO_OPTIONS,
    Settings,
    _split_at_commas,
    refuse_unknown_variables,
)
from tablewright.orchestrator.store.folder import Folder
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.variables import variable_of


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"profile": "papr"}, "--profile is 'papr'; it is one of demo, paper"),
        ({"store": ""}, "--store is empty"),
        (
            {"tracking_uri": "htp://there"},
            "--tracking-uri is 'htp://there'; it is 'none' or begins with one of http,",
        ),
        ({"tracking_uri": "non"}, "--tracking-uri is 'non'"),
        ({"tracking_uri": "http://"}, "--tracking-uri is 'http://' and names no host"),
        ({"tracking_uri": "sqlite://"}, "--tracking-uri is 'sqlite://', which is lost when the command ends"),
        ({"tracking_uri": " "}, "--tracking-uri is empty; leave it out"),
        (
            {"search_storage": "optuna.db"},
            "--search-storage is 'optuna.db'; it begins with one of sqlite,",
        ),
        (
            {"search_storage": "postgres://u:secret@h/x"},
            r"--search-storage is 'postgres://u:…@h/x'; .* did you mean 'postg",
        ),
        (
            {"search_storage": "redis://h"},
            "--search-storage is 'redis://h'; it begins with one of sqlite,",
        ),
        (
            {"search_storage": "sqlite:///:memory:"},
            "which is lost when the command ends; write such as sqlite:///file.db",
        ),
        (
            {"search_storage": "sqlite:////no/where/x.db"},
            "but there is no folder /no/where; make it, or name another",
        ),
        ({"search_storage": ""}, "--search-storage is empty"),
        ({"address": "he re"}, "--address is 'he re'; it is host:port as `ray status` shows it"),
        ({"address": "here"}, "--address is 'here' and names no port; write here:6379"),
        ({"address": "10.0.0.1"}, "names no port; write 10.0.0.1:6379"),
        ({"address": "fe80::1"}, r"names no port; write \[fe80::1\]:6379"),
        ({"address": "ray://head:10001"}, "the port of Ray's client; .* with --address head:6379"),
        ({"address": "http://head:8265"}, "ray job submit --address 'http://head:8265' -- .* is head:6379"),
        ({"address": "https://u:p@head/x"}, "which is the dashboard"),
        ({"address": "head:65536"}, "it is host:port"),
        ({"gpus_per_training": 2.5}, "--gpus-per-training is 2.5; a training takes one GPU"),
        ({"processes_per_training": 0}, "--processes-per-training is 0; it is 1 or more"),
        (
            {"processes_per_training": 2, "gpus_per_training": 1},
            "every process of a training has a GPU of its own",
        ),
        (
            {"processes_per_training": 2, "gpus_per_training": 4},
            "every process of a training has a GPU of its own",
        ),
        ({"cpus_per_training": 1.5}, "--cpus-per-training is 1.5; it is a whole number of cores"),
        ({"cpus_per_training": 0}, "--cpus-per-training is 0;"),
        ({"address": "h:99999"}, "--address is 'h:99999'; it is host:port"),
        (
            {"store": "s4://bucket/runs"},
            "--store is 's4://bucket/runs'; it is a folder, or a URL that begins with one of s3, gs,",
        ),
        ({"store": "memory://runs"}, "--store is 'memory://runs', which is lost when the command ends"),
        ({"store": "https://host/runs"}, "--store is 'https://host/runs', which nothing is written to"),
        ({"store": "s3://"}, "--store is 's3://' and names no place; write such as s3://bucket/folder"),
        ({"store": "/dev/null/runs"}, "--store is '/dev/null/runs', but /dev/null is no folder"),
        (
            {"store": "/tmp/ray/session_1/runtime_resources/working_dir_files/_ray_pkg_1a/runs"},
            "which lies in the copy of your folder that Ray makes for a job and removes",
        ),
        ({"data_root": ""}, "--data-root is empty"),
        ({"gpus_per_training": float("nan")}, "--gpus-per-training is nan"),
        ({"gpus_per_training": 1.5}, "--gpus-per-training is 1.5"),
        ({"max_concurrent": 0}, "--max-concurrent is 0"),
        ({"checkpoint_minutes": 0}, "--checkpoint-minutes is 0; it is more than 0, such as 5 or 0.5"),
        ({"checkpoint_minutes": float("nan")}, "--checkpoint-minutes is nan; it is more than 0"),
        ({"seeds": "1 2"}, "--seeds is '1 2'; write whole numbers with commas"),
        ({"seeds": "1.0"}, r"--seeds is '1\.0'; write whole numbers with commas"),
        ({"seeds": "+0"}, r"--seeds is '\+0', which adds none; write \+1 or more"),
        ({"seeds": "+x"}, r"--seeds is '\+x'; write whole numbers .* or how many more .* such as \+2"),
        ({"seeds": "3407,+2"}, r"--seeds is '3407,\+2'; write whole numbers"),
        ({"seeds": "+1,+2"}, r"--seeds is '\+1,\+2'; write whole numbers"),
        ({"seeds": "-2"}, "--seeds is '-2'; a whole number of at least 0"),
        ({"local": 0}, "--local is 0; it is how many trainings run at a time on this machine, 1 or more"),
        ({"seeds": "²"}, "--seeds is '²'; write whole numbers with commas"),
        ({"seeds": "0,1,"}, "--seeds is '0,1,'; write whole numbers with commas"),
        (
            {"seeds": "-1"},
            "--seeds is '-1'; a whole number of at least 0 and below 4294967296 is needed; got -1",
        ),
        ({"seeds": "0,4294967296"}, "below 4294967296 is needed; got 4294967296"),
        ({"seeds": "1,2, 1"}, "--seeds is '1,2, 1'; 1 is given twice"),
        ({"store": "s3://bucket/runs"}, "can hold no database; name one with --search-storage"),
    ],
)
def test_what_cannot_be_meant_is_refused(given, message):
    """The message names the option, what was given and what is allowed."""
    with pytest.raises(ValueError, match=message):
        Settings(("mdpr_ablation",), **given)


def test_addresses_of_clusters_and_stores():
    """Whatever Ray and the store can reach is let through."""
    for address in ("auto", "local", "head:6379", "10.0.0.1:6379", "[::1]:6379"):
        assert address == Settings(("mdpr_ablation",), address=address).address
    elsewhere = {"tracking_uri": "none", "search_storage": "postgresql+psycopg://user@host/name"}
    for store in ("gs://bucket/runs", "s3://bucket"):
        assert store == Settings(("mdpr_ablation",), store=store, **elsewhere).store


def test_the_cluster_is_the_options_or_rays_own_variable(monkeypatch):
    """RAY_ADDRESS is gone by where no option says another; what cannot be joined there is told, with its name."""

    def cluster_of(address, of_ray):
        monkeypatch.setenv("RAY_ADDRESS", of_ray)
        return Settings(("mdpr_ablation",), address=address).cluster_address()

    assert None is cluster_of(None, "")
    assert "head:6379" == cluster_of(None, "head:6379")
    assert "auto" == cluster_of(None, "auto")
    assert "other:6379" == cluster_of("other:6379", "ray://head:10001")
    assert None is cluster_of("local", "head:6379")
    with pytest.raises(ValueError, match=r"RAY_ADDRESS is 'ray://head:10001', .* `--address local` starts"):
        cluster_of(None, "ray://head:10001")


def test_a_store_whose_package_is_absent_is_refused_with_what_installs_it(monkeypatch):
    """The package's own name for itself, or a traceback, reaches nobody."""

    def absent(url, **_):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", absent)
    with pytest.raises(
        ValueError, match=r"--store is 's3://b/x', and s3fs, by .* not installed; pip install -e '\.\[aws\]'"
    ):
        Store("s3://b/x")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            PermissionError("InvalidAccessKeyId: …"),
            r"which cannot be reached \(PermissionError\); see that the address",
        ),
        (
            RuntimeError("Unable to locate credentials"),
            r"which cannot be reached \(RuntimeError\); see that the address",
        ),
    ],
)
def test_a_store_that_cannot_be_reached_is_refused(monkeypatch, error, message):
    """Whatever its package raises, what to look at is said in our words."""

    def fail(*_):
        raise error

    monkeypatch.setattr(Folder, "names", fail)
    with pytest.raises(ValueError, match=message) as caught:
        Store("memory://x")
    assert str(error) not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "postgresql+nodriver://u:secret@localhost:1/x",
            r"'postgresql\+nodriver://u:…@localhost:1/x' cannot be opened \(it does not answer",
        ),
        (
            "mysql://localhost:1/x",
            r"'mysql://localhost:1/x' cannot be opened \(the driver of mysql is not installed; pip install mysql",
        ),
        (
            "sqlite:///{folder}/text.db",
            r"cannot be opened \(the file is no database of SQLite, is one of another program,",
        ),
    ],
)
def test_a_database_that_cannot_be_opened_is_refused_in_our_words(tmp_path, url, message):
    """Nobody is told of commits, of an import or of SQLAlchemy's web page, and no password is printed."""
    (tmp_path / "text.db").write_text("no database " * 1000, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as caught:
        open_storage(url.format(folder=tmp_path))
    assert not re.search("sqlalche|commit|import|secret", str(caught.value))


def test_databases_of_every_kind_may_track():
    """A server, a file and a database with its driver's name are addresses."""
    for uri in (
        "http://127.0.0.1:5000",
        "sqlite:///x.db",
        "postgresql+psycopg2://user@host/name",
        "none",
        None,
    ):
        assert Settings(("mdpr_ablation",), tracking_uri=uri).tracking_uri == uri


def test_a_misspelt_variable_is_refused_with_the_nearest():
    """It would be ignored, and a night's trainings would land elsewhere."""
    environment = {"TABLEWRIGHT_STOR": "x", "TABLEWRIGHT_SEEDS": "1", "HOME": "/"}
    with pytest.raises(
        ValueError, match=r"TABLEWRIGHT_STOR is of no option; did you mean TABLEWRIGHT_STORE\?"
    ):
        refuse_unknown_variables(environment)
    del environment["TABLEWRIGHT_STOR"]
    refuse_unknown_variables(environment)


@pytest.mark.slow
def test_columns_of_data_sets_that_are_not_there_are_left_out(tmp_path):
    """Whoever has Market-1501 alone fills its columns; the name must be one that heads a column."""
    given = {"profile": "paper", "data_root": str(tmp_path)}
    (study,) = Settings(("mdpr_ablation",), **given, datasets="Market-1501").load_studies()
    assert ("Market-1501",) == study.dataset_labels
    with pytest.raises(ValueError, match="names 'market'; these studies have Market-1501, DukeMTMC-reID"):
        Settings(("mdpr_ablation",), **given, datasets="market").load_studies()


def test_every_option_has_its_variable():
    """What the command line takes and what the settings hold have one set of names."""
    from sweep import app

    options = {
        name.removeprefix("--") for parameter in typer.main.get_command(app).params for name in parameter.opts
    }
    held = {field.name for field in dataclasses.fields(Settings)} - set(NO_OPTIONS)
    names = {name.replace("_", "-") for name in held}
    assert names <= options
    refuse_unknown_variables({variable_of(name): "" for name in names})


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("A", ["A"]),
        ("CUHK03 labelled, 1367/100", ["CUHK03 labelled, 1367/100"]),
        (" A ,CUHK03 labelled, 1367/100 , B", ["A", "CUHK03 labelled, 1367/100", "B"]),
        ("CUHK03 labelled,C", ["CUHK03 labelled", "C"]),
        ("A,", ["A", ""]),
        ("", [""]),
    ],
)
def test_labels_may_hold_commas(text, labels):
    """A data set whose label has a comma can be asked for as it heads its column."""
    assert labels == _split_at_commas(text, ["A", "B", "CUHK03 labelled", "CUHK03 labelled, 1367/100"])


def test_minutes_between_checkpoints_reach_the_trainings():
    """What is said in minutes is what a training is given; where nothing is said, it finds out itself."""
    said, unsaid = (
        Settings(studies=("mdpr_ablation",), checkpoint_minutes=minutes).runtime() for minutes in (2.5, None)
    )
    assert (150.0, None) == (said.checkpoint_every_s, unsaid.checkpoint_every_s)


@pytest.mark.parametrize(
    ("given", "num_processes"),
    [
        ({}, 1),
        ({"gpus_per_training": 0.5}, 1),
        ({"gpus_per_training": 4}, 4),
        ({"processes_per_training": 2}, 2),
        ({"processes_per_training": 2, "gpus_per_training": 0}, 2),
    ],
)
def test_a_training_has_a_process_a_gpu_or_as_many_as_are_asked_for(given, num_processes):
    """Whole GPUs are all used; on the CPU the number is said by itself."""
    assert num_processes == Settings(("mdpr_ablation",), **given).runtime().process.num_processes


@pytest.mark.parametrize(
    ("tracking_uri", "shown"),
    [
        ("http://anna:hunter2@mlflow:5000", "http://…@mlflow:5000"),
        ("sqlite:////tmp/m&f.db", "mlflow ui --backend-store-uri 'sqlite:////tmp/m&f.db'"),
        ("none", None),
    ],
)
def test_where_mlflow_is_to_be_seen_is_said(tracking_uri, shown):
    """A server's address without its password, or the command that starts the pages of a database."""
    assert shown == Settings(("mdpr_ablation",), tracking_uri=tracking_uri).tracking_link.get("MLflow")
