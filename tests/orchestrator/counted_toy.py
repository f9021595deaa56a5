"""The toy method with a network that can be counted: wider is better, and larger."""

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
        width = members[0][0].network.embedding_size
        better = 0.3 * (1 - 2.0 ** (-width / 8))
        for name in found.metrics:
            found.metrics[name] = min(1.0, found.metrics[name] + better - 0.3)
        return found
