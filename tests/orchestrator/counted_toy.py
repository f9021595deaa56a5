"""The toy method with a network that can be counted: wider is better, and larger."""

import dataclasses

import numpy as np

from tablewright.trainables.contract.size import NetworkSize
from tests.toy_method import ToyConfig, ToyTrainable


class CountedToyConfig(ToyConfig):
    """The toy config, of a method that counts its network."""

    METHOD = "counted_toy"

    def make_trainable(self):
        return CountedToy()


class CountedToy(ToyTrainable):
    """Implements `CountsSize` too."""

    def size(self, config):
        width = config.network.embedding_size
        return NetworkSize(1000 * width, 900 * width, 5000 * width, 2)

    def measure(self, members, view):
        found = super().measure(members, view)
        lost = 0.3 * 2.0 ** (-members[0][0].network.embedding_size / 8)
        metrics = {name: value - lost for name, value in found.metrics.items()}
        return dataclasses.replace(
            found, metrics=metrics, per_query={"average_precision": np.array([metrics["map"]])}
        )
