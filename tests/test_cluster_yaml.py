"""cluster.yaml: accepted by Ray, complete, and without a hyperparameter."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import subprocess
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
import yaml
from pydantic import BaseModel

from tablewright import sweep, trainables
from tablewright.trainables.contract.method import TrainingConfig

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "cluster.yaml").read_text()


def read_cluster() -> dict[str, Any]:
    """The file as Ray reads it."""
    return yaml.safe_load(TEXT)


def environment() -> dict[str, str]:
    """The variables that the set-up exports."""
    return dict(re.findall(r"^export (\w+)=(.*)$", "\n".join(read_cluster()["setup_commands"]), re.MULTILINE))


def field_names(config: type[BaseModel]) -> set[str]:
    """The names of all fields that hold a value rather than another model."""
    names: set[str] = set()
    for name, field in config.model_fields.items():
        kind = field.annotation
        is_model = isinstance(kind, type) and issubclass(kind, BaseModel)
        names |= field_names(kind) if is_model else {name}
    return names


def test_ray_accepts_the_file() -> None:
    """The file fits the schema with which Ray checks it."""
    schema = Path(str(distribution("ray").locate_file("ray/autoscaler/ray-schema.json")))
    jsonschema.validate(read_cluster(), json.loads(schema.read_text()))


def test_a_misspelt_key_would_be_refused() -> None:
    """The schema is not one that accepts anything."""
    schema = Path(str(distribution("ray").locate_file("ray/autoscaler/ray-schema.json")))
    with pytest.raises(jsonschema.ValidationError, match="max_worker"):
        jsonschema.validate(read_cluster() | {"max_worker": 3}, json.loads(schema.read_text()))


def test_head_trains_nothing_and_workers_are_spot_gpus() -> None:
    """Work goes to GPU spot workers that scale from none; head and workers share one image."""
    cluster = read_cluster()
    head, worker = (cluster["available_node_types"][name] for name in ("cpu_head", "gpu_worker"))
    assert "cpu_head" == cluster["head_node_type"]
    assert {"CPU": 0, "GPU": 0} == head["resources"]
    assert (0, 1) == (worker["min_workers"], worker["resources"]["GPU"])
    assert "spot" == worker["node_config"]["InstanceMarketOptions"]["MarketType"]
    assert "InstanceMarketOptions" not in head["node_config"]
    assert head["node_config"]["ImageId"] == worker["node_config"]["ImageId"]


def test_no_hyperparameter_stands_in_it() -> None:
    """Neither a field of any method's configuration nor an option that is one occurs outside comments."""
    for module in pkgutil.iter_modules(trainables.__path__, "tablewright.trainables."):
        importlib.import_module(module.name)
    configs = [
        kind
        for kind in TrainingConfig.__subclasses__()
        if kind.__module__.startswith("tablewright.trainables.")
    ]
    assert configs
    names = set().union(*(field_names(config) for config in configs))
    words = set(re.findall(r"\w+", json.dumps(read_cluster())))
    assert set() == names & words


def test_the_environment_speaks_only_to_options_that_exist() -> None:
    """Each exported variable is read by sweep.py; a cluster without workers is not mistaken for a CPU."""
    known = {
        variable
        for parameter in typer.main.get_command(sweep.app).params
        for variable in [getattr(parameter, "envvar", None)]
        if variable
    }
    ours = {name: value for name, value in environment().items() if name.startswith("TABLEWRIGHT_")}
    assert set() == set(ours) - known
    assert ("auto", "1") == (ours["TABLEWRIGHT_ADDRESS"], ours["TABLEWRIGHT_GPUS_PER_TRAINING"])
    assert str(read_cluster()["max_workers"]) == ours["TABLEWRIGHT_MAX_CONCURRENT"]


def test_every_mounted_file_is_there_and_is_all_that_an_installation_needs() -> None:
    """What a node installs from is a part of the project, each package of it included."""
    mounted = set(read_cluster()["file_mounts"].values())
    needed = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    needed |= {"sweep.py", "pyproject.toml", "constraints.txt", "README.md"}
    assert set() == needed - mounted
    assert [] == [name for name in mounted - {".git"} if not (ROOT / name).exists()]


def test_every_command_is_shell() -> None:
    """bash can parse each command of the file."""
    cluster = read_cluster()
    for key in ("setup_commands", "head_start_ray_commands", "worker_start_ray_commands"):
        for command in cluster[key]:
            process = subprocess.run(
                ["bash", "-n", "-c", command], capture_output=True, text=True, check=False
            )
            assert (0, "") == (process.returncode, process.stderr), command


def test_ray_is_on_the_path_before_ray_is_started() -> None:
    """`ray down` stops nothing where ~/.bashrc does not bring `ray`."""
    commands = read_cluster()["setup_commands"]
    assert any(">> ~/.bashrc" in command for command in commands)
    assert environment()["PATH"].startswith("/home/ubuntu/environment/bin:")
    assert any("venv /home/ubuntu/environment" in command for command in commands)


def test_mlflow_runs_without_its_job_processes() -> None:
    """The server on the head is started with job execution switched off."""
    servers = [line for line in read_cluster()["head_start_ray_commands"] if "mlflow server" in line]
    assert 1 == len(servers)
    assert "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false" in servers[0]
