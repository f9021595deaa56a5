"""What may stand in an address: of a store, of a database, of a Ray cluster; told before anything is opened."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tablewright.trainables.value.refusal import guess, shown

NO_TRACKING = "none"
TRACKING_SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql", "databricks")
SEARCH_SCHEMES = ("sqlite", "postgresql", "mysql")

PACKAGE_OF_STORE = {
    "s3": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "oss": "ossfs",
    "hdfs": "pyarrow",
    "sftp": "paramiko",
    "ssh": "paramiko",
    "smb": "smbprotocol",
    "webdav": "webdav4",
}
"""Kinds of stores that keep what is written, and the Python package that each needs; beside these, folders."""

PACKAGE_OF_DATABASE = {"postgresql": "psycopg2-binary", "mysql": "mysqlclient", "mssql": "pyodbc"}
"""The Python package by which SQLAlchemy reaches a database where the URL names none (`postgresql+psycopg://…`)."""

_CLUSTER = re.compile(r"auto|local|(ray://)?(\[[0-9a-fA-F:]+\]|[^\s/:\[\]]+):(?P<port>\d{1,5})")


def scheme_of(url: str) -> str:
    """Give what kind of address it is, without the driver that `postgresql+psycopg` names."""
    return url.partition(":")[0].partition("+")[0]


# -- stores --------------------------------------------------------------------------------------


def store_faults(url: str) -> Iterator[str]:
    """Say why nothing could be kept there."""
    scheme, is_url, rest = url.partition("://")
    if is_url and scheme != "file":
        if scheme not in PACKAGE_OF_STORE:
            why = {"memory": ", which is lost when the command ends", "http": ", which nothing is written to"}
            yield (
                f"--store is {shown(url)}{why.get(scheme.removesuffix('s'), '')}; it is a folder, or "
                f"a URL that begins with one of {', '.join(PACKAGE_OF_STORE)}{guess(scheme, PACKAGE_OF_STORE)}"
            )
        elif not rest.strip("/"):
            yield f"--store is {shown(url)} and names no place; write such as {scheme}://bucket/folder"
        return
    folder = Path(rest if is_url else url).expanduser().absolute()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir():
        yield f"--store is {shown(url)}, but {nearest} is no folder; name one, which need not be there yet"


def unreachable_store(url: str, error: Exception) -> ValueError:
    """Say why a store of a right address cannot be opened."""
    scheme, where = scheme_of(url), shown(url)
    if isinstance(error, ImportError):
        package = PACKAGE_OF_STORE.get(scheme, "its package")
        install = "pip install -e '.[aws]'" if scheme == "s3" else f"pip install {package}"
        return ValueError(
            f"--store is {where}, and {package}, by which {scheme}:// is read and written, is not installed; "
            f"{install}, on every machine of the cluster"
        )
    return ValueError(
        f"--store is {where}, which cannot be reached ({type(error).__name__}); see that the address is right, that "
        "this machine may reach it, and that its credentials are set where Ray runs"
    )


# -- databases -----------------------------------------------------------------------------------


def tracking_faults(url: str, store_folder: Path | None) -> Iterator[str]:
    """Say why MLflow could keep nothing there."""
    if url == NO_TRACKING:
        return
    yield from _database_faults(
        "--tracking-uri", url, TRACKING_SCHEMES, store_folder, or_else="is 'none' or "
    )
    if scheme_of(url) in ("http", "https") and not urlsplit(url).hostname:
        yield f"--tracking-uri is {shown(url)} and names no host; write such as http://host:5000"


def search_storage_faults(url: str, store_folder: Path | None) -> Iterator[str]:
    """Say why Optuna could keep nothing there."""
    yield from _database_faults("--search-storage", url, SEARCH_SCHEMES, store_folder)


def _database_faults(
    option: str, url: str, schemes: tuple[str, ...], store_folder: Path | None, *, or_else: str = ""
) -> Iterator[str]:
    scheme, shown_url = scheme_of(url), shown(url)
    if scheme not in schemes or ("://" not in url and url != "databricks"):
        yield (
            f"{option} is {shown_url}; it {or_else}begins with one of {', '.join(schemes)}, as sqlite:///file.db "
            f"does{guess(scheme, schemes)}"
        )
    elif scheme == "sqlite":
        path = re.sub(r"^[^:]*://[^/]*/?", "", url).partition("?")[0]
        folder = Path(path).expanduser().absolute().parent
        if path in ("", ":memory:"):
            yield f"{option} is {shown_url}, which is lost when the command ends; write such as sqlite:///file.db"
        elif not folder.is_dir() and folder != store_folder:
            yield f"{option} is {shown_url}, but there is no folder {folder}; make it, or name another"


def unreachable_database(option: str, url: str, error: Exception) -> ValueError:
    """Say why a database of a right address cannot be opened."""
    causes = list(causes_of(error))
    scheme, where = scheme_of(url), shown(url)
    if any(isinstance(cause, ImportError) for cause in causes):
        package = PACKAGE_OF_DATABASE.get(scheme, "its driver")
        why = (
            f"the driver of {scheme} is not installed; pip install {package}, or name the one that you have "
            f"({scheme}+driver://…)"
        )
    elif scheme == "sqlite":
        why = (
            "the file is no database of SQLite, is one of another program, or may not be written; one that is damaged "
            "may be moved away, it is filled again from the store"
        )
    elif scheme in TRACKING_SCHEMES:
        why = (
            f"it does not answer as it should ({type(causes[-1]).__name__}); see that the server runs, that "
            "this machine may reach it, and that user and password are right"
        )
    else:
        why = "it is no URL of a database that can be reached from here"
    databases = "sqlite:///runs/optuna.db or postgresql://user@host/name"
    return ValueError(f"{option} {where} cannot be opened ({why}). Give a database such as {databases}.")


def causes_of(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error and what it came from, the first cause last."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


# -- clusters ------------------------------------------------------------------------------------


def cluster_faults(address: str) -> Iterator[str]:
    """Say why no Ray cluster can have an address."""
    match = _CLUSTER.fullmatch(address)
    if match is None or int(match["port"] or 1) not in range(1, 2**16):
        yield (
            f"--address is {shown(address)}; it is host:port as `ray status` shows it on the cluster, `auto` on one of "
            "its machines, ray://host:port for Ray's client, or left out to start a cluster here"
        )
