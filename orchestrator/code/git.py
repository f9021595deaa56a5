"""Git, asked what it knows of a checkout: in bounded time, without a lock and without running what it names."""

from __future__ import annotations

import os
import subprocess

TIMEOUT_S = 10.0
KEPT_VARIABLES = ("GIT_CONFIG_", "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM")
"""Of those that begin with GIT_: they say which folders are trusted and looked through.

Others name a checkout, as those do that Git itself sets for a hook that starts a sweep.
"""
_SETTINGS = (
    "core.fsmonitor=false",  # no program that a stranger's checkout names is run
    "core.fileMode=false",  # copies lose it, and it changes no number
    "core.quotePath=false",
    "core.bigFileThreshold=4m",  # a larger file differs, and nobody reads in what
)


class GitSilent(Exception):
    """Git could not be asked, or gave no answer; says why."""


def ask_git(folder: str, *arguments: str, given: str = "") -> str:
    """Ask Git about the checkout that a folder is in.

    Args:
        folder: in which it is asked.
        arguments: of the command.
        given: on its standard input.

    Raises:
        GitSilent: it is not installed, refuses, or needs too long.
    """
    environment = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith("GIT_") or name.startswith(KEPT_VARIABLES)
    }
    # Nothing is fetched for a checkout that lacks a part, nobody is asked for a password, no lock is waited for.
    environment |= {
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C",
    }
    words = ["git", "-C", folder, *(word for setting in _SETTINGS for word in ("-c", setting)), *arguments]
    try:
        found = subprocess.run(
            words,
            input=given.encode(errors="surrogateescape"),
            capture_output=True,
            check=True,
            timeout=TIMEOUT_S,
            env=environment,
        )
    except FileNotFoundError:
        raise GitSilent("Git is not installed on this machine") from None
    except subprocess.TimeoutExpired:
        raise GitSilent(f"Git gave no answer within {TIMEOUT_S:g} s") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {error.returncode}"]
        raise GitSilent(f"Git refuses: {said[0]}") from None
    except (OSError, ValueError) as error:
        raise GitSilent(f"Git cannot be started: {error}") from None
    return found.stdout.decode(errors="surrogateescape")
