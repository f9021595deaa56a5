"""Recorded val curves of real trainings on the embedded demo people, of MDPR and Mancs: made, and read.

    python benchmarks/demo_curves.py mdpr|mancs FIRST LAST FOLDER     train the configs FIRST to LAST - 1, a file each
    python benchmarks/demo_curves.py mdpr|mancs pack FOLDER                  pack them into curves/

They are a study's own, but for images of 64 x 32 pixels, nine epochs, and a schedule that fits them.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
import random
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tablewright.orchestrator.declared.changes import apply_changes, value_at
from tablewright.orchestrator.declared.pruners import Pruner
from tablewright.orchestrator.declared.ranges import Choice, FloatRange, Range, range_of
from tablewright.orchestrator.declared.samplers import Sampler
from tablewright.orchestrator.declared.search import Search
from tablewright.orchestrator.declared.study import Profile
from tablewright.orchestrator.searches.recorded_curves import RecordedCurve, RecordedCurves

CURVES = Path(__file__).parent / "curves"
METHODS = ("mdpr", "mancs")
EPOCHS = 9
# The recipe that was recorded: the demo's of then, and what nine epochs of small images ask for.
CHANGES: dict[str, dict[str, Any]] = {
    "mdpr": {
        "data.sampling": "identities",
        "data.num_identities": 8,
        "data.augmentation.pad_crop_px": 4,
        "network.backbone.architecture": "mobilenet_v2",
        "network.embedding_size": 64,
        "optimisation.base_lr": 1e-3,
        "optimisation.warmup_steps": 45,
        "optimisation.final_lr": 2e-4,
    },
    "mancs": {
        "data.sampling": "identities",
        "data.num_identities": 8,
        "network.backbone.architecture": "mobilenet_v2",
        "optimisation.base_lr": 1e-3,
        "optimisation.decay_epochs": (7,),
        "losses.rank.curriculum.t0": 2.0,
        "losses.rank.curriculum.t1": 6.0,
        "losses.rank.curriculum.a": 1.75,
    },
}
DIGITS = 5
"""Of a recorded mAP."""


def short_search(method: str) -> Search:
    """Give a method's own search, of trainings as short as those that were recorded."""
    module = importlib.import_module(f"tablewright.search_spaces.{method}_search")
    declared: Search = module.make_study(Profile("demo")).searches[0]
    small = {"data.height_px": 64, "data.width_px": 32, "optimisation.num_epochs": EPOCHS}
    base = apply_changes(declared.base, {**small, **CHANGES[method]})
    return dataclasses.replace(declared, base=base, space=module.space(base))


@dataclasses.dataclass(frozen=True)
class DemoCurves(RecordedCurves):
    """Recorded curves, and the search whose space they fill; no range of it depends on another."""

    space: Mapping[str, Range]
    declared: Search | None = None

    def search(
        self, seed: int, *, num_trials: int, pruner: Pruner | None, sampler: Sampler | None = None
    ) -> Search:
        """Give the search with another seed and pruner; its first trial is the declared config, which is recorded."""
        assert self.declared is not None
        return dataclasses.replace(
            self.declared, num_trials=num_trials, pruner=pruner, sampler=sampler, sampler_seed=seed
        )


def demo_curves() -> dict[str, DemoCurves]:
    """Read the sets that lie beside this file."""
    found: dict[str, DemoCurves] = {}
    for method in METHODS:
        stored = json.loads((CURVES / f"{method}.json").read_text(encoding="utf-8"))
        search = short_search(method)
        space: dict[str, Any] = {path: range_of(declared) for path, declared in search.space.items()}
        curves = tuple(
            RecordedCurve(dict(zip(space, one["params"], strict=True)), tuple(one["val_map"]))
            for one in stored["curves"]
        )
        found[method] = DemoCurves(space, curves, declared=search)
    return found


def record(method: str, number: int, folder: Path) -> None:
    """Train one config, and write what it reached after each epoch."""
    from tablewright.orchestrator.store.store import Store
    from tablewright.trainables.contract.run import FitHooks, Runtime

    search = short_search(method)
    view, metric = search.objective.view, search.objective.metric
    generator = random.Random(7919 * number + 1)
    while True:
        drawn = (
            {} if number == 0 else {path: _drawn(generator, range_of(r)) for path, r in search.space.items()}
        )
        try:
            config = apply_changes(search.base, drawn)
            break
        except ValueError:
            continue  # such as t0 >= t1
    values: dict[int, float] = {}
    trainable: Any = config.make_trainable()
    begun_s = time.process_time()
    with tempfile.TemporaryDirectory() as scratch:
        runtime = Runtime(None, f"{scratch}/cache", cpus=1)
        trainable.prepare_data(config, runtime)

        def on_epoch(report: Any, network: Any) -> None:
            extraction = trainable.extract(config, runtime, network, "val", [view])
            values[report.epoch] = float(trainable.measure([(config, extraction)], view).metrics[metric.name])

        store = Store(f"{scratch}/store")
        store.shared_id()
        trainable.fit(config, runtime, store.training("0" * 64).checkpoints, FitHooks(on_epoch))
    params = {path: value_at(config, path) for path in search.space}
    text = {"number": number, "params": params, "values": values, "cpu_s": time.process_time() - begun_s}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{number}.json").write_text(json.dumps(text), encoding="utf-8")


def _drawn(generator: random.Random, declared: Range) -> Any:
    if isinstance(declared, Choice):
        return generator.choice(list(declared.values))
    if not isinstance(declared, FloatRange):
        return generator.randrange(declared.low, declared.high + 1, declared.step)
    if declared.log:
        return math.exp(generator.uniform(math.log(declared.low), math.log(declared.high)))
    return generator.uniform(declared.low, declared.high)


def pack(method: str, folder: Path, made_by: Mapping[str, str]) -> None:
    """Make one file of the curves in a folder; what failed or is no number is left out."""
    paths = list(short_search(method).space)
    read = [json.loads(file.read_text(encoding="utf-8")) for file in folder.glob("*.json")]
    whole = [
        one
        for one in read
        if len(one["values"]) == EPOCHS and all(map(math.isfinite, one["values"].values()))
    ]
    curves = [
        {
            "params": [one["params"][path] for path in paths],
            "val_map": [round(one["values"][str(epoch)], DIGITS) for epoch in range(1, EPOCHS + 1)],
            "cpu_s": round(one["cpu_s"]),
        }
        for one in sorted(whole, key=lambda one: one["number"])
    ]
    lines = ",\n  ".join(json.dumps(curve) for curve in curves)
    head = json.dumps({**made_by, "num_left_out": len(read) - len(whole), "paths": paths})[1:-1]
    CURVES.mkdir(exist_ok=True)
    (CURVES / f"{method}.json").write_text(f'{{{head},\n "curves": [\n  {lines}\n]}}\n', encoding="utf-8")


def main() -> None:
    """Record, or pack."""
    method, *rest = sys.argv[1:]
    if rest[0] == "pack":
        made_by = {
            "data": "embedded demo people, 64 x 32 px, 9 epochs, val mAP after each",
            "made_by": "benchmarks/demo_curves.py",
            "commit": rest[2] if len(rest) > 2 else "",
        }
        pack(method, Path(rest[1]), made_by)
        return
    for number in range(int(rest[0]), int(rest[1])):
        if not (Path(rest[2]) / f"{number}.json").exists():
            record(method, number, Path(rest[2]))


if __name__ == "__main__":
    main()
