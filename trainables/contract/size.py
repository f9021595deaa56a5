"""What a network takes."""

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
