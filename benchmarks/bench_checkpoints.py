"""What checkpoints cost a training: copied and written while it goes on, against written between two steps.

The training is a GPU's as its host sees it: steps of 50 ms, of which the host works for 5. Ours says itself how often
it keeps the state; the other way does it every 60 s, as this program did. Each writes a few in a row, and its share of
the time is what one costs (time held up, and by how much the steps meanwhile take longer) over the time from one to
the next. The first one, in fresh memory, is shown apart. Memory is what the process holds at most beyond the state.

    python benchmarks/bench_checkpoints.py [MEGABYTES] [MEGABYTES_ON_S3]
"""

from __future__ import annotations

import io
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch

from tablewright.orchestrator.store.folder import Folder
from tablewright.trainables.contract.run import RESUME_CHECKPOINT, Checkpoints
from tablewright.trainables.training.background_checkpoint import BackgroundCheckpoints
from tablewright.trainables.training.resume_files import ResumeFiles

OLD_EVERY_S = 60.0
NUM_WRITTEN, NUM_FREE_STEPS = 4, 100
STEP_S, HOST_S = 0.05, 0.005
SLOW_BYTES_PER_S = 100e6
TENSOR_BYTES = 2**24


def a_state(megabytes: int) -> dict[str, Any]:
    """Tensors of 16 MiB, as the larger ones of a network and of its optimizer are."""
    number = megabytes * 10**6 // TENSOR_BYTES
    return {f"weight {index}": torch.full((TENSOR_BYTES // 4,), float(index)) for index in range(number)}


def make_step() -> float:
    """A step, as the host of a GPU sees it; gives what it took."""
    begun_s = time.monotonic()
    while time.monotonic() - begun_s < HOST_S:
        sum(range(100))
    time.sleep(STEP_S - HOST_S)
    return time.monotonic() - begun_s


class SlowFolder(Folder):
    """A disc of 100 MB/s."""

    @contextmanager
    def open_to_write(self, name: str) -> Generator[BinaryIO]:
        """Open a file that takes its time."""
        with super().open_to_write(name) as file:
            yield cast(BinaryIO, _Slow(file))


class _Slow:
    def __init__(self, file: BinaryIO) -> None:
        self._file, self._begun_s, self._num_bytes = file, time.monotonic(), 0

    def write(self, content: Any) -> int:
        self._file.write(content)
        self._num_bytes += len(content)
        time.sleep(max(self._begun_s + self._num_bytes / SLOW_BYTES_PER_S - time.monotonic(), 0))
        return len(content)

    def flush(self) -> None:
        self._file.flush()


class OldBuckets(Folder):
    """An object store as it was written to before: from memory, whole."""

    @contextmanager
    def open_to_write(self, name: str) -> Generator[BinaryIO]:
        """Take the whole file."""
        buffer = io.BytesIO()
        yield buffer
        self._filesystem.pipe_file(self._at(name), buffer.getvalue())


def most_memory_bytes() -> int:
    """What this process has held at most; `ru_maxrss` would be its parent's where that held more."""
    (line,) = (
        line
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        if line.startswith("VmHWM:")
    )
    return int(line.split()[1]) * 1024


def between_steps(folder: Checkpoints, state: Any) -> str:
    """Write a few as it was done before."""
    held_s: list[float] = []
    for _ in range(NUM_WRITTEN - 1):
        begun_s = time.monotonic()
        with folder.open_to_write(RESUME_CHECKPOINT) as file:
            torch.save(state, file)
        held_s.append(time.monotonic() - begun_s)
    cost_s = statistics.median(held_s)
    return f"held up {cost_s:.2f} s every {OLD_EVERY_S:.0f} s: {100 * cost_s / (OLD_EVERY_S + cost_s):.2f} %"


def in_the_background(folder: Checkpoints, state: Any) -> str:
    """Write a few while steps are made."""
    held_s, slowed_s, wrote_s, intervals_s = [], [], [], []
    with BackgroundCheckpoints(ResumeFiles(folder), None) as keeping:
        for _ in range(NUM_WRITTEN):
            free_s = [make_step() for _ in range(NUM_FREE_STEPS)]
            for wall_s in free_s:
                keeping.count_step(wall_s, was_writing=False)
            begun_s = time.monotonic()
            keeping.take(state)
            held_s.append(time.monotonic() - begun_s)
            during_s: list[float] = []
            while keeping.is_writing:
                during_s.append(make_step())
                keeping.count_step(during_s[-1], was_writing=True)
            wrote_s.append(time.monotonic() - begun_s - held_s[-1])
            slowed_s.append(sum(during_s) - len(during_s) * statistics.mean(free_s))
            keeping.wait()
            intervals_s.append(keeping.interval_s)
    costs_s = [held + max(slowed, 0) for held, slowed in zip(held_s, slowed_s, strict=True)]
    cost_s, interval_s = statistics.median(costs_s[1:]), statistics.median(intervals_s[1:])
    return (
        f"held up {statistics.median(held_s[1:]):.2f} s (first {held_s[0]:.2f}), slowed by "
        f"{statistics.median(slowed_s[1:]):.2f} s, written in {statistics.median(wrote_s[1:]):.1f} s, every "
        f"{interval_s:.0f} s: {100 * cost_s / interval_s:.2f} %"
    )


WAYS = {"between two steps": between_steps, "in the background": in_the_background}


def measure(place: str, url: str, way: str, megabytes: int) -> None:
    """Run one way in this process, and say what it cost."""
    folders = {"local disc": Folder, "100 MB/s": SlowFolder, "S3": Folder}
    is_old_bucket = (place, way) == ("S3", "between two steps")
    folder = OldBuckets(url) if is_old_bucket else folders[place](url)
    folder.write("begun", b"")
    state = a_state(megabytes)
    before_bytes = most_memory_bytes()
    said = WAYS[way](folder, state)
    more_bytes = most_memory_bytes() - before_bytes
    print(f"{megabytes} MB, {place}, {way}: {said}; {more_bytes / 1e6:.0f} MB more memory", flush=True)


def main() -> None:
    """Each way and place in a process of its own, one after another."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 1900
    on_s3 = int(sys.argv[2]) if len(sys.argv) > 2 else 600
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    given = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ |= {**given, "AWS_ENDPOINT_URL": "http://{}:{}".format(*server.get_host_and_port())}
    import s3fs

    s3fs.S3FileSystem().mkdir("bucket")
    with tempfile.TemporaryDirectory() as scratch:
        places = {"local disc": (scratch, megabytes), "100 MB/s": (scratch, megabytes)}
        for place, (url, size) in {**places, "S3": ("s3://bucket/runs", on_s3)}.items():
            for way in WAYS:
                command = [sys.executable, __file__, "--one", place, url, way, str(size)]
                subprocess.run(command, check=True)
    server.stop()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        place, url, way, size = sys.argv[2:]
        measure(place, url, way, int(size))
    else:
        main()
