"""Files on their way to an object store: in parts, whole or not at all."""

import hashlib
import os

import boto3
import pytest

from tablewright.orchestrator.store import object_upload
from tablewright.orchestrator.store.folder import Folder

PART_BYTES = 5 * 2**20
"""The smallest that S3 takes."""


@pytest.fixture
def url(s3_bucket, monkeypatch):
    """Of a bucket that takes parts as small as S3 does."""
    monkeypatch.setattr(object_upload, "PART_BYTES", PART_BYTES)
    return s3_bucket


@pytest.fixture
def client(s3_bucket):
    """One that looks into it."""
    return boto3.client("s3")


@pytest.mark.slow
def test_a_large_file_is_sent_in_parts(url, client):
    """What is larger than a part goes in several, however it is written; a small one goes as one request."""
    folder, content = Folder(f"{url}/large"), os.urandom(2 * PART_BYTES + 3)
    with folder.open_to_write("resume.pt") as file:
        file.write(content[:10])
        file.write(memoryview(content)[10:])
    folder.write("small.json", b"{}")
    tags = {
        name: client.head_object(Bucket=url.removeprefix("s3://"), Key=f"large/{name}")["ETag"]
        for name in folder.names()
    }
    assert {"resume.pt": True, "small.json": False} == {name: "-" in tag for name, tag in tags.items()}
    assert content == folder.read("resume.pt")
    assert hashlib.sha256(content).hexdigest() == folder.sha256_of("resume.pt")


@pytest.mark.slow
def test_what_ends_in_an_error_leaves_the_old_file_and_no_parts(url, client):
    """After two parts were sent nothing of the new file is to be seen, nor kept to be paid for."""
    folder = Folder(f"{url}/ended")
    folder.write("resume.pt", b"old")

    def write_half():
        with folder.open_to_write("resume.pt") as file:
            file.write(bytes(2 * PART_BYTES + 3))
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        write_half()
    assert b"old" == folder.read("resume.pt")
    assert [] == client.list_multipart_uploads(Bucket=url.removeprefix("s3://")).get("Uploads", [])


@pytest.mark.slow
def test_parts_that_a_killed_writer_has_sent_are_removed(url, client):
    """Nobody sees them, and somebody would pay for them; what another training is sending stays."""
    mine, other = Folder(f"{url}/1/checkpoint"), Folder(f"{url}/12/checkpoint")
    for folder in (mine, other):
        killed = object_upload.Upload(folder._filesystem, folder._at("resume.pt"))
        killed.write(bytes(2 * PART_BYTES))
        killed._parts.closed = True
    mine.remove_unfinished_uploads()
    left = client.list_multipart_uploads(Bucket=url.removeprefix("s3://"))["Uploads"]
    assert ["12/checkpoint/resume.pt"] == [upload["Key"] for upload in left]
    other.remove_unfinished_uploads()


@pytest.mark.slow
def test_no_more_than_a_few_parts_are_in_memory(url, client):
    """What is held of a file does not grow with it."""
    folder = Folder(f"{url}/held")
    with folder.open_to_write("resume.pt") as file:
        for _ in range(8):
            file.write(bytes(PART_BYTES + 1))
            assert file._parts is None or len(file._parts.buffer.getbuffer()) <= 2 * PART_BYTES
    assert (
        8 * (PART_BYTES + 1)
        == client.head_object(Bucket=url.removeprefix("s3://"), Key="held/resume.pt")["ContentLength"]
    )
