"""Fast tests first: what starts Ray or is slow runs after all that ends in a moment."""

from __future__ import annotations

import gc
import os
import sys
import threading
import uuid

# Before torch is imported: on tensors this small, threads wait for each other for longer than they work.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

LATE_MARKERS = ("slow", "ray", "gpu")

# While tests are collected nothing becomes garbage, and what was compiled of them serves the other processes and the
# next run, where a machine keeps no bytecode as well.
gc.disable()
_keeps_no_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, False


def pytest_collection_finish() -> None:
    """Look for garbage among what tests make, and no more among all that was loaded for them."""
    sys.dont_write_bytecode = _keeps_no_bytecode
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move the marked tests behind the others, those of Ray or the whole program first: the last file is waited for."""
    items.sort(
        key=lambda item: (
            any(item.get_closest_marker(marker) for marker in LATE_MARKERS),
            item.get_closest_marker("ray") is None,
            len(item.path.parts),
        )
    )


@pytest.fixture(autouse=True)
def no_project_stays_entered():
    """Keep the modules of one test's project from the next."""
    yield
    if "tablewright.orchestrator.project.project" in sys.modules:
        sys.modules["tablewright.orchestrator.project.project"].leave_project()


@pytest.fixture(autouse=True)
def no_secret_stays_known():
    """Keep the passwords of one test's addresses from being masked in the next."""
    yield
    if "tablewright.trainables.value.secret" in sys.modules:
        sys.modules["tablewright.trainables.value.secret"].forget_secrets()


CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture(scope="session")
def s3_server():
    """Start moto's server, and give its address; it ends with the tests."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication
    from moto.server import ThreadedMotoServer

    call, lock = DomainDispatcherApplication.__call__, threading.Lock()

    def one_at_a_time(self, environ, start_response):
        with lock:  # its conditional put looks before it writes
            return call(self, environ, start_response)

    DomainDispatcherApplication.__call__ = one_at_a_time
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_bucket(s3_server, monkeypatch):
    """Give the URL of a bucket of the test's own; this process and its children reach it as they would reach S3."""
    import boto3
    import s3fs

    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": s3_server}.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()  # one of an earlier test would ask another server
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    boto3.client("s3").create_bucket(Bucket=name)
    return f"s3://{name}"
