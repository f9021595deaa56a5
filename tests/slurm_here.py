"""A SLURM of the tests on this machine: a controller and two nodes, in a folder and on ports that nobody else uses."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

from tests.waiting import wait_for

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")

CONFIGURATION = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0,bf_interval=1
MpiDefault=none
MailProg=/bin/true
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=8
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=8
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=all Nodes=n[1-2] Default=YES MaxTime=60 PriorityTier=1 GraceTime=60
PartitionName=urgent Nodes=n[1-2] MaxTime=60 PriorityTier=2 PreemptMode=OFF
"""
"""A job that is queued again waits until its old credentials have expired (`cred_expire`), two minutes by default."""


class Slurm:
    """Starts it, runs its commands, and ends it."""

    def __init__(self, folder):
        self._folder = folder
        self._processes = []
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}

    def start(self):
        """Start its services; returns once both nodes take jobs."""
        (self._folder / "state").mkdir()
        key = self._folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        text = CONFIGURATION.format(host=socket.gethostname(), folder=self._folder, ports=_free_ports(3))
        (self._folder / "slurm.conf").write_text(text, encoding="utf-8")
        at = {
            "socket": "munge.socket",
            "pid-file": "munge.pid",
            "log-file": "munge.log",
            "seed-file": "munge.seed",
        }
        options = [f"--{name}={self._folder / file}" for name, file in at.items()]
        self._serve("munged", "--foreground", "--force", f"--key-file={key}", *options)
        wait_for((self._folder / "munge.socket").exists)
        self._serve("slurmctld", "-D")
        for node in ("n1", "n2"):
            (self._folder / f"spool-{node}").mkdir()
            self._serve("slurmd", "-D", "-N", node)
        wait_for(lambda: "idle" == self.printed_by("sinfo", "--noheader", "--format=%T"))

    def _serve(self, *command):
        with (self._folder / f"{command[0]}.out").open("ab") as output:
            self._processes.append(
                subprocess.Popen(
                    command, env=self.environment, stdout=output, stderr=output, cwd=self._folder
                )
            )

    def printed_by(self, *command, **more):
        """Run one of its commands; gives what it prints."""
        result = subprocess.run(
            command, env=self.environment, stdout=subprocess.PIPE, text=True, check=False, **more
        )
        return result.stdout.strip()

    def end(self):
        """End its jobs and its services."""
        self.printed_by("scancel", "--signal=KILL", "--full", "--user=root")
        self.printed_by("scancel", "--user=root")
        wait_for(lambda: not self.printed_by("squeue", "--noheader"))
        for process in reversed(self._processes):
            process.terminate()
            process.wait()


def _free_ports(number):
    """Find ports that nobody listens to."""
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def why_not():
    """Say why SLURM cannot be started here; nothing where it can."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"SLURM is not installed ({', '.join(absent)}; Debian's packages are slurm-wlm and munge)"
    if os.geteuid() != 0:
        return "only root starts a SLURM"
    if not Path("/proc/self/ns").exists():
        return "SLURM runs on Linux"
    return ""
