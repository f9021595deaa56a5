"""VGG-19."""

import torch

from tablewright.trainables.layers.complexity import count_parameters
from tablewright.trainables.layers.vgg import Vgg19


def test_it_has_torchvisions_names_and_number_of_parameters():
    """16 convolutions, 20,024,384 parameters, from features.0 to features.34; the map is a 32nd of the image."""
    with torch.device("meta"):
        network = Vgg19()
        assert (1, 512, 7, 7) == network(torch.zeros(1, 3, 224, 224)).shape
    assert 20_024_384 == count_parameters(network)
    names = list(network.state_dict())
    assert (32, "features.0.weight", "features.34.bias") == (len(names), names[0], names[-1])
