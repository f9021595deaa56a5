"""What AWS is asked for, by a server that answers as it does: the things that are made once, and the head."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
REGION = "us-west-2"
ROLE = "ray-autoscaler-v1"
LAUNCH = """
import json, sys
from ray.autoscaler._private.commands import _bootstrap_config
from ray.autoscaler._private.providers import _get_node_provider
import yaml

config = _bootstrap_config(yaml.safe_load(open(sys.argv[1]).read()), no_config_cache=True)
provider = _get_node_provider(config["provider"], config["cluster_name"])
kinds = {"head": config["head_node_type"], "worker": "gpu_worker"}
for kind, name in kinds.items():
    tags = {"ray-node-type": kind, "ray-node-name": f"ray-tablewright-{kind}", "ray-user-node-type": name}
    provider.create_node(config["available_node_types"][name]["node_config"], tags, 1)
print(json.dumps(provider.non_terminated_nodes({})), flush=True)
sys.stdin.readline()
provider.terminate_nodes(provider.non_terminated_nodes({}))
"""
"""Ray's own provider of AWS, as `ray up` and its autoscaler call it, and then as `ray down` does."""


@pytest.fixture(scope="module")
def aws(s3_server: str) -> dict[str, str]:
    """The environment of a person who has an account of AWS."""
    return {
        **os.environ,
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "PYTHONPATH": str(ROOT),
    }


@pytest.fixture(scope="module")
def client(s3_server: str) -> Any:
    """Make a client of one of AWS's services."""
    import boto3

    def of(service: str) -> Any:
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=s3_server,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    return of


def make_once(aws: dict[str, str], ssh_from: str) -> subprocess.CompletedProcess[str]:
    """Run clusters/aws_once.py; the server has no images of NVIDIA's, so one of another name stands for the newest."""
    code = (
        "import sys; from clusters import aws_once; "
        "aws_once.IMAGE = '/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64'; "
        "sys.exit(aws_once.main(sys.argv[1:]))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, "--region", REGION, "--ssh-from", ssh_from],
        env=aws,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def rules_of(client: Any) -> list[tuple[Any, ...]]:
    """What the security group lets in: protocol, ports, networks, groups."""
    named = [{"Name": "group-name", "Values": ["tablewright"]}]
    (group,) = client("ec2").describe_security_groups(Filters=named)["SecurityGroups"]
    return sorted(
        (
            rule["IpProtocol"],
            rule.get("FromPort", -1),
            tuple(it["CidrIp"] for it in rule["IpRanges"]),
            tuple(it["GroupId"] == group["GroupId"] for it in rule["UserIdGroupPairs"]),
        )
        for rule in group["IpPermissions"]
    )


@pytest.mark.slow
def test_the_head_is_made_as_the_file_says_and_let_in_to_from_the_named_network_alone(
    aws: dict[str, str], client: Any, tmp_path: Path
) -> None:
    """What is made once is made once; Ray's provider takes it, adds no rule, and terminates what it made."""
    made = make_once(aws, "198.51.100.0/24")
    assert 0 == made.returncode, made.stderr
    moved = make_once(aws, "203.0.113.0/24")
    assert made.stdout == moved.stdout
    let_in = [("-1", -1, (), (True,)), ("tcp", 22, ("203.0.113.0/24",), ())]
    assert let_in == rules_of(client)
    (shared,) = client("efs").describe_file_systems()["FileSystems"]
    assert shared["Encrypted"]
    subnets = client("ec2").describe_subnets()["Subnets"]
    assert len(subnets) == shared["NumberOfMountTargets"]

    # An account that has had a cluster of Ray's; with a new one Ray waits half a minute for AWS to know of them.
    iam = client("iam")
    iam.create_instance_profile(InstanceProfileName=ROLE)
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument="{}")
    iam.add_role_to_instance_profile(InstanceProfileName=ROLE, RoleName=ROLE)

    text = (ROOT / "cluster.yaml").read_text()
    for line in made.stdout.splitlines():
        text, count = re.subn(rf"^  {line.split(':')[0].strip()}: &.*$", line, text, flags=re.MULTILINE)
        assert 1 == count, line
    assert not re.search(r"\w+-EDIT", text)
    (tmp_path / "cluster.yaml").write_text(text)
    aws = {**aws, "HOME": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", LAUNCH, str(tmp_path / "cluster.yaml")],
        env=aws,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as launch:
        assert launch.stdout is not None
        machines = json.loads(next(line for line in launch.stdout if line.startswith("[")))
        found = client("ec2").describe_instances(InstanceIds=machines)["Reservations"]
        launched = {machine["InstanceType"]: machine for it in found for machine in it["Instances"]}
        assert {"m7i.xlarge", "g6.2xlarge"} == {*launched}
        group = re.search(r"&security_group (\S+)", made.stdout)
        assert group is not None
        for machine in launched.values():
            assert [group[1]] == [it["GroupId"] for it in machine["SecurityGroups"]]
            tags = {tag["Key"]: tag["Value"] for tag in machine["Tags"]}
            assert "tablewright" == tags["ray-cluster-name"]
        assert "spot" == launched["g6.2xlarge"]["InstanceLifecycle"]
        assert "InstanceLifecycle" not in launched["m7i.xlarge"]
        assert let_in == rules_of(client)
        launch.communicate("\n")
    found = client("ec2").describe_instances(InstanceIds=machines)["Reservations"]
    assert {"terminated"} == {machine["State"]["Name"] for it in found for machine in it["Instances"]}


@pytest.mark.slow
@pytest.mark.parametrize("ssh_from", ["0.0.0.0/0", "203.0.113.7/24", "office"])
def test_ssh_from_everybody_or_from_no_network_is_refused(aws: dict[str, str], ssh_from: str) -> None:
    """Nothing is made where the network is none, is written wrongly, or is the world."""
    refused = make_once(aws, ssh_from)
    assert 2 == refused.returncode
    assert "203.0.113.0/24" in refused.stderr or "name the network" in refused.stderr
