"""A file of the store appears whole or not at all, whatever happens to its writer."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tablewright.orchestrator.store import folder as folder_module
from tablewright.orchestrator.store.folder import Folder


def test_a_file_that_was_not_finished_is_not_there(tmp_path):
    """An error while writing leaves neither the file nor a trace of it."""
    folder = Folder(str(tmp_path / "x"))

    def write_half():
        with folder.open_to_write("final.pt") as file:
            file.write(b"half")
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        write_half()
    assert not folder.exists("final.pt")
    assert list((tmp_path / "x").iterdir()) == []


def run_until_killed(code, folder):
    """Run what writes to a folder in a process of its own, which is killed on the way."""
    imported = "import os, signal, sys; from tablewright.orchestrator.store.folder import Folder\n"
    ended = subprocess.run([sys.executable, "-c", imported + code, str(folder)], check=False)
    assert ended.returncode == -9


@pytest.mark.slow
def test_a_killed_writer_leaves_the_old_file(tmp_path):
    """SIGKILL between the first byte and the last leaves what was there before."""
    folder = Folder(str(tmp_path / "x"))
    folder.write("resume.pt", b"old")
    code = (
        "with Folder(sys.argv[1]).open_to_write('resume.pt') as file:\n"
        "    file.write(b'new'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    run_until_killed(code, tmp_path / "x")
    assert folder.read("resume.pt") == b"old"
    assert folder.names() == ["resume.pt"]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="this system has no files without a name")
def test_a_writer_that_is_killed_while_it_creates_a_file_leaves_nothing(tmp_path):
    """Killed before a new file is whole, such as a claim, its writer leaves no file under another name either."""
    (tmp_path / "x").mkdir()
    code = (
        "os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)\n"
        "Folder(sys.argv[1]).create('claim.1.json', b'new')\n"
    )
    run_until_killed(code, tmp_path / "x")
    assert [] == list((tmp_path / "x").iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_no_space_left_names_the_file_and_a_way_out(tmp_path, monkeypatch):
    """A full disk is an error that says which file and what to do, and the old file stays."""
    folder = Folder(str(tmp_path / "x"))
    folder.write("epochs.parquet", b"old")

    def on_a_full_disk(target):
        aside = target.with_name(f".{target.name}.aside")
        aside.symlink_to("/dev/full")
        return os.open(aside, os.O_WRONLY), aside

    monkeypatch.setattr(folder_module, "open_aside", on_a_full_disk)
    with pytest.raises(OSError, match=r"cannot write .*epochs\.parquet.*another --store") as caught:
        folder.write("epochs.parquet", b"new" * 100_000)
    assert caught.value.errno == errno.ENOSPC
    assert folder.read("epochs.parquet") == b"old"


def test_a_new_file_has_the_rights_that_any_new_file_gets(tmp_path):
    """Colleagues read a store on a shared disc as far as the umask lets them, a file written twice too."""
    folder = Folder(str(tmp_path / "x"))
    before = os.umask(0o002)
    try:
        folder.write("record.json", b"{}")
        folder.write("record.json", b"{}")
    finally:
        os.umask(before)
    assert 0o664 == (tmp_path / "x/record.json").stat().st_mode & 0o777
