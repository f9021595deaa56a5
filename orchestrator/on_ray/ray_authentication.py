"""Whether this process and a Ray cluster show each other a token, which Ray keeps for a process and not for a cluster.

A driver that goes on demanding the token of an earlier cluster answers nothing to the head of the next one, which takes
it for dead and ends each of its workers before it begins.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager

from ray._raylet import AuthenticationTokenLoader, Config  # pyright: ignore

from tablewright.orchestrator.on_ray.ray_session import set_variables

MODE, TOKEN, TOKEN_PATH = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"
"""Ray's variables; of the last two the first that is set names the token, and after them a file in the home."""


def is_token_mode() -> bool:
    """Whether the environment says that tokens are shown."""
    return os.environ.get(MODE, "").lower() == "token"


def heed_variables() -> None:
    """Have Ray go by its variables as they are now, and forget the token that it has read."""
    Config.initialize("")  # before the token goes, which what still runs would read again
    AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def authentication_kept() -> Generator[None]:
    """Have Ray's authentication afterwards as it is now, whatever cluster this process is of meanwhile."""
    before = {name: os.environ.get(name) for name in (MODE, TOKEN, TOKEN_PATH)}
    try:
        yield
    finally:
        set_variables(before)
        heed_variables()
