"""Files on their way to an object store: in parts, whole or not at all."""

import hashlib
import os

import boto3
import pytest

from tablewright.orchestrator import object_upload
from tablewright.orchestrator.records import Folder

PART_BYTES = 5 * 2**20
"""The smallest that S3 takes."""


@pytest.fixture(scope="module")
def server():
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def bucket(server, monkeypatch):
    """A bucket that this process reaches as it would reach S3, and a client that looks into it."""
    given = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**given, "AWS_ENDPOINT_URL": server}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(object_upload, "PART_BYTES", PART_BYTES)
    client = boto3.client("s3")
    client.create_bucket(Bucket="bucket")
    return client


@pytest.mark.slow
def test_a_large_file_is_sent_in_parts(bucket):
    """What is larger than a part goes in several, however it is written; a small one goes as one request."""
    folder, content = Folder("s3://bucket/large"), os.urandom(2 * PART_BYTES + 3)
    with folder.open_to_write("resume.pt") as file:
        file.write(content[:10])
        file.write(memoryview(content)[10:])
    folder.write("small.json", b"{}")
    tags = {name: bucket.head_object(Bucket="bucket", Key=f"large/{name}")["ETag"] for name in folder.names()}
    assert {"resume.pt": True, "small.json": False} == {name: "-" in tag for name, tag in tags.items()}
    assert content == folder.read("resume.pt")
    assert hashlib.sha256(content).hexdigest() == folder.sha256_of("resume.pt")


@pytest.mark.slow
def test_what_ends_in_an_error_leaves_the_old_file_and_no_parts(bucket):
    """After two parts were sent nothing of the new file is to be seen, nor kept to be paid for."""
    folder = Folder("s3://bucket/ended")
    folder.write("resume.pt", b"old")

    def write_half():
        with folder.open_to_write("resume.pt") as file:
            file.write(bytes(2 * PART_BYTES + 3))
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        write_half()
    assert b"old" == folder.read("resume.pt")
    assert [] == bucket.list_multipart_uploads(Bucket="bucket").get("Uploads", [])


@pytest.mark.slow
def test_parts_that_a_killed_writer_has_sent_are_removed(bucket):
    """Nobody sees them, and somebody would pay for them; what another training is sending stays."""
    mine, other = Folder("s3://bucket/1/checkpoint"), Folder("s3://bucket/12/checkpoint")
    for folder in (mine, other):
        killed = object_upload.Upload(folder._filesystem, folder._at("resume.pt"))
        killed.write(bytes(2 * PART_BYTES))
        killed._parts.closed = True
    mine.remove_unfinished_uploads()
    left = bucket.list_multipart_uploads(Bucket="bucket")["Uploads"]
    assert ["12/checkpoint/resume.pt"] == [upload["Key"] for upload in left]
    other.remove_unfinished_uploads()


@pytest.mark.slow
def test_no_more_than_a_few_parts_are_in_memory(bucket):
    """What is held of a file does not grow with it."""
    folder = Folder("s3://bucket/held")
    with folder.open_to_write("resume.pt") as file:
        for _ in range(8):
            file.write(bytes(PART_BYTES + 1))
            assert file._parts is None or len(file._parts.buffer.getbuffer()) <= 2 * PART_BYTES
    assert 8 * (PART_BYTES + 1) == bucket.head_object(Bucket="bucket", Key="held/resume.pt")["ContentLength"]
