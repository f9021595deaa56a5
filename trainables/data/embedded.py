"""The demo data set that travels with the code, unpacked once a machine.

`demo_pedestrians.tar.xz` holds rendered pedestrians in the layout of Market-1501, with two more folders,
`val_query` and `val_gallery`, of people who are neither in train nor in test.
"""

from __future__ import annotations

import hashlib
import lzma
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from tablewright.trainables.data.unpacking import UnpacksToTooMuch, refuse_too_much

DEMO_ARCHIVE = Path(__file__).with_name("demo_pedestrians.tar.xz")


def unpack_demo_archive(cache_dir: Path, archive: Path = DEMO_ARCHIVE) -> Path:
    """Give the folder of the unpacked demo set, unpacking it where that has not been done.

    Safe when several trainings start at once: each unpacks aside, the first to finish renames.

    Args:
        cache_dir: gets a folder named after the archive's digest, so that a new archive is unpacked anew.
        archive: the embedded one, or another in tests.

    Raises:
        ValueError: the archive is missing from the installation, is damaged, or unpacks to too much.
    """
    if not archive.is_file():
        raise ValueError(f"the embedded demo data {archive} is missing; install the package again")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    target = cache_dir / f"demo_pedestrians-{digest[:16]}"
    if target.is_dir():
        return target
    cache_dir.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f"{target.name}.", suffix=".part", dir=cache_dir))
    try:
        _unpack(archive, aside)
        aside.chmod(0o755)  # mkdtemp's folders are readable by one user only
        try:
            _folder_of_splits(aside).rename(target)
        except OSError:
            if not target.is_dir():  # otherwise another training was faster
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target


def _unpack(archive: Path, folder: Path) -> None:
    try:
        with tarfile.open(archive) as tar:
            # Python 3.11.3 and older, as Debian 12 has it, know no filters; the archive is our own.
            tar.extraction_filter = getattr(tarfile, "data_filter", None)
            tar.extractall(folder, _members(tar))
    except UnpacksToTooMuch as error:
        raise ValueError(f"the embedded demo data {archive} {error}") from error
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError) as error:
        raise ValueError(f"the embedded demo data {archive} is damaged; install the package again") from error


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Give what is to be unpacked next, as long as all of it is not too much."""
    sizes_bytes: list[int] = []
    for member in tar:
        sizes_bytes.append(member.size)
        refuse_too_much(sizes_bytes)
        yield member


def _folder_of_splits(folder: Path) -> Path:
    """Give the folder itself, or its only folder where the archive packs everything into one."""
    entries = list(folder.iterdir())
    if len(entries) == 1 and entries[0].is_dir():
        return entries[0]
    return folder
