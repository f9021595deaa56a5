"""Starting weights that are paired: what two configurations have in common starts alike in both."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

from tablewright.trainables.training.determinism import derive_seed

_Arguments = ParamSpec("_Arguments")
_Part = TypeVar("_Part")


def build_part(
    name: str, build: Callable[_Arguments, _Part], *args: _Arguments.args, **kwargs: _Arguments.kwargs
) -> _Part:
    """Build one part of a network with random numbers of its own.

    Were all parts drawn from one stream in the order of construction, switching one off would redraw those behind
    it, and a row of an ablation would differ from its base by its switch and by chance.

    Args:
        name: of the part within what is being built: parts may have parts. Equal names give equal numbers.
        build: makes the part; its numbers come from torch's generator of the CPU, which is seeded by that
            generator's own seed and the name meanwhile, and goes on afterwards as if nothing had been drawn.
        args: of `build`.
        kwargs: of `build`.
    """
    generator = torch.default_generator
    state = generator.get_state()
    try:
        generator.manual_seed(derive_seed(generator.initial_seed(), name))
        return build(*args, **kwargs)
    finally:
        generator.set_state(state)
