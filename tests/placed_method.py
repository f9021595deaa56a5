"""A method that notes which GPU it was given, with a stand-in for the memory of a GPU that is not there."""

import json
import os
import time
import types
from pathlib import Path

from tablewright.trainables.contract.memory import Card
from tablewright.trainables.training import gpu_memory
from tests.toy_method import ToyConfig, ToyTrainable

H100 = Card("NVIDIA H100", 80_000_000_000)


class PlacedConfig(ToyConfig):
    """Its GPU is one of those that Ray counts, whether there are any or not."""

    METHOD = "placed"

    notes: str
    """A folder: each attempt leaves a file in it."""
    holds_bytes: int = 0
    """Of a GPU's memory; what a smaller part of it could not hold runs out."""

    def make_trainable(self):
        return PlacedTrainable()


class PlacedTrainable(ToyTrainable):
    """Implements `trainables.contract.method.Trainable`."""

    def check_processes(self, config, num_processes):
        """Take any number: each leaves its note."""

    def fit(self, config, runtime, checkpoints, hooks):
        answer_as(H100, peak_bytes=config.holds_bytes)
        note = {
            "seed": config.seed,
            "holds_bytes": config.holds_bytes,
            "gpus": os.environ.get("CUDA_VISIBLE_DEVICES", ""),
            "share": runtime.gpus,
            "from_s": time.time(),
            "ran_out": config.holds_bytes > runtime.gpus * H100.memory_bytes,
        }
        try:
            if note["ran_out"]:
                raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            if not runtime.process.is_first:
                return time.sleep(config.epoch_s)
            return super().fit(config, runtime, checkpoints, hooks)
        finally:
            note["to_s"] = time.time()
            folder = Path(config.notes)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{note['from_s']:.6f}-{os.getpid()}.json").write_text(json.dumps(note))


class OutOfMemoryError(RuntimeError):
    """Has the name of torch's."""


def answer_as(card, *, peak_bytes=0, others_bytes=0):
    """Have this process's GPU answer as one that is not there would."""
    cuda = types.SimpleNamespace(
        empty_cache=lambda: None,
        reset_peak_memory_stats=lambda: None,
        set_per_process_memory_fraction=lambda fraction: None,
        max_memory_reserved=lambda: peak_bytes,
        memory_reserved=lambda: peak_bytes,
        get_device_name=lambda: card.name,
        mem_get_info=lambda: (
            card.memory_bytes - peak_bytes - others_bytes - gpu_memory.CONTEXT_BYTES,
            card.memory_bytes,
        ),
    )
    gpu_memory._torch = lambda needs_it=False: types.SimpleNamespace(cuda=cuda)


def placements(folder):
    """Read what attempts have noted, in the order of their beginnings."""
    return [json.loads(path.read_text()) for path in sorted(Path(folder).iterdir())]
