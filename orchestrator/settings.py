"""Where and how a sweep runs, as the command line or the environment says it; checked as a whole."""

from __future__ import annotations

import math
import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, cast

from tablewright.orchestrator.addresses import (
    NO_TRACKING,
    cluster_faults,
    search_storage_faults,
    store_faults,
    tracking_faults,
)
from tablewright.orchestrator.attempts.resources import AUTO
from tablewright.orchestrator.code.user import user_name
from tablewright.orchestrator.costs.prices import Prices, read_prices
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.project.project import Project
from tablewright.orchestrator.project.study_files import study_names
from tablewright.orchestrator.project.study_loading import load_study
from tablewright.orchestrator.signals import DEFAULT_GRACE_S
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.variables import VARIABLE_PREFIX, variable_of
from tablewright.trainables.contract.cache import IMAGE_CACHES, ImageCache
from tablewright.trainables.contract.method import Seed
from tablewright.trainables.contract.process import Process
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.value.declaration import repeated, take
from tablewright.trainables.value.file_name import why_not_the_same_everywhere
from tablewright.trainables.value.refusal import nearest
from tablewright.trainables.value.secret import keep_secret, masked

NO_OPTIONS = ("studies", "reads_records_alone", "project")
"""Settings that are no option of their own, and so no environment variable."""

KEEPS_ALL, KEEPS_NONE = "all", "none"

RAY_ADDRESS = "RAY_ADDRESS"
"""Variable by which Ray's programs know their cluster; set by Ray in what it runs as a job."""


@dataclass(frozen=True)
class Settings:
    """Everything that may be said without changing a number; a hyperparameter is never among it.

    Attributes:
        studies: names of files in `search_spaces/`, each alone or as STUDY/TABLE.
        profile: `demo` or `paper`, for studies that have profiles; None is `paper` where a data root is given and
            `demo` otherwise.
        data_root: folder that holds the data sets in their published layout.
        store: folder or URL of the records.
        cache_dir: this machine's decoded images.
        image_cache: how a machine keeps images: `auto`, `decoded`, `encoded` or `files`; no number depends on it.
        address: of a running Ray cluster; None is RAY_ADDRESS, or to start one on this machine.
        tracking_uri: MLflow's; None is a database beside the records, `none` is no tracking.
        search_storage: Optuna's database URL; None is a database beside the records.
        seeds: comma-separated, instead of the studies' own; or `+2` for so many more than these, which follow the
            greatest of them.
        gpus_per_training: a fraction, a whole number or 0; None is one where the cluster has GPUs, and `auto` is as
            much as the memory of each training says.
        processes_per_training: that make one side by side, each on a GPU of its own; None is one, or as many as it has
            whole GPUs.
        cpus_per_training: cores of one; None is its part of a GPU's machine, and one where it trains on the CPU.
        local: trainings at a time in processes on this machine, without Ray; None is a sweep on Ray.
        max_concurrent: trainings at a time; None is as many as fit.
        checkpoint_minutes: between two checkpoints of a training; None lets it follow from what one costs.
        stall_minutes: a training of which nothing is seen for so long is ended; 0 ends none, and None is ten times
            its longest step or epoch, and 30 at least.
        max_gpu_hours: that all trainings of the studies may take, earlier runs included; then what runs goes on to its
            end and nothing more is begun; None is no limit.
        max_cpu_hours: the same of processors.
        keep_checkpoints: `all` keeps the weights of every training, to measure further views on; `none` removes them
            once all that is planned is measured.
        datasets: labels of the data sets, with commas between, whose columns are filled; None is all.
        pdf: whether a report of each study is made, as LaTeX and PDF.
        paper: file of a paper's text, whose typed numbers are held against the tables; None reads none.
        grace_s: how long running trainings may take to save once the sweep was told to end.
        reads_records_alone: whether nothing but the store is read, so that no data set need be there.
        project: whose studies are found beside the built-in ones.
    """

    studies: tuple[str, ...]
    profile: str | None = None
    data_root: str | None = None
    store: str = "runs"
    cache_dir: str = "~/.cache/tablewright"
    image_cache: str = "auto"
    address: str | None = None
    tracking_uri: str | None = None
    search_storage: str | None = None
    seeds: str | None = None
    gpus_per_training: float | Literal["auto"] | None = None
    processes_per_training: int | None = None
    cpus_per_training: float | None = None
    local: int | None = None
    max_concurrent: int | None = None
    checkpoint_minutes: float | None = None
    stall_minutes: float | None = None
    max_gpu_hours: float | None = None
    max_cpu_hours: float | None = None
    keep_checkpoints: str = KEEPS_ALL
    datasets: str | None = None
    pdf: bool = False
    paper: str | None = None
    grace_s: float = DEFAULT_GRACE_S
    reads_records_alone: bool = False
    project: Project | None = None

    def __post_init__(self) -> None:
        """Find every fault that can be seen without opening anything."""
        for url in filter(None, (self.store, self.tracking_uri, self.search_storage)):
            keep_secret(url)
        faults = [
            f"--{field.name.replace('_', '-')} is empty; leave it out, or say what is meant"
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), str) and not value.strip()
        ]
        places = {"data-root": self.data_root, "store": self.store, "cache-dir": self.cache_dir}
        databases = {"search-storage": self.search_storage, "tracking-uri": self.tracking_uri}
        for option, value in {**{name: _place(value) for name, value in places.items()}, **databases}.items():
            if value is not None and (why := why_not_the_same_everywhere(value)) is not None:
                faults.append(f"--{option} is {masked(value)!a}, and {why}")
        if faults:  # of what is empty or cannot be read nothing else can be said
            raise ValueError("\n".join(faults))
        if self.profile is not None and self.profile not in set(Profile):
            faults.append(f"--profile is {self.profile!r}; it is one of {', '.join(Profile)}")
        if self.data_root is not None and not Path(self.data_root).expanduser().is_dir():
            faults.append(f"--data-root {self.data_root} is no folder; name the one that holds the data sets")
        if self.paper is not None and not Path(self.paper).expanduser().is_file():
            faults.append(
                f"--paper {self.paper} is no file; name the main file of the paper, such as paper/main.tex"
            )
        if self.image_cache not in IMAGE_CACHES:
            faults.append(
                f"--image-cache is {self.image_cache!r}; it is auto (decoded where the disc of --cache-dir has room, "
                "else encoded), decoded, encoded (packed as they are published, and decoded each time one is read) or "
                "files (none is kept, and the data set's own files are decoded each time)"
            )
        faults += [] if self.seeds is None else self._seed_faults(self.seeds)
        gpus = self.gpus_per_training
        if (
            gpus is not None
            and gpus != AUTO
            and not (0 <= gpus <= 1 or (1 < gpus < math.inf and gpus == int(gpus)))
        ):
            faults.append(
                f"--gpus-per-training is {gpus:g}; a training takes one GPU (1), a part of one such as 0.5, auto for "
                "what its memory says, several (2, on which two processes train side by side), or 0 to train on the CPU"
            )
        elif (processes := self.processes_per_training) is not None:
            if processes < 1:
                faults.append(f"--processes-per-training is {processes}; it is 1 or more")
            elif gpus not in (None, 0, processes) and (processes > 1 or (gpus != AUTO and gpus > 1)):
                faults.append(
                    f"--processes-per-training is {processes} and --gpus-per-training {gpus}; every process of a "
                    "training has a GPU of its own: give the same number, or --gpus-per-training 0"
                )
        cpus = self.cpus_per_training
        if cpus is not None and not (math.isfinite(cpus) and cpus > 0 and (cpus < 1 or cpus == int(cpus))):
            faults.append(
                f"--cpus-per-training is {cpus:g}; it is a whole number of cores, or a part of one such as 0.5; leave "
                "it out, and a training takes its part of the machine beside a GPU, and one core without"
            )
        if self.local is not None and self.local < 1:
            faults.append(
                f"--local is {self.local}; it is how many trainings run at a time on this machine, 1 or more"
            )
        if self.max_concurrent is not None and self.max_concurrent < 1:
            faults.append(f"--max-concurrent is {self.max_concurrent}; it is 1 or more")
        minutes = self.checkpoint_minutes
        if minutes is not None and not (math.isfinite(minutes) and minutes > 0):
            faults.append(
                f"--checkpoint-minutes is {minutes:g}; it is more than 0, such as 5 or 0.5; leave it out, and it "
                "follows from what a checkpoint costs"
            )
        if self.stall_minutes is not None and not 0 <= self.stall_minutes < math.inf:
            faults.append(
                f"--stall-minutes is {self.stall_minutes}; it is a number above 0, or 0 to end no training"
            )
        for option, hours in (("gpu", self.max_gpu_hours), ("cpu", self.max_cpu_hours)):
            if hours is not None and not 0 < hours < math.inf:
                faults.append(
                    f"--max-{option}-hours is {hours:g}; it is a number of hours above 0, which all trainings of the "
                    "studies together may take; leave it out for no limit"
                )
        if self.keep_checkpoints not in (KEEPS_ALL, KEEPS_NONE):
            faults.append(
                f"--keep-checkpoints is {self.keep_checkpoints!r}; it is all, which keeps the weights of "
                "every training, or none, which removes them once all that is planned is measured"
            )
        if not (math.isfinite(self.grace_s) and self.grace_s >= 0):
            faults.append(f"--grace-s is {self.grace_s}; it is a number of seconds, 0 or more")
        faults += self._address_faults()
        is_remote = "://" in self.store and not self.store.startswith("file://")
        for option, value in (
            ("--tracking-uri", self.tracking_uri),
            ("--search-storage", self.search_storage),
        ):
            if is_remote and value is None:
                faults.append(f"the store {masked(self.store)} can hold no database; name one with {option}")
        if faults:
            raise ValueError("\n".join(faults))

    def _address_faults(self) -> Iterator[str]:
        yield from store_faults(self.store)
        if self.address is not None:
            yield from cluster_faults(self.address)
        if self.tracking_uri is not None:
            yield from tracking_faults(self.tracking_uri, self._store_folder)
        if self.search_storage is not None:
            yield from search_storage_faults(self.search_storage, self._store_folder)

    @classmethod
    def _seed_faults(cls, text: str) -> list[str]:
        if (num_more := cls._num_more_seeds(text)) is not None:
            return [] if num_more else [f"--seeds is {text!r}, which adds none; write +1 or more"]
        if not re.fullmatch(r"\s*-?[0-9]+\s*(,\s*-?[0-9]+\s*)*", text):
            return [
                f"--seeds is {text!r}; write whole numbers with commas between, such as 0,1,2, or how many more than "
                "the declared ones, such as +2"
            ]
        seeds = cls._seeds(text)
        faults = [f"--seeds is {text!r}; {fault.text}" for fault in take(seeds, Sequence[Seed], "").faults]
        return faults + [f"--seeds is {text!r}; {seed} is given twice" for seed in repeated(seeds)]

    @property
    def keeps_weights(self) -> bool:
        """Say whether trained weights are kept once all that is planned is measured."""
        return self.keep_checkpoints == KEEPS_ALL

    @property
    def may_use_gpus(self) -> bool:
        """Say whether trainings may get a GPU, as far as that is known before a cluster is asked."""
        gpus = self.gpus_per_training
        return self.effective_profile is Profile.PAPER if gpus is None else gpus != 0

    @property
    def effective_profile(self) -> Profile:
        """The profile that is run."""
        if self.profile is not None:
            return Profile(self.profile)
        return Profile.DEMO if self.data_root is None else Profile.PAPER

    def is_demo_by_default(self, studies: Sequence[Study]) -> bool:
        """Say whether the demo runs because nothing else was asked for; the user is told."""
        return self.profile is None and any(study.profile is Profile.DEMO for study in studies)

    def load_studies(self) -> list[Study]:
        """Build the studies, with the seeds that were asked for.

        Raises:
            ValueError: every study that is unknown or refused, told at once.
        """
        studies: list[Study] = []
        faults: list[str] = []
        is_all = self.studies == ("all",)
        wanted = dict.fromkeys(study_names(self.project), None) if is_all else self._tables_by_study()
        for name, tables in wanted.items():
            try:
                study = load_study(name, self.effective_profile, self.project)
                if is_all and study.is_on_request:
                    continue
                study = study if tables is None else study.with_tables(tables)
                studies.append(self._with_seeds(study))
            except ValueError as error:
                faults.append(str(error))
        has_profiles = any(study.profile is not None for study in studies)
        needs_data = self.profile == Profile.PAPER and self.data_root is None and not self.reads_records_alone
        if needs_data and (has_profiles or not studies):
            faults.append("--profile paper needs the published data sets; name their folder with --data-root")
        if self.profile is not None and studies and not has_profiles:
            faults.append(
                f"--profile is {self.profile}, and none of these studies has profiles; leave it out"
            )
        if faults:
            raise ValueError("\n".join(faults))
        return studies if self.datasets is None else self._with_datasets(studies, self.datasets)

    def _tables_by_study(self) -> dict[str, list[str] | None]:
        """Give the tables that are asked for, by study; None is all of them."""
        wanted: dict[str, list[str] | None] = {}
        for name in self.studies:
            study, slash, table = name.partition("/")
            if not slash:
                wanted[study] = None
            elif (tables := wanted.setdefault(study, [])) is not None:
                tables.append(table)
        return wanted

    @staticmethod
    def _with_datasets(studies: Sequence[Study], text: str) -> list[Study]:
        known = dict.fromkeys(label for study in studies for label in study.dataset_labels)
        labels = _split_at_commas(text, known)
        if unknown := [label for label in labels if label not in known]:
            meant = nearest(unknown[0], known)
            hint = f" (did you mean {meant!r}?)" if meant else ""
            raise ValueError(
                f"--datasets names {', '.join(map(repr, unknown))}{hint}; these studies have {', '.join(known)}. "
                "Write names as they head the columns, with commas between"
            )
        return [cut for study in studies if (cut := study.with_datasets(labels)) is not None]

    @property
    def num_more_seeds(self) -> int | None:
        """Say how many seeds are asked for beside the studies' own; None where seeds are listed instead."""
        return 0 if self.seeds is None else self._num_more_seeds(self.seeds)

    def _with_seeds(self, study: Study) -> Study:
        if self.seeds is None:
            return study
        num_more = self.num_more_seeds
        return (
            study.with_seeds(self._seeds(self.seeds)) if num_more is None else study.with_more_seeds(num_more)
        )

    @staticmethod
    def _num_more_seeds(text: str) -> int | None:
        """Read how many seeds are added; None where seeds are listed."""
        found = re.fullmatch(r"\s*\+\s*([0-9]+)\s*", text)
        return int(found[1]) if found else None

    @staticmethod
    def _seeds(text: str) -> list[int]:
        return [int(part) for part in text.split(",")]

    def open_store(self) -> Store:
        """Open or start the store."""
        return Store(self.store)

    @property
    def trains_elsewhere(self) -> bool:
        """Say whether a cluster is named, so that this machine tells nothing of those that train."""
        return (self.address or os.environ.get(RAY_ADDRESS) or "local") != "local"

    def cluster_address(self) -> str | None:
        """Give the address of the cluster to join: the option's, or the one that Ray's own programs go by.

        Returns:
            None to start a cluster here.

        Raises:
            ValueError: RAY_ADDRESS is none that can be joined.
        """
        address = self.address
        if address is None and (address := os.environ.get(RAY_ADDRESS) or None) is not None:
            faults = list(cluster_faults(address, RAY_ADDRESS))
            if faults:
                raise ValueError(
                    f"{faults[0]}. Unset it, or give --address, which goes before it; `--address local` starts a "
                    "cluster here"
                )
        return None if address == "local" else address

    def runtime(self) -> Runtime:
        """Settings of this machine; the backend decides on the device."""
        data_root = None if self.data_root is None else str(Path(self.data_root).expanduser().absolute())
        minutes = self.checkpoint_minutes
        return Runtime(
            data_root,
            str(Path(self.cache_dir).expanduser().absolute()),
            checkpoint_every_s=None if minutes is None else 60 * minutes,
            stall_s=None if self.stall_minutes is None else 60 * self.stall_minutes or math.inf,
            command_line=masked(shlex.join(sys.argv)),
            process=Process(num_processes=self.num_processes),
            owner=user_name(),
            image_cache=cast(ImageCache, self.image_cache),
        )

    def prices(self) -> Prices | None:
        """Read what the project says that devices cost; None where it says nothing.

        Raises:
            ValueError: every fault of what it says.
        """
        return None if self.project is None else read_prices(self.project.folder)

    @property
    def num_processes(self) -> int:
        """Processes that make one training."""
        gpus = self.gpus_per_training
        return self.processes_per_training or (1 if gpus is None or gpus == AUTO else max(1, int(gpus)))

    @property
    def _store_folder(self) -> Path:
        return Path(self.store.removeprefix("file://")).expanduser().absolute()

    @property
    def search_storage_url(self) -> str:
        """Optuna's database."""
        return self.search_storage or f"sqlite:///{self._store_folder}/optuna.db"

    @property
    def tracking_url(self) -> str | None:
        """MLflow's address, or None for no tracking."""
        if self.tracking_uri == NO_TRACKING:
            return None
        return self.tracking_uri or f"sqlite:///{self._store_folder}/mlflow.db"

    @property
    def tracking_link(self) -> dict[str, str]:
        """Say where MLflow shows the sweep: its URL, or the command that starts its pages; nothing without tracking."""
        url = self.tracking_url
        if url is None:
            return {}
        is_server = url.startswith(("http://", "https://"))
        return {"MLflow": masked(url if is_server else f"mlflow ui --backend-store-uri {shlex.quote(url)}")}


def _split_at_commas(text: str, known: Iterable[str]) -> list[str]:
    """Take labels apart, of which a known one may hold commas itself."""
    longest_first = sorted(known, key=len, reverse=True)
    labels: list[str] = []
    rest: str | None = text
    while rest is not None:
        rest = rest.strip()
        fitting = (label for label in longest_first if re.match(rf"{re.escape(label)}\s*(,|$)", rest))
        label = next(fitting, rest.partition(",")[0].strip())
        labels.append(label)
        _, comma, behind = rest[len(label) :].partition(",")
        rest = behind if comma else None
    return labels


def _place(value: str | None) -> str | None:
    """Give a path in full, as databases and caches are told it; a URL as it is."""
    is_path = value is not None and "://" not in value
    return str(Path(value).expanduser().absolute()) if value is not None and is_path else value


def refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    """Refuse misspelt variables, which would be ignored.

    Raises:
        ValueError: names each, and the one that is nearest.
    """
    known = [variable_of(field.name) for field in fields(Settings) if field.name not in NO_OPTIONS]
    unknown = [name for name in sorted(environment) if name.startswith(VARIABLE_PREFIX) and name not in known]
    if unknown:
        meant = {name: nearest(name, known, cutoff=0.0) for name in unknown}
        raise ValueError(
            "\n".join(
                f"the environment variable {name} is of no option; did you mean {option}? Unset or rename it"
                for name, option in meant.items()
            )
            + f" (there are {', '.join(known)})"
        )
