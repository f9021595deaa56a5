"""Trainings in several processes, as a launcher starts them: real ones, that meet at a port of this machine."""

import os
import socket
from contextlib import ExitStack
from dataclasses import dataclass, replace

import torch
from torch import nn

from tablewright.trainables.contract.process import Process
from tablewright.trainables.contract.run import TrainingStopped
from tablewright.trainables.hacnn import Hacnn
from tablewright.trainables.mancs import Mancs
from tablewright.trainables.mdpr import Mdpr
from tablewright.trainables.mgn import Mgn
from tablewright.trainables.reidentification.method import ReidTrainable
from tablewright.trainables.tasn import Tasn
from tablewright.trainables.training.fitting import fit
from tests.forks import forks
from tests.trainables.test_hacnn import small_config as small_hacnn
from tests.trainables.test_mancs import small_config as small_mancs
from tests.trainables.test_mdpr import small_config as small_mdpr
from tests.trainables.test_mgn import small_config as small_mgn
from tests.trainables.test_tasn import small_config as small_tasn
from tests.trainables.tiny_reid import Journal, LocalFolder, TinyConfig, TinyMethod
from tests.waiting import PATIENCE_S

LOOPBACK = "127.0.0.1"


class InFloat64:
    """A method whose network and images are float64, so that a difference of the arithmetic cannot hide."""

    def __init__(self, method):
        self._method = method

    def __getattr__(self, name):
        return getattr(self._method, name)

    def build_network(self, config, num_classes, weights):
        return self._method.build_network(config, num_classes, weights).double()

    def loss_terms(self, config, network, images_per_rank, labels_per_rank, epoch):
        wide = [images_BCHW.double() for images_BCHW in images_per_rank]
        return self._method.loss_terms(config, network, wide, labels_per_rank, epoch)


class WithoutDropout(TinyMethod):
    def build_network(self, config, num_classes, weights):
        network = super().build_network(config, num_classes, weights)
        network.stem[3] = nn.Identity()
        return network


class TwoRanks:
    """Random images of two ranks; the data of classification have one."""

    num_classes, fingerprint, steps_per_epoch, images_per_step = 7, "two ranks", 2, 4

    def batches(self, first_step):
        while True:
            random = torch.Generator().manual_seed(first_step)
            images_RBCHW = torch.randint(256, (2, 2, 3, 64, 64), generator=random, dtype=torch.uint8)
            yield images_RBCHW, torch.randint(self.num_classes, (2, 2), generator=random)
            first_step += 1

    def augment(self, images_RBCHW):
        return images_RBCHW.float().unbind()

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


METHODS = {
    "mdpr": (Mdpr(), small_mdpr()),
    "mdpr gathered": (Mdpr(), small_mdpr(data={"num_ranks": 2}, losses={"pair_scope": "gathered"})),
    "mgn": (Mgn(), small_mgn()),
    "hacnn": (Hacnn(), small_hacnn()),
    "mancs": (Mancs(), small_mancs()),
    "tiny": (WithoutDropout(), TinyConfig()),
    "dropout": (TinyMethod(), TinyConfig()),
}


@dataclass(frozen=True)
class Job:
    """A training in some of the processes.

    Attributes:
        method: name of one.
        num_processes: the first ones compute.
        num_ranks: of a step.
        num_epochs: of the training.
        folder: of its checkpoints; two jobs of one folder go on with one training.
        stops: see `Journal`.
        is_double: whether it is computed in float64.
        port: at which the processes meet.
        listening: see `Process`.
    """

    method: str
    num_processes: int
    folder: str
    num_ranks: int = 2
    num_epochs: int = 1
    stops: tuple[int, ...] = ()
    is_double: bool = False
    port: int = 0
    listening: int | None = None


@dataclass(frozen=True)
class Made:
    """What a job has made; what it was refused for."""

    state: dict
    metrics: dict
    error: str = ""


def make(job, runtime, root):
    """Do a job as one of its processes."""
    method, config = METHODS.get(job.method) or (Tasn(), small_tasn())
    wrapped = InFloat64(method) if job.is_double else method
    optimisation = config.optimisation.model_copy(update={"num_epochs": job.num_epochs})
    config = config.model_copy(update={"optimisation": optimisation})
    folder, journal = LocalFolder(root / job.folder), Journal(*job.stops)
    try:
        if job.method == "tasn":
            network = fit(wrapped, config, TwoRanks(), runtime, folder, journal.hooks())
        else:
            data = config.data.model_copy(update={"num_ranks": job.num_ranks})
            config = config.model_copy(update={"data": data})
            network = ReidTrainable(wrapped).fit(config, runtime, folder, journal.hooks())
    except TrainingStopped:
        return Made({}, journal.metrics())
    except ValueError as error:
        return Made({}, {}, str(error))
    return Made(network.state_dict(), journal.metrics())


def do_jobs(rank, jobs, runtime, root):
    """Do all jobs in which this process has a part; gives what they have made."""
    torch.set_num_threads(1)
    if runtime.device == "cuda":
        os.environ["CUDA_VISIBLE_DEVICES"] = str(rank)
    return [
        make(
            job,
            replace(runtime, process=place(job, rank)),
            root,
        )
        for job in jobs
        if rank < job.num_processes
    ]


def place(job, rank):
    return Process(rank, job.num_processes, LOOPBACK, job.port, None if rank else job.listening)


def do_in_processes(jobs, runtime, root):
    """Do jobs one after the other, each in as many processes as it says; gives what the first one made of each."""
    with ExitStack() as sockets:
        listening = [sockets.enter_context(socket.create_server((LOOPBACK, 0))) for _ in jobs]
        jobs = [
            replace(job, port=one.getsockname()[1], listening=one.fileno())
            for job, one in zip(jobs, listening, strict=True)
        ]
        others = [
            forks.Process(target=do_jobs, args=(rank, jobs, runtime, root))
            for rank in range(1, max(job.num_processes for job in jobs))
        ]
        for other in others:
            other.start()
        try:
            return do_jobs(0, jobs, runtime, root)
        finally:
            for other in others:
                other.join(PATIENCE_S / 8)
                other.kill()
                other.join()
