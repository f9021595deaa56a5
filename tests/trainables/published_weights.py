"""Files with the names and shapes of published weights: zeros that take no room, or small real values."""

import torch

from tablewright.trainables.layers.architectures import published_part
from tablewright.trainables.layers.pretrained import StartingFile


def zeros_of(architecture, *, dtype=torch.float32, counters=True):
    """Every entry of an architecture by published name, as one zero that is stretched to its shape."""
    return {
        name: torch.zeros((), dtype=dtype if entry.is_floating else entry.dtype).expand(entry.shape)
        for name, entry in published_part(architecture).entries.items()
        if counters or not name.endswith("num_batches_tracked")
    }


def values_of(network):
    """Every entry of a network by published name, drawn at random."""
    generator = torch.Generator().manual_seed(0)
    return {
        network.published_name(key): torch.rand(value.shape, generator=generator)
        if value.is_floating_point()
        else torch.tensor(7)
        for key, value in network.state_dict().items()
    }


def prefixed(prefix, entries):
    """The same entries under longer names."""
    return {prefix + name: value for name, value in entries.items()}


def save(path, content, **options):
    """Write a file as torch does, without its name in it, and give its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        torch.save(content, file, **options)
    return path


def file_for(architecture, path, **options):
    """A file that an architecture is to start from."""
    return StartingFile(path, published_part(architecture), **options)
