"""What stands in an agent's place becomes the agent once somebody asks, and is gone when the raylet is."""

import os
import socket
import subprocess
import sys
from contextlib import suppress

import psutil

from tablewright.orchestrator.on_ray import agent_on_demand
from tests.waiting import wait_for

STAND_IN = [sys.executable, "-I", "-S", agent_on_demand.__file__]

AGENT = """
import socket, sys
port = int(sys.argv[1].partition("=")[2])
with socket.create_server(("127.0.0.1", port)) as server:
    asked, _ = server.accept()
    asked.sendall(b"agent")
"""

RAYLET = """
import os, subprocess, sys
started = subprocess.Popen(sys.argv[1:], env={**os.environ, "RAY_RAYLET_PID": str(os.getpid())})
print(started.pid, flush=True)
input()
"""


def _answer(port):
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as asking:
        return asking.recv(5)
    return b""


def test_the_first_who_asks_makes_it_the_agent(tmp_path, monkeypatch):
    """Who asks an agent again and again, as a raylet does, is never answered at the port that was told."""
    program, port_file = tmp_path / "agent.py", tmp_path / "port"
    program.write_text(AGENT, encoding="utf-8")
    agent = [sys.executable, "-I", "-S", str(program), "--runtime-env-agent-port=0"]
    monkeypatch.setenv("RAY_RAYLET_PID", str(os.getpid()))
    with subprocess.Popen([*STAND_IN, "127.0.0.1", str(port_file), *agent]) as process:
        wait_for(port_file.exists)
        port = int(port_file.read_text(encoding="ascii"))
        wait_for(lambda: _answer(port) == b"agent")
    assert process.returncode == 0


def test_it_ends_when_the_raylet_has(tmp_path):
    """A process stays behind when a raylet was killed."""
    with subprocess.Popen(
        [sys.executable, "-c", RAYLET, *STAND_IN], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as raylet:
        number = int(raylet.stdout.readline())
        assert psutil.pid_exists(number)
        raylet.kill()
    wait_for(lambda: not psutil.pid_exists(number) or psutil.Process(number).status() == "zombie")
