"""What the papers take on a real GPU: steps, epochs, memory, several at once, and what is done where it fails.

python benchmarks/gpu.py                        everything, on one GPU, about an hour; writes benchmarks/README.md
python benchmarks/gpu.py --only steps,faults    some of it
python benchmarks/gpu.py --device cpu --small   the same code on a CPU in minutes; its figures mean nothing
"""

from __future__ import annotations

import argparse
import datetime
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.gpu_steps import MeasuredSteps, bare_steps, product_steps  # noqa: E402
from benchmarks.gpu_trainings import Job, kill_and_resume, out_of_memory, train_together  # noqa: E402
from benchmarks.papers_at_full_size import PAPERS, Paper  # noqa: E402
from tablewright.trainables.contract.run import Device  # noqa: E402

README = ROOT / "benchmarks" / "README.md"
BEGIN, END = "<!-- figures of a GPU: written by `make gpu` -->", "<!-- end of the figures of a GPU -->"
NUM_STEPS, NUM_STEPS_SMALL = 30, 2
SIDE_BY_SIDE = (1, 5, 10)
SWEEP = ("hacnn_ablation", "--profile", "demo", "--seeds", "3407")


class Measuring:
    """The sections of a run, each a few lines of Markdown.

    Args:
        device: to run on.
        is_small: whether networks see a few small images, for a CPU.
    """

    def __init__(self, device: Device, *, is_small: bool) -> None:
        self._name, self._device, self._is_small = device, torch.device(device), is_small
        self._num_steps = NUM_STEPS_SMALL if is_small else NUM_STEPS

    def papers(self) -> Iterator[tuple[str, Paper]]:
        """Give each recipe in the size that is measured."""
        for name, paper in PAPERS.items():
            yield name, paper.small() if self._is_small else paper

    def tests(self) -> list[str]:
        """Run what the tests ask of a GPU."""
        command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-m", "gpu", "tests/trainables"]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", env=_environment())
        if run.returncode:
            raise SystemExit(f"tests marked gpu failed:\n{run.stdout[-4000:]}")
        return [f"Tests marked `gpu`: {run.stdout.strip().splitlines()[-1].strip('= ')}."]

    def steps(self) -> list[str]:
        """Measure steps of each paper as it is, in other precisions and layouts, bare, and compiled."""
        rows: list[Sequence[object]] = []
        for name, paper in self.papers():
            for label, measure in self._variants(paper):
                try:
                    rows.append((name, label, *_figures(measure())))
                except torch.OutOfMemoryError:
                    rows.append((name, label, "out of memory", "", "", "", "", ""))
                finally:
                    if self._name == "cuda":
                        torch.cuda.empty_cache()
        return _table(("paper", "step", "ms", "images/s", "GB", "kernels", "waits", "scale"), rows)

    def _variants(self, paper: Paper) -> Iterator[tuple[str, Callable[[], MeasuredSteps]]]:
        device, num = self._device, self._num_steps
        published = paper.config.optimisation.precision
        yield f"{published}, as published", lambda: product_steps(paper, device, num)
        yield f"{published}, channels first", lambda: product_steps(paper, device, num, is_laid_out=False)
        yield f"{published}, bare loop", lambda: bare_steps(paper, device, num)
        yield f"{published}, bare loop, compiled", lambda: bare_steps(paper, device, num, is_compiled=True)
        for precision in ("fp32", "tf32", "fp16", "bf16"):
            if precision != published and self._name == "cuda":
                other = paper.with_precision(precision)
                yield precision, lambda other=other: product_steps(other, device, num)

    def epochs(self) -> list[str]:
        """Train one epoch of each paper by the product's loop, each in a process of its own."""
        rows: list[Sequence[object]] = []
        for name, _ in self.papers():
            (trained,) = train_together([Job(name, self._name, self._is_small)])
            speed = trained.fault or f"{trained.images_per_s:.0f}"
            rows.append((name, speed, f"{trained.wall_s:.0f}", f"{trained.peak_gb:.1f}"))
        return _table(("paper", "images/s over an epoch", "s", "GB held"), rows)

    def side_by_side(self) -> list[str]:
        """Train HA-CNN several times at once, and MDPR twice on half a GPU each."""
        rows: list[Sequence[object]] = []
        for number in (1, 2) if self._is_small else SIDE_BY_SIDE:
            rows.append(self._at_once("hacnn", number, 1.0))
        rows.append(self._at_once("mdpr", 2, 0.5))
        return _table(("paper", "at once", "of a GPU each", "images/s in all", "GB held each"), rows)

    def _at_once(self, name: str, number: int, share: float) -> Sequence[object]:
        steps = 2 if self._is_small else 100
        trained = train_together([Job(name, self._name, self._is_small, steps, share=share)] * number)
        faults = [one.fault for one in trained if one.fault]
        speed = faults[0] if faults else f"{sum(one.images_per_s for one in trained):.0f}"
        return name, number, share, speed, f"{max(one.peak_gb for one in trained):.1f}"

    def faults(self) -> list[str]:
        """Kill a training and run it again; hide the GPU; ask for more than half of it."""
        steps = 60 if self._is_small else 300
        paper = "hacnn" if self._is_small else "mdpr"
        resumed = kill_and_resume(paper, self._name, is_small=self._is_small, num_steps=steps)
        if resumed.again.fault:
            raise SystemExit(f"a killed training did not go on: {resumed.again.fault}")
        (hidden,) = train_together([Job("hacnn", "cuda", self._is_small, 2)], hidden=True)
        return [
            f"A training of {paper} killed at its first checkpoint ({resumed.checkpoint_gb:.2f} GB, "
            f"{resumed.until_checkpoint_s:.0f} s after its process began) and run again: went on to its end in "
            f"{resumed.again.wall_s:.0f} s.",
            f"A training whose GPU is hidden is taken for a fault of the {hidden.fault}.",
            f"More memory than half of it, asked for on half of it: {out_of_memory(self._name, 0.5)}.",
        ]

    def sweep(self) -> list[str]:
        """Run a small study on halves of the GPU, from the command line."""
        how = ["--gpus-per-training", "0", "--plan"] if self._is_small else ["--gpus-per-training", "0.5"]
        folder = ROOT / "build" / "gpu"
        command = [sys.executable, "sweep.py", *SWEEP, *how, "--store", str(folder)]
        begun = datetime.datetime.now()
        run = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", env=_environment())
        if run.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{run.stdout[-2000:]}{run.stderr[-2000:]}")
        took_s = (datetime.datetime.now() - begun).total_seconds()
        return [f"`sweep.py {' '.join([*SWEEP, *how])}`: {took_s:.0f} s."]


SECTIONS = ("tests", "steps", "epochs", "side_by_side", "faults", "sweep")


def _figures(one: MeasuredSteps) -> Sequence[object]:
    return (
        f"{one.ms:.1f}",
        f"{one.images_per_s:.0f}",
        f"{one.peak_gb:.1f}",
        f"{one.kernels:.0f}",
        f"{one.waits:.1f}",
        f"{one.scale:g}",
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    rule = "|" + "|".join([":--", *["--:"] * (len(head) - 1)]) + "|"
    return [_line(head), rule, *map(_line, rows)]


def _line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}


def _write(path: Path, lines: Sequence[str]) -> None:
    """Put the figures between their markers, at the end where there are none yet."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    block = "\n".join([BEGIN, *lines, END])
    if BEGIN in text and END in text:
        before, _, rest = text.partition(BEGIN)
        text = before + block + rest.partition(END)[2]
    else:
        text = f"{text.rstrip()}\n\n{block}\n"
    path.write_text(text, encoding="utf-8")


def _what_it_ran_on(device: str) -> str:
    if device == "cuda":
        driver = torch.cuda.get_device_properties(0)
        name = f"{driver.name}, {driver.total_memory / 1e9:.0f} GB, CUDA {torch.version.cuda}"
    else:
        name = "a CPU, small: these figures mean nothing"
    return f"# On a GPU\n\n`make gpu`; {name}; torch {torch.__version__}; {datetime.date.today()}."


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--small", action="store_true", help="a few small images; for a CPU")
    parser.add_argument("--only", default=",".join(SECTIONS), help=f"some of {','.join(SECTIONS)}")
    parser.add_argument(
        "--output", type=Path, default=None, help="file to write to (default: benchmarks/README.md)"
    )
    asked: Any = parser.parse_args(arguments)
    sections = asked.only.split(",")
    if unknown := [name for name in sections if name not in SECTIONS]:
        parser.error(f"--only knows {', '.join(SECTIONS)}, got {', '.join(unknown)}")
    if asked.device == "cuda" and not torch.cuda.is_available():
        built = "" if torch.backends.cuda.is_built() else "; this torch is built without CUDA"
        raise SystemExit(
            f"make gpu needs a GPU, and torch sees none here{built}. Run it on a machine with one, or try its code "
            "with `python benchmarks/gpu.py --device cpu --small`"
        )
    if asked.device == "cpu" and not asked.small:
        parser.error("on a CPU the recipes at full size take days; add --small")
    if asked.small and asked.output is None:
        asked.output = ROOT / "build" / "gpu_small.md"
    measuring = Measuring(asked.device, is_small=asked.small)
    lines = [_what_it_ran_on(asked.device)]
    for name in sections:
        print(f"-- {name}", flush=True)
        found = getattr(measuring, name)()
        print("\n".join(found), flush=True)
        lines += ["", *found]
    output: Path = asked.output or README
    output.parent.mkdir(parents=True, exist_ok=True)
    _write(output, lines)
    print(f"written to {output}")


if __name__ == "__main__":
    main()
