"""What a training step of each of the five papers, in its published recipe at full size, would launch on a GPU.

Counted on tensors without memory; see `counted_steps`. No GPU is needed, and none is used. The input's kernels are
counted on small real images, `counted_kernels`, as their number does not depend on the size.

    python benchmarks/bench_kernels.py [mdpr mgn hacnn mancs tasn]
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.counted_kernels import counted, on_gpu
from benchmarks.counted_steps import count_step
from benchmarks.papers_at_full_size import PAPERS, Paper

GB = 1e9
SMALL_PX = 32
COLUMNS = (
    "input",
    "forward",
    "backward",
    "optimizer",
    "casts",
    "layout copies",
    "waits",
    "channels last",
    "first",
    "GB",
)


def count_input(paper: Paper) -> tuple[int, int]:
    """Count the kernels and the waits of augmenting a batch, the second one of a training."""
    generator = torch.Generator().manual_seed(0)
    augment = paper.make_augmenter()
    side_px = (SMALL_PX, SMALL_PX)
    images_BCHW = torch.randint(256, (paper.shape[0], 3, *side_px), dtype=torch.uint8, generator=generator)
    with counted() as count:
        images = on_gpu(images_BCHW)
        augment(images, generator)
        of_first = count.kernels, count.syncs
        augment(images, generator)
    return count.kernels - of_first[0], count.syncs - of_first[1]


def main(names: list[str]) -> None:
    """Print a line for each paper."""
    print("| paper | " + " | ".join(COLUMNS) + " |")
    print("|:--|" + "--:|" * len(COLUMNS))
    for name, paper in PAPERS.items():
        if names and name not in names:
            continue
        of_input, waits_of_input = count_input(paper)
        step = count_step(paper.fake_step())
        memory = paper.trainable.step_memory(paper.config)
        phases = [step.kernels[phase] for phase in ("forward", "backward", "optimizer")]
        waits = waits_of_input + len(step.waits)
        layouts = [step.casts, step.layout_copies, waits, step.channels_last, step.channels_first]
        print(
            f"| {name} | "
            + " | ".join(map(str, [of_input, *phases, *layouts]))
            + f" | {memory.num_bytes / GB:.1f} |"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
