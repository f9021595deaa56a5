"""Ranking at Market-1501's size, against the bare matrix product on the same threads in the same run.

python benchmarks/bench_retrieval.py [THREADS]
"""

from __future__ import annotations

import resource
import statistics
import sys
import time

import numpy as np
import torch

from trainables.retrieval.nearness import nearness_blocks
from trainables.retrieval.ranking import rank_queries

NUM_QUERY, NUM_GALLERY, WIDTH = 3_368, 15_913, 2_048  # Market-1501
NUM_PIDS, NUM_CAMERAS = 750, 6
REPEATS = 5


def main() -> None:
    """Print the ratio and the memory above the features."""
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else torch.get_num_threads()
    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(0)
    rng = np.random.default_rng(0)
    queries_QD = torch.randn(NUM_QUERY, WIDTH, generator=generator)
    gallery_GD = torch.randn(NUM_GALLERY, WIDTH, generator=generator)
    pids_Q, pids_G = (rng.integers(1, NUM_PIDS + 1, count) for count in (NUM_QUERY, NUM_GALLERY))
    camids_Q, camids_G = (rng.integers(1, NUM_CAMERAS + 1, count) for count in (NUM_QUERY, NUM_GALLERY))

    def rank() -> None:
        blocks = nearness_blocks(queries_QD, gallery_GD, "cosine")
        rank_queries(blocks, pids_Q, camids_Q, pids_G, camids_G)

    def multiply() -> None:
        torch.mm(queries_QD, gallery_GD.T)

    before_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    rank()
    above_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before_bytes
    multiply()
    walls_s = [(wall_s_of(rank), wall_s_of(multiply)) for _ in range(REPEATS)]
    ratio = statistics.median(ranked / multiplied for ranked, multiplied in walls_s)
    ranked_s, multiplied_s = (statistics.median(column) for column in zip(*walls_s, strict=True))
    print(f"{NUM_QUERY} x {NUM_GALLERY} x {WIDTH}, {threads} threads, median of {REPEATS}")
    print(f"ranking {ranked_s:.2f} s, bare product {multiplied_s:.2f} s, ratio {ratio:.2f}")
    print(f"memory above the features {above_bytes / 1e6:.0f} MB")


def wall_s_of(call: object) -> float:
    """Time one call."""
    started_s = time.perf_counter()
    call()  # pyright: ignore
    return time.perf_counter() - started_s


if __name__ == "__main__":
    main()
