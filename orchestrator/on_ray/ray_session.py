"""A Ray of this machine that is the user's alone: its folder, its token, its addresses. Ray is not imported here."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tablewright.orchestrator.running_processes import has_process

PREFIX = "tw-ray-"
MAX_BASE_CHARACTERS = 16
"""Ray's sockets lie 65 characters below its folder, ours has 30 more, and the name of a socket may have 107."""
TOKEN_BYTES = 32
OF_A_JOB = ("RAY_ADDRESS", "RAY_JOB_CONFIG_JSON_ENV_VAR", "RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES")
"""What a Ray job finds in its environment of the cluster that it is a job of. A Ray started inside it would look for
the job's files in a cluster that is not its own, and show every GPU to every training."""


@contextmanager
def private_session(keeps: Callable[[str], None] = lambda path: None) -> Generator[Path]:
    """Give the folder of a session, which is gone in the end, and set the environment that keeps Ray to itself.

    Inside a Ray job it is none of that job's cluster. What the user has set of Ray's authentication stays as it is.

    Args:
        keeps: told of the folder, so that who outlives this process can remove it.
    """
    base = _base()
    remove_abandoned(base)
    folder = Path(
        tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=base)
    )  # 0700; Ray opens its own to all
    keeps(str(folder))
    changes: dict[str, str | None] = {
        **dict.fromkeys(OF_A_JOB),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # listens on the loopback address alone
        "RAY_gcs_rpc_server_reconnect_timeout_s": "10",
    }
    if not any(name.startswith("RAY_AUTH_") for name in os.environ):
        token = folder / "token"
        token.touch(0o600)
        token.write_text(secrets.token_hex(TOKEN_BYTES), encoding="ascii")
        changes |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    before = {name: os.environ.get(name) for name in changes}
    set_variables(changes)
    try:
        yield folder
    finally:
        set_variables(before)
        shutil.rmtree(folder, ignore_errors=True)


def set_variables(variables: Mapping[str, str | None]) -> None:
    """Set variables of the environment; None takes one out of it."""
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _base() -> Path:
    for candidate in (os.environ.get("RAY_TMPDIR"), tempfile.gettempdir(), "/tmp"):
        if candidate and len(candidate) <= MAX_BASE_CHARACTERS and os.access(candidate, os.W_OK):
            return Path(candidate)
    return Path(tempfile.gettempdir())


def remove_abandoned(base: Path) -> None:
    """Remove the sessions of processes that were killed and have left them."""
    for path in base.glob(f"{PREFIX}*"):
        found = re.fullmatch(rf"{PREFIX}(\d+)-.*", path.name)
        if found and _is_mine(path) and not has_process(int(found[1])):
            shutil.rmtree(path, ignore_errors=True)


def _is_mine(path: Path) -> bool:
    try:
        return path.lstat().st_uid == os.getuid()
    except OSError:
        return False
