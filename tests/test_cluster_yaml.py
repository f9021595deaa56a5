"""The cluster files that `ray up` takes: accepted by Ray, whole, safe, and without a hyperparameter."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import re
import shutil
import subprocess
from collections.abc import Iterator
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
AWS, ON_PREMISES = "cluster.yaml", "clusters/on_premises.yaml"
every_file = pytest.mark.parametrize("name", [AWS, ON_PREMISES])
COMMANDS = ("setup_commands", "head_start_ray_commands", "worker_start_ray_commands")


def read_cluster(name: str) -> dict[str, Any]:
    """The file as Ray reads it."""
    return yaml.safe_load((ROOT / name).read_text())


def environment(name: str) -> dict[str, str]:
    """The variables that the set-up exports."""
    lines = re.findall(r"^export (.*)$", "\n".join(read_cluster(name)["setup_commands"]), re.MULTILINE)
    places = re.findall(r"echo 'export ([^']*)'", "\n".join(read_cluster(name)["setup_commands"]))
    return dict(word.split("=", 1) for line in [*lines, *places] for word in line.split() if "=" in word)


def commands(name: str) -> Iterator[str]:
    """Every command of a file."""
    cluster = read_cluster(name)
    for key in COMMANDS:
        yield from cluster[key]


def field_names(config: type[BaseModel]) -> set[str]:
    """The names of all fields that hold a value rather than another model."""
    names: set[str] = set()
    for name, field in config.model_fields.items():
        kind = field.annotation
        is_model = isinstance(kind, type) and issubclass(kind, BaseModel)
        names |= field_names(kind) if is_model else {name}
    return names


@every_file
def test_ray_accepts_the_file(name: str) -> None:
    """The file fits the schema with which Ray checks it."""
    schema = Path(str(distribution("ray").locate_file("ray/autoscaler/ray-schema.json")))
    jsonschema.validate(read_cluster(name), json.loads(schema.read_text()))


def test_a_misspelt_key_would_be_refused() -> None:
    """The schema is not one that accepts anything."""
    schema = Path(str(distribution("ray").locate_file("ray/autoscaler/ray-schema.json")))
    with pytest.raises(jsonschema.ValidationError, match="max_worker"):
        jsonschema.validate(read_cluster(AWS) | {"max_worker": 3}, json.loads(schema.read_text()))


@every_file
def test_what_is_to_be_edited_stands_in_one_place(name: str) -> None:
    """One comment says EDIT, and every value that is nobody's stands in the paragraph below it."""
    text = (ROOT / name).read_text()
    beginnings = [match.start() for match in re.finditer(r"^# EDIT: ", text, re.MULTILINE)]
    assert 1 == len(beginnings)
    end = text.index("\n\n", beginnings[0])
    of_nobody = [match.start() for match in re.finditer(r"\w+-EDIT|192\.168\.|researcher|~/\.ssh", text)]
    assert of_nobody
    assert [] == [place for place in of_nobody if not beginnings[0] < place < end]


def test_head_trains_nothing_and_workers_are_spot_gpus() -> None:
    """On AWS work goes to GPU spot workers that scale from none; head and workers share one image."""
    cluster = read_cluster(AWS)
    head, worker = (cluster["available_node_types"][name] for name in ("cpu_head", "gpu_worker"))
    assert "cpu_head" == cluster["head_node_type"]
    assert {"CPU": 0, "GPU": 0} == head["resources"]
    assert (0, 1) == (worker["min_workers"], worker["resources"]["GPU"])
    assert "spot" == worker["node_config"]["InstanceMarketOptions"]["MarketType"]
    assert "InstanceMarketOptions" not in head["node_config"]
    assert head["node_config"]["ImageId"] == worker["node_config"]["ImageId"]


def test_every_machine_of_aws_names_its_security_group() -> None:
    """Ray makes no group of its own, whose SSH server everybody would reach; one that shuts down costs nothing."""
    for kind in read_cluster(AWS)["available_node_types"].values():
        assert [read_cluster(AWS)["metadata"]["security_group"]] == kind["node_config"]["SecurityGroupIds"]
        assert "terminate" == kind["node_config"]["InstanceInitiatedShutdownBehavior"]
    assert "security_group" not in read_cluster(AWS)["provider"]


@every_file
def test_no_hyperparameter_stands_in_it(name: str) -> None:
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
    words = set(re.findall(r"\w+", json.dumps(read_cluster(name))))
    assert set() == names & words


@every_file
def test_the_environment_speaks_only_to_options_that_exist(name: str) -> None:
    """Each exported variable is read by sweep.py."""
    known = {
        variable
        for parameter in typer.main.get_command(sweep.app).params
        for variable in [getattr(parameter, "envvar", None)]
        if variable
    }
    ours = {name for name in environment(name) if name.startswith("TABLEWRIGHT_")}
    assert {"TABLEWRIGHT_STORE", "TABLEWRIGHT_DATA_ROOT", "TABLEWRIGHT_ADDRESS"} <= ours
    assert set() == ours - known
    assert "auto" == environment(name)["TABLEWRIGHT_ADDRESS"]


def test_a_cluster_of_aws_without_workers_is_not_mistaken_for_a_cpu() -> None:
    """What a training takes, and how many run, is said."""
    ours = environment(AWS)
    assert "1" == ours["TABLEWRIGHT_GPUS_PER_TRAINING"]
    assert str(read_cluster(AWS)["max_workers"]) == ours["TABLEWRIGHT_MAX_CONCURRENT"]


@every_file
def test_no_database_lies_on_what_machines_share(name: str) -> None:
    """MLflow's and Optuna's SQLite files are on the head's own disc: over NFS their locks do not hold."""
    store = environment(name)["TABLEWRIGHT_STORE"].rpartition("/")[0]
    databases = re.findall(r"sqlite:///(/[^\s\"']+)", "\n".join(commands(name)))
    assert databases
    assert [] == [path for path in databases if path.startswith(store)]


@every_file
def test_every_file_that_git_has_is_brought_to_the_machines(name: str) -> None:
    """A machine gets the whole tree, as a record names a commit; not in a folder that Python takes for the package."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    needed = {path.partition("/")[0] for path in tracked.stdout.splitlines()} | {".git"}
    mounts = read_cluster(name)["file_mounts"]
    assert needed == set(mounts.values())
    assert {"project"} == {Path(there).parent.name for there in mounts}
    assert [] == [there for there, here in mounts.items() if Path(there).name != here]


@every_file
@pytest.mark.slow
def test_a_clean_checkout_is_clean_on_the_machines(name: str, tmp_path: Path) -> None:
    """Git finds no difference in what rsync, called as Ray calls it, brings over beside ignored files."""
    if shutil.which("rsync") is None:
        pytest.skip("rsync is not installed")
    here, there = tmp_path / "here", tmp_path / "there"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(here)], check=True)
    (here / "orchestrator/__pycache__").mkdir()
    (here / "orchestrator/__pycache__/run.pyc").touch()
    there.mkdir()
    cluster = read_cluster(name)
    filters = [word for it in cluster["rsync_exclude"] for word in ("--exclude", it)]
    filters += [word for it in cluster["rsync_filter"] for word in ("--filter", f"dir-merge,- {it}")]
    # Mounts of this file that the commit does not have yet are not looked at.
    for target, source in cluster["file_mounts"].items():
        if (here / source).exists():
            ending = "/" if (here / source).is_dir() else ""
            place = there / Path(target).name
            subprocess.run(
                ["rsync", "-a", *filters, f"{here / source}{ending}", f"{place}{ending}"], check=True
            )
    status = subprocess.run(
        ["git", "status", "--porcelain"], cwd=there, capture_output=True, text=True, check=True
    )
    assert "" == status.stdout
    assert not (there / "orchestrator/__pycache__").exists()


@every_file
def test_every_command_is_shell(name: str) -> None:
    """bash can parse each command of the file."""
    for command in commands(name):
        process = subprocess.run(["bash", "-n", "-c", command], capture_output=True, text=True, check=False)
        assert (0, "") == (process.returncode, process.stderr), command


@every_file
def test_ray_is_on_the_path_before_ray_is_started(name: str) -> None:
    """`ray down` stops nothing where ~/.bashrc does not bring `ray`."""
    assert any(">> ~/.bashrc" in command for command in commands(name))
    folder = environment(name)["PATH"].partition("/bin:")[0]
    assert folder in ("/home/ubuntu/environment", "$HOME/environment")


@every_file
def test_the_token_is_made_once_on_the_head_and_given_to_every_worker(name: str) -> None:
    """Whether Ray asks for a token is said, not left to what a home holds; the file is its owner's alone."""
    variables = environment(name)
    assert "token" == variables["RAY_AUTH_MODE"]
    file = Path(variables["RAY_AUTH_TOKEN_PATH"]).name
    assert [f"~/{file}"] == read_cluster(name)["cluster_synced_files"]
    making = [
        command for command in read_cluster(name)["head_start_ray_commands"] if f"> ~/{file}" in command
    ]
    assert 1 == len(making)
    assert f"[ -s ~/{file} ] ||" in making[0]
    assert "umask 077" in making[0]


@every_file
def test_the_head_makes_a_token_that_is_not_made_again(name: str, tmp_path: Path) -> None:
    """It is 32 bytes, readable by its owner, and the same after a second `ray up`."""
    making = next(it for it in read_cluster(name)["head_start_ray_commands"] if "secrets" in it)
    tokens = []
    for _ in range(2):
        subprocess.run(["bash", "-c", making], env={**os.environ, "HOME": str(tmp_path)}, check=True)
        tokens.append((tmp_path / "ray_cluster_token").read_text())
    assert tokens[0] == tokens[1]
    assert 64 == len(tokens[0].strip())
    assert 0o600 == (tmp_path / "ray_cluster_token").stat().st_mode & 0o777


@every_file
def test_ray_is_stopped_only_where_it_is_not_part_of_this_cluster(name: str) -> None:
    """A second `ray up` stops no sweep: `ray stop` and `ray start` stand behind the question who has joined."""
    starting = [command for command in commands(name) if "ray stop" in command or "ray start" in command]
    assert 2 == len(starting)
    for command in starting:
        guard, _, guarded = command.partition("||")
        assert "clusters/joined.py" in guard
        assert "ray stop" in guarded
        assert "ray start" in guarded


@every_file
def test_mlflow_runs_beside_ray_on_the_head(name: str) -> None:
    """The server on the head is started by the script that ends it with Ray, and where sweeps look for it."""
    head = read_cluster(name)["head_start_ray_commands"]
    assert 1 == len([command for command in head if "clusters/mlflow_beside_ray.sh" in command])
    assert [] == [command for command in commands(name) if "mlflow server" in command]
    assert "http://127.0.0.1:5000" == environment(name)["TABLEWRIGHT_TRACKING_URI"]
    script = (ROOT / "clusters/mlflow_beside_ray.sh").read_text()
    assert "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false" in script
    assert "--host 127.0.0.1" in script


def test_the_head_of_aws_can_end_itself_and_does_not_unless_told() -> None:
    """How long the head waits when idle is among what is edited: not at all."""
    variables = environment(AWS)
    assert "0" == variables["HEAD_IDLE_MINUTES"]
    head = "\n".join(read_cluster(AWS)["head_start_ray_commands"])
    assert "clusters/stop_when_idle.py $ip:6379 $HEAD_IDLE_MINUTES" in head
