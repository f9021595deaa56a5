"""The whole life of a cluster that `clusters/on_premises.yaml` describes, on a network of four hosts: `make lab`.

Up, every machine counted, a sweep submitted, the cluster updated meanwhile, a worker's Ray killed, the sweep complete,
submitted again and nothing trained, down with nothing left, up again with the databases made anew from the records.
Each step is a line with its time. The exit code is 0 if all was as it should be, 1 at the first thing that was not, and
0 with a sentence where such a network cannot be made.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from network import ADDRESS, CONTROL, HEAD, NOBODY, SUBNET, WORKERS, Network, why_not

ROOT = Path(__file__).resolve().parent.parent.parent
LAB = Path("/tmp/tablewright-lab")
CHECKOUT, STORE, FILE = LAB / "checkout", LAB / "shared/runs", LAB / "on_premises.yaml"
SWEEP_LOG = LAB / "sweep.log"
NUM_TRAININGS = 12
STEP_S = 240.0
"""How long a step may take."""
LEFT_BEHIND = "raylet|gcs_server|mlflow|monitor.py|dashboard"
"""Processes of which none is left on any host after `ray down`."""


class Unexpected(Exception):
    """Something was not as it should be; says what."""


class Log:
    """Lines with the seconds since the beginning and those that a step took."""

    def __init__(self) -> None:
        self._begin_s = self._last_s = time.monotonic()

    def line(self, text: str) -> None:
        """Print one."""
        now_s = time.monotonic()
        print(f"{now_s - self._begin_s:6.1f} s  +{now_s - self._last_s:5.1f}  {text}", flush=True)
        self._last_s = now_s


def expect(is_so: object, text: str, printed: str = "") -> None:
    """Go on if something is so.

    Raises:
        Unexpected: it is not.
    """
    if not is_so:
        raise Unexpected(f"not so: {text}\n{printed[-4000:]}")


def wait_for(seen: Callable[[], object], text: str) -> None:
    """Wait until something is seen.

    Raises:
        Unexpected: it is not seen in time.
    """
    end_s = time.monotonic() + STEP_S
    while not seen():
        expect(time.monotonic() < end_s, text)
        time.sleep(0.5)


def write_checkout() -> str:
    """Clone this project as it stands, with a study of the lab's own, all of it in one commit; gives the commit."""
    git = ("git", "-C", str(CHECKOUT), "-c", "user.name=lab", "-c", "user.email=lab@localhost")
    run = subprocess.run
    run(["git", "clone", "-q", str(ROOT), str(CHECKOUT)], check=True)
    run(
        ["rsync", "-a", "--filter=dir-merge,- .gitignore", "--exclude=.git", f"{ROOT}/", f"{CHECKOUT}/"],
        check=True,
    )
    shutil.copy(ROOT / "tests/lab/switches.py", CHECKOUT / "search_spaces/switches.py")
    run([*git, "add", "-A"], check=True)
    run([*git, "commit", "-q", "-m", "The lab's study"], check=True)
    return run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


def write_cluster_file(workers: list[str]) -> None:
    """Change what `on_premises.yaml` says to be edited, and nothing else."""
    edits = {
        r"head_ip: .*": f"head_ip: {ADDRESS[HEAD]}",
        r"worker_ips: .*": f"worker_ips: [{', '.join(workers)}]",
        r"ssh_user: .*": "ssh_user: root",
        r"ssh_private_key: .*": f"ssh_private_key: {LAB}/network/key",
        r"TABLEWRIGHT_STORE=\S+ TABLEWRIGHT_DATA_ROOT=[^\s']+": f"TABLEWRIGHT_STORE={STORE}",
    }
    text = (CHECKOUT / "clusters/on_premises.yaml").read_text()
    for pattern, written in edits.items():
        text, count = re.subn(pattern, written, text)
        expect(count == 1, f"{pattern} stands once in on_premises.yaml")
    FILE.write_text(text)


def prepare_environment(network: Network) -> None:
    """Let each host's copy of the environment be one that was installed from its own checkout, with these pins."""
    for host in (HEAD, *WORKERS):
        done = network.run(
            host,
            f"cd {CHECKOUT} && sha256sum constraints.txt pyproject.toml > ~/environment/pins && "
            r"sed -i 's#/[^\x27]*/tablewright\x27}#/root/project/tablewright\x27}#' "
            "~/environment/lib/python*/site-packages/__editable___tablewright_*_finder.py",
        )
        expect(done.returncode == 0, f"{host} has an environment", done.stdout)
    network.run(CONTROL, "echo export PATH=$HOME/environment/bin:'$PATH' >> ~/.bashrc")


class Cluster:
    """What a person types on the control host."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def ray(self, verb: str, *words: str, fails: bool = False) -> str:
        """Run a command of Ray's with the cluster file to its end; gives what it printed."""
        done = self.begin(verb, *words)
        printed, _ = done.communicate(timeout=STEP_S)
        expect((done.returncode != 0) == fails, f"`ray {verb}` gave exit code {done.returncode}", printed)
        return printed

    def begin(self, verb: str, *words: str) -> subprocess.Popen[str]:
        """Begin one."""
        yes = "-y" if verb in ("up", "down") else ""
        return self._network.start(
            CONTROL, f"ray {verb} {yes} {FILE} {' '.join(words)}", folder=str(CHECKOUT)
        )

    def count(self) -> str:
        """Wait for all machines; gives the line that names them."""
        return joined_line(self.ray("exec", "'python project/clusters/count_machines.py'"))

    def processes(self, host: str, pattern: str) -> list[str]:
        """List the processes of a host whose command lines match."""
        found = self._network.run(host, f"pgrep -af '{pattern}' | grep -v pgrep").stdout.splitlines()
        return [line for line in found if "bash -lc" not in line]

    def left_behind(self) -> list[str]:
        """List the processes that a cluster has left on its machines."""
        return [f"{host}: {line}" for host in (HEAD, *WORKERS) for line in self.processes(host, LEFT_BEHIND)]


def joined_line(printed: str) -> str:
    """Find the last line that says which machines there are."""
    return [line for line in printed.splitlines() if " joined: " in line][-1].strip()


def records() -> dict[Path, float]:
    """Find the records of the store, and when each was written."""
    return {path: path.stat().st_mtime for path in STORE.glob("trainings/*/record.json")}


def trains(host: str) -> bool:
    """Say whether a host has claimed a training."""
    try:
        claims = [json.loads(path.read_text()) for path in STORE.glob("claims/training-*.json")]
    except (FileNotFoundError, json.JSONDecodeError):  # one was given up, or is being written
        return False
    return any(claim["host"] == host for claim in claims)


def num_runs(network: Network) -> int:
    """Count the runs that MLflow's database on the head has."""
    path = network.folder / HEAD / "var/tablewright-root/mlflow.db"
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return database.execute("select count(*) from runs").fetchone()[0]
    except sqlite3.OperationalError:  # there is none yet
        return 0


def live(network: Network, commit: str, log: Log) -> None:
    """Go through the whole life.

    Raises:
        Unexpected: at the first thing that is not as it should be.
    """
    cluster = Cluster(network)
    workers = [ADDRESS[worker] for worker in WORKERS]
    write_cluster_file(workers)
    cluster.ray("up")
    log.line("ray up: the head runs")
    log.line(cluster.count())

    sweep = cluster.begin("submit", "sweep.py", "switches", f"> {SWEEP_LOG} 2>&1")
    wait_for(lambda: len([*STORE.glob("trainings/*")]) >= 4, "trainings begin")
    log.line(f"ray submit: {len([*STORE.glob('trainings/*')])} trainings begun")
    driver = cluster.processes(HEAD, "sweep.py switches")
    cluster.ray("up")
    expect(driver == cluster.processes(HEAD, "sweep.py switches"), "a second `ray up` leaves the sweep alone")
    log.line("ray up while the sweep runs: it goes on")
    wait_for(lambda: trains(WORKERS[0]), "worker1 trains")
    network.run(WORKERS[0], "pkill -9 -x raylet")
    log.line(f"worker1's raylet killed, {len(records())} of {NUM_TRAININGS} recorded")
    wait_for(lambda: sweep.poll() is not None, "the sweep ends")
    printed = SWEEP_LOG.read_text(errors="replace")
    expect(sweep.returncode == 0, f"the sweep ends complete, not with {sweep.returncode}", printed)
    written = records()
    expect(len(written) == NUM_TRAININGS, f"{NUM_TRAININGS} records, not {len(written)}", printed)
    log.line(f"the sweep is complete: {len(written)} records")
    commits = {json.loads(path.read_text())["git_commit"] for path in written}
    expect({commit} == commits, f"every record names the commit {commit}, not {commits}")
    log.line(f"every record names the clean commit {commit[:12]}")
    log.line(cluster.count())

    printed = cluster.ray("submit", "sweep.py", "switches")
    expect(written == records(), "submitted again, nothing is trained", printed)
    log.line("ray submit again: nothing trained")
    printed = cluster.ray("submit", "sweep.py", "switches", "--status")
    expect(f"{NUM_TRAININGS} done" in printed, f"--status says that {NUM_TRAININGS} are done", printed)
    log.line(f"--status from the control host: {NUM_TRAININGS} done")

    cluster.ray("down")
    log.line("ray down")
    wait_for(lambda: not cluster.left_behind(), "nothing is left on any host")
    log.line("nothing of it is left on any host")

    network.run(HEAD, "rm -rf /var/tmp/tablewright-root ~/ray_cluster_token")
    write_cluster_file([*workers, NOBODY])
    cluster.ray("up")
    log.line(f"ray up with a new token, no databases, and {NOBODY} that is not there: ends well")
    wait_for(lambda: num_runs(network) >= NUM_TRAININGS, "MLflow's new database is filled from the store")
    log.line(f"MLflow has {num_runs(network)} runs again")
    printed = cluster.ray("exec", "'python project/clusters/count_machines.py 60'", fails=True)
    expect(f"missing after 60 s: {NOBODY}" in printed, f"it names {NOBODY} alone", printed)
    log.line(f"count_machines.py: exit code 1, {joined_line(printed)}; missing after 60 s: {NOBODY}")


def main() -> int:
    """Make the network, go through the life, remove the network; gives the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the network is removed then too
    if reason := why_not():
        print(f"skipped: {reason}")
        return 0
    shutil.rmtree(LAB, ignore_errors=True)
    LAB.mkdir()
    STORE.mkdir(parents=True)
    log, network = Log(), Network(LAB / "network", ROOT / ".venv")
    try:
        commit = write_checkout()
        network.up()
        prepare_environment(network)
        log.line(f"four hosts on {SUBNET}.0/24")
        live(network, commit, log)
        print("all as it should be")
        return 0
    except (Unexpected, subprocess.TimeoutExpired) as error:
        log.line(str(error))
        return 1
    finally:
        network.down()
        if "--keep" not in sys.argv:
            shutil.rmtree(LAB, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
