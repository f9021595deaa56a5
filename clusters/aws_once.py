"""Make, once for all clusters of a region, what `cluster.yaml` names; prints the lines to write there.

    make aws && . .venv/bin/activate
    python clusters/aws_once.py --region us-west-2 --ssh-from 203.0.113.0/24

That is a security group which lets SSH in from one network and everything from within, an encrypted file system that
each default subnet reaches, and the newest machine image with NVIDIA's driver. What is there already is taken as it
is found, but for the network that SSH comes from, which becomes the one that is named. Uses your own credentials.
"""

from __future__ import annotations

import argparse
import ipaddress
import sys
import time
from typing import Any

import boto3

NAME = "tablewright"
IMAGE = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"
SSH_PORT = 22
POLL_S = 3.0


def network(text: str) -> str:
    """Read the network that SSH may come from.

    Raises:
        argparse.ArgumentTypeError: it is none, or is everybody.
    """
    try:
        found = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"a network is needed, such as 203.0.113.0/24, or one address with /32; {error}"
        ) from None
    if found.prefixlen < 8:
        raise argparse.ArgumentTypeError(
            f"{text} is next to everybody; name the network that you log in from"
        )
    return str(found)


def security_group(ec2: Any, vpc: str, ssh_from: str) -> str:
    """Give the id of the security group, with exactly two rules.

    Args:
        ec2: client of the region.
        vpc: in which it is.
        ssh_from: network that may log in.
    """
    its = [{"Name": "group-name", "Values": [NAME]}, {"Name": "vpc-id", "Values": [vpc]}]
    found = ec2.describe_security_groups(Filters=its)["SecurityGroups"]
    if found:
        group, rules = found[0]["GroupId"], found[0]["IpPermissions"]
    else:
        made = ec2.create_security_group(GroupName=NAME, Description="Clusters of Tablewright", VpcId=vpc)
        group, rules = made["GroupId"], []
    # With no rule at all, Ray would let everybody reach its SSH server.
    ssh = {"IpProtocol": "tcp", "FromPort": SSH_PORT, "ToPort": SSH_PORT, "IpRanges": [{"CidrIp": ssh_from}]}
    within = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}
    kept = [rule for rule in rules if _is(rule, ssh) or _is(rule, within)]
    missing = [wanted for wanted in (ssh, within) if not any(_is(rule, wanted) for rule in kept)]
    others = [rule for rule in rules if rule not in kept]
    if missing:
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=missing)
    if others:
        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=others)
    return group


def _is(rule: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Say whether a rule as AWS gives it is one that is wanted, and not more."""
    groups = [{"GroupId": pair["GroupId"]} for pair in rule.get("UserIdGroupPairs", [])]
    return (
        rule["IpProtocol"] == wanted["IpProtocol"]
        and (wanted["IpProtocol"] == "-1" or rule.get("FromPort") == rule.get("ToPort") == SSH_PORT)
        and groups == wanted.get("UserIdGroupPairs", [])
        and [{"CidrIp": it["CidrIp"]} for it in rule.get("IpRanges", [])] == wanted.get("IpRanges", [])
        and not rule.get("Ipv6Ranges")
        and not rule.get("PrefixListIds")
    )


def file_system(efs: Any, subnets: list[str], group: str) -> str:
    """Give the id of the file system, which each of some subnets reaches.

    Args:
        efs: client of the region.
        subnets: ids of them.
        group: that may mount it.
    """
    found = efs.describe_file_systems(CreationToken=NAME)["FileSystems"]
    if found:
        name = found[0]["FileSystemId"]
    else:
        tags = [{"Key": "Name", "Value": NAME}]
        made = efs.create_file_system(CreationToken=NAME, Encrypted=True, ThroughputMode="elastic", Tags=tags)
        name = made["FileSystemId"]
    while efs.describe_file_systems(FileSystemId=name)["FileSystems"][0]["LifeCycleState"] != "available":
        time.sleep(POLL_S)
    reached = {it["SubnetId"] for it in efs.describe_mount_targets(FileSystemId=name)["MountTargets"]}
    for subnet in subnets:
        if subnet not in reached:
            efs.create_mount_target(FileSystemId=name, SubnetId=subnet, SecurityGroups=[group])
    return name


def image(ssm: Any) -> str:
    """Give the id of the newest image with NVIDIA's driver."""
    return ssm.get_parameter(Name=IMAGE)["Parameter"]["Value"]


def main(arguments: list[str]) -> int:
    """Make them, and print the lines of cluster.yaml; gives the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--region", required=True, help="such as us-west-2")
    parser.add_argument(
        "--ssh-from", required=True, type=network, help="network that may log in: 203.0.113.0/24"
    )
    given = parser.parse_args(arguments)
    ec2, efs, ssm = (boto3.client(name, region_name=given.region) for name in ("ec2", "efs", "ssm"))
    default = ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"]
    if not default:
        sys.stderr.write(f"{given.region} has no default network; `aws ec2 create-default-vpc` makes one\n")
        return 1
    group = security_group(ec2, default[0]["VpcId"], given.ssh_from)
    shared = file_system(efs, [it["SubnetId"] for it in default], group)
    sys.stdout.write(
        f"  region: &region {given.region}\n"
        f"  image: &image {image(ssm)}\n"
        f"  security_group: &security_group {group}\n"
        f"  shared: &shared echo {shared}.efs.{given.region}.amazonaws.com:/ > ~/shared_folder\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
