"""Trains in a process that kills itself at a chosen point of keeping its state, then in one that goes on.

Run as `python -m tests.trainables.training.killed_training FOLDER`; prints one JSON object: point -> what became of it.
"""

import hashlib
import json
import os
import signal
import sys
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path

import torch

from tablewright.orchestrator.store.folder import Folder
from tablewright.trainables.contract.run import RESUME_CHECKPOINTS
from tablewright.trainables.training import resume_files
from tablewright.trainables.training.background_checkpoint import BackgroundCheckpoints
from tablewright.trainables.training.resume_files import ResumeFiles
from tests.trainables.tiny_reid import PatientJournal, TinyConfig, fit_through, tiny_runtime

POINTS = {
    "undisturbed": None,
    "copied, and none written": (BackgroundCheckpoints, "_write", 1),
    "in the middle of the first": (resume_files._Sealing, "write", 1),
    "copied, and the one before written": (BackgroundCheckpoints, "_write", 4),
    "in the middle of the fourth": (resume_files._Sealing, "write", 4),
    "whole, and not under its name": (resume_files._Sealing, "seal", 5),
    "under its name": (ResumeFiles, "_went_on_from", 5),
    "in the middle of the one of a stop": (BackgroundCheckpoints, "write", 1),
}


NUM_WRITES = 20
"""Of one file, after which it is in the middle."""


def kill_at(kind, name, number):
    """Kill this process at the number-th file: before a method of it, after its seal, or between its bytes."""
    method, calls, files = getattr(kind, name), Counter(), []

    def counted(self, *given):
        if name != "write" or kind is BackgroundCheckpoints or self not in files:
            files.append(self)
        calls[len(files)] += 1
        is_there = calls[number] == (NUM_WRITES if kind is resume_files._Sealing and name == "write" else 1)
        if is_there and name != "seal":
            os.kill(os.getpid(), signal.SIGKILL)
        value = method(self, *given)
        if is_there:
            os.kill(os.getpid(), signal.SIGKILL)
        return value

    setattr(kind, name, counted)


def train(folder, runtime, point):
    """Train to the end, or to the point; gives the number of steps that were made."""
    torch.set_num_threads(1)
    journal = PatientJournal(9) if "stop" in folder.url else PatientJournal()
    if point is not None:
        kill_at(*POINTS[point])
    network = fit_through(TinyConfig(), runtime, folder, journal)
    digest = hashlib.sha256()
    for value in network.state_dict().values():
        digest.update(value.numpy().tobytes())
    return digest.hexdigest(), journal.num_asked


def in_a_process(*given):
    """Train in a fork; gives the signal that ended it, and what it found out."""
    out, into = os.pipe()
    process = os.fork()
    if not process:
        with warnings.catch_warnings(record=True) as said:
            found = *train(*given), [str(one.message) for one in said]
        os.write(into, json.dumps(found).encode())
        os._exit(0)
    os.close(into)
    _, status = os.waitpid(process, 0)
    with os.fdopen(out) as file:
        text = file.read()
    return os.WTERMSIG(status), json.loads(text) if text else None


def main(root):
    """Try every point."""
    runtime = tiny_runtime(root, checkpoint_every_s=0.0)
    torch.optim.Adam([torch.zeros(1)])  # imports what each process would import for itself
    found = {}
    for place, point in enumerate(POINTS):
        folder = Folder(str(root / f"{place} {point}"))
        ended_by, ended = in_a_process(folder, runtime, point if POINTS[point] else None)
        if POINTS[point]:
            kept = sum(map(folder.exists, RESUME_CHECKPOINTS))
            _, ended = in_a_process(folder, replace(runtime, checkpoint_every_s=None), None)
            found[point] = {"signal": ended_by, "kept": kept}
        else:
            found[point] = {"signal": 0, "kept": 0}
        digest, num_steps, said = ended
        found[point] |= {"digest": digest, "num_steps": num_steps, "said": said}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
