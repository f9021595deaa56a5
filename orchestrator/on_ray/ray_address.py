"""What answers at the address of a Ray cluster, asked before Ray is: it would try again and again, and not say why.

Asked is whether a Ray is there, of which version, and whether it demands a token.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc  # pyright: ignore[reportMissingTypeStubs]
import ray
from ray._private import services
from ray.core.generated import gcs_service_pb2  # pyright: ignore

from tablewright.orchestrator.on_ray.ray_authentication import (
    MODE,
    TOKEN,
    TOKEN_PATH,
    authentication_kept,
    heed_variables,
    is_token_mode,
)
from tablewright.orchestrator.settings import RAY_ADDRESS

ANSWER_S = 10.0
"""How long an address may take to answer."""

NO_PROXY = (("grpc.enable_http_proxy", 0),)
_messages: Any = gcs_service_pb2
_METHOD = "/ray.rpc.NodeInfoGcsService/CheckAlive"


@dataclass(frozen=True)
class Answer:
    """What an address says to one who asks.

    Attributes:
        version: of the Ray that is there; empty where none has said it.
        demands_token: whether it has asked for a token that it was not given.
        fault: why nothing is there; empty where something is.
    """

    version: str = ""
    demands_token: bool = False
    fault: str = ""


def ask(address: str, token: str = "") -> Answer:
    """Ask what is at an address.

    Args:
        address: `host:port`.
        token: to be let in with; empty for none.
    """
    host, _, port = address.rpartition(":")
    try:  # says refused, unreachable and unknown better than gRPC does
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_S).close()
    except OSError as error:
        return Answer(fault=error.strerror or type(error).__name__)
    with grpc.insecure_channel(address, NO_PROXY) as channel:
        check = channel.unary_unary(
            _METHOD,
            request_serializer=_messages.CheckAliveRequest.SerializeToString,
            response_deserializer=_messages.CheckAliveReply.FromString,
        )
        try:
            reply = check(
                _messages.CheckAliveRequest(),
                timeout=ANSWER_S,
                metadata=(("authorization", f"Bearer {token}"),) if token else None,
            )
        except grpc.RpcError as error:
            code = error.code()  # pyright: ignore
            if code == grpc.StatusCode.UNAUTHENTICATED:
                return Answer(demands_token=True)
            return Answer(fault=f"what listens there is no head of a Ray cluster ({code.name})")
    return Answer(reply.ray_version)


@dataclass(frozen=True)
class Token:
    """What Ray sends to be let in.

    Attributes:
        text: of the token; empty where there is none.
        place: where it was looked for, for messages.
    """

    text: str
    place: str


def find_token() -> Token:
    """Find the token that Ray would send: of a variable, of the file that a variable names, or of the home."""
    if text := os.environ.get(TOKEN, "").strip():
        return Token(text, TOKEN)
    named = os.environ.get(TOKEN_PATH)
    path = Path(named) if named else Path.home() / ".ray" / "auth_token"
    try:
        return Token(path.read_text(encoding="utf-8").strip(), str(path))
    except (OSError, UnicodeDecodeError):
        return Token("", str(path))


@contextmanager
def admitted(address: str) -> Generator[str]:
    """Give the `host:port` to join a cluster at, and let Ray send its token meanwhile where it demands one.

    An address that is given Ray sends none by itself.

    Args:
        address: `host:port`, or `auto` for the cluster that this machine is of.

    Raises:
        ValueError: nothing is there, it is another version, no token that it takes is found, or it demands none and
            this process does.
    """
    found = _cluster_of_this_machine() if address == "auto" else address
    if os.environ.get("RAY_USE_TLS", "0") not in (
        "",
        "0",
    ):  # Ray has the certificates; asked without them it is mute
        with authentication_kept():
            heed_variables()
            yield found
        return
    answer, token = ask(found), Token("", "")
    demands_token = answer.demands_token
    if demands_token:
        token = find_token()
        answer = ask(found, token.text) if token.text else answer
        _refuse_without_token(found, token, answer)
    if answer.fault:
        stale = ", which is what `ray start` has last written on this machine," if address == "auto" else ""
        raise ValueError(
            f"the Ray cluster at {found}{stale} does not answer ({answer.fault}); give the host and port that "
            "`ray status` shows on the cluster, `auto` on one of its machines, or `local` to start a cluster here"
        )
    if answer.version != ray.__version__:
        raise ValueError(
            f"the cluster at {found} runs Ray {answer.version}, and here is Ray {ray.__version__}; a sweep and its "
            f"cluster need the same: pip install 'ray[default,tune]=={answer.version}' here, or upgrade the cluster's"
        )
    if is_token_mode() and not demands_token:
        raise ValueError(
            f"the Ray cluster at {found} demands no token, and {MODE} is token here, so that this process would refuse "
            f"what the cluster asks it, and no training would begin. Unset {MODE} (Ray itself sets it in a process "
            "that has started a cluster), or start the cluster's machines with it too"
        )
    with authentication_kept():
        if demands_token:
            os.environ[MODE] = "token"
        heed_variables()
        yield found


def _refuse_without_token(address: str, token: Token, answer: Answer) -> None:
    if not token.text:
        raise ValueError(
            f"the Ray cluster at {address} demands a token, and here is none: {TOKEN} is not set, and {token.place} "
            "holds none. Print it on the cluster's head with `ray get-auth-token`, write it into that file (chmod 600) "
            "on this machine, and run the same command again"
        )
    if answer.demands_token:
        raise ValueError(
            f"the Ray cluster at {address} does not take the token of {token.place}: it is another cluster's. Print "
            f"the right one on the cluster's head with `ray get-auth-token`, and put it there or into a file that "
            f"{TOKEN_PATH} names"
        )


def _cluster_of_this_machine() -> str:
    """Find the cluster that `auto` means: the job's that this process is, else the last that was started here."""
    known = os.environ.get(RAY_ADDRESS, "")
    if known not in ("", "auto", "local") and "://" not in known:
        return known
    if written := services.find_bootstrap_address(None):
        return written
    running = sorted(services.find_gcs_addresses())
    mine = [address for address in running if not ask(address, find_token().text).demands_token]
    if len(mine) == 1:
        return mine[0]
    several = f"; there are {', '.join(mine)}, one of which --address can name" if mine else ""
    raise ValueError(
        f"--address is auto, and this machine is of no one Ray cluster{several}. Run the command on a machine of the "
        "cluster, give host:port, or leave --address out to start a cluster here"
    )
