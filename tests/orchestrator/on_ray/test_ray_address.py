"""Clusters at an address: with a token and without, of another version, gone, or no cluster at all."""

import http.server
import os
import secrets
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from tablewright.orchestrator.on_ray import ray_address as module
from tablewright.orchestrator.on_ray.ray_address import admitted, ask, find_token
from tablewright.orchestrator.on_ray.ray_backend import RayBackend
from tests.ports import free_port
from tests.toy_studies import ROOT, write_project
from tests.warm_command import run_warm

pytestmark = [pytest.mark.ray, pytest.mark.slow]

RAY = (sys.executable, "-m", "ray.scripts.scripts")


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    """Start the head of a cluster that demands a token; gives its address, its token and the folder of its logs."""
    token, port = secrets.token_hex(32), free_port()
    with tempfile.TemporaryDirectory(prefix="tw-", dir="/tmp") as folder:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": token,
        }
        options = ["--head", f"--port={port}", "--node-ip-address=127.0.0.1", "--num-cpus=1", "--num-gpus=0"]
        options += [f"--temp-dir={folder}/r", "--include-dashboard=false", "--block"]
        process = subprocess.Popen([*RAY, "start", *options], env=environment, start_new_session=True)
        try:
            deadline = threading.Event()
            while ask(f"127.0.0.1:{port}", token).version == "":
                assert process.poll() is None
                deadline.wait(0.2)
            yield f"127.0.0.1:{port}", token, f"{folder}/r"
        finally:
            process.terminate()
            process.wait()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Keep the tokens of who runs the tests out of them."""
    for name in [name for name in os.environ if name.startswith("RAY_AUTH_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def refusal(address):
    with pytest.raises(ValueError, match=r".") as caught, admitted(address):
        pass
    return str(caught.value)


def test_a_cluster_that_demands_a_token_is_told_at_once(head, monkeypatch, home):
    """Without one, or with another cluster's, it is said where it was looked for and what prints the right one."""
    address, _, _ = head
    assert f"{address} demands a token" in refusal(address)
    assert f"{home}/.ray/auth_token holds none" in refusal(address)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "ab" * 32)
    assert "does not take the token of RAY_AUTH_TOKEN" in refusal(address)
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    (home / "other").write_text("cd" * 32)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(home / "other"))
    assert f"does not take the token of {home}/other" in refusal(address)
    assert "ray get-auth-token" in refusal(address)


@pytest.mark.parametrize("place", ["RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "home"])
def test_the_token_is_found_where_ray_looks_for_it(head, monkeypatch, home, place):
    """Each of the three places opens the door, and Ray's authentication is as it was afterwards."""
    address, token, _ = head
    file = home / ".ray" / "auth_token"
    file.parent.mkdir()
    file.write_text(f"{token}\n" if place == "home" else "ab" * 32)
    if place == "RAY_AUTH_TOKEN_PATH":
        file = home / "named"
        file.write_text(token)
        monkeypatch.setenv(place, str(file))
    elif place != "home":
        monkeypatch.setenv(place, token)
    assert token == find_token().text
    with admitted(address) as found:
        assert address == found
        assert "token" == os.environ["RAY_AUTH_MODE"]
    assert "RAY_AUTH_MODE" not in os.environ


def test_a_sweep_joins_the_cluster_that_ray_address_names(head, monkeypatch, tmp_path):
    """It trains there, and not on a Ray of its own; as a job does, and who has logged in on the head."""
    address, token, folder = head
    write_project(tmp_path)
    monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.setenv("RAY_AUTH_TOKEN", token)
    code, printed = run_warm(tmp_path, "toy", "--tracking-uri", "none", "--seeds", "0")
    assert code == 0, printed
    assert list(Path(folder).glob("session_latest/logs/*core-driver*"))


def test_auto_is_the_cluster_of_this_machine(head, monkeypatch):
    """The job's that this process is; else the one that was started here; else it is said that there is none."""
    address, token, _ = head
    monkeypatch.setenv("RAY_AUTH_TOKEN", token)
    monkeypatch.setattr(module.services, "find_bootstrap_address", lambda folder: None)
    monkeypatch.setattr(module.services, "find_gcs_addresses", lambda: {address})
    with admitted("auto") as found:
        assert address == found
    monkeypatch.setattr(module.services, "find_gcs_addresses", set)
    assert "this machine is of no one Ray cluster" in refusal("auto")
    monkeypatch.setenv("RAY_ADDRESS", address)
    with admitted("auto") as found:
        assert address == found
    monkeypatch.delenv("RAY_ADDRESS")
    closed = f"127.0.0.1:{free_port()}"
    monkeypatch.setattr(module.services, "find_bootstrap_address", lambda folder: closed)
    assert (
        f"{closed}, which is what `ray start` has last written on this machine, does not answer"
        in refusal("auto")
    )


def test_what_is_no_cluster_of_ours_is_told_in_words(head, monkeypatch):
    """A closed port, a name that nobody knows, a web server, and a cluster of another version."""
    closed = f"127.0.0.1:{free_port()}"
    assert f"the Ray cluster at {closed} does not answer (Connection refused)" in refusal(closed)
    assert "does not answer (Name or service not known)" in refusal("nobody.invalid:6379")
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert "what listens there is no head of a Ray cluster" in refusal(f"127.0.0.1:{server.server_port}")
        server.shutdown()
    address, token, _ = head
    monkeypatch.setenv("RAY_AUTH_TOKEN", token)
    monkeypatch.setattr(module.ray, "__version__", "2.61.0")
    assert "runs Ray 2.60.0, and here is Ray 2.61.0" in refusal(address)


def test_an_address_that_does_not_answer_is_refused():
    """A cluster that is down is told within seconds, with what to give."""
    with (
        pytest.raises(ValueError, match=r"at 127\.0\.0\.1:9 does not answer .* `auto`"),
        RayBackend(address="127.0.0.1:9").connect(),
    ):
        pass
