"""The processes of a training function: found by torch's own means, as if torchrun had started them."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager

from tablewright.trainables.contract.process import Process


@contextmanager
def found_by_torch(process: Process) -> Generator[None]:
    """Let `torch.distributed.init_process_group()` find the other processes inside; alone, nothing is changed."""
    if process.num_processes == 1:
        yield
        return
    from torch import distributed

    from tablewright.trainables.training.process_group import found_by_each_other

    before = {name: os.environ.get(name) for name in process.environment()}
    with found_by_each_other(process):
        os.environ.update(process.environment())
        try:
            yield
        finally:
            if distributed.is_initialized():  # a warm process must not carry it into the next training
                distributed.destroy_process_group()
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
