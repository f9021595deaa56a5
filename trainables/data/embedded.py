"""The demo pedestrians, which come with the code as one archive."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import tempfile
from pathlib import Path

ARCHIVE = Path(__file__).parent / "demo_pedestrians.tar.xz"


def unpack_demo(cache_dir: str, archive: Path = ARCHIVE) -> Path:
    """Unpack the archive once into this machine's cache, under the digest of its bytes.

    Several processes may do so at once: each unpacks aside, and the first to rename wins.

    Returns:
        The folder that holds the data set's folders.

    Raises:
        ValueError: the archive is not there.
    """
    if not archive.is_file():
        raise ValueError(f"the demo images are missing: {archive}; get the file back with git checkout")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()[:16]
    target = Path(cache_dir) / "embedded" / f"{archive.name.partition('.')[0]}-{digest}"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        with tarfile.open(archive) as packed:
            packed.extractall(aside, filter="data")
        (folder,) = [path.parent for path in aside.rglob("bounding_box_train")]
        try:
            folder.rename(target)
        except OSError:
            if not target.is_dir():  # another process was first otherwise
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target
