"""What the cluster files run on their machines: who has joined, MLflow beside Ray, and a head that ends itself."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ports import answers
from tests.waiting import PATIENCE_S, wait_for

ROOT = Path(__file__).parent.parent
CLUSTERS = ROOT / "clusters"
MLFLOW = '''#!{python}
"""Stands for MLflow's server: says that it is well, and leaves word of what it was told."""
import http.server, pathlib, sys

class Well(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()

    def log_message(self, *words): pass

pathlib.Path("{folder}/told").write_text(" ".join(sys.argv[1:]))
http.server.HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Well).serve_forever()
'''


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Import a script as it is where it runs: with those beside it."""
    monkeypatch.syspath_prepend(str(CLUSTERS))
    yield __import__
    for name in ("joined", "count_machines", "stop_when_idle"):
        sys.modules.pop(name, None)


def listening() -> socket.socket:
    """Listen on a port of this machine, as Ray's head service does."""
    server = socket.create_server(("127.0.0.1", 0))
    server.listen(64)
    return server


@pytest.mark.slow
def test_mlflow_ends_with_ray_and_its_new_database_is_filled(tmp_path: Path) -> None:
    """The server runs while Ray's port answers, in the folder that is named; no process of it is left afterwards."""
    with listening() as free:
        port = free.getsockname()[1]
    for name, text in (
        ("mlflow", MLFLOW.format(python=sys.executable, folder=tmp_path)),
        ("python", f"#!/bin/sh\necho $@ > {tmp_path}/mirrored\n"),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    with listening() as ray:
        beside = subprocess.Popen(
            [
                *("bash", CLUSTERS / "mlflow_beside_ray.sh"),
                *(f"127.0.0.1:{ray.getsockname()[1]}", tmp_path / "databases"),
            ],
            env={
                **os.environ,
                "PATH": f"{tmp_path}:{os.environ['PATH']}",
                "MLFLOW_PORT": str(port),
                "LOOK_EVERY_S": "0.2",
            },
        )
        wait_for((tmp_path / "mirrored").exists)
        assert (
            0 == subprocess.run(beside.args, check=False, timeout=PATIENCE_S).returncode
        )  # a second one leaves it alone
        assert beside.poll() is None
        assert answers(port)
    assert 0 == beside.wait(timeout=PATIENCE_S)
    wait_for(lambda: not answers(port))
    assert f"sqlite:///{tmp_path}/databases/mlflow.db" in (tmp_path / "told").read_text()
    assert "sweep.py --mirror" == (tmp_path / "mirrored").read_text().strip()


@pytest.mark.slow
def test_a_cluster_that_does_not_answer_has_no_machine() -> None:
    """The question ends with 1, so that Ray is started, and not with a traceback."""
    with listening() as free:
        port = free.getsockname()[1]
    asked = subprocess.run(
        [sys.executable, CLUSTERS / "joined.py", f"127.0.0.1:{port}", "127.0.0.1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert 1 == asked.returncode
    assert "no cluster answers at 127.0.0.1" in asked.stderr
    assert "Traceback" not in asked.stderr


@pytest.mark.slow
def test_machines_that_did_not_join_are_named(scripts: Any) -> None:
    """By address where the file has addresses; else by how many there should be from the start."""
    missing = scripts("count_machines").missing
    named = {"provider": {"head_ip": "10.0.0.1", "worker_ips": ["10.0.0.2", "10.0.0.3"]}}
    assert [] == missing(named, ["10.0.0.1", "10.0.0.2", "10.0.0.3"])
    assert ["10.0.0.3"] == missing(named, ["10.0.0.1", "10.0.0.2"])
    kinds = {"head": {}, "worker": {"min_workers": 2}, "spare": {}}
    counted = {"provider": {}, "head_node_type": "head", "available_node_types": kinds}
    assert [] == missing(counted, ["10.0.0.1", "10.0.0.2", "10.0.0.3"])
    assert ["2 of 3 machines"] == missing(counted, ["10.0.0.1"])


@pytest.mark.slow
def test_a_head_is_idle_only_after_so_many_minutes_on_end(scripts: Any) -> None:
    """A sweep or a login in between begins the count again."""
    busy = iter([False, False, True, False, False, False])
    waited: list[float] = []
    scripts("stop_when_idle").wait_until_idle(3, lambda: next(busy), waited.append)
    assert 6 * [60.0] == waited


@pytest.mark.slow
def test_a_head_that_is_not_to_end_itself_does_not(scripts: Any) -> None:
    """With 0 minutes nothing is waited for, and nothing is shut down."""
    assert 0 == scripts("stop_when_idle").main("127.0.0.1:1", "0")
