"""What may stand in an address: of a store, of a database, of a Ray cluster; told before anything is opened."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from tablewright.trainables.value.refusal import guess, shown
from tablewright.trainables.value.regular_file import NO_FILE, refuse_irregular

NO_TRACKING = "none"
TRACKING_SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql", "databricks")
SEARCH_SCHEMES = ("sqlite", "postgresql", "mysql")
DATABASE_SCHEMES = ("sqlite", "postgresql", "mysql", "mssql")

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


class DatabaseDriver(NamedTuple):
    """By what SQLAlchemy reaches a kind of database.

    Attributes:
        module: that is imported.
        package: what pip installs it by.
    """

    module: str
    package: str


PSYCOPG = DatabaseDriver("psycopg", "'psycopg[binary]'")
DATABASE_DRIVERS = {
    "postgresql": DatabaseDriver("psycopg2", PSYCOPG.package),
    "postgresql+psycopg": PSYCOPG,
    "postgresql+psycopg2": DatabaseDriver("psycopg2", "psycopg2-binary"),
    "mysql": DatabaseDriver("MySQLdb", "mysqlclient"),
    "mysql+mysqldb": DatabaseDriver("MySQLdb", "mysqlclient"),
    "mysql+pymysql": DatabaseDriver("pymysql", "pymysql"),
    "mssql": DatabaseDriver("pyodbc", "pyodbc"),
    "mssql+pyodbc": DatabaseDriver("pyodbc", "pyodbc"),
    "mssql+pymssql": DatabaseDriver("pymssql", "pymssql"),
}
"""By scheme; of another one that names its driver, such as `postgresql+pg8000`, the driver is module and package."""

FOLDER_OF_JOBS = "working_dir_files"
"""Ray keeps what `ray job submit --working-dir` has sent in a folder of this name, and removes it after a while."""

_CLUSTER = re.compile(r"auto|local|(\[[0-9a-fA-F:]+\]|[^\s/:\[\]]+):(?P<port>\d{1,5})")
_HOST = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]*|[0-9a-fA-F:]*:[0-9a-fA-F:]*:[0-9a-fA-F:]*")


def scheme_of(url: str) -> str:
    """Give what kind of address it is, without the driver that `postgresql+psycopg` names."""
    return url.partition(":")[0].partition("+")[0]


def driver_of(url: str) -> DatabaseDriver | None:
    """Give what a database is reached by from here; None for SQLite, which Python has, and for servers."""
    scheme = url.partition(":")[0]
    if scheme_of(url) not in ("postgresql", "mysql", "mssql"):
        return None
    if known := DATABASE_DRIVERS.get(scheme):
        return known
    name = scheme.partition("+")[2]
    return DatabaseDriver(name, name)


def is_installed(driver: DatabaseDriver) -> bool:
    """Say whether a driver can be imported, without importing it."""
    return importlib.util.find_spec(driver.module) is not None


def database_url(url: str) -> str:
    """Give a database's URL as SQLAlchemy opens it here: `postgresql://` by psycopg 3 where psycopg 2 is absent."""
    driver = driver_of(url)
    if url.startswith("postgresql://") and driver is not None and not is_installed(driver):
        return url.replace("postgresql://", "postgresql+psycopg://", 1)
    return url


def refuse_absent_driver(option: str, url: str) -> None:
    """Refuse a database for which a package is absent, before anything runs.

    Raises:
        ValueError: names the package and what installs it.
    """
    driver = driver_of(database_url(url))
    if driver is not None and not is_installed(driver):
        raise ValueError(
            f"{option} is {shown(url)}, and {driver.module}, by which it is reached, is not "
            f"installed; pip install {driver.package}, or name a driver that you have "
            f"({scheme_of(url)}+driver://…)"
        )


def sqlite_path(url: str) -> Path | None:
    """Give the file of an SQLite database; None where a URL names none."""
    path = re.sub(r"^[^:]*://[^/]*/?", "", url).partition("?")[0].removeprefix("file:")
    is_file = scheme_of(url) == "sqlite" and path not in ("", ":memory:")
    return Path(path).absolute() if is_file else None


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
    if FOLDER_OF_JOBS in folder.parts:
        yield (
            f"--store is {shown(url)}, which lies in the copy of your folder that Ray makes for a job and removes; "
            "name a folder that outlives the job and that every machine sees, or a bucket: --store /shared/runs"
        )


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
    if isinstance(error, FileNotFoundError) and "://" in url:
        bucket = url.partition("://")[2].partition("/")[0]
        return ValueError(f"--store is {where}, and there is no bucket {bucket}; make it, or name another")
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
        path = sqlite_path(url)
        if path is None:
            yield f"{option} is {shown_url}, which is lost when the command ends; write such as sqlite:///file.db"
        elif not path.parent.is_dir() and path.parent != store_folder:
            yield f"{option} is {shown_url}, but there is no folder {path.parent}; make it, or name another"
    elif scheme in DATABASE_SCHEMES:
        behind, _, _ = url.partition("://")[2].rpartition("@")
        if "@" in behind and "?" not in behind:
            yield f"{option} is {shown_url}, and its user or password holds an @; write that as %40"


def unreachable_database(option: str, url: str, error: Exception) -> ValueError:
    """Say why a database of a right address cannot be opened."""
    databases = "sqlite:///runs/optuna.db or postgresql://user@host/name"
    return ValueError(
        f"{option} {shown(url)} cannot be opened ({why_unreachable(url, error)}). "
        f"Give a database such as {databases}."
    )


def refuse_irregular_database(url: str) -> None:
    """Refuse a pipe or a device in the place of an SQLite database: its reader may wait for ever.

    Raises:
        OSError: there is one.
    """
    path = sqlite_path(url)
    if path is not None and path.exists():
        refuse_irregular(path)


_SIGNS_OF_DAMAGE = ("file is not a database", "malformed", "unsupported file format")
"""What SQLite says of a file that will not be a sound database however often it is opened."""


def damage_of_database(url: str, error: Exception) -> str:
    """Say what is wrong with an SQLite database that nothing but moving it away mends; empty where it may be mended."""
    path = sqlite_path(url)
    if path is None:
        return ""
    if path.is_symlink() and not path.exists():
        return "it is a link that leads nowhere"
    if path.exists() and not path.is_file():
        return "it is a folder" if path.is_dir() else NO_FILE
    words = " ".join(map(str, causes_of(error)))
    return "the file is damaged" if any(sign in words for sign in _SIGNS_OF_DAMAGE) else ""


def why_unreachable(url: str, error: Exception) -> str:
    """Say in our words why a database cannot be read or written; its driver's own may hold the password."""
    causes = list(causes_of(error))
    scheme, driver = scheme_of(url), driver_of(url)
    if any(isinstance(cause, ImportError) for cause in causes):
        package = "its driver" if driver is None else driver.package
        return (
            f"the driver of {scheme} is not installed; pip install {package}, or name the one that you have "
            f"({scheme}+driver://…)"
        )
    if scheme == "sqlite":
        words = " ".join(map(str, causes))
        if "is locked" in words:
            return "another program holds it locked"
        if "is full" in words or "No space left" in words:
            return "the disc that it is on is full"
        return (
            "the file is no database of SQLite, is one of another program, or may not be written; move away one that "
            "is damaged, and --mirror fills a new one from the store"
        )
    if scheme in TRACKING_SCHEMES:
        return (
            f"it does not answer as it should ({type(causes[-1]).__name__}); see that the server runs, that "
            "this machine may reach it, and that user and password are right"
        )
    return "it is no URL of a database that can be reached from here"


def causes_of(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error and what it came from, the first cause last."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


# -- clusters ------------------------------------------------------------------------------------


def cluster_faults(address: str, said_by: str = "--address") -> Iterator[str]:
    """Say why no Ray cluster can be joined at an address.

    Args:
        address: `host:port`, `auto` or `local`.
        said_by: the option or variable that names it.
    """
    match = _CLUSTER.fullmatch(address)
    if match is not None and int(match["port"] or 1) in range(1, 2**16):
        return
    got = f"{said_by} is {shown(address)}"
    scheme, is_url, rest = address.partition("://")
    host = (urlsplit(address).hostname if is_url else "") or rest.partition(":")[0] or "HOST"
    if is_url and scheme == "ray":
        yield (
            f"{got}, which is the port of Ray's client; a sweep joins the cluster itself. Start it on a machine that "
            f"reaches the cluster's, with {said_by} {host}:6379 (the port of `ray start --head`), or hand it to the "
            f"cluster: ray job submit --address http://{host}:8265 -- …"
        )
    elif is_url and scheme in ("http", "https"):
        yield (
            f"{got}, which is the dashboard, to which jobs are submitted: ray job submit --address {shown(address)} -- "
            f"and then this command without it. From a machine of the cluster's network {said_by} is {host}:6379 (the "
            "port of `ray start --head`)"
        )
    elif _HOST.fullmatch(address):
        host = f"[{address}]" if ":" in address else address
        yield f"{got} and names no port; write {host}:6379 (the port of `ray start --head`)"
    else:
        yield (
            f"{got}; it is host:port as `ray status` shows it on the cluster, `auto` on one of its machines, or left "
            "out to start a cluster here"
        )
