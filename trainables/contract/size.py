"""What a network takes, and what training it computes."""

from __future__ import annotations

from dataclasses import dataclass

from tablewright.trainables.contract.metric import Metric

PARAMETERS = Metric("parameters", "Parameters, M", higher_is_better=False, digits=2, is_fraction=False)

INFERENCE_PARAMETERS = Metric(
    "inference_parameters", "at inference, M", higher_is_better=False, digits=2, is_fraction=False
)

FLOPS = Metric("flops", "FLOPs, G", higher_is_better=False, digits=3, is_fraction=False)

DEPTH = Metric("depth", "Depth", higher_is_better=False, digits=0, is_fraction=False)

SIZE_METRICS: tuple[Metric, ...] = (PARAMETERS, INFERENCE_PARAMETERS, FLOPS, DEPTH)


@dataclass(frozen=True)
class NetworkSize:
    """What a network takes, counted without building it in memory.

    Attributes:
        parameters: of training, with the classifiers of as many classes as the data set has published.
        inference_parameters: those that embedding or classifying an image reads.
        multiply_adds: of the convolutions and linear layers for one image at inference.
        depth: the most of these layers that follow one another.
        classes_from: whose number of classes was taken, such as "Market-1501's 751 people", where none is published
            of the config's own data set; empty where one is.
    """

    parameters: int
    inference_parameters: int
    multiply_adds: int
    depth: int
    classes_from: str = ""


FORWARD_AND_BACKWARD = 3
"""Of the forward pass: the backward pass computes a product for the inputs of a layer and one for its weights."""
FLOPS_OF_MULTIPLY_ADD = 2
BYTES_OF_WEIGHT = 4


@dataclass(frozen=True)
class TrainingWork:
    """What a whole training computes and keeps, counted before it runs.

    Attributes:
        flops: floating-point operations of all its steps, forward and backward.
        precision: in which most of them are computed: a `Precision`.
        checkpoint_bytes: of the weights that are kept at its end.
    """

    flops: float
    precision: str
    checkpoint_bytes: int

    @staticmethod
    def of_network(size: NetworkSize, num_images: int, precision: str) -> TrainingWork:
        """Count it from what one image takes at inference.

        Parts that only training computes are not counted: of the five papers' networks at full size they are at most
        4 % of a step, of HA-CNN's small one a third.

        Args:
            size: of the network.
            num_images: that it is shown in all, one that is repeated each time.
            precision: of its steps.
        """
        flops = FORWARD_AND_BACKWARD * FLOPS_OF_MULTIPLY_ADD * size.multiply_adds * num_images
        return TrainingWork(float(flops), precision, BYTES_OF_WEIGHT * size.parameters)
