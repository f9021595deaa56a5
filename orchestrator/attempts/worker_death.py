"""Why a worker has died, in a sentence, of what Ray says of it and what the process has left behind."""

from __future__ import annotations

import re
import signal
from pathlib import Path

TAIL_LINES, TAIL_CHARACTERS = 20, 4000
ENDED_ITSELF = "tablewright: os._exit({code}) was called"
"""Printed by a worker whose code ends the process behind Python's back."""
_ENDED_ITSELF = re.compile(r"tablewright: os\._exit\((-?\d+)\) was called")
_SIGNAL = re.compile(r"\*\*\* (SIG[A-Z0-9]+) received|Fatal Python error: ([^\n]+)")
_PROCESS = re.compile(r"\bpid: (\d+)")
_LOW_ON_MEMORY = re.compile(r"OutOfMemory|low on memory|memory monitor", re.IGNORECASE)
_DETAIL = re.compile(r"Worker exit type: (\S+) Worker exit detail: ([^\n]+?)(?: Some common causes|\n|$)")
_RAISED = re.compile(r"^(?:\w+\.)*\w+(?:Error|Exception): .+$", re.MULTILINE)
_COLOUR = re.compile(r"\x1b\[\d+m")
_NODE_LOST = re.compile(r"node .{0,80}(?:died|dead|terminated)|NODE_DIED", re.IGNORECASE)
_CUT_OFF = re.compile(r"its node has died|The actor \w* ?is unavailable: ")
"""The second is Ray's word for a worker that does not answer, and whose machine does not say that it has died."""
_TAKEN_BACK = re.compile(
    r"(?:all references to the actor were removed|it was killed by `ray\.kill`|its owner has died).*"
    r"The actor never ran|Could not create the actor because its associated placement group was removed",
    re.DOTALL,
)
_ACTOR = re.compile(r"\bactor_id: ([0-9a-f]+)")
_RAYS_OWN = re.compile(r"^(:job_id:|:actor_name:|:task_name:)")


def cause_of_death(
    told_by_ray: str, logs: Path | None, kept: str = "", num_killed_for_memory: int = 0
) -> tuple[str, str]:
    """Say why a worker died.

    Args:
        told_by_ray: text of the last error of the trial.
        logs: Ray's folder of logs, where the worker was on this machine.
        kept: end of what the training printed, as its folder has it.
        num_killed_for_memory: processes that the kernel has killed on this machine since the sweep began.

    Returns:
        One line, and the last lines of what the worker printed.
    """
    told = told_by_ray.rpartition("Failure # ")[2]
    process_id = int(found[1]) if (found := _PROCESS.search(told)) else None
    printed, of_ray = _left_behind(logs, process_id)
    printed = "\n".join(filter(None, [printed, kept]))
    who = f"worker process {process_id}" if process_id is not None else "the worker process"
    tail = "\n".join(printed.splitlines()[-TAIL_LINES:])[-TAIL_CHARACTERS:]
    if _LOW_ON_MEMORY.search(told):
        return f"{who} was ended by Ray since the machine ran out of memory", tail
    if found := _ENDED_ITSELF.findall(printed):
        return f"{who} ended itself: os._exit({found[-1]})", tail
    if found := [first or second for first, second in _SIGNAL.findall(printed + of_ray)]:
        return f"{who} crashed: {found[0]}", tail
    if num_killed_for_memory:
        return f"{who} was ended by the kernel's memory killer", tail
    if _NODE_LOST.search(told):
        return f"{who} was lost together with its machine", tail
    if "connection error" in told:
        return f"{who} vanished without a word, as by SIGKILL", tail
    if found := _DETAIL.search(told):
        return f"{who} has ended ({found[1]}): {found[2].strip()}", tail
    if found := _RAISED.findall(_COLOUR.sub("", told)):
        return f"{who} could not begin: {found[-1].strip()[:400]}", tail
    return f"{who} was lost: {' '.join(told.split())[:400] or 'Ray does not say why'}", tail


def is_cut_off(told_by_ray: str) -> bool:
    """Say whether a worker was lost with its machine, or cannot be reached there; else it has died by itself."""
    return _CUT_OFF.search(told_by_ray) is not None


def is_taken_back(told_by_ray: str) -> bool:
    """Say whether Ray has given a worker up before it began, and says of no process and no machine that it has died."""
    return _TAKEN_BACK.search(told_by_ray) is not None


def actor_of(told_by_ray: str) -> str:
    """Give Ray's id of the worker that an error is about; empty where it names none."""
    return found[-1] if (found := _ACTOR.findall(told_by_ray)) else ""


def _left_behind(logs: Path | None, process_id: int | None) -> tuple[str, str]:
    """Read what a process has printed, and what Ray's core has logged in it."""
    if logs is None or process_id is None:
        return "", ""
    printed = [_end_of(path) for end in ("out", "err") for path in logs.glob(f"worker-*-{process_id}.{end}")]
    of_ray = [_end_of(path) for path in logs.glob(f"python-core-worker-*_{process_id}.log")]
    lines = [
        line for text in printed for line in text.splitlines() if line.strip() and not _RAYS_OWN.match(line)
    ]
    return "\n".join(lines), "\n".join(of_ray)


def _end_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 64 * 1024))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def count_killed_for_memory() -> int:
    """Count what the kernel has killed for want of memory here; 0 where the system does not say."""
    for path, word in (("/sys/fs/cgroup/memory.events", "oom_kill"), ("/proc/vmstat", "oom_kill")):
        try:
            lines = Path(path).read_text(encoding="ascii", errors="replace").splitlines()
        except OSError:
            continue
        counts = [line.split() for line in lines]
        if found := [int(fields[1]) for fields in counts if len(fields) == 2 and fields[0] == word]:
            return found[0]
    return 0


def how_ended(exit_code: int | None) -> str:
    """Say in words how a process has ended."""
    if exit_code is None or exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = str(-exit_code)
    by_memory = ", which the kernel sends where memory runs out" if name == "SIGKILL" else ""
    return f"by the signal {name}{by_memory}"
