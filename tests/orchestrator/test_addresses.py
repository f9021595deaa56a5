"""Addresses of databases: how they are shown, and by what they are reached."""

import importlib.util

import pytest

from tablewright.orchestrator import addresses
from tablewright.orchestrator.addresses import (
    database_url,
    refuse_absent_driver,
    search_storage_faults,
    sqlite_path,
    why_unreachable,
)
from tablewright.orchestrator.settings import Settings
from tablewright.trainables.value.secret import masked

PASSWORDS = [
    "hunter2",
    "hun@ter2",
    "hun/ter2",
    "hun:ter2",
    "hun?ter2",
    "hun#ter2",
    "hun@ter/2:x?y=@z",
    "hun ter2",
]


@pytest.mark.parametrize("password", PASSWORDS)
def test_no_part_of_a_password_is_shown(password):
    """Whatever it holds, and wherever in the URL it stands, encoded or not."""
    for url in (
        f"postgresql://user:{password}@host:5432/name",
        f"postgresql+psycopg://user:{password}@host/name?sslmode=require",
        f"https://user:{password}@host/mlflow",
        f"https://{password}@host/mlflow" if not set(password) & set("/?#") else "https://host",
    ):
        assert "hun" not in masked(url)
        assert "ter2" not in masked(url)
        assert "@host" in masked(url) or url == "https://host"
    for name in ("password", "sslpassword", "PWD", "access_token", "odbc_connect"):
        if not set(password) & set("&@"):
            assert "hun" not in masked(f"postgresql://host/name?a=1&{name}={password}&b=2")


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize(
    "given", ["search_storage", "tracking_uri", "store", "address"], ids=lambda name: name.replace("_", "-")
)
def test_a_refused_address_is_named_without_its_password(given, password):
    """Of every option that takes an address, misspelt or with a character that is none."""
    for url in (f"postgre://user:{password}@host/name", f"postgresql://user:{password}\udcff@host/name"):
        with pytest.raises(ValueError, match=f"--{given.replace('_', '-')} is") as caught:
            Settings(("mdpr_ablation",), **{given: url})
        assert "hun" not in str(caught.value)
        assert "ter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////a/b@c.db",
        "http://host:5000/x",
        "postgresql://user@host:5432/name?sslmode=require",
        "s3://bucket/run@2024",
    ],
)
def test_what_is_no_secret_is_shown(url):
    """A user, a port, a path and a bucket are needed to see what was meant."""
    assert url == masked(url)


def test_an_at_in_a_password_is_refused_with_how_to_write_it():
    """SQLAlchemy would take the rest of the password for the host."""
    (fault,) = search_storage_faults("postgresql://user:p@ss@host/name", None)
    assert "holds an @; write that as %40" in fault
    assert [] == list(search_storage_faults("postgresql://user:p%40ss@host/name?a=b@c", None))


@pytest.mark.parametrize(
    ("installed", "url", "expected"),
    [
        (["psycopg"], "postgresql://host/name", "postgresql+psycopg://host/name"),
        (["psycopg", "psycopg2"], "postgresql://host/name", "postgresql://host/name"),
        (["psycopg"], "postgresql+psycopg2://host/name", "postgresql+psycopg2://host/name"),
        (["psycopg"], "sqlite:///x.db", "sqlite:///x.db"),
        (["psycopg"], "http://host", "http://host"),
    ],
)
def test_a_database_is_reached_by_the_driver_that_is_there(monkeypatch, installed, url, expected):
    """`postgresql://` alone means psycopg 2 to SQLAlchemy; where that is absent, psycopg 3 serves as well."""
    monkeypatch.setattr(addresses, "is_installed", lambda driver: driver.module in installed)
    assert expected == database_url(url)


@pytest.mark.parametrize(
    ("url", "package"),
    [
        ("postgresql://u:hunter2@host/name", "pip install 'psycopg[binary]'"),
        ("postgresql+psycopg2://u:hunter2@host/name", "pip install psycopg2-binary"),
        ("postgresql+nodriver://u:hunter2@host/name", "pip install nodriver"),
        ("mysql://u:hunter2@host/name", "pip install mysqlclient"),
    ],
)
def test_an_absent_driver_is_refused_with_what_installs_it(monkeypatch, url, package):
    """In one line, without the password."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="--tracking-uri is") as caught:
        refuse_absent_driver("--tracking-uri", url)
    assert package in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_file_of_a_database_of_sqlite(tmp_path, monkeypatch):
    """As SQLAlchemy takes it: relative to the current folder, or absolute with a fourth slash."""
    monkeypatch.chdir(tmp_path)
    assert tmp_path / "x.db" == sqlite_path("sqlite:///x.db?timeout=3")
    assert tmp_path / "x.db" == sqlite_path(f"sqlite:///{tmp_path}/x.db")
    assert sqlite_path("sqlite://") is None
    assert sqlite_path("postgresql://host/x.db") is None


def test_a_locked_and_a_full_database_are_told_apart():
    """What to look at is another program, or the disc."""
    locked = why_unreachable("sqlite:///x.db", RuntimeError("database is locked"))
    full = why_unreachable("sqlite:///x.db", RuntimeError("database or disk is full"))
    assert ("another program holds it locked", "the disc that it is on is full") == (locked, full)
