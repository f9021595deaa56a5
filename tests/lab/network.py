"""Four hosts on one machine: network, process, mount and host-name namespaces, an SSH server in each.

Each host has an address on a network of its own, its own processes (`ray stop` ends every Ray that it sees), its own
home, /tmp/ray, /var/tmp and shared memory, and a copy of this checkout's environment that it alone writes to. All else
is this machine's. Root is needed, and Debian's openssh-server, rsync and iproute2.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

CONTROL, HEAD, WORKERS = "control", "head", ("worker1", "worker2")
HOSTS = (CONTROL, HEAD, *WORKERS)
SUBNET = "10.77.0"
ADDRESS = {CONTROL: f"{SUBNET}.9", HEAD: f"{SUBNET}.1", "worker1": f"{SUBNET}.2", "worker2": f"{SUBNET}.3"}
NOBODY = f"{SUBNET}.4"
"""An address of the network that no host has."""
SWITCH = "lab-switch"
PROGRAMS = ("ip", "unshare", "mount", "rsync", "ssh", "ssh-keygen", "git", "curl")
SSHD = Path("/usr/sbin/sshd")
START_S = 30.0


def why_not() -> str:
    """Say why no such network can be made here; empty where it can."""
    if os.geteuid() != 0:
        return "root is needed, for namespaces"
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    lacking += [] if SSHD.exists() else ["sshd"]
    if lacking:
        return f"{', '.join(lacking)} not found; apt-get install openssh-server rsync iproute2 git curl"
    tried = subprocess.run(["unshare", "-mnpuf", "true"], capture_output=True, text=True, check=False)
    return tried.stderr.strip()


class Network:
    """The hosts, from `up` to `down`."""

    def __init__(self, folder: Path, environment: Path) -> None:
        """Name the folder of the hosts' own files, and the environment of Python that all have."""
        self.folder, self.key = folder, folder / "key"
        self.environment = environment.resolve()
        self._servers: dict[str, subprocess.Popen[bytes]] = {}

    def home(self, host: str) -> Path:
        """Where a host's home is seen from outside."""
        return self.folder / host / "home"

    def up(self) -> None:
        """Make the hosts, and wait until each lets one log in.

        Raises:
            RuntimeError: a host does not within half a minute.
        """
        _remove_spaces()  # of a run that was killed
        self.folder.mkdir(parents=True)
        Path("/run/sshd").mkdir(exist_ok=True)
        for key in (self.key, self.folder / "host_key"):
            _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
        (self.folder / "sshd_config").write_text(
            f"HostKey {self.folder}/host_key\nAuthorizedKeysFile {self.key}.pub\nPermitRootLogin yes\n"
            "PasswordAuthentication no\nStrictModes no\nUsePAM no\nPidFile none\n"
        )
        _run("ip", "netns", "add", SWITCH)
        _run("ip", "-n", SWITCH, "link", "add", "bridge", "type", "bridge")
        _run("ip", "-n", SWITCH, "link", "set", "bridge", "up")
        for host in HOSTS:
            self._begin(host)
        end_s = time.monotonic() + START_S
        for host in HOSTS:
            while self.run(host, "true").returncode != 0:
                if time.monotonic() > end_s:
                    raise RuntimeError(f"{host} lets nobody in; see {self.folder}/{host}/sshd.log")
                time.sleep(0.1)

    def _begin(self, host: str) -> None:
        space, own, home = _space(host), self.folder / host, self.home(host)
        for name in ("home", "ray", "var", "written", "work"):
            (own / name).mkdir(parents=True)
        (home / ".bashrc").touch()
        (home / "environment").symlink_to(self.environment)
        _run("ip", "netns", "add", space)
        peer = ("peer", "name", "eth0", "netns", space)
        _run("ip", "link", "add", f"to-{host}", "netns", SWITCH, "type", "veth", *peer)
        _run("ip", "-n", SWITCH, "link", "set", f"to-{host}", "master", "bridge", "up")
        _run("ip", "-n", space, "addr", "add", f"{ADDRESS[host]}/24", "dev", "eth0")
        _run("ip", "-n", space, "link", "set", "eth0", "up")
        _run("ip", "-n", space, "link", "set", "lo", "up")
        commands = [
            "set -e",
            "mount --make-rprivate /",
            f"hostname {host}",
            "mkdir -p /tmp/ray",
            f"mount --bind {own}/ray /tmp/ray",
            f"mount --bind {own}/var /var/tmp",
            "mount -t tmpfs -o size=2g tmpfs /dev/shm",
            f"mount -t overlay overlay -o lowerdir={self.environment},upperdir={own}/written,workdir={own}/work "
            f"{self.environment}",
            *self._interpreter_commands(home),
            f"mount --rbind {home} $HOME",
            f"exec {SSHD} -D -e -f {self.folder}/sshd_config",
        ]
        with (own / "sshd.log").open("wb") as log:
            self._servers[host] = subprocess.Popen(
                [
                    *("ip", "netns", "exec", space, "unshare", "-m", "-u", "-p", "-f", "--kill-child"),
                    *("--mount-proc", "bash", "-c", "\n".join(commands)),
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _interpreter_commands(self, home: Path) -> list[str]:
        """Bring Python itself into a home that hides it."""
        base = Path(sys.base_prefix)
        if not base.is_relative_to(Path.home()):
            return []
        top = base.relative_to(Path.home()).parts[0]
        return [f"mkdir {home}/{top}", f"mount --bind $HOME/{top} {home}/{top}"]

    def run(self, host: str, command: str, *, folder: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command on a host as one who logged in, to its end; both streams are its `stdout`."""
        process = self.start(host, command, folder=folder)
        printed, _ = process.communicate()
        return subprocess.CompletedProcess(command, process.returncode, printed)

    def start(self, host: str, command: str, *, folder: str = "") -> subprocess.Popen[str]:
        """Begin one; whoever asks is on the control host."""
        there = f"cd {shlex.quote(folder)} && {command}" if folder else command
        return subprocess.Popen(
            [
                *("ip", "netns", "exec", _space(CONTROL), "ssh", "-q", "-i", str(self.key)),
                *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
                *(f"root@{ADDRESS[host]}", f"bash -lc {shlex.quote('. ~/.bashrc; ' + there)}"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )

    def down(self) -> None:
        """End every process of the hosts, and remove all that was made."""
        for server in self._servers.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()
        _remove_spaces()
        shutil.rmtree(self.folder, ignore_errors=True)


def _remove_spaces() -> None:
    for space in (*map(_space, HOSTS), SWITCH):
        subprocess.run(["ip", "netns", "del", space], capture_output=True, check=False)


def _space(host: str) -> str:
    return f"lab-{host}"


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
