"""Measuring a view at Market-1501's size, against the bare matrix product on the same threads, by turns.

`python benchmarks/bench_retrieval.py` prints, for 1 thread and for 2, the ratios of the wall times and of the
processor's, and the memory that measuring takes above the features; then the same with 500,000 distractors, at a
smaller width and for a few queries. The bare product is of the images alone with flip averaging, too. Each case runs
in a process of its own, so that its peak is its own. `… 1 5` runs the first and the fifth.
"""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from tablewright.trainables.retrieval.embedded import Extraction, ImageSet
from tablewright.trainables.retrieval.measurement import measure_view
from tablewright.trainables.retrieval.view import RetrievalView
from tablewright.trainables.training.numeric_environment import describe_numeric_environment

REPEATS = 5
NUM_PIDS, NUM_CAMERAS = 750, 6


@dataclass(frozen=True)
class Case:
    """One size of the problem.

    Attributes:
        num_query: query images.
        num_gallery: gallery images of people.
        num_distractors: gallery images of nobody.
        widths: of the embeddings that are joined.
        flip: measure with flip averaging.
        num_threads: of torch.
    """

    num_query: int
    num_gallery: int
    num_distractors: int
    widths: tuple[int, ...]
    num_threads: int
    flip: bool = False

    def __str__(self) -> str:
        """Say the sizes."""
        gallery = f"{self.num_gallery:,} + {self.num_distractors:,}" if self.num_distractors else None
        widths = " + ".join(map(str, self.widths))
        return (
            f"{self.num_query:,} x {gallery or f'{self.num_gallery:,}'} x {widths}"
            f"{', flip averaging' if self.flip else ''}, {self.num_threads} threads"
        )


CASES = (
    Case(3_368, 15_913, 0, (2_048,), 1),
    Case(3_368, 15_913, 0, (2_048,), 2),
    Case(3_368, 15_913, 0, (512, 1_024, 512), 2),
    Case(3_368, 15_913, 0, (1_024,), 2, flip=True),
    Case(240, 15_913, 500_000, (256, 256), 2),
)


def main() -> None:
    """Run the cases that are numbered on the command line, or all, each in a process of its own."""
    environment = describe_numeric_environment("cpu")
    print(f"{environment['processor']}, {environment['instruction_set']}", flush=True)
    spawning = multiprocessing.get_context("spawn")
    for number in map(int, sys.argv[1:] or range(1, len(CASES) + 1)):
        process = spawning.Process(target=measure, args=(CASES[number - 1],))
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(process.exitcode)


@dataclass(frozen=True)
class Cost:
    """Of one call.

    Attributes:
        wall_s: how long it took.
        cpu_s: of all threads.
    """

    wall_s: float
    cpu_s: float


def measure(case: Case) -> None:
    """Print the ratios to the bare product and the memory above the features."""
    torch.set_num_threads(case.num_threads)
    extraction = make_extraction(case)
    names = tuple(extraction.query.embeddings)
    view = RetrievalView(flip=case.flip)

    def measure_once() -> None:
        measure_view(extraction, names, view)

    def multiply() -> None:
        for name in names:
            query, gallery = (
                torch.from_numpy(side.embeddings[name]) for side in (extraction.query, extraction.gallery)
            )
            torch.mm(query, gallery.T)

    before_bytes = peak_bytes()
    measure_once()
    above_bytes = peak_bytes() - before_bytes
    multiply()
    pairs = [(cost_of(measure_once), cost_of(multiply)) for _ in range(REPEATS)]
    wall = statistics.median(measured.wall_s / bare.wall_s for measured, bare in pairs)
    cpu = statistics.median(measured.cpu_s / bare.cpu_s for measured, bare in pairs)
    measured_s, bare_s = (
        statistics.median(cost.wall_s for cost in column) for column in zip(*pairs, strict=True)
    )
    print(
        f"{case}\n    measuring {measured_s:.2f} s, bare product {bare_s:.2f} s; ratio of wall times {wall:.2f}, "
        f"of processor-seconds {cpu:.2f} (medians of {REPEATS}); memory above the features {above_bytes / 1e6:.0f} MB",
        flush=True,
    )


def make_extraction(case: Case) -> Extraction:
    """Draw embeddings without structure, the worst case for counting: positives stand anywhere."""
    rng = np.random.default_rng(0)

    def draw(count: int) -> dict[str, np.ndarray]:
        return {
            str(index): rng.standard_normal((count, width), dtype=np.float32)
            for index, width in enumerate(case.widths)
        }

    def side(num_people: int, num_distractors: int) -> ImageSet:
        count = num_people + num_distractors
        pids = np.concatenate(
            [rng.integers(1, NUM_PIDS + 1, num_people), np.zeros(num_distractors, np.int64)]
        )
        names = tuple(f"{index}.jpg" for index in range(count))
        camids = rng.integers(1, NUM_CAMERAS + 1, count)
        return ImageSet(names, pids, camids, draw(count), draw(count) if case.flip else {})

    return Extraction("test", side(case.num_query, 0), side(case.num_gallery, case.num_distractors))


def peak_bytes() -> int:
    """Give this process's largest resident size so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def cost_of(call: Callable[[], None]) -> Cost:
    """Time one call."""
    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    call()
    return Cost(time.perf_counter() - started_s, time.process_time() - started_cpu_s)


if __name__ == "__main__":
    main()
