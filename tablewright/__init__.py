"""All that a study, or a method of one's own, needs: `import tablewright as tw`.

The names stand in `names.py`, which is loaded once somebody asks for one: parts of this package are imported without.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tablewright.names import *  # noqa: F403


def __getattr__(name: str) -> Any:
    """Give a public name."""
    if name.startswith("__") and name != "__all__":  # asked for by Python of every package
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("tablewright.names"), name)


def __dir__() -> list[str]:
    """List the public names."""
    return importlib.import_module("tablewright.names").__all__
