"""Pipes and devices in a file's place are refused before anybody waits for them."""

import os
from pathlib import Path

import pytest
from PIL import Image

from tablewright.orchestrator.store.folder import Folder
from tablewright.trainables.data.labelled_images import ImageFiles
from tablewright.trainables.file_version import version_of
from tablewright.trainables.layers.weight_file import read_entries
from tablewright.trainables.own.script_results import read_results
from tablewright.trainables.value.regular_file import NotRegular, refuse_irregular


def pipe(path):
    os.mkfifo(path)


def link_to_a_pipe(path):
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


def link_to_a_device(path):
    path.symlink_to("/dev/zero")


IRREGULAR = [pipe, link_to_a_pipe, link_to_a_device]
READERS = {
    "a record": lambda path: Folder(str(path.parent)).read(path.name),
    "a checkpoint": lambda path: Folder(str(path.parent)).open_to_read(path.name).__enter__(),
    "an image": lambda path: ImageFiles(path.parent)(path.name),
    "the bytes of an image": lambda path: ImageFiles(path.parent).content(path.name),
    "a file of one's own data": version_of,
}


@pytest.mark.parametrize("make", IRREGULAR)
@pytest.mark.parametrize("reader", READERS)
def test_no_reader_waits_for_what_is_no_file(tmp_path, reader, make):
    """Each says what lies there; a reader of a pipe that nobody writes to would hang."""
    make(tmp_path / "it")
    with pytest.raises(NotRegular) as raised:
        READERS[reader](tmp_path / "it")
    assert "it is a pipe, a socket or a device, and no file" == raised.value.strerror


@pytest.mark.parametrize("make", IRREGULAR)
def test_weights_and_results_that_are_no_files_are_named(tmp_path, make):
    """What a person has put there, or a script has left, is told by its name."""
    make(tmp_path / "it")
    with pytest.raises(ValueError, match=r"it cannot be opened \(it is a pipe, a socket or a device"):
        read_entries(tmp_path / "it")
    with pytest.raises(
        ValueError, match=r"it in \{out\} cannot be read \(it is a pipe, a socket or a device"
    ):
        read_results(tmp_path, "it", None)


def test_files_and_links_to_files_are_read(tmp_path):
    """Data sets are often made of links."""
    Image.new("RGB", (2, 2)).save(tmp_path / "one.png")
    (tmp_path / "link.png").symlink_to("one.png")
    refuse_irregular(Path(tmp_path / "link.png"))
    assert (2, 2) == ImageFiles(tmp_path)("link.png").size
